-- What would the steady part of the fleet cost on Spot, on demand and with a commitment, and which mix is cheapest?
-- Grain: one machine type in a region that ran as Spot in the last 30 days.
--
-- steady_vms ran at the same time in at least 95 % of the complete hours. The rest varies, and a commitment for it
-- would be paid for hours in which nothing runs. Whether a type is steady cannot be said of one that first ran a week ago:
-- first_hour says since when it ran, hours how many hours were compared, as_of until when. A month has 730 hours; prices are current list prices. The net Spot
-- price counts the hours lost to preemption (the uptime of a preempted VM from the full hour on) twice. Attached GPUs and
-- local SSD are not included. A NULL price is unknown and is not compared. Commitments cover vCPUs and memory of a
-- family in a region, whatever the machine type: add up the types of a family before you buy.
WITH hours AS (
  SELECT runs.hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
    -- In an incomplete hour VMs may be missing, and the steady part would look smaller than it is.
    AND runs.complete
  GROUP BY runs.hour
),

last_preemptions AS (
  SELECT
    -- The uptime that a preemption at the full hour ended is in the hour before.
    TIMESTAMP_TRUNC(TIMESTAMP_SUB(taken.preempted_at, INTERVAL 1 MICROSECOND), HOUR) AS hour,
    taken.project_id,
    taken.zone,
    taken.instance_id,
    MAX(taken.preempted_at) AS preempted_at
  FROM `${dataset}.spot_preemptions` AS taken
  WHERE taken.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
  GROUP BY
    hour,
    taken.project_id,
    taken.zone,
    taken.instance_id
),

hourly_vms AS (
  SELECT
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS hour,
    costs.machine_type,
    costs.region,
    SUM(costs.uptime_hours) AS vms,
    SUM(
      IF(
        preempted.instance_id IS NULL,
        0,
        LEAST(
          costs.uptime_hours,
          CAST(GREATEST(TIMESTAMP_DIFF(preempted.preempted_at, costs.usage_start_time, SECOND), 0) AS NUMERIC) / 3600
        )
      )
    ) AS lost_hours
  FROM `${dataset}.spot_vm_costs` AS costs
  INNER JOIN hours
    ON hours.hour = TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
  LEFT JOIN last_preemptions AS preempted
    ON preempted.hour = TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
    AND preempted.project_id = costs.project_id
    AND preempted.zone = costs.zone
    AND preempted.instance_id = costs.instance_id
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
  GROUP BY
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR),
    costs.machine_type,
    costs.region
),

types AS (
  SELECT
    machine_type,
    region,
    MIN(hour) AS first_hour
  FROM hourly_vms
  GROUP BY
    machine_type,
    region
),

present AS (
  SELECT TIMESTAMP_ADD(MAX(hour), INTERVAL 1 HOUR) AS as_of
  FROM hours
),

all_hours AS (
  SELECT
    types.machine_type,
    types.region,
    types.first_hour,
    hourly.vms,
    hourly.lost_hours,
    PERCENTILE_DISC(COALESCE(hourly.vms, 0), 0.05) OVER (PARTITION BY types.machine_type, types.region) AS steady_vms
  FROM types
  CROSS JOIN hours
  LEFT JOIN hourly_vms AS hourly
    ON hourly.hour = hours.hour
    -- A type that is not known is NULL, which equals nothing.
    AND COALESCE(hourly.machine_type, '') = COALESCE(types.machine_type, '')
    AND hourly.region = types.region
),

demand AS (
  SELECT
    machine_type,
    region,
    MIN(first_hour) AS first_hour,
    COUNT(*) AS hours,
    ROUND(SAFE_DIVIDE(SUM(vms), COUNT(*)), 6) AS average_vms,
    MAX(steady_vms) AS steady_vms,
    ROUND(SAFE_DIVIDE(SUM(lost_hours), SUM(vms)), 6) AS lost_share
  FROM all_hours
  GROUP BY
    machine_type,
    region
),

