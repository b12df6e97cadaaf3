-- Write the rollups of some UTC days anew from the cost rows, in one transaction. Idempotent.
BEGIN TRANSACTION;

-- A run that commits meanwhile changes the same rows: BigQuery then ends one of the two, which is run again.
UPDATE tracker_lock
SET locked_at = @recorded_at
WHERE TRUE;

-- {parts}

COMMIT TRANSACTION;
