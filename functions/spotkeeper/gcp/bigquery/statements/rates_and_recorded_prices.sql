-- The rates that held at a time or later, and Google's own prices of the machine types that ran, from the same time on.
-- Grain: one rate while it held, or one price of a machine type in a region while it held, which has no SKU.
SELECT
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
  CAST(NULL AS TIMESTAMP) AS read_at
FROM spot_prices AS held
WHERE held.valid_to IS NULL OR held.valid_to > @since
UNION ALL
SELECT
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
  known.read_at
FROM capacity_prices AS known
WHERE COALESCE(known.valid_to, known.read_at) > @since
  -- The history also has machine types that could replace those in use.
  AND EXISTS (
    SELECT 1
    FROM shape_components AS used
    WHERE used.machine_type = known.machine_type
  )
