-- The staged observations in the columns of vm_inventory, each with what its kind says of all VMs that are alike. Grain: one
-- observation of a VM.
SELECT
  vm.project_id,
  vm.zone,
  vm.region,
  found.instance_id,
  found.first_seen,
  found.last_seen,
  found.instance_name,
  vm.machine_type,
  vm.provisioning_model,
  vm.vcpus,
  vm.memory_gib,
  vm.gpu_type,
  vm.gpu_count,
  vm.local_ssd_gib,
  vm.labels,
  vm.managed_by,
  found.fingerprint,
  found.started_at,
  found.created_at,
  vm.licenses,
  vm.addresses,
  vm.disks,
  vm.reserved_addresses,
  vm.tier_1
FROM (SELECT observation.* FROM {staging}) AS found
INNER JOIN (SELECT vm_kind.* FROM {staging}) AS vm
  ON vm.kind_id = found.vm_kind
