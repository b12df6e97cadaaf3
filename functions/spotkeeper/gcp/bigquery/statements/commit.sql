-- Write one run's costs and observations to their tables in one transaction; spending.sql is run after it. Idempotent.
-- Statements that only some runs need are in files of their own: commit_….sql.
--
-- The records of the staging table have the columns of their tables in the same order, so that every INSERT takes all of
-- them: the tables' definitions, sql/tables/*.json, are the one list of columns.

BEGIN TRANSACTION;

-- BigQuery lets transactions that only insert run concurrently; those that update the same row are serialized.
UPDATE tracker_lock
SET run_id = @run_id, locked_at = @recorded_at
WHERE TRUE;

-- A project and hour that was read in full replaces all its recorded rows. A row that is read again as it is stays.
DELETE FROM spot_vm_costs AS recorded
WHERE recorded.usage_start_time >= @first_hour
  AND recorded.usage_start_time < TIMESTAMP_ADD(@last_hour, INTERVAL 1 HOUR)
  AND EXISTS (
    SELECT 1
    FROM {staging} AS staged
    WHERE staged.reading.project_id = recorded.project_id
      AND staged.reading.hour = TIMESTAMP_TRUNC(recorded.usage_start_time, HOUR)
  )
  AND NOT EXISTS (
    SELECT 1
    FROM {staging} AS staged
    WHERE staged.cost.project_id = recorded.project_id
      AND staged.cost.zone = recorded.zone
      AND staged.cost.instance_id = recorded.instance_id
      AND staged.cost.usage_start_time = recorded.usage_start_time
      AND TO_JSON_STRING(STRUCT(
        recorded.usage_end_time, recorded.instance_name, recorded.machine_type, recorded.provisioning_model,
        recorded.vcpus, recorded.memory_gib, recorded.gpu_type, recorded.gpu_count, recorded.local_ssd_gib,
        recorded.uptime_hours, recorded.billed_hours, recorded.spot_price, recorded.ondemand_price, recorded.cost,
        recorded.ondemand_cost, recorded.price_status, recorded.price_reason, recorded.price_as_of, recorded.labels,
        recorded.managed_by, recorded.licenses, recorded.addresses, recorded.disks, recorded.reserved_addresses,
        recorded.tier_1, recorded.license_cost, recorded.license_status, recorded.address_cost,
        recorded.address_status, recorded.disk_cost, recorded.disk_status, recorded.bandwidth_cost,
        recorded.bandwidth_status, recorded.known_cost, recorded.total_cost, recorded.attached_reason,
        recorded.compute_skus, recorded.license_skus, recorded.address_skus, recorded.disk_skus, recorded.bandwidth_skus,
        recorded.contract_price, recorded.contract_cost, recorded.contract_license_cost,
        recorded.contract_address_cost, recorded.contract_disk_cost, recorded.contract_bandwidth_cost,
        recorded.contract_total_cost, recorded.contract_reason
      )) = TO_JSON_STRING(STRUCT(
        staged.cost.usage_end_time, staged.cost.instance_name, staged.cost.machine_type,
        staged.cost.provisioning_model, staged.cost.vcpus, staged.cost.memory_gib, staged.cost.gpu_type,
        staged.cost.gpu_count, staged.cost.local_ssd_gib, staged.cost.uptime_hours, staged.cost.billed_hours,
        staged.cost.spot_price, staged.cost.ondemand_price, staged.cost.cost, staged.cost.ondemand_cost,
        staged.cost.price_status, staged.cost.price_reason, staged.cost.price_as_of, staged.cost.labels,
        staged.cost.managed_by, staged.cost.licenses, staged.cost.addresses, staged.cost.disks,
        staged.cost.reserved_addresses, staged.cost.tier_1, staged.cost.license_cost, staged.cost.license_status,
        staged.cost.address_cost, staged.cost.address_status, staged.cost.disk_cost, staged.cost.disk_status,
        staged.cost.bandwidth_cost, staged.cost.bandwidth_status, staged.cost.known_cost, staged.cost.total_cost,
        staged.cost.attached_reason, staged.cost.compute_skus, staged.cost.license_skus, staged.cost.address_skus,
        staged.cost.disk_skus, staged.cost.bandwidth_skus,
        staged.cost.contract_price, staged.cost.contract_cost, staged.cost.contract_license_cost,
        staged.cost.contract_address_cost, staged.cost.contract_disk_cost, staged.cost.contract_bandwidth_cost,
        staged.cost.contract_total_cost, staged.cost.contract_reason
      ))
  );

