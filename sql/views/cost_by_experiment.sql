-- What did each experiment cost, how much of it was lost, and how often should it save its state?
-- Grain: one experiment and team of the last 92 days; experiment NULL: work and VMs of none.
--
-- An experiment is the value of the work's key experiment, or of the label of its VM; hours of a labelled VM without
-- recorded work are its idle hours. The recommended interval is Daly's, of the time that one checkpoint takes and
-- the mean time between the preemptions of its attempts (J. T. Daly, Future Generation Computer Systems 22, 2006,
-- https://doi.org/10.1016/j.future.2004.11.016); of an interval T, checkpoints of C and a mean time M between
-- preemptions, C / T + T / 2M of the time is overhead. Reads 92 days, whatever the filter.
WITH recorded AS (
  SELECT
    work.*,
    ROW_NUMBER() OVER (
      PARTITION BY
        work.work_id, work.attempt, work.project_id, work.instance_id,
        IF(work.instance_id IS NULL, work.zone, NULL), IF(work.instance_id IS NULL, work.instance_name, NULL),
        IF(work.instance_id IS NULL AND work.instance_name IS NULL, work.vm_label, NULL)
      ORDER BY work.recorded_at DESC, work.end_time DESC
    ) AS age
  FROM `${dataset}.work` AS work
  WHERE work.start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 123 DAY)
    -- What ended before the first hour that is read has no cost here.
    AND COALESCE(work.end_time, ${now}) >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
),

attempt_records AS (
  SELECT
    work_id,
    attempt,
    MIN(start_time) AS start_time,
    IF(COUNTIF(end_time IS NULL) > 0, NULL, MAX(end_time)) AS end_time,
    LOGICAL_OR(COALESCE(outcome, '') = 'preempted') AS is_preempted,
    AVG(checkpoint_seconds) AS checkpoint_seconds,
    AVG(checkpoint_interval_seconds) AS checkpoint_interval_seconds
  FROM recorded
  -- A row that was written again replaces the one before.
  WHERE age = 1
  GROUP BY
    work_id,
    attempt
),

attempt_sums AS (
  SELECT
    hours.work_id,
    hours.attempt,
    MIN(hours.experiment) AS experiment,
    MIN(hours.team) AS team,
    LOGICAL_OR(hours.is_preempted) AS is_preempted,
    IF(COUNTIF(hours.attempt_end_time IS NULL) > 0, NULL, MAX(hours.attempt_end_time)) AS end_time
  FROM `${dataset}.work_hours` AS hours
  -- Idle time is of no attempt.
  WHERE hours.attempt IS NOT NULL
  GROUP BY
    hours.work_id,
    hours.attempt
),

attempt_figures AS (
  SELECT
    sums.experiment,
    sums.team,
    COUNT(*) AS attempts,
    COUNTIF(sums.is_preempted OR records.is_preempted) AS preempted_attempts,
    -- The end that was never recorded is that of its VMs.
    SUM(
      CAST(
        TIMESTAMP_DIFF(COALESCE(records.end_time, sums.end_time, ${now}), records.start_time, SECOND) AS NUMERIC
      )
    ) AS attempt_seconds,
    AVG(records.checkpoint_seconds) AS checkpoint_seconds,
    AVG(records.checkpoint_interval_seconds) AS checkpoint_interval_seconds
  FROM attempt_sums AS sums
  INNER JOIN attempt_records AS records
    ON records.work_id = sums.work_id
    AND records.attempt = sums.attempt
  GROUP BY
    sums.experiment,
    sums.team
),

cost_sums AS (
  SELECT
    hours.experiment,
    hours.team,
    COUNT(DISTINCT IF(hours.attempt IS NULL, NULL, hours.work_id)) AS works,
    MIN(hours.hour) AS first_hour,
    MAX(hours.hour) AS last_hour,
    SUM(hours.vm_hours) AS vm_hours,
    SUM(hours.priced_hours) AS priced_hours,
    SUM(hours.cost) AS cost,
    SUM(hours.known_cost) AS known_cost,
    SUM(hours.ondemand_cost) AS ondemand_cost,
    SUM(IF(hours.attempt IS NULL, hours.vm_hours, 0)) AS idle_hours,
    SUM(hours.lost_hours) AS lost_hours,
    SUM(hours.lost_cost) AS lost_cost,
    SUM(IF(hours.attempt IS NULL, NULL, hours.cost)) AS work_cost
  FROM `${dataset}.work_hours` AS hours
  GROUP BY
    hours.experiment,
    hours.team
),

