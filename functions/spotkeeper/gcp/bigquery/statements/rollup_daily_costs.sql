-- Sum the costs of some UTC days by project, place, machine type and labels, and the uptime that nobody identified.
DELETE FROM daily_costs
WHERE usage_date >= DATE(@rollup_since)
  AND usage_date < DATE(@rollup_until)
  AND usage_date IN UNNEST(@rollup_days);

INSERT INTO daily_costs
WITH vms AS (
  SELECT
    rolled.*,
    IF(rolled.team = '(unlabelled)', REGEXP_EXTRACT(rolled.managed_by, r'([^/]+)$'), NULL) AS created_by_group,
    -- In names, the four random characters of a managed instance group's member and all numbers are a star.
    IF(
      rolled.team = '(unlabelled)',
      REGEXP_REPLACE(
        IF(
          rolled.managed_by IS NULL,
          rolled.instance_name,
          REGEXP_REPLACE(rolled.instance_name, r'-[a-z0-9]{4}$', '-*')
        ),
        r'[0-9]+',
        '*'
      ),
      NULL
    ) AS name_pattern
  FROM daily_vm_costs AS rolled
  WHERE rolled.usage_date >= DATE(@rollup_since)
    AND rolled.usage_date < DATE(@rollup_until)
    AND rolled.usage_date IN UNNEST(@rollup_days)
),

counted AS (
  SELECT
    vms.*,
    ROW_NUMBER() OVER (
      PARTITION BY usage_date, billing_date, project_id, machine_type, region, zone, instance_id
      ORDER BY team, project_label, experiment, cost_center, instance_name, booked_month
    ) = 1 AS is_first_of_type,
    ROW_NUMBER() OVER (
      PARTITION BY usage_date, billing_date, project_id, team, zone, instance_id
      ORDER BY machine_type, project_label, experiment, cost_center, instance_name, booked_month
    ) = 1 AS is_first_of_team,
    ROW_NUMBER() OVER (
      PARTITION BY usage_date, billing_date, project_id, created_by_group, name_pattern, zone, instance_id
      ORDER BY machine_type, project_label, experiment, cost_center, instance_name, booked_month
    ) = 1 AS is_first_of_pattern
  FROM vms
)

SELECT
  usage_date,
  billing_date,
  project_id,
  region,
  zone,
  machine_type,
  team,
  project_label,
  experiment,
  cost_center,
  created_by_group,
  name_pattern,
  IF(name_pattern IS NULL, NULL, MIN(instance_name)) AS example,
  TIMESTAMP_TRUNC(MAX(last_start_time), HOUR) AS last_hour,
  COUNTIF(is_first_of_type) AS type_instances,
  COUNTIF(is_first_of_team) AS team_instances,
  COUNTIF(is_first_of_pattern AND name_pattern IS NOT NULL) AS pattern_instances,
  NUMERIC '0' AS unresolved_hours,
  SUM(vm_hours) AS vm_hours,
  SUM(billed_hours) AS billed_hours,
  SUM(priced_hours) AS priced_hours,
  SUM(priced_billed_hours) AS priced_billed_hours,
  SUM(fully_priced_hours) AS fully_priced_hours,
  SUM(compared_hours) AS compared_hours,
  SUM(cost) AS cost,
  SUM(ondemand_cost) AS ondemand_cost,
  SUM(license_cost) AS license_cost,
  SUM(address_cost) AS address_cost,
  SUM(disk_cost) AS disk_cost,
  SUM(bandwidth_cost) AS bandwidth_cost,
  SUM(known_cost) AS known_cost,
  SUM(total_cost) AS total_cost,
  SUM(compared_cost) AS compared_cost,
  SUM(compared_ondemand_cost) AS compared_ondemand_cost,
  SUM(kept_ondemand_cost) AS kept_ondemand_cost,
  SUM(lost_hours) AS lost_hours,
  SUM(priced_lost_hours) AS priced_lost_hours,
  SUM(lost_cost) AS lost_cost,
  SUM(preemptions) AS preemptions,
  SUM(contract_hours) AS contract_hours,
  SUM(contract_list_cost) AS contract_list_cost,
  SUM(contract_cost) AS contract_cost
FROM counted
GROUP BY
  usage_date,
  billing_date,
  project_id,
  region,
  zone,
  machine_type,
  team,
  project_label,
  experiment,
  cost_center,
  created_by_group,
  name_pattern
UNION ALL
SELECT
  DATE(known.hour) AS usage_date,
  DATE(known.hour, 'America/Los_Angeles') AS billing_date,
  known.project_id,
  '(unresolved)' AS region,
  '(unresolved)' AS zone,
  '(unresolved)' AS machine_type,
  '(unresolved)' AS team,
  '(unresolved)' AS project_label,
  '(unresolved)' AS experiment,
  '(unresolved)' AS cost_center,
  CAST(NULL AS STRING) AS created_by_group,
  '(unresolved)' AS name_pattern,
  CAST(NULL AS STRING) AS example,
  MAX(known.hour) AS last_hour,
  CAST(NULL AS INT64) AS type_instances,
  CAST(NULL AS INT64) AS team_instances,
  CAST(NULL AS INT64) AS pattern_instances,
  SUM(known.unresolved_hours) AS unresolved_hours,
  NUMERIC '0' AS vm_hours,
  NUMERIC '0' AS billed_hours,
  NUMERIC '0' AS priced_hours,
  NUMERIC '0' AS priced_billed_hours,
  NUMERIC '0' AS fully_priced_hours,
  NUMERIC '0' AS compared_hours,
  CAST(NULL AS NUMERIC) AS cost,
  CAST(NULL AS NUMERIC) AS ondemand_cost,
  CAST(NULL AS NUMERIC) AS license_cost,
  CAST(NULL AS NUMERIC) AS address_cost,
  CAST(NULL AS NUMERIC) AS disk_cost,
  CAST(NULL AS NUMERIC) AS bandwidth_cost,
  CAST(NULL AS NUMERIC) AS known_cost,
  CAST(NULL AS NUMERIC) AS total_cost,
  CAST(NULL AS NUMERIC) AS compared_cost,
  CAST(NULL AS NUMERIC) AS compared_ondemand_cost,
  CAST(NULL AS NUMERIC) AS kept_ondemand_cost,
  NUMERIC '0' AS lost_hours,
  NUMERIC '0' AS priced_lost_hours,
  CAST(NULL AS NUMERIC) AS lost_cost,
  0 AS preemptions,
  CAST(NULL AS NUMERIC) AS contract_hours,
  CAST(NULL AS NUMERIC) AS contract_list_cost,
  CAST(NULL AS NUMERIC) AS contract_cost
FROM project_hours AS known
WHERE known.hour >= @rollup_since
  AND known.hour < @rollup_until
  AND DATE(known.hour) IN UNNEST(@rollup_days)
  -- Where every VM was identified there is nothing to add.
  AND known.unresolved_hours > 0
GROUP BY
  usage_date,
  billing_date,
  known.project_id;