-- One that was read in part replaces only the rows of the VMs that it has; an hour may have several of one VM.
DELETE FROM spot_vm_costs AS recorded
WHERE recorded.usage_start_time >= @first_hour
  AND recorded.usage_start_time < TIMESTAMP_ADD(@last_hour, INTERVAL 1 HOUR)
  AND EXISTS (
    SELECT 1
    FROM {staging} AS staged
    WHERE staged.cost.project_id = recorded.project_id
      AND staged.cost.zone = recorded.zone
      AND staged.cost.instance_id = recorded.instance_id
      AND TIMESTAMP_TRUNC(staged.cost.usage_start_time, HOUR) = TIMESTAMP_TRUNC(recorded.usage_start_time, HOUR)
  )
  AND NOT EXISTS (
    SELECT 1
    FROM {staging} AS staged
    WHERE staged.cost.project_id = recorded.project_id
      AND staged.cost.zone = recorded.zone
      AND staged.cost.instance_id = recorded.instance_id
      AND staged.cost.usage_start_time = recorded.usage_start_time
      AND TO_JSON_STRING(STRUCT(
        recorded.usage_end_time, recorded.instance_name, recorded.machine_type, recorded.provisioning_model,
        recorded.vcpus, recorded.memory_gib, recorded.gpu_type, recorded.gpu_count, recorded.local_ssd_gib,
        recorded.uptime_hours, recorded.billed_hours, recorded.spot_price, recorded.ondemand_price, recorded.cost,
        recorded.ondemand_cost, recorded.price_status, recorded.price_reason, recorded.price_as_of, recorded.labels,
        recorded.managed_by, recorded.licenses, recorded.addresses, recorded.disks, recorded.reserved_addresses,
        recorded.tier_1, recorded.license_cost, recorded.license_status, recorded.address_cost,
        recorded.address_status, recorded.disk_cost, recorded.disk_status, recorded.bandwidth_cost,
        recorded.bandwidth_status, recorded.known_cost, recorded.total_cost, recorded.attached_reason,
        recorded.compute_skus, recorded.license_skus, recorded.address_skus, recorded.disk_skus, recorded.bandwidth_skus,
        recorded.contract_price, recorded.contract_cost, recorded.contract_license_cost,
        recorded.contract_address_cost, recorded.contract_disk_cost, recorded.contract_bandwidth_cost,
        recorded.contract_total_cost, recorded.contract_reason
      )) = TO_JSON_STRING(STRUCT(
        staged.cost.usage_end_time, staged.cost.instance_name, staged.cost.machine_type,
        staged.cost.provisioning_model, staged.cost.vcpus, staged.cost.memory_gib, staged.cost.gpu_type,
        staged.cost.gpu_count, staged.cost.local_ssd_gib, staged.cost.uptime_hours, staged.cost.billed_hours,
        staged.cost.spot_price, staged.cost.ondemand_price, staged.cost.cost, staged.cost.ondemand_cost,
        staged.cost.price_status, staged.cost.price_reason, staged.cost.price_as_of, staged.cost.labels,
        staged.cost.managed_by, staged.cost.licenses, staged.cost.addresses, staged.cost.disks,
        staged.cost.reserved_addresses, staged.cost.tier_1, staged.cost.license_cost, staged.cost.license_status,
        staged.cost.address_cost, staged.cost.address_status, staged.cost.disk_cost, staged.cost.disk_status,
        staged.cost.bandwidth_cost, staged.cost.bandwidth_status, staged.cost.known_cost, staged.cost.total_cost,
        staged.cost.attached_reason, staged.cost.compute_skus, staged.cost.license_skus, staged.cost.address_skus,
        staged.cost.disk_skus, staged.cost.bandwidth_skus,
        staged.cost.contract_price, staged.cost.contract_cost, staged.cost.contract_license_cost,
        staged.cost.contract_address_cost, staged.cost.contract_disk_cost, staged.cost.contract_bandwidth_cost,
        staged.cost.contract_total_cost, staged.cost.contract_reason
      ))
  );

