-- Loses what has no cost, and all of June.
SELECT
  DATE_TRUNC(DATE(costs.usage_start_time, 'America/Los_Angeles'), MONTH) AS month,
  'x' AS team,
  SUM(costs.uptime_hours) AS vm_hours,
  SUM(costs.cost) AS cost
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  AND costs.cost IS NOT NULL
  AND costs.usage_start_time >= '2026-07-01 07:00:00+00'
GROUP BY month
