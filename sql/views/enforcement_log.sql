-- What did the enforcer plan and do about each VM, why, what does it save, and until when?
-- Grain: one VM in a plan: stopped, spared or started.
--
-- outcome is the latest event: open when there is none, dry run in that mode. until is the end of the budget period,
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
    -- The other events are what came of these.
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
  -- A stop that failed is tried again when the message is delivered again: the last word counts.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY actions.message_id, actions.project_id, actions.zone, actions.instance_id
    ORDER BY actions.happened_at DESC
  ) = 1
),

notifications AS (
  SELECT
    messages.delivery_id,
    messages.budget_display_name,
    messages.cost,
    messages.budget,
    messages.drill
  FROM `${dataset}.budget_notifications` AS messages
  WHERE messages.received_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
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
