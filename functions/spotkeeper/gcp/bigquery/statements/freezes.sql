-- Which freeze of each autoscaler counts, and what came of it: one that has not ended, or else the latest?
-- Grain: one autoscaler.
WITH planned AS (
  SELECT
    message_id, budget_id, period_end, happened_at, project_id, zone, instance_id, instance_name, managed_by, priority,
    autoscaling_mode
  FROM enforcement_actions
  WHERE event = 'freeze_planned'
    -- A dry run and a plan that waits for approval change nothing.
    AND mode = 'enforce'
    AND happened_at >= @since
),

outcomes AS (
  SELECT
    message_id,
    project_id,
    zone,
    instance_id,
    LOGICAL_OR(event = 'frozen') AS frozen,
    LOGICAL_OR(event = 'freeze_failed') AS failed,
    MAX(IF(event IN ('freeze_skipped', 'thawed', 'thaw_skipped'), event, NULL)) AS ended_by,
    MAX(IF(event IN ('freeze_skipped', 'thawed', 'thaw_skipped'), happened_at, NULL)) AS ended_at
  FROM enforcement_actions
  WHERE event IN ('frozen', 'freeze_failed', 'freeze_skipped', 'thawed', 'thaw_skipped')
    AND happened_at >= @since
  GROUP BY message_id, project_id, zone, instance_id
)

SELECT
  planned.message_id,
  planned.budget_id,
  planned.period_end,
  planned.happened_at AS planned_at,
  planned.project_id,
  planned.zone,
  planned.instance_id,
  planned.instance_name,
  planned.managed_by,
  planned.priority,
  planned.autoscaling_mode,
  COALESCE(outcomes.frozen, FALSE) AS frozen,
  COALESCE(outcomes.failed, FALSE) AS failed,
  outcomes.ended_by,
  outcomes.ended_at
FROM planned
LEFT JOIN outcomes
  ON outcomes.message_id = planned.message_id
  AND outcomes.project_id = planned.project_id
  AND outcomes.zone = planned.zone
  AND outcomes.instance_id = planned.instance_id
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY planned.project_id, planned.zone, planned.instance_id
  ORDER BY
    IF(outcomes.ended_by IS NULL, 0, 1),
    IF(outcomes.frozen, 0, 1),
    planned.happened_at DESC,
    planned.message_id DESC
) = 1
ORDER BY planned.managed_by, planned.instance_id
