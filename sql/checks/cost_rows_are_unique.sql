-- Promise: a Spot VM has at most one cost row in an hour.
-- One row is a key that is there more than once. Reads 45 days: the tracker changes no row that is older.
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
