-- The instances as they were seen at a time or later, in order of project. One row is one instance while it was the same.
SELECT
  project_id, zone, instance_id, instance_name, provisioning_model, machine_type, vcpus, memory_gib, gpu_type, gpu_count,
  local_ssd_gib, labels, managed_by, first_seen, last_seen
FROM vm_inventory
WHERE last_seen >= @since AND project_id IN UNNEST(@projects)
ORDER BY project_id
