-- What does work lost to preemption cost each team?
-- Grain: one project and team that ran in the last 30 days.
--
-- Lost is the uptime of a preempted VM from the full hour to its last preemption in it: work that is repeated when it is
-- saved every full hour; a team that saves less often loses more. Preemptions of VMs that no source could identify have
-- no team: they are unseen_preemptions in interruptions. Reads 30 days.
WITH last_preemptions AS (
  SELECT
    TIMESTAMP_TRUNC(preempted.preempted_at, HOUR) AS hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id,
    COUNT(*) AS preemptions,
    MAX(preempted.preempted_at) AS preempted_at
  FROM `${dataset}.spot_preemptions` AS preempted
  WHERE preempted.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
  GROUP BY
    hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id
),

vm_hours AS (
  SELECT
    costs.project_id,
    COALESCE(
      (
        SELECT MIN(label.value)
        FROM UNNEST(costs.labels) AS label
        WHERE label.key = 'team' AND label.value != ''
      ),
      '(unlabelled)'
    ) AS team,
    costs.uptime_hours,
    costs.cost,
    -- One that was started as another machine in the hour has two rows: its preemptions count once.
    IF(
      ROW_NUMBER() OVER (
        PARTITION BY TIMESTAMP_TRUNC(costs.usage_start_time, HOUR), costs.project_id, costs.zone, costs.instance_id
        ORDER BY costs.usage_start_time DESC
      ) = 1,
      COALESCE(preempted.preemptions, 0),
      0
    ) AS preemptions,
    IF(
      preempted.instance_id IS NULL,
      0,
      LEAST(
        costs.uptime_hours,
        CAST(GREATEST(TIMESTAMP_DIFF(preempted.preempted_at, costs.usage_start_time, SECOND), 0) AS NUMERIC) / 3600
      )
    ) AS lost_hours
  FROM `${dataset}.spot_vm_costs` AS costs
  LEFT JOIN last_preemptions AS preempted
    ON preempted.hour = TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
    AND preempted.project_id = costs.project_id
    AND preempted.zone = costs.zone
    AND preempted.instance_id = costs.instance_id
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
),

teams AS (
  SELECT
    project_id,
    team,
    SUM(uptime_hours) AS vm_hours,
    SUM(IF(cost IS NULL, 0, uptime_hours)) AS priced_hours,
    SUM(cost) AS cost,
    SUM(preemptions) AS preemptions,
    SUM(lost_hours) AS lost_hours,
    SUM(IF(cost IS NULL, 0, lost_hours)) AS priced_lost_hours,
    SUM(cost * SAFE_DIVIDE(lost_hours, uptime_hours)) AS lost_cost
  FROM vm_hours
  GROUP BY
    project_id,
    team
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
