-- Put one run's costs, rates and looks into their tables, all or nothing, and say what the budget periods cost then.
-- Running it again changes nothing.

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

-- A staged rate is the whole row: one that ended comes with its end.
DELETE FROM spot_prices AS recorded
WHERE EXISTS (
  SELECT 1
  FROM {staging} AS staged
  WHERE staged.price.sku_id = recorded.sku_id
    AND staged.price.region = recorded.region
    AND staged.price.valid_from = recorded.valid_from
);

INSERT INTO spot_prices (
  sku_id, region, component, market, unit, rate, currency, description, valid_from, valid_to, run_id
)
SELECT
  staged.price.sku_id, staged.price.region, staged.price.component, staged.price.market, staged.price.unit,
  staged.price.rate, staged.price.currency, staged.price.description, staged.price.valid_from, staged.price.valid_to,
  staged.price.run_id
FROM {staging} AS staged
WHERE staged.price.sku_id IS NOT NULL;

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

-- What a shape is billed for never changes, but for a correction of our tables.
UPDATE shape_components AS known
SET quantity = staged.component.quantity
FROM {staging} AS staged
WHERE staged.component.component = known.component
  AND staged.component.machine_type = known.machine_type
  AND COALESCE(staged.component.gpu_type, '') = COALESCE(known.gpu_type, '')
  AND staged.component.gpu_count = known.gpu_count
  AND staged.component.local_ssd_gib = known.local_ssd_gib
  AND staged.component.quantity != known.quantity;

INSERT INTO shape_components (machine_type, gpu_type, gpu_count, local_ssd_gib, component, quantity, run_id)
SELECT
  staged.component.machine_type, staged.component.gpu_type, staged.component.gpu_count, staged.component.local_ssd_gib,
  staged.component.component, staged.component.quantity, staged.component.run_id
FROM {staging} AS staged
LEFT JOIN shape_components AS known
  ON known.component = staged.component.component
  AND known.machine_type = staged.component.machine_type
  AND COALESCE(known.gpu_type, '') = COALESCE(staged.component.gpu_type, '')
  AND known.gpu_count = staged.component.gpu_count
  AND known.local_ssd_gib = staged.component.local_ssd_gib
WHERE staged.component.component IS NOT NULL
  AND known.component IS NULL;

-- A reading of the catalogue is the whole price list.
DELETE FROM machine_type_prices
WHERE EXISTS (
  SELECT 1
  FROM {staging} AS staged
  WHERE staged.machine_type_price.machine_type IS NOT NULL
);

INSERT INTO machine_type_prices (
  machine_type, region, vcpus, memory_gib, gpu_type, gpu_count, local_ssd_gib, architecture, spot_price, ondemand_price,
  commitment_1yr_price, commitment_3yr_price, as_of, run_id
)
SELECT
  staged.machine_type_price.machine_type, staged.machine_type_price.region, staged.machine_type_price.vcpus,
  staged.machine_type_price.memory_gib, staged.machine_type_price.gpu_type, staged.machine_type_price.gpu_count,
  staged.machine_type_price.local_ssd_gib, staged.machine_type_price.architecture,
  staged.machine_type_price.spot_price, staged.machine_type_price.ondemand_price,
  staged.machine_type_price.commitment_1yr_price, staged.machine_type_price.commitment_3yr_price,
  staged.machine_type_price.as_of, staged.machine_type_price.run_id
FROM {staging} AS staged
WHERE staged.machine_type_price.machine_type IS NOT NULL;

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

COMMIT TRANSACTION;

SELECT
  (
    SELECT AS STRUCT
      COALESCE(SUM(IF(usage_start_time >= @hour_start AND usage_start_time < @hour_end, cost, 0)), 0) AS hour,
      COALESCE(SUM(IF(usage_start_time >= @day_start AND usage_start_time < @day_end, cost, 0)), 0) AS day,
      COALESCE(SUM(cost), 0) AS month
    FROM spot_vm_costs
    WHERE usage_start_time >= @month_start AND usage_start_time < @month_end
  ) AS cost,
  ARRAY(
    SELECT AS STRUCT period, threshold
    FROM budget_alerts
    WHERE (period = 'hour' AND period_start = @hour_start)
      OR (period = 'day' AND period_start = @day_start)
      OR (period = 'month' AND period_start = @month_start)
  ) AS told;
