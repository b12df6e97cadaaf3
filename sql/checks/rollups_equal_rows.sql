-- Invariant: every rollup has the sums of the cost rows, to the last digit; rebuild-rollups writes one anew that differs.
-- Grain: one rollup and UTC day or month whose sums differ from those of the rows.
-- Reads the 30 days before today, and for monthly_costs this month and the last. A column of each kind stands for all:
-- hours, billed hours, compute, known, total and contract cost, lost and unresolved hours, and preemptions of VMs that
-- have a cost row on the UTC day or have none; NULL counts as 0. misplaced_hours are VM-hours that a rollup has under
-- other labels than the rows, as after a change of the label keys. Of hourly_label_costs the sums are those over all
-- labels.
WITH label_names AS (
  SELECT DISTINCT label_key
  FROM `${dataset}.label_keys` AS keys
  CROSS JOIN UNNEST(SPLIT(CONCAT(keys.team, keys.project_label, keys.experiment, keys.cost_center), ',')) AS label_key
  -- Each key is between commas.
  WHERE label_key != ''
),

last_preemptions AS (
  SELECT
    -- The uptime that a preemption at the full hour ended is in the hour before.
    TIMESTAMP_TRUNC(TIMESTAMP_SUB(preempted.preempted_at, INTERVAL 1 MICROSECOND), HOUR) AS hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id,
    MAX(preempted.preempted_at) AS preempted_at
  FROM `${dataset}.spot_preemptions` AS preempted
  WHERE preempted.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
  GROUP BY
    hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id
),

costs AS (
  SELECT
    DATE(rows_read.usage_start_time) AS usage_date,
    DATE_TRUNC(DATE(rows_read.usage_start_time, 'America/Los_Angeles'), MONTH) AS month,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.team, CONCAT(',', label.key, ',')))
        FROM UNNEST(rows_read.labels) AS label
        WHERE STRPOS(keys.team, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      '(unlabelled)'
    ) AS team,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.project_label, CONCAT(',', label.key, ',')))
        FROM UNNEST(rows_read.labels) AS label
        WHERE STRPOS(keys.project_label, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      '(unlabelled)'
    ) AS project_label,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.experiment, CONCAT(',', label.key, ',')))
        FROM UNNEST(rows_read.labels) AS label
        WHERE STRPOS(keys.experiment, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      '(unlabelled)'
    ) AS experiment,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.cost_center, CONCAT(',', label.key, ',')))
        FROM UNNEST(rows_read.labels) AS label
        WHERE STRPOS(keys.cost_center, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      '(unlabelled)'
    ) AS cost_center,
    rows_read.labels,
    rows_read.uptime_hours,
    COALESCE(rows_read.billed_hours, rows_read.uptime_hours) AS billed_hours,
    COALESCE(rows_read.cost, 0) AS cost,
    COALESCE(rows_read.known_cost, rows_read.cost, 0) AS known_cost,
    IF(rows_read.total_cost IS NULL, 0, rows_read.uptime_hours) AS fully_priced_hours,
    COALESCE(rows_read.total_cost, 0) AS total_cost,
    COALESCE(rows_read.contract_cost, 0) AS contract_cost,
    IF(
      preempted.instance_id IS NULL,
      NUMERIC '0',
      LEAST(
        rows_read.uptime_hours,
        ROUND(
          CAST(GREATEST(TIMESTAMP_DIFF(preempted.preempted_at, rows_read.usage_start_time, SECOND), 0) AS NUMERIC) / 3600,
          9
        )
      )
    ) AS lost_hours,
    EXISTS (
      SELECT 1
      FROM `${dataset}.enforcement_actions` AS actions
      WHERE actions.happened_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 126 DAY)
        AND actions.happened_at >= TIMESTAMP_SUB(rows_read.usage_start_time, INTERVAL 63 DAY)
        AND actions.event IN ('planned', 'stopped')
        AND actions.mode = 'enforce'
        AND actions.project_id = rows_read.project_id
        AND actions.zone = rows_read.zone
        AND actions.instance_name = rows_read.instance_name
        AND actions.happened_at <= rows_read.usage_start_time
        AND actions.period_end > rows_read.usage_start_time
    ) AS was_stopped
  FROM `${dataset}.spot_vm_costs` AS rows_read
  CROSS JOIN `${dataset}.label_keys` AS keys
  LEFT JOIN last_preemptions AS preempted
    ON preempted.hour = TIMESTAMP_TRUNC(rows_read.usage_start_time, HOUR)
    AND preempted.project_id = rows_read.project_id
    AND preempted.zone = rows_read.zone
    AND preempted.instance_id = rows_read.instance_id
  WHERE rows_read.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
),

