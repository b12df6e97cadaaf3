-- How far are the recorded costs from what Cloud Billing charged, VM by VM?
-- Grain: one Spot VM and UTC day in the recorded costs or the detailed billing export.
--
-- Exists only where the detailed usage cost export is configured. billed_cost is the cost of the VM's Spot SKUs of
-- Compute Engine before credits, in USD at the export's own rate whatever the account's currency. With negotiated prices
-- it is lower than our cost, which is at list prices: compare with billed_cost_at_list then. Either is NULL where the
-- export does not say it for every charge. The export arrives up to a day or more late, so the last two days are left
-- out. A positive error means that our figure is too high. matched names the side that has the VM. Reads 35 days of our
-- rows and 36 daily partitions of the export whatever the filter, since either side may lack a day.
WITH tracked AS (
  SELECT
    DATE(costs.usage_start_time) AS usage_date,
    costs.project_id,
    costs.instance_id,
    MIN(costs.instance_name) AS instance_name,
    MIN(costs.machine_type) AS machine_type,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours)) AS priced_hours,
    SUM(costs.cost) AS cost
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 35 DAY)
    AND costs.usage_start_time < TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 1 DAY)
  GROUP BY
    usage_date,
    costs.project_id,
    costs.instance_id
),

charges AS (
  SELECT
    DATE(exported.usage_start_time) AS usage_date,
    exported.project.id AS project_id,
    -- Both forms occur: /instance/N and /instances/N.
    REGEXP_EXTRACT(exported.resource.global_name, r'/instances?/([0-9]+)$') AS instance_id,
    exported.resource.name AS resource_name,
    -- The rate is from USD to the account's currency.
    SAFE_DIVIDE(exported.cost, IF(exported.currency = 'USD', 1, exported.currency_conversion_rate)) AS cost,
    SAFE_DIVIDE(
      exported.cost_at_list, IF(exported.currency = 'USD', 1, exported.currency_conversion_rate)
    ) AS cost_at_list
  FROM `${billing_export_table}` AS exported
  -- Google partitions the export by the day of arrival, which is not before that of usage in any time zone.
  WHERE exported._PARTITIONTIME >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 36 DAY)
    AND exported.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 35 DAY)
    AND exported.usage_start_time < TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 1 DAY)
    -- Disks, traffic, licenses and on-demand VMs are not in the compared cost; taxes and adjustments have no VM.
    AND exported.service.id = '6F81-5844-456A'
    AND REGEXP_CONTAINS(exported.sku.description, r'(?i)\b(spot|preemptible)\b')
    AND exported.cost_type = 'regular'
    AND REGEXP_CONTAINS(exported.resource.global_name, r'/instances?/[0-9]+$')
),

billed AS (
  SELECT
    usage_date,
    project_id,
    instance_id,
    MIN(resource_name) AS resource_name,
    IF(COUNTIF(cost IS NULL) > 0, NULL, ROUND(CAST(SUM(cost) AS NUMERIC), 9)) AS cost,
    IF(COUNTIF(cost_at_list IS NULL) > 0, NULL, ROUND(CAST(SUM(cost_at_list) AS NUMERIC), 9)) AS cost_at_list
  FROM charges
  GROUP BY
    usage_date,
    project_id,
    instance_id
)

SELECT
  COALESCE(tracked.usage_date, billed.usage_date) AS usage_date,  -- DATE: The UTC day of the usage; a filter on it does not limit what is read.
  COALESCE(tracked.project_id, billed.project_id) AS project_id,  -- STRING: The Google Cloud project.
  COALESCE(tracked.instance_id, billed.instance_id) AS instance_id,  -- STRING: The id of the VM, unique in its project and zone.
  COALESCE(tracked.instance_name, billed.resource_name) AS instance_name,  -- STRING: The name of the VM.
  tracked.machine_type,  -- STRING: The machine type; NULL for a VM that is only in the bill.
  CASE
    WHEN billed.instance_id IS NULL THEN 'ours only'
    WHEN tracked.instance_id IS NULL THEN 'billed only'
    ELSE 'both'
  END AS matched,  -- STRING: both, ours only or billed only: which side has the VM.
  tracked.vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not; NULL for a VM that is only in the bill.
  CASE
    WHEN tracked.priced_hours < tracked.vm_hours THEN
      LEAST(ROUND(SAFE_DIVIDE(tracked.priced_hours, tracked.vm_hours), 6), NUMERIC '0.999999')
    WHEN tracked.vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of vm_hours with a known Spot price; 1 only when every hour has one.
  tracked.cost,  -- NUMERIC: Our cost of the day at Spot list prices, in USD.
  billed.cost AS billed_cost,  -- NUMERIC: What Cloud Billing charged for the VM's Spot SKUs before credits, in USD; NULL when the export does not say it for every charge.
  tracked.cost - billed.cost AS error,  -- NUMERIC: cost minus billed_cost, in USD: positive when our figure is too high.
  ROUND(SAFE_DIVIDE(tracked.cost - billed.cost, billed.cost) * 100, 4) AS error_percent,  -- NUMERIC: error in percent of billed_cost.
  billed.cost_at_list AS billed_cost_at_list,  -- NUMERIC: The same charges at list prices, in USD; NULL when the export does not say it for every charge.
  tracked.cost - billed.cost_at_list AS error_at_list,  -- NUMERIC: cost minus billed_cost_at_list, in USD.
  ROUND(SAFE_DIVIDE(tracked.cost - billed.cost_at_list, billed.cost_at_list) * 100, 4) AS error_at_list_percent  -- NUMERIC: error_at_list in percent of billed_cost_at_list.
FROM tracked
FULL OUTER JOIN billed
  ON billed.usage_date = tracked.usage_date
  AND billed.project_id = tracked.project_id
  AND billed.instance_id = tracked.instance_id
