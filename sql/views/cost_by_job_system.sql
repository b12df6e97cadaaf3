-- What did each scheduler, workflow engine or CI system spend on Spot VMs, by cluster and job?
-- Grain: one UTC day, day of Cloud Billing, project, system, cluster and job of the last 92 days.
--
-- A UTC day has two rows, one for each day of Cloud Billing (in America/Los_Angeles) that it is part of: sum by
-- usage_date or by billing_date; a VM or work that ran in both parts counts in both. The rows of a day add up to the
-- cost of its Spot VMs. Reads 92 days, whatever the filter on usage_date.
WITH owned_hours AS (
  SELECT
    DATE(hours.hour) AS usage_date,
    DATE(hours.hour, 'America/Los_Angeles') AS billing_date,
    hours.*,
    COALESCE(owners.system, '(none)') AS system,
    owners.cluster,
    owners.job
  FROM `${dataset}.work_hours` AS hours
  LEFT JOIN `${dataset}.vm_owners` AS owners
    ON owners.project_id = hours.project_id
    AND owners.zone = hours.zone
    AND owners.instance_id = hours.instance_id
),

sums AS (
  SELECT
    usage_date,
    billing_date,
    project_id,
    system,
    cluster,
    job,
    COUNT(DISTINCT CONCAT(project_id, '/', zone, '/', instance_id)) AS vms,
    COUNT(DISTINCT IF(attempt IS NULL, NULL, work_id)) AS works,
    SUM(vm_hours) AS vm_hours,
    SUM(priced_hours) AS priced_hours,
    SUM(cost) AS cost,
    SUM(known_cost) AS known_cost,
    SUM(ondemand_cost) AS ondemand_cost,
    SUM(IF(attempt IS NULL, vm_hours, 0)) AS idle_hours,
    SUM(IF(attempt IS NULL, cost, NULL)) AS idle_cost,
    SUM(lost_hours) AS lost_hours,
    SUM(lost_cost) AS lost_cost
  FROM owned_hours
  GROUP BY
    usage_date,
    billing_date,
    project_id,
    system,
    cluster,
    job
)

SELECT
  usage_date,  -- DATE: The UTC day.
  billing_date,  -- DATE: The day of the usage in Cloud Billing, in America/Los_Angeles.
  project_id,  -- STRING: The Google Cloud project.
  system,  -- STRING: The scheduler, workflow engine or CI system that started the VMs; (none) when no rule matches.
  cluster,  -- STRING: Its cluster or managed instance group; NULL when the system does not name one.
  job,  -- STRING: Its job, workflow or pipeline; NULL when the system does not name one on the VM.
  vms,  -- INTEGER: The Spot VMs that ran.
  works,  -- INTEGER: The pieces of recorded work that ran on them.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of vm_hours with a known Spot price; 1 only when every hour has one.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  known_cost,  -- NUMERIC: What is known of all that the VMs cost, in USD; NULL when nothing is known.
  ondemand_cost,  -- NUMERIC: Cost of the hours with an on-demand price, at that price, in USD; NULL when none is known.
  idle_hours,  -- NUMERIC: The part of vm_hours in which no recorded work ran.
  idle_cost,  -- NUMERIC: The part of cost in which no recorded work ran, in USD; NULL when none of it has a price.
  lost_hours,  -- NUMERIC: What preempted attempts did after their last checkpoint, in VM-hours.
  lost_cost  -- NUMERIC: The part of cost that is lost with it, in USD; NULL when no price is known.
FROM sums
