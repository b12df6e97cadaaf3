-- What did Spot VMs cost in each hour of the periods, by the cost rows themselves?
-- Grain: one hour with rows, or with a recorded state of a project, of all teams (an empty one) or of one.
--
-- A run has the same from hourly_costs, which lacks the days before a deployment had it. Of those days what
-- disks and reserved addresses cost while no VM ran is left out, until rebuild-rollups is run.
WITH labelled AS (
  SELECT
    costs.*,
    (
      SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.team, CONCAT(',', label.key, ',')))
      FROM UNNEST(costs.labels) AS label
      WHERE STRPOS(keys.team, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
    ) AS carried_team
  FROM spot_vm_costs AS costs
  CROSS JOIN label_keys AS keys
  WHERE costs.usage_start_time >= @periods_start AND costs.usage_start_time < @periods_end
),

costs AS (
  SELECT
    TIMESTAMP_TRUNC(usage_start_time, HOUR) AS hour,
    counted AS team,
    -- A total that is not known counts with what is known of it.
    COALESCE(SUM(IF(@covers = 'total', COALESCE(known_cost, cost), cost)), 0) AS cost,
    SUM(uptime_hours) AS uptime_hours,
    SUM(IF(cost IS NULL, uptime_hours, 0)) AS unpriced_hours,
    SUM(
      IF(
        @covers = 'total' AND cost IS NOT NULL AND known_cost IS NOT NULL AND total_cost IS NULL, uptime_hours, 0
      )
    ) AS partial_hours,
    SUM(IF(@covers = 'total' AND known_cost IS NULL, uptime_hours, 0)) AS compute_only_hours
  FROM labelled
  CROSS JOIN UNNEST(@teams) AS counted
  WHERE counted = '' OR counted = labelled.carried_team
  GROUP BY hour, counted
),

recorded_hours AS (
  SELECT hour, counted AS team, SUM(unresolved_hours) AS unresolved_hours
  FROM project_hours
  CROSS JOIN UNNEST(@teams) AS counted
  WHERE hour >= @periods_start AND hour < @periods_end
  GROUP BY hour, counted
),

idle_resources AS (
  SELECT
    rolled.usage_hour AS hour,
    SUM(rolled.cost) AS cost,
    SUM(rolled.unpriced_hours) AS unpriced_hours
  FROM hourly_idle_resources AS rolled
  WHERE rolled.usage_hour >= @periods_start AND rolled.usage_hour < @periods_end
    -- A budget of the compute cost has none of it.
    AND @covers = 'total'
  GROUP BY hour
)

SELECT
  COALESCE(recorded.hour, costs.hour) AS hour,
  COALESCE(recorded.team, costs.team) AS team,
  COALESCE(costs.cost, 0) + COALESCE(idle.cost, 0) AS cost,
  COALESCE(costs.uptime_hours, 0) AS uptime_hours,
  COALESCE(costs.unpriced_hours, 0) AS unpriced_hours,
  COALESCE(costs.partial_hours, 0) AS partial_hours,
  COALESCE(costs.compute_only_hours, 0) AS compute_only_hours,
  COALESCE(recorded.unresolved_hours, 0) AS unresolved_hours,
  COALESCE(idle.unpriced_hours, 0) AS unpriced_resource_hours
FROM recorded_hours AS recorded
FULL OUTER JOIN costs
  ON costs.hour = recorded.hour AND costs.team = recorded.team
LEFT JOIN idle_resources AS idle
  ON idle.hour = recorded.hour
  -- It is summed by project: a budget of a label has none of it.
  AND recorded.team = ''
