-- Invariant: an unknown price is NULL, with a reason and the status unknown; a known price says when it was read.
-- Grain: one cost row and its violation. Reads 45 days: the tracker changes no older row.
WITH judged AS (
  SELECT
    costs.usage_start_time,
    costs.project_id,
    costs.zone,
    costs.instance_id,
    CASE
      WHEN costs.price_status NOT IN ('exact', 'confirmed', 'from_history', 'uncertain', 'fallback', 'stale', 'unknown')
        THEN 'no such status'
      WHEN (costs.price_status = 'unknown') != (costs.spot_price IS NULL) THEN 'status does not fit the price'
      WHEN (costs.spot_price IS NULL) != (costs.cost IS NULL) THEN 'price and cost are not both known'
      WHEN (costs.ondemand_price IS NULL) != (costs.ondemand_cost IS NULL) THEN
        'on-demand price and cost are not both known'
      WHEN (costs.spot_price IS NULL) != (costs.price_as_of IS NULL) THEN 'price and its reading are not both known'
      WHEN (costs.spot_price IS NULL OR costs.ondemand_price IS NULL) AND costs.price_reason IS NULL THEN
        'a price is unknown without a reason'
      -- The license of a virtual workstation is the one thing that is left out of a known price.
      WHEN costs.spot_price IS NOT NULL
        AND costs.ondemand_price IS NOT NULL
        AND costs.price_reason IS NOT NULL
        AND NOT ENDS_WITH(COALESCE(costs.gpu_type, ''), '-vws')
        THEN 'a reason without an unknown price'
    END AS problem
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
)

SELECT
  usage_start_time,
  project_id,
  zone,
  instance_id,
  problem
FROM judged
-- A row without a violation keeps the invariant.
WHERE problem IS NOT NULL
