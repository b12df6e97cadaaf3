-- Invariant: in every other table each key occurs once.
-- Grain: one table and duplicated key. Reads the last 45 days of tables that grow by the day.
WITH table_keys AS (
  SELECT
    'spot_prices' AS table_name,
    CONCAT(prices.sku_id, ' ', prices.region, ' ', FORMAT_TIMESTAMP('%FT%TZ', prices.valid_from)) AS row_key
  FROM `${dataset}.spot_prices` AS prices
  UNION ALL
  SELECT
    'vm_inventory' AS table_name,
    CONCAT(
      seen.project_id, ' ', seen.zone, ' ', seen.instance_id, ' ', FORMAT_TIMESTAMP('%FT%TZ', seen.first_seen)
    ) AS row_key
  FROM `${dataset}.vm_inventory` AS seen
  WHERE seen.last_seen >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  UNION ALL
  SELECT
    'tracker_runs' AS table_name,
    CONCAT(runs.run_id, ' ', FORMAT_TIMESTAMP('%FT%TZ', runs.hour)) AS row_key
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  UNION ALL
  SELECT
    'budget_alerts' AS table_name,
    RTRIM(CONCAT(
      alerts.period, ' ', FORMAT_TIMESTAMP('%FT%TZ', alerts.period_start), ' ',
      COALESCE(alerts.kind, 'threshold'), ' ', CAST(CAST(alerts.threshold AS FLOAT64) AS STRING), ' ',
      COALESCE(CAST(CAST(alerts.budget AS FLOAT64) AS STRING), ''), ' ', COALESCE(alerts.label_budget, ''), ' ',
      COALESCE(FORMAT_TIMESTAMP('%FT%H:%M:%E*SZ', alerts.withdrawn_at), '')
    )) AS row_key
  FROM `${dataset}.budget_alerts` AS alerts
  UNION ALL
  SELECT
    'budgets' AS table_name,
    CONCAT(budgets.period, ' ', budgets.budget_id) AS row_key
  FROM `${dataset}.budgets` AS budgets
  UNION ALL
  SELECT
    'spot_preemptions' AS table_name,
    CONCAT(taken.project_id, ' ', taken.zone, ' ', taken.operation_id) AS row_key
  FROM `${dataset}.spot_preemptions` AS taken
  WHERE taken.preempted_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  UNION ALL
  SELECT
    'vm_creators' AS table_name,
    CONCAT(created.project_id, ' ', created.zone, ' ', created.instance_id) AS row_key
  FROM `${dataset}.vm_creators` AS created
  WHERE created.created_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  UNION ALL
  SELECT
    'machine_type_prices' AS table_name,
    CONCAT(types.machine_type, ' ', types.region) AS row_key
  FROM `${dataset}.machine_type_prices` AS types
  UNION ALL
  SELECT
    'shape_components' AS table_name,
    CONCAT(
      shapes.machine_type, ' ', COALESCE(shapes.gpu_type, 'no GPU'), ' x ', CAST(shapes.gpu_count AS STRING), ' ',
      CAST(shapes.local_ssd_gib AS STRING), ' GiB ', shapes.component
    ) AS row_key
  FROM `${dataset}.shape_components` AS shapes
  UNION ALL
  SELECT
    'budget_notifications' AS table_name,
    messages.delivery_id AS row_key
  FROM `${dataset}.budget_notifications` AS messages
  WHERE messages.received_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  UNION ALL
  SELECT
    'enforcement_actions' AS table_name,
    CONCAT(
      actions.message_id, ' ', actions.project_id, ' ', actions.zone, ' ', actions.instance_id, ' ', actions.event, ' ',
      actions.delivery_id
    ) AS row_key
  FROM `${dataset}.enforcement_actions` AS actions
  WHERE actions.happened_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
)

SELECT
  table_name,
  row_key,
  COUNT(*) AS copies
FROM table_keys
GROUP BY
  table_name,
  row_key
HAVING COUNT(*) > 1
