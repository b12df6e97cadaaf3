-- How often are Spot VMs preempted, where and when, and how often should work be saved?
-- Grain: one value of one grouping (grouped_by): all, machine_type, zone, machine_type and zone, hour_of_day.
--
-- Covers the last 90 days, since rare events need a long window. hour_of_day is in UTC. mean_hours_between is VM-hours
-- per preemption, NULL without a preemption; both are of VMs with a cost row on the UTC day of the preemption.
-- unseen_preemptions are those of VMs without one on that day, most of which no source could identify: their hours are
-- not known. mean_is_of says of how many preemptions the mean is: that of n random events is uncertain by a share of
-- about 1 / sqrt(n), and that of one says hardly anything. lost_share is the share of VM-hours that preempted VMs ran
-- from the full hour to their last preemption in it: work that is lost when it is saved every full hour. The checkpoint
-- intervals in minutes, for checkpoints that take C = 1, 5 or 15 minutes, are those of Young (1974), sqrt(2 C M), and
-- of Daly (2006), which is better when C is not small compared with the mean time between preemptions M; NULL without a
-- preemption. as_of is the end of the latest recorded hour.
WITH present AS (
  SELECT TIMESTAMP_ADD(MAX(runs.hour), INTERVAL 1 HOUR) AS as_of
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 90 DAY)
),

preemptions AS (
  SELECT
    rolled.machine_type,
    rolled.zone,
    EXTRACT(HOUR FROM rolled.usage_hour) AS hour_of_day,
    SUM(rolled.preemptions) AS preemptions,
    SUM(rolled.unseen_preemptions) AS unseen_preemptions
  FROM `${dataset}.hourly_preemptions` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 90 DAY)
  GROUP BY
    rolled.machine_type,
    rolled.zone,
    hour_of_day
),

places AS (
  SELECT
    rolled.machine_type,
    rolled.zone,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.lost_hours) AS lost_hours
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 90 DAY)
    -- Of VMs that no source could identify nothing is known.
    AND rolled.zone != '(unresolved)'
  GROUP BY
    rolled.machine_type,
    rolled.zone
),

hours AS (
  SELECT
    EXTRACT(HOUR FROM rolled.usage_hour) AS hour_of_day,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.lost_hours) AS lost_hours
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 90 DAY)
  GROUP BY hour_of_day
),

events AS (
  SELECT
    grouped_by,
    places.machine_type,
    places.zone,
    CAST(NULL AS INT64) AS hour_of_day,
    places.vm_hours,
    places.lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions
  FROM places
  CROSS JOIN UNNEST(['all', 'machine_type', 'zone', 'machine_type and zone']) AS grouped_by
  UNION ALL
  SELECT
    'hour_of_day' AS grouped_by,
    CAST(NULL AS STRING) AS machine_type,
    CAST(NULL AS STRING) AS zone,
    hours.hour_of_day,
    hours.vm_hours,
    hours.lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions
  FROM hours
  UNION ALL
  SELECT
    grouped_by,
    preemptions.machine_type,
    preemptions.zone,
    preemptions.hour_of_day,
    NUMERIC '0' AS vm_hours,
    NUMERIC '0' AS lost_hours,
    preemptions.preemptions,
    preemptions.unseen_preemptions
  FROM preemptions
  CROSS JOIN UNNEST(['all', 'machine_type', 'zone', 'machine_type and zone', 'hour_of_day']) AS grouped_by
),

grouped AS (
  SELECT
    events.grouped_by,
    IF(events.grouped_by IN ('machine_type', 'machine_type and zone'), events.machine_type, NULL) AS grouped_machine_type,
    IF(events.grouped_by IN ('zone', 'machine_type and zone'), events.zone, NULL) AS grouped_zone,
    IF(events.grouped_by = 'hour_of_day', events.hour_of_day, NULL) AS grouped_hour_of_day,
    SUM(events.vm_hours) AS vm_hours,
    SUM(events.preemptions) AS preemptions,
    SUM(events.unseen_preemptions) AS unseen_preemptions,
    SUM(events.lost_hours) AS lost_hours,
    NULLIF(SAFE_DIVIDE(CAST(SUM(events.vm_hours) AS FLOAT64) * 60, SUM(events.preemptions)), 0) AS mean_minutes
  FROM events
  GROUP BY
    events.grouped_by,
    grouped_machine_type,
    grouped_zone,
    grouped_hour_of_day
)

