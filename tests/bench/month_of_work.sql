-- A month of VMs {first} to {last} less one: each runs for an hour a day, and a tenth of them is preempted in it.
INSERT INTO spot_vm_costs (
  usage_start_time, usage_end_time, project_id, zone, region, instance_id, instance_name, machine_type,
  provisioning_model, vcpus, memory_gib, gpu_count, local_ssd_gib, uptime_hours, spot_price, ondemand_price, cost,
  ondemand_cost, known_cost, currency, price_status, price_as_of, labels, run_id, recorded_at
)
SELECT
  TIMESTAMP_ADD(day, INTERVAL MOD(vm, 22) HOUR), TIMESTAMP_ADD(day, INTERVAL MOD(vm, 22) + 1 HOUR), 'ci', 'us-central1-a',
  'us-central1', CAST(1000000 + vm AS STRING), CONCAT('runner-', CAST(vm AS STRING)), 'n2-standard-8', 'SPOT', 8, 32, 0, 0,
  1, NUMERIC '0.075', NUMERIC '0.31', NUMERIC '0.075', NUMERIC '0.31', NUMERIC '0.075', 'USD', 'exact', day,
  [STRUCT('team' AS key, CONCAT('team-', CAST(MOD(vm, 5) AS STRING)) AS value)], 'bench',
  TIMESTAMP_ADD(day, INTERVAL 1 DAY)
FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2026-06-30 00:00:00+00', '2026-07-29 00:00:00+00', INTERVAL 1 DAY)) AS day
CROSS JOIN UNNEST(GENERATE_ARRAY({first}, {last} - 1)) AS vm;

INSERT INTO spot_preemptions (
  preempted_at, project_id, zone, region, instance_id, instance_name, machine_type, operation_id, operation_name,
  run_id, recorded_at
)
SELECT
  TIMESTAMP_ADD(day, INTERVAL MOD(vm, 22) * 60 + 40 MINUTE), 'ci', 'us-central1-a', 'us-central1',
  CAST(1000000 + vm AS STRING), CONCAT('runner-', CAST(vm AS STRING)), 'n2-standard-8',
  CONCAT(FORMAT_TIMESTAMP('%F', day), '-', CAST(vm AS STRING)), 'operation', 'bench', day
FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2026-06-30 00:00:00+00', '2026-07-29 00:00:00+00', INTERVAL 1 DAY)) AS day
CROSS JOIN UNNEST(GENERATE_ARRAY({first}, {last} - 1)) AS vm
WHERE MOD(vm, 10) = 0
