-- Where, and as which other machine type, would the running VMs be cheaper on Spot?
-- Grain: one machine type in use in a region, and one of the ten cheapest options for it.
--
-- An option has at least as many vCPUs, as much memory and local SSD, the same bundled GPUs and the same CPU
-- architecture, at a lower current list price: the same type in another region, another type in the same region, or
-- both. Traffic between regions, data transfer and capacity of the zone are not considered. Preemptions per 1,000
-- VM-hours are our own of the last 30 days, of VMs with cost rows, NULL where nothing ran. VMs with attached GPUs or local SSD and custom
-- types are left out: the price of a machine type does not include them. In use is what ran in the last complete
-- recorded hour. Reads 30 days of costs.
WITH present AS (
  SELECT COALESCE(MAX(IF(runs.complete, runs.hour, NULL)), MAX(runs.hour)) AS hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
),

fleet AS (
  SELECT
    costs.machine_type,
    costs.region,
    costs.gpu_count,
    costs.local_ssd_gib,
    SUM(costs.uptime_hours) AS vms
  FROM `${dataset}.spot_vm_costs` AS costs
  INNER JOIN present
    ON present.hour = TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
  GROUP BY
    costs.machine_type,
    costs.region,
    costs.gpu_count,
    costs.local_ssd_gib
),

own_hours AS (
  SELECT
    costs.machine_type,
    costs.region,
    SUM(costs.uptime_hours) AS vm_hours
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
  GROUP BY
    costs.machine_type,
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

own_preemptions AS (
  SELECT
    taken.machine_type,
    taken.region,
    COUNT(*) AS preemptions
  FROM `${dataset}.spot_preemptions` AS taken
  -- Of VMs whose hours are known.
  INNER JOIN own_vms
    ON own_vms.project_id = taken.project_id
    AND own_vms.zone = taken.zone
    AND own_vms.instance_id = taken.instance_id
  WHERE taken.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
  GROUP BY
    taken.machine_type,
    taken.region
),

interruption_rates AS (
  SELECT
    own.machine_type,
    own.region,
    own.vm_hours,
    ROUND(SAFE_DIVIDE(COALESCE(taken.preemptions, 0) * 1000, own.vm_hours), 3) AS preemptions_per_1000_hours
  FROM own_hours AS own
  LEFT JOIN own_preemptions AS taken
    ON taken.machine_type = own.machine_type
    AND taken.region = own.region
),

options AS (
  SELECT
    fleet.machine_type,
    fleet.region,
    fleet.vms,
    here.spot_price,
    there.machine_type AS option_machine_type,
    there.region AS option_region,
    there.vcpus AS option_vcpus,
    there.memory_gib AS option_memory_gib,
    there.spot_price AS option_spot_price,
    there.as_of AS prices_as_of
  FROM fleet
  INNER JOIN `${dataset}.machine_type_prices` AS here
    ON here.machine_type = fleet.machine_type
    AND here.region = fleet.region
    AND here.gpu_count = fleet.gpu_count
    AND here.local_ssd_gib = fleet.local_ssd_gib
  INNER JOIN `${dataset}.machine_type_prices` AS there
    ON there.spot_price < here.spot_price
    AND there.vcpus >= here.vcpus
    AND there.memory_gib >= here.memory_gib
    AND COALESCE(there.gpu_type, '') = COALESCE(here.gpu_type, '')
    AND there.gpu_count = here.gpu_count
    AND there.local_ssd_gib >= here.local_ssd_gib
    AND COALESCE(there.architecture, '') = COALESCE(here.architecture, '')
  -- A machine type has hundreds of cheaper options; ten are enough to choose from.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY fleet.machine_type, fleet.region ORDER BY there.spot_price, there.region, there.machine_type
  ) <= 10
)

SELECT
  options.machine_type,  -- STRING: The machine type in use.
  options.region,  -- STRING: The region in which it runs.
  options.vms,  -- NUMERIC: VM-hours of it in the last complete recorded hour.
  options.spot_price,  -- NUMERIC: Its Spot list price there, in USD per hour.
  interruptions_here.preemptions_per_1000_hours,  -- NUMERIC: Our own preemptions of it there for each 1,000 VM-hours of the last 30 days; NULL where nothing ran.
  options.option_machine_type,  -- STRING: The machine type of the option.
  options.option_region,  -- STRING: The region of the option.
  CASE
    WHEN options.option_machine_type = options.machine_type THEN 'other region'
    WHEN options.option_region = options.region THEN 'other type'
    ELSE 'other type and region'
  END AS change,  -- STRING: other region, other type, or other type and region.
  options.option_vcpus,  -- NUMERIC: vCPUs of the option, at least as many as now.
  options.option_memory_gib,  -- NUMERIC: Memory of the option in GiB, at least as much as now.
  options.option_spot_price,  -- NUMERIC: The Spot list price of the option, in USD per hour.
  interruptions_there.preemptions_per_1000_hours AS option_preemptions_per_1000_hours,  -- NUMERIC: Our own preemptions of the option's type in its region for each 1,000 VM-hours of the last 30 days; NULL where nothing ran.
  interruptions_there.vm_hours AS option_vm_hours,  -- NUMERIC: The VM-hours that rate is of.
  ROUND((1 - SAFE_DIVIDE(options.option_spot_price, options.spot_price)) * 100, 2) AS savings_percent,  -- NUMERIC: What the option costs less, in percent of spot_price.
  ROUND((options.spot_price - options.option_spot_price) * options.vms * 730, 6) AS monthly_savings,  -- NUMERIC: What it saves for all VMs in 730 hours, in USD.
  options.prices_as_of  -- TIMESTAMP: When the prices were read from the catalog.
FROM options
LEFT JOIN interruption_rates AS interruptions_here
  ON interruptions_here.machine_type = options.machine_type
  AND interruptions_here.region = options.region
LEFT JOIN interruption_rates AS interruptions_there
  ON interruptions_there.machine_type = options.option_machine_type
  AND interruptions_there.region = options.option_region
