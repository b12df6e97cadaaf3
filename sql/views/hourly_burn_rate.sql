-- How fast is money spent on Spot VMs, hour by hour?
-- Grain: one UTC hour, from the first one that the tracker recorded in the last 35 days to the last one that is due.
--
-- burn_rate is in USD per hour, of compute, which is what on demand is compared with; total_burn_rate is with what is
-- attached. An hour is due two hours after it began; it is missing, and its figures are NULL, when no run recorded it,
-- also while the tracker stands still. So are those of an hour of a day that is not rolled up: it is incomplete until
-- rebuild-rollups is run. The figures of an incomplete hour are lower bounds; those of a
-- provisional one may still grow. unresolved_hours are of VMs that no source could identify: priced_share counts them as
-- not priced, and estimated_burn_rate, an estimate, adds what they cost if they are Spot VMs at the mean price of their
-- project's VMs of these 35 days. Reads 35 days, five weeks to compare weekdays, whatever the filter: a missing hour has
-- no row to filter on.
WITH rolled_days AS (
  -- A rollup is written for a whole UTC day.
  SELECT DATE(rolled.usage_hour) AS usage_date
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 35 DAY)
  GROUP BY usage_date
),

recorded_hours AS (
  SELECT
    runs.hour AS usage_start_time,
    -- Cost rows of a day without a rollup are older than the rollups.
    MAX(runs.row_count) > 0 AND MAX(rolled.usage_date) IS NULL AS lacks_rollups
  FROM `${dataset}.tracker_runs` AS runs
  LEFT JOIN rolled_days AS rolled
    ON rolled.usage_date = DATE(runs.hour)
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 35 DAY)
  GROUP BY runs.hour
),

mean_prices AS (
  SELECT
    rolled.project_id,
    SAFE_DIVIDE(SUM(rolled.cost), SUM(rolled.priced_hours)) AS mean_price
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 35 DAY)
  GROUP BY rolled.project_id
),

project_states AS (
  SELECT
    known.hour,
    COUNTIF(known.state = 'incomplete') AS incomplete,
    COUNTIF(known.state = 'provisional') AS provisional,
    COUNTIF(known.state = 'final') AS final,
    SUM(known.unresolved_hours) AS unresolved_hours,
    -- Without a price of any VM of a project nothing can be said of its others: NULL, not 0.
    IF(
      COUNTIF(known.unresolved_hours > 0 AND prices.mean_price IS NULL) > 0,
      NULL,
      COALESCE(SUM(known.unresolved_hours * prices.mean_price), 0)
    ) AS estimated_cost
  FROM `${dataset}.project_hours` AS known
  LEFT JOIN mean_prices AS prices
    ON prices.project_id = known.project_id
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 35 DAY)
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

hourly_sums AS (
  SELECT
    rolled.usage_hour AS usage_start_time,
    SUM(rolled.instances) AS instances,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.cost) AS cost,
    SUM(rolled.known_cost) AS known_cost,
    SUM(rolled.license_cost) AS license_cost,
    SUM(rolled.address_cost) AS address_cost,
    SUM(rolled.disk_cost) AS disk_cost,
    SUM(rolled.bandwidth_cost) AS bandwidth_cost,
    SUM(rolled.vm_hours - rolled.fully_priced_hours) AS partial_hours,
    SUM(rolled.ondemand_cost) AS ondemand_cost
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 35 DAY)
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
  END AS state,  -- STRING: missing, incomplete, provisional, final or complete, as in data_quality.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, COALESCE(hourly.instances, 0)) AS instances,  -- INTEGER: Distinct Spot VMs that ran; NULL for a missing hour and one that is not rolled up.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, COALESCE(hourly.vm_hours, 0)) AS vm_hours,  -- NUMERIC: Uptime of Spot VMs in VM-hours, priced or not.
  IF(recorded.usage_start_time IS NULL, NULL, COALESCE(known.unresolved_hours, 0)) AS unresolved_hours,  -- NUMERIC: VM-hours of VMs that no source could identify, Spot or not.
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
  IF(recorded.lacks_rollups IS NOT FALSE OR hourly.vm_hours > 0, hourly.cost, 0) AS burn_rate,  -- NUMERIC: Cost of the hour's priced usage, in USD per hour; NULL for a missing hour, one that is not rolled up, and when no price is known.
  ROUND(
    IF(recorded.lacks_rollups IS NOT FALSE OR hourly.vm_hours > 0, hourly.cost, 0)
      + IF(known.hour IS NULL, 0, known.estimated_cost),
    6
  ) AS estimated_burn_rate,  -- NUMERIC: An estimate in USD per hour: burn_rate, and what unidentified VMs cost if they are Spot VMs at the mean price of their project's VMs of these 35 days; NULL where a project with unidentified VMs has none with a price.
  IF(recorded.lacks_rollups IS NOT FALSE OR hourly.vm_hours > 0, hourly.ondemand_cost, 0) AS ondemand_burn_rate,  -- NUMERIC: The same usage at on-demand list prices, in USD per hour, as far as they are known.
  IF(recorded.lacks_rollups IS NOT FALSE OR hourly.vm_hours > 0, hourly.known_cost, 0) AS total_burn_rate,  -- NUMERIC: Compute, licenses, addresses, disks and bandwidth of running Spot VMs, as far as they are known, in USD per hour.
  hourly.license_cost AS license_burn_rate,  -- NUMERIC: The part of total_burn_rate that licenses of operating systems cost; NULL when nothing is known of them.
  hourly.address_cost AS address_burn_rate,  -- NUMERIC: The part that external addresses cost.
  hourly.disk_cost AS disk_burn_rate,  -- NUMERIC: The part that disks of VMs cost while these ran; disk_costs has all of their time.
  hourly.bandwidth_cost AS bandwidth_burn_rate,  -- NUMERIC: The part that Tier_1 bandwidth costs.
  IF(recorded.lacks_rollups IS NOT FALSE, NULL, COALESCE(hourly.partial_hours, 0)) AS partial_hours  -- NUMERIC: VM-hours of whose total cost a part is not known or was not recorded: total_burn_rate is at least this.
FROM hours
LEFT JOIN recorded_hours AS recorded
  ON recorded.usage_start_time = hours.usage_start_time
LEFT JOIN project_states AS known
  ON known.hour = hours.usage_start_time
LEFT JOIN hourly_sums AS hourly
  ON hourly.usage_start_time = hours.usage_start_time
