-- A staged contract price is the whole row: one that ended comes with its end.
DELETE FROM contract_prices AS recorded
WHERE EXISTS (
  SELECT 1
  FROM {staging} AS staged
  WHERE staged.contract_price.sku_id = recorded.sku_id
    AND staged.contract_price.valid_from = recorded.valid_from
);

INSERT INTO contract_prices
SELECT contract_price.*
FROM {staging}
WHERE contract_price.sku_id IS NOT NULL;
