-- Write one run's costs and observations to their tables in one transaction; spending.sql is run after it. Idempotent.
-- Statements that only some runs need are in files of their own: commit_….sql.
--
-- The records of the staging table have the columns of their tables in the same order, so that an INSERT takes all of
-- them. Costs and observations share what alike ones have in common: staged_costs.sql and staged_observations.sql.

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
    FROM {query staged_costs} AS staged
    WHERE staged.project_id = recorded.project_id
      AND staged.zone = recorded.zone
      AND staged.instance_id = recorded.instance_id
      AND staged.usage_start_time = recorded.usage_start_time
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
        staged.usage_end_time, staged.instance_name, staged.machine_type,
        staged.provisioning_model, staged.vcpus, staged.memory_gib, staged.gpu_type,
        staged.gpu_count, staged.local_ssd_gib, staged.uptime_hours, staged.billed_hours,
        staged.spot_price, staged.ondemand_price, staged.cost, staged.ondemand_cost,
        staged.price_status, staged.price_reason, staged.price_as_of, staged.labels,
        staged.managed_by, staged.licenses, staged.addresses, staged.disks,
        staged.reserved_addresses, staged.tier_1, staged.license_cost, staged.license_status,
        staged.address_cost, staged.address_status, staged.disk_cost, staged.disk_status,
        staged.bandwidth_cost, staged.bandwidth_status, staged.known_cost, staged.total_cost,
        staged.attached_reason, staged.compute_skus, staged.license_skus, staged.address_skus,
        staged.disk_skus, staged.bandwidth_skus,
        staged.contract_price, staged.contract_cost, staged.contract_license_cost,
        staged.contract_address_cost, staged.contract_disk_cost, staged.contract_bandwidth_cost,
        staged.contract_total_cost, staged.contract_reason
      ))
  );

-- One that was read in part replaces only the rows of the VMs that it has; an hour may have several of one VM.
DELETE FROM spot_vm_costs AS recorded
WHERE recorded.usage_start_time >= @first_hour
  AND recorded.usage_start_time < TIMESTAMP_ADD(@last_hour, INTERVAL 1 HOUR)
  AND EXISTS (
    SELECT 1
    FROM {query staged_costs} AS staged
    WHERE staged.project_id = recorded.project_id
      AND staged.zone = recorded.zone
      AND staged.instance_id = recorded.instance_id
      AND TIMESTAMP_TRUNC(staged.usage_start_time, HOUR) = TIMESTAMP_TRUNC(recorded.usage_start_time, HOUR)
  )
  AND NOT EXISTS (
    SELECT 1
    FROM {query staged_costs} AS staged
    WHERE staged.project_id = recorded.project_id
      AND staged.zone = recorded.zone
      AND staged.instance_id = recorded.instance_id
      AND staged.usage_start_time = recorded.usage_start_time
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
        staged.usage_end_time, staged.instance_name, staged.machine_type,
        staged.provisioning_model, staged.vcpus, staged.memory_gib, staged.gpu_type,
        staged.gpu_count, staged.local_ssd_gib, staged.uptime_hours, staged.billed_hours,
        staged.spot_price, staged.ondemand_price, staged.cost, staged.ondemand_cost,
        staged.price_status, staged.price_reason, staged.price_as_of, staged.labels,
        staged.managed_by, staged.licenses, staged.addresses, staged.disks,
        staged.reserved_addresses, staged.tier_1, staged.license_cost, staged.license_status,
        staged.address_cost, staged.address_status, staged.disk_cost, staged.disk_status,
        staged.bandwidth_cost, staged.bandwidth_status, staged.known_cost, staged.total_cost,
        staged.attached_reason, staged.compute_skus, staged.license_skus, staged.address_skus,
        staged.disk_skus, staged.bandwidth_skus,
        staged.contract_price, staged.contract_cost, staged.contract_license_cost,
        staged.contract_address_cost, staged.contract_disk_cost, staged.contract_bandwidth_cost,
        staged.contract_total_cost, staged.contract_reason
      ))
  );

