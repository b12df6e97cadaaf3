-- Invariant: hourly_idle_resources has what disks and reserved addresses of Spot VMs cost in an hour beside the cost rows, to
-- the last digit; rebuild-rollups writes it anew.
-- Grain: one hour and project of hourly_idle_resources that differs from disk_costs, address_costs and spot_vm_costs.
-- Reads the 30 days before today.
WITH recorded AS (
  SELECT
    known.hour,
    known.project_id
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
),

resources AS (
  SELECT
    'disk' AS resource_type,
    disks.project_id,
    disks.usage_start_time,
    disks.usage_end_time,
    disks.price,
    IF(
      ARRAY_LENGTH(disks.attached_to) = 0,
      1,
      (SELECT COUNTIF(user.provisioning_model = 'SPOT') FROM UNNEST(disks.attached_to) AS user)
    ) AS spot_users,
    GREATEST(ARRAY_LENGTH(disks.attached_to), 1) AS users
  FROM `${dataset}.disk_costs` AS disks
  -- A row is of one day of Cloud Billing, which begins in the UTC day before.
  WHERE disks.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 31 DAY)
    AND disks.usage_end_time > TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
    AND disks.last_instance_id IS NOT NULL
  UNION ALL
  SELECT
    'address' AS resource_type,
    addresses.project_id,
    addresses.usage_start_time,
    addresses.usage_end_time,
    addresses.price,
    1 AS spot_users,
    1 AS users
  FROM `${dataset}.address_costs` AS addresses
  WHERE addresses.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 31 DAY)
    AND addresses.usage_end_time > TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
    AND addresses.last_instance_id IS NOT NULL
    -- While a VM runs with it, it is in that VM's row; what is not a Spot VM is not tracked.
    AND addresses.held_by IN ('none', 'stopped_vm')
),

resource_hours AS (
  SELECT
    recorded.hour,
    recorded.project_id,
    resources.resource_type,
    resources.price,
    resources.spot_users,
    resources.users,
    GREATEST(TIMESTAMP_DIFF(recorded.hour, resources.usage_start_time, SECOND), 0) AS first_second,
    TIMESTAMP_DIFF(
      LEAST(TIMESTAMP_ADD(recorded.hour, INTERVAL 1 HOUR), resources.usage_end_time), resources.usage_start_time, SECOND
    ) AS end_second
  FROM resources
  INNER JOIN recorded
    ON recorded.project_id = resources.project_id
    AND recorded.hour < resources.usage_end_time
    AND TIMESTAMP_ADD(recorded.hour, INTERVAL 1 HOUR) > resources.usage_start_time
),

resource_costs AS (
  SELECT
    hour,
    project_id,
    SUM(IF(resource_type = 'disk', known.cost, NULL)) AS disk_cost,
    SUM(IF(resource_type = 'address', known.cost, NULL)) AS address_cost,
    SUM(IF(known.cost IS NULL, known.resource_hours, 0)) AS unpriced_hours
  FROM (
    SELECT
      hour,
      project_id,
      resource_type,
      CAST(ROUND(CAST(end_second - first_second AS NUMERIC) / 3600, 9) AS NUMERIC) AS resource_hours,
      CAST(
        ROUND((ROUND(price * end_second / 3600, 9) - ROUND(price * first_second / 3600, 9)) * spot_users / users, 9)
        AS NUMERIC
      ) AS cost
    FROM resource_hours
    WHERE end_second > first_second
  ) AS known
  GROUP BY
    hour,
    project_id
),

row_costs AS (
  SELECT
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS hour,
    costs.project_id,
    SUM(costs.disk_cost) AS disk_cost
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
  GROUP BY
    hour,
    costs.project_id
),

expected AS (
  SELECT
    found.hour AS usage_hour,
    found.project_id,
    GREATEST(found.disk_cost - COALESCE(row_costs.disk_cost, 0), 0) AS disk_cost,
    found.address_cost,
    GREATEST(COALESCE(found.disk_cost, 0) - COALESCE(row_costs.disk_cost, 0), 0) + COALESCE(found.address_cost, 0) AS cost,
    found.unpriced_hours
  FROM resource_costs AS found
  LEFT JOIN row_costs
    ON row_costs.hour = found.hour
    AND row_costs.project_id = found.project_id
),

written AS (
  SELECT
    rolled.usage_hour,
    rolled.project_id,
    rolled.disk_cost,
    rolled.address_cost,
    rolled.cost,
    rolled.unpriced_hours
  FROM `${dataset}.hourly_idle_resources` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
)

SELECT
  COALESCE(written.usage_hour, expected.usage_hour) AS usage_hour,
  COALESCE(written.project_id, expected.project_id) AS project_id,
  COALESCE(written.disk_cost, 0) - COALESCE(expected.disk_cost, 0) AS disk_cost,
  COALESCE(written.address_cost, 0) - COALESCE(expected.address_cost, 0) AS address_cost,
  COALESCE(written.cost, 0) - COALESCE(expected.cost, 0) AS cost,
  COALESCE(written.unpriced_hours, 0) - COALESCE(expected.unpriced_hours, 0) AS unpriced_hours
FROM written
FULL OUTER JOIN expected
  ON expected.usage_hour = written.usage_hour
  AND expected.project_id = written.project_id
-- Equal figures keep the invariant.
WHERE COALESCE(written.disk_cost, -1) != COALESCE(expected.disk_cost, -1)
  OR COALESCE(written.address_cost, -1) != COALESCE(expected.address_cost, -1)
  OR COALESCE(written.cost, -1) != COALESCE(expected.cost, -1)
  OR COALESCE(written.unpriced_hours, -1) != COALESCE(expected.unpriced_hours, -1)