figures AS (
  SELECT
    sums.*,
    COALESCE(attempts.attempts, 0) AS attempts,
    COALESCE(attempts.preempted_attempts, 0) AS preempted_attempts,
    CAST(attempts.checkpoint_seconds AS FLOAT64) AS checkpoint,
    CAST(attempts.checkpoint_interval_seconds AS FLOAT64) AS actual_interval,
    CAST(SAFE_DIVIDE(attempts.attempt_seconds, NULLIF(attempts.preempted_attempts, 0)) AS FLOAT64) AS mean_seconds
  FROM cost_sums AS sums
  LEFT JOIN attempt_figures AS attempts
    ON COALESCE(attempts.experiment, '') = COALESCE(sums.experiment, '')
    AND attempts.team = sums.team
),

intervals AS (
  SELECT
    *,
    CASE
      WHEN checkpoint < 2 * mean_seconds THEN
        SQRT(2 * checkpoint * mean_seconds)
        * (1 + SQRT(checkpoint / (2 * mean_seconds)) / 3 + checkpoint / (2 * mean_seconds) / 9)
        - checkpoint
      WHEN checkpoint >= 2 * mean_seconds THEN mean_seconds
    END AS daly_interval
  FROM figures
  -- A checkpoint that takes no time has no best interval.
)

SELECT
  experiment,  -- STRING: The experiment; NULL for work and VMs of none.
  team,  -- STRING: The team of the work, or of the VM; (unlabelled) without one.
  works,  -- INTEGER: The pieces of recorded work.
  attempts,  -- INTEGER: The attempts at them.
  preempted_attempts,  -- INTEGER: Those that a preemption ended.
  first_hour,  -- TIMESTAMP: The start of the first hour in which it ran.
  last_hour,  -- TIMESTAMP: The start of the last hour in which it ran.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of vm_hours with a known Spot price; 1 only when every hour has one.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  known_cost,  -- NUMERIC: What is known of all that the VMs cost, in USD; NULL when nothing is known.
  ondemand_cost,  -- NUMERIC: Cost of the hours with an on-demand price, at that price, in USD; NULL when none is known.
  idle_hours,  -- NUMERIC: The part of vm_hours in which no recorded work ran.
  lost_hours,  -- NUMERIC: What preempted attempts did after their last checkpoint, in VM-hours.
  lost_cost,  -- NUMERIC: The part of cost that is lost with it, in USD; NULL when no price is known.
  CAST(ROUND(mean_seconds / 3600, 2) AS NUMERIC) AS mean_hours_between,  -- NUMERIC: Hours of its attempts divided by preempted_attempts; NULL without a preemption.
  CAST(ROUND(actual_interval / 60, 2) AS NUMERIC) AS checkpoint_minutes,  -- NUMERIC: How often its attempts say they saved their state, in minutes, on average; NULL when none says so.
  CAST(ROUND(daly_interval / 60, 2) AS NUMERIC) AS recommended_minutes,  -- NUMERIC: The interval that costs least, by Daly's formula, in minutes; NULL without a preemption or the time that a checkpoint takes.
  CAST(
    ROUND(
      CAST(work_cost AS FLOAT64)
      * GREATEST(
        checkpoint / actual_interval + actual_interval / (2 * mean_seconds)
        - checkpoint / daly_interval - daly_interval / (2 * mean_seconds),
        0
      ),
      6
    ) AS NUMERIC
  ) AS interval_excess_cost  -- NUMERIC: What checkpoint_minutes cost more than recommended_minutes, in USD, of the cost of its work; NULL unless both are known.
FROM intervals
