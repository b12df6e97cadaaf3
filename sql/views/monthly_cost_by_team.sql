-- Who spent how much on Spot VMs each month, by project and the labels team, project, experiment and cost_center?
-- Grain: one month, project and combination of the four labels; the row without any of them exists even when it is 0.
--
-- project_id is the Google Cloud project, project_label the label project. Labels are those of the VM in that hour; a
-- missing or empty label is '(unlabelled)'. contract_cost is of the hours with a contract price, which
-- contract_list_cost has at list prices. Uptime that no source could identify is a row of its own whose labels are
-- '(unresolved)': not priced, with an estimate if it is of Spot VMs at the mean price of their project that month.
-- Months are those of Cloud Billing, in America/Los_Angeles, so that they can be compared with an invoice. Days whose
-- cost rows are not rolled up have a row with '(not rolled up)' and no figures, until rebuild-rollups is run. Reads this
-- month and the twelve before it, whatever the filter on month: a day of Cloud Billing is not a partition.
WITH label_usage AS (
  SELECT
    rolled.month,
    rolled.project_id,
    rolled.team,
    rolled.project_label,
    rolled.experiment,
    rolled.cost_center,
    -- Each VM counts in one of the rows of its labels.
    SUM(rolled.instances) AS instances,
    SUM(rolled.vm_hours + rolled.unresolved_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.cost) AS cost,
    SUM(rolled.ondemand_cost) AS ondemand_cost,
    SUM(rolled.known_cost) AS known_cost,
    SUM(rolled.fully_priced_hours) AS fully_priced_hours,
    SUM(rolled.contract_hours) AS contract_hours,
    SUM(rolled.contract_list_cost) AS contract_list_cost,
    SUM(rolled.contract_cost) AS contract_cost
  FROM `${dataset}.monthly_costs` AS rolled
  WHERE rolled.month >= DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH)
  GROUP BY
    rolled.month,
    rolled.project_id,
    rolled.team,
    rolled.project_label,
    rolled.experiment,
    rolled.cost_center
),

empty_buckets AS (
  SELECT
    used.month,
    used.project_id,
    '(unlabelled)' AS team,
    '(unlabelled)' AS project_label,
    '(unlabelled)' AS experiment,
    '(unlabelled)' AS cost_center,
    0 AS instances,
    NUMERIC '0' AS vm_hours,
    NUMERIC '0' AS priced_hours,
    NUMERIC '0' AS cost,
    NUMERIC '0' AS ondemand_cost,
    NUMERIC '0' AS known_cost,
    NUMERIC '0' AS fully_priced_hours,
    CAST(NULL AS NUMERIC) AS contract_hours,
    CAST(NULL AS NUMERIC) AS contract_list_cost,
    CAST(NULL AS NUMERIC) AS contract_cost
  FROM label_usage AS used
  -- A project of which nothing was identified has no other row.
  WHERE used.team != '(unresolved)'
  GROUP BY
    used.month,
    used.project_id
  -- A month with a VM without labels has the row already.
  HAVING COUNTIF(
    used.team = '(unlabelled)'
    AND used.project_label = '(unlabelled)'
    AND used.experiment = '(unlabelled)'
    AND used.cost_center = '(unlabelled)'
  ) = 0
),

all_usage AS (
  SELECT * FROM label_usage
  UNION ALL
  SELECT * FROM empty_buckets
),

hours AS (
  SELECT
    known.hour,
    known.project_id,
    known.state
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP(DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH), 'America/Los_Angeles')
),

states AS (
  SELECT
    DATE_TRUNC(DATE(hours.hour, 'America/Los_Angeles'), MONTH) AS month,
    hours.project_id,
    CASE
      WHEN COUNTIF(hours.state = 'incomplete') > 0 THEN 'incomplete'
      WHEN COUNTIF(hours.state = 'provisional') > 0 THEN 'provisional'
      WHEN COUNTIF(hours.state = 'final') > 0 THEN 'final'
      ELSE 'complete'
    END AS state
  FROM hours
  GROUP BY
    month,
    hours.project_id
),

rolled_days AS (
  -- A rollup is written for a whole UTC day.
  SELECT rolled.usage_date
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH)
  GROUP BY rolled.usage_date
),

unrolled_hours AS (
  -- Cost rows of a day without a rollup are older than the rollups.
  SELECT runs.hour
  FROM `${dataset}.tracker_runs` AS runs
  LEFT JOIN rolled_days
    ON rolled_days.usage_date = DATE(runs.hour)
  WHERE runs.hour >= TIMESTAMP(DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH), 'America/Los_Angeles')
    AND runs.row_count > 0
    AND rolled_days.usage_date IS NULL
  GROUP BY runs.hour
),

