-- Invariant: a Spot VM has at most one cost row per hour.
-- Grain: one duplicated key. Reads 45 days: the tracker changes no older row.
SELECT
  costs.usage_start_time,
  costs.project_id,
  costs.zone,
  costs.instance_id,
  COUNT(*) AS copies
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
GROUP BY
  costs.usage_start_time,
  costs.project_id,
  costs.zone,
  costs.instance_id
HAVING COUNT(*) > 1
