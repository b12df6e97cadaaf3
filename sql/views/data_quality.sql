-- Which hours are missing or incomplete, and how reliable are the figures of the others?
-- Grain: one UTC hour, from the first one that the tracker recorded in the last 45 days to the last one that is due.
--
-- An hour is due two hours after it began; one that is due and that no run recorded is missing, also while the tracker
-- stands still. An hour is incomplete while a later run has something to read for any project, provisional while its uptime is read
-- once more for points that come late, and final where the missing part can no longer be read. unresolved and
-- unresolved_hours are of VMs that no source could identify: Spot or not, they have no cost row. priced_share counts
-- their hours as not priced. estimated_unresolved_cost is an estimate: what they cost if they are Spot VMs at the mean
-- price of their project's VMs of these 45 days. gaps are the sources of an incomplete or final hour. Stale, fallback,
-- uncertain and other prices are those of price_status, and the six costs by price_status add up to the cost; prices_age_hours is the age of the catalog at the end of the hour, for the
-- oldest price used. 45 days cover the six weeks in which the tracker can repeat an hour; all of them are read whatever
-- the filter, since a missing hour has no row to filter on. A day whose cost rows are older than the rollups has no sums:
-- its hours are incomplete, with NULL for figures, until rebuild-rollups is run.
WITH rolled_days AS (
  -- A rollup is written for a whole UTC day.
  SELECT DATE(rolled.usage_hour) AS usage_date
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY usage_date
),

recorded_hours AS (
  SELECT
    runs.hour AS usage_start_time,
    COUNT(*) AS run_count,
    -- Cost rows of a day without a rollup are older than the rollups.
    MAX(runs.row_count) > 0 AND MAX(rolled.usage_date) IS NULL AS lacks_rollups
  FROM `${dataset}.tracker_runs` AS runs
  LEFT JOIN rolled_days AS rolled
    ON rolled.usage_date = DATE(runs.hour)
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

mean_prices AS (
  SELECT
    rolled.project_id,
    SAFE_DIVIDE(SUM(rolled.cost), SUM(rolled.priced_hours)) AS mean_price
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY rolled.project_id
),

project_states AS (
  SELECT
    known.hour,
    COUNTIF(known.state = 'incomplete') AS incomplete,
    COUNTIF(known.state = 'provisional') AS provisional,
    COUNTIF(known.state = 'final') AS final,
    SUM(known.unresolved) AS unresolved,
    SUM(known.unresolved_hours) AS unresolved_hours,
    SUM(known.unresolved_hours * prices.mean_price) AS estimated_cost
  FROM `${dataset}.project_hours` AS known
  LEFT JOIN mean_prices AS prices
    ON prices.project_id = known.project_id
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY known.hour
),

hours AS (
  SELECT hour_start AS usage_start_time
  FROM UNNEST(
    GENERATE_TIMESTAMP_ARRAY(
      (SELECT MIN(first_hours.usage_start_time) FROM recorded_hours AS first_hours),
      -- The hour that has just ended is recorded within the next one.
      (
        SELECT GREATEST(MAX(last_hours.usage_start_time), TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, HOUR), INTERVAL 2 HOUR))
        FROM recorded_hours AS last_hours
      ),
      INTERVAL 1 HOUR
    )
  ) AS hour_start
),

unpriced_types AS (
  SELECT
    rolled.usage_hour,
    STRING_AGG(DISTINCT machine_type, ', ' ORDER BY machine_type) AS machine_types
  FROM `${dataset}.hourly_costs` AS rolled
  CROSS JOIN UNNEST(SPLIT(rolled.unpriced_machine_types, ', ')) AS machine_type
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY rolled.usage_hour
),

hourly_rows AS (
  SELECT
    rolled.usage_hour AS usage_start_time,
    SUM(rolled.instances) AS instances,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.unpriced) AS unpriced,
    SUM(rolled.stale) AS stale,
    SUM(rolled.fallback) AS fallback,
    SUM(rolled.uncertain) AS uncertain,
    SUM(rolled.confirmed) AS confirmed,
    SUM(rolled.from_history) AS from_history,
    SUM(rolled.exact_cost) AS exact_cost,
    SUM(rolled.confirmed_cost) AS confirmed_cost,
    SUM(rolled.from_history_cost) AS from_history_cost,
    SUM(rolled.uncertain_cost) AS uncertain_cost,
    SUM(rolled.fallback_cost) AS fallback_cost,
    SUM(rolled.stale_cost) AS stale_cost,
    MAX(unpriced_types.machine_types) AS unpriced_machine_types,
    MAX(rolled.prices_age_hours) AS prices_age_hours
  FROM `${dataset}.hourly_costs` AS rolled
  LEFT JOIN unpriced_types
    ON unpriced_types.usage_hour = rolled.usage_hour
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY rolled.usage_hour
)

