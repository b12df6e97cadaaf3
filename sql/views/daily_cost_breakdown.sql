-- What did Spot VMs cost each day, by project, machine type and zone?
-- Grain: one UTC day, day of Cloud Billing, project, machine type and zone in which a Spot VM ran.
--
-- A UTC day has two rows, one for each day of Cloud Billing (in America/Los_Angeles) that it is part of: sum by
-- usage_date or by billing_date. Uptime that no source could identify is a row of its own whose machine type, region and
-- zone are '(unresolved)': not priced, with an estimate if it is of Spot VMs at the mean price of their project that day.
-- cost covers the priced hours only. Reads at most 400 days, so that a day can be compared with the same day of last
-- year; a filter on usage_date limits the partitions that are read.
WITH vm_usage AS (
  SELECT
    DATE(costs.usage_start_time) AS usage_date,
    DATE(costs.usage_start_time, 'America/Los_Angeles') AS billing_date,
    costs.project_id,
    costs.machine_type,
    costs.region,
    costs.zone,
    COUNT(DISTINCT costs.instance_id) AS instances,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours)) AS priced_hours,
    SUM(IF(costs.cost IS NULL, 0, COALESCE(costs.billed_hours, costs.uptime_hours))) AS priced_billed_hours,
    SUM(costs.cost) AS cost,
    SUM(IF(costs.cost IS NULL AND costs.known_cost = 0, NULL, COALESCE(costs.known_cost, costs.cost))) AS known_cost,
    SUM(IF(costs.total_cost IS NULL, 0, costs.uptime_hours)) AS fully_priced_hours
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  GROUP BY
    usage_date,
    billing_date,
    costs.project_id,
    costs.machine_type,
    costs.region,
    costs.zone
),

unresolved_rows AS (
  SELECT
    unresolved.usage_date,
    unresolved.billing_date,
    unresolved.project_id,
    '(unresolved)' AS machine_type,
    '(unresolved)' AS region,
    '(unresolved)' AS zone,
    CAST(NULL AS INT64) AS instances,
    SUM(unresolved.vm_hours) AS vm_hours,
    NUMERIC '0' AS priced_hours,
    NUMERIC '0' AS priced_billed_hours,
    CAST(NULL AS NUMERIC) AS cost,
    CAST(NULL AS NUMERIC) AS known_cost,
    NUMERIC '0' AS fully_priced_hours
  FROM `${dataset}.unresolved_usage` AS unresolved
  WHERE unresolved.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  GROUP BY
    unresolved.usage_date,
    unresolved.billing_date,
    unresolved.project_id
),

all_usage AS (
  SELECT * FROM vm_usage
  UNION ALL
  SELECT * FROM unresolved_rows
)

SELECT
  usage_date,  -- DATE: The UTC day of the usage; a filter on it limits what is read.
  billing_date,  -- DATE: The day of the usage in Cloud Billing, in America/Los_Angeles.
  project_id,  -- STRING: The Google Cloud project.
  machine_type,  -- STRING: The machine type; NULL when it is not known, (unresolved) for VMs that no source could identify.
  region,  -- STRING: The region of the zone; (unresolved) for VMs that no source could identify.
  zone,  -- STRING: The zone; (unresolved) for VMs that no source could identify.
  instances,  -- INTEGER: Distinct VMs of the row, which do not add up over rows; NULL for VMs that no source could identify.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  priced_hours,  -- NUMERIC: The VM-hours whose Spot price is known; sums of it divided by sums of vm_hours are the share of a total.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: priced_hours divided by vm_hours; 1 only when every hour has a price.
  ROUND(SAFE_DIVIDE(cost, priced_billed_hours), 6) AS average_spot_price,  -- NUMERIC: Mean Spot price in USD per VM-hour, weighted by billed hours.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  known_cost,  -- NUMERIC: What is known of all that the VMs cost, in USD: cost, licenses, external addresses, disks and bandwidth; NULL when nothing is known.
  IF(fully_priced_hours = vm_hours, known_cost, NULL) AS total_cost,  -- NUMERIC: known_cost when every part of it is known in every hour, in USD, else NULL; sum known_cost over rows instead.
  fully_priced_hours,  -- NUMERIC: The VM-hours of which every part of known_cost is known; below vm_hours, known_cost is a lower bound.
  IF(
    machine_type = '(unresolved)',
    ROUND(vm_hours * SAFE_DIVIDE(SUM(cost) OVER project_days, SUM(priced_hours) OVER project_days), 6),
    NULL
  ) AS estimated_unresolved_cost  -- NUMERIC: An estimate in USD: what unidentified VMs cost if they are Spot VMs at the mean price of their project that day; NULL in other rows, and without a price.
FROM all_usage
WINDOW project_days AS (PARTITION BY usage_date, project_id)
