-- A preemption is recorded once, with the machine type of the latest observation before it. The operation's name is the
-- same in the list of operations and in the audit log.
INSERT INTO spot_preemptions
SELECT preemption.* REPLACE (seen.machine_type AS machine_type)
FROM {staging}
LEFT JOIN (
  SELECT project_id, zone, instance_id, machine_type, first_seen, last_seen
  FROM vm_inventory
  WHERE last_seen >= @observed_since
) AS seen
  ON seen.project_id = preemption.project_id
  AND seen.zone = preemption.zone
  AND seen.instance_id = preemption.instance_id
WHERE preemption.operation_id IS NOT NULL
  AND NOT EXISTS (
    SELECT 1
    FROM spot_preemptions AS recorded
    WHERE recorded.preempted_at >= @first_hour
      AND recorded.project_id = preemption.project_id
      AND recorded.zone = preemption.zone
      AND recorded.operation_name = preemption.operation_name
  )
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY preemption.project_id, preemption.zone, preemption.operation_name
  ORDER BY seen.first_seen <= preemption.preempted_at DESC, seen.last_seen DESC
) = 1;

-- The preemption of an instance that was not identified has no machine type until a later run identifies it.
UPDATE spot_preemptions AS recorded
SET machine_type = seen.machine_type
FROM (
  SELECT project_id, zone, instance_id, machine_type
  FROM vm_inventory
  WHERE last_seen >= @observed_since
  QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY last_seen DESC) = 1
) AS seen
WHERE recorded.preempted_at >= @first_hour
  AND recorded.machine_type IS NULL
  AND recorded.project_id = seen.project_id
  AND recorded.zone = seen.zone
  AND recorded.instance_id = seen.instance_id;
