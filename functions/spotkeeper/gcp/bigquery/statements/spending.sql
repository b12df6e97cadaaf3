-- What have the VMs of each budget cost in the hours of its periods, and which of their alerts were sent?
-- Grain: one row, with an array of hours, by team and in all, and one of the thresholds that were notified.
WITH costs AS (
  SELECT
    rolled.usage_hour AS hour,
    counted AS team,
    -- A total that is not known counts with what is known of it.
    COALESCE(SUM(IF(@covers = 'total', rolled.known_cost, rolled.cost)), 0) AS cost,
    SUM(rolled.vm_hours) AS uptime_hours,
    SUM(rolled.vm_hours - rolled.priced_hours) AS unpriced_hours,
    SUM(IF(@covers = 'total', rolled.partly_priced_hours, 0)) AS partial_hours,
    SUM(IF(@covers = 'total', rolled.compute_only_hours, 0)) AS compute_only_hours
  FROM hourly_costs AS rolled
  -- An empty one counts all teams.
  CROSS JOIN UNNEST(@teams) AS counted
  WHERE rolled.usage_hour >= @periods_start
    AND rolled.usage_hour < @periods_end
    AND counted IN ('', rolled.team)
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
),

recorded_hours AS (
  -- What could not be identified has no label: it may be of any team.
  SELECT hour, counted AS team, SUM(unresolved_hours) AS unresolved_hours
  FROM project_hours
  CROSS JOIN UNNEST(@teams) AS counted
  WHERE hour >= @periods_start AND hour < @periods_end
  GROUP BY hour, counted
)

SELECT
  ARRAY(
    SELECT AS STRUCT
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
  ) AS hours,
  ARRAY(
    SELECT AS STRUCT
      period, period_start, kind, threshold, budget, COALESCE(label_budget, '') AS label_budget, estimated_at
    FROM budget_alerts
    WHERE period_start >= @periods_start
      AND period_start < @periods_end
      AND message_id IS NOT NULL
      AND withdrawn_at IS NULL
  ) AS notified,
  -- A rollup is written for a whole UTC day. Without one the cost rows of a day are older than the rollups.
  NOT EXISTS (
    SELECT 1
    FROM tracker_runs AS runs
    WHERE runs.hour >= @periods_start
      AND runs.hour < @periods_end
      AND runs.row_count > 0
      AND DATE(runs.hour) NOT IN (SELECT DATE(costs.hour) FROM costs)
  ) AS rolled_up,
  EXISTS (
    SELECT 1
    FROM budget_alerts AS unsent
    WHERE unsent.period_start >= @alerts_since
      AND unsent.message_id IS NULL
      AND unsent.reserved_until <= @recorded_at
  ) AS unsent;
