-- Which Spot VMs have no team, what do they cost, and whom to ask?
-- Grain: one UTC day, day of Cloud Billing, project, group that created the VMs (NULL: no group) and pattern of names.
--
-- A UTC day has two rows, one for each day of Cloud Billing (in America/Los_Angeles) that it is part of: sum by
-- usage_date or by billing_date. A VM has a team when its label team was not empty in that hour. In a name pattern, the
-- four random characters of a managed instance group's member and all numbers are a star, so that workers of one kind are
-- one row. Uptime that no source could identify is a row of its own with the pattern '(unresolved)': not priced, with an
-- estimate if it is of Spot VMs at the mean price of their project that day. Reads 92 days: older cost can hardly be
-- attributed afterwards. A filter on usage_date limits the partitions that are read.
WITH vm_usage AS (
  SELECT
    DATE(costs.usage_start_time) AS usage_date,
    DATE(costs.usage_start_time, 'America/Los_Angeles') AS billing_date,
    costs.project_id,
    EXISTS (
      SELECT 1
      FROM UNNEST(costs.labels) AS label
      WHERE label.key = 'team' AND label.value != ''
    ) AS has_team,
    REGEXP_EXTRACT(costs.managed_by, r'([^/]+)$') AS created_by_group,
    REGEXP_REPLACE(
      IF(
        costs.managed_by IS NULL,
        costs.instance_name,
        REGEXP_REPLACE(costs.instance_name, r'-[a-z0-9]{4}$', '-*')
      ),
      r'[0-9]+',
      '*'
    ) AS name_pattern,
    MIN(costs.instance_name) AS example,
    COUNT(DISTINCT costs.instance_id) AS instances,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours)) AS priced_hours,
    SUM(costs.cost) AS cost,
    MAX(costs.usage_start_time) AS last_hour
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
  GROUP BY
    usage_date,
    billing_date,
    costs.project_id,
    has_team,
    created_by_group,
    name_pattern
),

unresolved_rows AS (
  SELECT
    unresolved.usage_date,
    unresolved.billing_date,
    unresolved.project_id,
    FALSE AS has_team,
    CAST(NULL AS STRING) AS created_by_group,
    '(unresolved)' AS name_pattern,
    CAST(NULL AS STRING) AS example,
    CAST(NULL AS INT64) AS instances,
    SUM(unresolved.vm_hours) AS vm_hours,
    NUMERIC '0' AS priced_hours,
    CAST(NULL AS NUMERIC) AS cost,
    MAX(unresolved.usage_start_time) AS last_hour
  FROM `${dataset}.unresolved_usage` AS unresolved
  WHERE unresolved.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
  GROUP BY
    unresolved.usage_date,
    unresolved.billing_date,
    unresolved.project_id
),

all_usage AS (
  SELECT * FROM vm_usage
  UNION ALL
  SELECT * FROM unresolved_rows
)

SELECT
  usage_date,  -- DATE: The UTC day of the usage; a filter on it limits what is read.
  billing_date,  -- DATE: The day of the usage in Cloud Billing, in America/Los_Angeles.
  project_id,  -- STRING: The Google Cloud project.
  created_by_group,  -- STRING: The managed instance group that created the VMs; NULL for VMs of no group.
  name_pattern,  -- STRING: The names of the VMs with a star for the parts that differ; (unresolved) for VMs that no source could identify.
  example,  -- STRING: The first name of the row in alphabetical order.
  instances,  -- INTEGER: Distinct VMs of the row, which do not add up over rows; NULL for VMs that no source could identify.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  priced_hours,  -- NUMERIC: The VM-hours whose Spot price is known; sums of it divided by sums of vm_hours are the share of a total.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: priced_hours divided by vm_hours; 1 only when every hour has a price.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  IF(
    name_pattern = '(unresolved)',
    ROUND(vm_hours * SAFE_DIVIDE(SUM(cost) OVER project_days, SUM(priced_hours) OVER project_days), 6),
    NULL
  ) AS estimated_unresolved_cost,  -- NUMERIC: An estimate in USD: what unidentified VMs cost if they are Spot VMs at the mean price of their project that day; NULL in other rows, and without a price.
  last_hour  -- TIMESTAMP: The start of the last hour in which a VM of the row ran.
FROM all_usage
WHERE TRUE
-- VMs with a team are in daily_cost_by_team; here they only make the mean price.
QUALIFY NOT has_team
WINDOW project_days AS (PARTITION BY usage_date, project_id)
