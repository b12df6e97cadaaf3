-- What did the enforcer plan and do about each VM, why, what does it save, and until when?
-- Grain: one VM in a plan: stopped, spared or started; and one message that led to no plan, with its verdict as outcome.
--
-- outcome is the latest event: open when there is none, dry run in that mode. Not yet: spared with a reason that begins
-- "deferred" or "stop pending", waiting (accepted, but not finished), failed and retried (requested again); expired is
-- a plan that was not finished in time. until is the end of the budget period,
-- after which a stopped VM may be started again. Reads 400 days, which cover a yearly budget; a filter on planned_at
-- limits the partitions that are read for the plans.
WITH plans AS (
  SELECT
    actions.happened_at AS planned_at,
    actions.message_id,
    actions.delivery_id,
    actions.budget_id,
    actions.period_end,
    actions.project_id,
    actions.zone,
    actions.instance_id,
    actions.instance_name,
    actions.machine_type,
    actions.managed_by,
    actions.priority,
    actions.rank,
    actions.mode,
    actions.event,
    actions.reason,
    actions.hourly_savings
  FROM `${dataset}.enforcement_actions` AS actions
  WHERE actions.happened_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
    -- The other events are outcomes of these.
    AND actions.event IN ('planned', 'spared', 'restart_planned')
),

outcomes AS (
  SELECT
    actions.message_id,
    actions.project_id,
    actions.zone,
    actions.instance_id,
    actions.happened_at,
    actions.event,
    actions.reason,
    actions.operation,
    actions.error
  FROM `${dataset}.enforcement_actions` AS actions
  WHERE actions.happened_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
    AND actions.event NOT IN ('planned', 'spared', 'restart_planned')
  -- A failed stop is retried when Pub/Sub redelivers the message: the latest event counts.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY actions.message_id, actions.project_id, actions.zone, actions.instance_id
    ORDER BY actions.happened_at DESC
  ) = 1
),

notifications AS (
  SELECT
    messages.delivery_id,
    messages.message_id,
    messages.budget_id,
    messages.received_at,
    messages.mode,
    messages.verdict,
    messages.reason,
    messages.budget_display_name,
    messages.cost,
    messages.budget,
    messages.drill
  FROM `${dataset}.budget_notifications` AS messages
  WHERE messages.received_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
),

messages_without_plan AS (
  SELECT notifications.*
  FROM notifications
  LEFT JOIN (SELECT DISTINCT message_id FROM plans) AS planned
    ON planned.message_id = notifications.message_id
  -- A message with a plan has its verdict in the reasons of the instances.
  WHERE planned.message_id IS NULL
)

SELECT
  plans.planned_at,
  plans.message_id,
  plans.budget_id,
  notifications.budget_display_name,
  notifications.cost AS spent,
  notifications.budget,
  notifications.drill,
  plans.mode,
  plans.project_id,
  plans.zone,
  plans.instance_id,
  plans.instance_name,
  plans.machine_type,
  REGEXP_EXTRACT(plans.managed_by, r'([^/]+)$') AS created_by_group,
  plans.priority,
  plans.rank,
  CASE plans.event
    WHEN 'planned' THEN 'stop'
    WHEN 'spared' THEN 'spare'
    WHEN 'restart_planned' THEN 'start'
  END AS decision,
  plans.reason,
  CASE
    WHEN plans.event = 'spared' THEN 'spared'
    WHEN plans.mode = 'dry_run' THEN 'dry run'
    ELSE COALESCE(outcomes.event, 'open')
  END AS outcome,
  outcomes.happened_at AS outcome_at,
  outcomes.reason AS outcome_reason,
  outcomes.operation,
  outcomes.error,
  plans.hourly_savings,
  IF(plans.event = 'planned', plans.period_end, NULL) AS until
FROM plans
LEFT JOIN outcomes
  ON outcomes.message_id = plans.message_id
  AND outcomes.project_id = plans.project_id
  AND outcomes.zone = plans.zone
  AND outcomes.instance_id = plans.instance_id
LEFT JOIN notifications
  ON notifications.delivery_id = plans.delivery_id

UNION ALL

SELECT
  unplanned.received_at AS planned_at,
  unplanned.message_id,
  unplanned.budget_id,
  unplanned.budget_display_name,
  unplanned.cost AS spent,
  unplanned.budget,
  unplanned.drill,
  unplanned.mode,
  CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS zone,
  CAST(NULL AS STRING) AS instance_id,
  CAST(NULL AS STRING) AS instance_name,
  CAST(NULL AS STRING) AS machine_type,
  CAST(NULL AS STRING) AS created_by_group,
  CAST(NULL AS STRING) AS priority,
  CAST(NULL AS INT64) AS rank,
  CAST(NULL AS STRING) AS decision,
  unplanned.reason,
  unplanned.verdict AS outcome,
  CAST(NULL AS TIMESTAMP) AS outcome_at,
  CAST(NULL AS STRING) AS outcome_reason,
  CAST(NULL AS STRING) AS operation,
  CAST(NULL AS STRING) AS error,
  CAST(NULL AS NUMERIC) AS hourly_savings,
  CAST(NULL AS TIMESTAMP) AS until
FROM messages_without_plan AS unplanned
