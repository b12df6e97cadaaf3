-- The observations that held at a time or later, in order of project. Grain: one instance while it was unchanged.
SELECT * EXCEPT (region, fingerprint)
FROM vm_inventory
WHERE last_seen >= @since AND project_id IN UNNEST(@projects)
ORDER BY project_id
