-- A year of ${vms} Spot VMs that run all the time, each recorded every hour.
INSERT INTO spot_vm_costs (
  usage_start_time, usage_end_time, project_id, zone, region, instance_id, instance_name, machine_type,
  provisioning_model, vcpus, memory_gib, gpu_count, local_ssd_gib, uptime_hours, spot_price, ondemand_price, cost,
  ondemand_cost, currency, price_status, price_as_of, labels, run_id, recorded_at
)
SELECT
  hour, TIMESTAMP_ADD(hour, INTERVAL 1 HOUR), CONCAT('project-', CAST(MOD(vm, 8) AS STRING)),
  CONCAT('us-central1-', IF(MOD(vm, 2) = 0, 'a', 'b')), 'us-central1', CAST(1000000 + vm AS STRING),
  CONCAT('vm-', CAST(vm AS STRING)), IF(MOD(vm, 3) = 0, 'n2-standard-8', 'e2-standard-4'), 'SPOT',
  IF(MOD(vm, 3) = 0, 8, 4), IF(MOD(vm, 3) = 0, 32, 16), 0, 0, 1, NUMERIC '0.075', NUMERIC '0.31', NUMERIC '0.075',
  NUMERIC '0.31', 'USD', 'exact', hour,
  [
    STRUCT('team' AS key, CONCAT('team-', CAST(MOD(vm, 5) AS STRING)) AS value),
    STRUCT('environment' AS key, IF(MOD(vm, 4) = 0, 'prod', 'dev') AS value)
  ],
  'bench', TIMESTAMP_ADD(hour, INTERVAL 67 MINUTE)
FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2025-07-21 00:00:00+00', '2026-07-20 23:00:00+00', INTERVAL 1 HOUR)) AS hour
CROSS JOIN UNNEST(GENERATE_ARRAY(0, ${vms} - 1)) AS vm;

INSERT INTO tracker_runs (
  run_id, hour, recorded_at, provisional, complete, projects, prices_as_of, row_count, cost, ondemand_cost, unpriced,
  unresolved, duration_seconds
)
SELECT
  'bench', hour, TIMESTAMP_ADD(hour, INTERVAL 67 MINUTE), FALSE, TRUE, ['project-0', 'project-1'], hour, ${vms}, 0.075 * ${vms}, 0.31 * ${vms}, 0, 0, 3
FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2025-07-21 00:00:00+00', '2026-07-20 23:00:00+00', INTERVAL 1 HOUR)) AS hour;

INSERT INTO spot_preemptions (
  preempted_at, project_id, zone, region, instance_id, instance_name, machine_type, operation_id, operation_name,
  run_id, recorded_at
)
SELECT
  TIMESTAMP_ADD(day, INTERVAL MOD(vm, 24) HOUR), CONCAT('project-', CAST(MOD(vm, 8) AS STRING)), 'us-central1-a',
  'us-central1', CAST(1000000 + vm AS STRING), CONCAT('vm-', CAST(vm AS STRING)), 'e2-standard-4',
  CONCAT(FORMAT_TIMESTAMP('%F', day), '-', CAST(vm AS STRING)), 'operation', 'bench', day
FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2025-07-21 00:00:00+00', '2026-07-20 00:00:00+00', INTERVAL 1 DAY)) AS day
CROSS JOIN UNNEST(GENERATE_ARRAY(0, DIV(${vms}, 10) - 1)) AS vm;

INSERT INTO vm_inventory (
  project_id, zone, region, instance_id, first_seen, last_seen, instance_name, machine_type, provisioning_model, vcpus,
  memory_gib, gpu_count, local_ssd_gib, labels, fingerprint
)
SELECT
  CONCAT('project-', CAST(MOD(vm, 8) AS STRING)), 'us-central1-a', 'us-central1', CAST(1000000 + vm AS STRING),
  TIMESTAMP '2025-07-21 00:00:00+00', TIMESTAMP '2026-07-21 00:00:00+00', CONCAT('vm-', CAST(vm AS STRING)),
  'e2-standard-4', 'SPOT', 4, 16, 0, 0, [STRUCT('team' AS key, 'team-1' AS value)], CAST(vm AS STRING)
FROM UNNEST(GENERATE_ARRAY(0, ${vms} - 1)) AS vm;

INSERT INTO budget_notifications (
  delivery_id, message_id, received_at, published_at, budget_id, verdict, reason, mode, drill
)
SELECT
  FORMAT_TIMESTAMP('%F %T', at), FORMAT_TIMESTAMP('%F %T', at), at, at, 'budget', 'under_budget', 'bench', 'enforce',
  FALSE
FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2025-07-21 00:00:00+00', '2026-07-20 23:30:00+00', INTERVAL 30 MINUTE)) AS at;

INSERT INTO enforcement_actions (
  message_id, delivery_id, budget_id, period_end, happened_at, project_id, zone, instance_id, instance_name, event,
  reason, mode, rank, priority, machine_type, hourly_savings
)
SELECT
  FORMAT_TIMESTAMP('%F', day), FORMAT_TIMESTAMP('%F', day), 'budget', TIMESTAMP_ADD(day, INTERVAL 20 DAY),
  TIMESTAMP_ADD(day, INTERVAL IF(event = 'planned', 0, 1) MINUTE), CONCAT('project-', CAST(MOD(vm, 8) AS STRING)),
  'us-central1-a', CAST(1000000 + vm AS STRING), CONCAT('vm-', CAST(vm AS STRING)), event, 'bench', 'enforce', vm, 'low',
  'e2-standard-4', NUMERIC '0.075'
FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2025-07-21 00:00:00+00', '2026-07-20 00:00:00+00', INTERVAL 1 DAY)) AS day
CROSS JOIN UNNEST(GENERATE_ARRAY(0, DIV(${vms}, 10) - 1)) AS vm
CROSS JOIN UNNEST(['planned', 'stopped']) AS event
;

INSERT INTO budgets (period, budget, budget_id, recorded_at, run_id)
VALUES ('month', 12000, 'budget', TIMESTAMP '2026-07-20 23:07:00+00', 'bench')
