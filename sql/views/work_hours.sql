-- What did each hour of each Spot VM cost the work that ran on it, and what was left idle?
-- Grain: one attempt of work, or none ((idle)), in one cost row of a Spot VM of the last 92 days.
--
-- A second in which several attempts ran on the VM is shared by their weights; one in which none ran is idle. The
-- tracker records how long a VM ran in an hour, not when: attempts that claim more than it ran share what it ran. Where
-- a VM was preempted and another of its name ran in the same hour, work that is known by the name belongs to the one
-- before the preemption or the one after. Work that is known by a label of its VMs ran on all that have it. Every
-- amount is rounded as a running total, so that the rows of a VM and hour add up to its cost row to the last digit.
-- Lost is what a preempted attempt did after its last checkpoint, or all it did. Work that began more than 123 days ago
-- is not read. Reads 92 days, whatever the filter.
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
),

attempts AS (
  SELECT
    work_id,
    attempt,
    kind,
    project_id,
    zone,
    instance_id,
    instance_name,
    vm_label,
    start_time,
    end_time,
    COALESCE(weight, 1) AS weight,
    outcome,
    saved_at,
    (SELECT MAX(pair.value) FROM UNNEST(keys) AS pair WHERE pair.key = 'team' AND pair.value != '') AS team,
    (SELECT MAX(pair.value) FROM UNNEST(keys) AS pair WHERE pair.key = 'experiment' AND pair.value != '') AS experiment,
    recorded_at
  FROM recorded
  -- A row that was written again replaces the one before.
  WHERE age = 1
),

attempt_hours AS (
  SELECT
    attempts.*,
    hour
  FROM attempts
  CROSS JOIN UNNEST(
    GENERATE_TIMESTAMP_ARRAY(
      GREATEST(
        TIMESTAMP_TRUNC(attempts.start_time, HOUR),
        TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
      ),
      -- A clock that is behind ends an attempt before its VM was preempted.
      TIMESTAMP_ADD(COALESCE(attempts.end_time, ${now}), INTERVAL 60 SECOND),
      INTERVAL 1 HOUR
    )
  ) AS hour
),

preemptions AS (
  SELECT
    -- The uptime that a preemption at the full hour ended is in the hour before.
    TIMESTAMP_TRUNC(TIMESTAMP_SUB(preempted.preempted_at, INTERVAL 1 MICROSECOND), HOUR) AS hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id,
    MAX(preempted.preempted_at) AS preempted_at
  FROM `${dataset}.spot_preemptions` AS preempted
  WHERE preempted.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
  GROUP BY
    hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id
),

vm_rows AS (
  SELECT
    costs.usage_start_time,
    costs.usage_end_time,
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS hour,
    costs.project_id,
    costs.zone,
    costs.instance_id,
    costs.instance_name,
    costs.labels,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.team, CONCAT(',', label.key, ',')))
        FROM UNNEST(costs.labels) AS label
        WHERE STRPOS(keys.team, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      '(unlabelled)'
    ) AS team,
    (
      SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.experiment, CONCAT(',', label.key, ',')))
      FROM UNNEST(costs.labels) AS label
      WHERE STRPOS(keys.experiment, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
    ) AS experiment,
    costs.uptime_hours,
    costs.cost,
    costs.ondemand_cost,
    costs.license_cost,
    costs.disk_cost,
    IF(costs.cost IS NULL AND costs.known_cost = 0, NULL, COALESCE(costs.known_cost, costs.cost)) AS known_cost,
    preemptions.preempted_at
  FROM `${dataset}.spot_vm_costs` AS costs
  CROSS JOIN `${dataset}.label_keys` AS keys
  LEFT JOIN preemptions
    ON preemptions.hour = TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
    AND preemptions.project_id = costs.project_id
    AND preemptions.zone = costs.zone
    AND preemptions.instance_id = costs.instance_id
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
),

named_hours AS (
  SELECT DISTINCT
    hour,
    project_id,
    zone,
    instance_name
  FROM attempt_hours
  -- Where the id is known it counts.
  WHERE instance_id IS NULL
    AND instance_name IS NOT NULL
),

