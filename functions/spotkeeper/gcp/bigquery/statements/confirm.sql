-- Record the alerts that were sent between two hourly runs. Idempotent. An empty array parameter may arrive as NULL.
BEGIN TRANSACTION;

UPDATE tracker_lock
SET run_id = @run_id, locked_at = @recorded_at
WHERE TRUE;

-- {parts}

COMMIT TRANSACTION;
