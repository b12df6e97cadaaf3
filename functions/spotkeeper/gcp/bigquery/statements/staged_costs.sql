-- The staged costs in the columns of spot_vm_costs, each with what its kinds say of all that are alike: of the VM, and of
-- the hour and the prices. Hours and the parts of a cost are staged in whole billionths; the sum of the parts that are
-- known is known_cost, and that of all is total_cost, NULL while one is not known. Grain: one VM in one hour, or in a part
-- of it.
SELECT
  kind.usage_start_time,
  kind.usage_end_time,
  vm.project_id,
  vm.zone,
  vm.region,
  found.instance_id,
  found.instance_name,
  vm.machine_type,
  vm.provisioning_model,
  vm.vcpus,
  vm.memory_gib,
  vm.gpu_type,
  vm.gpu_count,
  vm.local_ssd_gib,
  found.uptime_hours * NUMERIC '0.000000001' AS uptime_hours,
  kind.spot_price,
  kind.ondemand_price,
  found.cost * NUMERIC '0.000000001' AS cost,
  found.ondemand_cost * NUMERIC '0.000000001' AS ondemand_cost,
  kind.currency,
  kind.price_status,
  kind.price_reason,
  kind.price_as_of,
  vm.labels,
  vm.managed_by,
  kind.run_id,
  kind.recorded_at,
  COALESCE(found.billed_hours, found.uptime_hours) * NUMERIC '0.000000001' AS billed_hours,
  vm.licenses,
  vm.addresses,
  vm.disks,
  vm.reserved_addresses,
  vm.tier_1,
  COALESCE(found.license_cost, kind.license_cost) * NUMERIC '0.000000001' AS license_cost,
  kind.license_status,
  COALESCE(found.address_cost, kind.address_cost) * NUMERIC '0.000000001' AS address_cost,
  kind.address_status,
  COALESCE(found.disk_cost, kind.disk_cost) * NUMERIC '0.000000001' AS disk_cost,
  kind.disk_status,
  COALESCE(found.bandwidth_cost, kind.bandwidth_cost) * NUMERIC '0.000000001' AS bandwidth_cost,
  kind.bandwidth_status,
  (
    COALESCE(found.cost, 0)
    + COALESCE(found.license_cost, kind.license_cost, 0)
    + COALESCE(found.address_cost, kind.address_cost, 0)
    + COALESCE(found.disk_cost, kind.disk_cost, 0)
    + COALESCE(found.bandwidth_cost, kind.bandwidth_cost, 0)
  ) * NUMERIC '0.000000001' AS known_cost,
  (
    found.cost
    + COALESCE(found.license_cost, kind.license_cost)
    + COALESCE(found.address_cost, kind.address_cost)
    + COALESCE(found.disk_cost, kind.disk_cost)
    + COALESCE(found.bandwidth_cost, kind.bandwidth_cost)
  ) * NUMERIC '0.000000001' AS total_cost,
  kind.attached_reason,
  kind.compute_skus,
  kind.license_skus,
  kind.address_skus,
  kind.disk_skus,
  kind.bandwidth_skus,
  kind.contract_price,
  found.contract_cost * NUMERIC '0.000000001' AS contract_cost,
  found.contract_license_cost * NUMERIC '0.000000001' AS contract_license_cost,
  found.contract_address_cost * NUMERIC '0.000000001' AS contract_address_cost,
  found.contract_disk_cost * NUMERIC '0.000000001' AS contract_disk_cost,
  found.contract_bandwidth_cost * NUMERIC '0.000000001' AS contract_bandwidth_cost,
  (
    found.contract_cost
    + found.contract_license_cost
    + found.contract_address_cost
    + found.contract_disk_cost
    + found.contract_bandwidth_cost
  ) * NUMERIC '0.000000001' AS contract_total_cost,
  kind.contract_reason
FROM (SELECT cost.* FROM {staging}) AS found
INNER JOIN (SELECT vm_kind.* FROM {staging}) AS vm
  ON vm.kind_id = found.vm_kind
INNER JOIN (SELECT cost_kind.* FROM {staging}) AS kind
  ON kind.kind_id = found.cost_kind
