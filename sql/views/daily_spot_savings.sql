-- What did Spot save each day against on-demand, also when the work lost to preemption has to be done again?
-- One row is a UTC day on which a Spot VM ran.
--
-- Money is of VM-hours whose two prices are known; priced_share says how much of all VM-hours that is. Lost is what a
-- preempted VM had run in the hour in which it was taken: what has to be done again by work that is saved every full
-- hour. On demand nothing is lost, so the net savings are the on-demand cost of the other hours less what all hours
-- cost. Reads 400 days at most, so that a day can be compared with that of last year; a filter on usage_date reads its
-- days.
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
    ON preempted.usage_start_time = costs.usage_start_time
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
