-- What did Spot VMs cost between two times, by a key that the command fills in?
-- Grain: one value of the key, the dearest first, @most of them; all_… are of all values together.
WITH sums AS (
  SELECT
    {key} AS key,
    {vm} AS name,
    {place} AS place,
    {machine_type} AS machine_type,
    COUNT(DISTINCT CONCAT(costs.project_id, '/', costs.zone, '/', costs.instance_id)) AS vms,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(costs.cost IS NULL, costs.uptime_hours, 0)) AS unpriced_hours,
    SUM(costs.cost) AS cost,
    -- With disks, addresses, licenses and bandwidth, as far as they are known; rows of before they were recorded have none.
    SUM(COALESCE(costs.known_cost, costs.cost)) AS whole_cost,
    SUM(costs.ondemand_cost) AS ondemand_cost,
    -- Of rows with both prices, so that a price that is not known is no saving.
    SUM(costs.ondemand_cost - costs.cost) AS saved,
    SUM(IF(costs.cost IS NULL, NULL, costs.ondemand_cost)) AS compared_cost
  FROM spot_vm_costs AS costs
  CROSS JOIN label_keys AS keys
  WHERE costs.usage_start_time >= @first_time
    AND costs.usage_start_time < @end_time
  GROUP BY {grouping}
)

SELECT
  sums.key,
  sums.name,
  sums.place,
  sums.machine_type,
  sums.vms,
  sums.vm_hours,
  sums.unpriced_hours,
  sums.cost,
  sums.whole_cost,
  sums.ondemand_cost,
  sums.saved,
  sums.compared_cost,
  COUNT(*) OVER () AS all_keys,
  SUM(sums.vm_hours) OVER () AS all_vm_hours,
  SUM(sums.unpriced_hours) OVER () AS all_unpriced_hours,
  SUM(sums.cost) OVER () AS all_cost,
  SUM(sums.whole_cost) OVER () AS all_whole_cost,
  SUM(sums.ondemand_cost) OVER () AS all_ondemand_cost,
  SUM(sums.saved) OVER () AS all_saved,
  SUM(sums.compared_cost) OVER () AS all_compared_cost
FROM sums
QUALIFY ROW_NUMBER() OVER (ORDER BY sums.cost DESC, sums.key, sums.place) <= @most
ORDER BY sums.cost DESC, sums.key, sums.place
