-- What did Spot VMs cost each month, by any label?
-- Grain: one month, label key and label value.
--
-- VMs without the key have the value '(unlabelled)', which exists for every key and month even when its cost is 0.
-- Labels are those of the VM in that hour. The values of one key add up to the whole month, so sum one key only. Months
-- are those of Cloud Billing, in America/Los_Angeles. Reads this month and the twelve before it, whatever the filter on
-- month: a day of Cloud Billing is not a partition.
WITH labelled_hours AS (
  SELECT
    DATE_TRUNC(DATE(costs.usage_start_time, 'America/Los_Angeles'), MONTH) AS month,
    costs.labels,
    costs.uptime_hours,
    IF(costs.cost IS NULL, 0, costs.uptime_hours) AS priced_hours,
    COALESCE(costs.cost, 0) AS cost
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP(
    DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH), 'America/Los_Angeles'
  )
),

months AS (
  SELECT
    month,
    SUM(uptime_hours) AS vm_hours,
    SUM(priced_hours) AS priced_hours,
    SUM(cost) AS cost
  FROM labelled_hours
  GROUP BY month
),

label_values AS (
  SELECT
    labelled_hours.month,
    label.key AS label_key,
    label.value AS label_value,
    SUM(labelled_hours.uptime_hours) AS vm_hours,
    SUM(labelled_hours.priced_hours) AS priced_hours,
    SUM(labelled_hours.cost) AS cost
  FROM labelled_hours
  CROSS JOIN UNNEST(labelled_hours.labels) AS label
  GROUP BY
    labelled_hours.month,
    label_key,
    label_value
),

label_keys AS (
  SELECT DISTINCT label_key
  FROM label_values
),

labelled AS (
  SELECT
    month,
    label_key,
    SUM(vm_hours) AS vm_hours,
    SUM(priced_hours) AS priced_hours,
    SUM(cost) AS cost
  FROM label_values
  GROUP BY
    month,
    label_key
),

rest AS (
  SELECT
    months.month,
    label_keys.label_key,
    '(unlabelled)' AS label_value,
    months.vm_hours - COALESCE(labelled.vm_hours, 0) AS vm_hours,
    months.priced_hours - COALESCE(labelled.priced_hours, 0) AS priced_hours,
    months.cost - COALESCE(labelled.cost, 0) AS cost
  FROM months
  CROSS JOIN label_keys
  LEFT JOIN labelled
    ON labelled.month = months.month
    AND labelled.label_key = label_keys.label_key
),

all_values AS (
  SELECT * FROM label_values
  UNION ALL
  SELECT * FROM rest
)

SELECT
  month,
  label_key,
  label_value,
  vm_hours,
  ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6) AS priced_share,
  IF(vm_hours > 0 AND priced_hours = 0, NULL, cost) AS cost
FROM all_values
