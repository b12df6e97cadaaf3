-- Which budget notifications arrived, what did the enforcer conclude from each, and what came of it?
-- Grain: one delivery of a budget notification; Pub/Sub may deliver a message more than once.
--
-- reason says why the verdict is what it is. planned_stops and stopped are of all deliveries of the message; why each VM was
-- stopped or spared is in enforcement_log. Reads 400 days, which cover a yearly budget; a filter on received_at limits the
-- notifications that are read.
WITH outcomes AS (
  SELECT
    actions.message_id,
    COUNTIF(actions.event = 'planned') AS planned_stops,
    COUNTIF(actions.event = 'stopped') AS stopped
  FROM `${dataset}.enforcement_actions` AS actions
  WHERE actions.happened_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  GROUP BY actions.message_id
)

SELECT
  messages.received_at,  -- TIMESTAMP: When the enforcer received it; a filter on it limits what is read.
  messages.published_at,  -- TIMESTAMP: When Pub/Sub got the message.
  messages.delivery_id,  -- STRING: The id of this delivery.
  messages.message_id,  -- STRING: The id of the message; empty for one that has none.
  messages.source,  -- STRING: Who sent it: billing, tracker or operator.
  messages.billing_account_id,  -- STRING: The billing account that the message names.
  messages.budget_id,  -- STRING: The id of the budget.
  messages.budget_display_name,  -- STRING: The name of the budget.
  messages.cost AS spent,  -- NUMERIC: The cost that the message states, in currency.
  messages.budget,  -- NUMERIC: The amount of the budget that the message states, in currency.
  ROUND(SAFE_DIVIDE(messages.cost, messages.budget) * 100, 2) AS spent_percent,  -- NUMERIC: spent in percent of budget.
  messages.currency,  -- STRING: The currency of both.
  messages.cost_interval_start,  -- TIMESTAMP: The start of the budget period that the message is about.
  messages.verdict,  -- STRING: What the message means, such as over_budget: the column verdict of budget_notifications.
  messages.reason,  -- STRING: Why, in a sentence.
  messages.mode,  -- STRING: The mode of the enforcer: dry_run, approve or enforce.
  messages.drill,  -- BOOLEAN: Whether the message was a marked test.
  messages.tracker_cost,  -- NUMERIC: The cost of the period on record, in USD, that the enforcer compared.
  COALESCE(outcomes.planned_stops, 0) AS planned_stops,  -- INTEGER: Stops that were planned for the message, in a dry run too.
  COALESCE(outcomes.stopped, 0) AS stopped,  -- INTEGER: VMs that were stopped for the message.
  messages.hourly_savings,  -- NUMERIC: What the planned stops save, in USD per hour.
  messages.runs_out_at,  -- TIMESTAMP: When the budget is used up without the plan.
  messages.runs_out_at_with_plan  -- TIMESTAMP: When the budget is used up with the plan.
FROM `${dataset}.budget_notifications` AS messages
LEFT JOIN outcomes
  ON outcomes.message_id = messages.message_id
WHERE messages.received_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
