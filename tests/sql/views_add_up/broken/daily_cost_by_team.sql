-- Loses the VMs without a team.
SELECT
  DATE(costs.usage_start_time) AS usage_date,
  'x' AS team,
  SUM(costs.uptime_hours) AS vm_hours,
  SUM(costs.cost) AS cost
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  AND EXISTS (
    SELECT 1
    FROM UNNEST(costs.labels) AS label
    WHERE label.key = 'team'
  )
GROUP BY usage_date
