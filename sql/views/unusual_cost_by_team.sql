-- Which team spent yesterday what it does not usually spend?
-- Grain: one team that ran Spot VMs yesterday or in the 28 days before.
--
-- Days are UTC days. Usual is the median of the 28 days before yesterday, spread their median absolute deviation times
-- 1.4826, which is the standard deviation of a normal distribution, and at least 5 % of usual_cost: neither is moved by a
-- few odd days (https://www.itl.nist.gov/div898/handbook/eda/section3/eda35h.htm). A day counts when all of its 24 hours
-- were read in every project, and for a team when they have a price; a team that did not run that day spent 0. The state is
-- high or low beyond three spreads and 1 USD, unknown when yesterday does not count, and when fewer than seven days do.
-- Reads 29 days.
WITH recorded_hours AS (
  SELECT runs.hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 29 DAY)
    AND runs.hour < TIMESTAMP_TRUNC(${now}, DAY)
  GROUP BY runs.hour
),

hours_with_gaps AS (
  SELECT known.hour
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 29 DAY)
    AND known.state IN ('incomplete', 'final')
  GROUP BY known.hour
),

whole_days AS (
  SELECT DATE(recorded.hour) AS usage_date
  FROM recorded_hours AS recorded
  LEFT JOIN hours_with_gaps AS gaps
    ON gaps.hour = recorded.hour
  GROUP BY usage_date
  -- A day with gaps is not a cheap day.
  HAVING COUNTIF(gaps.hour IS NULL) = 24
),

daily AS (
  SELECT
    rolled.usage_date,
    rolled.team,
    SUM(rolled.vm_hours - rolled.priced_hours) AS unpriced_hours,
    SUM(rolled.cost) AS cost
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 29 DAY)
    AND rolled.usage_date < DATE(${now})
    -- Of VMs that no source could identify nothing is known.
    AND rolled.team != '(unresolved)'
  GROUP BY
    rolled.usage_date,
    rolled.team
),

teams AS (
  SELECT DISTINCT team
  FROM daily
),

usual_days AS (
  SELECT
    teams.team,
    COALESCE(daily.cost, 0) AS cost,
    PERCENTILE_CONT(COALESCE(daily.cost, 0), NUMERIC '0.5') OVER (PARTITION BY teams.team) AS usual_cost
  FROM teams
  CROSS JOIN whole_days
  LEFT JOIN daily
    ON daily.team = teams.team
    AND daily.usage_date = whole_days.usage_date
  -- Yesterday is what is compared.
  WHERE whole_days.usage_date < DATE_SUB(DATE(${now}), INTERVAL 1 DAY)
    -- The cost of hours without a price is not known, and is not 0.
    AND COALESCE(daily.unpriced_hours, 0) = 0
),

deviations AS (
  SELECT
    team,
    usual_cost,
    PERCENTILE_CONT(ABS(cost - usual_cost), NUMERIC '0.5') OVER (PARTITION BY team) AS median_deviation
  FROM usual_days
),

usual AS (
  SELECT
    team,
    COUNT(*) AS days,
    MAX(usual_cost) AS usual_cost,
    GREATEST(MAX(median_deviation) * NUMERIC '1.4826', MAX(usual_cost) * NUMERIC '0.05') AS spread
  FROM deviations
  GROUP BY team
),

compared AS (
  SELECT
    DATE_SUB(DATE(${now}), INTERVAL 1 DAY) AS usage_date,
    teams.team,
    yesterday.usage_date IS NOT NULL AND COALESCE(daily.unpriced_hours, 0) = 0 AND usual.days >= 7 AS is_known,
    IF(yesterday.usage_date IS NOT NULL AND daily.team IS NULL, 0, daily.cost) AS cost,
    COALESCE(daily.unpriced_hours, 0) AS unpriced_hours,
    COALESCE(usual.days, 0) AS usual_days,
    usual.usual_cost,
    usual.spread
  FROM teams
  LEFT JOIN whole_days AS yesterday
    ON yesterday.usage_date = DATE_SUB(DATE(${now}), INTERVAL 1 DAY)
  LEFT JOIN daily
    ON daily.team = teams.team
    AND daily.usage_date = DATE_SUB(DATE(${now}), INTERVAL 1 DAY)
  LEFT JOIN usual
    ON usual.team = teams.team
)

SELECT
  usage_date,  -- DATE: Yesterday, a UTC day.
  team,  -- STRING: The value of the label team in that hour; (unlabelled) without one.
  cost,  -- NUMERIC: Cost of yesterday's priced hours at Spot list prices, in USD; NULL when nothing was recorded or no price is known.
  unpriced_hours,  -- NUMERIC: VM-hours of yesterday without a known Spot price.
  usual_days,  -- INTEGER: Whole days of the 28 before that are compared.
  ROUND(usual_cost, 6) AS usual_cost,  -- NUMERIC: The median cost of these days, in USD.
  ROUND(spread, 6) AS spread,  -- NUMERIC: Their median absolute deviation times 1.4826, at least 5 % of usual_cost, in USD.
  ROUND(cost - usual_cost, 6) AS difference,  -- NUMERIC: cost minus usual_cost, in USD.
  ROUND(SAFE_DIVIDE(cost - usual_cost, spread), 1) AS spreads,  -- NUMERIC: difference divided by spread; NULL when nothing was usual.
  CASE
    WHEN is_known IS NOT TRUE THEN 'unknown'
    WHEN cost - usual_cost > 1 AND cost - usual_cost > 3 * spread THEN 'high'
    WHEN usual_cost - cost > 1 AND usual_cost - cost > 3 * spread THEN 'low'
    ELSE 'usual'
  END AS state  -- STRING: high, low, usual or unknown.
FROM compared
