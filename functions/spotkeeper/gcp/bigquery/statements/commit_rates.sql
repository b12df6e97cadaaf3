-- A staged rate is the whole row: one that ended comes with its end.
DELETE FROM spot_prices AS recorded
WHERE EXISTS (
  SELECT 1
  FROM {staging} AS staged
  WHERE staged.price.sku_id = recorded.sku_id
    AND staged.price.region = recorded.region
    AND staged.price.valid_from = recorded.valid_from
);

INSERT INTO spot_prices
SELECT price.*
FROM {staging}
WHERE price.sku_id IS NOT NULL;