seen_vms AS (
  SELECT DISTINCT
    DATE(rows_read.usage_start_time) AS usage_date,
    rows_read.project_id,
    rows_read.zone,
    rows_read.instance_id
  FROM `${dataset}.spot_vm_costs` AS rows_read
  WHERE rows_read.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 64 DAY)
),

labelled AS (
  -- Each row once for each label that hourly_label_costs has.
  SELECT
    costs.*,
    names.label_key,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN label.value)
        FROM UNNEST(costs.labels) AS label
        WHERE label.key = names.label_key AND label.value != ''
      ),
      '(unlabelled)'
    ) AS label_value
  FROM costs
  CROSS JOIN label_names AS names
),

unresolved AS (
  SELECT
    DATE(known.hour) AS usage_date,
    DATE_TRUNC(DATE(known.hour, 'America/Los_Angeles'), MONTH) AS month,
    known.unresolved_hours
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
),

row_sums AS (
  SELECT
    rollup_name,
    costs.usage_date AS period,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(rollup_name IN ('daily_vm_costs', 'daily_costs'), costs.billed_hours, 0)) AS billed_hours,
    SUM(IF(rollup_name = 'hourly_fleet', 0, costs.cost)) AS cost,
    SUM(IF(rollup_name = 'hourly_fleet', 0, costs.known_cost)) AS known_cost,
    SUM(IF(rollup_name = 'hourly_fleet', 0, costs.fully_priced_hours)) AS fully_priced_hours,
    SUM(IF(rollup_name IN ('daily_vm_costs', 'daily_costs'), costs.total_cost, 0)) AS total_cost,
    SUM(IF(rollup_name IN ('daily_vm_costs', 'daily_costs'), costs.contract_cost, 0)) AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    SUM(IF(rollup_name = 'hourly_fleet', 0, costs.lost_hours)) AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM costs
  CROSS JOIN UNNEST(['daily_vm_costs', 'daily_costs', 'hourly_costs', 'hourly_fleet']) AS rollup_name
  GROUP BY
    rollup_name,
    period
  UNION ALL
  SELECT
    'hourly_label_costs' AS rollup_name,
    labelled.usage_date AS period,
    SUM(labelled.uptime_hours) AS vm_hours,
    NUMERIC '0' AS billed_hours,
    SUM(labelled.cost) AS cost,
    SUM(labelled.known_cost) AS known_cost,
    NUMERIC '0' AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    NUMERIC '0' AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    NUMERIC '0' AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM labelled
  GROUP BY period
  UNION ALL
  SELECT
    'monthly_costs' AS rollup_name,
    costs.month AS period,
    SUM(costs.uptime_hours) AS vm_hours,
    NUMERIC '0' AS billed_hours,
    SUM(costs.cost) AS cost,
    SUM(costs.known_cost) AS known_cost,
    SUM(costs.fully_priced_hours) AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    SUM(costs.contract_cost) AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    NUMERIC '0' AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM costs
  GROUP BY period
  UNION ALL
  SELECT
    'stopped_vm_costs' AS rollup_name,
    costs.usage_date AS period,
    SUM(costs.uptime_hours) AS vm_hours,
    NUMERIC '0' AS billed_hours,
    SUM(costs.cost) AS cost,
    NUMERIC '0' AS known_cost,
    NUMERIC '0' AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    NUMERIC '0' AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    NUMERIC '0' AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM costs
  -- The others were not stopped before.
  WHERE costs.was_stopped
  GROUP BY period
  UNION ALL
  SELECT
    'hourly_preemptions' AS rollup_name,
    DATE(preempted.preempted_at) AS period,
    NUMERIC '0' AS vm_hours,
    NUMERIC '0' AS billed_hours,
    NUMERIC '0' AS cost,
    NUMERIC '0' AS known_cost,
    NUMERIC '0' AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    NUMERIC '0' AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    NUMERIC '0' AS lost_hours,
    COUNTIF(seen_vms.instance_id IS NOT NULL) AS preemptions,
    COUNTIF(seen_vms.instance_id IS NULL) AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM `${dataset}.spot_preemptions` AS preempted
  LEFT JOIN seen_vms
    ON seen_vms.usage_date = DATE(TIMESTAMP_SUB(preempted.preempted_at, INTERVAL 1 MICROSECOND))
    AND seen_vms.project_id = preempted.project_id
    AND seen_vms.zone = preempted.zone
    AND seen_vms.instance_id = preempted.instance_id
  WHERE preempted.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
  GROUP BY period
  UNION ALL
  SELECT
    rollup_name,
    IF(rollup_name = 'monthly_costs', unresolved.month, unresolved.usage_date) AS period,
    NUMERIC '0' AS vm_hours,
    NUMERIC '0' AS billed_hours,
    NUMERIC '0' AS cost,
    NUMERIC '0' AS known_cost,
    NUMERIC '0' AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    NUMERIC '0' AS contract_cost,
    SUM(unresolved.unresolved_hours) AS unresolved_hours,
    NUMERIC '0' AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM unresolved
  CROSS JOIN UNNEST(['daily_costs', 'monthly_costs']) AS rollup_name
  GROUP BY
    rollup_name,
    period
),

