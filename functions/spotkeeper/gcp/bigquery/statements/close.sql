-- Record a run, hour by hour, the alerts it sent, and the budgets in force. Idempotent.
BEGIN TRANSACTION;

UPDATE tracker_lock
SET run_id = @run_id, locked_at = @recorded_at
WHERE TRUE;

INSERT INTO tracker_runs
SELECT
  run.* REPLACE (
    run.complete AND ARRAY_LENGTH(@gaps) = 0 AS complete,
    ARRAY_CONCAT(run.gaps, @gaps) AS gaps
  )
FROM {staging}
WHERE run.run_id IS NOT NULL
  AND NOT EXISTS (
    SELECT 1
    FROM tracker_runs AS recorded
    WHERE recorded.run_id = @run_id AND recorded.hour >= @first_hour
  );

INSERT INTO budget_alerts (period, period_start, threshold, cost, budget, message_id, sent_at, run_id)
SELECT
  alert.period, alert.period_start, alert.threshold, alert.cost, alert.budget, alert.message_id, @recorded_at, @run_id
FROM UNNEST(@alerts) AS alert
WHERE NOT EXISTS (
  SELECT 1
  FROM budget_alerts AS recorded
  WHERE recorded.period = alert.period
    AND recorded.period_start = alert.period_start
    AND recorded.threshold = alert.threshold
);

DELETE FROM budgets
WHERE TRUE;

INSERT INTO budgets (period, budget, budget_id, budget_display_name, recorded_at, run_id)
SELECT present.period, present.budget, @budget_id, @budget_display_name, @recorded_at, @run_id
FROM UNNEST(@budgets) AS present;

COMMIT TRANSACTION;
