-- Invariant: cost is billed_hours times spot_price, and ondemand_cost is billed_hours times ondemand_price.
-- Grain: one cost row that violates it. Reads 45 days: the tracker changes no older row.
--
-- Rows without billed_hours are older than the column: all of their uptime is billed. The cost is computed from the
-- unrounded hours, so it may differ by the cost of half a billionth of an hour, and by the last digit.
SELECT
  costs.usage_start_time,
  costs.project_id,
  costs.zone,
  costs.instance_id,
  COALESCE(costs.billed_hours, costs.uptime_hours) AS billed_hours,
  costs.spot_price,
  costs.cost,
  costs.ondemand_price,
  costs.ondemand_cost
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  AND (
    ABS(costs.cost - ROUND(COALESCE(costs.billed_hours, costs.uptime_hours) * costs.spot_price, 9)) > (costs.spot_price + 1) * NUMERIC '0.000000001'
    OR ABS(costs.ondemand_cost - ROUND(COALESCE(costs.billed_hours, costs.uptime_hours) * costs.ondemand_price, 9))
      > (costs.ondemand_price + 1) * NUMERIC '0.000000001'
  )