unrolled AS (
  SELECT
    DATE_TRUNC(DATE(hours.hour, 'America/Los_Angeles'), MONTH) AS month,
    hours.project_id
  FROM hours
  INNER JOIN unrolled_hours
    ON unrolled_hours.hour = hours.hour
  GROUP BY
    month,
    hours.project_id
),

figures AS (
  SELECT
    all_usage.*,
    IF(unrolled.month IS NULL, states.state, 'incomplete') AS state
  FROM all_usage
  LEFT JOIN states
    ON states.month = all_usage.month
    AND states.project_id = all_usage.project_id
  LEFT JOIN unrolled
    ON unrolled.month = all_usage.month
    AND unrolled.project_id = all_usage.project_id
  UNION ALL
  SELECT
    unrolled.month,
    unrolled.project_id,
    '(not rolled up)' AS team,
    '(not rolled up)' AS project_label,
    '(not rolled up)' AS experiment,
    '(not rolled up)' AS cost_center,
    CAST(NULL AS INT64) AS instances,
    CAST(NULL AS NUMERIC) AS vm_hours,
    CAST(NULL AS NUMERIC) AS priced_hours,
    CAST(NULL AS NUMERIC) AS cost,
    CAST(NULL AS NUMERIC) AS ondemand_cost,
    CAST(NULL AS NUMERIC) AS known_cost,
    CAST(NULL AS NUMERIC) AS fully_priced_hours,
    CAST(NULL AS NUMERIC) AS contract_hours,
    CAST(NULL AS NUMERIC) AS contract_list_cost,
    CAST(NULL AS NUMERIC) AS contract_cost,
    'incomplete' AS state
  FROM unrolled
)

SELECT
  month,  -- DATE: The first day of the month of Cloud Billing, in America/Los_Angeles.
  project_id,  -- STRING: The Google Cloud project.
  team,  -- STRING: The value of the label team in that hour; (unlabelled) without one, (unresolved) for VMs that no source could identify, (not rolled up) for days without a rollup, as in the other labels.
  project_label,  -- STRING: The value of the label project, which is not the Google Cloud project; (unlabelled) without one, (unresolved) as above.
  experiment,  -- STRING: The value of the label experiment; (unlabelled) without one, (unresolved) as above.
  cost_center,  -- STRING: The value of the label cost_center; (unlabelled) without one, (unresolved) as above.
  instances,  -- INTEGER: Distinct VMs of the row, which do not add up over rows; NULL for VMs that no source could identify.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  priced_hours,  -- NUMERIC: The VM-hours whose Spot price is known; sums of it divided by sums of vm_hours are the share of a total.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: priced_hours divided by vm_hours; 1 only when every hour has a price, NULL without hours.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  ondemand_cost,  -- NUMERIC: Cost of the hours with an on-demand price, at that price, in USD; NULL when none is known.
  known_cost,  -- NUMERIC: What is known of all that the VMs cost, in USD: cost, licenses, external addresses, disks and bandwidth; NULL when nothing is known.
  IF(fully_priced_hours = vm_hours, known_cost, NULL) AS total_cost,  -- NUMERIC: known_cost when every part of it is known in every hour, in USD, else NULL; sum known_cost over rows instead.
  fully_priced_hours,  -- NUMERIC: The VM-hours of which every part of known_cost is known; below vm_hours, known_cost is a lower bound.
  IF(
    team = '(unresolved)',
    ROUND(vm_hours * SAFE_DIVIDE(SUM(cost) OVER project_months, SUM(priced_hours) OVER project_months), 6),
    NULL
  ) AS estimated_unresolved_cost,  -- NUMERIC: An estimate in USD: what unidentified VMs cost if they are Spot VMs at the mean price of their project that month; NULL in other rows, and without a price.
  contract_hours,  -- NUMERIC: The VM-hours whose contract price is known; NULL without any.
  contract_cost,  -- NUMERIC: Cost of contract_hours at contract prices, in USD.
  contract_list_cost,  -- NUMERIC: Cost of contract_hours at Spot list prices, in USD.
  ROUND(100 * SAFE_DIVIDE(contract_list_cost - contract_cost, contract_list_cost), 2) AS contract_discount_percent,  -- NUMERIC: By how many percent contract_cost is below contract_list_cost.
  state  -- STRING: That of the hours of the project in the month, as in data_quality: incomplete, provisional, final or complete, the first that one of them has; NULL when none is on record.
FROM figures
WINDOW project_months AS (PARTITION BY month, project_id)
