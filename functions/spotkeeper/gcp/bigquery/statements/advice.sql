-- Where could a machine type in use run, at which price and how often preempted?
-- Grain: one machine type in use in a region, and one place: a machine type in a region, or in one of its zones (zone not
-- empty).
--
-- The dearest @most_types of the last week by VM-hours times list price, or the machine types asked for. Places are where
-- it runs (here), the cheapest @most_places regions of the continent (near) and of the others (far), and the cheapest
-- other types in its region (other type) with at least as many vCPUs, as much memory and local SSD, the same bundled GPUs and
-- the same CPU architecture; none that costs more. With @zones only these and where it runs; a type that does not run is looked at in the region of
-- the first zone. VMs with attached GPUs or local SSD and custom types are left out: the price of a machine type does not
-- include them. Rates are of the last 30 days.
WITH asked_zones AS (
  SELECT
    zone,
    REGEXP_EXTRACT(zone, r'^(.+)-[a-z]+$') AS region,
    position
  FROM UNNEST(@zones) AS zone WITH OFFSET AS position
),

prices AS (
  SELECT
    known.machine_type,
    known.region,
    known.vcpus,
    known.memory_gib,
    known.gpu_type,
    known.gpu_count,
    known.local_ssd_gib,
    known.architecture,
    known.spot_price,
    known.ondemand_price,
    known.as_of,
    REGEXP_EXTRACT(known.machine_type, r'^[a-z]+') AS family,
    -- The number in the name of a family is its generation: https://cloud.google.com/compute/docs/machine-resource
    CAST(REGEXP_EXTRACT(known.machine_type, r'^[a-z]+([0-9]+)') AS INT64) AS generation,
    REGEXP_CONTAINS(known.machine_type, r'^(f1|g1)-|^e2-(micro|small|medium)$') AS shares_vcpus,
    REGEXP_REPLACE(REGEXP_EXTRACT(known.region, r'^[a-z]+'), r'^northamerica$', 'us') AS continent
  FROM machine_type_prices AS known
  WHERE known.spot_price IS NOT NULL
),

fleet AS (
  SELECT
    rolled.machine_type,
    rolled.region,
    rolled.gpu_count,
    rolled.local_ssd_gib,
    SUM(rolled.vm_hours) AS vm_hours
  FROM hourly_fleet AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(@now, INTERVAL 7 DAY)
    AND rolled.usage_hour < @now
  GROUP BY
    rolled.machine_type,
    rolled.region,
    rolled.gpu_count,
    rolled.local_ssd_gib
),

running AS (
  SELECT
    here.machine_type,
    here.region,
    fleet.vm_hours
  FROM fleet
  INNER JOIN prices AS here
    ON here.machine_type = fleet.machine_type
    AND here.region = fleet.region
    AND here.gpu_count = fleet.gpu_count
    AND here.local_ssd_gib = fleet.local_ssd_gib
  WHERE COALESCE(ARRAY_LENGTH(@machine_types), 0) = 0
    OR fleet.machine_type IN UNNEST(@machine_types)
  QUALIFY ROW_NUMBER() OVER (
    ORDER BY fleet.vm_hours * here.spot_price DESC, here.machine_type, here.region
  ) <= @most_types
),

in_use AS (
  SELECT
    running.machine_type,
    running.region,
    running.vm_hours
  FROM running
  UNION ALL
  SELECT
    machine_type,
    asked_zones.region,
    CAST(0 AS NUMERIC) AS vm_hours
  FROM UNNEST(@machine_types) AS machine_type
  CROSS JOIN asked_zones
  WHERE asked_zones.position = 0
    AND machine_type NOT IN (SELECT running.machine_type FROM running)
),

compared AS (
  SELECT
    in_use.machine_type AS used_type,
    in_use.region AS used_region,
    in_use.vm_hours AS used_vm_hours,
    here.spot_price AS used_price,
    CASE
      WHEN there.machine_type != here.machine_type THEN 'other type'
      WHEN there.region = here.region THEN 'here'
      WHEN there.continent = here.continent THEN 'near'
      ELSE 'far'
    END AS scope,
    there.machine_type,
    there.region,
    there.vcpus,
    there.memory_gib,
    there.spot_price,
    there.ondemand_price,
    there.as_of,
    CASE
      WHEN there.shares_vcpus AND NOT here.shares_vcpus THEN 'shared vCPUs'
      WHEN there.generation < here.generation THEN 'older generation'
      WHEN there.family = 'e' AND here.family != 'e' THEN 'cost-optimized'
      WHEN here.family IN ('c', 'h') AND there.family NOT IN ('c', 'h') THEN 'not compute-optimized'
    END AS slower_because
  FROM in_use
  INNER JOIN prices AS here
    ON here.machine_type = in_use.machine_type
    AND here.region = in_use.region
  INNER JOIN prices AS there
    ON there.vcpus >= here.vcpus
    AND there.memory_gib >= here.memory_gib
    AND COALESCE(there.gpu_type, '') = COALESCE(here.gpu_type, '')
    AND there.gpu_count = here.gpu_count
    AND there.local_ssd_gib >= here.local_ssd_gib
    AND COALESCE(there.architecture, '') = COALESCE(here.architecture, '')
    AND (there.machine_type = here.machine_type OR there.region = here.region)
  WHERE (there.machine_type = here.machine_type AND there.region = here.region)
    OR (COALESCE(ARRAY_LENGTH(@zones), 0) = 0 AND there.spot_price <= here.spot_price)
    OR there.region IN (SELECT asked_zones.region FROM asked_zones)
),

