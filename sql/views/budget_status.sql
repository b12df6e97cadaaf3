-- How much of each budget is spent, how fast, what will the period cost, and when will the budget be used up?
-- Grain: one configured budget in the period that the latest recorded hour belongs to.
--
-- Days and months begin at midnight in America/Los_Angeles, as in Cloud Billing. as_of is the end of the latest
-- recorded hour, and all figures are as of then, not of the clock. burn_rate is in USD per hour: that of the last
-- complete hour for an hourly or daily budget, the mean of the last 24 hours for a monthly one, since load varies over
-- the day; an hour is complete when every project of it was read. Unpriced, unresolved and unrecorded usage is not
-- included: see priced_share, unresolved_hours (of VMs that no source could identify) and missing_hours.
-- estimated_spent, an estimate, adds what the unresolved cost if they are Spot VMs at the mean price of their project's
-- VMs of these 33 days. Reads from the start of
-- the month, at most 33 days.
WITH mean_prices AS (
  SELECT
    costs.project_id,
    SAFE_DIVIDE(SUM(costs.cost), SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours))) AS mean_price
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY costs.project_id
),

project_states AS (
  SELECT
    known.hour,
    COUNTIF(known.state = 'incomplete') AS incomplete,
    SUM(known.unresolved_hours) AS unresolved_hours,
    SUM(known.unresolved_hours * prices.mean_price) AS estimated_cost
  FROM `${dataset}.project_hours` AS known
  LEFT JOIN mean_prices AS prices
    ON prices.project_id = known.project_id
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY known.hour
),

hours AS (
  SELECT
    runs.hour,
    COALESCE(MAX(known.incomplete), 0) = 0 AS complete,
    COALESCE(MAX(known.unresolved_hours), 0) AS unresolved_hours,
    COALESCE(MAX(known.estimated_cost), 0) AS estimated_cost
  FROM `${dataset}.tracker_runs` AS runs
  LEFT JOIN project_states AS known
    ON known.hour = runs.hour
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY runs.hour
),

present AS (
  SELECT
    MAX(hours.hour) AS latest_hour,
    COALESCE(MAX(IF(hours.complete, hours.hour, NULL)), MAX(hours.hour)) AS burn_hour
  FROM hours
),

periods AS (
  SELECT
    budgets.period,
    budgets.budget_id,
    budgets.budget,
    present.latest_hour,
    present.burn_hour,
    CASE budgets.period
      WHEN 'hour' THEN present.latest_hour
      WHEN 'day' THEN TIMESTAMP(DATE(present.latest_hour, 'America/Los_Angeles'), 'America/Los_Angeles')
      WHEN 'month' THEN TIMESTAMP(
        DATE_TRUNC(DATE(present.latest_hour, 'America/Los_Angeles'), MONTH), 'America/Los_Angeles'
      )
    END AS period_start,
    CASE budgets.period
      WHEN 'hour' THEN TIMESTAMP_ADD(present.latest_hour, INTERVAL 1 HOUR)
      WHEN 'day' THEN TIMESTAMP(
        DATE_ADD(DATE(present.latest_hour, 'America/Los_Angeles'), INTERVAL 1 DAY), 'America/Los_Angeles'
      )
      WHEN 'month' THEN TIMESTAMP(
        DATE_ADD(DATE_TRUNC(DATE(present.latest_hour, 'America/Los_Angeles'), MONTH), INTERVAL 1 MONTH),
        'America/Los_Angeles'
      )
    END AS period_end
  FROM `${dataset}.budgets` AS budgets
  CROSS JOIN present
),

hourly_costs AS (
  SELECT
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS usage_start_time,
    SUM(costs.uptime_hours) AS vm_hours,
    SUM(IF(costs.cost IS NULL, 0, costs.uptime_hours)) AS priced_hours,
    SUM(costs.cost) AS cost
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
),

recorded_hours AS (
  SELECT
    hours.hour,
    hours.unresolved_hours,
    hours.estimated_cost,
    hourly.vm_hours,
    hourly.priced_hours,
    COALESCE(hourly.cost, 0) AS cost
  FROM hours
  LEFT JOIN hourly_costs AS hourly
    ON hourly.usage_start_time = hours.hour
),

spending AS (
  SELECT
    periods.period,
    periods.budget_id,
    periods.budget,
    periods.period_start,
    periods.period_end,
    TIMESTAMP_ADD(periods.latest_hour, INTERVAL 1 HOUR) AS as_of,
    COUNTIF(recorded.hour >= periods.period_start) AS recorded_hours,
    SUM(IF(recorded.hour >= periods.period_start, recorded.vm_hours, 0)) AS vm_hours,
    SUM(IF(recorded.hour >= periods.period_start, recorded.unresolved_hours, 0)) AS unresolved_hours,
    SUM(IF(recorded.hour >= periods.period_start, recorded.estimated_cost, 0)) AS estimated_cost,
    SUM(IF(recorded.hour >= periods.period_start, recorded.priced_hours, 0)) AS priced_hours,
    SUM(IF(recorded.hour >= periods.period_start, recorded.cost, 0)) AS spent,
    IF(
      periods.period = 'month',
      AVG(IF(recorded.hour > TIMESTAMP_SUB(periods.latest_hour, INTERVAL 24 HOUR), recorded.cost, NULL)),
      SUM(IF(recorded.hour = periods.burn_hour, recorded.cost, 0))
    ) AS burn_rate
  FROM periods
  CROSS JOIN recorded_hours AS recorded
  GROUP BY
    periods.period,
    periods.budget_id,
    periods.budget,
    periods.period_start,
    periods.period_end,
    periods.latest_hour
)

SELECT
  period,
  budget_id,
  period_start,
  period_end,
  as_of,
  budget,
  spent,
  ROUND(SAFE_DIVIDE(spent, budget) * 100, 2) AS spent_percent,
  ROUND(spent + estimated_cost, 6) AS estimated_spent,
  ROUND(SAFE_DIVIDE(COALESCE(priced_hours, 0), COALESCE(vm_hours, 0) + unresolved_hours), 6) AS priced_share,
  unresolved_hours,
  TIMESTAMP_DIFF(as_of, period_start, HOUR) - recorded_hours AS missing_hours,
  ROUND(burn_rate, 6) AS burn_rate,
  ROUND(spent + burn_rate * TIMESTAMP_DIFF(period_end, as_of, HOUR), 6) AS projected_cost,
  ROUND(SAFE_DIVIDE(spent + burn_rate * TIMESTAMP_DIFF(period_end, as_of, HOUR), budget) * 100, 2) AS projected_percent,
  TIMESTAMP_DIFF(period_end, as_of, HOUR) AS hours_left_in_period,
  ROUND(IF(spent >= budget, 0, SAFE_DIVIDE(budget - spent, burn_rate)), 2) AS hours_until_spent,
  CASE
    WHEN spent >= budget THEN 'spent'
    WHEN spent + burn_rate * TIMESTAMP_DIFF(period_end, as_of, HOUR) > budget THEN 'will be exceeded'
    ELSE 'within'
  END AS state
FROM spending
