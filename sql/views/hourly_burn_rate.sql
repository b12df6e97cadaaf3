-- How fast is money spent on Spot VMs, hour by hour?
-- Grain: one UTC hour, from the first to the last one that the tracker recorded in the last 35 days.
--
-- burn_rate is in USD per hour. It is NULL for an hour that no run recorded, whose state is missing. The figures of an
-- incomplete hour are lower bounds. The latest hour is the last recorded one, not that of the clock. Reads 35 days,
-- five weeks to compare weekdays, whatever the filter: a missing hour has no row to filter on.
WITH recorded_hours AS (
  SELECT
    runs.hour AS usage_start_time,
    LOGICAL_OR(runs.complete) AS complete
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 35 DAY)
  GROUP BY runs.hour
),

hours AS (
  SELECT hour_start AS usage_start_time
  FROM UNNEST(
    GENERATE_TIMESTAMP_ARRAY(
      (SELECT MIN(first_hours.usage_start_time) FROM recorded_hours AS first_hours),
      (SELECT MAX(last_hours.usage_start_time) FROM recorded_hours AS last_hours),
      INTERVAL 1 HOUR
    )
  ) AS hour_start
),

hourly_costs AS (
  SELECT
    costs.usage_start_time,
    COUNT(*) AS instances,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours)) AS priced_hours,
    SUM(costs.cost) AS cost,
    SUM(costs.ondemand_cost) AS ondemand_cost
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 35 DAY)
  GROUP BY costs.usage_start_time
)

SELECT
  hours.usage_start_time,
  CASE
    WHEN recorded.complete THEN 'complete'
    WHEN recorded.usage_start_time IS NOT NULL THEN 'incomplete'
    ELSE 'missing'
  END AS state,
  IF(recorded.usage_start_time IS NULL, NULL, COALESCE(hourly.instances, 0)) AS instances,
  IF(recorded.usage_start_time IS NULL, NULL, COALESCE(hourly.vm_hours, 0)) AS vm_hours,
  ROUND(SAFE_DIVIDE(hourly.priced_hours, hourly.vm_hours), 6) AS priced_share,
  IF(recorded.usage_start_time IS NULL OR hourly.vm_hours > 0, hourly.cost, 0) AS burn_rate,
  IF(recorded.usage_start_time IS NULL OR hourly.vm_hours > 0, hourly.ondemand_cost, 0) AS ondemand_burn_rate
FROM hours
LEFT JOIN recorded_hours AS recorded
  ON recorded.usage_start_time = hours.usage_start_time
LEFT JOIN hourly_costs AS hourly
  ON hourly.usage_start_time = hours.usage_start_time
