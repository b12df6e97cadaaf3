-- Record a delivery without a plan. A message that is known already was delivered again, whatever it says.
INSERT INTO budget_notifications (
  delivery_id, message_id, received_at, published_at, source, billing_account_id, budget_id, budget_display_name, cost,
  budget, currency, cost_interval_start, verdict, reason, mode, drill, period_end, tracker_cost, body,
  target_message_id
)
SELECT
  @delivery_id, @message_id, @received_at, @published_at, @source, @billing_account_id, @budget_id, @budget_display_name,
  @cost, @budget, @currency, @cost_interval_start,
  IF(
    @message_id != '' AND EXISTS (
      SELECT 1
      FROM budget_notifications AS known
      WHERE known.message_id = @message_id AND known.received_at >= @since
    ),
    'redelivered',
    @verdict
  ) AS verdict,
  @reason, @mode, @drill, @period_end, @tracker_cost, @body, @target_message_id
FROM UNNEST([1])
WHERE NOT EXISTS (
  SELECT 1
  FROM budget_notifications AS known
  WHERE known.delivery_id = @delivery_id AND known.received_at >= @since
);
