-- What was a message to stop, which budget notification led to that, and what of it is stopped still?
-- Grain: one instance; no row for a message that planned no stop.
WITH plan AS (
  SELECT
    project_id, zone, instance_id, instance_name, budget_id, period_end, priority, machine_type, managed_by,
    hourly_savings
  FROM enforcement_actions
  WHERE message_id = @message_id
    AND event = 'planned'
    AND mode = 'enforce'
    AND happened_at >= @since
  QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY happened_at) = 1
),

-- The stops of an approval belong to the notification whose plan was approved.
led AS (
  SELECT COALESCE(MAX(IF(source = 'operator', target_message_id, NULL)), @message_id) AS message_id
  FROM budget_notifications
  WHERE message_id = @message_id AND received_at >= @since
),

notification AS (
  SELECT
    messages.published_at, messages.source, messages.billing_account_id, messages.budget_id,
    messages.budget_display_name, messages.cost, messages.budget, messages.currency, messages.cost_interval_start,
    messages.period_end
  FROM budget_notifications AS messages
  INNER JOIN led
    ON led.message_id = messages.message_id
  -- A notification of a plan names its budget and its amounts.
  WHERE messages.received_at >= @since AND messages.cost_interval_start IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (ORDER BY messages.received_at) = 1
),

latest AS (
  SELECT project_id, zone, instance_id, message_id, event, happened_at
  FROM enforcement_actions
  WHERE budget_id IN (SELECT plan.budget_id FROM plan)
    AND mode = 'enforce'
    AND event IN ('stopped', 'restarted', 'not_restarted')
    AND happened_at >= @since
  QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY happened_at DESC) = 1
)

SELECT
  plan.project_id,
  plan.zone,
  plan.instance_id,
  plan.instance_name,
  plan.priority,
  plan.machine_type,
  plan.managed_by,
  plan.hourly_savings,
  plan.period_end AS stopped_until,
  IF(latest.event = 'stopped' AND latest.message_id = @message_id, latest.happened_at, NULL) AS stopped_at,
  FALSE AS tried,
  notification.published_at,
  notification.source,
  notification.billing_account_id,
  notification.budget_id,
  notification.budget_display_name,
  notification.cost,
  notification.budget,
  notification.currency,
  notification.cost_interval_start,
  notification.period_end,
  (
    SELECT COUNT(*)
    FROM enforcement_actions AS starts
    WHERE starts.budget_id = notification.budget_id
      AND starts.event = 'restart_planned'
      AND starts.mode = 'enforce'
      AND starts.happened_at > @counted_since
  ) AS starts_lately
FROM plan
CROSS JOIN notification
LEFT JOIN latest
  ON latest.project_id = plan.project_id
  AND latest.zone = plan.zone
  AND latest.instance_id = plan.instance_id
ORDER BY plan.instance_name, plan.instance_id
