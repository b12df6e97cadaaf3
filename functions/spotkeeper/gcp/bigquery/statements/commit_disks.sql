-- Record the disks that a scan found, day by day, up to the scan: a row goes on while its disk is unchanged and its day
-- lasts, else a new row begins where the latest one ended. A disk that no scan finds any more ends with the last that did.
UPDATE disk_costs AS recorded
SET
  usage_end_time = seen.usage_end_time,
  cost = ROUND(recorded.price * TIMESTAMP_DIFF(seen.usage_end_time, recorded.usage_start_time, SECOND) / 3600, 9),
  last_detached_at = seen.last_detached_at,
  run_id = @run_id,
  recorded_at = @recorded_at
FROM (
  SELECT
    latest.project_id,
    latest.disk_id,
    latest.usage_start_time,
    MAX(LEAST(day.day_end, staged.seen_at)) AS usage_end_time,
    MAX(staged.last_detached_at) AS last_detached_at
  FROM {query staged_disks} AS staged
  CROSS JOIN UNNEST(staged.days) AS day
  INNER JOIN (
    SELECT project_id, disk_id, usage_start_time, usage_end_time, fingerprint, price, price_status
    FROM disk_costs
    WHERE usage_start_time >= @disks_since
    QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, disk_id ORDER BY usage_start_time DESC) = 1
  ) AS latest
    ON latest.project_id = staged.project_id
    AND latest.disk_id = staged.disk_id
  WHERE latest.fingerprint = staged.fingerprint
    AND latest.usage_start_time >= day.day_start
    AND latest.usage_end_time >= staged.since
    AND latest.usage_end_time < LEAST(day.day_end, staged.seen_at)
    AND latest.price_status = day.price_status
    AND COALESCE(latest.price, -1) = COALESCE(day.price, -1)
  GROUP BY latest.project_id, latest.disk_id, latest.usage_start_time
) AS seen
WHERE recorded.usage_start_time >= @disks_since
  AND recorded.project_id = seen.project_id
  AND recorded.disk_id = seen.disk_id
  AND recorded.usage_start_time = seen.usage_start_time;

INSERT INTO disk_costs (
  usage_start_time, usage_end_time, billing_day, project_id, region, zone, disk_id, disk_name, disk_type, size_gib,
  provisioned_iops, provisioned_throughput_mibps, attached_to, last_instance_id, last_instance_name, labels, created_at,
  last_detached_at, price, price_status, price_reason, cost, currency, fingerprint, run_id, recorded_at, skus
)
SELECT
  piece.usage_start_time,
  piece.usage_end_time,
  DATE(piece.usage_start_time, 'America/Los_Angeles'),
  piece.project_id,
  piece.region,
  piece.zone,
  piece.disk_id,
  piece.disk_name,
  piece.disk_type,
  piece.size_gib,
  piece.provisioned_iops,
  piece.provisioned_throughput_mibps,
  piece.attached_to,
  piece.last_instance_id,
  piece.last_instance_name,
  piece.labels,
  piece.created_at,
  piece.last_detached_at,
  piece.price,
  piece.price_status,
  piece.price_reason,
  ROUND(piece.price * TIMESTAMP_DIFF(piece.usage_end_time, piece.usage_start_time, SECOND) / 3600, 9),
  'USD',
  piece.fingerprint,
  @run_id,
  @recorded_at,
  piece.skus
FROM (
  SELECT
    staged.* EXCEPT (spot_user, since, seen_at, days),
    GREATEST(
      day.day_start, staged.since, staged.created_at, COALESCE(latest.usage_end_time, staged.since)
    ) AS usage_start_time,
    LEAST(day.day_end, staged.seen_at) AS usage_end_time,
    IF(staged.spot_user IS NULL, latest.last_instance_id, staged.spot_user.instance_id) AS last_instance_id,
    IF(staged.spot_user IS NULL, latest.last_instance_name, staged.spot_user.instance_name) AS last_instance_name,
    day.price,
    day.price_status,
    day.price_reason,
    day.skus
  FROM {query staged_disks} AS staged
  CROSS JOIN UNNEST(staged.days) AS day
  LEFT JOIN (
    SELECT project_id, disk_id, usage_end_time, last_instance_id, last_instance_name
    FROM disk_costs
    WHERE usage_start_time >= @disks_since
    QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, disk_id ORDER BY usage_start_time DESC) = 1
  ) AS latest
    ON latest.project_id = staged.project_id
    AND latest.disk_id = staged.disk_id
  WHERE TRUE
  -- A list may name a disk twice.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY staged.project_id, staged.disk_id, day.day_start ORDER BY staged.fingerprint
  ) = 1
) AS piece
WHERE piece.usage_start_time < piece.usage_end_time;
