-- The rates that held at a time or later, with what optional sources know from the same time on: Google's own prices of
-- the machine types that ran, and contract prices. Grain: one rate, price of a machine type in a region, or contract price
-- of a SKU while it held; `source` says which.
SELECT
  'list' AS source,
  held.sku_id,
  held.region,
  held.component,
  held.market,
  held.unit,
  held.rate,
  held.description,
  held.valid_from,
  held.valid_to,
  held.by_month,
  CAST(NULL AS STRING) AS machine_type,
  CAST(NULL AS NUMERIC) AS price,
  CAST(NULL AS TIMESTAMP) AS read_at,
  CAST(NULL AS STRING) AS currency,
  CAST(NULL AS STRING) AS origin,
  CAST(NULL AS STRING) AS reason
FROM spot_prices AS held
WHERE held.valid_to IS NULL OR held.valid_to > @since
UNION ALL
SELECT
  'history' AS source,
  CAST(NULL AS STRING) AS sku_id,
  known.region,
  CAST(NULL AS STRING) AS component,
  CAST(NULL AS STRING) AS market,
  CAST(NULL AS STRING) AS unit,
  CAST(NULL AS BIGNUMERIC) AS rate,
  CAST(NULL AS STRING) AS description,
  known.valid_from,
  COALESCE(known.valid_to, known.read_at) AS valid_to,
  CAST(NULL AS BOOL) AS by_month,
  known.machine_type,
  known.price,
  known.read_at,
  CAST(NULL AS STRING) AS currency,
  CAST(NULL AS STRING) AS origin,
  CAST(NULL AS STRING) AS reason
FROM capacity_prices AS known
WHERE @recorded
  AND COALESCE(known.valid_to, known.read_at) > @since
  -- The history also has machine types that could replace those in use.
  AND EXISTS (
    SELECT 1
    FROM shape_components AS used
    WHERE used.machine_type = known.machine_type
  )
UNION ALL
SELECT
  'contract' AS source,
  agreed.sku_id,
  CAST(NULL AS STRING) AS region,
  CAST(NULL AS STRING) AS component,
  CAST(NULL AS STRING) AS market,
  agreed.unit,
  agreed.rate,
  CAST(NULL AS STRING) AS description,
  agreed.valid_from,
  agreed.valid_to,
  agreed.by_month,
  CAST(NULL AS STRING) AS machine_type,
  CAST(NULL AS NUMERIC) AS price,
  CAST(NULL AS TIMESTAMP) AS read_at,
  agreed.currency,
  agreed.origin,
  agreed.reason
FROM contract_prices AS agreed
WHERE @contract
  AND (agreed.valid_to IS NULL OR agreed.valid_to > @since)
