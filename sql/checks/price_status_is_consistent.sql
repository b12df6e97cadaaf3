-- Promise: a price that is not known is NULL with a reason and the status unknown, and one that is known says when it
-- was read.
-- One row is a cost row and what is wrong with it. Reads 45 days: the tracker changes no row that is older.
WITH judged AS (
  SELECT
    costs.usage_start_time,
    costs.project_id,
    costs.zone,
    costs.instance_id,
    CASE
      WHEN costs.price_status NOT IN ('exact', 'fallback', 'stale', 'unknown') THEN 'no such status'
      WHEN (costs.price_status = 'unknown') != (costs.spot_price IS NULL) THEN 'status does not fit the price'
      WHEN (costs.spot_price IS NULL) != (costs.cost IS NULL) THEN 'price and cost are not both known'
      WHEN (costs.ondemand_price IS NULL) != (costs.ondemand_cost IS NULL) THEN
        'on-demand price and cost are not both known'
      WHEN (costs.spot_price IS NULL) != (costs.price_as_of IS NULL) THEN 'price and its reading are not both known'
      WHEN (costs.spot_price IS NULL OR costs.ondemand_price IS NULL) != (costs.price_reason IS NOT NULL) THEN
        'reason does not fit the prices'
    END AS fault
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
)

SELECT
  usage_start_time,
  project_id,
  zone,
  instance_id,
  fault
FROM judged
-- A row without a fault keeps the promise.
WHERE fault IS NOT NULL
