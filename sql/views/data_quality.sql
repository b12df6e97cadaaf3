-- Which hours are missing or incomplete, and how reliable are the figures of the others?
-- Grain: one UTC hour, from the first one that the tracker recorded in the last 45 days to the last one that is due.
--
-- An hour is due two hours after it began; one that is due and that no run recorded is missing, also while the tracker
-- stands still. An hour is incomplete while a later run has something to read for any project, provisional while its uptime is read
-- once more for points that come late, and final where the missing part can no longer be read. unresolved and
-- unresolved_hours are of VMs that no source could identify: Spot or not, they have no cost row. priced_share counts
-- their hours as not priced. estimated_unresolved_cost is an estimate: what they cost if they are Spot VMs at the mean
-- price of their project's VMs of these 45 days. gaps are the sources of an incomplete or final hour. Stale, fallback and
-- uncertain prices are those of price_status; prices_age_hours is the age of the catalog at the end of the hour, for the
-- oldest price used. 45 days cover the six weeks in which the tracker can repeat an hour; all of them are read whatever
-- the filter, since a missing hour has no row to filter on.
WITH recorded_hours AS (
  SELECT
    runs.hour AS usage_start_time,
    COUNT(*) AS run_count
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

mean_prices AS (
  SELECT
    costs.project_id,
    SAFE_DIVIDE(SUM(costs.cost), SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours))) AS mean_price
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY costs.project_id
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

hourly_rows AS (
  SELECT
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS usage_start_time,
    -- One that was started as another machine in the hour has two rows.
    COUNT(DISTINCT costs.instance_id) AS instances,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours)) AS priced_hours,
    COUNTIF(costs.price_status = 'unknown') AS unpriced,
    COUNTIF(costs.price_status = 'stale') AS stale,
    COUNTIF(costs.price_status = 'fallback') AS fallback,
    COUNTIF(costs.price_status = 'uncertain') AS uncertain,
    STRING_AGG(
      DISTINCT IF(costs.price_status = 'unknown', costs.machine_type, NULL), ', '
      ORDER BY IF(costs.price_status = 'unknown', costs.machine_type, NULL)
    ) AS unpriced_machine_types,
    MAX(TIMESTAMP_DIFF(costs.usage_end_time, costs.price_as_of, HOUR)) AS prices_age_hours
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
)

SELECT
  hours.usage_start_time,  -- TIMESTAMP: The start of the hour, UTC; a filter on it does not limit what is read.
  CASE
    WHEN recorded.usage_start_time IS NULL THEN 'missing'
    WHEN known.incomplete > 0 THEN 'incomplete'
    WHEN known.provisional > 0 THEN 'provisional'
    WHEN known.final > 0 THEN 'final'
    ELSE 'complete'
  END AS state,  -- STRING: missing (no run recorded it), incomplete (a later run reads the rest), provisional (its uptime is read once more), final (the missing part can no longer be read) or complete.
  COALESCE(recorded.run_count, 0) AS run_count,  -- INTEGER: The runs of the tracker that recorded the hour.
  IF(known.incomplete > 0 OR known.final > 0, gaps.sources, NULL) AS gaps,  -- STRING: The sources that did not return everything, of an incomplete or final hour.
  IF(recorded.usage_start_time IS NULL, NULL, COALESCE(hourly.instances, 0)) AS instances,  -- INTEGER: Distinct Spot VMs that ran; NULL for a missing hour.
  IF(recorded.usage_start_time IS NULL, NULL, COALESCE(hourly.vm_hours, 0)) AS vm_hours,  -- NUMERIC: Uptime of Spot VMs in VM-hours, priced or not; NULL for a missing hour.
  CASE
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
  COALESCE(hourly.uncertain, 0) AS uncertain,  -- INTEGER: Cost rows with an uncertain price: it differs between the readings before and after the hour.
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
