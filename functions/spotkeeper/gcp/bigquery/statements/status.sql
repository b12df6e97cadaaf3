-- What is the latest hour on record, what did it and the two days before it cost, and what is not known of the last day?
-- Grain: one row; all but its counts are NULL when no hour that ended by @now has been recorded since @since.
WITH latest AS (
  SELECT
    MAX(runs.hour) AS hour,
    MAX(runs.recorded_at) AS recorded_at,
    MAX(runs.prices_as_of) AS prices_as_of
  FROM tracker_runs AS runs
  WHERE runs.hour >= @since
    AND runs.hour <= TIMESTAMP_SUB(@now, INTERVAL 1 HOUR)
),

recent_costs AS (
  SELECT costs.usage_start_time, costs.instance_id, costs.uptime_hours, costs.cost, costs.ondemand_cost
  FROM spot_vm_costs AS costs
  -- The latest hour may be the first since then: the two days before it are read as well.
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(@since, INTERVAL 47 HOUR)
),

spending AS (
  SELECT
    COUNT(DISTINCT IF(costs.usage_start_time >= latest.hour, costs.instance_id, NULL)) AS hour_vms,
    SUM(IF(costs.usage_start_time >= latest.hour, costs.cost, NULL)) AS hour_cost,
    SUM(IF(costs.usage_start_time >= latest.hour, costs.ondemand_cost, NULL)) AS hour_ondemand_cost,
    SUM(IF(costs.usage_start_time >= TIMESTAMP_SUB(latest.hour, INTERVAL 23 HOUR), costs.cost, NULL)) AS day_cost,
    SUM(
      IF(
        costs.usage_start_time < TIMESTAMP_SUB(latest.hour, INTERVAL 23 HOUR)
          AND costs.usage_start_time >= TIMESTAMP_SUB(latest.hour, INTERVAL 47 HOUR),
        costs.cost,
        NULL
      )
    ) AS previous_day_cost,
    SUM(
      IF(
        costs.usage_start_time >= TIMESTAMP_SUB(latest.hour, INTERVAL 23 HOUR) AND costs.cost IS NULL,
        costs.uptime_hours,
        0
      )
    ) AS unpriced_hours
  FROM latest
  LEFT JOIN recent_costs AS costs
    ON costs.usage_start_time < TIMESTAMP_ADD(latest.hour, INTERVAL 1 HOUR)
),

unresolved AS (
  SELECT
    COUNT(DISTINCT IF(known.state = 'incomplete', known.hour, NULL)) AS incomplete_hours,
    COALESCE(SUM(known.unresolved_hours), 0) AS unresolved_hours
  FROM latest
  LEFT JOIN project_hours AS known
    ON known.hour >= TIMESTAMP_SUB(latest.hour, INTERVAL 23 HOUR)
    AND known.hour <= latest.hour
    AND known.hour >= TIMESTAMP_SUB(@since, INTERVAL 23 HOUR)
)

SELECT
  latest.hour,
  latest.recorded_at,
  latest.prices_as_of,
  spending.hour_vms,
  spending.hour_cost,
  spending.hour_ondemand_cost,
  spending.day_cost,
  spending.previous_day_cost,
  COALESCE(spending.unpriced_hours, 0) AS unpriced_hours,
  unresolved.incomplete_hours,
  unresolved.unresolved_hours
FROM latest
CROSS JOIN spending
CROSS JOIN unresolved
