-- Create the row that transactions are serialized by, long before the first one of this run.
INSERT INTO tracker_lock (run_id, locked_at)
SELECT 'none', @since
FROM UNNEST([1])
WHERE NOT EXISTS (SELECT 1 FROM tracker_lock);

-- The recorded state of each hour since a time: that of a project counts once the run that wrote it is closed, and an
-- hour is notified when the alerts of its latest run were sent. Grain: one hour.
WITH runs AS (
  SELECT
    recorded.hour,
    recorded.run_id,
    recorded.recorded_at,
    recorded.prices_as_of,
    recorded.contract_prices_as_of,
    EXISTS (
      SELECT 1
      FROM UNNEST(recorded.gaps) AS gap
      WHERE gap.source = 'alerts'
    ) AS failed
  FROM tracker_runs AS recorded
  WHERE recorded.hour >= @since
),

hours AS (
  SELECT
    runs.hour,
    COALESCE(MAX(IF(runs.failed, NULL, runs.recorded_at)) = MAX(runs.recorded_at), FALSE) AS notified,
    ARRAY_AGG(DISTINCT runs.prices_as_of IGNORE NULLS) AS readings,
    ARRAY_AGG(DISTINCT runs.contract_prices_as_of IGNORE NULLS) AS contract_readings
  FROM runs
  GROUP BY runs.hour
),

projects AS (
  SELECT
    known.hour,
    ARRAY_AGG(IF(known.state IN ('complete', 'final'), known.project_id, NULL) IGNORE NULLS) AS settled,
    ARRAY_AGG(
      IF(
        known.state IN ('complete', 'final'),
        STRUCT(known.project_id AS project_id, runs.recorded_at AS recorded_at),
        NULL
      )
      IGNORE NULLS
    ) AS recorded,
    ARRAY_AGG(IF(known.state = 'provisional', known.project_id, NULL) IGNORE NULLS) AS provisional,
    ARRAY_AGG(IF(known.state = 'incomplete', known.project_id, NULL) IGNORE NULLS) AS incomplete,
    ARRAY_AGG(IF(known.resources_listed IS FALSE, known.project_id, NULL) IGNORE NULLS) AS unlisted
  FROM project_hours AS known
  INNER JOIN runs
    ON runs.hour = known.hour
    AND runs.run_id = known.run_id
  WHERE known.hour >= @since
  GROUP BY known.hour
)

SELECT
  hours.hour,
  hours.notified,
  projects.settled,
  projects.provisional,
  projects.incomplete,
  projects.recorded,
  projects.unlisted,
  hours.readings,
  hours.contract_readings
FROM hours
LEFT JOIN projects
  ON projects.hour = hours.hour
ORDER BY hours.hour;
