-- Invariant: contract_cost is billed_hours times contract_price, contract_total_cost the sum of all parts where every one is
-- known, else NULL, and what is not known has a reason.
-- Grain: one cost row that violates it.
--
-- Reads 45 days: the tracker changes no older row. Rows without contract prices have neither prices nor a reason.
SELECT
  costs.usage_start_time,
  costs.project_id,
  costs.zone,
  costs.instance_id,
  costs.contract_price,
  costs.contract_cost,
  costs.contract_total_cost,
  costs.contract_reason
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  AND (
    ABS(costs.contract_cost - ROUND(COALESCE(costs.billed_hours, costs.uptime_hours) * costs.contract_price, 9))
      > (costs.contract_price + 1) * NUMERIC '0.000000001'
    OR (costs.contract_price IS NULL) != (costs.contract_cost IS NULL)
    OR COALESCE(costs.contract_total_cost, -1) != COALESCE(
      costs.contract_cost + costs.contract_license_cost + costs.contract_address_cost + costs.contract_disk_cost
        + costs.contract_bandwidth_cost,
      -1
    )
    -- Both are there where every part is known, and neither where no contract prices are read.
    OR (costs.contract_total_cost IS NOT NULL AND costs.contract_reason IS NOT NULL)
    OR (costs.contract_cost IS NOT NULL AND costs.contract_total_cost IS NULL AND costs.contract_reason IS NULL)
  )
