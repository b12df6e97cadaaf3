-- Invariant: the billed components of every priced VM are recorded, so that price_changes can say what a new rate costs
-- the fleet.
-- Grain: one shape that was priced in the last two days and has no components.
SELECT
  costs.machine_type,
  costs.gpu_type,
  costs.gpu_count,
  costs.local_ssd_gib,
  COUNT(*) AS row_count
FROM `${dataset}.spot_vm_costs` AS costs
LEFT JOIN `${dataset}.shape_components` AS components
  ON components.machine_type = costs.machine_type
  AND COALESCE(components.gpu_type, '') = COALESCE(costs.gpu_type, '')
  AND components.gpu_count = costs.gpu_count
  AND components.local_ssd_gib = costs.local_ssd_gib
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 2 DAY)
  -- The components of a VM without a price are unknown.
  AND costs.cost IS NOT NULL
  AND components.component IS NULL
GROUP BY
  costs.machine_type,
  costs.gpu_type,
  costs.gpu_count,
  costs.local_ssd_gib
