-- What did the Spot VMs with a label cost? The name of a column of label_keys stands for the labels that the column is
-- made from. Lost is the uptime of a preempted VM from the full hour to its last preemption
-- in it, as in lost_work_by_team.
WITH last_preemptions AS (
  SELECT
    -- The uptime that a preemption at the full hour ended is in the hour before.
    TIMESTAMP_TRUNC(TIMESTAMP_SUB(preempted.preempted_at, INTERVAL 1 MICROSECOND), HOUR) AS hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id,
    COUNT(*) AS preemptions,
    MAX(preempted.preempted_at) AS preempted_at
  FROM spot_preemptions AS preempted
  WHERE preempted.preempted_at > @first_time
    AND preempted.preempted_at <= @end_time
  GROUP BY
    hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id
),

wanted AS (
  SELECT
    CASE @label
      WHEN 'team' THEN keys.team
      WHEN 'project_label' THEN keys.project_label
      WHEN 'experiment' THEN keys.experiment
      WHEN 'cost_center' THEN keys.cost_center
      ELSE CONCAT(',', @label, ',')
    END AS keys
  FROM label_keys AS keys
),

vm_hours AS (
  SELECT
    costs.usage_start_time,
    CONCAT(costs.project_id, '/', costs.zone, '/', costs.instance_id) AS vm,
    costs.uptime_hours,
    costs.cost,
    costs.ondemand_cost,
    IF(costs.cost IS NULL AND costs.known_cost = 0, NULL, COALESCE(costs.known_cost, costs.cost)) AS whole_cost,
    IF(
      ROW_NUMBER() OVER (
        PARTITION BY TIMESTAMP_TRUNC(costs.usage_start_time, HOUR), costs.project_id, costs.zone, costs.instance_id
        ORDER BY costs.usage_start_time DESC
      ) = 1,
      COALESCE(preempted.preemptions, 0),
      0
    ) AS preemptions,
    IF(
      preempted.instance_id IS NULL,
      0,
      LEAST(
        costs.uptime_hours,
        CAST(GREATEST(TIMESTAMP_DIFF(preempted.preempted_at, costs.usage_start_time, SECOND), 0) AS NUMERIC) / 3600
      )
    ) AS lost_hours
  FROM spot_vm_costs AS costs
  CROSS JOIN wanted
  LEFT JOIN last_preemptions AS preempted
    ON preempted.hour = TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
    AND preempted.project_id = costs.project_id
    AND preempted.zone = costs.zone
    AND preempted.instance_id = costs.instance_id
  WHERE costs.usage_start_time >= @first_time
    AND costs.usage_start_time < @end_time
    AND (
      SELECT ANY_VALUE(label.value HAVING MIN STRPOS(wanted.keys, CONCAT(',', label.key, ',')))
      FROM UNNEST(costs.labels) AS label
      WHERE STRPOS(wanted.keys, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
    ) = @value
),

latest AS (
  SELECT MAX(runs.hour) AS hour
  FROM tracker_runs AS runs
  WHERE runs.hour >= @first_time
    AND runs.hour < @end_time
)

SELECT
  COUNT(DISTINCT vm_hours.vm) AS vms,
  COALESCE(SUM(vm_hours.uptime_hours), 0) AS vm_hours,
  COALESCE(SUM(IF(vm_hours.cost IS NULL, vm_hours.uptime_hours, 0)), 0) AS unpriced_hours,
  SUM(vm_hours.cost) AS cost,
  SUM(vm_hours.whole_cost) AS whole_cost,
  SUM(vm_hours.ondemand_cost) AS ondemand_cost,
  SUM(IF(vm_hours.usage_start_time >= latest.hour, vm_hours.cost, NULL)) AS hourly_cost,
  COALESCE(SUM(vm_hours.preemptions), 0) AS preemptions,
  COALESCE(CAST(ROUND(SUM(vm_hours.lost_hours), 9) AS NUMERIC), 0) AS lost_hours,
  CAST(ROUND(SUM(vm_hours.cost * SAFE_DIVIDE(vm_hours.lost_hours, vm_hours.uptime_hours)), 9) AS NUMERIC) AS lost_cost,
  CAST(
    ROUND(
      SUM(
        vm_hours.ondemand_cost * (1 - COALESCE(SAFE_DIVIDE(vm_hours.lost_hours, vm_hours.uptime_hours), 0))
        - vm_hours.cost
      ),
      9
    ) AS NUMERIC
  ) AS net_saved,
  MIN(vm_hours.usage_start_time) AS first_hour,
  MAX(vm_hours.usage_start_time) AS last_hour,
  CAST(NULL AS INT64) AS works,
  CAST(NULL AS INT64) AS attempts,
  CAST(NULL AS NUMERIC) AS waiting_hours,
  CAST(NULL AS NUMERIC) AS unrecorded_hours
FROM vm_hours
CROSS JOIN latest
