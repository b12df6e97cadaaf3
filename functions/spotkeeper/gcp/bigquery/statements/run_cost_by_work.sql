-- What did a piece of work cost, or all whose ids begin with its id and a slash?
WITH hours AS (
  SELECT *
  FROM work_hours
  WHERE work_id = @work
    OR STARTS_WITH(work_id, CONCAT(@work, '/'))
),

works AS (
  SELECT
    COUNT(*) AS works,
    SUM(attempts) AS attempts,
    SUM(preempted_attempts) AS preempted_attempts,
    SUM(waiting_hours) AS waiting_hours,
    SUM(unrecorded_hours) AS unrecorded_hours,
    COUNTIF(end_time IS NULL) > 0 AS is_running
  FROM cost_by_work
  WHERE work_id = @work
    OR STARTS_WITH(work_id, CONCAT(@work, '/'))
),

latest AS (
  SELECT MAX(runs.hour) AS hour
  FROM tracker_runs AS runs
  WHERE runs.hour >= @first_time
)

SELECT
  COUNT(DISTINCT CONCAT(hours.project_id, '/', hours.zone, '/', hours.instance_id)) AS vms,
  COALESCE(SUM(hours.vm_hours), 0) AS vm_hours,
  COALESCE(SUM(hours.vm_hours - hours.priced_hours), 0) AS unpriced_hours,
  SUM(hours.cost) AS cost,
  SUM(hours.known_cost) AS whole_cost,
  SUM(hours.ondemand_cost) AS ondemand_cost,
  SUM(IF(works.is_running AND hours.hour >= latest.hour, hours.cost, NULL)) AS hourly_cost,
  COALESCE(MAX(works.preempted_attempts), 0) AS preemptions,
  COALESCE(SUM(hours.lost_hours), 0) AS lost_hours,
  SUM(hours.lost_cost) AS lost_cost,
  SUM(hours.ondemand_cost - hours.lost_ondemand_cost - hours.cost) AS net_saved,
  MIN(hours.hour) AS first_hour,
  MAX(hours.hour) AS last_hour,
  COALESCE(MAX(works.works), 0) AS works,
  COALESCE(MAX(works.attempts), 0) AS attempts,
  MAX(works.waiting_hours) AS waiting_hours,
  MAX(works.unrecorded_hours) AS unrecorded_hours
FROM works
CROSS JOIN latest
LEFT JOIN hours
  ON TRUE
