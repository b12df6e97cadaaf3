-- Record a run, hour by hour, the alerts it sent, and the budgets in force. Idempotent. What the run reserved and did not
-- send is free for the next one. An empty array parameter may arrive as NULL.
BEGIN TRANSACTION;

UPDATE tracker_lock
SET run_id = @run_id, locked_at = @recorded_at
WHERE TRUE;

INSERT INTO tracker_runs
SELECT
  run.* REPLACE (
    run.complete AND COALESCE(ARRAY_LENGTH(@gaps), 0) = 0 AS complete,
    ARRAY_CONCAT(run.gaps, COALESCE(@gaps, [])) AS gaps
  )
FROM {staging}
WHERE run.run_id IS NOT NULL
  AND NOT EXISTS (
    SELECT 1
    FROM tracker_runs AS recorded
    WHERE recorded.run_id = @run_id AND recorded.hour >= @first_hour
  );

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

UPDATE budget_alerts
SET reserved_until = @recorded_at
WHERE run_id = @run_id AND message_id IS NULL;

DELETE FROM budgets
WHERE TRUE;

INSERT INTO budgets (
  period, budget, budget_id, budget_display_name, recorded_at, run_id, covers, label_key, label_value
)
SELECT
  present.period, present.budget, present.budget_id, present.display_name, @recorded_at, @run_id, @covers,
  present.label_key, present.label_value
FROM UNNEST(@budgets) AS present;

COMMIT TRANSACTION;
