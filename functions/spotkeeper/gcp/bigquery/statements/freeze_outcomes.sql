-- Record what came of freezes; one that has ended keeps its end. Running it again changes nothing.
BEGIN TRANSACTION;

UPDATE enforcement_lock
SET delivery_id = @delivery_id, locked_at = @received_at
WHERE TRUE;

INSERT INTO enforcement_actions (
  message_id, delivery_id, budget_id, period_end, happened_at, project_id, zone, instance_id, instance_name, event,
  reason, mode, priority, managed_by, operation, error, autoscaling_mode
)
SELECT
  planned.message_id, @delivery_id, planned.budget_id, planned.period_end, outcome.happened_at, planned.project_id,
  planned.zone, planned.instance_id, planned.instance_name, outcome.event, outcome.reason, planned.mode,
  planned.priority, planned.managed_by, outcome.operation, outcome.error, planned.autoscaling_mode
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
    LOGICAL_OR(event = 'frozen') AS frozen,
    LOGICAL_OR(event IN ('freeze_skipped', 'thawed', 'thaw_skipped')) AS ended,
    LOGICAL_OR(delivery_id = @delivery_id AND event IN ('freeze_failed', 'thaw_failed')) AS failed_here
  FROM enforcement_actions
  WHERE autoscaling_mode IS NOT NULL
    AND happened_at >= @since
  GROUP BY message_id, project_id, instance_id
) AS known
  ON known.message_id = outcome.message_id
  AND known.project_id = outcome.project_id
  AND known.instance_id = outcome.instance_id
WHERE planned.event = 'freeze_planned'
  AND planned.mode = 'enforce'
  AND planned.happened_at >= @since
  AND NOT known.ended
  AND NOT (outcome.event IN ('frozen', 'freeze_failed', 'freeze_skipped') AND known.frozen)
  AND NOT (outcome.event IN ('freeze_failed', 'thaw_failed') AND known.failed_here);

COMMIT TRANSACTION;
