-- Which plan did the enforcer record last, and how many of its stops were not finished?
-- Grain: the latest message from @since to @now with a plan and no drill, or no row.
SELECT
  messages.received_at,
  COALESCE(
    messages.budget_display_name,
    -- An approval carries the id of its budget alone.
    (
      SELECT MAX(named.budget_display_name)
      FROM budget_notifications AS named
      WHERE named.received_at >= @since
        AND named.received_at <= @now
        AND named.budget_id = messages.budget_id
    ),
    messages.budget_id,
    'without an id'
  ) AS budget,
  messages.verdict,
  messages.reason,
  messages.mode,
  messages.stops,
  messages.deferred,
  messages.hourly_savings,
  (
    SELECT COUNT(DISTINCT CONCAT(actions.project_id, '/', actions.zone, '/', actions.instance_id))
    FROM enforcement_actions AS actions
    WHERE actions.happened_at >= @since
      AND actions.message_id = messages.message_id
      AND actions.event = 'stopped'
  ) AS stopped
FROM budget_notifications AS messages
WHERE messages.received_at >= @since
  AND messages.received_at <= @now
  AND NOT messages.drill
  AND messages.stops IS NOT NULL
ORDER BY messages.received_at DESC
LIMIT 1
