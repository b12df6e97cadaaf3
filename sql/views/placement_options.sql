-- Where, and as which other machine type, would the running VMs be cheaper on Spot?
-- Grain: one machine type in use in a region, one kind of change, and one of the three cheapest options of that kind.
--
-- There are three kinds of change: the same type in another region of the continent, another type in the same region,
-- and another type in another region of the continent. An option has at least as many vCPUs, as much memory and local
-- SSD, the same bundled GPUs and the same CPU architecture, at a lower current list price. slower_because says when a
-- vCPU of it does less work. Traffic between regions, data transfer and capacity of the zone are not considered.
-- Preemptions per 1,000 VM-hours are our own of the last 30 days, of VMs with a cost row on the UTC day of the
-- preemption, NULL where nothing ran. VMs with attached GPUs or local SSD and custom types are left out: the price of a
-- machine type does not include them. In use is what ran in the last complete recorded hour, which ended at as_of;
-- nothing is listed when no hour was recorded in two days. What an option saves in a month is for the VM-hours of the
-- last seven days (weekly_vm_hours), as in the command advise. Google's preemption rates are of all its customers: they
-- rank places, are no probability, and enter no other column. Reads 30 days of costs.
WITH present AS (
  SELECT COALESCE(MAX(IF(runs.complete, runs.hour, NULL)), MAX(runs.hour)) AS hour
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
),

fleet AS (
  SELECT
    rolled.machine_type,
    rolled.region,
    rolled.gpu_count,
    rolled.local_ssd_gib,
    SUM(IF(rolled.usage_hour = present.hour, rolled.vm_hours, 0)) AS vms,
    SUM(rolled.vm_hours) AS weekly_vm_hours
  FROM `${dataset}.hourly_fleet` AS rolled
  CROSS JOIN present
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(${now}, INTERVAL 7 DAY)
    AND rolled.usage_hour < ${now}
  GROUP BY
    rolled.machine_type,
    rolled.region,
    rolled.gpu_count,
    rolled.local_ssd_gib
  HAVING COUNTIF(rolled.usage_hour = present.hour) > 0
),

