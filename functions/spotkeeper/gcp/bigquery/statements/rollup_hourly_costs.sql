-- Sum the cost rows of some UTC days by hour, project and team.
DELETE FROM hourly_costs
WHERE usage_hour >= @rollup_since
  AND usage_hour < @rollup_until
  AND DATE(usage_hour) IN UNNEST(@rollup_days);

INSERT INTO hourly_costs
WITH last_preemptions AS (
  SELECT
    -- The uptime that a preemption at the full hour ended is in the hour before.
    TIMESTAMP_TRUNC(TIMESTAMP_SUB(preempted.preempted_at, INTERVAL 1 MICROSECOND), HOUR) AS hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id,
    MAX(preempted.preempted_at) AS preempted_at
  FROM spot_preemptions AS preempted
  WHERE preempted.preempted_at > @rollup_since
    AND preempted.preempted_at <= @rollup_until
  GROUP BY
    hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id
),

labelled AS (
  SELECT
    costs.*,
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS usage_hour,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.team, CONCAT(',', label.key, ',')))
        FROM UNNEST(costs.labels) AS label
        WHERE STRPOS(keys.team, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      '(unlabelled)'
    ) AS team
  FROM spot_vm_costs AS costs
  CROSS JOIN label_keys AS keys
  WHERE costs.usage_start_time >= @rollup_since
    AND costs.usage_start_time < @rollup_until
    AND DATE(costs.usage_start_time) IN UNNEST(@rollup_days)
),

vm_hours AS (
  SELECT
    labelled.*,
    -- One that was started as another machine in the hour has two rows.
    ROW_NUMBER() OVER (
      PARTITION BY labelled.usage_hour, labelled.project_id, labelled.zone, labelled.instance_id
      ORDER BY labelled.usage_start_time
    ) = 1 AS is_first,
    IF(
      preempted.instance_id IS NULL,
      NUMERIC '0',
      LEAST(
        labelled.uptime_hours,
        ROUND(
          CAST(GREATEST(TIMESTAMP_DIFF(preempted.preempted_at, labelled.usage_start_time, SECOND), 0) AS NUMERIC) / 3600,
          9
        )
      )
    ) AS lost_hours
  FROM labelled
  LEFT JOIN last_preemptions AS preempted
    ON preempted.hour = labelled.usage_hour
    AND preempted.project_id = labelled.project_id
    AND preempted.zone = labelled.zone
    AND preempted.instance_id = labelled.instance_id
)

SELECT
  usage_hour,
  project_id,
  team,
  COUNTIF(is_first) AS instances,
  SUM(uptime_hours) AS vm_hours,
  SUM(IF(cost IS NULL, 0, uptime_hours)) AS priced_hours,
  SUM(IF(total_cost IS NULL, 0, uptime_hours)) AS fully_priced_hours,
  SUM(cost) AS cost,
  SUM(ondemand_cost) AS ondemand_cost,
  SUM(IF(cost IS NULL AND known_cost = 0, NULL, COALESCE(known_cost, cost))) AS known_cost,
  SUM(IF(cost IS NULL, NULL, COALESCE(known_cost, cost))) AS priced_known_cost,
  SUM(
    IF(cost IS NOT NULL AND known_cost IS NOT NULL AND total_cost IS NULL, uptime_hours, 0)
  ) AS partly_priced_hours,
  SUM(IF(known_cost IS NULL, uptime_hours, 0)) AS compute_only_hours,
  SUM(license_cost) AS license_cost,
  SUM(address_cost) AS address_cost,
  SUM(disk_cost) AS disk_cost,
  SUM(bandwidth_cost) AS bandwidth_cost,
  SUM(lost_hours) AS lost_hours,
  COUNTIF(price_status = 'unknown') AS unpriced,
  COUNTIF(price_status = 'stale') AS stale,
  COUNTIF(price_status = 'fallback') AS fallback,
  COUNTIF(price_status = 'uncertain') AS uncertain,
  STRING_AGG(
    DISTINCT IF(price_status = 'unknown', machine_type, NULL), ', '
    ORDER BY IF(price_status = 'unknown', machine_type, NULL)
  ) AS unpriced_machine_types,
  MAX(TIMESTAMP_DIFF(usage_end_time, price_as_of, HOUR)) AS prices_age_hours,
  COUNTIF(price_status = 'confirmed') AS confirmed,
  COUNTIF(price_status = 'from_history') AS from_history,
  SUM(IF(price_status = 'exact', cost, 0)) AS exact_cost,
  SUM(IF(price_status = 'confirmed', cost, 0)) AS confirmed_cost,
  SUM(IF(price_status = 'from_history', cost, 0)) AS from_history_cost,
  SUM(IF(price_status = 'uncertain', cost, 0)) AS uncertain_cost,
  SUM(IF(price_status = 'fallback', cost, 0)) AS fallback_cost,
  SUM(IF(price_status = 'stale', cost, 0)) AS stale_cost
FROM vm_hours
GROUP BY
  usage_hour,
  project_id,
  team;
