-- Which VMs exist now, Spot and others?
-- Grain: one VM that the latest whole scan of its project, or a later one, found.
--
-- Stopped VMs exist too: the inventory does not say whether a VM runs. A project without a whole scan in two days has the
-- VMs of its last scan, and scanned_at is NULL; one without a scan in 30 days has none. fleet_mix and
-- spot_adoption_by_team read this view. Reads 30 days of the inventory.
WITH scans AS (
  SELECT
    known.project_id,
    MAX(known.recorded_at) AS scanned_at
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
    -- An hour is final also when nobody reads it any more, without a scan.
    AND known.state IN ('provisional', 'complete')
  GROUP BY known.project_id
)

SELECT
  seen.project_id,  -- STRING: The Google Cloud project.
  seen.zone,  -- STRING: The zone.
  seen.region,  -- STRING: The region.
  seen.instance_id,  -- STRING: The id of the VM, unique in its project and zone.
  seen.instance_name,  -- STRING: The name of the VM.
  seen.machine_type,  -- STRING: The machine type; NULL when it is not known.
  seen.vcpus,  -- NUMERIC: Its vCPUs; NULL when the machine type is not known.
  seen.provisioning_model = 'SPOT' AS is_spot,  -- BOOLEAN: Whether it is a Spot VM; NULL when its provisioning model is not known.
  COALESCE(
    (
      SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.team, CONCAT(',', label.key, ',')))
      FROM UNNEST(seen.labels) AS label
      WHERE STRPOS(keys.team, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
    ),
    '(unlabelled)'
  ) AS team,  -- STRING: The value of the label team when it was last seen; (unlabelled) without one.
  seen.last_seen,  -- TIMESTAMP: When a scan last found it.
  scans.scanned_at  -- TIMESTAMP: The latest whole scan of its project; NULL without one in two days.
FROM `${dataset}.vm_inventory` AS seen
CROSS JOIN `${dataset}.label_keys` AS keys
LEFT JOIN scans
  ON scans.project_id = seen.project_id
WHERE seen.last_seen >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
-- A VM that the latest whole scan of its project did not find no longer exists.
QUALIFY seen.last_seen >= COALESCE(scans.scanned_at, MAX(seen.last_seen) OVER (PARTITION BY seen.project_id))
  AND ROW_NUMBER() OVER (
    PARTITION BY seen.project_id, seen.zone, seen.instance_id ORDER BY seen.last_seen DESC, seen.first_seen DESC
  ) = 1