rollup_sums AS (
  SELECT
    'daily_vm_costs' AS rollup_name,
    rolled.usage_date AS period,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.billed_hours) AS billed_hours,
    SUM(COALESCE(rolled.cost, 0)) AS cost,
    SUM(COALESCE(rolled.known_cost, 0)) AS known_cost,
    SUM(rolled.fully_priced_hours) AS fully_priced_hours,
    SUM(COALESCE(rolled.total_cost, 0)) AS total_cost,
    SUM(COALESCE(rolled.contract_cost, 0)) AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    SUM(rolled.lost_hours) AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM `${dataset}.daily_vm_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 63 DAY)
  GROUP BY period
  UNION ALL
  SELECT
    'daily_costs' AS rollup_name,
    rolled.usage_date AS period,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.billed_hours) AS billed_hours,
    SUM(COALESCE(rolled.cost, 0)) AS cost,
    SUM(COALESCE(rolled.known_cost, 0)) AS known_cost,
    SUM(rolled.fully_priced_hours) AS fully_priced_hours,
    SUM(COALESCE(rolled.total_cost, 0)) AS total_cost,
    SUM(COALESCE(rolled.contract_cost, 0)) AS contract_cost,
    SUM(rolled.unresolved_hours) AS unresolved_hours,
    SUM(rolled.lost_hours) AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 63 DAY)
  GROUP BY period
  UNION ALL
  SELECT
    'hourly_costs' AS rollup_name,
    DATE(rolled.usage_hour) AS period,
    SUM(rolled.vm_hours) AS vm_hours,
    NUMERIC '0' AS billed_hours,
    SUM(COALESCE(rolled.cost, 0)) AS cost,
    SUM(COALESCE(rolled.known_cost, 0)) AS known_cost,
    SUM(rolled.fully_priced_hours) AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    NUMERIC '0' AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    SUM(rolled.lost_hours) AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
  GROUP BY period
  UNION ALL
  SELECT
    'hourly_label_costs' AS rollup_name,
    DATE(rolled.usage_hour) AS period,
    SUM(rolled.vm_hours) AS vm_hours,
    NUMERIC '0' AS billed_hours,
    SUM(COALESCE(rolled.cost, 0)) AS cost,
    SUM(COALESCE(rolled.known_cost, 0)) AS known_cost,
    NUMERIC '0' AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    NUMERIC '0' AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    NUMERIC '0' AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM `${dataset}.hourly_label_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
  GROUP BY period
  UNION ALL
  SELECT
    'hourly_fleet' AS rollup_name,
    DATE(rolled.usage_hour) AS period,
    SUM(rolled.vm_hours) AS vm_hours,
    NUMERIC '0' AS billed_hours,
    NUMERIC '0' AS cost,
    NUMERIC '0' AS known_cost,
    NUMERIC '0' AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    NUMERIC '0' AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    NUMERIC '0' AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM `${dataset}.hourly_fleet` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
  GROUP BY period
  UNION ALL
  SELECT
    'monthly_costs' AS rollup_name,
    rolled.month AS period,
    SUM(rolled.vm_hours) AS vm_hours,
    NUMERIC '0' AS billed_hours,
    SUM(COALESCE(rolled.cost, 0)) AS cost,
    SUM(COALESCE(rolled.known_cost, 0)) AS known_cost,
    SUM(rolled.fully_priced_hours) AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    SUM(COALESCE(rolled.contract_cost, 0)) AS contract_cost,
    SUM(rolled.unresolved_hours) AS unresolved_hours,
    NUMERIC '0' AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM `${dataset}.monthly_costs` AS rolled
  WHERE rolled.month >= DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 1 MONTH)
  GROUP BY period
  UNION ALL
  SELECT
    'stopped_vm_costs' AS rollup_name,
    DATE(rolled.usage_start_time) AS period,
    SUM(rolled.uptime_hours) AS vm_hours,
    NUMERIC '0' AS billed_hours,
    SUM(COALESCE(rolled.cost, 0)) AS cost,
    NUMERIC '0' AS known_cost,
    NUMERIC '0' AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    NUMERIC '0' AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    NUMERIC '0' AS lost_hours,
    0 AS preemptions,
    0 AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM `${dataset}.stopped_vm_costs` AS rolled
  WHERE rolled.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
  GROUP BY period
  UNION ALL
  SELECT
    'hourly_preemptions' AS rollup_name,
    DATE(rolled.usage_hour) AS period,
    NUMERIC '0' AS vm_hours,
    NUMERIC '0' AS billed_hours,
    NUMERIC '0' AS cost,
    NUMERIC '0' AS known_cost,
    NUMERIC '0' AS fully_priced_hours,
    NUMERIC '0' AS total_cost,
    NUMERIC '0' AS contract_cost,
    NUMERIC '0' AS unresolved_hours,
    NUMERIC '0' AS lost_hours,
    SUM(rolled.preemptions) AS preemptions,
    SUM(rolled.unseen_preemptions) AS unseen_preemptions,
    NUMERIC '0' AS misplaced_hours
  FROM `${dataset}.hourly_preemptions` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
  GROUP BY period
),

