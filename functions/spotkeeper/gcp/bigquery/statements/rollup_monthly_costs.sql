-- Sum the costs of some months of Cloud Billing by project and labels, and the uptime that nobody identified.
DELETE FROM monthly_costs
WHERE month >= @months_since
  AND month < @months_until
  AND month IN UNNEST(@rollup_months);

INSERT INTO monthly_costs
WITH counted AS (
  SELECT
    rolled.*,
    DATE_TRUNC(rolled.billing_date, MONTH) AS month,
    ROW_NUMBER() OVER (
      PARTITION BY
        DATE_TRUNC(rolled.billing_date, MONTH),
        rolled.project_id,
        rolled.team,
        rolled.project_label,
        rolled.experiment,
        rolled.cost_center,
        rolled.zone,
        rolled.instance_id
      ORDER BY rolled.booked_month, rolled.gpu_type
    ) = 1 AS is_first
  FROM daily_vm_costs AS rolled
  WHERE rolled.usage_date >= @months_since
    AND rolled.usage_date <= @months_until
    AND DATE_TRUNC(rolled.billing_date, MONTH) IN UNNEST(@rollup_months)
)

SELECT
  month,
  booked_month,
  project_id,
  team,
  project_label,
  experiment,
  cost_center,
  gpu_type,
  COUNTIF(is_first) AS instances,
  NUMERIC '0' AS unresolved_hours,
  SUM(vm_hours) AS vm_hours,
  SUM(priced_hours) AS priced_hours,
  SUM(fully_priced_hours) AS fully_priced_hours,
  SUM(cost) AS cost,
  SUM(ondemand_cost) AS ondemand_cost,
  SUM(known_cost) AS known_cost,
  SUM(compared_cost) AS compared_cost,
  SUM(compared_ondemand_cost) AS compared_ondemand_cost,
  SUM(vcpu_hours) AS vcpu_hours,
  SUM(gpu_hours) AS gpu_hours,
  SUM(vcpu_cost) AS vcpu_cost,
  SUM(gpu_cost) AS gpu_cost,
  SUM(contract_hours) AS contract_hours,
  SUM(contract_list_cost) AS contract_list_cost,
  SUM(contract_cost) AS contract_cost
FROM counted
GROUP BY
  month,
  booked_month,
  project_id,
  team,
  project_label,
  experiment,
  cost_center,
  gpu_type
UNION ALL
SELECT
  DATE_TRUNC(DATE(known.hour, 'America/Los_Angeles'), MONTH) AS month,
  DATE_TRUNC(DATE(known.hour, 'America/Los_Angeles'), MONTH) AS booked_month,
  known.project_id,
  '(unresolved)' AS team,
  '(unresolved)' AS project_label,
  '(unresolved)' AS experiment,
  '(unresolved)' AS cost_center,
  CAST(NULL AS STRING) AS gpu_type,
  CAST(NULL AS INT64) AS instances,
  SUM(known.unresolved_hours) AS unresolved_hours,
  NUMERIC '0' AS vm_hours,
  NUMERIC '0' AS priced_hours,
  NUMERIC '0' AS fully_priced_hours,
  CAST(NULL AS NUMERIC) AS cost,
  CAST(NULL AS NUMERIC) AS ondemand_cost,
  CAST(NULL AS NUMERIC) AS known_cost,
  CAST(NULL AS NUMERIC) AS compared_cost,
  CAST(NULL AS NUMERIC) AS compared_ondemand_cost,
  NUMERIC '0' AS vcpu_hours,
  NUMERIC '0' AS gpu_hours,
  CAST(NULL AS NUMERIC) AS vcpu_cost,
  CAST(NULL AS NUMERIC) AS gpu_cost,
  CAST(NULL AS NUMERIC) AS contract_hours,
  CAST(NULL AS NUMERIC) AS contract_list_cost,
  CAST(NULL AS NUMERIC) AS contract_cost
FROM project_hours AS known
WHERE known.hour >= TIMESTAMP(@months_since)
  AND known.hour < TIMESTAMP(DATE_ADD(@months_until, INTERVAL 1 DAY))
  AND DATE_TRUNC(DATE(known.hour, 'America/Los_Angeles'), MONTH) IN UNNEST(@rollup_months)
  -- Where every VM was identified there is nothing to add.
  AND known.unresolved_hours > 0
GROUP BY
  month,
  known.project_id;
