-- Counts every hour twice.
SELECT
  DATE(costs.usage_start_time) AS usage_date,
  'x' AS zone,
  SUM(costs.uptime_hours) * 2 AS vm_hours,
  SUM(costs.cost) AS cost
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
GROUP BY usage_date
