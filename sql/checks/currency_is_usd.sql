-- Invariant: all amounts are in US dollars, so that they can be added up.
-- Grain: one table and another currency in it. Reads the last 45 days of tables that grow by the day.
WITH currencies AS (
  SELECT
    'spot_vm_costs' AS table_name,
    costs.currency
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  UNION ALL
  SELECT
    'spot_prices' AS table_name,
    prices.currency
  FROM `${dataset}.spot_prices` AS prices
  UNION ALL
  SELECT
    'budget_notifications' AS table_name,
    messages.currency
  FROM `${dataset}.budget_notifications` AS messages
  WHERE messages.received_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
    -- A message in another currency is recorded; what counts is that nothing is stopped for it.
    AND messages.verdict NOT IN ('other_currency', 'malformed')
)

SELECT
  table_name,
  currency,
  COUNT(*) AS row_count
FROM currencies
WHERE currency != 'USD'
GROUP BY
  table_name,
  currency
