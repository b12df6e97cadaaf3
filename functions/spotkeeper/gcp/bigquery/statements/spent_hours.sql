-- What did Spot VMs cost in each hour of the periods, by the cost rows themselves?
-- Grain: one hour with rows, or with a recorded state of a project, of all VMs (an empty label) or of those with a
-- label such as team=vision.
--
-- A run has the same from hourly_costs and hourly_label_costs, which lack the days before a deployment had them, and
-- labels that label_keys does not name. Of days without a rollup what disks and reserved addresses cost while no VM
-- ran is left out, until rebuild-rollups is run.
WITH counted_rows AS (
  SELECT costs.*, counted_label
  FROM spot_vm_costs AS costs
  CROSS JOIN UNNEST(
    ARRAY_CONCAT(
      [''],
      ARRAY(
        SELECT CONCAT(label.key, '=', label.value)
        FROM UNNEST(costs.labels) AS label
        WHERE CONCAT(label.key, '=', label.value) IN UNNEST(@labels)
      )
    )
  ) AS counted_label
  WHERE costs.usage_start_time >= @periods_start AND costs.usage_start_time < @periods_end
),

costs AS (
  SELECT
    TIMESTAMP_TRUNC(usage_start_time, HOUR) AS hour,
    counted_label AS label,
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
  FROM counted_rows
  GROUP BY hour, label
),

recorded_hours AS (
  SELECT hour, label, SUM(unresolved_hours) AS unresolved_hours
  FROM project_hours
  CROSS JOIN UNNEST(@labels) AS label
  WHERE hour >= @periods_start AND hour < @periods_end
  GROUP BY hour, label
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
  COALESCE(recorded.label, costs.label) AS label,
  COALESCE(costs.cost, 0) + COALESCE(idle.cost, 0) AS cost,
  COALESCE(costs.uptime_hours, 0) AS uptime_hours,
  COALESCE(costs.unpriced_hours, 0) AS unpriced_hours,
  COALESCE(costs.partial_hours, 0) AS partial_hours,
  COALESCE(costs.compute_only_hours, 0) AS compute_only_hours,
  COALESCE(recorded.unresolved_hours, 0) AS unresolved_hours,
  COALESCE(idle.unpriced_hours, 0) AS unpriced_resource_hours
FROM recorded_hours AS recorded
FULL OUTER JOIN costs
  ON costs.hour = recorded.hour AND costs.label = recorded.label
LEFT JOIN idle_resources AS idle
  ON idle.hour = recorded.hour
  -- It is summed by project: a budget of a label has none of it.
  AND recorded.label = ''
