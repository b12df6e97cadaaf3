-- What did Spot VMs cost each month, by project and any label?
-- Grain: one month, project, label key and label value.
--
-- VMs without the key, or with an empty value, have the value '(unlabelled)', which exists for every key, project and
-- month even when its cost is 0. Uptime that no source could identify has the value '(unresolved)' of every key: not
-- priced, with an estimate if it is of Spot VMs at the mean price of their project that month. Labels are those of the VM
-- in that hour. The values of one key add up to the whole month, so sum one key only. Months are those of Cloud Billing,
-- in America/Los_Angeles. Reads this month and the twelve before it, whatever the filter on month: a day of Cloud Billing
-- is not a partition.
WITH labelled_hours AS (
  -- An hour has many VMs with the same labels, so months and labels are those of few rows.
  SELECT
    costs.usage_start_time,
    costs.project_id,
    TO_JSON_STRING(costs.labels) AS label_text,
    ANY_VALUE(costs.labels) AS labels,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours)) AS priced_hours,
    SUM(COALESCE(costs.cost, 0)) AS cost,
    SUM(COALESCE(costs.known_cost, costs.cost, 0)) AS known_cost,
    SUM(IF(costs.total_cost IS NULL, 0, costs.uptime_hours)) AS fully_priced_hours
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP(
    DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH), 'America/Los_Angeles'
  )
  GROUP BY
    costs.usage_start_time,
    costs.project_id,
    label_text
),

months AS (
  SELECT
    DATE_TRUNC(DATE(labelled_hours.usage_start_time, 'America/Los_Angeles'), MONTH) AS month,
    labelled_hours.project_id,
    SUM(labelled_hours.vm_hours) AS vm_hours,
    SUM(labelled_hours.priced_hours) AS priced_hours,
    SUM(labelled_hours.cost) AS cost,
    SUM(labelled_hours.known_cost) AS known_cost,
    SUM(labelled_hours.fully_priced_hours) AS fully_priced_hours
  FROM labelled_hours
  GROUP BY
    month,
    labelled_hours.project_id
),

label_values AS (
  SELECT
    DATE_TRUNC(DATE(labelled_hours.usage_start_time, 'America/Los_Angeles'), MONTH) AS month,
    labelled_hours.project_id,
    label.key AS label_key,
    label.value AS label_value,
    SUM(labelled_hours.vm_hours) AS vm_hours,
    SUM(labelled_hours.priced_hours) AS priced_hours,
    SUM(labelled_hours.cost) AS cost,
    SUM(labelled_hours.known_cost) AS known_cost,
    SUM(labelled_hours.fully_priced_hours) AS fully_priced_hours
  FROM labelled_hours
  CROSS JOIN UNNEST(labelled_hours.labels) AS label
  GROUP BY
    month,
    labelled_hours.project_id,
    label_key,
    label_value
),

label_keys AS (
  SELECT DISTINCT label_key
  FROM label_values
),

filled_values AS (
  SELECT *
  FROM label_values
  -- An empty value says no more than a missing label.
  WHERE label_value != ''
),

labelled AS (
  SELECT
    month,
    project_id,
    label_key,
    SUM(vm_hours) AS vm_hours,
    SUM(priced_hours) AS priced_hours,
    SUM(cost) AS cost,
    SUM(known_cost) AS known_cost,
    SUM(fully_priced_hours) AS fully_priced_hours
  FROM filled_values
  GROUP BY
    month,
    project_id,
    label_key
),

rest AS (
  SELECT
    months.month,
    months.project_id,
    label_keys.label_key,
    '(unlabelled)' AS label_value,
    months.vm_hours - COALESCE(labelled.vm_hours, 0) AS vm_hours,
    months.priced_hours - COALESCE(labelled.priced_hours, 0) AS priced_hours,
    months.cost - COALESCE(labelled.cost, 0) AS cost,
    months.known_cost - COALESCE(labelled.known_cost, 0) AS known_cost,
    months.fully_priced_hours - COALESCE(labelled.fully_priced_hours, 0) AS fully_priced_hours
  FROM months
  CROSS JOIN label_keys
  LEFT JOIN labelled
    ON labelled.month = months.month
    AND labelled.project_id = months.project_id
    AND labelled.label_key = label_keys.label_key
),

unresolved_months AS (
  SELECT
    unresolved.month,
    unresolved.project_id,
    SUM(unresolved.vm_hours) AS vm_hours
  FROM `${dataset}.unresolved_usage` AS unresolved
  WHERE unresolved.usage_start_time >= TIMESTAMP(
    DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH), 'America/Los_Angeles'
  )
  GROUP BY
    unresolved.month,
    unresolved.project_id
),

unresolved_rows AS (
  SELECT
    unresolved_months.month,
    unresolved_months.project_id,
    label_keys.label_key,
    '(unresolved)' AS label_value,
    unresolved_months.vm_hours,
    NUMERIC '0' AS priced_hours,
    NUMERIC '0' AS cost,
    NUMERIC '0' AS known_cost,
    NUMERIC '0' AS fully_priced_hours
  FROM unresolved_months
  CROSS JOIN label_keys
),

all_values AS (
  SELECT * FROM filled_values
  UNION ALL
  SELECT * FROM rest
  UNION ALL
  SELECT * FROM unresolved_rows
)

SELECT
  month,  -- DATE: The first day of the month of Cloud Billing, in America/Los_Angeles.
  project_id,  -- STRING: The Google Cloud project.
  label_key,  -- STRING: The key of the label; sum the rows of one key only.
  label_value,  -- STRING: The value of the label in that hour; (unlabelled) for a missing or empty label, (unresolved) for VMs that no source could identify.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  priced_hours,  -- NUMERIC: The VM-hours whose Spot price is known; sums of it divided by sums of vm_hours are the share of a total.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: priced_hours divided by vm_hours; 1 only when every hour has a price, NULL without hours.
  IF(vm_hours > 0 AND priced_hours = 0, NULL, cost) AS cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  IF(vm_hours > 0 AND priced_hours = 0 AND known_cost = 0, NULL, known_cost) AS known_cost,  -- NUMERIC: What is known of all that the VMs cost, in USD: cost, licenses, external addresses, disks and bandwidth; NULL when nothing is known.
  IF(fully_priced_hours = vm_hours, known_cost, NULL) AS total_cost,  -- NUMERIC: known_cost when every part of it is known in every hour, in USD, else NULL; sum known_cost over rows instead.
  fully_priced_hours,  -- NUMERIC: The VM-hours of which every part of known_cost is known; below vm_hours, known_cost is a lower bound.
  IF(
    label_value = '(unresolved)',
    ROUND(vm_hours * SAFE_DIVIDE(SUM(cost) OVER project_months, SUM(priced_hours) OVER project_months), 6),
    NULL
  ) AS estimated_unresolved_cost  -- NUMERIC: An estimate in USD: what unidentified VMs cost if they are Spot VMs at the mean price of their project that month; NULL in other rows, and without a price.
FROM all_values
WINDOW project_months AS (PARTITION BY month, project_id, label_key)
