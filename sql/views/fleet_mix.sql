-- How much of the fleet is Spot, what does it save, how often is it interrupted, and what else could be Spot?
-- Grain: one project and region in which the latest whole scan of the project, or a later one, found a VM.
--
-- Every existing VM counts, stopped ones too: the inventory does not say whether a VM runs. Spot costs and savings are
-- those of the last complete hour of the last two days, preemptions those of the last 30 days; the rate per 1,000
-- VM-hours is that of VMs with cost rows. Other VMs cost the list price of their machine type as if they ran, without
-- attached GPUs and local SSD; without_price counts those that have no list price, such as custom types. VMs that no
-- source could identify have no region: priced_share counts those of the project in every region as not priced. as_of is
-- the end of that hour, scanned_at the latest whole scan of the project. Reads 30 days of costs. The inventory is small and not partitioned.
WITH present AS (
  SELECT COALESCE(MAX(IF(runs.complete, runs.hour, NULL)), MAX(runs.hour)) AS hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
),

unresolved_hours AS (
  SELECT
    unresolved.project_id,
    SUM(unresolved.vm_hours) AS vm_hours
  FROM `${dataset}.unresolved_usage` AS unresolved
  INNER JOIN present
    ON present.hour = unresolved.usage_start_time
  WHERE unresolved.usage_start_time >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
  GROUP BY unresolved.project_id
),

instances AS (
  SELECT
    vms.project_id,
    vms.region,
    COUNT(*) AS instances,
    COUNTIF(vms.is_spot) AS spot_instances,
    SUM(vms.vcpus) AS vcpus,
    SUM(IF(vms.is_spot, vms.vcpus, 0)) AS spot_vcpus,
    SUM(IF(vms.is_spot, 0, prices.ondemand_price)) AS other_hourly_cost,
    SUM(IF(vms.is_spot, 0, prices.ondemand_price - prices.spot_price)) AS other_hourly_savings_on_spot,
    COUNTIF(NOT vms.is_spot AND prices.ondemand_price IS NULL) AS without_price,
    MAX(vms.scanned_at) AS scanned_at
  FROM `${dataset}.existing_vms` AS vms
  LEFT JOIN `${dataset}.machine_type_prices` AS prices
    ON prices.machine_type = vms.machine_type
    AND prices.region = vms.region
  GROUP BY
    vms.project_id,
    vms.region
),

spot_hours AS (
  SELECT
    costs.project_id,
    costs.region,
    MAX(present.hour) AS latest_hour,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) = present.hour, costs.uptime_hours, 0)) AS latest_hours,
    SUM(
      IF(TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) = present.hour AND costs.cost IS NOT NULL, costs.uptime_hours, 0)
    ) AS latest_priced_hours,
    SUM(IF(TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) = present.hour, costs.cost, 0)) AS spot_hourly_cost,
    SUM(
      IF(TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) = present.hour AND costs.ondemand_cost IS NOT NULL, costs.cost, 0)
    ) AS compared_hourly_cost,
    SUM(
      IF(TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) = present.hour AND costs.cost IS NOT NULL, costs.ondemand_cost, 0)
    ) AS spot_hourly_ondemand_cost
  FROM `${dataset}.spot_vm_costs` AS costs
  CROSS JOIN present
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
  GROUP BY
    costs.project_id,
    costs.region
),

own_vms AS (
  SELECT DISTINCT
    costs.project_id,
    costs.zone,
    costs.instance_id
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
),

preemptions AS (
  SELECT
    taken.project_id,
    taken.region,
    COUNT(*) AS preemptions,
    COUNTIF(own_vms.instance_id IS NOT NULL) AS own_preemptions
  FROM `${dataset}.spot_preemptions` AS taken
  LEFT JOIN own_vms
    ON own_vms.project_id = taken.project_id
    AND own_vms.zone = taken.zone
    AND own_vms.instance_id = taken.instance_id
  WHERE taken.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
  GROUP BY
    taken.project_id,
    taken.region
)

