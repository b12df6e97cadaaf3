-- Record a delivery with its plan, all or nothing, if nothing was planned meanwhile and no newer notification
-- came. Running it again changes nothing.
-- With @again it records what is requested again of the plan that the message has. An empty array parameter may arrive
-- as NULL.
BEGIN TRANSACTION;

UPDATE enforcement_lock
SET delivery_id = @delivery_id, locked_at = @received_at
WHERE TRUE;

INSERT INTO budget_notifications (
  delivery_id, message_id, received_at, published_at, source, billing_account_id, budget_id, budget_display_name, cost,
  budget, currency, cost_interval_start, verdict, reason, mode, drill, period_end, tracker_cost, stops, deferred,
  hourly_cost, hourly_savings, unpriced, runs_out_at, runs_out_at_with_plan, gaps, missing_permissions, body,
  estimated_spent, estimated_spent_sd, estimated_end, estimated_end_sd, estimated_rate,
  contract_factor, contract_factor_sd, other_rate, other_rate_sd, bill_delay_hours, estimate_basis, plan_hash,
  approval_expires_at, target_message_id
)
SELECT
  @delivery_id, @message_id, @received_at, @published_at, @source, @billing_account_id, @budget_id, @budget_display_name,
  @cost, @budget, @currency, @cost_interval_start, @verdict, @reason, @mode, @drill, @period_end, @tracker_cost, @stops,
  @deferred, @hourly_cost, @hourly_savings, @unpriced, @runs_out_at, @runs_out_at_with_plan, COALESCE(@unread, []),
  COALESCE(@missing_permissions, []), @body, @estimated_spent, @estimated_spent_sd, @estimated_end, @estimated_end_sd,
  @estimated_rate, @contract_factor, @contract_factor_sd, @other_rate, @other_rate_sd, @bill_delay_hours,
  @estimate_basis, @plan_hash, @approval_expires_at, @target_message_id
FROM UNNEST([1])
WHERE (
    @again
    OR NOT EXISTS (
      SELECT 1
      FROM budget_notifications AS known
      WHERE known.message_id = @message_id AND known.received_at >= @since
    )
  )
  AND NOT EXISTS (
    SELECT 1
    FROM budget_notifications AS same
    WHERE same.delivery_id = @delivery_id AND same.received_at >= @since
  )
  AND (
    SELECT COUNT(DISTINCT actions.delivery_id)
    FROM enforcement_actions AS actions
    WHERE actions.event IN ('planned', 'restart_planned', 'retried', 'freeze_planned')
      AND actions.mode IN ('approve', 'enforce')
      AND actions.happened_at >= @since
  ) = @plans
  AND (
    SELECT COUNT(DISTINCT newer.message_id)
    FROM budget_notifications AS newer
    WHERE newer.budget_id = @budget_id
      AND newer.source = @source
      AND newer.cost_interval_start = @cost_interval_start
      AND newer.period_end = @period_end
      AND newer.published_at > @published_at
      AND newer.message_id != @message_id
      AND NOT newer.drill
      AND newer.received_at >= @since
  ) <= @newer;

INSERT INTO enforcement_actions (
  message_id, delivery_id, budget_id, period_end, happened_at, project_id, zone, instance_id, instance_name, event,
  reason, mode, rank, priority, machine_type, managed_by, hourly_savings, hourly_ending_attached, hourly_disk_cost,
  hourly_address_cost, autoscaling_mode
)
SELECT
  staged.message_id, staged.delivery_id, staged.budget_id, staged.period_end, staged.happened_at, staged.project_id,
  staged.zone, staged.instance_id, staged.instance_name, staged.event, staged.reason, staged.mode, staged.rank,
  staged.priority, staged.machine_type, staged.managed_by, staged.hourly_savings, staged.hourly_ending_attached,
  staged.hourly_disk_cost, staged.hourly_address_cost, staged.autoscaling_mode
FROM {staging} AS staged
WHERE EXISTS (
    SELECT 1
    FROM budget_notifications AS known
    WHERE known.delivery_id = @delivery_id AND known.received_at >= @since
  )
  AND NOT EXISTS (
    SELECT 1
    FROM enforcement_actions AS actions
    WHERE actions.delivery_id = @delivery_id AND actions.happened_at >= @since
  );

COMMIT TRANSACTION;

SELECT EXISTS (
  SELECT 1
  FROM budget_notifications
  WHERE delivery_id = @delivery_id AND received_at >= @since
) AS recorded;
