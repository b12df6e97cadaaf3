-- How much of each budget is spent, how fast, what will the period cost, and when will the budget be used up?
-- Grain: one configured budget in the period that the latest recorded hour belongs to.
--
-- Days and months begin at midnight in America/Los_Angeles, as in Cloud Billing. as_of is the end of the latest
-- recorded hour, and all figures are as of then, not of the clock; age_hours says how long ago that is. After three
-- hours without a new one the state is unknown, unless the budget of the present period was spent before. Without any
-- recorded hour in 33 days the period is the present one and its figures are NULL. Where hours are missing, incomplete,
-- not rolled up (until rebuild-rollups is run after an upgrade) or before the first recorded one, or usage has no
-- price, spent is a lower bound, and a budget that seems to last has the state at least; not_known says what is missing.
-- A budget of the total cost compares compute, licenses, addresses, disks and bandwidth of running Spot VMs, and their
-- disks and reserved addresses while no VM runs with them (idle_spent); a row with a part that is not known counts with
-- the others (partial_hours), one recorded before the other parts were with its compute cost (total_from), and a disk or
-- address without a price not at all (unpriced_resource_hours). A budget with a label counts the VMs with that value of
-- it, and nothing of disks and addresses while no VM runs with them; VMs that could not be identified may have had it,
-- so that what they cost is estimated for budgets of all VMs only. The burn rate is that of the last complete hour for
-- an hourly or daily budget, the mean of the last 24 hours for a monthly one, since load varies over the day; an hour is
-- complete when every project of it was read. Reads from the start of the month, at most 33 days.
WITH mean_prices AS (
  SELECT
    rolled.project_id,
    SAFE_DIVIDE(SUM(rolled.cost), SUM(rolled.priced_hours)) AS mean_compute_price,
    SAFE_DIVIDE(SUM(rolled.priced_known_cost), SUM(rolled.priced_hours)) AS mean_price
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY rolled.project_id
),

project_states AS (
  SELECT
    known.hour,
    COUNTIF(known.state = 'incomplete') AS incomplete,
    COUNTIF(known.state = 'final') AS final,
    SUM(known.unresolved_hours) AS unresolved_hours,
    -- Without a price of any VM of a project nothing can be said of its others: NULL, not 0.
    COUNTIF(known.unresolved_hours > 0 AND prices.mean_price IS NULL) > 0 AS lacks_estimate,
    SUM(known.unresolved_hours * prices.mean_compute_price) AS estimated_compute_cost,
    SUM(known.unresolved_hours * prices.mean_price) AS estimated_cost
  FROM `${dataset}.project_hours` AS known
  LEFT JOIN mean_prices AS prices
    ON prices.project_id = known.project_id
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY known.hour
),

