-- Invariant: a component has one rate at a time in a region and market, above 0, which ends after it began.
-- Grain: one rate and its violation. spot_prices is small and is read whole.
WITH rates AS (
  SELECT
    prices.region,
    prices.component,
    prices.market,
    prices.sku_id,
    prices.valid_from,
    prices.valid_to,
    prices.rate,
    LEAD(prices.valid_from) OVER (
      PARTITION BY prices.region, prices.component, prices.market ORDER BY prices.valid_from, prices.sku_id
    ) AS next_valid_from
  FROM `${dataset}.spot_prices` AS prices
  -- A rate that ended in the hour it began in never held.
  WHERE prices.valid_to IS NULL OR prices.valid_to != prices.valid_from
),

judged AS (
  SELECT
    region,
    component,
    market,
    sku_id,
    valid_from,
    valid_to,
    CASE
      WHEN rate <= 0 THEN 'rate is not above 0'
      WHEN valid_to < valid_from THEN 'ends before it begins'
      WHEN next_valid_from IS NOT NULL AND valid_to IS NULL THEN 'still holds beside the next one'
      WHEN next_valid_from < valid_to THEN 'overlaps the next one'
    END AS problem
  FROM rates
)

SELECT
  region,
  component,
  market,
  sku_id,
  valid_from,
  valid_to,
  problem
FROM judged
-- A rate without a violation keeps the invariant.
WHERE problem IS NOT NULL
