-- Reserve alerts for this run, so that two runs send each once, and return those that it is to send. Idempotent.
-- Grain: one threshold of one budget in one period.
BEGIN TRANSACTION;

UPDATE tracker_lock
SET run_id = @run_id, locked_at = @recorded_at
WHERE TRUE;

-- Another run reserved them and was killed, or could not send them.
UPDATE budget_alerts
SET run_id = @run_id, reserved_until = @reserved_until
WHERE message_id IS NULL AND reserved_until <= @recorded_at AND period_start >= @alerts_since;

INSERT INTO budget_alerts (
  period, period_start, kind, threshold, cost, budget, unseen_share, counts_from, reserved_until, message_id, sent_at,
  repeated_at, repeated_by, run_id, covers, partial_share, total_from,
  label_budget, unpriced_resource_hours, estimated_at, withdrawn_at
)
SELECT
  alert.period, alert.period_start, alert.kind, alert.threshold, alert.cost, alert.budget, alert.unseen_share,
  alert.counts_from, @reserved_until, NULL, NULL, NULL, NULL, @run_id, alert.covers, alert.partial_share,
  alert.total_from, alert.label_budget, alert.unpriced_resource_hours, alert.estimated_at, NULL
FROM UNNEST(@alerts) AS alert
WHERE NOT alert.repeated
  AND NOT EXISTS (
    SELECT 1
    FROM budget_alerts AS recorded
    WHERE recorded.period = alert.period
      AND recorded.period_start = alert.period_start
      AND recorded.kind = alert.kind
      AND recorded.threshold = alert.threshold
      AND recorded.budget = alert.budget
      AND COALESCE(recorded.label_budget, '') = COALESCE(alert.label_budget, '')
      AND recorded.withdrawn_at IS NULL
  );

UPDATE budget_alerts AS recorded
SET repeated_at = @recorded_at, repeated_by = @run_id
FROM UNNEST(@alerts) AS alert
WHERE alert.repeated
  AND recorded.period = alert.period
  AND recorded.period_start = alert.period_start
  AND recorded.kind = alert.kind
  AND recorded.threshold = alert.threshold
  AND recorded.budget = alert.budget
  AND COALESCE(recorded.label_budget, '') = COALESCE(alert.label_budget, '')
  AND recorded.message_id IS NOT NULL
  AND recorded.withdrawn_at IS NULL
  AND TIMESTAMP_TRUNC(COALESCE(recorded.repeated_at, recorded.sent_at), HOUR) < TIMESTAMP_TRUNC(@recorded_at, HOUR);

COMMIT TRANSACTION;

SELECT
  mine.period,
  mine.period_start,
  mine.kind,
  mine.threshold,
  mine.cost,
  mine.budget,
  mine.unseen_share,
  mine.counts_from,
  mine.covers,
  mine.partial_share,
  mine.total_from,
  COALESCE(mine.label_budget, '') AS label_budget,
  mine.unpriced_resource_hours,
  mine.estimated_at,
  mine.message_id IS NOT NULL AS repeated
FROM budget_alerts AS mine
WHERE mine.period_start >= @alerts_since
  AND (
    (mine.message_id IS NULL AND mine.run_id = @run_id)
    OR (mine.repeated_by = @run_id AND mine.repeated_at = @recorded_at)
  )
ORDER BY mine.period_start, mine.period, mine.kind, label_budget, mine.budget, repeated, mine.threshold;
