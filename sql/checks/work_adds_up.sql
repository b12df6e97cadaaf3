-- Invariant: what work and idle time of a VM cost in an hour is what the VM cost in it, to the last digit.
-- Grain: one cost row whose hours or costs differ from the sums of its work and idle time. Reads 92 days.
WITH sums AS (
  SELECT
    hours.usage_start_time,
    hours.project_id,
    hours.zone,
    hours.instance_id,
    SUM(hours.vm_hours) AS vm_hours,
    SUM(hours.cost) AS cost,
    SUM(hours.ondemand_cost) AS ondemand_cost,
    SUM(hours.license_cost) AS license_cost,
    SUM(hours.disk_cost) AS disk_cost,
    SUM(hours.known_cost) AS known_cost,
    LOGICAL_OR(hours.vm_hours < 0 OR hours.cost < 0) AS is_negative
  FROM `${dataset}.work_hours` AS hours
  GROUP BY
    hours.usage_start_time,
    hours.project_id,
    hours.zone,
    hours.instance_id
),

cost_rows AS (
  SELECT
    costs.usage_start_time,
    costs.project_id,
    costs.zone,
    costs.instance_id,
    costs.uptime_hours,
    costs.cost,
    costs.ondemand_cost,
    costs.license_cost,
    costs.disk_cost,
    IF(costs.cost IS NULL AND costs.known_cost = 0, NULL, COALESCE(costs.known_cost, costs.cost)) AS known_cost
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
)

SELECT
  COALESCE(cost_rows.usage_start_time, sums.usage_start_time) AS usage_start_time,
  COALESCE(cost_rows.instance_id, sums.instance_id) AS instance_id,
  cost_rows.uptime_hours AS row_hours,
  sums.vm_hours AS view_hours,
  cost_rows.cost AS row_cost,
  sums.cost AS view_cost
FROM cost_rows
FULL OUTER JOIN sums
  ON sums.usage_start_time = cost_rows.usage_start_time
  AND sums.project_id = cost_rows.project_id
  AND sums.zone = cost_rows.zone
  AND sums.instance_id = cost_rows.instance_id
-- Equal sums of parts that are not negative keep the invariant.
WHERE COALESCE(cost_rows.uptime_hours, -1) != COALESCE(sums.vm_hours, -1)
  OR COALESCE(cost_rows.cost, -1) != COALESCE(sums.cost, -1)
  OR COALESCE(cost_rows.ondemand_cost, -1) != COALESCE(sums.ondemand_cost, -1)
  OR COALESCE(cost_rows.license_cost, -1) != COALESCE(sums.license_cost, -1)
  OR COALESCE(cost_rows.disk_cost, -1) != COALESCE(sums.disk_cost, -1)
  OR COALESCE(cost_rows.known_cost, -1) != COALESCE(sums.known_cost, -1)
  OR sums.is_negative
