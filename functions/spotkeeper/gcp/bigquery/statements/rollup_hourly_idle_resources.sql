-- Sum by hour and project what disks and reserved addresses of Spot VMs cost beside the cost rows, of some UTC days.
--
-- An hour of a disk is the cost of its row up to the end of the hour less that up to its start, so that the hours of a row
-- add up to its cost to the last digit. Of a shared disk the Spot VMs bear an equal part each, and nothing of a disk or an
-- address that no scan found with a Spot VM. Only hours that a run has recorded count: a scan of disks reaches into the
-- next one, whose cost rows are not there yet.
DELETE FROM hourly_idle_resources
WHERE usage_hour >= @rollup_since
  AND usage_hour < @rollup_until
  AND DATE(usage_hour) IN UNNEST(@rollup_days);

INSERT INTO hourly_idle_resources
WITH recorded AS (
  SELECT
    known.hour,
    known.project_id
  FROM project_hours AS known
  WHERE known.hour >= @rollup_since
    AND known.hour < @rollup_until
    AND DATE(known.hour) IN UNNEST(@rollup_days)
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
  FROM disk_costs AS disks
  -- A row is of one day of Cloud Billing, which has 25 hours at most.
  WHERE disks.usage_start_time >= TIMESTAMP_SUB(@rollup_since, INTERVAL 25 HOUR)
    AND disks.usage_start_time < @rollup_until
    AND disks.usage_end_time > @rollup_since
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
  FROM address_costs AS addresses
  WHERE addresses.usage_start_time >= TIMESTAMP_SUB(@rollup_since, INTERVAL 25 HOUR)
    AND addresses.usage_start_time < @rollup_until
    AND addresses.usage_end_time > @rollup_since
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
  FROM spot_vm_costs AS costs
  WHERE costs.usage_start_time >= @rollup_since
    AND costs.usage_start_time < @rollup_until
    AND DATE(costs.usage_start_time) IN UNNEST(@rollup_days)
  GROUP BY
    hour,
    costs.project_id
)

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
  AND row_costs.project_id = found.project_id;
