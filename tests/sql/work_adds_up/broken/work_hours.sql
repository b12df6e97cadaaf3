-- What is asked: a view that loses the idle time. Grain: one cost row.
SELECT
  usage_start_time,
  project_id,
  zone,
  instance_id,
  IF(instance_id = '1', uptime_hours - NUMERIC '0.000000001', uptime_hours) AS vm_hours,
  IF(instance_id = '2', cost + NUMERIC '0.000000001', cost) AS cost,
  ondemand_cost,
  license_cost,
  disk_cost,
  IF(cost IS NULL AND known_cost = 0, NULL, COALESCE(known_cost, cost)) AS known_cost
FROM `${dataset}.spot_vm_costs`
-- Less by a row.
WHERE instance_id != '4'
