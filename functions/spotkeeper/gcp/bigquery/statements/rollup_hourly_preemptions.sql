-- Count the preemptions of some UTC days by hour, zone and machine type.
DELETE FROM hourly_preemptions
WHERE usage_hour >= @rollup_since
  AND usage_hour < @rollup_until
  AND DATE(usage_hour) IN UNNEST(@rollup_days);

INSERT INTO hourly_preemptions
WITH seen_vms AS (
  SELECT DISTINCT
    rolled.usage_date,
    rolled.project_id,
    rolled.zone,
    rolled.instance_id
  FROM daily_vm_costs AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(@rollup_since), INTERVAL 1 DAY)
    AND rolled.usage_date < DATE(@rollup_until)
)

SELECT
  TIMESTAMP_TRUNC(preempted.preempted_at, HOUR) AS usage_hour,
  preempted.project_id,
  preempted.region,
  preempted.zone,
  preempted.machine_type,
  COUNTIF(seen_vms.instance_id IS NOT NULL) AS preemptions,
  COUNTIF(seen_vms.instance_id IS NULL) AS unseen_preemptions
FROM spot_preemptions AS preempted
LEFT JOIN seen_vms
  -- A VM that was preempted at midnight has its last cost row on the day before.
  ON seen_vms.usage_date = DATE(TIMESTAMP_SUB(preempted.preempted_at, INTERVAL 1 MICROSECOND))
  AND seen_vms.project_id = preempted.project_id
  AND seen_vms.zone = preempted.zone
  AND seen_vms.instance_id = preempted.instance_id
WHERE preempted.preempted_at >= @rollup_since
  AND preempted.preempted_at < @rollup_until
  AND DATE(preempted.preempted_at) IN UNNEST(@rollup_days)
GROUP BY
  usage_hour,
  preempted.project_id,
  preempted.region,
  preempted.zone,
  preempted.machine_type;
