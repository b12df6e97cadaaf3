-- Moves the last hour of a day to the next one.
SELECT
  TIMESTAMP_ADD(costs.usage_start_time, INTERVAL 1 HOUR) AS ChargePeriodStart,
  costs.uptime_hours AS x_UptimeHours,
  costs.cost AS EffectiveCost,
  'compute' AS x_CostPart
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  AND costs.cost IS NOT NULL
