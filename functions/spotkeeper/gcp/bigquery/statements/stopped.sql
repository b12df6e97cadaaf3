-- What did the enforcer stop in budget periods that are over, and has not started or given up since?
-- Grain: one instance.
WITH ends AS (
  SELECT
    project_id, zone, instance_id, instance_name, event, happened_at, period_end, priority, machine_type, managed_by,
    hourly_savings
  FROM enforcement_actions
  WHERE budget_id = @budget_id
    AND mode = 'enforce'
    AND event IN ('stopped', 'restarted', 'not_restarted', 'restart_failed')
    AND happened_at >= @since
),

latest AS (
  SELECT *
  FROM ends
  WHERE event != 'restart_failed'
  QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY happened_at DESC) = 1
),

failures AS (
  SELECT project_id, zone, instance_id, MAX(happened_at) AS failed_at
  FROM ends
  WHERE event = 'restart_failed'
  GROUP BY project_id, zone, instance_id
)

SELECT
  latest.project_id,
  latest.zone,
  latest.instance_id,
  latest.instance_name,
  latest.priority,
  latest.machine_type,
  latest.managed_by,
  latest.hourly_savings,
  latest.happened_at AS stopped_at,
  failures.failed_at > latest.happened_at AS tried,
  (
    SELECT COUNT(*)
    FROM enforcement_actions
    WHERE budget_id = @budget_id AND event = 'restart_planned' AND mode = 'enforce' AND happened_at > @counted_since
  ) AS starts_lately
FROM latest
LEFT JOIN failures
  ON failures.project_id = latest.project_id
  AND failures.zone = latest.zone
  AND failures.instance_id = latest.instance_id
WHERE latest.event = 'stopped'
  AND latest.period_end <= @now
