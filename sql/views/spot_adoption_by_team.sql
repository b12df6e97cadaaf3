-- How much of each team's fleet is Spot, and what would the rest save as Spot?
-- Grain: one project and team with a VM that exists.
--
-- Every existing VM counts, stopped ones too. Savings are at current list prices of the machine type, as if the VM ran, and
-- do not include attached GPUs and local SSD; without_price counts the VMs that are not in them. Not every workload can be
-- Spot: a VM that must not be preempted is not a saving. scanned_at says how old the knowledge is. Reads 30 days of
-- the inventory.
SELECT
  vms.project_id,  -- STRING: The Google Cloud project.
  vms.team,  -- STRING: The value of the label team; (unlabelled) without one.
  COUNT(*) AS instances,  -- INTEGER: VMs that exist, Spot and others, running or not.
  COUNTIF(vms.is_spot) AS spot_instances,  -- INTEGER: Spot VMs among them.
  SUM(vms.vcpus) AS vcpus,  -- NUMERIC: vCPUs of those whose machine type is known.
  SUM(IF(vms.is_spot, vms.vcpus, 0)) AS spot_vcpus,  -- NUMERIC: vCPUs of Spot VMs among them.
  ROUND(SAFE_DIVIDE(SUM(IF(vms.is_spot, vms.vcpus, 0)), SUM(vms.vcpus)) * 100, 2) AS spot_percent_of_vcpus,  -- NUMERIC: spot_vcpus in percent of vcpus.
  IF(
    COUNTIF(vms.is_spot IS NOT TRUE) > 0
    AND COUNTIF(vms.is_spot IS NOT TRUE AND (prices.ondemand_price - prices.spot_price) IS NOT NULL) = 0,
    NULL,
    SUM(IF(vms.is_spot, 0, prices.ondemand_price - prices.spot_price)) * 730
  ) AS monthly_savings_on_spot,  -- NUMERIC: What the other VMs would save as Spot VMs in 730 hours, in USD, where both prices are known; NULL when no other VM has both.
  COUNTIF(vms.is_spot IS NOT TRUE AND (prices.ondemand_price - prices.spot_price) IS NULL) AS without_price,  -- INTEGER: Other VMs of which a price is not known, such as custom types.
  MIN(vms.scanned_at) AS scanned_at  -- TIMESTAMP: The latest whole scan of the project; NULL without one in two days, when the VMs are those of its last scan.
FROM `${dataset}.existing_vms` AS vms
LEFT JOIN `${dataset}.machine_type_prices` AS prices
  ON prices.machine_type = vms.machine_type
  AND prices.region = vms.region
GROUP BY
  vms.project_id,
  vms.team
