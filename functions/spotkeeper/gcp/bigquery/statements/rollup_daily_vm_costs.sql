-- Sum the cost rows of some UTC days by VM and day.
DELETE FROM daily_vm_costs
WHERE usage_date >= DATE(@rollup_since)
  AND usage_date < DATE(@rollup_until)
  AND usage_date IN UNNEST(@rollup_days);

INSERT INTO daily_vm_costs
WITH last_preemptions AS (
  SELECT
    -- The uptime that a preemption at the full hour ended is in the hour before.
    TIMESTAMP_TRUNC(TIMESTAMP_SUB(preempted.preempted_at, INTERVAL 1 MICROSECOND), HOUR) AS hour,
    preempted.project_id,
    preempted.zone,
    preempted.instance_id,
    COUNT(*) AS preemptions,
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
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS hour,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.team, CONCAT(',', label.key, ',')))
        FROM UNNEST(costs.labels) AS label
        WHERE STRPOS(keys.team, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      '(unlabelled)'
    ) AS team,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.project_label, CONCAT(',', label.key, ',')))
        FROM UNNEST(costs.labels) AS label
        WHERE STRPOS(keys.project_label, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      '(unlabelled)'
    ) AS project_label,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.experiment, CONCAT(',', label.key, ',')))
        FROM UNNEST(costs.labels) AS label
        WHERE STRPOS(keys.experiment, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      '(unlabelled)'
    ) AS experiment,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.cost_center, CONCAT(',', label.key, ',')))
        FROM UNNEST(costs.labels) AS label
        WHERE STRPOS(keys.cost_center, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      '(unlabelled)'
    ) AS cost_center
  FROM spot_vm_costs AS costs
  CROSS JOIN label_keys AS keys
  WHERE costs.usage_start_time >= @rollup_since
    AND costs.usage_start_time < @rollup_until
    AND DATE(costs.usage_start_time) IN UNNEST(@rollup_days)
),

vm_hours AS (
  SELECT
    labelled.*,
    IF(labelled.cost IS NULL, 0, labelled.uptime_hours) AS priced_hours,
    -- One that was started as another machine in the hour has two rows: its preemptions count once.
    IF(
      ROW_NUMBER() OVER (
        PARTITION BY labelled.hour, labelled.project_id, labelled.zone, labelled.instance_id
        ORDER BY labelled.usage_start_time DESC
      ) = 1,
      COALESCE(preempted.preemptions, 0),
      0
    ) AS preemptions,
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
    ON preempted.hour = labelled.hour
    AND preempted.project_id = labelled.project_id
    AND preempted.zone = labelled.zone
    AND preempted.instance_id = labelled.instance_id
)

SELECT
  DATE(usage_start_time) AS usage_date,
  DATE(usage_start_time, 'America/Los_Angeles') AS billing_date,
  GREATEST(
    DATE_TRUNC(DATE(usage_start_time, 'America/Los_Angeles'), MONTH),
    -- A month is closed 72 hours after its end.
    DATE_TRUNC(DATE(TIMESTAMP_SUB(recorded_at, INTERVAL 72 HOUR), 'America/Los_Angeles'), MONTH)
  ) AS booked_month,
  project_id,
  region,
  zone,
  instance_id,
  instance_name,
  machine_type,
  gpu_type,
  managed_by,
  team,
  project_label,
  experiment,
  cost_center,
  MIN(hour) AS first_hour,
  MAX(usage_start_time) AS last_start_time,
  SUM(uptime_hours) AS vm_hours,
  SUM(COALESCE(billed_hours, uptime_hours)) AS billed_hours,
  SUM(priced_hours) AS priced_hours,
  SUM(IF(cost IS NULL, 0, COALESCE(billed_hours, uptime_hours))) AS priced_billed_hours,
  SUM(IF(total_cost IS NULL, 0, uptime_hours)) AS fully_priced_hours,
  SUM(IF(ondemand_cost IS NULL, 0, priced_hours)) AS compared_hours,
  SUM(cost) AS cost,
  SUM(ondemand_cost) AS ondemand_cost,
  SUM(license_cost) AS license_cost,
  SUM(address_cost) AS address_cost,
  SUM(disk_cost) AS disk_cost,
  SUM(bandwidth_cost) AS bandwidth_cost,
  SUM(IF(cost IS NULL AND known_cost = 0, NULL, COALESCE(known_cost, cost))) AS known_cost,
  SUM(total_cost) AS total_cost,
  SUM(IF(ondemand_cost IS NULL, NULL, cost)) AS compared_cost,
  SUM(IF(cost IS NULL, NULL, ondemand_cost)) AS compared_ondemand_cost,
  SUM(
    IF(cost IS NULL, NULL, ROUND(ondemand_cost * (1 - COALESCE(SAFE_DIVIDE(lost_hours, uptime_hours), 0)), 9))
  ) AS kept_ondemand_cost,
  SUM(lost_hours) AS lost_hours,
  SUM(IF(cost IS NULL, 0, lost_hours)) AS priced_lost_hours,
  SUM(ROUND(cost * SAFE_DIVIDE(lost_hours, uptime_hours), 9)) AS lost_cost,
  SUM(preemptions) AS preemptions,
  SUM(IF(cost IS NULL OR gpu_type IS NOT NULL, NULL, ROUND(uptime_hours * vcpus, 9))) AS vcpu_hours,
  SUM(IF(cost IS NULL OR gpu_type IS NULL, NULL, uptime_hours * gpu_count)) AS gpu_hours,
  SUM(IF(gpu_type IS NOT NULL OR vcpus IS NULL, NULL, cost)) AS vcpu_cost,
  SUM(IF(gpu_type IS NULL OR gpu_count IS NULL, NULL, cost)) AS gpu_cost,
  SUM(IF(contract_cost IS NULL, NULL, uptime_hours)) AS contract_hours,
  SUM(IF(contract_cost IS NULL, NULL, cost)) AS contract_list_cost,
  SUM(contract_cost) AS contract_cost
FROM vm_hours
GROUP BY
  usage_date,
  billing_date,
  booked_month,
  project_id,
  region,
  zone,
  instance_id,
  instance_name,
  machine_type,
  gpu_type,
  managed_by,
  team,
  project_label,
  experiment,
  cost_center;
