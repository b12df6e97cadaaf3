-- What was recorded of one message, and of every instance in its plan?
-- Grain: one instance, or the message alone.
SELECT
  notification.verdict,
  notification.reason,
  notification.gaps,
  notification.missing_permissions,
  actions.event,
  actions.project_id,
  actions.zone,
  actions.instance_name,
  actions.machine_type,
  actions.priority,
  actions.rank,
  actions.hourly_savings,
  actions.hourly_ending_attached,
  actions.hourly_disk_cost,
  actions.hourly_address_cost,
  actions.reason AS action_reason,
  actions.autoscaling_mode
FROM budget_notifications AS notification
LEFT JOIN enforcement_actions AS actions
  ON actions.delivery_id = notification.delivery_id
  AND actions.happened_at >= @since
WHERE notification.message_id = @message_id
  AND notification.received_at >= @since
ORDER BY actions.rank IS NULL, actions.rank, actions.instance_name, notification.received_at