rolled_days AS (
  -- A rollup is written for a whole UTC day, and every label in it has a row.
  SELECT
    '' AS label_key,
    DATE(rolled.usage_hour) AS usage_date
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY usage_date
  UNION ALL
  SELECT
    rolled.label_key,
    DATE(rolled.usage_hour) AS usage_date
  FROM `${dataset}.hourly_label_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY rolled.label_key, usage_date
),

hours AS (
  SELECT
    runs.hour,
    COALESCE(MAX(known.incomplete), 0) = 0 AND NOT (MAX(runs.row_count) > 0 AND MAX(rolled.usage_date) IS NULL) AS complete,
    COALESCE(MAX(known.incomplete + known.final), 0) > 0
    -- Cost rows of a day without a rollup are older than the rollups.
    OR (MAX(runs.row_count) > 0 AND MAX(rolled.usage_date) IS NULL) AS has_gaps,
    MAX(runs.row_count) > 0 AS has_rows,
    COALESCE(MAX(known.unresolved_hours), 0) AS unresolved_hours,
    COALESCE(LOGICAL_OR(known.lacks_estimate), FALSE) AS lacks_estimate,
    COALESCE(MAX(known.estimated_compute_cost), 0) AS estimated_compute_cost,
    COALESCE(MAX(known.estimated_cost), 0) AS estimated_cost
  FROM `${dataset}.tracker_runs` AS runs
  LEFT JOIN project_states AS known
    ON known.hour = runs.hour
  LEFT JOIN rolled_days AS rolled
    ON rolled.usage_date = DATE(runs.hour)
    AND rolled.label_key = ''
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY runs.hour
),

present AS (
  SELECT
    MIN(hours.hour) AS first_hour,
    MAX(hours.hour) AS latest_hour,
    COALESCE(MAX(hours.hour), TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, HOUR), INTERVAL 1 HOUR)) AS period_hour,
    COALESCE(MAX(IF(hours.complete, hours.hour, NULL)), MAX(hours.hour)) AS burn_hour
  FROM hours
),

periods AS (
  SELECT
    budgets.period,
    budgets.budget_id,
    COALESCE(budgets.covers, 'compute') AS covers,
    budgets.label_key,
    budgets.label_value,
    budgets.budget,
    present.first_hour,
    present.latest_hour,
    present.burn_hour,
    CASE budgets.period
      WHEN 'hour' THEN present.period_hour
      WHEN 'day' THEN TIMESTAMP(DATE(present.period_hour, 'America/Los_Angeles'), 'America/Los_Angeles')
      WHEN 'month' THEN TIMESTAMP(
        DATE_TRUNC(DATE(present.period_hour, 'America/Los_Angeles'), MONTH), 'America/Los_Angeles'
      )
    END AS period_start,
    CASE budgets.period
      WHEN 'hour' THEN TIMESTAMP_ADD(present.period_hour, INTERVAL 1 HOUR)
      WHEN 'day' THEN TIMESTAMP(
        DATE_ADD(DATE(present.period_hour, 'America/Los_Angeles'), INTERVAL 1 DAY), 'America/Los_Angeles'
      )
      WHEN 'month' THEN TIMESTAMP(
        DATE_ADD(DATE_TRUNC(DATE(present.period_hour, 'America/Los_Angeles'), MONTH), INTERVAL 1 MONTH),
        'America/Los_Angeles'
      )
    END AS period_end
  FROM `${dataset}.budgets` AS budgets
  CROSS JOIN present
),

labels AS (
  -- Whose cost some budget is compared with; an empty one is that of all VMs.
  SELECT DISTINCT
    COALESCE(periods.label_key, '') AS label_key,
    COALESCE(periods.label_value, '') AS label_value
  FROM periods
),

hourly_sums AS (
  SELECT
    rolled.usage_hour AS usage_start_time,
    '' AS label_key,
    '' AS label_value,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.cost) AS compute_cost,
    SUM(rolled.known_cost) AS known_cost,
    SUM(rolled.partly_priced_hours) AS partial_hours,
    SUM(rolled.compute_only_hours) AS compute_only_hours
  FROM `${dataset}.hourly_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY rolled.usage_hour
  UNION ALL
  SELECT
    rolled.usage_hour AS usage_start_time,
    rolled.label_key,
    rolled.label_value,
    rolled.vm_hours,
    rolled.priced_hours,
    rolled.cost AS compute_cost,
    rolled.known_cost,
    rolled.partly_priced_hours AS partial_hours,
    rolled.compute_only_hours
  FROM `${dataset}.hourly_label_costs` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
),

idle_resources AS (
  SELECT
    rolled.usage_hour,
    SUM(rolled.cost) AS cost,
    SUM(rolled.unpriced_hours) AS unpriced_hours
  FROM `${dataset}.hourly_idle_resources` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 33 DAY)
  GROUP BY rolled.usage_hour
),

