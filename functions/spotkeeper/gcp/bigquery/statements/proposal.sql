-- Which plan of a message waits for approval, which notification led to it, and what came of it?
-- Grain: one stop or freeze of the plan, in order; no row for a message without such a plan.
SELECT
  proposal.message_id,
  proposal.received_at,
  proposal.published_at,
  proposal.source,
  proposal.billing_account_id,
  proposal.budget_id,
  proposal.budget_display_name,
  proposal.cost,
  proposal.budget,
  proposal.currency,
  proposal.cost_interval_start,
  proposal.period_end,
  proposal.plan_hash,
  proposal.approval_expires_at,
  actions.project_id,
  actions.zone,
  actions.instance_id,
  actions.instance_name,
  actions.happened_at AS planned_at,
  actions.priority,
  actions.rank,
  actions.machine_type,
  actions.managed_by,
  actions.hourly_savings,
  actions.reason,
  actions.autoscaling_mode,
  (
    SELECT MIN(answers.message_id)
    FROM budget_notifications AS answers
    WHERE answers.target_message_id = @message_id
      -- Any other verdict refuses the plan.
      AND answers.verdict IN ('approved', 'over_budget', 'nearing_budget')
      AND answers.received_at >= @since
  ) AS executed_by,
  (
    SELECT MAX(later.message_id)
    FROM enforcement_actions AS later
    WHERE later.event IN ('planned', 'freeze_planned')
      AND later.mode IN ('approve', 'enforce')
      AND later.budget_id = proposal.budget_id
      AND later.happened_at > proposal.received_at
      AND later.happened_at >= @since
  ) AS newer_plan
FROM budget_notifications AS proposal
LEFT JOIN enforcement_actions AS actions
  ON actions.delivery_id = proposal.delivery_id
  AND actions.message_id = proposal.message_id
  AND actions.event IN ('planned', 'freeze_planned')
  AND actions.mode = 'approve'
  AND actions.happened_at >= @since
WHERE proposal.message_id = @message_id
  AND proposal.plan_hash IS NOT NULL
  AND proposal.received_at >= @since
ORDER BY actions.rank, actions.instance_name, actions.instance_id
