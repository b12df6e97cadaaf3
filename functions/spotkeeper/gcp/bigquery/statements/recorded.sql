-- What was recorded of one message, and of every instance in its plan. One row is one instance, or the message alone.
SELECT
  told.verdict,
  told.reason,
  told.gaps,
  told.missing_permissions,
  actions.event,
  actions.project_id,
  actions.zone,
  actions.instance_name,
  actions.reason AS action_reason
FROM budget_notifications AS told
LEFT JOIN enforcement_actions AS actions
  ON actions.delivery_id = told.delivery_id
  AND actions.happened_at >= @since
WHERE told.message_id = @message_id
  AND told.received_at >= @since
ORDER BY actions.rank IS NULL, actions.rank, actions.instance_name