label_sums AS (
  SELECT
    'daily_vm_costs' AS rollup_name,
    rolled.usage_date AS period,
    rolled.team,
    rolled.project_label,
    rolled.experiment,
    rolled.cost_center,
    SUM(rolled.vm_hours) AS vm_hours
  FROM `${dataset}.daily_vm_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 63 DAY)
  GROUP BY
    period,
    team,
    project_label,
    experiment,
    cost_center
  UNION ALL
  SELECT
    'daily_costs' AS rollup_name,
    rolled.usage_date AS period,
    rolled.team,
    rolled.project_label,
    rolled.experiment,
    rolled.cost_center,
    SUM(rolled.vm_hours) AS vm_hours
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 63 DAY)
  GROUP BY
    period,
    team,
    project_label,
    experiment,
    cost_center
  UNION ALL
  SELECT
    'hourly_costs' AS rollup_name,
    DATE(rolled.usage_hour) AS period,
    rolled.team,
    '' AS project_label,
    '' AS experiment,
    '' AS cost_center,
    SUM(rolled.vm_hours) AS vm_hours
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
  GROUP BY
    period,
    team,
    project_label,
    experiment,
    cost_center
  UNION ALL
  -- The first column has the label with its value.
  SELECT
    'hourly_label_costs' AS rollup_name,
    DATE(rolled.usage_hour) AS period,
    CONCAT(rolled.label_key, '=', rolled.label_value) AS team,
    '' AS project_label,
    '' AS experiment,
    '' AS cost_center,
    SUM(rolled.vm_hours) AS vm_hours
  FROM `${dataset}.hourly_label_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
  GROUP BY
    period,
    team,
    project_label,
    experiment,
    cost_center
  UNION ALL
  SELECT
    'hourly_label_costs' AS rollup_name,
    labelled.usage_date AS period,
    CONCAT(labelled.label_key, '=', labelled.label_value) AS label,
    '' AS row_project_label,
    '' AS row_experiment,
    '' AS row_cost_center,
    -SUM(labelled.uptime_hours) AS vm_hours
  FROM labelled
  GROUP BY
    period,
    label,
    row_project_label,
    row_experiment,
    row_cost_center
  UNION ALL
  SELECT
    'monthly_costs' AS rollup_name,
    rolled.month AS period,
    rolled.team,
    rolled.project_label,
    rolled.experiment,
    rolled.cost_center,
    SUM(rolled.vm_hours) AS vm_hours
  FROM `${dataset}.monthly_costs` AS rolled
  WHERE rolled.month >= DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 1 MONTH)
  GROUP BY
    period,
    team,
    project_label,
    experiment,
    cost_center
  UNION ALL
  SELECT
    rollup_name,
    IF(rollup_name = 'monthly_costs', costs.month, costs.usage_date) AS period,
    costs.team,
    IF(rollup_name = 'hourly_costs', '', costs.project_label) AS row_project_label,
    IF(rollup_name = 'hourly_costs', '', costs.experiment) AS row_experiment,
    IF(rollup_name = 'hourly_costs', '', costs.cost_center) AS row_cost_center,
    -SUM(costs.uptime_hours) AS vm_hours
  FROM costs
  CROSS JOIN UNNEST(['daily_vm_costs', 'daily_costs', 'hourly_costs', 'monthly_costs']) AS rollup_name
  GROUP BY
    rollup_name,
    period,
    costs.team,
    row_project_label,
    row_experiment,
    row_cost_center
),

