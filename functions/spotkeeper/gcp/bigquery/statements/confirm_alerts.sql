-- Record the alerts that a run sent, withdraw what it found not to be so, and free what it reserved and did not send.
UPDATE budget_alerts AS recorded
SET message_id = alert.message_id, sent_at = @recorded_at
FROM UNNEST(@alerts) AS alert
WHERE recorded.period = alert.period
  AND recorded.period_start = alert.period_start
  AND recorded.kind = alert.kind
  AND recorded.threshold = alert.threshold
  AND recorded.budget = alert.budget
  AND COALESCE(recorded.label_budget, '') = COALESCE(alert.label_budget, '')
  AND recorded.run_id = @run_id
  AND recorded.message_id IS NULL;

-- Estimates that passed a threshold which the recorded cost has not passed: it may be notified again.
UPDATE budget_alerts AS recorded
SET withdrawn_at = @recorded_at
FROM UNNEST(@alerts) AS alert
WHERE alert.kind = 'withdrawal'
  AND recorded.period = alert.period
  AND recorded.period_start = alert.period_start
  AND recorded.kind = 'threshold'
  AND recorded.threshold = alert.threshold
  AND recorded.budget = alert.budget
  AND COALESCE(recorded.label_budget, '') = COALESCE(alert.label_budget, '')
  AND recorded.estimated_at IS NOT NULL
  AND recorded.withdrawn_at IS NULL;

UPDATE budget_alerts
SET reserved_until = @recorded_at
WHERE run_id = @run_id AND message_id IS NULL;