SELECT
  grouped_by,  -- STRING: The grouping of the row: all, machine_type, zone, machine_type and zone, or hour_of_day; use one at a time.
  grouped_machine_type AS machine_type,  -- STRING: The machine type; NULL in groupings without it.
  grouped_zone AS zone,  -- STRING: The zone; NULL in groupings without it.
  grouped_hour_of_day AS hour_of_day,  -- INTEGER: The hour of the day, UTC, 0 to 23; NULL in other groupings.
  vm_hours,  -- NUMERIC: Uptime of Spot VMs in VM-hours.
  preemptions,  -- INTEGER: Preemptions of VMs with cost rows.
  unseen_preemptions,  -- INTEGER: Preemptions of VMs without a cost row, which no source could identify.
  ROUND(mean_minutes / 60, 2) AS mean_hours_between,  -- FLOAT: vm_hours divided by preemptions; NULL without a preemption.
  CASE
    WHEN preemptions = 0 THEN 'no preemption'
    WHEN preemptions = 1 THEN 'one preemption'
    WHEN preemptions < 10 THEN 'fewer than ten preemptions'
    ELSE 'ten preemptions or more'
  END AS mean_is_of,  -- STRING: How much mean_hours_between and the checkpoint intervals rest on: no preemption, one preemption, fewer than ten preemptions, or ten preemptions or more.
  ROUND(lost_hours, 9) AS lost_hours,  -- NUMERIC: VM-hours that preempted VMs had run since the full hour when they were last preempted in it.
  ROUND(SAFE_DIVIDE(lost_hours, vm_hours), 6) AS lost_share,  -- NUMERIC: lost_hours divided by vm_hours.
  ROUND(SQRT(2 * 1 * mean_minutes), 1) AS young_minutes_at_1,  -- FLOAT: Minutes between checkpoints by Young, for one that takes 1 minute.
  ROUND(SQRT(2 * 5 * mean_minutes), 1) AS young_minutes_at_5,  -- FLOAT: Minutes between checkpoints by Young, for one that takes 5 minutes.
  ROUND(SQRT(2 * 15 * mean_minutes), 1) AS young_minutes_at_15,  -- FLOAT: Minutes between checkpoints by Young, for one that takes 15 minutes.
  ROUND(
    IF(
      1 < 2 * mean_minutes,
      SQRT(2 * 1 * mean_minutes) * (1 + SQRT(1 / (2 * mean_minutes)) / 3 + 1 / (2 * mean_minutes) / 9) - 1,
      mean_minutes
    ), 1
  ) AS daly_minutes_at_1,  -- FLOAT: Minutes between checkpoints by Daly, for one that takes 1 minute.
  ROUND(
    IF(
      5 < 2 * mean_minutes,
      SQRT(2 * 5 * mean_minutes) * (1 + SQRT(5 / (2 * mean_minutes)) / 3 + 5 / (2 * mean_minutes) / 9) - 5,
      mean_minutes
    ), 1
  ) AS daly_minutes_at_5,  -- FLOAT: Minutes between checkpoints by Daly, for one that takes 5 minutes.
  ROUND(
    IF(
      15 < 2 * mean_minutes,
      SQRT(2 * 15 * mean_minutes) * (1 + SQRT(15 / (2 * mean_minutes)) / 3 + 15 / (2 * mean_minutes) / 9) - 15,
      mean_minutes
    ), 1
  ) AS daly_minutes_at_15,  -- FLOAT: Minutes between checkpoints by Daly, for one that takes 15 minutes.
  present.as_of,  -- TIMESTAMP: The end of the latest recorded hour; NULL when none was recorded in 90 days.
  TIMESTAMP_DIFF(${now}, present.as_of, HOUR) AS age_hours  -- INTEGER: Whole hours from as_of to now: how old the figures are.
FROM grouped
CROSS JOIN present