own_hours AS (
  SELECT
    rolled.machine_type,
    rolled.region,
    SUM(rolled.vm_hours) AS vm_hours
  FROM `${dataset}.daily_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 30 DAY)
  GROUP BY
    rolled.machine_type,
    rolled.region
),

own_preemptions AS (
  SELECT
    rolled.machine_type,
    rolled.region,
    SUM(rolled.preemptions) AS preemptions
  FROM `${dataset}.hourly_preemptions` AS rolled
  WHERE rolled.usage_hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 30 DAY)
  GROUP BY
    rolled.machine_type,
    rolled.region
),

interruption_rates AS (
  SELECT
    own.machine_type,
    own.region,
    own.vm_hours,
    ROUND(SAFE_DIVIDE(COALESCE(taken.preemptions, 0) * 1000, own.vm_hours), 3) AS preemptions_per_1000_hours
  FROM own_hours AS own
  LEFT JOIN own_preemptions AS taken
    ON taken.machine_type = own.machine_type
    AND taken.region = own.region
),

-- Regions, by days that were over when they were read.
google_rates AS (
  SELECT
    known.machine_type,
    known.region,
    ROUND(AVG(known.preemption_rate), 4) AS preemption_rate,
    COUNT(*) AS observed_days
  FROM `${dataset}.capacity_preemptions` AS known
  WHERE known.zone IS NULL
    AND NOT known.provisional
    AND known.day >= DATE_SUB(DATE(${now}, 'America/Los_Angeles'), INTERVAL 30 DAY)
  GROUP BY
    known.machine_type,
    known.region
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
    known.as_of,
    REGEXP_EXTRACT(known.machine_type, r'^[a-z]+') AS family,
    -- The number in the name of a family is its generation: https://cloud.google.com/compute/docs/machine-resource
    CAST(REGEXP_EXTRACT(known.machine_type, r'^[a-z]+([0-9]+)') AS INT64) AS generation,
    REGEXP_CONTAINS(known.machine_type, r'^(f1|g1)-|^e2-(micro|small|medium)$') AS shares_vcpus,
    CASE REGEXP_EXTRACT(known.region, r'^[a-z]+')
      WHEN 'africa' THEN 'Africa'
      WHEN 'asia' THEN 'Asia'
      WHEN 'australia' THEN 'Australia'
      WHEN 'europe' THEN 'Europe'
      WHEN 'me' THEN 'Middle East'
      WHEN 'northamerica' THEN 'North America'
      WHEN 'southamerica' THEN 'South America'
      WHEN 'us' THEN 'North America'
      ELSE REGEXP_EXTRACT(known.region, r'^[a-z]+')
    END AS continent
  FROM `${dataset}.machine_type_prices` AS known
),

options AS (
  SELECT
    fleet.machine_type,
    fleet.region,
    here.continent,
    fleet.vms,
    fleet.weekly_vm_hours,
    here.spot_price,
    CASE
      WHEN there.machine_type = here.machine_type THEN 'other region'
      WHEN there.region = here.region THEN 'other type'
      ELSE 'other type and region'
    END AS change,
    there.machine_type AS option_machine_type,
    there.region AS option_region,
    there.vcpus AS option_vcpus,
    there.memory_gib AS option_memory_gib,
    there.spot_price AS option_spot_price,
    CASE
      WHEN there.shares_vcpus AND NOT here.shares_vcpus THEN 'shared vCPUs'
      WHEN there.generation < here.generation THEN 'older generation'
      WHEN there.family = 'e' AND here.family != 'e' THEN 'cost-optimized'
      WHEN here.family IN ('c', 'h') AND there.family NOT IN ('c', 'h') THEN 'not compute-optimized'
    END AS slower_because,
    there.as_of AS prices_as_of
  FROM fleet
  INNER JOIN prices AS here
    ON here.machine_type = fleet.machine_type
    AND here.region = fleet.region
    AND here.gpu_count = fleet.gpu_count
    AND here.local_ssd_gib = fleet.local_ssd_gib
  INNER JOIN prices AS there
    ON there.continent = here.continent
    AND there.spot_price < here.spot_price
    AND there.vcpus >= here.vcpus
    AND there.memory_gib >= here.memory_gib
    AND COALESCE(there.gpu_type, '') = COALESCE(here.gpu_type, '')
    AND there.gpu_count = here.gpu_count
    AND there.local_ssd_gib >= here.local_ssd_gib
    AND COALESCE(there.architecture, '') = COALESCE(here.architecture, '')
),

ranked_options AS (
  SELECT
    options.*,
    ROW_NUMBER() OVER (
      PARTITION BY options.machine_type, options.region, options.change
      ORDER BY options.option_spot_price, options.option_region, options.option_machine_type
    ) AS rank
  FROM options
)

SELECT
  ranked.machine_type,  -- STRING: The machine type in use.
  ranked.region,  -- STRING: The region in which it runs.
  ranked.continent,  -- STRING: The continent of that region, and of every option.
  ranked.vms,  -- NUMERIC: VM-hours of it in the last complete recorded hour.
  ranked.weekly_vm_hours,  -- NUMERIC: VM-hours of it in the last seven days, which monthly_savings is for.
  ranked.spot_price,  -- NUMERIC: Its Spot list price there, in USD per hour.
  interruptions_here.preemptions_per_1000_hours,  -- NUMERIC: Our own preemptions of it there for each 1,000 VM-hours of the last 30 days; NULL where nothing ran.
  ranked.change,  -- STRING: The kind of change: other region, other type, or other type and region.
  ranked.rank,  -- INTEGER: The place of the option among those of its kind, the cheapest first: 1 to 3.
  ranked.option_machine_type,  -- STRING: The machine type of the option.
  ranked.option_region,  -- STRING: The region of the option.
  ranked.option_vcpus,  -- NUMERIC: vCPUs of the option, at least as many as now.
  ranked.option_memory_gib,  -- NUMERIC: Memory of the option in GiB, at least as much as now.
  ranked.option_spot_price,  -- NUMERIC: The Spot list price of the option, in USD per hour.
  ranked.slower_because,  -- STRING: Why a vCPU of the option does less work: shared vCPUs, older generation, cost-optimized or not compute-optimized; NULL when its family gives no reason.
  interruptions_there.preemptions_per_1000_hours AS option_preemptions_per_1000_hours,  -- NUMERIC: Our own preemptions of the option's type in its region for each 1,000 VM-hours of the last 30 days; NULL where nothing ran.
  interruptions_there.vm_hours AS option_vm_hours,  -- NUMERIC: The VM-hours that rate is of.
  google_here.preemption_rate AS google_preemption_rate,  -- NUMERIC: Google's preemption rate of the type in use there, the mean of the observed days: preempted Spot VMs divided by all that stopped. NULL when it was not read or not observed, which does not mean safe.
  google_there.preemption_rate AS option_google_preemption_rate,  -- NUMERIC: The same of the option; compare the two, and take neither for a probability.
  COALESCE(google_there.observed_days, 0) AS option_google_observed_days,  -- INTEGER: The days of the last 30 that the option's rate is of.
  IF(
    interruptions_there.vm_hours >= 100,
    ROUND(ranked.option_spot_price * (1 + interruptions_there.preemptions_per_1000_hours / 1000 * NUMERIC '0.5'), 9),
    NULL
  ) AS option_cost_per_useful_hour,  -- NUMERIC: What an hour of useful work costs as the option, in USD, when work is saved every hour, so that a preemption repeats half an hour: from our own preemptions only; NULL where option_vm_hours is below 100, which is too little to tell.
  ROUND((1 - SAFE_DIVIDE(ranked.option_spot_price, ranked.spot_price)) * 100, 2) AS savings_percent,  -- NUMERIC: What the option costs less, in percent of spot_price.
  ROUND(
    CAST((ranked.spot_price - ranked.option_spot_price) * ranked.weekly_vm_hours * 730 / 168 AS NUMERIC), 6
  ) AS monthly_savings,  -- NUMERIC: What it saves in a month of 730 hours, in USD, at the VM-hours of the last seven days; options exclude one another, so do not add them up.
  ranked.prices_as_of,  -- TIMESTAMP: When the prices were read from the catalog.
  TIMESTAMP_ADD(present.hour, INTERVAL 1 HOUR) AS as_of,  -- TIMESTAMP: The end of the hour that the fleet is of.
  TIMESTAMP_DIFF(${now}, TIMESTAMP_ADD(present.hour, INTERVAL 1 HOUR), HOUR) AS age_hours  -- INTEGER: Whole hours from as_of to now: how old the fleet is.
FROM ranked_options AS ranked
CROSS JOIN present
LEFT JOIN interruption_rates AS interruptions_here
  ON interruptions_here.machine_type = ranked.machine_type
  AND interruptions_here.region = ranked.region
LEFT JOIN interruption_rates AS interruptions_there
  ON interruptions_there.machine_type = ranked.option_machine_type
  AND interruptions_there.region = ranked.option_region
LEFT JOIN google_rates AS google_here
  ON google_here.machine_type = ranked.machine_type
  AND google_here.region = ranked.region
LEFT JOIN google_rates AS google_there
  ON google_there.machine_type = ranked.option_machine_type
  AND google_there.region = ranked.option_region
-- A machine type has hundreds of cheaper options; three of each kind are enough to choose from.
WHERE ranked.rank <= 3
