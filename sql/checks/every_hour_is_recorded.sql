-- Invariant: every closed hour since the first one is recorded, complete or incomplete, and every cost row belongs to a
-- recorded hour.
-- Grain: one hour and the violation. Reads 45 days: the tracker cannot repeat a much older hour.
--
-- The last hour that must be recorded ended three hours ago: the tracker runs every hour and retries.
WITH recorded_hours AS (
  SELECT runs.hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY runs.hour
),

due_hours AS (
  SELECT due_hour
  FROM UNNEST(
    GENERATE_TIMESTAMP_ARRAY(
      (SELECT MIN(recorded.hour) FROM recorded_hours AS recorded),
      TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, HOUR), INTERVAL 4 HOUR),
      INTERVAL 1 HOUR
    )
  ) AS due_hour
),

cost_hours AS (
  SELECT TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS usage_start_time
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
    -- A run that is under way may have written its costs and not yet its record.
    AND costs.usage_start_time <= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, HOUR), INTERVAL 4 HOUR)
  GROUP BY TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
)

SELECT
  due_hours.due_hour AS hour,
  'not on record' AS problem
FROM due_hours
LEFT JOIN recorded_hours AS recorded
  ON recorded.hour = due_hours.due_hour
-- Recorded hours hold the invariant.
WHERE recorded.hour IS NULL
UNION ALL
SELECT
  cost_hours.usage_start_time AS hour,
  'cost rows without a run' AS problem
FROM cost_hours
LEFT JOIN recorded_hours AS recorded
  ON recorded.hour = cost_hours.usage_start_time
WHERE recorded.hour IS NULL
