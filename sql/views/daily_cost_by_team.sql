-- What did each team spend on Spot VMs each day?
-- Grain: one UTC day, day of Cloud Billing, project and value of the label team.
--
-- A UTC day has two rows, one for each day of Cloud Billing (in America/Los_Angeles) that it is part of: sum by
-- usage_date or by billing_date. The label is that of the VM in that hour; a missing or empty label is '(unlabelled)'.
-- Uptime that no source could identify is a row of its own with the team '(unresolved)': not priced, with an estimate if
-- it is of Spot VMs at the mean price of their project that day. cost covers the priced hours only. A day whose cost rows are
-- not rolled up has the team '(not rolled up)' and no figures, until rebuild-rollups is run. Reads at most 400
-- days, so that a day can be compared with the same day of last year; a filter on usage_date limits the partitions that
-- are read.
WITH all_usage AS (
  SELECT
    rolled.usage_date,
    rolled.billing_date,
    rolled.project_id,
    rolled.team,
    -- Each VM counts in one of the rows of its team.
    SUM(rolled.team_instances) AS instances,
    SUM(rolled.vm_hours + rolled.unresolved_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.cost) AS cost,
    SUM(rolled.ondemand_cost) AS ondemand_cost,
    SUM(rolled.known_cost) AS known_cost,
    SUM(rolled.fully_priced_hours) AS fully_priced_hours
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 400 DAY)
  GROUP BY
    rolled.usage_date,
    rolled.billing_date,
    rolled.project_id,
    rolled.team
),

hours AS (
  SELECT
    known.hour,
    known.project_id,
    known.state
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
),

states AS (
  SELECT
    DATE(hours.hour) AS usage_date,
    hours.project_id,
    CASE
      WHEN COUNTIF(hours.state = 'incomplete') > 0 THEN 'incomplete'
      WHEN COUNTIF(hours.state = 'provisional') > 0 THEN 'provisional'
      WHEN COUNTIF(hours.state = 'final') > 0 THEN 'final'
      ELSE 'complete'
    END AS state
  FROM hours
  GROUP BY
    usage_date,
    hours.project_id
),

rolled_days AS (
  -- A rollup is written for a whole UTC day.
  SELECT all_usage.usage_date
  FROM all_usage
  GROUP BY all_usage.usage_date
),

unrolled_hours AS (
  -- Cost rows of a day without a rollup are older than the rollups.
  SELECT runs.hour
  FROM `${dataset}.tracker_runs` AS runs
  LEFT JOIN rolled_days
    ON rolled_days.usage_date = DATE(runs.hour)
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
    AND runs.row_count > 0
    AND rolled_days.usage_date IS NULL
  GROUP BY runs.hour
),

unrolled AS (
  SELECT
    DATE(hours.hour) AS usage_date,
    DATE(hours.hour, 'America/Los_Angeles') AS billing_date,
    hours.project_id
  FROM hours
  INNER JOIN unrolled_hours
    ON unrolled_hours.hour = hours.hour
  GROUP BY
    usage_date,
    billing_date,
    hours.project_id
),

figures AS (
  SELECT
    all_usage.*,
    states.state
  FROM all_usage
  LEFT JOIN states
    ON states.usage_date = all_usage.usage_date
    AND states.project_id = all_usage.project_id
  UNION ALL
  SELECT
    unrolled.usage_date,
    unrolled.billing_date,
    unrolled.project_id,
    '(not rolled up)' AS team,
    CAST(NULL AS INT64) AS instances,
    CAST(NULL AS NUMERIC) AS vm_hours,
    CAST(NULL AS NUMERIC) AS priced_hours,
    CAST(NULL AS NUMERIC) AS cost,
    CAST(NULL AS NUMERIC) AS ondemand_cost,
    CAST(NULL AS NUMERIC) AS known_cost,
    CAST(NULL AS NUMERIC) AS fully_priced_hours,
    'incomplete' AS state
  FROM unrolled
)

SELECT
  usage_date,  -- DATE: The UTC day of the usage; a filter on it limits what is read.
  billing_date,  -- DATE: The day of the usage in Cloud Billing, in America/Los_Angeles.
  project_id,  -- STRING: The Google Cloud project.
  team,  -- STRING: The value of the label team in that hour; (unlabelled) without one, (unresolved) for VMs that no source could identify, (not rolled up) for a day without a rollup.
  instances,  -- INTEGER: Distinct VMs of the row, which do not add up over rows; NULL for VMs that no source could identify.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  priced_hours,  -- NUMERIC: The VM-hours whose Spot price is known; sums of it divided by sums of vm_hours are the share of a total.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: priced_hours divided by vm_hours; 1 only when every hour has a price.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  ondemand_cost,  -- NUMERIC: Cost of the hours with an on-demand price, at that price, in USD; NULL when none is known.
  known_cost,  -- NUMERIC: What is known of all that the VMs cost, in USD: cost, licenses, external addresses, disks and bandwidth; NULL when nothing is known.
  IF(fully_priced_hours = vm_hours, known_cost, NULL) AS total_cost,  -- NUMERIC: known_cost when every part of it is known in every hour, in USD, else NULL; sum known_cost over rows instead.
  fully_priced_hours,  -- NUMERIC: The VM-hours of which every part of known_cost is known; below vm_hours, known_cost is a lower bound.
  IF(
    team = '(unresolved)',
    ROUND(vm_hours * SAFE_DIVIDE(SUM(cost) OVER project_days, SUM(priced_hours) OVER project_days), 6),
    NULL
  ) AS estimated_unresolved_cost,  -- NUMERIC: An estimate in USD: what unidentified VMs cost if they are Spot VMs at the mean price of their project that day; NULL in other rows, and without a price.
  state  -- STRING: That of the hours of the project on the day, as in data_quality: incomplete, provisional, final or complete, the first that one of them has; NULL when none is on record.
FROM figures
WINDOW project_days AS (PARTITION BY usage_date, project_id)
