-- What did newer notifications of the same budget, source and period report?
-- Grain: one row.
WITH own AS (
  SELECT SUM(costs.cost) AS cost
  FROM spot_vm_costs AS costs
  WHERE costs.usage_start_time >= @cost_interval_start
    AND costs.project_id IN UNNEST(@projects)
    AND (
      SELECT COUNT(DISTINCT label.key)
      FROM UNNEST(costs.labels) AS label
      WHERE CONCAT(label.key, '=', label.value) IN UNNEST(@labels)
    ) = @label_keys
)

SELECT
  ARRAY(
    SELECT AS STRUCT
      published_at,
      ANY_VALUE(cost) AS cost,
      ANY_VALUE(budget) AS budget,
      COALESCE(MAX(tracker_cost), (SELECT cost FROM own)) AS tracker_cost
    FROM budget_notifications
    WHERE budget_id = @budget_id
      AND source = @source
      AND cost_interval_start = @cost_interval_start
      AND period_end = @period_end
      AND published_at > @published_at
      AND message_id != @message_id
      AND NOT drill
      AND received_at >= @since
    GROUP BY message_id, published_at
    ORDER BY published_at DESC
    LIMIT 100
  ) AS newer
