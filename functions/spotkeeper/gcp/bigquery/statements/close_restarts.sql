-- Close the restarts that are overdue or whose period is over, and of which nothing came: no delivery finishes them.
INSERT INTO enforcement_actions (
  message_id, delivery_id, budget_id, period_end, happened_at, project_id, zone, instance_id, instance_name, event,
  reason, mode, rank, priority, machine_type, managed_by, hourly_savings
)
SELECT
  planned.message_id, @delivery_id, planned.budget_id, planned.period_end, @received_at, planned.project_id,
  planned.zone, planned.instance_id, planned.instance_name, 'expired', 'the plan expired before it was finished',
  planned.mode, planned.rank, planned.priority, planned.machine_type, planned.managed_by, planned.hourly_savings
FROM enforcement_actions AS planned
LEFT JOIN (
  SELECT DISTINCT message_id, project_id, zone, instance_id
  FROM enforcement_actions
  WHERE event IN ('expired', 'restarted', 'not_restarted', 'restart_failed')
    AND happened_at >= @since
) AS ended
  ON ended.message_id = planned.message_id
  AND ended.project_id = planned.project_id
  AND ended.zone = planned.zone
  AND ended.instance_id = planned.instance_id
WHERE planned.event = 'restart_planned'
  AND planned.mode = 'enforce'
  AND planned.happened_at >= @since
  AND planned.happened_at < @settled_before
  AND (planned.happened_at < @overdue_since OR planned.period_end <= @received_at)
  AND ended.instance_id IS NULL;
