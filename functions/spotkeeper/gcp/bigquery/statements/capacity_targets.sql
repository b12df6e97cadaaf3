-- What Google's history of Spot capacity may be asked for: machine types in use by region and zone, and what could
-- replace them, each with its cost of a week, its latest reading and the calls of this day.
-- Grain: one machine type in one region or zone.
--
-- Candidates are the same type in every region where it costs less, and the three cheapest other types in its region with
-- as many vCPUs and as much memory, but not more than twice as much, for the same architecture and GPUs. Custom types have
-- no history.
WITH in_use AS (
  SELECT
    costs.machine_type,
    costs.region,
    costs.zone,
    SUM(COALESCE(costs.cost, 0)) AS weekly_cost
  FROM spot_vm_costs AS costs
  WHERE costs.usage_start_time >= @in_use_since
    AND costs.machine_type IS NOT NULL
    AND NOT REGEXP_CONTAINS(costs.machine_type, r'(^|-)custom-')
  GROUP BY
    costs.machine_type,
    costs.region,
    costs.zone
),

types_in_use AS (
  SELECT
    in_use.machine_type,
    in_use.region,
    SUM(in_use.weekly_cost) AS weekly_cost
  FROM in_use
  GROUP BY
    in_use.machine_type,
    in_use.region
),

cheaper_regions AS (
  SELECT
    there.machine_type,
    there.region
  FROM types_in_use
  INNER JOIN machine_type_prices AS here
    ON here.machine_type = types_in_use.machine_type
    AND here.region = types_in_use.region
  INNER JOIN machine_type_prices AS there
    ON there.machine_type = here.machine_type
    AND there.spot_price < here.spot_price
),

other_types AS (
  SELECT
    there.machine_type,
    there.region
  FROM types_in_use
  INNER JOIN machine_type_prices AS here
    ON here.machine_type = types_in_use.machine_type
    AND here.region = types_in_use.region
  INNER JOIN machine_type_prices AS there
    ON there.region = here.region
    AND there.spot_price < here.spot_price
    AND there.vcpus BETWEEN here.vcpus AND 2 * here.vcpus
    AND there.memory_gib BETWEEN here.memory_gib AND 2 * here.memory_gib
    AND there.gpu_count = here.gpu_count
    AND COALESCE(there.gpu_type, '') = COALESCE(here.gpu_type, '')
    AND COALESCE(there.architecture, '') = COALESCE(here.architecture, '')
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY here.machine_type, here.region
    ORDER BY there.spot_price, there.machine_type
  ) <= 3
),

known AS (
  SELECT
    types_in_use.machine_type,
    types_in_use.region,
    '' AS zone,
    types_in_use.weekly_cost
  FROM types_in_use
  UNION ALL
  SELECT
    in_use.machine_type,
    in_use.region,
    in_use.zone,
    in_use.weekly_cost
  FROM in_use
  UNION ALL
  SELECT
    cheaper_regions.machine_type,
    cheaper_regions.region,
    '' AS zone,
    0 AS weekly_cost
  FROM cheaper_regions
  UNION ALL
  SELECT
    other_types.machine_type,
    other_types.region,
    '' AS zone,
    0 AS weekly_cost
  FROM other_types
),

targets AS (
  SELECT
    known.machine_type,
    known.region,
    known.zone,
    MAX(known.weekly_cost) AS weekly_cost
  FROM known
  GROUP BY
    known.machine_type,
    known.region,
    known.zone
),

latest AS (
  SELECT
    readings.machine_type,
    readings.region,
    COALESCE(readings.zone, '') AS zone,
    readings.read_at,
    readings.status,
    SUM(IF(readings.day = @day, 1, 0)) OVER (
      PARTITION BY readings.machine_type, readings.region, COALESCE(readings.zone, '')
    ) AS calls_today
  FROM capacity_readings AS readings
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY readings.machine_type, readings.region, COALESCE(readings.zone, '')
    ORDER BY readings.read_at DESC
  ) = 1
)

-- A call for a type that is in use no more is a call of its day all the same.
SELECT
  COALESCE(targets.machine_type, latest.machine_type) AS machine_type,
  COALESCE(targets.region, latest.region) AS region,
  COALESCE(targets.zone, latest.zone) AS zone,
  COALESCE(targets.weekly_cost, 0) AS weekly_cost,
  latest.read_at,
  latest.status,
  COALESCE(latest.calls_today, 0) AS calls_today
FROM targets
FULL OUTER JOIN latest
  ON latest.machine_type = targets.machine_type
  AND latest.region = targets.region
  AND latest.zone = targets.zone
WHERE targets.machine_type IS NOT NULL
  OR latest.calls_today > 0;
