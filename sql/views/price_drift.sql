-- How did the Spot prices of the machine types in use move, by Google's own history, and what is that in USD a month?
-- Grain: one machine type in use in one region.
--
-- In use is what ran in the last complete recorded hour, which ended at as_of; nothing is listed when no hour was recorded
-- in two days. monthly figures are of its VM-hours over 730 hours. Prices are Google's, of the machine type with its bundled
-- GPUs: NULL where the history was not read (capacity_history = true reads it). The on-demand and commitment prices are those
-- of the catalog. Reads two days of costs; the tables of the history are small and not partitioned.
WITH present AS (
  SELECT COALESCE(MAX(IF(runs.complete, runs.hour, NULL)), MAX(runs.hour)) AS hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
),

fleet AS (
  SELECT
    costs.machine_type,
    costs.region,
    SUM(costs.uptime_hours) AS vms
  FROM `${dataset}.spot_vm_costs` AS costs
  INNER JOIN present
    ON present.hour = TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
    AND costs.machine_type IS NOT NULL
  GROUP BY
    costs.machine_type,
    costs.region
),

-- The price that held now, a week ago, and when the recorded history began.
history AS (
  SELECT
    known.machine_type,
    known.region,
    MIN(known.valid_from) AS since,
    MAX(known.read_at) AS read_at,
    COUNT(*) - 1 AS changes,
    MAX(IF(known.valid_to IS NULL, known.valid_from, NULL)) AS changed_at,
    MAX(IF(known.valid_to IS NULL, known.price, NULL)) AS price,
    MAX(
      IF(
        known.valid_from <= TIMESTAMP_SUB(${now}, INTERVAL 7 DAY)
        AND COALESCE(known.valid_to, known.read_at) > TIMESTAMP_SUB(${now}, INTERVAL 7 DAY),
        known.price,
        NULL
      )
    ) AS price_a_week_ago,
    MIN(known.price) AS lowest_price,
    MAX(known.price) AS highest_price
  FROM `${dataset}.capacity_prices` AS known
  GROUP BY
    known.machine_type,
    known.region
),

first_prices AS (
  SELECT
    known.machine_type,
    known.region,
    known.price
  FROM `${dataset}.capacity_prices` AS known
  INNER JOIN history
    ON history.machine_type = known.machine_type
    AND history.region = known.region
    AND history.since = known.valid_from
),

latest_checks AS (
  SELECT
    checks.machine_type,
    checks.region,
    checks.day,
    checks.status
  FROM `${dataset}.price_checks` AS checks
  WHERE checks.day >= DATE_SUB(DATE(${now}), INTERVAL 7 DAY)
  QUALIFY ROW_NUMBER() OVER (PARTITION BY checks.machine_type, checks.region ORDER BY checks.day DESC) = 1
)

SELECT
  fleet.machine_type,  -- STRING: The machine type in use.
  fleet.region,  -- STRING: The region.
  fleet.vms,  -- NUMERIC: VM-hours of it in the last complete recorded hour.
  history.price,  -- NUMERIC: Google's latest Spot price, in USD per VM-hour; NULL when the history was not read.
  history.changed_at,  -- TIMESTAMP: When that price began to hold.
  history.price_a_week_ago,  -- NUMERIC: The price that held a week ago; NULL when it is not known.
  ROUND((SAFE_DIVIDE(history.price, history.price_a_week_ago) - 1) * 100, 2) AS week_change_percent,  -- NUMERIC: The change of this week in percent.
  ROUND((history.price - history.price_a_week_ago) * fleet.vms * 730, 6) AS week_monthly_cost_change,  -- NUMERIC: What the change of this week costs the VMs in use in 730 hours, in USD.
  history.since,  -- TIMESTAMP: When the recorded price history begins: up to a year before it was first read.
  first_prices.price AS first_price,  -- NUMERIC: The price then.
  history.changes,  -- INTEGER: How often the price changed since.
  history.lowest_price,  -- NUMERIC: The lowest price since.
  history.highest_price,  -- NUMERIC: The highest price since.
  ROUND((SAFE_DIVIDE(history.price, first_prices.price) - 1) * 100, 2) AS change_percent,  -- NUMERIC: The change since then in percent.
  ROUND((history.price - first_prices.price) * fleet.vms * 730, 6) AS monthly_cost_change,  -- NUMERIC: What the change since then costs the VMs in use in 730 hours, in USD.
  listed.ondemand_price,  -- NUMERIC: The on-demand list price, in USD per VM-hour; NULL when it is not known.
  ROUND((1 - SAFE_DIVIDE(history.price, listed.ondemand_price)) * 100, 2) AS discount_percent,  -- NUMERIC: What Spot still costs less than on demand, in percent.
  ROUND((SAFE_DIVIDE(listed.commitment_1yr_price, history.price) - 1) * 100, 2) AS rise_to_commitment_1yr_percent,  -- NUMERIC: By how much the price may rise before a commitment of one year is cheaper, in percent: negative where it is already. NULL where none is sold.
  ROUND((SAFE_DIVIDE(listed.commitment_3yr_price, history.price) - 1) * 100, 2) AS rise_to_commitment_3yr_percent,  -- NUMERIC: The same for three years.
  latest_checks.status AS price_check,  -- STRING: agrees, uncertain or differs: our price beside Google's on the latest day compared (price_checks); NULL when they were not compared in the last seven days.
  latest_checks.day AS price_checked_day,  -- DATE: That UTC day.
  history.read_at,  -- TIMESTAMP: When the history was last read.
  TIMESTAMP_ADD(present.hour, INTERVAL 1 HOUR) AS as_of,  -- TIMESTAMP: The end of the hour that the fleet is of.
  TIMESTAMP_DIFF(${now}, TIMESTAMP_ADD(present.hour, INTERVAL 1 HOUR), HOUR) AS age_hours  -- INTEGER: Whole hours from as_of to now: how old the fleet is.
FROM fleet
CROSS JOIN present
LEFT JOIN history
  ON history.machine_type = fleet.machine_type
  AND history.region = fleet.region
LEFT JOIN first_prices
  ON first_prices.machine_type = fleet.machine_type
  AND first_prices.region = fleet.region
LEFT JOIN `${dataset}.machine_type_prices` AS listed
  ON listed.machine_type = fleet.machine_type
  AND listed.region = fleet.region
LEFT JOIN latest_checks
  ON latest_checks.machine_type = fleet.machine_type
  AND latest_checks.region = fleet.region
