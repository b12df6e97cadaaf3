-- Invariant: known_cost is the sum of the costs that are known, and total_cost is it where all are known, else NULL.
-- Grain: one cost row that violates it. Reads 45 days: the tracker changes no older row.
--
-- Rows recorded before the columns existed have none of them.
SELECT
  costs.usage_start_time,
  costs.project_id,
  costs.zone,
  costs.instance_id,
  costs.known_cost,
  costs.total_cost
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  AND costs.license_status IS NOT NULL
  AND (
    costs.known_cost != COALESCE(costs.cost, 0) + COALESCE(costs.license_cost, 0) + COALESCE(costs.address_cost, 0)
      + COALESCE(costs.disk_cost, 0) + COALESCE(costs.bandwidth_cost, 0)
    OR COALESCE(costs.total_cost, -1) != COALESCE(
      costs.cost + costs.license_cost + costs.address_cost + costs.disk_cost + costs.bandwidth_cost, -1
    )
  )
