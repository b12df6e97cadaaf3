-- What does work lost to preemption cost each team?
-- Grain: one project and team that ran in the last 30 days.
--
-- Lost is the uptime of a preempted VM from the full hour to its last preemption in it: work that is repeated when it is
-- saved every full hour; a team that saves less often loses more. Preemptions of VMs that no source could identify have
-- no team: they are unseen_preemptions in interruptions. Reads 30 days.
WITH teams AS (
  SELECT
    rolled.project_id,
    rolled.team,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.cost) AS cost,
    SUM(rolled.preemptions) AS preemptions,
    SUM(rolled.lost_hours) AS lost_hours,
    SUM(rolled.priced_lost_hours) AS priced_lost_hours,
    SUM(rolled.lost_cost) AS lost_cost
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 30 DAY)
    -- Of VMs that no source could identify nothing is known.
    AND rolled.team != '(unresolved)'
  GROUP BY
    rolled.project_id,
    rolled.team
),

known_teams AS (
  -- The cost of hours without a price is not known: NULL, not 0.
  SELECT
    * EXCEPT (lost_cost, priced_lost_hours),
    IF(lost_hours > 0 AND priced_lost_hours = 0, NULL, lost_cost) AS lost_cost
  FROM teams
)

SELECT
  project_id,  -- STRING: The Google Cloud project.
  team,  -- STRING: The value of the label team in that hour; (unlabelled) without one.
  vm_hours,  -- NUMERIC: Uptime of Spot VMs in VM-hours, priced or not.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of vm_hours with a known Spot price; 1 only when every hour has one.
  cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  preemptions,  -- INTEGER: Preemptions in hours with a cost row.
  ROUND(SAFE_DIVIDE(vm_hours, preemptions), 2) AS mean_hours_between,  -- NUMERIC: vm_hours divided by preemptions; NULL without a preemption.
  ROUND(lost_hours, 9) AS lost_hours,  -- NUMERIC: VM-hours that preempted VMs had run since the full hour when they were last preempted in it.
  ROUND(SAFE_DIVIDE(lost_hours, vm_hours), 6) AS lost_share,  -- NUMERIC: lost_hours divided by vm_hours.
  ROUND(lost_cost, 6) AS lost_cost,  -- NUMERIC: Cost of the lost hours that have a price, in USD; NULL when none of them has one.
  ROUND(SAFE_DIVIDE(lost_cost, cost) * 100, 4) AS lost_percent  -- NUMERIC: lost_cost in percent of cost.
FROM known_teams
