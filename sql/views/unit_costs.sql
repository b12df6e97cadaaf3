-- What do a vCPU-hour, a GPU-hour and an experiment cost each team, and how far below on demand is that?
-- Grain: one month, project, team and type of GPU (NULL: none) in which a Spot VM ran.
--
-- Months are those of Cloud Billing, in America/Los_Angeles. Costs of a vCPU-hour and a GPU-hour are of compute alone, in
-- the priced hours whose size is known. A VM with GPUs has no cost per vCPU-hour: its GPUs are most of its cost. An
-- experiment is a value of the label experiment; cost_per_experiment counts all that is known of the cost of VMs with that
-- label alone, and one that ran in two months counts in both. To relate cost to units of your own (requests, samples),
-- join a table of them by month and team. Reads this month and the twelve before it, whatever the filter on month.
WITH sums AS (
  SELECT
    rolled.month,
    rolled.project_id,
    rolled.team,
    rolled.gpu_type,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.cost) AS cost,
    SUM(rolled.known_cost) AS known_cost,
    SUM(rolled.fully_priced_hours) AS fully_priced_hours,
    SUM(rolled.vcpu_hours) AS vcpu_hours,
    SUM(rolled.gpu_hours) AS gpu_hours,
    SUM(rolled.vcpu_cost) AS vcpu_cost,
    SUM(rolled.gpu_cost) AS gpu_cost,
    COUNT(DISTINCT NULLIF(rolled.experiment, '(unlabelled)')) AS experiments,
    COUNT(DISTINCT IF(rolled.known_cost IS NULL, NULL, NULLIF(rolled.experiment, '(unlabelled)'))) AS priced_experiments,
    SUM(IF(rolled.experiment = '(unlabelled)', NULL, rolled.known_cost)) AS experiment_cost,
    SUM(rolled.compared_cost) AS compared_cost,
    SUM(rolled.compared_ondemand_cost) AS compared_ondemand_cost
  FROM `${dataset}.monthly_costs` AS rolled
  WHERE rolled.month >= DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH)
    -- Of VMs that no source could identify nothing is known.
    AND rolled.team != '(unresolved)'
  GROUP BY
    rolled.month,
    rolled.project_id,
    rolled.team,
    rolled.gpu_type
)

SELECT
  month,  -- DATE: The first day of the month of Cloud Billing, in America/Los_Angeles.
  project_id,  -- STRING: The Google Cloud project.
  team,  -- STRING: The value of the label team in that hour; (unlabelled) without one.
  gpu_type,  -- STRING: The type of GPUs; NULL for VMs without any.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of vm_hours with a known Spot price; 1 only when every hour has one.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  known_cost,  -- NUMERIC: What is known of all that the VMs cost, in USD: cost, licenses, external addresses, disks and bandwidth; NULL when nothing is known.
  IF(fully_priced_hours = vm_hours, known_cost, NULL) AS total_cost,  -- NUMERIC: known_cost when every part of it is known in every hour, in USD, else NULL; sum known_cost over rows instead.
  fully_priced_hours,  -- NUMERIC: The VM-hours of which every part of known_cost is known; below vm_hours, known_cost is a lower bound.
  vcpu_hours,  -- NUMERIC: Priced vCPU-hours of VMs without GPUs; NULL without any.
  ROUND(SAFE_DIVIDE(vcpu_cost, vcpu_hours), 6) AS cost_per_vcpu_hour,  -- NUMERIC: Cost of a vCPU-hour, with its memory, in USD.
  gpu_hours,  -- NUMERIC: Priced GPU-hours; NULL without any.
  ROUND(SAFE_DIVIDE(gpu_cost, gpu_hours), 6) AS cost_per_gpu_hour,  -- NUMERIC: Cost of a GPU-hour, with the machine around it, in USD.
  experiments,  -- INTEGER: Distinct values of the label experiment.
  ROUND(SAFE_DIVIDE(experiment_cost, priced_experiments), 6) AS cost_per_experiment,  -- NUMERIC: Mean known_cost of an experiment of which anything is known, in USD; NULL without one.
  ROUND((1 - SAFE_DIVIDE(compared_cost, compared_ondemand_cost)) * 100, 2) AS discount_percent  -- NUMERIC: What the hours with both prices cost less than on demand, in percent.
FROM sums
