-- The rates that held at a time or later. Grain: one rate while it held.
SELECT sku_id, region, component, market, unit, rate, description, valid_from, valid_to, by_month
FROM spot_prices
WHERE valid_to IS NULL OR valid_to > @since
