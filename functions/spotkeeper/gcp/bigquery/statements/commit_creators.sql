-- The creator of an instance is recorded once. What is recorded stays: an instance, by its id, is created once. The
-- operation and the entry of the audit log may be of two days.
INSERT INTO vm_creators
SELECT creation.*
FROM {staging}
WHERE creation.instance_id IS NOT NULL
  AND NOT EXISTS (
    SELECT 1
    FROM vm_creators AS recorded
    WHERE recorded.created_at >= TIMESTAMP_SUB(@created_since, INTERVAL 1 DAY)
      AND recorded.project_id = creation.project_id
      AND recorded.zone = creation.zone
      AND recorded.instance_id = creation.instance_id
  )
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY creation.project_id, creation.zone, creation.instance_id
  ORDER BY creation.created_at, creation.created_by
) = 1;
