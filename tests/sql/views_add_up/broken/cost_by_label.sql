-- Loses the VMs without the label, and counts months in UTC.
SELECT
  DATE_TRUNC(DATE(costs.usage_start_time), MONTH) AS month,
  label.key AS label_key,
  'x' AS label_value,
  SUM(costs.uptime_hours) AS vm_hours,
  SUM(costs.cost) AS cost
FROM `${dataset}.spot_vm_costs` AS costs
CROSS JOIN UNNEST(costs.labels) AS label
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
GROUP BY
  month,
  label_key
