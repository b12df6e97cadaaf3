-- Sum the uptime of some UTC days by hour, region and machine.
DELETE FROM hourly_fleet
WHERE usage_hour >= @rollup_since
  AND usage_hour < @rollup_until
  AND DATE(usage_hour) IN UNNEST(@rollup_days);

INSERT INTO hourly_fleet
SELECT
  TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS usage_hour,
  costs.region,
  costs.machine_type,
  costs.gpu_type,
  costs.gpu_count,
  costs.local_ssd_gib,
  SUM(costs.uptime_hours) AS vm_hours
FROM spot_vm_costs AS costs
WHERE costs.usage_start_time >= @rollup_since
  AND costs.usage_start_time < @rollup_until
  AND DATE(costs.usage_start_time) IN UNNEST(@rollup_days)
GROUP BY
  usage_hour,
  costs.region,
  costs.machine_type,
  costs.gpu_type,
  costs.gpu_count,
  costs.local_ssd_gib;
