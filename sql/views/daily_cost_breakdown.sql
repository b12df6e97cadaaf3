-- What did Spot VMs cost each day, by project, machine type and zone?
-- Grain: one UTC day, day of Cloud Billing, project, machine type and zone in which a Spot VM ran.
--
-- A UTC day has two rows, one for each day of Cloud Billing (in America/Los_Angeles) that it is part of: sum by
-- usage_date or by billing_date. Uptime that no source could identify is a row of its own whose machine type, region and
-- zone are '(unresolved)': not priced, with an estimate if it is of Spot VMs at the mean price of their project that day.
-- cost covers the priced hours only, and contract_cost those with a contract price, which contract_list_cost has at list
-- prices. Reads at most 400 days, so that a day can be compared with the same day of last
-- year; a filter on usage_date limits the partitions that are read.
WITH all_usage AS (
  SELECT
    rolled.usage_date,
    rolled.billing_date,
    rolled.project_id,
    rolled.machine_type,
    rolled.region,
    rolled.zone,
    -- Each VM counts in one of the rows that have other labels.
    SUM(rolled.type_instances) AS instances,
    SUM(rolled.vm_hours + rolled.unresolved_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.priced_billed_hours) AS priced_billed_hours,
    SUM(rolled.cost) AS cost,
    SUM(rolled.known_cost) AS known_cost,
    SUM(rolled.fully_priced_hours) AS fully_priced_hours,
    SUM(rolled.contract_hours) AS contract_hours,
    SUM(rolled.contract_list_cost) AS contract_list_cost,
    SUM(rolled.contract_cost) AS contract_cost
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 400 DAY)
  GROUP BY
    rolled.usage_date,
    rolled.billing_date,
    rolled.project_id,
    rolled.machine_type,
    rolled.region,
    rolled.zone
)

SELECT
  usage_date,  -- DATE: The UTC day of the usage; a filter on it limits what is read.
  billing_date,  -- DATE: The day of the usage in Cloud Billing, in America/Los_Angeles.
  project_id,  -- STRING: The Google Cloud project.
  machine_type,  -- STRING: The machine type; NULL when it is not known, (unresolved) for VMs that no source could identify.
  region,  -- STRING: The region of the zone; (unresolved) for VMs that no source could identify.
  zone,  -- STRING: The zone; (unresolved) for VMs that no source could identify.
  instances,  -- INTEGER: Distinct VMs of the row, which do not add up over rows; NULL for VMs that no source could identify.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  priced_hours,  -- NUMERIC: The VM-hours whose Spot price is known; sums of it divided by sums of vm_hours are the share of a total.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: priced_hours divided by vm_hours; 1 only when every hour has a price.
  ROUND(SAFE_DIVIDE(cost, priced_billed_hours), 6) AS average_spot_price,  -- NUMERIC: Mean Spot price in USD per VM-hour, weighted by billed hours.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  known_cost,  -- NUMERIC: What is known of all that the VMs cost, in USD: cost, licenses, external addresses, disks and bandwidth; NULL when nothing is known.
  IF(fully_priced_hours = vm_hours, known_cost, NULL) AS total_cost,  -- NUMERIC: known_cost when every part of it is known in every hour, in USD, else NULL; sum known_cost over rows instead.
  fully_priced_hours,  -- NUMERIC: The VM-hours of which every part of known_cost is known; below vm_hours, known_cost is a lower bound.
  IF(
    machine_type = '(unresolved)',
    ROUND(vm_hours * SAFE_DIVIDE(SUM(cost) OVER project_days, SUM(priced_hours) OVER project_days), 6),
    NULL
  ) AS estimated_unresolved_cost,  -- NUMERIC: An estimate in USD: what unidentified VMs cost if they are Spot VMs at the mean price of their project that day; NULL in other rows, and without a price.
  contract_hours,  -- NUMERIC: The VM-hours whose contract price is known; NULL without any.
  contract_cost,  -- NUMERIC: Cost of contract_hours at contract prices, in USD.
  contract_list_cost,  -- NUMERIC: Cost of contract_hours at Spot list prices, in USD.
  ROUND(100 * SAFE_DIVIDE(contract_list_cost - contract_cost, contract_list_cost), 2) AS contract_discount_percent  -- NUMERIC: By how many percent contract_cost is below contract_list_cost.
FROM all_usage
WINDOW project_days AS (PARTITION BY usage_date, project_id)