INSERT INTO spot_vm_costs
SELECT cost.*
FROM {staging} AS staged
WHERE staged.cost.instance_id IS NOT NULL
  -- What is still there is the same.
  AND NOT EXISTS (
    SELECT 1
    FROM spot_vm_costs AS recorded
    WHERE recorded.usage_start_time >= @first_hour
      AND recorded.usage_start_time < TIMESTAMP_ADD(@last_hour, INTERVAL 1 HOUR)
      AND recorded.usage_start_time = staged.cost.usage_start_time
      AND recorded.project_id = staged.cost.project_id
      AND recorded.zone = staged.cost.zone
      AND recorded.instance_id = staged.cost.instance_id
  );

-- The state of a project and hour. A failed reading does not override an earlier complete one, and keeps at least the
-- unresolved uptime found before; nor does a list of disks and addresses that fails undo a full one after the hour.
UPDATE project_hours AS recorded
SET
  state = staged.state,
  unresolved = IF(
    staged.state IN ('incomplete', 'final'), GREATEST(staged.unresolved, recorded.unresolved), staged.unresolved
  ),
  unresolved_hours = IF(
    staged.state IN ('incomplete', 'final'),
    GREATEST(staged.unresolved_hours, recorded.unresolved_hours),
    staged.unresolved_hours
  ),
  run_id = staged.run_id,
  recorded_at = staged.recorded_at,
  resources_listed = staged.resources_listed OR recorded.resources_listed IS NOT FALSE
FROM (
  SELECT project_hour.*
  FROM {staging}
) AS staged
WHERE staged.project_id = recorded.project_id
  AND staged.hour = recorded.hour
  AND recorded.hour >= @first_hour
  AND recorded.hour <= @last_hour
  AND NOT (staged.state = 'incomplete' AND recorded.state IN ('complete', 'final'));

INSERT INTO project_hours
SELECT project_hour.*
FROM {staging} AS staged
WHERE staged.project_hour.project_id IS NOT NULL
  AND NOT EXISTS (
    SELECT 1
    FROM project_hours AS recorded
    WHERE recorded.hour >= @first_hour AND recorded.hour <= @last_hour
      AND recorded.hour = staged.project_hour.hour
      AND recorded.project_id = staged.project_hour.project_id
  );

-- An instance that is unchanged since the latest observation extends it. The fingerprint of one whose disks were not read
-- begins those of the same one with any disks. Only the partitions since @observed_since are read; the row moves to that of
-- the day on which it was last seen.
UPDATE vm_inventory AS known
SET last_seen = seen.last_seen
FROM (
  SELECT latest.project_id, latest.zone, latest.instance_id, latest.first_seen, MAX(staged.observation.last_seen) AS last_seen
  FROM {staging} AS staged
  INNER JOIN (
    SELECT project_id, zone, instance_id, first_seen, last_seen, fingerprint
    FROM vm_inventory
    WHERE last_seen >= @observed_since
    QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY last_seen DESC) = 1
  ) AS latest
    ON latest.project_id = staged.observation.project_id
    AND latest.zone = staged.observation.zone
    AND latest.instance_id = staged.observation.instance_id
    AND STARTS_WITH(latest.fingerprint, staged.observation.fingerprint)
    AND latest.last_seen < staged.observation.last_seen
  GROUP BY latest.project_id, latest.zone, latest.instance_id, latest.first_seen
) AS seen
WHERE known.last_seen >= @observed_since
  AND known.project_id = seen.project_id
  AND known.zone = seen.zone
  AND known.instance_id = seen.instance_id
  AND known.first_seen = seen.first_seen;

-- A new or changed instance starts a row. An observation older than the latest one is ignored.
INSERT INTO vm_inventory
SELECT observation.*
FROM {staging}
LEFT JOIN (
  SELECT project_id, zone, instance_id, last_seen, fingerprint
  FROM vm_inventory
  WHERE last_seen >= @observed_since
  QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY last_seen DESC) = 1
) AS latest
  ON latest.project_id = observation.project_id
  AND latest.zone = observation.zone
  AND latest.instance_id = observation.instance_id
WHERE observation.instance_id IS NOT NULL
  AND (
    latest.instance_id IS NULL
    OR (NOT STARTS_WITH(latest.fingerprint, observation.fingerprint) AND latest.last_seen < observation.last_seen)
  )
-- A recorded history that is asked about several times of one version yields it for each of them.
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY observation.project_id, observation.zone, observation.instance_id, observation.first_seen
  ORDER BY observation.last_seen DESC
) = 1;

-- {parts}

COMMIT TRANSACTION;
