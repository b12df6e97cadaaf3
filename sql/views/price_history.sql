-- What was the Spot price of each machine type in use over the last year, and when did it change?
-- Grain: one machine type in use in one region, and one price while it held.
--
-- In use is what ran in the last complete recorded hour, which ended at as_of; nothing is listed when no hour was recorded
-- in two days. Prices are Google's own, of the machine type with its bundled GPUs; capacity_history = true reads them. The
-- table of the history is small and not partitioned.
WITH present AS (
  SELECT COALESCE(MAX(IF(runs.complete, runs.hour, NULL)), MAX(runs.hour)) AS hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
),

fleet AS (
  SELECT
    rolled.machine_type,
    rolled.region,
    SUM(rolled.vm_hours) AS vms
  FROM `${dataset}.hourly_fleet` AS rolled
  INNER JOIN present
    ON present.hour = rolled.usage_hour
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
  GROUP BY
    rolled.machine_type,
    rolled.region
),

-- The price before it is looked for in the whole history, also where it held before the year began.
history AS (
  SELECT
    known.machine_type,
    known.region,
    known.valid_from,
    COALESCE(known.valid_to, known.read_at) AS known_to,
    known.valid_to IS NULL AS is_latest,
    known.price,
    LAG(known.price) OVER (
      PARTITION BY known.machine_type, known.region
      ORDER BY known.valid_from
    ) AS previous_price
  FROM `${dataset}.capacity_prices` AS known
)

SELECT
  fleet.machine_type,  -- STRING: The machine type in use.
  fleet.region,  -- STRING: The region.
  fleet.vms,  -- NUMERIC: VM-hours of it in the last complete recorded hour.
  history.valid_from,  -- TIMESTAMP: When the price began to hold; for the earliest one, perhaps when the history that was read begins.
  history.known_to,  -- TIMESTAMP: Until when it held; the latest one until it was read.
  history.is_latest,  -- BOOLEAN: Whether it is the latest price that was read.
  history.price,  -- NUMERIC: The Spot list price, in USD per VM-hour.
  history.previous_price,  -- NUMERIC: The price before; NULL for the earliest one.
  ROUND((SAFE_DIVIDE(history.price, history.previous_price) - 1) * 100, 2) AS change_percent,  -- NUMERIC: The change to this price in percent; NULL for the earliest one.
  TIMESTAMP_ADD(present.hour, INTERVAL 1 HOUR) AS as_of,  -- TIMESTAMP: The end of the hour that the fleet is of.
  TIMESTAMP_DIFF(${now}, TIMESTAMP_ADD(present.hour, INTERVAL 1 HOUR), HOUR) AS age_hours  -- INTEGER: Whole hours from as_of to now: how old the fleet is.
FROM fleet
CROSS JOIN present
INNER JOIN history
  ON history.machine_type = fleet.machine_type
  AND history.region = fleet.region
-- A year is what the report draws.
WHERE history.known_to > TIMESTAMP_SUB(${now}, INTERVAL 365 DAY)
