-- The fingerprints of the instances that were observed since an hour began, in order of project: `ID FINGERPRINT`, joined
-- by commas; `ID FINGERPRINT FIRST_SEEN` in microseconds of the Unix epoch for one that was first observed since then;
-- `ID ` for one that changed. Grain: a hundredth of a project.
WITH observed AS (
  SELECT
    project_id, instance_id,
    CASE
      WHEN COUNT(*) > 1 THEN ''
      WHEN MIN(first_seen) < @hour THEN MAX(fingerprint)
      ELSE CONCAT(MAX(fingerprint), ' ', CAST(UNIX_MICROS(MIN(first_seen)) AS STRING))
    END AS fingerprint
  FROM vm_inventory
  WHERE last_seen >= @hour AND project_id IN UNNEST(@projects)
  GROUP BY project_id, instance_id
)
SELECT project_id, STRING_AGG(CONCAT(instance_id, ' ', fingerprint), ',') AS fingerprints
FROM observed
GROUP BY project_id, SUBSTR(instance_id, -2)
ORDER BY project_id
