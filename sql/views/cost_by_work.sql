-- What did each run cost: a job, a task, a CI build, with the attempts that were preempted?
-- Grain: one piece of work of the last 92 days, or the idle time of one project, system, cluster and team.
--
-- The rows add up to the cost of all Spot VMs of these days: the time of a VM in which no recorded work ran is in a
-- row whose work_id is (idle). A preempted attempt is one whose outcome says so, or, when it has none, one during
-- which its VM was preempted. On demand nothing is lost: net_savings are the on-demand cost of what was not lost
-- minus the cost of all, of the hours that have both prices. Reads 92 days, whatever the filter.
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
    MAX(kind) AS kind,
    MIN(start_time) AS start_time,
    IF(COUNTIF(end_time IS NULL) > 0, NULL, MAX(end_time)) AS end_time,
    LOGICAL_OR(COALESCE(outcome, '') = 'preempted') AS is_preempted,
    SUM(
      IF(
        end_time IS NULL,
        0,
        CAST(TIMESTAMP_DIFF(end_time, start_time, MICROSECOND) AS NUMERIC) / 3600000000
      )
    ) AS stated_hours,
    COUNTIF(end_time IS NULL) > 0 AS is_running
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
    LOGICAL_OR(hours.is_preempted) AS is_preempted,
    IF(COUNTIF(hours.attempt_end_time IS NULL) > 0, NULL, MAX(hours.attempt_end_time)) AS end_time,
    SUM(hours.claimed_hours) AS claimed_hours,
    SUM(hours.cost) AS cost
  FROM `${dataset}.work_hours` AS hours
  -- Idle time is of no attempt.
  WHERE hours.attempt IS NOT NULL
  GROUP BY
    hours.work_id,
    hours.attempt
),

attempts AS (
  SELECT
    records.work_id,
    records.attempt,
    records.kind,
    records.start_time,
    -- The end that was never recorded is that of its VMs.
    COALESCE(records.end_time, sums.end_time) AS end_time,
    records.is_running AND NOT COALESCE(sums.is_preempted, FALSE) AS is_running,
    records.is_preempted OR COALESCE(sums.is_preempted, FALSE) AS is_preempted,
    IF(
      records.is_running,
      0,
      GREATEST(records.stated_hours - COALESCE(sums.claimed_hours, 0), 0)
    ) AS unrecorded_hours,
    sums.cost,
    LAG(COALESCE(records.end_time, sums.end_time)) OVER (PARTITION BY records.work_id ORDER BY records.attempt) AS previous_end_time
  FROM attempt_records AS records
  LEFT JOIN attempt_sums AS sums
    ON sums.work_id = records.work_id
    AND sums.attempt = records.attempt
),

works AS (
  SELECT
    work_id,
    MAX(kind) AS kind,
    COUNT(*) AS attempts,
    COUNTIF(is_preempted) AS preempted_attempts,
    MIN(start_time) AS start_time,
    IF(COUNTIF(is_running) > 0, NULL, MAX(end_time)) AS end_time,
    SUM(
      IF(
        previous_end_time < start_time,
        CAST(TIMESTAMP_DIFF(start_time, previous_end_time, MICROSECOND) AS NUMERIC),
        0
      )
    ) / 3600000000 AS waiting_hours,
    SUM(unrecorded_hours) AS unrecorded_hours,
    SUM(IF(is_preempted, cost, NULL)) AS preempted_cost
  FROM attempts
  GROUP BY work_id
),

owned_hours AS (
  SELECT
    hours.*,
    COALESCE(owners.system, '(none)') AS system,
    owners.cluster,
    owners.job
  FROM `${dataset}.work_hours` AS hours
  LEFT JOIN `${dataset}.vm_owners` AS owners
    ON owners.project_id = hours.project_id
    AND owners.zone = hours.zone
    AND owners.instance_id = hours.instance_id
),

work_sums AS (
  SELECT
    work_id,
    IF(COUNT(DISTINCT project_id) = 1, MAX(project_id), NULL) AS project_id,
    IF(COUNT(DISTINCT system) = 1, MAX(system), NULL) AS system,
    IF(COUNT(DISTINCT cluster) = 1, MAX(cluster), NULL) AS cluster,
    IF(COUNT(DISTINCT job) = 1, MAX(job), NULL) AS job,
    MIN(team) AS team,
    MIN(experiment) AS experiment,
    COUNT(DISTINCT CONCAT(project_id, '/', zone, '/', instance_id)) AS vms,
    SUM(vm_hours) AS vm_hours,
    SUM(priced_hours) AS priced_hours,
    SUM(cost) AS cost,
    SUM(license_cost) AS license_cost,
    SUM(disk_cost) AS disk_cost,
    SUM(known_cost) AS known_cost,
    SUM(ondemand_cost) AS ondemand_cost,
    SUM(lost_hours) AS lost_hours,
    SUM(lost_cost) AS lost_cost,
    SUM(ondemand_cost - lost_ondemand_cost - cost) AS net_savings
  FROM owned_hours
  -- Idle time is summed by its owner.
  WHERE attempt IS NOT NULL
  GROUP BY work_id
),

