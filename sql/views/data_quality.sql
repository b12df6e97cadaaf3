-- Which hours are missing or incomplete, and how reliable are the figures of the others?
-- Grain: one UTC hour, from the first to the last one that the tracker recorded in the last 45 days.
--
-- An hour is complete when any run completed it. unresolved is the largest number of VMs that a complete run could not
-- identify, or any run where none was complete. Stale and fallback prices are those of price_status; prices_age_hours
-- is the age of the catalog at the end of the hour, for the oldest price used. 45 days cover the six weeks in which the
-- tracker can repeat an hour; all of them are read whatever the filter, since a missing hour has no row to filter on.
WITH recorded_hours AS (
  SELECT
    runs.hour AS usage_start_time,
    LOGICAL_OR(runs.complete) AS complete,
    COUNT(*) AS run_count,
    COALESCE(MAX(IF(runs.complete, runs.unresolved, NULL)), MAX(runs.unresolved)) AS unresolved
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY runs.hour
),

gaps AS (
  SELECT
    runs.hour AS usage_start_time,
    STRING_AGG(DISTINCT gap.source, ', ' ORDER BY gap.source) AS sources
  FROM `${dataset}.tracker_runs` AS runs
  CROSS JOIN UNNEST(runs.gaps) AS gap
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY runs.hour
),

hours AS (
  SELECT hour_start AS usage_start_time
  FROM UNNEST(
    GENERATE_TIMESTAMP_ARRAY(
      (SELECT MIN(first_hours.usage_start_time) FROM recorded_hours AS first_hours),
      (SELECT MAX(last_hours.usage_start_time) FROM recorded_hours AS last_hours),
      INTERVAL 1 HOUR
    )
  ) AS hour_start
),

hourly_rows AS (
  SELECT
    costs.usage_start_time,
    COUNT(*) AS instances,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours)) AS priced_hours,
    COUNTIF(costs.price_status = 'unknown') AS unpriced,
    COUNTIF(costs.price_status = 'stale') AS stale,
    COUNTIF(costs.price_status = 'fallback') AS fallback,
    STRING_AGG(
      DISTINCT IF(costs.price_status = 'unknown', costs.machine_type, NULL), ', '
      ORDER BY IF(costs.price_status = 'unknown', costs.machine_type, NULL)
    ) AS unpriced_machine_types,
    MAX(TIMESTAMP_DIFF(costs.usage_end_time, costs.price_as_of, HOUR)) AS prices_age_hours
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY costs.usage_start_time
)

SELECT
  hours.usage_start_time,
  CASE
    WHEN recorded.complete THEN 'complete'
    WHEN recorded.usage_start_time IS NOT NULL THEN 'incomplete'
    ELSE 'missing'
  END AS state,
  COALESCE(recorded.run_count, 0) AS run_count,
  IF(recorded.complete, NULL, gaps.sources) AS open_gaps,
  COALESCE(hourly.instances, 0) AS instances,
  ROUND(SAFE_DIVIDE(hourly.priced_hours, hourly.vm_hours), 6) AS priced_share,
  recorded.unresolved,
  COALESCE(hourly.unpriced, 0) AS unpriced,
  hourly.unpriced_machine_types,
  COALESCE(hourly.stale, 0) AS stale,
  COALESCE(hourly.fallback, 0) AS fallback,
  hourly.prices_age_hours
FROM hours
LEFT JOIN recorded_hours AS recorded
  ON recorded.usage_start_time = hours.usage_start_time
LEFT JOIN gaps
  ON gaps.usage_start_time = hours.usage_start_time
LEFT JOIN hourly_rows AS hourly
  ON hourly.usage_start_time = hours.usage_start_time