INSERT INTO spot_vm_costs (
  usage_start_time, usage_end_time, project_id, zone, region, instance_id, instance_name, machine_type,
  provisioning_model, vcpus, memory_gib, gpu_type, gpu_count, local_ssd_gib, uptime_hours, spot_price,
  ondemand_price, cost, ondemand_cost, currency, price_status, price_reason, price_as_of, labels, managed_by, run_id,
  recorded_at, billed_hours, licenses, addresses, disks, reserved_addresses, tier_1, license_cost, license_status,
  address_cost, address_status, disk_cost, disk_status, bandwidth_cost, bandwidth_status, known_cost, total_cost,
  attached_reason, compute_skus, license_skus, address_skus, disk_skus, bandwidth_skus, contract_price,
  contract_cost, contract_license_cost, contract_address_cost, contract_disk_cost, contract_bandwidth_cost,
  contract_total_cost, contract_reason
)
SELECT staged.*
FROM {query staged_costs} AS staged
-- What is still there is the same.
WHERE NOT EXISTS (
  SELECT 1
  FROM spot_vm_costs AS recorded
  WHERE recorded.usage_start_time >= @first_hour
    AND recorded.usage_start_time < TIMESTAMP_ADD(@last_hour, INTERVAL 1 HOUR)
    AND recorded.usage_start_time = staged.usage_start_time
    AND recorded.project_id = staged.project_id
    AND recorded.zone = staged.zone
    AND recorded.instance_id = staged.instance_id
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
  SELECT latest.project_id, latest.zone, latest.instance_id, latest.first_seen, MAX(staged.last_seen) AS last_seen
  FROM {query staged_observations} AS staged
  INNER JOIN (
    SELECT project_id, zone, instance_id, first_seen, last_seen, fingerprint
    FROM vm_inventory
    WHERE last_seen >= @observed_since
    QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY last_seen DESC) = 1
  ) AS latest
    ON latest.project_id = staged.project_id
    AND latest.zone = staged.zone
    AND latest.instance_id = staged.instance_id
    AND STARTS_WITH(latest.fingerprint, staged.fingerprint)
    AND latest.last_seen < staged.last_seen
  GROUP BY latest.project_id, latest.zone, latest.instance_id, latest.first_seen
) AS seen
WHERE known.last_seen >= @observed_since
  AND known.project_id = seen.project_id
  AND known.zone = seen.zone
  AND known.instance_id = seen.instance_id
  AND known.first_seen = seen.first_seen;

-- A new or changed instance starts a row. An observation older than the latest one is ignored.
INSERT INTO vm_inventory (
  project_id, zone, region, instance_id, first_seen, last_seen, instance_name, machine_type, provisioning_model,
  vcpus, memory_gib, gpu_type, gpu_count, local_ssd_gib, labels, managed_by, fingerprint, started_at, created_at,
  licenses, addresses, disks, reserved_addresses, tier_1
)
SELECT staged.*
FROM {query staged_observations} AS staged
LEFT JOIN (
  SELECT project_id, zone, instance_id, last_seen, fingerprint
  FROM vm_inventory
  WHERE last_seen >= @observed_since
  QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY last_seen DESC) = 1
) AS latest
  ON latest.project_id = staged.project_id
  AND latest.zone = staged.zone
  AND latest.instance_id = staged.instance_id
WHERE latest.instance_id IS NULL
  OR (NOT STARTS_WITH(latest.fingerprint, staged.fingerprint) AND latest.last_seen < staged.last_seen)
-- A recorded history that is asked about several times of one version yields it for each of them.
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY staged.project_id, staged.zone, staged.instance_id, staged.first_seen ORDER BY staged.last_seen DESC
) = 1;

-- {parts}

COMMIT TRANSACTION;
