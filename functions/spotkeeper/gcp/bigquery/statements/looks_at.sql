-- All that was ever seen of some instances. One row is one instance while it was the same.
SELECT
  project_id, zone, instance_id, instance_name, provisioning_model, machine_type, vcpus, memory_gib, gpu_type, gpu_count,
  local_ssd_gib, labels, managed_by, first_seen, last_seen
FROM vm_inventory
WHERE project_id IN UNNEST(@projects) AND instance_id IN UNNEST(@instance_ids)
