-- Put one run's costs and looks into their tables, all or nothing, and say what each hour of the periods cost then.
-- Running it again changes nothing. What only some runs have to record stands in files of its own: commit_….sql.

BEGIN TRANSACTION;

-- BigQuery lets two transactions that only insert pass side by side; one that updates the same row has to wait.
UPDATE tracker_lock
SET run_id = @run_id, locked_at = @recorded_at
WHERE TRUE;

-- A project and hour that was read in full replaces what was recorded of it.
DELETE FROM spot_vm_costs AS recorded
WHERE recorded.usage_start_time >= @first_hour AND recorded.usage_start_time <= @last_hour
  AND EXISTS (
    SELECT 1
    FROM {staging} AS staged
    WHERE staged.reading.project_id = recorded.project_id
      AND staged.reading.hour = recorded.usage_start_time
  );

-- One that was read in part replaces only what it knows anew.
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

INSERT INTO spot_vm_costs (
  usage_start_time, usage_end_time, project_id, zone, region, instance_id, instance_name, machine_type,
  provisioning_model, vcpus, memory_gib, gpu_type, gpu_count, local_ssd_gib, uptime_hours, spot_price, ondemand_price,
  cost, ondemand_cost, currency, price_status, price_reason, price_as_of, labels, managed_by, run_id, recorded_at
)
SELECT
  staged.cost.usage_start_time, staged.cost.usage_end_time, staged.cost.project_id, staged.cost.zone,
  staged.cost.region, staged.cost.instance_id, staged.cost.instance_name, staged.cost.machine_type,
  staged.cost.provisioning_model, staged.cost.vcpus, staged.cost.memory_gib, staged.cost.gpu_type,
  staged.cost.gpu_count, staged.cost.local_ssd_gib, staged.cost.uptime_hours, staged.cost.spot_price,
  staged.cost.ondemand_price, staged.cost.cost, staged.cost.ondemand_cost, staged.cost.currency,
  staged.cost.price_status, staged.cost.price_reason, staged.cost.price_as_of, staged.cost.labels,
  staged.cost.managed_by, staged.cost.run_id, staged.cost.recorded_at
FROM {staging} AS staged
WHERE staged.cost.instance_id IS NOT NULL;

-- An instance that is still as it was last seen is seen longer.
UPDATE vm_inventory AS known
SET last_seen = seen.last_seen
FROM (
  SELECT latest.project_id, latest.zone, latest.instance_id, latest.first_seen, MAX(staged.look.last_seen) AS last_seen
  FROM {staging} AS staged
  INNER JOIN (
    SELECT project_id, zone, instance_id, first_seen, last_seen, fingerprint
    FROM vm_inventory
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY last_seen DESC) = 1
  ) AS latest
    ON latest.project_id = staged.look.project_id
    AND latest.zone = staged.look.zone
    AND latest.instance_id = staged.look.instance_id
    AND latest.fingerprint = staged.look.fingerprint
    AND latest.last_seen < staged.look.last_seen
  GROUP BY latest.project_id, latest.zone, latest.instance_id, latest.first_seen
) AS seen
WHERE known.project_id = seen.project_id
  AND known.zone = seen.zone
  AND known.instance_id = seen.instance_id
  AND known.first_seen = seen.first_seen;

-- One that is new, or no longer as it was last seen, begins a row. An older look than the last one tells nothing.
INSERT INTO vm_inventory (
  project_id, zone, region, instance_id, first_seen, last_seen, instance_name, machine_type, provisioning_model, vcpus,
  memory_gib, gpu_type, gpu_count, local_ssd_gib, labels, managed_by, fingerprint
)
SELECT
  staged.look.project_id, staged.look.zone, staged.look.region, staged.look.instance_id, staged.look.first_seen,
  staged.look.last_seen, staged.look.instance_name, staged.look.machine_type, staged.look.provisioning_model,
  staged.look.vcpus, staged.look.memory_gib, staged.look.gpu_type, staged.look.gpu_count, staged.look.local_ssd_gib,
  staged.look.labels, staged.look.managed_by, staged.look.fingerprint
FROM {staging} AS staged
LEFT JOIN (
  SELECT project_id, zone, instance_id, last_seen, fingerprint
  FROM vm_inventory
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY last_seen DESC) = 1
) AS latest
  ON latest.project_id = staged.look.project_id
  AND latest.zone = staged.look.zone
  AND latest.instance_id = staged.look.instance_id
WHERE staged.look.instance_id IS NOT NULL
  AND (
    latest.instance_id IS NULL
    OR (latest.fingerprint != staged.look.fingerprint AND latest.last_seen < staged.look.last_seen)
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
  ) AS told;
