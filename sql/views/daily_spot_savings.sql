-- What did Spot save each day against on-demand, with and without the work lost to preemption?
-- Grain: one UTC day on which a Spot VM ran.
--
-- Amounts cover the VM-hours whose Spot and on-demand prices are both known; priced_share is their share of all
-- VM-hours. Lost is the uptime of a preempted VM in the hour of its preemption: work that is repeated when it is saved
-- every full hour. On demand nothing is lost, so net savings are the on-demand cost of the other hours minus the cost
-- of all hours. Reads at most 400 days, so that a day can be compared with the same day of last year; a filter on
-- usage_date limits the partitions that are read.
WITH preempted_hours AS (
  SELECT DISTINCT
    TIMESTAMP_TRUNC(preemptions.preempted_at, HOUR) AS usage_start_time,
    preemptions.project_id,
    preemptions.zone,
    preemptions.instance_id
  FROM `${dataset}.spot_preemptions` AS preemptions
  WHERE preemptions.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
),

vm_hours AS (
  SELECT
    DATE(costs.usage_start_time) AS usage_date,
    costs.uptime_hours,
    IF(costs.ondemand_cost IS NULL, NULL, costs.cost) AS cost,
    IF(costs.cost IS NULL, NULL, costs.ondemand_cost) AS ondemand_cost,
    preempted.instance_id IS NOT NULL AS lost
  FROM `${dataset}.spot_vm_costs` AS costs
  LEFT JOIN preempted_hours AS preempted
    ON preempted.usage_start_time = TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
    AND preempted.project_id = costs.project_id
    AND preempted.zone = costs.zone
    AND preempted.instance_id = costs.instance_id
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
)

SELECT
  usage_date,
  SUM(uptime_hours) AS vm_hours,
  ROUND(SAFE_DIVIDE(SUM(IF(cost IS NULL, 0, uptime_hours)), SUM(uptime_hours)), 6) AS priced_share,
  SUM(cost) AS cost,
  SUM(ondemand_cost) AS ondemand_cost,
  SUM(ondemand_cost) - SUM(cost) AS savings,
  ROUND(SAFE_DIVIDE(SUM(ondemand_cost) - SUM(cost), SUM(ondemand_cost)) * 100, 2) AS savings_percent,
  SUM(IF(lost, uptime_hours, 0)) AS lost_hours,
  SUM(IF(lost, 0, ondemand_cost)) - SUM(cost) AS net_savings,
  ROUND(
    SAFE_DIVIDE(SUM(IF(lost, 0, ondemand_cost)) - SUM(cost), SUM(IF(lost, 0, ondemand_cost))) * 100, 2
  ) AS net_savings_percent
FROM vm_hours
GROUP BY usage_date
