-- What did Spot VMs cost each day, by machine type and zone?
-- Grain: one UTC day, machine type and zone in which a Spot VM ran.
--
-- cost covers the priced hours only; priced_share is their share of all VM-hours. average_spot_price is weighted by
-- billed hours. Reads at most 400 days, so that a day can be compared with the same day of last year; a filter on usage_date
-- limits the partitions that are read.
SELECT
  DATE(costs.usage_start_time) AS usage_date,
  costs.machine_type,
  costs.region,
  costs.zone,
  COUNT(DISTINCT costs.instance_id) AS instances,
  SUM(costs.uptime_hours) AS vm_hours,
  ROUND(SAFE_DIVIDE(SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours)), SUM(costs.uptime_hours)), 6) AS priced_share,
  ROUND(
    SAFE_DIVIDE(SUM(costs.cost), SUM(IF(costs.cost IS NULL, 0, COALESCE(costs.billed_hours, costs.uptime_hours)))), 6
  ) AS average_spot_price,
  SUM(costs.cost) AS cost
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
GROUP BY
  usage_date,
  costs.machine_type,
  costs.region,
  costs.zone
