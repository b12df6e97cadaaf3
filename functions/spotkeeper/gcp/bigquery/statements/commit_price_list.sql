-- A reading of the catalog is the whole price list.
DELETE FROM machine_type_prices
WHERE TRUE;

INSERT INTO machine_type_prices
SELECT machine_type_price.*
FROM {staging}
WHERE machine_type_price.machine_type IS NOT NULL;
