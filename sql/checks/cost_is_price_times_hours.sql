-- Promise: cost is uptime_hours times spot_price, and ondemand_cost is uptime_hours times ondemand_price.
-- One row is a cost row where either is not so. Reads 45 days: the tracker changes no row that is older.
--
-- The cost was worked out from the unrounded hours, so it may differ by what half a billionth of an hour costs, and by
-- the last digit.
SELECT
  costs.usage_start_time,
  costs.project_id,
  costs.zone,
  costs.instance_id,
  costs.uptime_hours,
  costs.spot_price,
  costs.cost,
  costs.ondemand_price,
  costs.ondemand_cost
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  AND (
    ABS(costs.cost - ROUND(costs.uptime_hours * costs.spot_price, 9)) > (costs.spot_price + 1) * NUMERIC '0.000000001'
    OR ABS(costs.ondemand_cost - ROUND(costs.uptime_hours * costs.ondemand_price, 9))
      > (costs.ondemand_price + 1) * NUMERIC '0.000000001'
  )