recorded_hours AS (
  SELECT
    labels.label_key,
    labels.label_value,
    hours.hour,
    hours.has_gaps OR (hours.has_rows AND rolled.usage_date IS NULL) AS has_gaps,
    hours.unresolved_hours,
    hours.lacks_estimate,
    hours.estimated_compute_cost,
    hours.estimated_cost,
    hourly.vm_hours,
    hourly.priced_hours,
    COALESCE(hourly.compute_cost, 0) AS compute_cost,
    COALESCE(hourly.known_cost, 0) AS known_cost,
    COALESCE(hourly.partial_hours, 0) AS partial_hours,
    COALESCE(hourly.compute_only_hours, 0) AS compute_only_hours,
    COALESCE(idle.cost, 0) AS idle_cost,
    COALESCE(idle.unpriced_hours, 0) AS unpriced_resource_hours
  FROM hours
  CROSS JOIN labels
  LEFT JOIN rolled_days AS rolled
    ON rolled.usage_date = DATE(hours.hour)
    AND rolled.label_key = labels.label_key
  LEFT JOIN hourly_sums AS hourly
    ON hourly.usage_start_time = hours.hour
    AND hourly.label_key = labels.label_key
    AND hourly.label_value = labels.label_value
  LEFT JOIN idle_resources AS idle
    ON idle.usage_hour = hours.hour
    -- It is summed by project: a budget of a label has none of it.
    AND labels.label_key = ''
  UNION ALL
  -- A budget has a row also before the first hour is recorded.
  SELECT
    labels.label_key,
    labels.label_value,
    CAST(NULL AS TIMESTAMP) AS hour,
    FALSE AS has_gaps,
    NUMERIC '0' AS unresolved_hours,
    FALSE AS lacks_estimate,
    NUMERIC '0' AS estimated_compute_cost,
    NUMERIC '0' AS estimated_cost,
    NUMERIC '0' AS vm_hours,
    NUMERIC '0' AS priced_hours,
    NUMERIC '0' AS compute_cost,
    NUMERIC '0' AS known_cost,
    NUMERIC '0' AS partial_hours,
    NUMERIC '0' AS compute_only_hours,
    NUMERIC '0' AS idle_cost,
    NUMERIC '0' AS unpriced_resource_hours
  FROM labels
),

covered_hours AS (
  -- Each budget with the cost that it covers.
  SELECT
    periods.*,
    recorded.hour,
    recorded.has_gaps,
    recorded.unresolved_hours,
    recorded.lacks_estimate,
    recorded.vm_hours,
    recorded.priced_hours,
    IF(periods.covers = 'total', recorded.estimated_cost, recorded.estimated_compute_cost) AS estimated_cost,
    IF(periods.covers = 'total', recorded.known_cost + recorded.idle_cost, recorded.compute_cost) AS cost,
    IF(periods.covers = 'total', recorded.idle_cost, 0) AS idle_cost,
    IF(periods.covers = 'total', recorded.unpriced_resource_hours, 0) AS unpriced_resource_hours,
    IF(periods.covers = 'total', recorded.partial_hours, 0) AS partial_hours,
    IF(periods.covers = 'total', recorded.compute_only_hours, 0) AS compute_only_hours
  FROM periods
  INNER JOIN recorded_hours AS recorded
    ON recorded.label_key = COALESCE(periods.label_key, '')
    AND recorded.label_value = COALESCE(periods.label_value, '')
),

spending AS (
  SELECT
    covered.period,
    covered.budget_id,
    covered.covers,
    covered.label_key,
    covered.label_value,
    covered.budget,
    covered.period_start,
    covered.period_end,
    covered.latest_hour,
    IF(covered.first_hour > covered.period_start, covered.first_hour, NULL) AS counts_from,
    GREATEST(covered.first_hour, covered.period_start) AS counted_since,
    TIMESTAMP_ADD(covered.latest_hour, INTERVAL 1 HOUR) AS as_of,
    COUNTIF(covered.hour >= covered.period_start) AS recorded_hours,
    COUNTIF(covered.hour >= covered.period_start AND covered.has_gaps) AS incomplete_hours,
    SUM(IF(covered.hour >= covered.period_start, COALESCE(covered.vm_hours, 0), 0)) AS vm_hours,
    SUM(IF(covered.hour >= covered.period_start, covered.unresolved_hours, 0)) AS unresolved_hours,
    SUM(IF(covered.hour >= covered.period_start, covered.estimated_cost, 0)) AS estimated_cost,
    COUNTIF(covered.hour >= covered.period_start AND covered.lacks_estimate) > 0 AS lacks_estimate,
    SUM(IF(covered.hour >= covered.period_start, COALESCE(covered.priced_hours, 0), 0)) AS priced_hours,
    SUM(IF(covered.hour >= covered.period_start, covered.partial_hours, 0)) AS partial_hours,
    SUM(IF(covered.hour >= covered.period_start, covered.idle_cost, 0)) AS idle_cost,
    SUM(IF(covered.hour >= covered.period_start, covered.unpriced_resource_hours, 0)) AS unpriced_resource_hours,
    TIMESTAMP_ADD(
      MAX(IF(covered.hour >= covered.period_start AND covered.compute_only_hours > 0, covered.hour, NULL)),
      INTERVAL 1 HOUR
    ) AS total_from,
    SUM(IF(covered.hour >= covered.period_start, covered.cost, 0)) AS cost,
    IF(
      covered.period = 'month',
      AVG(IF(covered.hour > TIMESTAMP_SUB(covered.latest_hour, INTERVAL 24 HOUR), covered.cost, NULL)),
      SUM(IF(covered.hour = covered.burn_hour, covered.cost, 0))
    ) AS hourly_cost
  FROM covered_hours AS covered
  GROUP BY
    covered.period,
    covered.budget_id,
    covered.covers,
    covered.label_key,
    covered.label_value,
    covered.budget,
    covered.period_start,
    covered.period_end,
    covered.first_hour,
    covered.latest_hour
),

