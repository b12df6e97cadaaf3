-- What is each cost center charged each month, with its part of what nobody owns, and with later corrections?
-- Grain: one booked month, month of usage and value of the label cost_center.
--
-- Charged is all that is known of the cost: Spot compute, licenses, external addresses, disks and bandwidth. Months are
-- those of Cloud Billing, in America/Los_Angeles. A month closes 72 hours after its end. Cost recorded later is an
-- adjustment: it is booked in the month that is open then, with its month of usage beside it. An hour of a closed month that
-- a run records anew moves to the open month with all rows that it replaces, so repeat hours before their month closes.
-- Cost without a label cost_center is shared out in proportion to direct_cost, within a booked month and month of usage; the
-- row '(unlabelled)' has it with the opposite sign, so that charged_cost adds up to all cost. Where nobody has a label it
-- stays there. Uptime that no source could identify is the row '(unresolved)', without a cost. Reads this month and the
-- twelve before it, whatever the filter on a month.
WITH booked AS (
  SELECT
    rolled.booked_month,
    rolled.month AS usage_month,
    rolled.cost_center,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.fully_priced_hours) AS fully_priced_hours,
    SUM(rolled.cost) AS compute_cost,
    SUM(rolled.known_cost) AS direct_cost
  FROM `${dataset}.monthly_costs` AS rolled
  WHERE rolled.month >= DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH)
    AND rolled.cost_center != '(unresolved)'
  GROUP BY
    rolled.booked_month,
    usage_month,
    rolled.cost_center
),

totals AS (
  SELECT
    booked_month,
    usage_month,
    COALESCE(SUM(IF(cost_center = '(unlabelled)', direct_cost, 0)), 0) AS unowned,
    COALESCE(SUM(IF(cost_center = '(unlabelled)', 0, direct_cost)), 0) AS owned
  FROM booked
  GROUP BY
    booked_month,
    usage_month
),

running_totals AS (
  SELECT
    booked.*,
    totals.unowned,
    totals.owned,
    SUM(IF(booked.cost_center = '(unlabelled)', 0, COALESCE(booked.direct_cost, 0))) OVER (
      PARTITION BY booked.booked_month, booked.usage_month
      ORDER BY booked.cost_center
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS owned_up_to
  FROM booked
  INNER JOIN totals
    ON totals.booked_month = booked.booked_month
    AND totals.usage_month = booked.usage_month
),

shared AS (
  SELECT
    booked_month,
    usage_month,
    cost_center,
    vm_hours,
    priced_hours,
    fully_priced_hours,
    compute_cost,
    direct_cost,
    CASE
      -- Nobody to share it with.
      WHEN owned = 0 THEN 0
      WHEN cost_center = '(unlabelled)' THEN -unowned
      -- Differences of rounded running totals add up to the whole, to the last digit.
      ELSE
        ROUND(unowned * SAFE_DIVIDE(owned_up_to, owned), 6)
        - ROUND(unowned * SAFE_DIVIDE(owned_up_to - COALESCE(direct_cost, 0), owned), 6)
        -- Who completes the whole takes what is smaller than a millionth.
        + IF(owned_up_to = owned AND direct_cost > 0, unowned - ROUND(unowned, 6), 0)
    END AS shared_cost
  FROM running_totals
),

all_usage AS (
  SELECT * FROM shared
  UNION ALL
  SELECT
    rolled.booked_month,
    rolled.month AS usage_month,
    rolled.cost_center,
    SUM(rolled.unresolved_hours) AS vm_hours,
    NUMERIC '0' AS priced_hours,
    NUMERIC '0' AS fully_priced_hours,
    CAST(NULL AS NUMERIC) AS compute_cost,
    CAST(NULL AS NUMERIC) AS direct_cost,
    CAST(NULL AS NUMERIC) AS shared_cost
  FROM `${dataset}.monthly_costs` AS rolled
  WHERE rolled.month >= DATE_SUB(DATE_TRUNC(DATE(${now}, 'America/Los_Angeles'), MONTH), INTERVAL 12 MONTH)
    AND rolled.cost_center = '(unresolved)'
  GROUP BY
    rolled.booked_month,
    usage_month,
    rolled.cost_center
)

SELECT
  booked_month,  -- DATE: The first day of the month of Cloud Billing in which the cost is charged.
  usage_month,  -- DATE: The first day of the month of Cloud Billing in which the VMs ran.
  IF(usage_month = booked_month, 'usage', 'adjustment') AS kind,  -- STRING: usage, or adjustment for a month that had closed when the cost was recorded.
  DATE_TRUNC(DATE(TIMESTAMP_SUB(${now}, INTERVAL 72 HOUR), 'America/Los_Angeles'), MONTH) > booked_month AS is_closed,  -- BOOLEAN: Whether the booked month has closed: 72 hours after its end.
  cost_center,  -- STRING: The value of the label cost_center in that hour; (unlabelled) without one, (unresolved) for VMs that no source could identify.
  vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  CASE
    WHEN priced_hours < vm_hours THEN LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of vm_hours with a known Spot price; 1 only when every hour has one.
  fully_priced_hours,  -- NUMERIC: The VM-hours of which every part of direct_cost is known; below vm_hours, the costs are lower bounds.
  compute_cost,  -- NUMERIC: The part of direct_cost that is the Spot price of the VMs, in USD; NULL when no price is known.
  direct_cost,  -- NUMERIC: What is known of the cost of the cost center's own VMs, in USD: Spot compute, licenses, external addresses, disks and bandwidth; NULL when nothing is known.
  shared_cost,  -- NUMERIC: Its part of the cost without a cost center, in USD; in the row (unlabelled) what the others took over, negative.
  IF(direct_cost IS NULL AND shared_cost = 0, NULL, COALESCE(direct_cost, 0) + shared_cost) AS charged_cost  -- NUMERIC: direct_cost and shared_cost together, in USD.
FROM all_usage
