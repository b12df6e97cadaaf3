-- Record a run, hour by hour, the alerts it sent, and where the budgets in force stand. Idempotent. What the run
-- reserved and did not send is free for the next one. An empty array parameter may arrive as NULL.
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

-- {parts}

DELETE FROM budgets
WHERE TRUE;

INSERT INTO budgets (
  period, budget, budget_id, budget_display_name, recorded_at, run_id, covers, label_key, label_value,
  period_start, cost, next_threshold
)
SELECT
  present.period, present.budget, present.budget_id, present.display_name, @recorded_at, @run_id, @covers,
  present.label_key, present.label_value, present.period_start, present.cost, present.next_threshold
FROM UNNEST(@budgets) AS present;

COMMIT TRANSACTION;