known_spending AS (
  -- Without a recorded hour nothing is known: NULL, not 0.
  SELECT
    * EXCEPT (unresolved_hours, incomplete_hours, partial_hours, unpriced_resource_hours),
    TIMESTAMP_DIFF(${now}, as_of, MINUTE) <= 180 AS is_current,
    TIMESTAMP_DIFF(as_of, counted_since, HOUR) - recorded_hours AS missing_hours,
    TIMESTAMP_DIFF(period_end, as_of, HOUR) AS hours_left_in_period,
    IF(latest_hour IS NULL, NULL, unresolved_hours) AS unresolved_hours,
    IF(latest_hour IS NULL, NULL, incomplete_hours) AS incomplete_hours,
    IF(latest_hour IS NULL, NULL, partial_hours) AS partial_hours,
    IF(latest_hour IS NULL, NULL, unpriced_resource_hours) AS unpriced_resource_hours,
    IF(latest_hour IS NULL, NULL, idle_cost) AS idle_spent,
    IF(latest_hour IS NULL, NULL, cost) AS spent,
    IF(latest_hour IS NULL, NULL, hourly_cost) AS burn_rate
  FROM spending
),

gaps AS (
  SELECT
    *,
    NULLIF(
      ARRAY_TO_STRING(
        [
          IF(
            counts_from IS NULL,
            NULL,
            CONCAT('nothing recorded before ', FORMAT_TIMESTAMP('%F %H:%M', counts_from, 'UTC'), ' UTC')
          ),
          IF(
            total_from IS NULL,
            NULL,
            CONCAT('only compute cost before ', FORMAT_TIMESTAMP('%F %H:%M', total_from, 'UTC'), ' UTC')
          ),
          IF(missing_hours > 0, CONCAT('hours not recorded: ', CAST(missing_hours AS STRING)), NULL),
          IF(incomplete_hours > 0, CONCAT('hours incomplete: ', CAST(incomplete_hours AS STRING)), NULL),
          IF(
            unresolved_hours > 0,
            CONCAT('VM-hours not identified: ', FORMAT('%.2f', unresolved_hours)),
            NULL
          ),
          IF(
            priced_hours < vm_hours,
            CONCAT('VM-hours without a price: ', FORMAT('%.2f', vm_hours - priced_hours)),
            NULL
          ),
          IF(
            partial_hours > 0,
            CONCAT('VM-hours without the price of a part: ', FORMAT('%.2f', partial_hours)),
            NULL
          ),
          IF(
            unpriced_resource_hours > 0,
            CONCAT('hours of idle disks and addresses without a price: ', FORMAT('%.2f', unpriced_resource_hours)),
            NULL
          )
        ],
        '; '
      ),
      ''
    ) AS not_known
  FROM known_spending
)

