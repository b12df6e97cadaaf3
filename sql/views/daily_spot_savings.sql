-- What did Spot save each day against on-demand, with and without the work lost to preemption?
-- Grain: one UTC day on which a Spot VM ran.
--
-- Amounts cover the VM-hours whose Spot and on-demand prices are both known; priced_share is their share of all
-- VM-hours, those of VMs that no source could identify included. Lost is the uptime of a preempted VM from the full hour to its last preemption in it: work that is
-- repeated when it is saved every full hour. On demand nothing is lost, so net savings are the on-demand cost of the other
-- hours minus the cost of all hours, both of the same VMs: one that no source could
-- identify is in neither. Reads at most 400 days, so that a day can be compared with the same day of last year; a filter
-- on usage_date limits the partitions that are read.
WITH last_preemptions AS (
  SELECT
    TIMESTAMP_TRUNC(preemptions.preempted_at, HOUR) AS hour,
    preemptions.project_id,
    preemptions.zone,
    preemptions.instance_id,
    MAX(preemptions.preempted_at) AS preempted_at
  FROM `${dataset}.spot_preemptions` AS preemptions
  WHERE preemptions.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  GROUP BY
    hour,
    preemptions.project_id,
    preemptions.zone,
    preemptions.instance_id
),

vm_hours AS (
  SELECT
    DATE(costs.usage_start_time) AS usage_date,
    costs.uptime_hours,
    IF(costs.ondemand_cost IS NULL, NULL, costs.cost) AS cost,
    IF(costs.cost IS NULL, NULL, costs.ondemand_cost) AS ondemand_cost,
    IF(
      preempted.instance_id IS NULL,
      0,
      LEAST(
        costs.uptime_hours,
        CAST(GREATEST(TIMESTAMP_DIFF(preempted.preempted_at, costs.usage_start_time, SECOND), 0) AS NUMERIC) / 3600
      )
    ) AS lost_hours
  FROM `${dataset}.spot_vm_costs` AS costs
  LEFT JOIN last_preemptions AS preempted
    ON preempted.hour = TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
    AND preempted.project_id = costs.project_id
    AND preempted.zone = costs.zone
    AND preempted.instance_id = costs.instance_id
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
),

unresolved AS (
  SELECT
    DATE(known.hour) AS usage_date,
    SUM(known.unresolved_hours) AS unresolved_hours
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  GROUP BY usage_date
),

kept_hours AS (
  SELECT
    usage_date,
    uptime_hours,
    cost,
    ondemand_cost,
    lost_hours,
    ondemand_cost * (1 - COALESCE(SAFE_DIVIDE(lost_hours, uptime_hours), 0)) AS kept_ondemand_cost
  FROM vm_hours
)

SELECT
  kept_hours.usage_date,
  SUM(uptime_hours) AS vm_hours,
  ROUND(
    SAFE_DIVIDE(
      SUM(IF(cost IS NULL, 0, uptime_hours)),
      SUM(uptime_hours) + COALESCE(MAX(unresolved.unresolved_hours), 0)
    ), 6
  ) AS priced_share,
  SUM(cost) AS cost,
  SUM(ondemand_cost) AS ondemand_cost,
  SUM(ondemand_cost) - SUM(cost) AS savings,
  ROUND(SAFE_DIVIDE(SUM(ondemand_cost) - SUM(cost), SUM(ondemand_cost)) * 100, 2) AS savings_percent,
  ROUND(SUM(lost_hours), 9) AS lost_hours,
  ROUND(SUM(kept_ondemand_cost) - SUM(cost), 9) AS net_savings,
  ROUND(SAFE_DIVIDE(SUM(kept_ondemand_cost) - SUM(cost), SUM(kept_ondemand_cost)) * 100, 2) AS net_savings_percent
FROM kept_hours
LEFT JOIN unresolved
  ON unresolved.usage_date = kept_hours.usage_date
GROUP BY kept_hours.usage_date
