-- The observations of some instances that were made since a time, or held then, in order of the instance. Grain: one
-- instance while it was unchanged.
SELECT * EXCEPT (region, fingerprint)
FROM vm_inventory
WHERE last_seen >= @since AND project_id IN UNNEST(@projects) AND instance_id IN UNNEST(@instance_ids)
ORDER BY project_id, zone, instance_id
