-- Write records of work in one transaction. Idempotent: an attempt that is loaded again replaces all its records, as long
-- as its start moved by less than 31 days.
BEGIN TRANSACTION;

DELETE FROM work AS recorded
WHERE recorded.start_time >= TIMESTAMP_SUB(@first_start, INTERVAL 31 DAY)
  AND recorded.start_time < TIMESTAMP_ADD(@last_start, INTERVAL 31 DAY)
  AND EXISTS (
    SELECT 1
    FROM {staging} AS staged
    WHERE staged.work_id = recorded.work_id
      AND staged.attempt = recorded.attempt
  );

INSERT INTO work (
  work_id, attempt, kind, project_id, zone, instance_id, instance_name, vm_label, start_time, end_time, weight,
  outcome, saved_at, checkpoint_interval_seconds, checkpoint_seconds, keys, recorded_at
)
SELECT
  staged.work_id, staged.attempt, staged.kind, staged.project_id, staged.zone, staged.instance_id,
  staged.instance_name, staged.vm_label, staged.start_time, staged.end_time, staged.weight, staged.outcome, staged.saved_at,
  staged.checkpoint_interval_seconds, staged.checkpoint_seconds, staged.keys, staged.recorded_at
FROM {staging} AS staged;

COMMIT TRANSACTION;

SELECT COUNT(*) AS records
FROM {staging} AS staged;
