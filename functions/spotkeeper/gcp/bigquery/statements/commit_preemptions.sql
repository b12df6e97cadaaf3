-- A preemption is recorded once, with the machine type that the latest look before it found.
INSERT INTO spot_preemptions (
  preempted_at, project_id, zone, region, instance_id, instance_name, machine_type, operation_id, operation_name, run_id,
  recorded_at
)
SELECT
  staged.preemption.preempted_at, staged.preemption.project_id, staged.preemption.zone, staged.preemption.region,
  staged.preemption.instance_id, staged.preemption.instance_name, seen.machine_type, staged.preemption.operation_id,
  staged.preemption.operation_name, staged.preemption.run_id, staged.preemption.recorded_at
FROM {staging} AS staged
LEFT JOIN vm_inventory AS seen
  ON seen.project_id = staged.preemption.project_id
  AND seen.zone = staged.preemption.zone
  AND seen.instance_id = staged.preemption.instance_id
WHERE staged.preemption.operation_id IS NOT NULL
  AND NOT EXISTS (
    SELECT 1
    FROM spot_preemptions AS recorded
    WHERE recorded.preempted_at >= @first_hour
      AND recorded.project_id = staged.preemption.project_id
      AND recorded.zone = staged.preemption.zone
      AND recorded.operation_id = staged.preemption.operation_id
  )
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY staged.preemption.project_id, staged.preemption.zone, staged.preemption.operation_id
  ORDER BY seen.first_seen <= staged.preemption.preempted_at DESC, seen.last_seen DESC
) = 1;

-- A run that could not find out who an instance was records its preemption without the machine type; a later one may know.
UPDATE spot_preemptions AS recorded
SET machine_type = seen.machine_type
FROM (
  SELECT project_id, zone, instance_id, machine_type
  FROM vm_inventory
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY last_seen DESC) = 1
) AS seen
WHERE recorded.preempted_at >= @first_hour
  AND recorded.machine_type IS NULL
  AND recorded.project_id = seen.project_id
  AND recorded.zone = seen.zone
  AND recorded.instance_id = seen.instance_id;
