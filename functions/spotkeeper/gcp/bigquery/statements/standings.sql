-- Where did the budgets of the day and the month stand after the latest run? Grain: one budget in its latest period.
SELECT period, budget_id, budget, period_start, cost, next_threshold
FROM budgets
WHERE period IN ('day', 'month') AND period_start IS NOT NULL
