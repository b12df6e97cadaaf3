-- Has another message stops that its deliveries left without an outcome, or is a freeze to be ended?
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
)
OR EXISTS (
  SELECT 1
  FROM (
    SELECT
      MAX(IF(event = 'freeze_planned', happened_at, NULL)) AS planned_at,
      MAX(period_end) AS period_end,
      LOGICAL_OR(event = 'frozen') AS frozen,
      LOGICAL_OR(event IN ('freeze_skipped', 'thawed', 'thaw_skipped')) AS ended
    FROM enforcement_actions
    WHERE autoscaling_mode IS NOT NULL
      AND mode = 'enforce'
      AND event != 'freeze_spared'
      -- A budget period is a year at most.
      AND happened_at >= TIMESTAMP_SUB(@received_at, INTERVAL 400 DAY)
    GROUP BY message_id, project_id, zone, instance_id
  ) AS freezes
  -- A freeze lasts to the end of its period; one of which nothing came is settled.
  WHERE NOT freezes.ended
    AND IF(freezes.frozen, freezes.period_end <= @received_at, freezes.planned_at < @settled_before)
) AS unfinished;