priced AS (
  SELECT
    demand.machine_type,
    demand.region,
    demand.first_hour,
    demand.hours,
    demand.average_vms,
    demand.steady_vms,
    GREATEST(demand.average_vms - demand.steady_vms, 0) AS changing_vms,
    demand.lost_share,
    prices.spot_price,
    ROUND(SAFE_DIVIDE(prices.spot_price, 1 - demand.lost_share), 6) AS net_spot_price,
    prices.ondemand_price,
    prices.commitment_1yr_price,
    prices.commitment_3yr_price,
    LEAST(
      COALESCE(ROUND(SAFE_DIVIDE(prices.spot_price, 1 - demand.lost_share), 6), 999999),
      COALESCE(prices.ondemand_price, 999999)
    ) AS changing_price,
    LEAST(
      COALESCE(ROUND(SAFE_DIVIDE(prices.spot_price, 1 - demand.lost_share), 6), 999999),
      COALESCE(prices.ondemand_price, 999999),
      COALESCE(prices.commitment_1yr_price, 999999),
      COALESCE(prices.commitment_3yr_price, 999999)
    ) AS steady_price
  FROM demand
  LEFT JOIN `${dataset}.machine_type_prices` AS prices
    ON prices.machine_type = demand.machine_type
    AND prices.region = demand.region
)

SELECT
  machine_type,  -- STRING: The machine type; NULL when it is not known.
  region,  -- STRING: The region.
  first_hour,  -- TIMESTAMP: The first of these hours in which the machine type ran.
  hours,  -- INTEGER: Complete hours of the last 30 days that are compared, those before first_hour included.
  average_vms,  -- NUMERIC: VMs at the same time, on average over these hours.
  steady_vms,  -- NUMERIC: VMs that ran at the same time in at least 95 % of these hours.
  lost_share,  -- NUMERIC: The share of VM-hours that preempted VMs ran from the full hour to their last preemption in it.
  spot_price,  -- NUMERIC: The Spot list price, in USD per hour.
  net_spot_price,  -- NUMERIC: spot_price divided by the share of VM-hours that is not lost, in USD per hour.
  ondemand_price,  -- NUMERIC: The on-demand list price, in USD per hour.
  commitment_1yr_price,  -- NUMERIC: The list price with a commitment of one year, in USD per hour.
  commitment_3yr_price,  -- NUMERIC: The list price with a commitment of three years, in USD per hour.
  ROUND(steady_vms * net_spot_price * 730, 2) AS steady_monthly_spot,  -- NUMERIC: Cost of the steady VMs in 730 hours at net_spot_price, in USD.
  ROUND(steady_vms * ondemand_price * 730, 2) AS steady_monthly_ondemand,  -- NUMERIC: Cost of the steady VMs in 730 hours on demand, in USD.
  ROUND(steady_vms * commitment_1yr_price * 730, 2) AS steady_monthly_1yr,  -- NUMERIC: Cost of the steady VMs in 730 hours with a commitment of one year, in USD.
  ROUND(steady_vms * commitment_3yr_price * 730, 2) AS steady_monthly_3yr,  -- NUMERIC: Cost of the steady VMs in 730 hours with a commitment of three years, in USD.
  CASE steady_price
    WHEN net_spot_price THEN 'spot'
    WHEN ondemand_price THEN 'on demand'
    WHEN commitment_1yr_price THEN '1 year'
    WHEN commitment_3yr_price THEN '3 years'
  END AS cheapest_for_steady,  -- STRING: The cheapest of the four for the steady VMs: spot, on demand, 1 year or 3 years; NULL without any price.
  CASE changing_price
    WHEN net_spot_price THEN 'spot'
    WHEN ondemand_price THEN 'on demand'
  END AS cheapest_for_rest,  -- STRING: The cheaper of spot and on demand for the other VMs; NULL without any price.
  ROUND((steady_vms + changing_vms) * net_spot_price * 730, 2) AS monthly_all_spot,  -- NUMERIC: Cost of all VMs in 730 hours at net_spot_price, in USD.
  IF(
    changing_price < 999999,
    ROUND((steady_vms * steady_price + changing_vms * changing_price) * 730, 2),
    NULL
  ) AS monthly_cheapest_mix,  -- NUMERIC: Cost of all VMs in 730 hours with the cheapest price for each part, in USD.
  present.as_of,  -- TIMESTAMP: The end of the latest complete hour.
  TIMESTAMP_DIFF(${now}, present.as_of, HOUR) AS age_hours  -- INTEGER: Whole hours from as_of to now: how old the figures are.
FROM priced
CROSS JOIN present
