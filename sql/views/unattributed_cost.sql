-- Which Spot VMs have no team, what do they cost, and whom to ask?
-- Grain: one UTC day, project, group that created the VMs (NULL: no group) and pattern of their names.
--
-- A VM has a team when its label team was not empty in that hour. In a name pattern, the four random characters of a
-- managed instance group's member and all numbers are a star, so that workers of one kind are one row. Reads 92 days:
-- older cost can hardly be attributed afterwards. A filter on usage_date limits the partitions that are read.
SELECT
  DATE(costs.usage_start_time) AS usage_date,
  costs.project_id,
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
  ROUND(SAFE_DIVIDE(SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours)), SUM(costs.uptime_hours)), 6) AS priced_share,
  SUM(costs.cost) AS cost,
  MAX(costs.usage_start_time) AS last_hour
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
  -- VMs with a team are in monthly_cost_by_team.
  AND NOT EXISTS (
    SELECT 1
    FROM UNNEST(costs.labels) AS label
    WHERE label.key = 'team' AND label.value != ''
  )
GROUP BY
  usage_date,
  costs.project_id,
  created_by_group,
  name_pattern
