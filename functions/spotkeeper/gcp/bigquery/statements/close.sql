-- Record a run, hour by hour, the alerts it sent, and the budgets there are now. Running it again changes nothing.
BEGIN TRANSACTION;

UPDATE tracker_lock
SET run_id = @run_id, locked_at = @recorded_at
WHERE TRUE;

INSERT INTO tracker_runs (
  run_id, hour, recorded_at, complete, projects, prices_as_of, row_count, cost, ondemand_cost, price_statuses, unpriced,
  unpriced_machine_types, unresolved, unresolved_instances, gaps, duration_seconds
)
SELECT
  staged.run.run_id, staged.run.hour, staged.run.recorded_at,
  staged.run.complete AND ARRAY_LENGTH(@gaps) = 0 AS complete,
  staged.run.projects, staged.run.prices_as_of, staged.run.row_count, staged.run.cost, staged.run.ondemand_cost,
  staged.run.price_statuses, staged.run.unpriced, staged.run.unpriced_machine_types, staged.run.unresolved,
  staged.run.unresolved_instances,
  ARRAY_CONCAT(staged.run.gaps, @gaps) AS gaps,
  staged.run.duration_seconds
FROM {staging} AS staged
WHERE staged.run.run_id IS NOT NULL
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
