-- Write one run's costs and observations to their tables in one transaction, and return the cost of each hour of the
-- periods after it. Idempotent. Statements that only some runs need are in files of their own: commit_….sql.
--
-- The records of the staging table have the columns of their tables in the same order, so that every INSERT takes all of
-- them: the tables' definitions, sql/tables/*.json, are the one list of columns.

BEGIN TRANSACTION;

-- BigQuery lets transactions that only insert run concurrently; those that update the same row are serialized.
UPDATE tracker_lock
SET run_id = @run_id, locked_at = @recorded_at
WHERE TRUE;

-- A project and hour that was read in full replaces all its recorded rows.
DELETE FROM spot_vm_costs AS recorded
WHERE recorded.usage_start_time >= @first_hour AND recorded.usage_start_time <= @last_hour
  AND EXISTS (
    SELECT 1
    FROM {staging} AS staged
    WHERE staged.reading.project_id = recorded.project_id
      AND staged.reading.hour = recorded.usage_start_time
  );

-- One that was read in part replaces only the rows that it has.
DELETE FROM spot_vm_costs AS recorded
WHERE recorded.usage_start_time >= @first_hour AND recorded.usage_start_time <= @last_hour
  AND EXISTS (
    SELECT 1
    FROM {staging} AS staged
    WHERE staged.cost.project_id = recorded.project_id
      AND staged.cost.zone = recorded.zone
      AND staged.cost.instance_id = recorded.instance_id
      AND staged.cost.usage_start_time = recorded.usage_start_time
  );

INSERT INTO spot_vm_costs
SELECT cost.*
FROM {staging}
WHERE cost.instance_id IS NOT NULL;

-- An instance that is unchanged since the latest observation extends it.
UPDATE vm_inventory AS known
SET last_seen = seen.last_seen
FROM (
  SELECT latest.project_id, latest.zone, latest.instance_id, latest.first_seen, MAX(staged.observation.last_seen) AS last_seen
  FROM {staging} AS staged
  INNER JOIN (
    SELECT project_id, zone, instance_id, first_seen, last_seen, fingerprint
    FROM vm_inventory
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY last_seen DESC) = 1
  ) AS latest
    ON latest.project_id = staged.observation.project_id
    AND latest.zone = staged.observation.zone
    AND latest.instance_id = staged.observation.instance_id
    AND latest.fingerprint = staged.observation.fingerprint
    AND latest.last_seen < staged.observation.last_seen
  GROUP BY latest.project_id, latest.zone, latest.instance_id, latest.first_seen
) AS seen
WHERE known.project_id = seen.project_id
  AND known.zone = seen.zone
  AND known.instance_id = seen.instance_id
  AND known.first_seen = seen.first_seen;

-- A new or changed instance starts a row. An observation older than the latest one is ignored.
INSERT INTO vm_inventory
SELECT observation.*
FROM {staging}
LEFT JOIN (
  SELECT project_id, zone, instance_id, last_seen, fingerprint
  FROM vm_inventory
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY last_seen DESC) = 1
) AS latest
  ON latest.project_id = observation.project_id
  AND latest.zone = observation.zone
  AND latest.instance_id = observation.instance_id
WHERE observation.instance_id IS NOT NULL
  AND (
    latest.instance_id IS NULL
    OR (latest.fingerprint != observation.fingerprint AND latest.last_seen < observation.last_seen)
  );

-- {parts}

COMMIT TRANSACTION;

SELECT
  ARRAY(
    SELECT AS STRUCT usage_start_time AS hour, COALESCE(SUM(cost), 0) AS cost
    FROM spot_vm_costs
    WHERE usage_start_time >= @periods_start AND usage_start_time < @periods_end
    GROUP BY usage_start_time
  ) AS costs,
  ARRAY(
    SELECT AS STRUCT period, period_start, threshold
    FROM budget_alerts
    WHERE period_start >= @periods_start AND period_start < @periods_end
  ) AS notified;
