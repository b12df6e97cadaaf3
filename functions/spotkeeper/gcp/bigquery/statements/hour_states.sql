-- Create the row that transactions are serialized by, long before the first one of this run.
INSERT INTO tracker_lock (run_id, locked_at)
SELECT 'none', @since
FROM UNNEST([1])
WHERE NOT EXISTS (SELECT 1 FROM tracker_lock);

-- The recorded state of each hour since a time, over all runs. Grain: one hour.
SELECT
  runs.hour,
  LOGICAL_OR(runs.complete) AS complete,
  ARRAY_AGG(DISTINCT project_id IGNORE NULLS) AS projects,
  ARRAY_AGG(DISTINCT runs.prices_as_of IGNORE NULLS) AS readings
FROM tracker_runs AS runs
LEFT JOIN UNNEST(runs.projects) AS project_id
WHERE runs.hour >= @since
GROUP BY runs.hour;
