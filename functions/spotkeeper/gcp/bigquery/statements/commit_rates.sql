-- A staged rate is the whole row: one that ended comes with its end.
DELETE FROM spot_prices AS recorded
WHERE EXISTS (
  SELECT 1
  FROM {staging} AS staged
  WHERE staged.price.sku_id = recorded.sku_id
    AND staged.price.region = recorded.region
    AND staged.price.valid_from = recorded.valid_from
);

INSERT INTO spot_prices (
  sku_id, region, component, market, unit, rate, currency, description, valid_from, valid_to, run_id
)
SELECT
  staged.price.sku_id, staged.price.region, staged.price.component, staged.price.market, staged.price.unit,
  staged.price.rate, staged.price.currency, staged.price.description, staged.price.valid_from, staged.price.valid_to,
  staged.price.run_id
FROM {staging} AS staged
WHERE staged.price.sku_id IS NOT NULL;
