-- What did each Spot VM cost over its life, and which are the most expensive?
-- Grain: one Spot VM that ran in the last 92 days.
--
-- Figures are of these 92 days: a VM whose first_hour is their first may have run and cost more before. instance_name,
-- machine_type and team are those of the VM's last hour. cost_rank orders all VMs, the most expensive first: the ten most
-- expensive are WHERE cost_rank <= 10. Reads 92 days, whatever the filter.
WITH present AS (
  SELECT MAX(runs.hour) AS hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
),

preemptions AS (
  SELECT
    preempted.project_id,
    preempted.zone,
    preempted.instance_id,
    COUNT(*) AS preemptions,
    MAX(preempted.preempted_at) AS last_preempted_at
  FROM `${dataset}.spot_preemptions` AS preempted
  WHERE preempted.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
  GROUP BY
    preempted.project_id,
    preempted.zone,
    preempted.instance_id
),

ranked AS (
  SELECT
    rolled.*,
    -- Of the sums of one VM, that which has its last cost row.
    ROW_NUMBER() OVER (
      PARTITION BY rolled.project_id, rolled.zone, rolled.instance_id ORDER BY rolled.last_start_time DESC
    ) = 1 AS is_last
  FROM `${dataset}.daily_vm_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 92 DAY)
),

vms AS (
  SELECT
    project_id,
    zone,
    instance_id,
    MAX(IF(is_last, instance_name, NULL)) AS instance_name,
    MAX(IF(is_last, machine_type, NULL)) AS machine_type,
    MAX(IF(is_last, managed_by, NULL)) AS managed_by,
    MAX(IF(is_last, team, NULL)) AS team,
    MIN(first_hour) AS first_hour,
    TIMESTAMP_TRUNC(MAX(last_start_time), HOUR) AS last_hour,
    SUM(vm_hours) AS vm_hours,
    SUM(priced_hours) AS priced_hours,
    SUM(cost) AS cost,
    SUM(ondemand_cost) AS ondemand_cost,
    SUM(known_cost) AS known_cost,
    SUM(fully_priced_hours) AS fully_priced_hours
  FROM ranked
  GROUP BY
    project_id,
    zone,
    instance_id
)

SELECT
  vms.project_id,  -- STRING: The Google Cloud project.
  vms.zone,  -- STRING: The zone.
  vms.instance_id,  -- STRING: The id of the VM, unique in its project and zone.
  vms.instance_name,  -- STRING: The name of the VM.
  vms.machine_type,  -- STRING: The machine type in its last hour; NULL when it is not known.
  vms.team,  -- STRING: The value of the label team in its last hour; (unlabelled) without one.
  REGEXP_EXTRACT(vms.managed_by, r'([^/]+)$') AS created_by_group,  -- STRING: The managed instance group that created the VM; NULL for a VM of no group.
  vms.first_hour,  -- TIMESTAMP: The start of the first hour in which it ran.
  vms.last_hour,  -- TIMESTAMP: The start of the last hour in which it ran.
  vms.last_hour >= present.hour AS ran_last_hour,  -- BOOLEAN: Whether it ran in the latest recorded hour.
  vms.vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  CASE
    WHEN vms.priced_hours < vms.vm_hours THEN
      LEAST(ROUND(SAFE_DIVIDE(vms.priced_hours, vms.vm_hours), 6), NUMERIC '0.999999')
    WHEN vms.vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of vm_hours with a known Spot price; 1 only when every hour has one.
  vms.cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  vms.ondemand_cost,  -- NUMERIC: Cost of the hours with an on-demand price, at that price, in USD; NULL when none is known.
  vms.known_cost,  -- NUMERIC: What is known of all that the VMs cost, in USD: cost, licenses, external addresses, disks and bandwidth; NULL when nothing is known.
  IF(vms.fully_priced_hours = vms.vm_hours, vms.known_cost, NULL) AS total_cost,  -- NUMERIC: known_cost when every part of it is known in every hour, in USD, else NULL; sum known_cost over rows instead.
  vms.fully_priced_hours,  -- NUMERIC: The VM-hours of which every part of known_cost is known; below vm_hours, known_cost is a lower bound.
  IF(vms.cost IS NULL, NULL, RANK() OVER (ORDER BY vms.cost DESC)) AS cost_rank,  -- INTEGER: The place of the VM by cost, the most expensive first; NULL when no price is known.
  COALESCE(preemptions.preemptions, 0) AS preemptions,  -- INTEGER: How often it was preempted.
  preemptions.last_preempted_at  -- TIMESTAMP: When it was last preempted; NULL when it was not.
FROM vms
CROSS JOIN present
LEFT JOIN preemptions
  ON preemptions.project_id = vms.project_id
  AND preemptions.zone = vms.zone
  AND preemptions.instance_id = vms.instance_id
