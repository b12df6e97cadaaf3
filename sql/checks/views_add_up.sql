-- Invariant: a view that sums cost rows loses none and counts none twice, nor any time of VMs that nobody identified.
-- Grain: one view and a day, or a month and label, whose hours or costs differ from those of the rows.
-- Reads the 30 days before today for daily views, and this month and the last for monthly views. focus_costs has
-- identified VMs alone, and counts together with focus_costs_unpriced.
WITH hours AS (
  SELECT
    DATE(costs.usage_start_time) AS usage_date,
    DATE_TRUNC(DATE(costs.usage_start_time, 'America/Los_Angeles'), MONTH) AS month,
    costs.uptime_hours,
    NUMERIC '0' AS unresolved_hours,
    COALESCE(costs.cost, 0) AS cost
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
  UNION ALL
  SELECT
    DATE(known.hour) AS usage_date,
    DATE_TRUNC(DATE(known.hour, 'America/Los_Angeles'), MONTH) AS month,
    NUMERIC '0' AS uptime_hours,
    known.unresolved_hours,
    NUMERIC '0' AS cost
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 63 DAY)
    -- Where every VM was identified there is nothing to add.
    AND known.unresolved_hours > 0
),

day_sums AS (
  SELECT
    usage_date AS period,
    SUM(uptime_hours) AS vm_hours,
    SUM(unresolved_hours) AS unresolved_hours,
    SUM(cost) AS cost
  FROM hours
  -- A run that is under way may have written its costs and not yet its record.
  WHERE usage_date >= DATE_SUB(DATE(${now}), INTERVAL 30 DAY) AND usage_date < DATE(${now})
  GROUP BY usage_date
),

month_sums AS (
  SELECT
    month AS period,
    SUM(uptime_hours) AS vm_hours,
    SUM(unresolved_hours) AS unresolved_hours,
    SUM(cost) AS cost
  FROM hours
  -- A month before is read in part only.
  WHERE month >= DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 1 MONTH)
  GROUP BY month
),

view_sums AS (
  SELECT
    'daily_cost_breakdown' AS view_name,
    summed.usage_date AS period,
    SUM(IF(summed.zone = '(unresolved)', 0, summed.vm_hours)) AS vm_hours,
    SUM(IF(summed.zone = '(unresolved)', summed.vm_hours, 0)) AS unresolved_hours,
    SUM(COALESCE(summed.cost, 0)) AS cost
  FROM `${dataset}.daily_cost_breakdown` AS summed
  WHERE summed.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 30 DAY) AND summed.usage_date < DATE(${now})
  GROUP BY summed.usage_date
  UNION ALL
  SELECT
    'daily_cost_by_team' AS view_name,
    summed.usage_date AS period,
    SUM(IF(summed.team = '(unresolved)', 0, summed.vm_hours)) AS vm_hours,
    SUM(IF(summed.team = '(unresolved)', summed.vm_hours, 0)) AS unresolved_hours,
    SUM(COALESCE(summed.cost, 0)) AS cost
  FROM `${dataset}.daily_cost_by_team` AS summed
  WHERE summed.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 30 DAY) AND summed.usage_date < DATE(${now})
  GROUP BY summed.usage_date
  UNION ALL
  SELECT
    'hourly_burn_rate' AS view_name,
    DATE(summed.usage_start_time) AS period,
    SUM(COALESCE(summed.vm_hours, 0)) AS vm_hours,
    SUM(COALESCE(summed.unresolved_hours, 0)) AS unresolved_hours,
    SUM(COALESCE(summed.burn_rate, 0)) AS cost
  FROM `${dataset}.hourly_burn_rate` AS summed
  WHERE summed.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
    AND summed.usage_start_time < TIMESTAMP_TRUNC(${now}, DAY)
  GROUP BY period
  -- A day without a VM has no cost rows.
  HAVING SUM(COALESCE(summed.vm_hours, 0)) + SUM(COALESCE(summed.unresolved_hours, 0)) > 0
  UNION ALL
  SELECT
    'focus_costs' AS view_name,
    DATE(summed.ChargePeriodStart) AS period,
    SUM(summed.x_UptimeHours) AS vm_hours,
    NUMERIC '0' AS unresolved_hours,
    SUM(COALESCE(summed.EffectiveCost, 0)) AS cost
  FROM (
    SELECT
      priced.ChargePeriodStart,
      priced.x_UptimeHours,
      priced.EffectiveCost
    FROM `${dataset}.focus_costs` AS priced
    -- The other parts are of the same hours.
    WHERE priced.x_CostPart = 'compute'
    UNION ALL
    SELECT
      unpriced.ChargePeriodStart,
      unpriced.ConsumedQuantity AS x_UptimeHours,
      NUMERIC '0' AS EffectiveCost
    FROM `${dataset}.focus_costs_unpriced` AS unpriced
  ) AS summed
  WHERE summed.ChargePeriodStart >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
    AND summed.ChargePeriodStart < TIMESTAMP_TRUNC(${now}, DAY)
  GROUP BY period
),

