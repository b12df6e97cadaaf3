-- What did Spot VMs cost in each hour of the periods, by the cost rows themselves?
-- Grain: one hour with rows, or with a recorded state of a project.
--
-- The commit of a run has the same from hourly_costs, which lacks the days before a deployment had it.
WITH costs AS (
  SELECT
    TIMESTAMP_TRUNC(usage_start_time, HOUR) AS hour,
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
  FROM spot_vm_costs
  WHERE usage_start_time >= @periods_start AND usage_start_time < @periods_end
  GROUP BY hour
),

recorded_hours AS (
  SELECT hour, SUM(unresolved_hours) AS unresolved_hours
  FROM project_hours
  WHERE hour >= @periods_start AND hour < @periods_end
  GROUP BY hour
)

SELECT
  COALESCE(recorded.hour, costs.hour) AS hour,
  COALESCE(costs.cost, 0) AS cost,
  COALESCE(costs.uptime_hours, 0) AS uptime_hours,
  COALESCE(costs.unpriced_hours, 0) AS unpriced_hours,
  COALESCE(costs.partial_hours, 0) AS partial_hours,
  COALESCE(costs.compute_only_hours, 0) AS compute_only_hours,
  COALESCE(recorded.unresolved_hours, 0) AS unresolved_hours
FROM recorded_hours AS recorded
FULL OUTER JOIN costs
  ON costs.hour = recorded.hour