SELECT
  hours.usage_start_time,  -- TIMESTAMP: The start of the hour, UTC; a filter on it does not limit what is read.
  CASE
    WHEN recorded.usage_start_time IS NULL THEN 'missing'
    WHEN known.incomplete > 0 OR recorded.lacks_rollups THEN 'incomplete'
    WHEN known.provisional > 0 THEN 'provisional'
    WHEN known.final > 0 THEN 'final'
    ELSE 'complete'
  END AS state,  -- STRING: missing (no run recorded it), incomplete (a later run reads the rest, or its day is not rolled up), provisional (its uptime is read once more), final (the missing part can no longer be read) or complete.
  COALESCE(recorded.run_count, 0) AS run_count,  -- INTEGER: The runs of the tracker that recorded the hour.
  CASE
    WHEN recorded.lacks_rollups THEN
      CONCAT('rollups', IF(known.incomplete > 0 OR known.final > 0, COALESCE(CONCAT(', ', gaps.sources), ''), ''))
    WHEN known.incomplete > 0 OR known.final > 0 THEN gaps.sources
  END AS gaps,  -- STRING: The sources that did not return everything, of an incomplete or final hour; rollups where the cost rows of its UTC day are not rolled up: run rebuild-rollups.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, COALESCE(hourly.instances, 0)) AS instances,  -- INTEGER: Distinct Spot VMs that ran; NULL for a missing hour and one that is not rolled up.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, COALESCE(hourly.vm_hours, 0)) AS vm_hours,  -- NUMERIC: Uptime of Spot VMs in VM-hours, priced or not; NULL for a missing hour and one that is not rolled up.
  CASE
    WHEN recorded.lacks_rollups THEN NULL
    WHEN hourly.priced_hours < hourly.vm_hours + COALESCE(known.unresolved_hours, 0) THEN
      LEAST(
        ROUND(SAFE_DIVIDE(hourly.priced_hours, hourly.vm_hours + COALESCE(known.unresolved_hours, 0)), 6),
        NUMERIC '0.999999'
      )
    WHEN hourly.vm_hours > 0 THEN 1
    WHEN known.unresolved_hours > 0 THEN 0
  END AS priced_share,  -- NUMERIC: The share of all VM-hours with a known price, those of unidentified VMs included; 1 only when every hour has one, NULL without hours.
  IF(recorded.usage_start_time IS NULL, NULL, COALESCE(known.unresolved, 0)) AS unresolved,  -- INTEGER: VMs that no source could identify, Spot or not: they have no cost row.
  IF(recorded.usage_start_time IS NULL, NULL, COALESCE(known.unresolved_hours, 0)) AS unresolved_hours,  -- NUMERIC: The VM-hours of those VMs.
  ROUND(known.estimated_cost, 6) AS estimated_unresolved_cost,  -- NUMERIC: An estimate in USD: what they cost if they are Spot VMs at the mean price of their project's VMs of these 45 days.
  COALESCE(hourly.unpriced, 0) AS unpriced,  -- INTEGER: Cost rows without a price.
  hourly.unpriced_machine_types,  -- STRING: Their machine types.
  COALESCE(hourly.stale, 0) AS stale,  -- INTEGER: Cost rows with a stale price: a newer catalog was due and could not be read.
  COALESCE(hourly.fallback, 0) AS fallback,  -- INTEGER: Cost rows with the earliest price known, which is later than the hour.
  COALESCE(hourly.uncertain, 0) AS uncertain,  -- INTEGER: Cost rows with an uncertain price: it differs between the readings before and after the hour, or they are more than a week apart.
  COALESCE(hourly.confirmed, 0) AS confirmed,  -- INTEGER: Cost rows with a confirmed price: it changed between two readings, and Google's own price history has the time.
  COALESCE(hourly.from_history, 0) AS from_history,  -- INTEGER: Cost rows with the price of Google's own history, where no reading of the catalog has it.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, IF(hourly.usage_start_time IS NULL, 0, hourly.exact_cost)) AS exact_cost,  -- NUMERIC: The part of the cost at exact prices, in USD; NULL for a missing hour, and one that is not rolled up by price_status.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, IF(hourly.usage_start_time IS NULL, 0, hourly.confirmed_cost)) AS confirmed_cost,  -- NUMERIC: The part of the cost at confirmed prices, in USD.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, IF(hourly.usage_start_time IS NULL, 0, hourly.from_history_cost)) AS from_history_cost,  -- NUMERIC: The part of the cost at prices of Google's own history, in USD.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, IF(hourly.usage_start_time IS NULL, 0, hourly.uncertain_cost)) AS uncertain_cost,  -- NUMERIC: The part of the cost at uncertain prices, in USD.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, IF(hourly.usage_start_time IS NULL, 0, hourly.fallback_cost)) AS fallback_cost,  -- NUMERIC: The part of the cost at fallback prices, in USD.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, IF(hourly.usage_start_time IS NULL, 0, hourly.stale_cost)) AS stale_cost,  -- NUMERIC: The part of the cost at stale prices, in USD.
  hourly.prices_age_hours  -- INTEGER: The age of the catalog at the end of the hour, in hours, for the oldest price used.
FROM hours
LEFT JOIN recorded_hours AS recorded
  ON recorded.usage_start_time = hours.usage_start_time
LEFT JOIN project_states AS known
  ON known.hour = hours.usage_start_time
LEFT JOIN gaps
  ON gaps.usage_start_time = hours.usage_start_time
LEFT JOIN hourly_rows AS hourly
  ON hourly.usage_start_time = hours.usage_start_time
