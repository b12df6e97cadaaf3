-- Which Spot VMs have no team, what do they cost, and whom to ask?
-- Grain: one UTC day, day of Cloud Billing, project, group that created the VMs (NULL: no group) and pattern of names.
--
-- A UTC day has two rows, one for each day of Cloud Billing (in America/Los_Angeles) that it is part of: sum by
-- usage_date or by billing_date. A VM has a team when its label team was not empty in that hour. In a name pattern, the
-- four random characters of a managed instance group's member and all numbers are a star, so that workers of one kind are
-- one row. Uptime that no source could identify is a row of its own with the pattern '(unresolved)': not priced, with an
-- estimate if it is of Spot VMs at the mean price of their project that day. Reads 92 days: older cost can hardly be
-- attributed afterwards. A filter on usage_date limits the partitions that are read.
WITH all_usage AS (
  SELECT
    rolled.usage_date,
    rolled.billing_date,
    rolled.project_id,
    rolled.name_pattern IS NULL AS has_team,
    rolled.created_by_group,
    rolled.name_pattern,
    MIN(rolled.example) AS example,
    -- Each VM counts in one of the rows of its pattern.
    IF(rolled.name_pattern = '(unresolved)', NULL, SUM(rolled.pattern_instances)) AS instances,
    SUM(rolled.vm_hours + rolled.unresolved_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.cost) AS cost,
    MAX(rolled.last_hour) AS last_hour
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 92 DAY)
  GROUP BY
    rolled.usage_date,
    rolled.billing_date,
    rolled.project_id,
    has_team,
    rolled.created_by_group,
    rolled.name_pattern
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
