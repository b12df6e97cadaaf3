-- How often are Spot VMs preempted, where and when, and how often should work be saved?
-- Grain: one value of one grouping (grouped_by): all, machine_type, zone, machine_type and zone, hour_of_day.
--
-- Covers the last 90 days, since rare events need a long window. hour_of_day is in UTC. mean_hours_between is VM-hours
-- per preemption, NULL without a preemption; both are of VMs with cost rows. unseen_preemptions are those of VMs without
-- one, which no source could identify: their hours are not known. mean_is_of says of how many preemptions the mean is: that
-- of n random events is uncertain by a share of about 1 / sqrt(n), and that of one says hardly anything. lost_share is the
-- share of VM-hours that preempted VMs ran from the full hour to their last preemption in it: work that is lost when it is
-- saved every full hour. The checkpoint intervals in minutes, for checkpoints that take C = 1, 5 or 15 minutes, are those
-- of Young (1974), sqrt(2 C M), and of Daly (2006), which is better when C is not small compared with the mean time
-- between preemptions M; NULL without a preemption. as_of is the end of the latest recorded hour.
WITH present AS (
  SELECT TIMESTAMP_ADD(MAX(runs.hour), INTERVAL 1 HOUR) AS as_of
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 90 DAY)
),

preemptions AS (
  SELECT
    taken.preempted_at,
    taken.project_id,
    taken.zone,
    taken.instance_id,
    taken.machine_type
  FROM `${dataset}.spot_preemptions` AS taken
  WHERE taken.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 90 DAY)
),

last_preemptions AS (
  SELECT
    TIMESTAMP_TRUNC(preempted_at, HOUR) AS hour,
    project_id,
    zone,
    instance_id,
    MAX(preempted_at) AS preempted_at
  FROM preemptions
  GROUP BY
    hour,
    project_id,
    zone,
    instance_id
),

seen_vms AS (
  SELECT DISTINCT
    costs.project_id,
    costs.zone,
    costs.instance_id
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 90 DAY)
),

events AS (
  SELECT
    costs.machine_type,
    costs.zone,
    EXTRACT(HOUR FROM costs.usage_start_time) AS hour_of_day,
    costs.uptime_hours,
    IF(
      preempted.instance_id IS NULL,
      0,
      LEAST(
        costs.uptime_hours,
        CAST(GREATEST(TIMESTAMP_DIFF(preempted.preempted_at, costs.usage_start_time, SECOND), 0) AS NUMERIC) / 3600
      )
    ) AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions
  FROM `${dataset}.spot_vm_costs` AS costs
  LEFT JOIN last_preemptions AS preempted
    ON preempted.hour = TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
    AND preempted.project_id = costs.project_id
    AND preempted.zone = costs.zone
    AND preempted.instance_id = costs.instance_id
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 90 DAY)
  UNION ALL
  SELECT
    preemptions.machine_type,
    preemptions.zone,
    EXTRACT(HOUR FROM preemptions.preempted_at) AS hour_of_day,
    NUMERIC '0' AS uptime_hours,
    NUMERIC '0' AS lost_hours,
    IF(seen_vms.instance_id IS NULL, 0, 1) AS preemptions,
    IF(seen_vms.instance_id IS NULL, 1, 0) AS unseen_preemptions
  FROM preemptions
  LEFT JOIN seen_vms
    ON seen_vms.project_id = preemptions.project_id
    AND seen_vms.zone = preemptions.zone
    AND seen_vms.instance_id = preemptions.instance_id
),

grouped AS (
  SELECT
    grouped_by,
    IF(grouped_by IN ('machine_type', 'machine_type and zone'), events.machine_type, NULL) AS grouped_machine_type,
    IF(grouped_by IN ('zone', 'machine_type and zone'), events.zone, NULL) AS grouped_zone,
    IF(grouped_by = 'hour_of_day', events.hour_of_day, NULL) AS grouped_hour_of_day,
    SUM(events.uptime_hours) AS vm_hours,
    SUM(events.preemptions) AS preemptions,
    SUM(events.unseen_preemptions) AS unseen_preemptions,
    SUM(events.lost_hours) AS lost_hours,
    NULLIF(SAFE_DIVIDE(CAST(SUM(events.uptime_hours) AS FLOAT64) * 60, SUM(events.preemptions)), 0) AS mean_minutes
  FROM events
  CROSS JOIN UNNEST(['all', 'machine_type', 'zone', 'machine_type and zone', 'hour_of_day']) AS grouped_by
  GROUP BY
    grouped_by,
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