named_rows AS (
  SELECT
    vm_rows.hour,
    vm_rows.usage_start_time,
    vm_rows.usage_end_time,
    vm_rows.project_id,
    vm_rows.zone,
    vm_rows.instance_id,
    vm_rows.instance_name,
    vm_rows.preempted_at,
    MIN(vm_rows.instance_id) OVER name_in_hour != MAX(vm_rows.instance_id) OVER name_in_hour AS shares_name,
    -- Of a VM with two rows in the hour, neither is before the other.
    MAX(vm_rows.preempted_at) OVER (
      name_in_hour
      ORDER BY UNIX_MICROS(COALESCE(vm_rows.preempted_at, vm_rows.usage_end_time))
      RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS predecessor_preempted_at
  FROM vm_rows
  -- Of a name that is named in an hour all rows are read, of others none.
  INNER JOIN named_hours
    ON named_hours.hour = vm_rows.hour
    AND named_hours.project_id = vm_rows.project_id
    AND named_hours.zone = vm_rows.zone
    AND named_hours.instance_name = vm_rows.instance_name
  WINDOW name_in_hour AS (
    PARTITION BY vm_rows.project_id, vm_rows.zone, vm_rows.instance_name, vm_rows.hour
  )
),

labelled_rows AS (
  SELECT
    vm_rows.hour,
    vm_rows.usage_start_time,
    vm_rows.usage_end_time,
    vm_rows.project_id,
    vm_rows.zone,
    vm_rows.instance_id,
    vm_rows.preempted_at,
    CONCAT(label.key, '=', label.value) AS vm_label
  FROM vm_rows
  CROSS JOIN UNNEST(vm_rows.labels) AS label
),

candidates AS (
  SELECT
    vm_rows.usage_start_time,
    vm_rows.usage_start_time AS first_time,
    vm_rows.usage_end_time AS last_time,
    vm_rows.project_id AS vm_project_id,
    vm_rows.zone AS vm_zone,
    vm_rows.instance_id AS vm_instance_id,
    vm_rows.preempted_at,
    attempt_hours.*
  FROM attempt_hours
  INNER JOIN vm_rows
    ON vm_rows.hour = attempt_hours.hour
    AND vm_rows.project_id = attempt_hours.project_id
    AND vm_rows.instance_id = attempt_hours.instance_id
  -- The id is unique in a zone; work may not say which.
  WHERE COALESCE(attempt_hours.zone, vm_rows.zone) = vm_rows.zone
  UNION ALL
  SELECT
    named_rows.usage_start_time,
    IF(
      named_rows.shares_name,
      GREATEST(named_rows.usage_start_time, COALESCE(named_rows.predecessor_preempted_at, named_rows.usage_start_time)),
      named_rows.usage_start_time
    ) AS first_time,
    IF(
      named_rows.shares_name,
      LEAST(named_rows.usage_end_time, COALESCE(named_rows.preempted_at, named_rows.usage_end_time)),
      named_rows.usage_end_time
    ) AS last_time,
    named_rows.project_id AS vm_project_id,
    named_rows.zone AS vm_zone,
    named_rows.instance_id AS vm_instance_id,
    named_rows.preempted_at,
    attempt_hours.*
  FROM attempt_hours
  INNER JOIN named_rows
    ON named_rows.hour = attempt_hours.hour
    AND named_rows.project_id = attempt_hours.project_id
    AND named_rows.zone = attempt_hours.zone
    AND named_rows.instance_name = attempt_hours.instance_name
  -- Where the id is known it counts.
  WHERE attempt_hours.instance_id IS NULL
  UNION ALL
  SELECT
    labelled_rows.usage_start_time,
    labelled_rows.usage_start_time AS first_time,
    labelled_rows.usage_end_time AS last_time,
    labelled_rows.project_id AS vm_project_id,
    labelled_rows.zone AS vm_zone,
    labelled_rows.instance_id AS vm_instance_id,
    labelled_rows.preempted_at,
    attempt_hours.*
  FROM attempt_hours
  INNER JOIN labelled_rows
    ON labelled_rows.hour = attempt_hours.hour
    AND labelled_rows.project_id = attempt_hours.project_id
    AND labelled_rows.vm_label = attempt_hours.vm_label
  -- Where the VM itself is known it counts.
  WHERE attempt_hours.instance_id IS NULL
    AND attempt_hours.instance_name IS NULL
    AND COALESCE(attempt_hours.zone, labelled_rows.zone) = labelled_rows.zone
),

known_ends AS (
  SELECT
    *,
    -- Work whose VM was preempted may never have recorded its end.
    COALESCE(
      end_time,
      MIN(IF(preempted_at > start_time, preempted_at, NULL)) OVER (
        PARTITION BY work_id, attempt, vm_project_id, vm_zone, vm_instance_id
      )
    ) AS attempt_end_time,
    ROW_NUMBER() OVER (
      PARTITION BY work_id, attempt, vm_project_id, vm_zone, vm_instance_id, usage_start_time
      ORDER BY recorded_at DESC, instance_id DESC
    ) AS age
  FROM candidates
),

ended AS (
  SELECT
    *,
    COALESCE(attempt_end_time, ${now}) AS known_end_time
  FROM known_ends
),

preempted_attempts AS (
  SELECT
    work_id,
    attempt,
    LOGICAL_OR(
      COALESCE(outcome, '') = 'preempted'
      OR (
        outcome IS NULL
        AND preempted_at IS NOT NULL
        AND preempted_at >= start_time
        AND preempted_at <= TIMESTAMP_ADD(known_end_time, INTERVAL 60 SECOND)
      )
    ) AS is_preempted
  FROM ended
  GROUP BY
    work_id,
    attempt
),

claims AS (
  SELECT
    ended.usage_start_time,
    ended.vm_project_id,
    ended.vm_zone,
    ended.vm_instance_id,
    ended.work_id,
    ended.attempt,
    ended.kind,
    ended.team,
    ended.experiment,
    ended.weight,
    ended.attempt_end_time,
    preempted_attempts.is_preempted,
    GREATEST(ended.start_time, ended.first_time) AS claim_start,
    LEAST(ended.known_end_time, ended.last_time) AS claim_end,
    LEAST(
      GREATEST(
        IF(preempted_attempts.is_preempted, COALESCE(ended.saved_at, ended.start_time), ended.known_end_time),
        ended.start_time,
        ended.first_time
      ),
      ended.known_end_time,
      ended.last_time
    ) AS lost_start
  FROM ended
  INNER JOIN preempted_attempts
    ON preempted_attempts.work_id = ended.work_id
    AND preempted_attempts.attempt = ended.attempt
  -- One that is recorded by the id and by the name of its VM counts once; others only touch the hour.
  WHERE ended.age = 1
    AND LEAST(ended.known_end_time, ended.last_time) > GREATEST(ended.start_time, ended.first_time)
    AND ended.weight > 0
),

moments AS (
  SELECT
    claims.usage_start_time,
    claims.vm_project_id,
    claims.vm_zone,
    claims.vm_instance_id,
    moment.instant,
    SUM(moment.weight) AS weight
  FROM claims
  CROSS JOIN UNNEST(
    [
      STRUCT(claims.claim_start AS instant, claims.weight AS weight),
      STRUCT(claims.claim_end AS instant, -claims.weight AS weight),
      STRUCT(claims.lost_start AS instant, CAST(0 AS NUMERIC) AS weight)
    ]
  ) AS moment
  GROUP BY
    claims.usage_start_time,
    claims.vm_project_id,
    claims.vm_zone,
    claims.vm_instance_id,
    moment.instant
),

stretches AS (
  SELECT
    usage_start_time,
    vm_project_id,
    vm_zone,
    vm_instance_id,
    instant,
    SUM(weight) OVER from_the_first AS weight,
    CAST(TIMESTAMP_DIFF(LEAD(instant) OVER in_the_hour, instant, MICROSECOND) AS NUMERIC) AS microseconds
  FROM moments
  WINDOW
    in_the_hour AS (PARTITION BY usage_start_time, vm_project_id, vm_zone, vm_instance_id ORDER BY instant),
    from_the_first AS (in_the_hour ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),

meters AS (
  -- A meter that runs as fast as time divided by the weight: an attempt used its difference, times its own weight.
  SELECT
    usage_start_time,
    vm_project_id,
    vm_zone,
    vm_instance_id,
    instant,
    COALESCE(
      SUM(IF(weight > 0, CAST(SAFE_DIVIDE(microseconds, weight) AS NUMERIC), 0)) OVER before_it,
      0
    ) AS meter,
    SUM(IF(weight > 0, microseconds, 0)) OVER (
      PARTITION BY usage_start_time, vm_project_id, vm_zone, vm_instance_id
    ) AS busy
  FROM stretches
  WINDOW before_it AS (
    PARTITION BY usage_start_time, vm_project_id, vm_zone, vm_instance_id
    ORDER BY instant
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  )
),

busy_rows AS (
  SELECT
    usage_start_time,
    vm_project_id,
    vm_zone,
    vm_instance_id,
    MAX(busy) AS busy
  FROM meters
  GROUP BY
    usage_start_time,
    vm_project_id,
    vm_zone,
    vm_instance_id
),

used AS (
  SELECT
    claims.usage_start_time,
    claims.vm_project_id,
    claims.vm_zone,
    claims.vm_instance_id,
    claims.work_id,
    claims.attempt,
    claims.kind,
    claims.team,
    claims.experiment,
    claims.is_preempted,
    claims.attempt_end_time,
    claims.claim_start,
    CAST(
      ROUND(CAST(TIMESTAMP_DIFF(claims.claim_end, claims.claim_start, MICROSECOND) AS NUMERIC) / 3600000000, 9)
      AS NUMERIC
    ) AS claimed_hours,
    CAST(claims.weight * (ends.meter - starts.meter) AS NUMERIC) AS used,
    CAST(claims.weight * (ends.meter - losses.meter) AS NUMERIC) AS lost
  FROM claims
  INNER JOIN meters AS starts
    ON starts.usage_start_time = claims.usage_start_time
    AND starts.vm_project_id = claims.vm_project_id
    AND starts.vm_zone = claims.vm_zone
    AND starts.vm_instance_id = claims.vm_instance_id
    AND starts.instant = claims.claim_start
  INNER JOIN meters AS ends
    ON ends.usage_start_time = claims.usage_start_time
    AND ends.vm_project_id = claims.vm_project_id
    AND ends.vm_zone = claims.vm_zone
    AND ends.vm_instance_id = claims.vm_instance_id
    AND ends.instant = claims.claim_end
  INNER JOIN meters AS losses
    ON losses.usage_start_time = claims.usage_start_time
    AND losses.vm_project_id = claims.vm_project_id
    AND losses.vm_zone = claims.vm_zone
    AND losses.vm_instance_id = claims.vm_instance_id
    AND losses.instant = claims.lost_start
),

measured AS (
  SELECT
    vm_rows.* EXCEPT (labels),
    busy_rows.busy,
    CAST(vm_rows.uptime_hours * 3600000000 AS NUMERIC) AS up
  FROM vm_rows
  INNER JOIN busy_rows
    ON busy_rows.usage_start_time = vm_rows.usage_start_time
    AND busy_rows.vm_project_id = vm_rows.project_id
    AND busy_rows.vm_zone = vm_rows.zone
    AND busy_rows.vm_instance_id = vm_rows.instance_id
),

shares AS (
  SELECT
    measured.*,
    used.work_id,
    used.attempt,
    used.kind,
    used.team AS work_team,
    used.experiment AS work_experiment,
    used.is_preempted,
    used.attempt_end_time,
    used.claim_start,
    used.claimed_hours,
    used.used,
    used.lost
  FROM measured
  INNER JOIN used
    ON used.usage_start_time = measured.usage_start_time
    AND used.vm_project_id = measured.project_id
    AND used.vm_zone = measured.zone
    AND used.vm_instance_id = measured.instance_id
  UNION ALL
  SELECT
    measured.*,
    '(idle)' AS work_id,
    CAST(NULL AS INT64) AS attempt,
    CAST(NULL AS STRING) AS kind,
    CAST(NULL AS STRING) AS work_team,
    CAST(NULL AS STRING) AS work_experiment,
    FALSE AS is_preempted,
    CAST(NULL AS TIMESTAMP) AS attempt_end_time,
    CAST(NULL AS TIMESTAMP) AS claim_start,
    CAST(0 AS NUMERIC) AS claimed_hours,
    up - busy AS used,
    CAST(0 AS NUMERIC) AS lost
  FROM measured
  -- Uptime has nine decimals of an hour: less than a millisecond is not idle time.
  WHERE up - busy >= 1000
),

running AS (
  SELECT
    *,
    SUM(used) OVER up_to_this AS used_until,
    SUM(used) OVER whole_row AS used_in_all,
    ROW_NUMBER() OVER in_order = 1 AS is_first,
    COUNT(*) OVER whole_row = ROW_NUMBER() OVER in_order AS is_last
  FROM shares
  WINDOW
    whole_row AS (PARTITION BY usage_start_time, project_id, zone, instance_id),
    in_order AS (
      PARTITION BY usage_start_time, project_id, zone, instance_id
      ORDER BY claim_start IS NULL, claim_start, work_id, attempt
    ),
    up_to_this AS (in_order ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),

totals AS (
  SELECT
    *,
    IF(
      is_last,
      uptime_hours,
      CAST(ROUND(SAFE_DIVIDE(uptime_hours * used_until, used_in_all), 9) AS NUMERIC)
    ) AS hours_until,
    IF(
      is_last,
      cost,
      CAST(ROUND(SAFE_DIVIDE(cost * used_until, used_in_all), 9) AS NUMERIC)
    ) AS cost_until,
    IF(
      is_last,
      ondemand_cost,
      CAST(ROUND(SAFE_DIVIDE(ondemand_cost * used_until, used_in_all), 9) AS NUMERIC)
    ) AS ondemand_cost_until,
    IF(
      is_last,
      license_cost,
      CAST(ROUND(SAFE_DIVIDE(license_cost * used_until, used_in_all), 9) AS NUMERIC)
    ) AS license_cost_until,
    IF(
      is_last,
      disk_cost,
      CAST(ROUND(SAFE_DIVIDE(disk_cost * used_until, used_in_all), 9) AS NUMERIC)
    ) AS disk_cost_until,
    IF(
      is_last,
      known_cost,
      CAST(ROUND(SAFE_DIVIDE(known_cost * used_until, used_in_all), 9) AS NUMERIC)
    ) AS known_cost_until
  FROM running
),

parts AS (
  SELECT
    *,
    hours_until - IF(is_first, 0, LAG(hours_until) OVER in_order) AS part_hours,
    cost_until - IF(is_first, 0, LAG(cost_until) OVER in_order) AS part_cost,
    ondemand_cost_until - IF(is_first, 0, LAG(ondemand_cost_until) OVER in_order) AS part_ondemand_cost,
    license_cost_until - IF(is_first, 0, LAG(license_cost_until) OVER in_order) AS part_license_cost,
    disk_cost_until - IF(is_first, 0, LAG(disk_cost_until) OVER in_order) AS part_disk_cost,
    known_cost_until - IF(is_first, 0, LAG(known_cost_until) OVER in_order) AS part_known_cost
  FROM totals
  WINDOW in_order AS (
    PARTITION BY usage_start_time, project_id, zone, instance_id
    ORDER BY claim_start IS NULL, claim_start, work_id, attempt
  )
),

all_rows AS (
  SELECT
    hour,
    usage_start_time,
    project_id,
    zone,
    instance_id,
    instance_name,
    work_id,
    attempt,
    kind,
    COALESCE(work_team, team) AS team,
    COALESCE(work_experiment, experiment) AS experiment,
    is_preempted,
    attempt_end_time,
    claimed_hours,
    part_hours AS vm_hours,
    IF(cost IS NULL, 0, part_hours) AS priced_hours,
    part_cost AS cost,
    part_ondemand_cost AS ondemand_cost,
    part_license_cost AS license_cost,
    part_disk_cost AS disk_cost,
    part_known_cost AS known_cost,
    CAST(ROUND(COALESCE(SAFE_DIVIDE(part_hours * lost, used), 0), 9) AS NUMERIC) AS lost_hours,
    CAST(ROUND(COALESCE(SAFE_DIVIDE(part_cost * lost, used), 0 * part_cost), 9) AS NUMERIC) AS lost_cost,
    CAST(ROUND(COALESCE(SAFE_DIVIDE(part_ondemand_cost * lost, used), 0 * part_ondemand_cost), 9) AS NUMERIC)
      AS lost_ondemand_cost
  FROM parts
  UNION ALL
  -- Most rows are of VMs on which no recorded work ran: they are idle as a whole.
  SELECT
    vm_rows.hour,
    vm_rows.usage_start_time,
    vm_rows.project_id,
    vm_rows.zone,
    vm_rows.instance_id,
    vm_rows.instance_name,
    '(idle)' AS work_id,
    CAST(NULL AS INT64) AS attempt,
    CAST(NULL AS STRING) AS kind,
    vm_rows.team,
    vm_rows.experiment,
    FALSE AS is_preempted,
    CAST(NULL AS TIMESTAMP) AS attempt_end_time,
    CAST(0 AS NUMERIC) AS claimed_hours,
    vm_rows.uptime_hours AS vm_hours,
    IF(vm_rows.cost IS NULL, 0, vm_rows.uptime_hours) AS priced_hours,
    vm_rows.cost,
    vm_rows.ondemand_cost,
    vm_rows.license_cost,
    vm_rows.disk_cost,
    vm_rows.known_cost,
    CAST(0 AS NUMERIC) AS lost_hours,
    0 * vm_rows.cost AS lost_cost,
    0 * vm_rows.ondemand_cost AS lost_ondemand_cost
  FROM vm_rows
  LEFT JOIN busy_rows
    ON busy_rows.usage_start_time = vm_rows.usage_start_time
    AND busy_rows.vm_project_id = vm_rows.project_id
    AND busy_rows.vm_zone = vm_rows.zone
    AND busy_rows.vm_instance_id = vm_rows.instance_id
  WHERE busy_rows.busy IS NULL
)

SELECT
  hour,  -- TIMESTAMP: The start of the hour, UTC.
  usage_start_time,  -- TIMESTAMP: The start of the cost row: the hour, or the start of another machine in it.
  project_id,  -- STRING: The Google Cloud project.
  zone,  -- STRING: The zone.
  instance_id,  -- STRING: The id of the VM, unique in its project and zone.
  instance_name,  -- STRING: The name of the VM.
  work_id,  -- STRING: The work; (idle) for the time in which none ran.
  attempt,  -- INTEGER: The attempt at it; NULL for idle time.
  kind,  -- STRING: The kind of work; NULL for idle time, or when it is not recorded.
  team,  -- STRING: The value of the work's key team, or of the VM's label team in that hour; (unlabelled) without either.
  experiment,  -- STRING: The value of the work's key experiment, or of the VM's label; NULL without either.
  is_preempted,  -- BOOLEAN: Whether the attempt ended by a preemption.
  attempt_end_time,  -- TIMESTAMP: When the attempt ended on the VM, as recorded or by the preemption of the VM; NULL while it runs, and for idle time.
  claimed_hours,  -- NUMERIC: How long the attempt says that it used the VM in the hour, in hours, also what it shared; 0 for idle time.
  vm_hours,  -- NUMERIC: Its part of the uptime, in VM-hours, priced or not.
  priced_hours,  -- NUMERIC: Its part of the uptime that has a known Spot price, in VM-hours.
  cost,  -- NUMERIC: Its part of the cost at the Spot list price, in USD; NULL when the price is not known.
  ondemand_cost,  -- NUMERIC: Its part of the cost at the on-demand price, in USD; NULL when the price is not known.
  license_cost,  -- NUMERIC: Its part of what the licenses of the VM cost, in USD; NULL when that is not known.
  disk_cost,  -- NUMERIC: Its part of what the disks of the VM cost while it ran, in USD; NULL when that is not known.
  known_cost,  -- NUMERIC: Its part of what is known of all that the VM costs, in USD; NULL when nothing is known.
  lost_hours,  -- NUMERIC: What of vm_hours a preempted attempt did after its last checkpoint.
  lost_cost,  -- NUMERIC: What of cost is lost, in USD; NULL when the price is not known.
  lost_ondemand_cost  -- NUMERIC: What of ondemand_cost is lost, in USD; NULL when the price is not known.
FROM all_rows
