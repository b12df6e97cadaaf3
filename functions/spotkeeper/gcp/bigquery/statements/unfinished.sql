-- Has another message stops that its deliveries left without an outcome?
-- Grain: one row.
SELECT EXISTS (
  SELECT 1
  FROM (
    SELECT
      MAX(IF(event IN ('planned', 'retried'), happened_at, NULL)) AS requested_at,
      MAX(IF(event = 'failed', happened_at, NULL)) AS failed_at,
      LOGICAL_OR(event IN ('stopped', 'changed', 'expired')) AS done
    FROM enforcement_actions
    WHERE mode = 'enforce'
      AND event IN ('planned', 'retried', 'failed', 'stopped', 'changed', 'expired')
      AND message_id != @message_id
      AND happened_at >= @since
    GROUP BY message_id, project_id, zone, instance_id
  ) AS stops
  WHERE NOT done
    AND requested_at < @settled_before
    AND COALESCE(failed_at < requested_at, TRUE)
) AS unfinished;