SELECT
  period,  -- STRING: The period of the budget: hour, day or month.
  budget_id,  -- STRING: The id that the tracker's alerts carry.
  label_key,  -- STRING: The label of the VMs that the budget is about; NULL when it is about all.
  label_value,  -- STRING: The value of the label that these VMs have; NULL when the budget is about all VMs.
  covers,  -- STRING: Which cost the budget is compared with: total or compute.
  period_start,  -- TIMESTAMP: The start of the period of the latest recorded hour.
  period_end,  -- TIMESTAMP: The end of that period, which is not part of it.
  counts_from,  -- TIMESTAMP: The first recorded hour, when the period began before it; NULL when spent is of the whole period.
  total_from,  -- TIMESTAMP: When the total cost counts from, where earlier hours of the period have compute cost alone; NULL otherwise.
  as_of,  -- TIMESTAMP: The end of the latest recorded hour; NULL when none was recorded in 33 days.
  TIMESTAMP_DIFF(${now}, as_of, HOUR) AS age_hours,  -- INTEGER: Whole hours from as_of to now: how old the figures are.
  budget,  -- NUMERIC: The budget of the period, in USD.
  spent,  -- NUMERIC: Cost of the recorded usage of the period that the budget covers, as far as it is known, in USD.
  idle_spent,  -- NUMERIC: The part of spent of disks and reserved addresses while no VM ran with them, in USD; stopping VMs does not end it.
  ROUND(SAFE_DIVIDE(spent, budget) * 100, 2) AS spent_percent,  -- NUMERIC: spent in percent of the budget.
  IF(
    NOT lacks_estimate AND (label_value IS NULL OR unresolved_hours = 0), ROUND(spent + estimated_cost, 6), NULL
  ) AS estimated_spent,  -- NUMERIC: An estimate in USD: spent, and what unidentified VMs cost if they are Spot VMs at the mean price of their project's VMs of these 33 days. NULL where a project with unidentified VMs has none with a price, and for the VMs of a label where some are unidentified.
  CASE
    WHEN priced_hours < vm_hours + unresolved_hours THEN
      LEAST(ROUND(SAFE_DIVIDE(priced_hours, vm_hours + unresolved_hours), 6), NUMERIC '0.999999')
    WHEN vm_hours > 0 THEN 1
  END AS priced_share,  -- NUMERIC: The share of all VM-hours of the period with a known price, those of unidentified VMs included; 1 only when every hour has one.
  unresolved_hours,  -- NUMERIC: VM-hours of the period of VMs that no source could identify, Spot or not.
  missing_hours,  -- INTEGER: Hours since the budget counts that no run recorded.
  partial_hours,  -- NUMERIC: VM-hours of the period with a Spot price, but without that of something attached, for a budget of the total cost.
  unpriced_resource_hours,  -- NUMERIC: Hours of such disks and addresses of the period whose price is not known, for a budget of the total cost.
  incomplete_hours,  -- INTEGER: Recorded hours of the period of which part is missing, to be read by a later run or for good, or whose UTC day is not rolled up.
  ROUND(burn_rate, 6) AS burn_rate,  -- NUMERIC: USD per hour: of the last complete hour, or the mean of the last 24 hours for a month.
  ROUND(spent + burn_rate * hours_left_in_period, 6) AS projected_cost,  -- NUMERIC: spent and the rest of the period at the burn rate, in USD.
  ROUND(SAFE_DIVIDE(spent + burn_rate * hours_left_in_period, budget) * 100, 2) AS projected_percent,  -- NUMERIC: projected_cost in percent of the budget.
  hours_left_in_period,  -- INTEGER: Hours from as_of to the end of the period.
  ROUND(IF(spent >= budget, 0, SAFE_DIVIDE(budget - spent, burn_rate)), 2) AS hours_until_spent,  -- NUMERIC: Hours from as_of until the budget is used up at the burn rate; NULL when nothing is spent.
  CASE
    WHEN spent >= budget AND (is_current OR period_end > ${now}) THEN 'spent'
    WHEN is_current IS NOT TRUE THEN 'unknown'
    WHEN spent + burn_rate * hours_left_in_period > budget THEN 'will be exceeded'
    WHEN not_known IS NOT NULL THEN 'at least'
    ELSE 'within'
  END AS state,  -- STRING: spent, will be exceeded, within, at least (within as far as is known: spent is a lower bound) or unknown (the figures are too old).
  not_known  -- STRING: What spent lacks, so that it is a lower bound: hours that are not recorded or incomplete, VM-hours that are not identified or have no price; NULL when nothing is missing.
FROM gaps
