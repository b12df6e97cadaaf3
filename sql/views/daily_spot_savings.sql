-- What did Spot save each day against on-demand, with and without the work lost to preemption?
-- Grain: one UTC day, day of Cloud Billing and project in which a VM ran.
--
-- A UTC day has two rows, one for each day of Cloud Billing (in America/Los_Angeles) that it is part of: sum by
-- usage_date or by billing_date. Amounts cover the VM-hours whose Spot and on-demand prices are both known, so compared_cost
-- is not the cost of the day; priced_share is their share of all VM-hours, those of VMs that no source could identify
-- included. Lost is the uptime of a preempted
-- VM from the full hour to its last preemption in it: work that is repeated when it is saved every full hour. On demand
-- nothing is lost, so net savings are the on-demand cost of the other hours minus the cost of all hours, both of the same
-- VMs: one that no source could identify is in neither. Reads at most 400 days, so that a day can be compared with the
-- same day of last year; a filter on usage_date limits the partitions that are read.
WITH project_days AS (
  SELECT
    rolled.usage_date,
    rolled.billing_date,
    rolled.project_id,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.unresolved_hours) AS unresolved_hours,
    SUM(rolled.vm_hours + rolled.unresolved_hours) AS all_hours,
    SUM(rolled.compared_hours) AS priced_hours,
    SUM(rolled.compared_cost) AS cost,
    SUM(rolled.compared_ondemand_cost) AS ondemand_cost,
    SUM(rolled.lost_hours) AS lost_hours,
    SUM(rolled.kept_ondemand_cost) AS kept_ondemand_cost
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 400 DAY)
  GROUP BY
    rolled.usage_date,
    rolled.billing_date,
    rolled.project_id
)

SELECT
  usage_date,  -- DATE: The UTC day of the usage; a filter on it limits what is read.
  billing_date,  -- DATE: The day of the usage in Cloud Billing, in America/Los_Angeles.
  project_id,  -- STRING: The Google Cloud project.
  vm_hours,  -- NUMERIC: Uptime of Spot VMs in VM-hours, priced or not.
  unresolved_hours,  -- NUMERIC: VM-hours of VMs that no source could identify, Spot or not; they are in no amount.
  priced_hours,  -- NUMERIC: The VM-hours whose Spot and on-demand prices are both known.
  CASE
    WHEN priced_hours < all_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, all_hours), 6), NUMERIC '0.999999')
    WHEN all_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: priced_hours divided by vm_hours and unresolved_hours together; 1 only when every hour has both prices.
  cost AS compared_cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD: less than the cost of the other views where an on-demand price is not known. NULL when no hour has both prices.
  ondemand_cost AS compared_ondemand_cost,  -- NUMERIC: Cost of the same hours at on-demand list prices, in USD.
  ondemand_cost - cost AS savings,  -- NUMERIC: compared_ondemand_cost minus compared_cost, in USD.
  ROUND(SAFE_DIVIDE(ondemand_cost - cost, ondemand_cost) * 100, 2) AS savings_percent,  -- NUMERIC: savings in percent of compared_ondemand_cost.
  ROUND(lost_hours, 9) AS lost_hours,  -- NUMERIC: VM-hours that preempted VMs had run since the full hour when they were last preempted in it.
  ROUND(kept_ondemand_cost, 9) AS kept_ondemand_cost,  -- NUMERIC: On-demand cost of the priced hours without the lost ones, in USD.
  ROUND(kept_ondemand_cost - cost, 9) AS net_savings,  -- NUMERIC: kept_ondemand_cost minus compared_cost, in USD: the savings when lost work is repeated.
  ROUND(SAFE_DIVIDE(kept_ondemand_cost - cost, kept_ondemand_cost) * 100, 2) AS net_savings_percent  -- NUMERIC: net_savings in percent of kept_ondemand_cost.
FROM project_days
