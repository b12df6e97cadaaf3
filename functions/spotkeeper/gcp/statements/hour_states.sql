-- What is recorded of each hour since a time, over all runs. One row is one hour.
SELECT
  runs.hour,
  LOGICAL_OR(runs.complete) AS complete,
  ARRAY_AGG(DISTINCT project_id IGNORE NULLS) AS projects,
  ARRAY_AGG(DISTINCT runs.prices_as_of IGNORE NULLS) AS readings
FROM tracker_runs AS runs
LEFT JOIN UNNEST(runs.projects) AS project_id
WHERE runs.hour >= @since
GROUP BY runs.hour
