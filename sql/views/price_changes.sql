-- Which list prices changed, by how much, and what does that cost the running fleet?
-- Grain: one rate of a component in a region and market that differs from the rate before it, by the hour it began.
--
-- monthly_cost_change is in USD over 730 hours, for the VM-hours of the last complete recorded hour, which ended at as_of;
-- 0 when the fleet uses none of the component, NULL for on-demand rates, which Spot VMs do not pay, and when no hour was
-- recorded in two days. A rate that returned after it was
-- withdrawn is compared with its last value. Reads 400 days of changes, and the last two days of costs; spot_prices is
-- small and not partitioned.
WITH present AS (
  SELECT COALESCE(MAX(IF(runs.complete, runs.hour, NULL)), MAX(runs.hour)) AS hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
),

fleet AS (
  SELECT
    rolled.region,
    components.component,
    SUM(components.quantity * rolled.vm_hours) AS quantity
  FROM `${dataset}.hourly_fleet` AS rolled
  INNER JOIN present
    ON present.hour = rolled.usage_hour
  INNER JOIN `${dataset}.shape_components` AS components
    ON components.machine_type = rolled.machine_type
    AND COALESCE(components.gpu_type, '') = COALESCE(rolled.gpu_type, '')
    AND components.gpu_count = rolled.gpu_count
    AND components.local_ssd_gib = rolled.local_ssd_gib
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
  GROUP BY
    rolled.region,
    components.component
),

rates AS (
  SELECT
    prices.valid_from,
    prices.region,
    prices.component,
    prices.market,
    prices.unit,
    prices.sku_id,
    prices.description,
    prices.rate,
    LAG(prices.rate) OVER rates_before AS previous_rate,
    LAG(prices.sku_id) OVER rates_before AS previous_sku_id,
    LAG(prices.unit) OVER rates_before AS previous_unit
  FROM `${dataset}.spot_prices` AS prices
  -- A rate that ended in the hour it began in was never in effect.
  WHERE prices.valid_to IS NULL OR prices.valid_to > prices.valid_from
  WINDOW rates_before AS (PARTITION BY prices.component, prices.market, prices.region ORDER BY prices.valid_from)
)

SELECT
  rates.valid_from AS changed_at,  -- TIMESTAMP: The hour in which the rate began to hold; a filter on it does not limit what is read.
  rates.region,  -- STRING: The region.
  rates.component,  -- STRING: The component that is priced, such as n2:vcpu.
  rates.market,  -- STRING: spot or on_demand.
  rates.unit,  -- STRING: The unit of the rate, such as vcpu_hour.
  rates.sku_id,  -- STRING: The SKU in the Cloud Billing Catalog.
  rates.previous_sku_id,  -- STRING: The SKU of the rate before.
  rates.description,  -- STRING: The description of the SKU.
  rates.previous_rate,  -- BIGNUMERIC: The rate before, in USD per unit.
  rates.rate,  -- BIGNUMERIC: The rate from changed_at on, in USD per unit.
  rates.rate - rates.previous_rate AS rate_change,  -- BIGNUMERIC: rate minus previous_rate.
  ROUND(
    SAFE_DIVIDE(CAST(rates.rate - rates.previous_rate AS FLOAT64), CAST(rates.previous_rate AS FLOAT64)) * 100, 4
  ) AS change_percent,  -- FLOAT: rate_change in percent of previous_rate.
  IF(rates.market = 'spot' AND present.hour IS NOT NULL, COALESCE(fleet.quantity, 0), NULL) AS fleet_quantity,  -- NUMERIC: Units of the component that ran in the last complete recorded hour; NULL for rates that Spot VMs do not pay, and without such an hour.
  IF(
    rates.market = 'spot' AND present.hour IS NOT NULL,
    ROUND(
      CAST((rates.rate - rates.previous_rate) * CAST(COALESCE(fleet.quantity, 0) AS BIGNUMERIC) * 730 AS NUMERIC), 6
    ),
    NULL
  ) AS monthly_cost_change,  -- NUMERIC: What the change costs that fleet in 730 hours, in USD; NULL for rates that Spot VMs do not pay, and without such an hour.
  TIMESTAMP_ADD(present.hour, INTERVAL 1 HOUR) AS as_of,  -- TIMESTAMP: The end of the hour that the fleet is of; NULL when none was recorded in two days.
  TIMESTAMP_DIFF(${now}, TIMESTAMP_ADD(present.hour, INTERVAL 1 HOUR), HOUR) AS age_hours  -- INTEGER: Whole hours from as_of to now: how old the fleet is.
FROM rates
CROSS JOIN present
LEFT JOIN fleet
  ON fleet.region = rates.region
  AND fleet.component = rates.component
-- The first rate of a component has none before it; another SKU with the same rate is no change, nor is another unit.
WHERE rates.rate != rates.previous_rate
  AND rates.unit = rates.previous_unit
  AND rates.valid_from >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
