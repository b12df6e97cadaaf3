-- In which zones did a machine type run, hour by hour, how often was it preempted, and what does it cost there now?
-- Grain: one zone in one hour of the last 30 days in which VMs of the type ran.
WITH ran AS (
  SELECT
    costs.region,
    costs.zone,
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS hour,
    SUM(costs.uptime_hours) AS vm_hours
  FROM spot_vm_costs AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(@now, DAY), INTERVAL 30 DAY)
    AND costs.usage_start_time < @now
    AND costs.machine_type = @machine_type
    AND (COALESCE(ARRAY_LENGTH(@zones), 0) = 0 OR costs.zone IN UNNEST(@zones))
    AND costs.uptime_hours > 0
  GROUP BY
    costs.region,
    costs.zone,
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR)
),

preempted AS (
  SELECT
    rolled.zone,
    rolled.usage_hour AS hour,
    SUM(rolled.preemptions) AS preemptions
  FROM hourly_preemptions AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(@now, DAY), INTERVAL 30 DAY)
    AND rolled.usage_hour < @now
    AND rolled.machine_type = @machine_type
  GROUP BY
    rolled.zone,
    rolled.usage_hour
)

SELECT
  ran.region,
  ran.zone,
  ran.hour,
  ran.vm_hours,
  COALESCE(preempted.preemptions, 0) AS preemptions,
  known.spot_price,
  known.ondemand_price
FROM ran
INNER JOIN machine_type_prices AS known
  ON known.machine_type = @machine_type
  AND known.region = ran.region
LEFT JOIN preempted
  ON preempted.zone = ran.zone
  AND preempted.hour = ran.hour
WHERE known.spot_price IS NOT NULL
  AND known.ondemand_price IS NOT NULL
ORDER BY
  ran.region,
  ran.zone,
  ran.hour