-- A machine type has dozens of places; the cheapest of each scope are enough to choose from.
regions AS (
  SELECT compared.*
  FROM compared
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY compared.used_type, compared.used_region, compared.scope
    ORDER BY compared.spot_price, compared.region, compared.machine_type
  ) <= @most_places
),

used_zones AS (
  SELECT
    rolled.machine_type,
    rolled.region,
    rolled.zone
  FROM daily_costs AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(@now), INTERVAL 7 DAY)
    AND rolled.usage_date <= DATE(@now)
    AND rolled.vm_hours > 0
  GROUP BY
    rolled.machine_type,
    rolled.region,
    rolled.zone
),

-- A region as a whole, the zones in use of where the type runs, and the zones asked for.
places AS (
  SELECT
    regions.*,
    '' AS zone
  FROM regions
  WHERE regions.scope = 'here'
    OR COALESCE(ARRAY_LENGTH(@zones), 0) = 0
  UNION ALL
  SELECT
    regions.*,
    used_zones.zone
  FROM regions
  INNER JOIN used_zones
    ON used_zones.machine_type = regions.machine_type
    AND used_zones.region = regions.region
  WHERE regions.scope = 'here'
    AND COALESCE(ARRAY_LENGTH(@zones), 0) = 0
  UNION ALL
  SELECT
    regions.*,
    asked_zones.zone
  FROM regions
  INNER JOIN asked_zones
    ON asked_zones.region = regions.region
),

own_hours AS (
  SELECT
    rolled.machine_type,
    rolled.region,
    COALESCE(rolled.zone, '') AS zone,
    SUM(rolled.vm_hours) AS vm_hours
  FROM daily_costs AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(@now), INTERVAL 30 DAY)
    AND rolled.usage_date <= DATE(@now)
    AND rolled.machine_type IS NOT NULL
  GROUP BY
    GROUPING SETS (
      (rolled.machine_type, rolled.region, rolled.zone),
      (rolled.machine_type, rolled.region)
    )
),

own_preemptions AS (
  SELECT
    rolled.machine_type,
    rolled.region,
    COALESCE(rolled.zone, '') AS zone,
    SUM(rolled.preemptions) AS preemptions
  FROM hourly_preemptions AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(@now, DAY), INTERVAL 30 DAY)
    AND rolled.usage_hour < @now
    AND rolled.machine_type IS NOT NULL
  GROUP BY
    GROUPING SETS (
      (rolled.machine_type, rolled.region, rolled.zone),
      (rolled.machine_type, rolled.region)
    )
),

-- Of days that were over when they were read.
google_rates AS (
  SELECT
    known.machine_type,
    known.region,
    COALESCE(known.zone, '') AS zone,
    ROUND(AVG(known.preemption_rate), 4) AS preemption_rate,
    COUNT(*) AS observed_days
  FROM capacity_preemptions AS known
  WHERE NOT known.provisional
    AND known.day >= DATE_SUB(DATE(@now, 'America/Los_Angeles'), INTERVAL 30 DAY)
    AND known.day < DATE(@now, 'America/Los_Angeles')
  GROUP BY
    known.machine_type,
    known.region,
    COALESCE(known.zone, '')
),

-- Whether Google was asked, and keeps a history there: nothing observed and nothing read are not the same.
google_histories AS (
  SELECT
    readings.machine_type,
    readings.region,
    COALESCE(readings.zone, '') AS zone,
    readings.status
  FROM capacity_readings AS readings
  WHERE readings.status IN ('read', 'unsupported')
    AND readings.read_at > TIMESTAMP_SUB(@now, INTERVAL 30 DAY)
    AND readings.read_at <= @now
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY readings.machine_type, readings.region, COALESCE(readings.zone, '')
    ORDER BY readings.read_at DESC
  ) = 1
)

SELECT
  places.used_type,
  places.used_region,
  places.used_vm_hours,
  places.scope,
  places.machine_type,
  places.region,
  places.zone,
  places.vcpus,
  places.memory_gib,
  places.spot_price,
  places.ondemand_price,
  places.slower_because,
  google_rates.preemption_rate,
  google_rates.observed_days,
  COALESCE(google_histories.status, 'not_read') AS google_history,
  own_hours.vm_hours AS own_vm_hours,
  COALESCE(own_preemptions.preemptions, 0) AS own_preemptions,
  places.as_of
FROM places
LEFT JOIN google_rates
  ON google_rates.machine_type = places.machine_type
  AND google_rates.region = places.region
  AND google_rates.zone = places.zone
LEFT JOIN google_histories
  ON google_histories.machine_type = places.machine_type
  AND google_histories.region = places.region
  AND google_histories.zone = places.zone
LEFT JOIN own_hours
  ON own_hours.machine_type = places.machine_type
  AND own_hours.region = places.region
  AND own_hours.zone = places.zone
LEFT JOIN own_preemptions
  ON own_preemptions.machine_type = places.machine_type
  AND own_preemptions.region = places.region
  AND own_preemptions.zone = places.zone
ORDER BY
  places.used_vm_hours * places.used_price DESC,
  places.used_type,
  places.used_region,
  places.scope,
  places.spot_price