SELECT
  instances.project_id,  -- STRING: The Google Cloud project.
  instances.region,  -- STRING: The region.
  instances.instances,  -- INTEGER: VMs that exist, Spot and others, running or not.
  instances.spot_instances,  -- INTEGER: Spot VMs among them.
  instances.vcpus,  -- NUMERIC: vCPUs of all of them whose machine type is known.
  ROUND(SAFE_DIVIDE(instances.spot_vcpus, instances.vcpus) * 100, 2) AS spot_percent_of_vcpus,  -- NUMERIC: The vCPUs of Spot VMs in percent of vcpus.
  CASE
    WHEN spot.latest_priced_hours < spot.latest_hours + COALESCE(unresolved.vm_hours, 0) THEN
      LEAST(
        ROUND(SAFE_DIVIDE(spot.latest_priced_hours, spot.latest_hours + COALESCE(unresolved.vm_hours, 0)), 6),
        NUMERIC '0.999999'
      )
    WHEN spot.latest_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of VM-hours of the last complete hour with a known Spot price, those of the project's unidentified VMs included; 1 only when every hour has one.
  IF(spot.latest_hour IS NULL, NULL, spot.spot_hourly_cost) AS spot_hourly_cost,  -- NUMERIC: Cost of Spot VMs in that hour, in USD; NULL without one in two days.
  IF(
    spot.latest_hour IS NULL, NULL, spot.spot_hourly_ondemand_cost - spot.compared_hourly_cost
  ) AS spot_hourly_savings,  -- NUMERIC: What the same VM-hours would cost more on demand, in USD, where both prices are known.
  ROUND(
    SAFE_DIVIDE(spot.spot_hourly_ondemand_cost - spot.compared_hourly_cost, spot.spot_hourly_ondemand_cost) * 100, 2
  ) AS spot_savings_percent,  -- NUMERIC: spot_hourly_savings in percent of the on-demand cost.
  COALESCE(preemptions.preemptions, 0) AS preemptions,  -- INTEGER: Preemptions in the last 30 days.
  ROUND(SAFE_DIVIDE(COALESCE(preemptions.own_preemptions, 0) * 1000, spot.vm_hours), 3) AS preemptions_per_1000_hours,  -- NUMERIC: Preemptions of VMs with cost rows for each 1,000 VM-hours of the last 30 days.
  instances.other_hourly_cost,  -- NUMERIC: On-demand list price of the machine types of the other VMs, in USD per hour, as if all of them ran.
  instances.other_hourly_savings_on_spot,  -- NUMERIC: What they would save as Spot VMs, in USD per hour, where both prices are known.
  instances.without_price,  -- INTEGER: Other VMs that have no list price, such as custom types.
  COALESCE(unresolved.vm_hours, 0) AS unresolved_hours,  -- NUMERIC: VM-hours of the project in that hour of VMs that no source could identify, the same in each of its regions.
  TIMESTAMP_ADD(present.hour, INTERVAL 1 HOUR) AS as_of,  -- TIMESTAMP: The end of the last complete hour; NULL without one in two days.
  TIMESTAMP_DIFF(${now}, TIMESTAMP_ADD(present.hour, INTERVAL 1 HOUR), HOUR) AS age_hours,  -- INTEGER: Whole hours from as_of to now: how old the Spot figures are.
  instances.scanned_at  -- TIMESTAMP: The latest whole scan of the project; NULL without one in two days, when the VMs are those of its last scan.
FROM instances
CROSS JOIN present
LEFT JOIN unresolved_hours AS unresolved
  ON unresolved.project_id = instances.project_id
LEFT JOIN spot_hours AS spot
  ON spot.project_id = instances.project_id
  AND spot.region = instances.region
LEFT JOIN preemptions
  ON preemptions.project_id = instances.project_id
  AND preemptions.region = instances.region
