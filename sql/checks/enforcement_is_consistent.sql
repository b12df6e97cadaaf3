-- Invariant: the enforcer stops, starts or freezes only what it planned, never what it spared, nothing in a dry run or by
-- a plan that waits for approval, nothing twice by one plan; every plan answers a recorded notification.
-- Grain: one instance or group in a plan and the violation. Reads 45 days, more than a budget month.
WITH instances AS (
  SELECT
    actions.message_id,
    actions.project_id,
    actions.zone,
    actions.instance_id,
    MIN(actions.happened_at) AS began_at,
    COUNTIF(actions.event = 'planned') AS stop_plans,
    COUNTIF(actions.event = 'restart_planned') AS start_plans,
    COUNTIF(actions.event = 'freeze_planned') AS freeze_plans,
    COUNTIF(actions.event IN ('spared', 'freeze_spared')) AS spared,
    COUNTIF(actions.event = 'stopped') AS stops,
    COUNTIF(actions.event = 'restarted') AS starts,
    COUNTIF(actions.event = 'frozen') AS freezes,
    COUNTIF(actions.event IN ('retried', 'stopped', 'waiting', 'failed', 'changed')) AS stop_outcomes,
    COUNTIF(actions.event IN ('restarted', 'restart_failed', 'not_restarted')) AS start_outcomes,
    COUNTIF(
      actions.event IN ('frozen', 'freeze_failed', 'freeze_skipped', 'thawed', 'thaw_failed', 'thaw_skipped')
    ) AS freeze_outcomes,
    COUNTIF(
      actions.mode != 'enforce'
      AND actions.event NOT IN ('planned', 'spared', 'restart_planned', 'freeze_planned', 'freeze_spared')
    ) AS unenforced_outcomes
  FROM `${dataset}.enforcement_actions` AS actions
  WHERE actions.happened_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY
    actions.message_id,
    actions.project_id,
    actions.zone,
    actions.instance_id
),

notifications AS (
  SELECT messages.message_id
  FROM `${dataset}.budget_notifications` AS messages
  WHERE messages.received_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 46 DAY)
  GROUP BY messages.message_id
),

judged AS (
  SELECT
    instances.message_id,
    instances.project_id,
    instances.zone,
    instances.instance_id,
    CASE
      WHEN instances.spared > 0 AND instances.stop_plans + instances.freeze_plans > 0 THEN 'planned and spared'
      WHEN instances.stop_outcomes > 0 AND instances.stop_plans = 0 THEN 'stopped without a plan'
      WHEN instances.start_outcomes > 0 AND instances.start_plans = 0 THEN 'started without a plan'
      WHEN instances.freeze_outcomes > 0 AND instances.freeze_plans = 0 THEN 'frozen without a plan'
      WHEN instances.unenforced_outcomes > 0 THEN 'acted on while not enforcing'
      WHEN instances.stop_plans > 1 OR instances.start_plans > 1 OR instances.freeze_plans > 1 THEN 'planned twice'
      WHEN instances.stops > 1 OR instances.starts > 1 OR instances.freezes > 1 THEN 'done twice'
      WHEN notifications.message_id IS NULL THEN 'no notification'
    END AS problem
  FROM instances
  LEFT JOIN notifications
    ON notifications.message_id = instances.message_id
  -- The plan of an instance at the start of the window may be older than the window.
  WHERE instances.began_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 44 DAY)
)

SELECT
  message_id,
  project_id,
  zone,
  instance_id,
  problem
FROM judged
-- An instance without a violation keeps the invariant.
WHERE problem IS NOT NULL
