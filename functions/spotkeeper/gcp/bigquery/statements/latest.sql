-- What does the newest credible notification on every budget, source and current period report?
-- Grain: one budget, source and period.
SELECT
  budget_id,
  source,
  period_end,
  published_at,
  cost,
  budget,
  tracker_cost
FROM budget_notifications
WHERE received_at >= @since
  -- What an hour's message stopped stays so for the day, and so does what it keeps stopped.
  AND (
    period_end > @now
    OR (period_end >= @day_start AND TIMESTAMP_DIFF(period_end, cost_interval_start, MINUTE) = 60)
  )
  AND NOT drill
  -- The others are not about the current period, or repeat one that is on record.
  AND verdict IN (
    'over_budget', 'nearing_budget', 'under_budget', 'warn_only', 'snoozed', 'superseded', 'too_old'
  )
  -- What reports far less than the tracker's rows, which are in USD, hides no other.
  AND COALESCE(currency != @currency OR cost >= tracker_cost * @min_share, TRUE)
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY budget_id, source, cost_interval_start, period_end
  ORDER BY published_at DESC
) = 1
