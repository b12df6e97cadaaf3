-- What has each team spent this month, and what will the month cost it?
-- Grain: one team that ran Spot VMs this month or in the last seven days of record.
--
-- The month is that of Cloud Billing, in America/Los_Angeles, of the latest recorded hour; all figures are as of its end.
-- The forecast is what was spent, and the mean cost of the recorded hours of the last seven days for every hour that is
-- left: whole weeks, since load varies over the week. spent lacks cost of the missing_hours, and the mean too.
-- Uptime that no source could identify has the team '(unresolved)', and no cost. Without an hour in eight days there are no
-- rows. Reads 40 days.
WITH recorded_hours AS (
  SELECT runs.hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 40 DAY)
  GROUP BY runs.hour
),

latest AS (
  SELECT MAX(hour) AS hour
  FROM recorded_hours
  -- The month of an older one may have begun before what is read.
  WHERE hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 8 DAY)
),

present AS (
  SELECT
    TIMESTAMP_ADD(latest.hour, INTERVAL 1 HOUR) AS as_of,
    TIMESTAMP_SUB(latest.hour, INTERVAL 167 HOUR) AS week_start,
    DATE_TRUNC(DATE(latest.hour, 'America/Los_Angeles'), MONTH) AS month,
    TIMESTAMP(DATE_TRUNC(DATE(latest.hour, 'America/Los_Angeles'), MONTH), 'America/Los_Angeles') AS month_start,
    TIMESTAMP(
      DATE_ADD(DATE_TRUNC(DATE(latest.hour, 'America/Los_Angeles'), MONTH), INTERVAL 1 MONTH), 'America/Los_Angeles'
    ) AS month_end
  FROM latest
),

hours_with_gaps AS (
  SELECT known.hour
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 40 DAY)
    AND known.state IN ('incomplete', 'final')
  GROUP BY known.hour
),

recorded AS (
  SELECT
    COUNTIF(hours.hour >= present.month_start AND gaps.hour IS NULL) AS month_hours,
    COUNTIF(hours.hour >= present.week_start) AS week_hours
  FROM recorded_hours AS hours
  CROSS JOIN present
  LEFT JOIN hours_with_gaps AS gaps
    ON gaps.hour = hours.hour
),

all_usage AS (
  SELECT
    rolled.usage_hour AS usage_start_time,
    rolled.team,
    rolled.vm_hours,
    rolled.priced_hours,
    rolled.cost
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 40 DAY)
  UNION ALL
  SELECT
    unresolved.usage_start_time,
    '(unresolved)' AS team,
    unresolved.vm_hours,
    NUMERIC '0' AS priced_hours,
    CAST(NULL AS NUMERIC) AS cost
  FROM `${dataset}.unresolved_usage` AS unresolved
  WHERE unresolved.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 40 DAY)
),

teams AS (
  SELECT
    all_usage.team,
    SUM(IF(all_usage.usage_start_time >= present.month_start, all_usage.vm_hours, 0)) AS vm_hours,
    SUM(IF(all_usage.usage_start_time >= present.month_start, all_usage.priced_hours, 0)) AS priced_hours,
    SUM(IF(all_usage.usage_start_time >= present.month_start, COALESCE(all_usage.cost, 0), 0)) AS known_cost,
    SUM(IF(all_usage.usage_start_time >= present.week_start, all_usage.vm_hours, 0)) AS week_vm_hours,
    SUM(IF(all_usage.usage_start_time >= present.week_start, all_usage.cost, NULL)) AS week_cost
  FROM all_usage
  CROSS JOIN present
  -- Of the days before only the last seven count.
  WHERE all_usage.usage_start_time >= LEAST(present.month_start, present.week_start)
  GROUP BY all_usage.team
),

forecasts AS (
  SELECT
    teams.team,
    teams.vm_hours,
    teams.priced_hours,
    IF(teams.vm_hours > 0 AND teams.priced_hours = 0, NULL, teams.known_cost) AS spent,
    -- The cost of hours without a price is not known: NULL, not 0.
    SAFE_DIVIDE(IF(teams.week_vm_hours > 0, teams.week_cost, 0), recorded.week_hours) AS hourly_cost,
    TIMESTAMP_DIFF(present.month_end, present.as_of, HOUR) AS hours_left,
    TIMESTAMP_DIFF(present.as_of, present.month_start, HOUR) - recorded.month_hours AS missing_hours,
    present.month,
    present.as_of
  FROM teams
  CROSS JOIN recorded
  CROSS JOIN present
)

SELECT
  month,  -- DATE: The first day of the month of Cloud Billing, in America/Los_Angeles.
  team,  -- STRING: The value of the label team in that hour; (unlabelled) without one, (unresolved) for VMs that no source could identify.
  vm_hours,  -- NUMERIC: Uptime of the month in VM-hours, priced or not.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of vm_hours with a known Spot price; below 1, spent and forecast are lower bounds.
  spent,  -- NUMERIC: Cost of the priced hours of the month at Spot list prices, in USD; NULL when no price is known.
  ROUND(hourly_cost, 6) AS hourly_cost,  -- NUMERIC: Mean cost of the recorded hours of the last seven days, in USD per hour; NULL when no price is known.
  hours_left,  -- INTEGER: Hours from as_of to the end of the month.
  ROUND(spent + hourly_cost * hours_left, 2) AS forecast,  -- NUMERIC: spent, and hourly_cost for the hours that are left, in USD; NULL when no price is known.
  missing_hours,  -- INTEGER: Hours of the month up to as_of that no run read in full, in every project: spent lacks a part of their cost, or all of it.
  as_of,  -- TIMESTAMP: The end of the latest recorded hour.
  TIMESTAMP_DIFF(${now}, as_of, HOUR) AS age_hours  -- INTEGER: Whole hours from as_of to now: how old the figures are.
FROM forecasts
