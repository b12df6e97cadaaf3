-- Invariant: a Spot VM has at most one cost row for any time: one for an hour, or several that follow one another.
-- Grain: one row that begins before another one of the VM has ended. Reads 45 days: the tracker changes no older row.
WITH in_order AS (
  SELECT
    costs.usage_start_time,
    costs.usage_end_time,
    costs.project_id,
    costs.zone,
    costs.instance_id,
    LAG(costs.usage_end_time) OVER (
      PARTITION BY costs.project_id, costs.zone, costs.instance_id ORDER BY costs.usage_start_time, costs.usage_end_time
    ) AS previous_end_time
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
)

SELECT
  usage_start_time,
  usage_end_time,
  project_id,
  zone,
  instance_id,
  previous_end_time
FROM in_order
-- A row that begins when the one before it ends keeps the invariant.
WHERE usage_start_time < previous_end_time
