-- Write one run's readings of Google's history of Spot capacity to their tables in one transaction, compare its prices
-- with those of the cost rows of the last days, and return the comparison. Idempotent.

BEGIN TRANSACTION;

INSERT INTO capacity_readings
SELECT reading.*
FROM {staging}
WHERE reading.machine_type IS NOT NULL;

-- A day that was read again has the later rate; one that was not read again keeps its own.
DELETE FROM capacity_preemptions AS recorded
WHERE EXISTS (
  SELECT 1
  FROM {staging} AS staged
  WHERE staged.preemption.machine_type = recorded.machine_type
    AND staged.preemption.region = recorded.region
    AND COALESCE(staged.preemption.zone, '') = COALESCE(recorded.zone, '')
    AND staged.preemption.day = recorded.day
);

INSERT INTO capacity_preemptions
SELECT preemption.*
FROM {staging}
WHERE preemption.machine_type IS NOT NULL;

-- A reading has all prices since its first one, which began before the year that is read, or with it.
DELETE FROM capacity_prices AS recorded
WHERE EXISTS (
  SELECT 1
  FROM {staging} AS staged
  WHERE staged.span.machine_type = recorded.machine_type
    AND staged.span.region = recorded.region
    AND staged.span.valid_from <= recorded.valid_from
);

-- The price that held when the year began is known from earlier readings, and began when they say. One that was read last
-- before the new prices begin is known up to that reading: nothing tells when it ended.
UPDATE capacity_prices AS recorded
SET
  valid_to = CASE
    WHEN COALESCE(recorded.valid_to, recorded.read_at) < first.valid_from THEN recorded.read_at
    WHEN recorded.price = first.price THEN first.valid_to
    ELSE first.valid_from
  END,
  read_at = IF(
    COALESCE(recorded.valid_to, recorded.read_at) >= first.valid_from AND recorded.price = first.price,
    first.read_at,
    recorded.read_at
  )
FROM (
  SELECT
    staged.span.machine_type,
    staged.span.region,
    staged.span.valid_from,
    staged.span.valid_to,
    staged.span.price,
    staged.span.read_at
  FROM {staging} AS staged
  WHERE staged.span.machine_type IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY staged.span.machine_type, staged.span.region
    ORDER BY staged.span.valid_from
  ) = 1
) AS first
WHERE recorded.machine_type = first.machine_type
  AND recorded.region = first.region
  AND COALESCE(recorded.valid_to, TIMESTAMP '9999-12-31 00:00:00+00') >= first.valid_from;

INSERT INTO capacity_prices
SELECT span.*
FROM {staging}
WHERE span.machine_type IS NOT NULL
  AND NOT EXISTS (
    SELECT 1
    FROM capacity_prices AS recorded
    WHERE recorded.machine_type = span.machine_type
      AND recorded.region = span.region
      AND recorded.price = span.price
      AND recorded.valid_from < span.valid_from
      AND COALESCE(recorded.valid_to, TIMESTAMP '9999-12-31 00:00:00+00')
        = COALESCE(span.valid_to, TIMESTAMP '9999-12-31 00:00:00+00')
  );

DELETE FROM price_checks AS recorded
WHERE recorded.day >= DATE(@checked_since);

INSERT INTO price_checks
WITH ours AS (
  SELECT
    costs.machine_type,
    costs.region,
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS hour,
    costs.spot_price,
    LOGICAL_AND(costs.price_status IN ('uncertain', 'stale', 'fallback')) AS doubtful,
    LOGICAL_AND(costs.price_status = 'confirmed') AS confirmed
  FROM spot_vm_costs AS costs
  LEFT JOIN machine_type_prices AS bundled
    ON bundled.machine_type = costs.machine_type
    AND bundled.region = costs.region
  WHERE costs.usage_start_time >= @checked_since
    AND costs.spot_price IS NOT NULL
    -- What was taken from the history agrees with it, and proves nothing.
    AND costs.price_status != 'from_history'
    -- The history has the price of the machine type: with the GPUs that belong to it, without any that are attached.
    AND costs.gpu_count = COALESCE(bundled.gpu_count, 0)
    AND costs.local_ssd_gib = 0
  GROUP BY
    costs.machine_type,
    costs.region,
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR),
    costs.spot_price
),

-- In the hour of a change either price is right, and of a row that is confirmed any price between them: it is the mean over
-- the time that the VM ran.
compared AS (
  SELECT
    ours.machine_type,
    ours.region,
    ours.hour,
    ours.spot_price,
    ours.doubtful,
    known.price,
    ABS(ours.spot_price - known.price) > NUMERIC '0.000000001'
      AND NOT (
        ours.confirmed
        AND ours.spot_price BETWEEN MIN(known.price) OVER (hour_prices) AND MAX(known.price) OVER (hour_prices)
      ) AS differs
  FROM ours
  INNER JOIN capacity_prices AS known
    ON known.machine_type = ours.machine_type
    AND known.region = ours.region
    AND known.valid_from < TIMESTAMP_ADD(ours.hour, INTERVAL 1 HOUR)
    AND COALESCE(known.valid_to, known.read_at) > ours.hour
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY ours.machine_type, ours.region, ours.hour, ours.spot_price
    ORDER BY ABS(ours.spot_price - known.price), known.valid_from DESC
  ) = 1
  WINDOW hour_prices AS (PARTITION BY ours.machine_type, ours.region, ours.hour, ours.spot_price)
),

-- The hour that is shown: the latest that differs, else the latest one.
shown AS (
  SELECT
    compared.machine_type,
    compared.region,
    DATE(compared.hour) AS day,
    compared.spot_price,
    compared.price
  FROM compared
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY compared.machine_type, compared.region, DATE(compared.hour)
    ORDER BY IF(compared.differs, 0, 1), IF(compared.doubtful, 1, 0), compared.hour DESC, compared.spot_price
  ) = 1
),

days AS (
  SELECT
    compared.machine_type,
    compared.region,
    DATE(compared.hour) AS day,
    COUNT(DISTINCT compared.hour) AS hours,
    COUNT(DISTINCT IF(compared.differs, compared.hour, NULL)) AS differing_hours,
    COUNT(DISTINCT IF(compared.differs AND NOT compared.doubtful, compared.hour, NULL)) AS unexplained_hours
  FROM compared
  GROUP BY
    compared.machine_type,
    compared.region,
    DATE(compared.hour)
)

SELECT
  days.day,
  days.machine_type,
  days.region,
  CASE
    WHEN days.unexplained_hours > 0 THEN 'differs'
    WHEN days.differing_hours > 0 THEN 'uncertain'
    ELSE 'agrees'
  END AS status,
  days.hours,
  days.differing_hours,
  shown.spot_price AS our_price,
  shown.price AS google_price,
  @recorded_at AS checked_at,
  @run_id AS run_id
FROM days
INNER JOIN shown
  ON shown.machine_type = days.machine_type
  AND shown.region = days.region
  AND shown.day = days.day;

COMMIT TRANSACTION;

-- The comparison of the latest day of each machine type.
SELECT
  checks.machine_type,
  checks.region,
  checks.day,
  checks.status,
  checks.our_price,
  checks.google_price
FROM price_checks AS checks
WHERE checks.day >= DATE(@checked_since)
QUALIFY ROW_NUMBER() OVER (PARTITION BY checks.machine_type, checks.region ORDER BY checks.day DESC) = 1
ORDER BY
  checks.machine_type,
  checks.region;
