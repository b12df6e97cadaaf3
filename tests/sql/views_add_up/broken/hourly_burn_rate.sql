-- Loses a little money, and the time of VMs that nobody identified.
SELECT
  costs.usage_start_time,
  SUM(costs.uptime_hours) AS vm_hours,
  NUMERIC '0' AS unresolved_hours,
  SUM(costs.cost) - NUMERIC '0.000000001' AS burn_rate
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
GROUP BY costs.usage_start_time