idle_sums AS (
  SELECT
    project_id,
    system,
    cluster,
    team,
    MIN(hour) AS start_time,
    MAX(TIMESTAMP_ADD(hour, INTERVAL 1 HOUR)) AS end_time,
    COUNT(DISTINCT CONCAT(project_id, '/', zone, '/', instance_id)) AS vms,
    SUM(vm_hours) AS vm_hours,
    SUM(priced_hours) AS priced_hours,
    SUM(cost) AS cost,
    SUM(license_cost) AS license_cost,
    SUM(disk_cost) AS disk_cost,
    SUM(known_cost) AS known_cost,
    SUM(ondemand_cost) AS ondemand_cost,
    SUM(lost_hours) AS lost_hours,
    SUM(lost_cost) AS lost_cost,
    SUM(ondemand_cost - lost_ondemand_cost - cost) AS net_savings
  FROM owned_hours
  -- What no work claims.
  WHERE attempt IS NULL
  GROUP BY
    project_id,
    system,
    cluster,
    team
),

joined AS (
  SELECT
    works.work_id,
    works.kind,
    works.attempts,
    works.preempted_attempts,
    works.start_time,
    works.end_time,
    works.waiting_hours,
    works.unrecorded_hours,
    works.preempted_cost,
    sums.* EXCEPT (work_id)
  FROM works
  LEFT JOIN work_sums AS sums
    ON sums.work_id = works.work_id
  UNION ALL
  SELECT
    '(idle)' AS work_id,
    CAST(NULL AS STRING) AS kind,
    0 AS attempts,
    0 AS preempted_attempts,
    start_time,
    end_time,
    CAST(0 AS NUMERIC) AS waiting_hours,
    CAST(0 AS NUMERIC) AS unrecorded_hours,
    CAST(NULL AS NUMERIC) AS preempted_cost,
    project_id,
    system,
    cluster,
    CAST(NULL AS STRING) AS job,
    team,
    CAST(NULL AS STRING) AS experiment,
    vms,
    vm_hours,
    priced_hours,
    cost,
    license_cost,
    disk_cost,
    known_cost,
    ondemand_cost,
    lost_hours,
    lost_cost,
    net_savings
  FROM idle_sums
)

SELECT
  work_id,  -- STRING: The work; (idle) for the time in which none ran.
  kind,  -- STRING: The kind of work; NULL for idle time, or when it is not recorded.
  project_id,  -- STRING: The Google Cloud project of its VMs; NULL when there are several or none has a cost row.
  system,  -- STRING: The scheduler, workflow engine or CI system that started its VMs; NULL when there are several or none has a cost row.
  cluster,  -- STRING: The cluster or managed instance group of its VMs; NULL when there is none or there are several.
  job,  -- STRING: The job that its VMs name; NULL when they name none or several.
  team,  -- STRING: The value of its key team, or of the label team of its VMs; (unlabelled) without either.
  experiment,  -- STRING: The value of its key experiment, or of the label experiment of its VMs; NULL without either.
  attempts,  -- INTEGER: The attempts at it; 0 for idle time.
  preempted_attempts,  -- INTEGER: Those that a preemption ended.
  start_time,  -- TIMESTAMP: When its first attempt began; for idle time the start of the first hour.
  end_time,  -- TIMESTAMP: When its last attempt ended; NULL while one runs.
  ROUND(waiting_hours, 9) AS waiting_hours,  -- NUMERIC: Hours from the end of an attempt to the start of the next.
  COALESCE(vms, 0) AS vms,  -- INTEGER: The VMs that it ran on, as far as they have cost rows.
  COALESCE(vm_hours, 0) AS vm_hours,  -- NUMERIC: Its part of the uptime of these VMs, in VM-hours, priced or not.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of vm_hours with a known Spot price; 1 only when every hour has one.
  -- Each hour of an attempt is rounded to nine decimals.
  ROUND(unrecorded_hours, 6) AS unrecorded_hours,  -- NUMERIC: Hours of its ended attempts in which their VM has no cost row: not recorded yet, not identified, or not a Spot VM. Their cost is not known.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  license_cost,  -- NUMERIC: What is known of its part of the licenses, in USD; NULL when nothing is known.
  disk_cost,  -- NUMERIC: What is known of its part of the disks while the VMs ran, in USD; NULL when nothing is known.
  known_cost,  -- NUMERIC: What is known of its part of all that the VMs cost, in USD; NULL when nothing is known.
  ondemand_cost,  -- NUMERIC: Cost of the hours with an on-demand price, at that price, in USD; NULL when none is known.
  preempted_cost,  -- NUMERIC: The part of cost that is of preempted attempts, in USD; NULL without one whose price is known.
  COALESCE(lost_hours, 0) AS lost_hours,  -- NUMERIC: What preempted attempts did after their last checkpoint, in VM-hours.
  lost_cost,  -- NUMERIC: The part of cost that is lost with it, in USD; NULL when no price is known.
  net_savings  -- NUMERIC: What it would have cost more on demand, where nothing is lost, in USD; NULL without an hour that has both prices.
FROM joined
