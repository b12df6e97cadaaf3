-- Record the reserved addresses that a scan found, day by day, up to the scan: a row goes on while its address is unchanged
-- and its day lasts. A new use of an address begins with the stop of the VM that had it before too, else with the scan that
-- found it, or with the address itself, so that no time is in a VM's address cost and here. An address that no scan finds any
-- more ends with the last that did. What is not a Spot VM has rows only where the address was recorded before.
UPDATE address_costs AS recorded
SET
  usage_end_time = seen.usage_end_time,
  cost = ROUND(recorded.price * TIMESTAMP_DIFF(seen.usage_end_time, recorded.usage_start_time, SECOND) / 3600, 9),
  run_id = @run_id,
  recorded_at = @recorded_at
FROM (
  SELECT
    latest.project_id,
    latest.address_id,
    latest.usage_start_time,
    MAX(LEAST(day.day_end, staged.address.seen_at)) AS usage_end_time
  FROM (
    SELECT address
    FROM {staging}
    WHERE address.address_id IS NOT NULL
  ) AS staged
  CROSS JOIN UNNEST(staged.address.days) AS day
  INNER JOIN (
    SELECT project_id, address_id, usage_start_time, usage_end_time, fingerprint, price, price_status
    FROM address_costs
    WHERE usage_start_time >= @addresses_since
    QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, address_id ORDER BY usage_start_time DESC) = 1
  ) AS latest
    ON latest.project_id = staged.address.project_id
    AND latest.address_id = staged.address.address_id
  WHERE latest.fingerprint = staged.address.fingerprint
    AND latest.usage_start_time >= day.day_start
    AND latest.usage_end_time >= staged.address.since
    AND latest.usage_end_time < LEAST(day.day_end, staged.address.seen_at)
    -- A VM that was stopped later ran in between.
    AND COALESCE(staged.address.stopped_at <= latest.usage_end_time, TRUE)
    AND latest.price_status = day.price_status
    AND COALESCE(latest.price, -1) = COALESCE(day.price, -1)
  GROUP BY latest.project_id, latest.address_id, latest.usage_start_time
) AS seen
WHERE recorded.usage_start_time >= @addresses_since
  AND recorded.project_id = seen.project_id
  AND recorded.address_id = seen.address_id
  AND recorded.usage_start_time = seen.usage_start_time;

INSERT INTO address_costs (
  usage_start_time, usage_end_time, billing_day, project_id, region, address_id, address_name, held_by, instance_id,
  last_instance_id, last_instance_name, idle_since, labels, created_at, price, price_status, price_reason, cost, currency,
  fingerprint, run_id, recorded_at, skus
)
SELECT
  piece.usage_start_time,
  piece.usage_end_time,
  DATE(piece.usage_start_time, 'America/Los_Angeles'),
  piece.address.project_id,
  piece.address.region,
  piece.address.address_id,
  piece.address.address_name,
  piece.address.held_by,
  piece.address.instance_id,
  piece.last_instance_id,
  piece.last_instance_name,
  piece.idle_since,
  piece.address.labels,
  piece.address.created_at,
  piece.price,
  piece.price_status,
  piece.price_reason,
  ROUND(piece.price * TIMESTAMP_DIFF(piece.usage_end_time, piece.usage_start_time, SECOND) / 3600, 9),
  'USD',
  piece.address.fingerprint,
  @run_id,
  @recorded_at,
  piece.skus
FROM (
  SELECT
    known.address,
    GREATEST(
      known.day_start,
      known.address.since,
      known.address.created_at,
      COALESCE(known.latest_end, known.address.since),
      COALESCE(
        IF(known.is_kept OR known.is_new, LEAST(known.address.stopped_at, known.address.seen_at), NULL),
        IF(known.goes_on, known.latest_end, NULL),
        IF(known.is_new AND known.address.held_by != 'stopped_vm', known.address.begun_at, NULL),
        known.address.seen_at
      )
    ) AS usage_start_time,
    LEAST(known.day_end, known.address.seen_at) AS usage_end_time,
    COALESCE(known.address.instance_id, known.last_instance_id) AS last_instance_id,
    COALESCE(known.address.instance_name, known.last_instance_name) AS last_instance_name,
    CASE
      WHEN known.address.held_by IN ('running_vm', 'other') THEN NULL
      WHEN known.address.stopped_at IS NOT NULL THEN known.address.stopped_at
      WHEN known.goes_on THEN known.latest_idle_since
      ELSE COALESCE(known.latest_end, known.address.begun_at)
    END AS idle_since,
    -- What begins with the scan has no length yet; a run that is repeated finds it begun.
    NOT known.goes_on AND COALESCE(known.latest_start < known.address.seen_at, TRUE) AS may_be_empty,
    known.price,
    known.price_status,
    known.price_reason,
    known.skus
  FROM (
    SELECT
      staged.address,
      day.day_start,
      day.day_end,
      day.price,
      day.price_status,
      day.price_reason,
      day.skus,
      latest.usage_start_time AS latest_start,
      latest.usage_end_time AS latest_end,
      latest.last_instance_id,
      latest.last_instance_name,
      latest.idle_since AS latest_idle_since,
      COALESCE(
        latest.instance_id = staged.address.instance_id AND latest.usage_end_time >= staged.address.since, FALSE
      ) AS is_kept,
      latest.usage_end_time IS NULL AND staged.address.begun_at IS NOT NULL AS is_new,
      COALESCE(
        latest.held_by = staged.address.held_by
        AND COALESCE(latest.instance_id, '') = COALESCE(staged.address.instance_id, '')
        AND latest.usage_end_time >= staged.address.since,
        FALSE
      ) AS goes_on
    FROM (
      SELECT address
      FROM {staging}
      WHERE address.address_id IS NOT NULL
    ) AS staged
    CROSS JOIN UNNEST(staged.address.days) AS day
    LEFT JOIN (
      SELECT
        project_id, address_id, usage_start_time, usage_end_time, held_by, instance_id, last_instance_id,
        last_instance_name, idle_since
      FROM address_costs
      WHERE usage_start_time >= @addresses_since
      QUALIFY ROW_NUMBER() OVER (PARTITION BY project_id, address_id ORDER BY usage_start_time DESC) = 1
    ) AS latest
      ON latest.project_id = staged.address.project_id
      AND latest.address_id = staged.address.address_id
    WHERE staged.address.held_by != 'other' OR latest.usage_end_time IS NOT NULL
    -- A list may name an address twice.
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY staged.address.project_id, staged.address.address_id, day.day_start
      ORDER BY staged.address.fingerprint
    ) = 1
  ) AS known
) AS piece
WHERE piece.usage_start_time < piece.usage_end_time
  OR (piece.may_be_empty AND piece.usage_start_time = piece.usage_end_time AND piece.usage_end_time = piece.address.seen_at);
