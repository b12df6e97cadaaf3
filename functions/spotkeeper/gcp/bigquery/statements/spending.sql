-- What have the VMs of each budget cost in the hours of its periods, and which of their alerts were sent?
-- Grain: one row, with an array of hours, in all (an empty label) and by label such as team=vision, and one of the
-- thresholds that were notified.
WITH costs AS (
  SELECT
    rolled.usage_hour AS hour,
    '' AS label,
    -- A total that is not known counts with what is known of it.
    COALESCE(SUM(IF(@covers = 'total', rolled.known_cost, rolled.cost)), 0) AS cost,
    SUM(rolled.vm_hours) AS uptime_hours,
    SUM(rolled.vm_hours - rolled.priced_hours) AS unpriced_hours,
    SUM(IF(@covers = 'total', rolled.partly_priced_hours, 0)) AS partial_hours,
    SUM(IF(@covers = 'total', rolled.compute_only_hours, 0)) AS compute_only_hours
  FROM hourly_costs AS rolled
  WHERE rolled.usage_hour >= @periods_start AND rolled.usage_hour < @periods_end
  GROUP BY hour
  UNION ALL
  SELECT
    rolled.usage_hour AS hour,
    CONCAT(rolled.label_key, '=', rolled.label_value) AS label,
    COALESCE(SUM(IF(@covers = 'total', rolled.known_cost, rolled.cost)), 0) AS cost,
    SUM(rolled.vm_hours) AS uptime_hours,
    SUM(rolled.vm_hours - rolled.priced_hours) AS unpriced_hours,
    SUM(IF(@covers = 'total', rolled.partly_priced_hours, 0)) AS partial_hours,
    SUM(IF(@covers = 'total', rolled.compute_only_hours, 0)) AS compute_only_hours
  FROM hourly_label_costs AS rolled
  WHERE rolled.usage_hour >= @periods_start
    AND rolled.usage_hour < @periods_end
    -- The table is clustered by the key: others are not read.
    AND rolled.label_key IN UNNEST(@counted_keys)
    AND CONCAT(rolled.label_key, '=', rolled.label_value) IN UNNEST(@labels)
  GROUP BY hour, label
),

rolled_days AS (
  -- By label: a day that was rolled up before label_keys named a label lacks it. Every label of a day has a row.
  SELECT DISTINCT '' AS label_key, DATE(costs.hour) AS usage_date
  FROM costs
  WHERE costs.label = ''
  UNION ALL
  SELECT DISTINCT rolled.label_key, DATE(rolled.usage_hour) AS usage_date
  FROM hourly_label_costs AS rolled
  WHERE rolled.usage_hour >= @periods_start
    AND rolled.usage_hour < @periods_end
    AND rolled.label_key IN UNNEST(@counted_keys)
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
  -- What could not be identified has no label: it may have any.
  SELECT hour, label, SUM(unresolved_hours) AS unresolved_hours
  FROM project_hours
  CROSS JOIN UNNEST(@labels) AS label
  WHERE hour >= @periods_start AND hour < @periods_end
  GROUP BY hour, label
)

SELECT
  ARRAY(
    SELECT AS STRUCT
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
    CROSS JOIN UNNEST(@counted_keys) AS needed
    LEFT JOIN rolled_days AS rolled
      ON rolled.label_key = needed
      AND rolled.usage_date = DATE(runs.hour)
    WHERE runs.hour >= @periods_start
      AND runs.hour < @periods_end
      AND runs.row_count > 0
      AND rolled.usage_date IS NULL
  ) AS rolled_up,
  EXISTS (
    SELECT 1
    FROM budget_alerts AS unsent
    WHERE unsent.period_start >= @alerts_since
      AND unsent.message_id IS NULL
      AND unsent.reserved_until <= @recorded_at
  ) AS unsent;
