-- The cost rows of 240 Spot VMs that run all month, each recorded every hour; a tenth of them is preempted each day.
INSERT INTO spot_vm_costs (
  usage_start_time, usage_end_time, project_id, zone, region, instance_id, instance_name, machine_type,
  provisioning_model, vcpus, memory_gib, gpu_count, local_ssd_gib, uptime_hours, spot_price, ondemand_price, cost,
  ondemand_cost, known_cost, currency, price_status, price_as_of, labels, run_id, recorded_at
)
SELECT
  hour, TIMESTAMP_ADD(hour, INTERVAL 1 HOUR), 'ci', 'us-central1-a', 'us-central1', CAST(1000000 + vm AS STRING),
  CONCAT('runner-', CAST(vm AS STRING)), 'n2-standard-8', 'SPOT', 8, 32, 0, 0, 1, NUMERIC '0.075', NUMERIC '0.31',
  NUMERIC '0.075', NUMERIC '0.31', NUMERIC '0.075', 'USD', 'exact', hour,
  [STRUCT('team' AS key, CONCAT('team-', CAST(MOD(vm, 5) AS STRING)) AS value)], 'bench',
  TIMESTAMP_ADD(hour, INTERVAL 67 MINUTE)
FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2026-07-01 00:00:00+00', '2026-07-29 23:00:00+00', INTERVAL 1 HOUR)) AS hour
CROSS JOIN UNNEST(GENERATE_ARRAY(0, 239)) AS vm;

INSERT INTO spot_preemptions (
  preempted_at, project_id, zone, region, instance_id, instance_name, machine_type, operation_id, operation_name,
  run_id, recorded_at
)
SELECT
  TIMESTAMP_ADD(day, INTERVAL MOD(vm, 24) HOUR), 'ci', 'us-central1-a', 'us-central1', CAST(1000000 + vm AS STRING),
  CONCAT('runner-', CAST(vm AS STRING)), 'n2-standard-8', CONCAT(FORMAT_TIMESTAMP('%F', day), '-', CAST(vm AS STRING)),
  'operation', 'bench', day
FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2026-07-01 00:00:00+00', '2026-07-29 00:00:00+00', INTERVAL 1 DAY)) AS day
CROSS JOIN UNNEST(GENERATE_ARRAY(0, 23)) AS vm
