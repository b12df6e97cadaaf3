-- What did each project, team and machine type cost this week, and what moved most against the week before?
-- Grain: one project, team and machine type that ran in the last 14 whole UTC days.
--
-- This week is the seven UTC days before today, the week before the seven before those. A change is split in two: more or
-- fewer priced hours at the price of the week before, and another price for the hours of this week; all of it is by hours
-- where there were none before. Another mix of zones counts as another price. Uptime that no source could identify has the
-- team and machine type '(unresolved)', and no cost. recorded_hours tell whether a week is whole: a week with gaps is not a
-- cheap week. Reads 14 days.
WITH weeks AS (
  SELECT
    rolled.project_id,
    rolled.team,
    rolled.machine_type,
    rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 7 DAY) AS is_this_week,
    rolled.vm_hours + rolled.unresolved_hours AS vm_hours,
    rolled.priced_hours,
    COALESCE(rolled.cost, 0) AS cost,
    COALESCE(rolled.known_cost, 0) AS known_cost,
    rolled.fully_priced_hours
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 14 DAY)
    AND rolled.usage_date < DATE(${now})
),

hours_with_gaps AS (
  SELECT known.hour
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 14 DAY)
    AND known.state IN ('incomplete', 'final')
  GROUP BY known.hour
),

rolled_days AS (
  -- A rollup is written for a whole UTC day.
  SELECT rolled.usage_date
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 14 DAY)
    AND rolled.usage_date < DATE(${now})
  GROUP BY rolled.usage_date
),

recorded AS (
  SELECT
    COUNT(DISTINCT IF(runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 7 DAY), runs.hour, NULL)) AS hours,
    COUNT(DISTINCT IF(runs.hour < TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 7 DAY), runs.hour, NULL))
      AS hours_before
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 14 DAY)
    AND runs.hour < TIMESTAMP_TRUNC(${now}, DAY)
    -- A part of their cost is missing, or all of it.
    AND runs.hour NOT IN (SELECT gaps.hour FROM hours_with_gaps AS gaps)
    -- Cost rows of a day without a rollup are older than the rollups.
    AND (runs.row_count = 0 OR DATE(runs.hour) IN (SELECT days.usage_date FROM rolled_days AS days))
),

sums AS (
  SELECT
    project_id,
    team,
    machine_type,
    SUM(IF(is_this_week, vm_hours, 0)) AS vm_hours,
    SUM(IF(is_this_week, 0, vm_hours)) AS vm_hours_before,
    SUM(IF(is_this_week, priced_hours, 0)) AS priced_hours,
    SUM(IF(is_this_week, 0, priced_hours)) AS priced_hours_before,
    SUM(IF(is_this_week, cost, 0)) AS priced_cost,
    SUM(IF(is_this_week, 0, cost)) AS priced_cost_before,
    SUM(IF(is_this_week, known_cost, 0)) AS all_known_cost,
    SUM(IF(is_this_week, 0, known_cost)) AS all_known_cost_before,
    SUM(IF(is_this_week, fully_priced_hours, 0)) AS fully_priced_hours,
    SUM(IF(is_this_week, 0, fully_priced_hours)) AS fully_priced_hours_before
  FROM weeks
  GROUP BY
    project_id,
    team,
    machine_type
),

known_sums AS (
  -- The cost of hours without a price is not known: NULL, not 0.
  SELECT
    sums.*,
    IF(vm_hours > 0 AND priced_hours = 0, NULL, priced_cost) AS cost,
    IF(vm_hours_before > 0 AND priced_hours_before = 0, NULL, priced_cost_before) AS cost_before,
    IF(vm_hours > 0 AND priced_hours = 0 AND all_known_cost = 0, NULL, all_known_cost) AS known_cost,
    IF(
      vm_hours_before > 0 AND priced_hours_before = 0 AND all_known_cost_before = 0, NULL, all_known_cost_before
    ) AS known_cost_before
  FROM sums
),

changes AS (
  SELECT
    known_sums.*,
    cost - cost_before AS cost_change,
    IF(
      priced_hours_before = 0 OR cost IS NULL,
      cost - cost_before,
      ROUND((priced_hours - priced_hours_before) * SAFE_DIVIDE(cost_before, priced_hours_before), 9)
    ) AS change_by_hours
  FROM known_sums
)

SELECT
  changes.project_id,  -- STRING: The Google Cloud project.
  changes.team,  -- STRING: The value of the label team in that hour; (unlabelled) without one, (unresolved) for VMs that no source could identify.
  changes.machine_type,  -- STRING: The machine type; NULL when it is not known, (unresolved) for VMs that no source could identify.
  changes.vm_hours,  -- NUMERIC: Uptime of this week in VM-hours, priced or not.
  changes.vm_hours_before,  -- NUMERIC: Uptime of the week before in VM-hours, priced or not.
  changes.priced_hours,  -- NUMERIC: The VM-hours of this week whose Spot price is known.
  changes.priced_hours_before,  -- NUMERIC: The VM-hours of the week before whose Spot price is known.
  changes.cost,  -- NUMERIC: Cost of the priced hours of this week at Spot list prices, in USD; NULL when no price is known.
  changes.cost_before,  -- NUMERIC: Cost of the priced hours of the week before, in USD; NULL when no price is known.
  changes.cost_change,  -- NUMERIC: cost minus cost_before, in USD.
  ROUND(SAFE_DIVIDE(changes.cost_change, changes.cost_before) * 100, 2) AS change_percent,  -- NUMERIC: cost_change in percent of cost_before; NULL when nothing was spent.
  changes.change_by_hours,  -- NUMERIC: The part of cost_change that more or fewer priced hours make, at the mean price of the week before, in USD.
  changes.cost_change - changes.change_by_hours AS change_by_price,  -- NUMERIC: The part of cost_change that another mean price makes, in USD.
  changes.known_cost,  -- NUMERIC: What is known of all that the VMs cost this week, in USD: cost, licenses, external addresses, disks and bandwidth; NULL when nothing is known.
  changes.known_cost_before,  -- NUMERIC: The same of the week before, in USD.
  IF(changes.fully_priced_hours = changes.vm_hours, changes.known_cost, NULL) AS total_cost,  -- NUMERIC: known_cost when every part of it is known in every hour, in USD, else NULL; sum known_cost over rows instead.
  IF(
    changes.fully_priced_hours_before = changes.vm_hours_before, changes.known_cost_before, NULL
  ) AS total_cost_before,  -- NUMERIC: The same of the week before, in USD.
  changes.fully_priced_hours,  -- NUMERIC: The VM-hours of this week of which every part of known_cost is known; below vm_hours, known_cost is a lower bound.
  changes.fully_priced_hours_before,  -- NUMERIC: The same of the week before.
  IF(
    changes.cost_change IS NULL, NULL, RANK() OVER (ORDER BY ABS(changes.cost_change) DESC)
  ) AS mover_rank,  -- INTEGER: The place among all rows by the size of cost_change, up or down, from 1; NULL when it is not known.
  recorded.hours AS recorded_hours,  -- INTEGER: Hours of this week that the tracker read in full, in every project, of 168.
  recorded.hours_before AS recorded_hours_before  -- INTEGER: Hours of the week before that the tracker read in full, in every project, of 168.
FROM changes
CROSS JOIN recorded
