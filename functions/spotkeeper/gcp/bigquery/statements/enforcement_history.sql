-- Make sure of the row that transactions meet at, long before the first one of this delivery.
INSERT INTO enforcement_lock (delivery_id, locked_at)
SELECT 'none', @since
FROM UNNEST([1])
WHERE NOT EXISTS (SELECT 1 FROM enforcement_lock);

-- What is on record of a message, of its budget, and of the money spent in its period. One row.
SELECT
  EXISTS (
    SELECT 1
    FROM budget_notifications
    WHERE message_id = @message_id AND received_at >= @since
  ) AS received_before,
  (
    SELECT MAX(published_at)
    FROM budget_notifications
    WHERE budget_id = @budget_id
      AND source = @source
      AND cost_interval_start = @cost_interval_start
      AND period_end = @period_end
      AND message_id != @message_id
      AND NOT drill
      AND received_at >= @since
  ) AS latest,
  (
    SELECT COUNT(*)
    FROM enforcement_actions
    WHERE budget_id = @budget_id AND event = 'planned' AND mode = 'enforce' AND happened_at >= @day_start
  ) AS stops_today,
  (
    SELECT COUNT(DISTINCT message_id)
    FROM enforcement_actions
    WHERE event IN ('planned', 'restart_planned') AND mode = 'enforce' AND happened_at >= @since
  ) AS plans,
  ARRAY(
    SELECT AS STRUCT
      project_id,
      zone,
      instance_id,
      instance_name,
      MIN(IF(event IN ('planned', 'restart_planned'), happened_at, NULL)) AS planned_at,
      LOGICAL_OR(event = 'restart_planned') AS restart,
      LOGICAL_OR(event IN ('stopped', 'changed', 'restarted', 'not_restarted')) AS done
    FROM enforcement_actions
    WHERE message_id = @message_id AND mode = 'enforce' AND event != 'spared' AND happened_at >= @since
    GROUP BY project_id, zone, instance_id, instance_name
    ORDER BY MIN(rank), instance_name, instance_id
  ) AS plan,
  ARRAY(
    SELECT AS STRUCT project_id, zone, instance_id, message_id
    FROM enforcement_actions
    WHERE message_id != @message_id AND mode = 'enforce' AND event != 'spared' AND happened_at >= @pending_since
    GROUP BY project_id, zone, instance_id, message_id
    HAVING LOGICAL_AND(event = 'planned')
  ) AS pending_stops,
  (
    SELECT SUM(costs.cost)
    FROM spot_vm_costs AS costs
    WHERE costs.usage_start_time >= @cost_interval_start
      AND costs.project_id IN UNNEST(@projects)
      AND (
        SELECT COUNT(DISTINCT label.key)
        FROM UNNEST(costs.labels) AS label
        WHERE CONCAT(label.key, '=', label.value) IN UNNEST(@labels)
      ) = @label_keys
  ) AS tracker_cost
