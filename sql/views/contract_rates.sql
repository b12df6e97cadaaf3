-- What does the billing account pay for each SKU of Spot VMs by its contract, and what is the list price?
-- Grain: one SKU of a Spot VM, or of what is attached to one, in one region, at the prices that hold now.
--
-- Empty unless contract_prices = true reads the prices. A price of the contract that is not known has the reason and no
-- discount. The tables of prices are small and not partitioned.
SELECT
  listed.sku_id,  -- STRING: The SKU.
  listed.component,  -- STRING: What it prices, such as n2:core or pd-balanced:capacity.
  listed.region,  -- STRING: The region.
  listed.description,  -- STRING: The description of the SKU.
  listed.unit,  -- STRING: What both rates are per, such as vcpu_hour.
  listed.rate AS list_rate,  -- BIGNUMERIC: The list price in USD per unit.
  agreed.rate AS contract_rate,  -- BIGNUMERIC: The contract price in currency per unit; NULL when it is not known.
  agreed.currency,  -- STRING: The currency of contract_rate; only prices in USD are used.
  IF(
    agreed.currency = 'USD',
    ROUND(CAST(100 * SAFE_DIVIDE(listed.rate - agreed.rate, listed.rate) AS NUMERIC), 4),
    NULL
  ) AS discount_percent,  -- NUMERIC: By how many percent the contract price is below the list price; NULL in another currency.
  agreed.origin,  -- STRING: Where Google has the price from, such as default-price, fixed-price or floating-discount.
  agreed.reason,  -- STRING: Why the contract price is not known; NULL when it is.
  agreed.valid_from AS contract_valid_from  -- TIMESTAMP: The first hour that the contract price counts in.
FROM `${dataset}.spot_prices` AS listed
INNER JOIN `${dataset}.contract_prices` AS agreed
  ON agreed.sku_id = listed.sku_id
WHERE listed.valid_to IS NULL
  AND agreed.valid_to IS NULL
