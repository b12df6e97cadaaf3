-- Which Spot VMs ran in hours without a known price, and are therefore not in focus_costs?
-- Grain: one Spot VM in one UTC hour in which it ran, as in focus_costs. The columns are those of FOCUS 1.2.
--
-- FOCUS does not allow a cost that is NULL, and 0 would be wrong. Reads at most 400 days; a filter on ChargePeriodStart
-- limits the partitions that are read.
SELECT
  costs.zone AS AvailabilityZone,  -- STRING: The zone.
  costs.usage_end_time AS ChargePeriodEnd,  -- TIMESTAMP: The end of the time of usage, not part of it.
  costs.usage_start_time AS ChargePeriodStart,  -- TIMESTAMP: The start of the time of usage; a filter on it limits what is read.
  costs.uptime_hours AS ConsumedQuantity,  -- NUMERIC: Uptime in hours.
  'Hours' AS ConsumedUnit,  -- STRING: Hours, in every row.
  COALESCE(costs.billed_hours, costs.uptime_hours) AS PricingQuantity,  -- NUMERIC: The hours that are billed.
  'Hours' AS PricingUnit,  -- STRING: Hours, in every row.
  costs.region AS RegionId,  -- STRING: The region.
  CONCAT(
    '//compute.googleapis.com/projects/', costs.project_id, '/zones/', costs.zone, '/instances/', costs.instance_id
  ) AS ResourceId,  -- STRING: The full resource name of the VM.
  costs.instance_name AS ResourceName,  -- STRING: The name of the VM.
  costs.project_id AS SubAccountId,  -- STRING: The id of the Google Cloud project.
  costs.machine_type AS x_MachineType,  -- STRING: The machine type; NULL when it is not known.
  costs.ondemand_cost AS x_OndemandCost,  -- NUMERIC: Cost at the on-demand list price, in USD; NULL when it is not known.
  costs.price_status AS x_PriceStatus  -- STRING: How certain the Spot price is: the column price_status of spot_vm_costs.
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  AND costs.cost IS NULL
