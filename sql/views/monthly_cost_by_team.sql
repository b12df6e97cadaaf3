-- Who spent how much on Spot VMs each month, by the labels team, project, experiment and cost_center?
-- Grain: one month and combination of the four labels; the row without any of them exists even when it is 0.
--
-- Labels are those of the VM in that hour; a missing or empty label is '(unlabelled)'. Months are those of Cloud
-- Billing, in America/Los_Angeles, so that they can be compared with an invoice. Reads this month and the twelve before
-- it, whatever the filter on month: a day of Cloud Billing is not a partition.
WITH labelled AS (
  SELECT
    DATE_TRUNC(DATE(costs.usage_start_time, 'America/Los_Angeles'), MONTH) AS month,
    COALESCE(
      (
        SELECT MIN(label.value)
        FROM UNNEST(costs.labels) AS label
        WHERE label.key = 'team' AND label.value != ''
      ),
      '(unlabelled)'
    ) AS team,
    COALESCE(
      (
        SELECT MIN(label.value)
        FROM UNNEST(costs.labels) AS label
        WHERE label.key = 'project' AND label.value != ''
      ),
      '(unlabelled)'
    ) AS project,
    COALESCE(
      (
        SELECT MIN(label.value)
        FROM UNNEST(costs.labels) AS label
        WHERE label.key = 'experiment' AND label.value != ''
      ),
      '(unlabelled)'
    ) AS experiment,
    COALESCE(
      (
        SELECT MIN(label.value)
        FROM UNNEST(costs.labels) AS label
        WHERE label.key = 'cost_center' AND label.value != ''
      ),
      '(unlabelled)'
    ) AS cost_center,
    costs.instance_id,
    costs.uptime_hours,
    costs.cost,
    costs.ondemand_cost
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP(
    DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH), 'America/Los_Angeles'
  )
),

unlabelled_buckets AS (
  SELECT DISTINCT
    month,
    '(unlabelled)' AS team,
    '(unlabelled)' AS project,
    '(unlabelled)' AS experiment,
    '(unlabelled)' AS cost_center,
    CAST(NULL AS STRING) AS instance_id,
    NUMERIC '0' AS uptime_hours,
    NUMERIC '0' AS cost,
    NUMERIC '0' AS ondemand_cost
  FROM labelled
),

rows_and_buckets AS (
  SELECT * FROM labelled
  UNION ALL
  SELECT * FROM unlabelled_buckets
)

SELECT
  month,
  team,
  project,
  experiment,
  cost_center,
  COUNT(DISTINCT instance_id) AS instances,
  SUM(uptime_hours) AS vm_hours,
  ROUND(SAFE_DIVIDE(SUM(IF(cost IS NULL, 0, uptime_hours)), SUM(uptime_hours)), 6) AS priced_share,
  -- NULL when no price is known: the 0 of the added row must not hide it.
  IF(SUM(uptime_hours) > 0 AND SUM(IF(cost IS NULL, 0, uptime_hours)) = 0, NULL, SUM(cost)) AS cost,
  IF(
    SUM(uptime_hours) > 0 AND SUM(IF(ondemand_cost IS NULL, 0, uptime_hours)) = 0, NULL, SUM(ondemand_cost)
  ) AS ondemand_cost
FROM rows_and_buckets
GROUP BY
  month,
  team,
  project,
  experiment,
  cost_center