month_view_sums AS (
  SELECT
    'monthly_cost_by_team' AS view_name,
    summed.month AS period,
    SUM(IF(summed.team = '(unresolved)', 0, summed.vm_hours)) AS vm_hours,
    SUM(IF(summed.team = '(unresolved)', summed.vm_hours, 0)) AS unresolved_hours,
    SUM(COALESCE(summed.cost, 0)) AS cost
  FROM `${dataset}.monthly_cost_by_team` AS summed
  GROUP BY summed.month
  UNION ALL
  SELECT
    CONCAT('cost_by_label ', summed.label_key) AS view_name,
    summed.month AS period,
    SUM(IF(summed.label_value = '(unresolved)', 0, summed.vm_hours)) AS vm_hours,
    SUM(IF(summed.label_value = '(unresolved)', summed.vm_hours, 0)) AS unresolved_hours,
    SUM(COALESCE(summed.cost, 0)) AS cost
  FROM `${dataset}.cost_by_label` AS summed
  GROUP BY
    summed.label_key,
    summed.month
),

month_views AS (
  SELECT 'monthly_cost_by_team' AS view_name
  UNION DISTINCT
  SELECT view_name
  FROM month_view_sums
),

expected_days AS (
  SELECT
    view_name,
    day_sums.period,
    day_sums.vm_hours,
    IF(view_name = 'focus_costs', 0, day_sums.unresolved_hours) AS unresolved_hours,
    day_sums.cost
  FROM day_sums
  CROSS JOIN UNNEST(
    ['daily_cost_breakdown', 'daily_cost_by_team', 'hourly_burn_rate', 'focus_costs']
  ) AS view_name
  -- A day in which nobody identified any VM has no row there.
  WHERE view_name != 'focus_costs' OR day_sums.vm_hours > 0
),

compared AS (
  SELECT
    COALESCE(view_sums.view_name, expected.view_name) AS view_name,
    COALESCE(view_sums.period, expected.period) AS period,
    expected.vm_hours AS row_hours,
    view_sums.vm_hours AS view_hours,
    expected.unresolved_hours AS unresolved_row_hours,
    view_sums.unresolved_hours AS unresolved_view_hours,
    expected.cost AS row_cost,
    view_sums.cost AS view_cost
  FROM expected_days AS expected
  FULL OUTER JOIN view_sums
    ON view_sums.view_name = expected.view_name
    AND view_sums.period = expected.period
  UNION ALL
  SELECT
    month_views.view_name,
    month_sums.period,
    month_sums.vm_hours AS row_hours,
    month_view_sums.vm_hours AS view_hours,
    month_sums.unresolved_hours AS unresolved_row_hours,
    month_view_sums.unresolved_hours AS unresolved_view_hours,
    month_sums.cost AS row_cost,
    month_view_sums.cost AS view_cost
  FROM month_sums
  CROSS JOIN month_views
  LEFT JOIN month_view_sums
    ON month_view_sums.view_name = month_views.view_name
    AND month_view_sums.period = month_sums.period
)

SELECT
  view_name,
  period,
  row_hours,
  view_hours,
  unresolved_row_hours,
  unresolved_view_hours,
  row_cost,
  view_cost
FROM compared
-- Equal sums keep the invariant.
WHERE COALESCE(row_hours, -1) != COALESCE(view_hours, -1)
  OR COALESCE(unresolved_row_hours, -1) != COALESCE(unresolved_view_hours, -1)
  OR COALESCE(row_cost, -1) != COALESCE(view_cost, -1)
