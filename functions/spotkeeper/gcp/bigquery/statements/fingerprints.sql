-- The fingerprints of the instances that were observed since an hour began, in order of project: `ID FINGERPRINT`, joined
-- by commas; `ID ` for one that was first observed, or changed, since then. Grain: a hundredth of a project.
WITH observed AS (
  SELECT
    project_id, instance_id,
    IF(COUNT(*) = 1 AND MIN(first_seen) < @hour, MAX(fingerprint), '') AS fingerprint
  FROM vm_inventory
  WHERE last_seen >= @hour AND project_id IN UNNEST(@projects)
  GROUP BY project_id, instance_id
)
SELECT project_id, STRING_AGG(CONCAT(instance_id, ' ', fingerprint), ',') AS fingerprints
FROM observed
GROUP BY project_id, SUBSTR(instance_id, -2)
ORDER BY project_id
