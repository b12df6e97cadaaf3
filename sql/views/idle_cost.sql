-- What did Spot VMs cost while no recorded work ran on them, and whose were they?
-- Grain: one UTC day, day of Cloud Billing, project, system, cluster and team of the last 92 days.
--
-- A UTC day has two rows, one for each day of Cloud Billing (in America/Los_Angeles) that it is part of: sum by
-- usage_date or by billing_date; a VM that ran in both parts counts in both. A VM for which nobody records work is idle
-- all the time here; idle_cost_of_workers leaves such VMs out. Reads 92 days, whatever the filter on usage_date.
WITH vm_days AS (
  SELECT
    DATE(hours.hour) AS usage_date,
    DATE(hours.hour, 'America/Los_Angeles') AS billing_date,
    hours.project_id,
    hours.zone,
    hours.instance_id,
    hours.team,
    SUM(hours.vm_hours) AS vm_hours,
    SUM(hours.priced_hours) AS priced_hours,
    SUM(hours.cost) AS cost,
    SUM(IF(hours.attempt IS NULL, hours.vm_hours, 0)) AS idle_hours,
    SUM(IF(hours.attempt IS NULL, hours.cost, NULL)) AS idle_cost,
    SUM(IF(hours.attempt IS NULL, hours.known_cost, NULL)) AS idle_known_cost,
    COUNTIF(hours.attempt IS NOT NULL) AS parts_of_work
  FROM `${dataset}.work_hours` AS hours
  GROUP BY
    usage_date,
    billing_date,
    hours.project_id,
    hours.zone,
    hours.instance_id,
    hours.team
),

owned_days AS (
  SELECT
    vm_days.*,
    COALESCE(owners.system, '(none)') AS system,
    owners.cluster,
    SUM(vm_days.parts_of_work) OVER (
      PARTITION BY vm_days.project_id, vm_days.zone, vm_days.instance_id
    ) > 0 AS has_work
  FROM vm_days
  LEFT JOIN `${dataset}.vm_owners` AS owners
    ON owners.project_id = vm_days.project_id
    AND owners.zone = vm_days.zone
    AND owners.instance_id = vm_days.instance_id
),

-- The team of a VM, not that of the work on it, owns its idle time; time of work counts for its own team.
sums AS (
  SELECT
    usage_date,
    billing_date,
    project_id,
    system,
    cluster,
    team,
    COUNT(DISTINCT CONCAT(zone, '/', instance_id)) AS vms,
    SUM(vm_hours) AS vm_hours,
    SUM(priced_hours) AS priced_hours,
    SUM(cost) AS cost,
    SUM(idle_hours) AS idle_hours,
    SUM(idle_cost) AS idle_cost,
    SUM(idle_known_cost) AS idle_known_cost,
    SUM(IF(has_work, idle_cost, NULL)) AS idle_cost_of_workers
  FROM owned_days
  GROUP BY
    usage_date,
    billing_date,
    project_id,
    system,
    cluster,
    team
)

SELECT
  usage_date,  -- DATE: The UTC day.
  billing_date,  -- DATE: The day of the usage in Cloud Billing, in America/Los_Angeles.
  project_id,  -- STRING: The Google Cloud project.
  system,  -- STRING: The scheduler, workflow engine or CI system that started the VMs; (none) when no rule matches.
  cluster,  -- STRING: Its cluster or managed instance group; NULL when the system does not name one.
  team,  -- STRING: The team of the work, or of the VM while it was idle; (unlabelled) without one.
  vms,  -- INTEGER: The Spot VMs that ran.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of vm_hours with a known Spot price; 1 only when every hour has one.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  idle_hours,  -- NUMERIC: The part of vm_hours in which no recorded work ran.
  ROUND(SAFE_DIVIDE(idle_hours, vm_hours), 6) AS idle_share,  -- NUMERIC: idle_hours divided by vm_hours.
  idle_cost,  -- NUMERIC: The part of cost in which no recorded work ran, in USD; NULL when none of it has a price.
  idle_known_cost,  -- NUMERIC: What is known of all that the VMs cost in that time, in USD; NULL when nothing is known.
  idle_cost_of_workers  -- NUMERIC: The part of idle_cost that is of VMs on which work is recorded, in USD; NULL without any.
FROM sums