label_differences AS (
  SELECT
    rollup_name,
    period,
    team,
    project_label,
    experiment,
    cost_center,
    SUM(vm_hours) AS vm_hours
  FROM label_sums
  GROUP BY
    rollup_name,
    period,
    team,
    project_label,
    experiment,
    cost_center
),

differences AS (
  SELECT
    compared.rollup_name,
    compared.period,
    SUM(compared.sign * compared.vm_hours) AS vm_hours,
    SUM(compared.sign * compared.billed_hours) AS billed_hours,
    SUM(compared.sign * compared.cost) AS cost,
    SUM(compared.sign * compared.known_cost) AS known_cost,
    SUM(compared.sign * compared.fully_priced_hours) AS fully_priced_hours,
    SUM(compared.sign * compared.total_cost) AS total_cost,
    SUM(compared.sign * compared.contract_cost) AS contract_cost,
    SUM(compared.sign * compared.unresolved_hours) AS unresolved_hours,
    SUM(compared.sign * compared.lost_hours) AS lost_hours,
    SUM(compared.sign * compared.preemptions) AS preemptions,
    SUM(compared.sign * compared.unseen_preemptions) AS unseen_preemptions,
    SUM(compared.sign * compared.misplaced_hours) AS misplaced_hours
  FROM (
    SELECT *, 1 AS sign FROM rollup_sums
    UNION ALL
    SELECT
      rollup_name,
      period,
      NUMERIC '0' AS vm_hours,
      NUMERIC '0' AS billed_hours,
      NUMERIC '0' AS cost,
      NUMERIC '0' AS known_cost,
      NUMERIC '0' AS fully_priced_hours,
      NUMERIC '0' AS total_cost,
      NUMERIC '0' AS contract_cost,
      NUMERIC '0' AS unresolved_hours,
      NUMERIC '0' AS lost_hours,
      0 AS preemptions,
      0 AS unseen_preemptions,
      SUM(vm_hours) AS misplaced_hours,
      1 AS sign
    FROM label_differences
    -- What is missing under one value is too much under another.
    WHERE vm_hours > 0
    GROUP BY
      rollup_name,
      period
    UNION ALL
    SELECT *, -1 AS sign FROM row_sums
  ) AS compared
  -- Of what was before, the rows are read in part only.
  WHERE IF(
    compared.rollup_name = 'monthly_costs',
    compared.period >= DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 1 MONTH),
    compared.period >= DATE_SUB(DATE(${now}), INTERVAL 30 DAY)
  )
  GROUP BY
    compared.rollup_name,
    compared.period
)

SELECT
  rollup_name,
  period,
  vm_hours,
  billed_hours,
  cost,
  known_cost,
  fully_priced_hours,
  total_cost,
  contract_cost,
  unresolved_hours,
  lost_hours,
  preemptions,
  unseen_preemptions,
  misplaced_hours
FROM differences
-- Equal sums keep the invariant.
WHERE vm_hours != 0
  OR billed_hours != 0
  OR cost != 0
  OR known_cost != 0
  OR fully_priced_hours != 0
  OR total_cost != 0
  OR contract_cost != 0
  OR unresolved_hours != 0
  OR lost_hours != 0
  OR preemptions != 0
  OR unseen_preemptions != 0
  OR misplaced_hours != 0
