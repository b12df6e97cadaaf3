-- Record the outcomes of planned stops and starts; what has an end keeps it. Running it again changes nothing.
BEGIN TRANSACTION;

UPDATE enforcement_lock
SET delivery_id = @delivery_id, locked_at = @received_at
WHERE TRUE;

INSERT INTO enforcement_actions (
  message_id, delivery_id, budget_id, period_end, happened_at, project_id, zone, instance_id, instance_name, event,
  reason, mode, rank, priority, machine_type, managed_by, hourly_savings, operation, error,
  hourly_ending_attached, hourly_disk_cost, hourly_address_cost
)
SELECT
  planned.message_id, @delivery_id, planned.budget_id, planned.period_end, outcome.happened_at, planned.project_id,
  planned.zone, planned.instance_id, planned.instance_name, outcome.event, outcome.reason, planned.mode, planned.rank,
  planned.priority, planned.machine_type, planned.managed_by, planned.hourly_savings, outcome.operation, outcome.error,
  planned.hourly_ending_attached, planned.hourly_disk_cost, planned.hourly_address_cost
FROM UNNEST(@outcomes) AS outcome
INNER JOIN enforcement_actions AS planned
  ON planned.message_id = outcome.message_id
  AND planned.project_id = outcome.project_id
  AND planned.instance_id = outcome.instance_id
LEFT JOIN (
  SELECT
    message_id,
    project_id,
    instance_id,
    LOGICAL_OR(event IN ('stopped', 'restarted')) AS done
  FROM enforcement_actions
  WHERE happened_at >= @since
    AND (
      event IN ('stopped', 'changed', 'expired', 'restarted', 'not_restarted')
      OR (event IN ('failed', 'waiting', 'restart_failed') AND delivery_id = @delivery_id)
    )
  GROUP BY message_id, project_id, instance_id
) AS ended
  ON ended.message_id = outcome.message_id
  AND ended.project_id = outcome.project_id
  AND ended.instance_id = outcome.instance_id
WHERE planned.event IN ('planned', 'restart_planned')
  AND planned.happened_at >= @since
  -- Of two deliveries at once, the slower one may know better that the instance was stopped, and not just changed.
  AND (ended.instance_id IS NULL OR (outcome.event IN ('stopped', 'restarted') AND NOT ended.done));

COMMIT TRANSACTION;
