-- Invariant: a cost row is one UTC hour or a part of it; its uptime is above 0 and at most that, of which no more than it
-- or a minute is billed; its prices are above 0 and below USD 1,000 an hour, Spot not above on demand.
-- Grain: one cost row and its first violation. Reads 45 days: the tracker changes no older row.
--
-- The most expensive machine type is listed at about USD 130 an hour. Spot is 60 to 91 % off; a Spot price above the
-- on-demand price means that the two were mixed up.
WITH judged AS (
  SELECT
    costs.usage_start_time,
    costs.project_id,
    costs.zone,
    costs.instance_id,
    CASE
      WHEN costs.usage_end_time <= costs.usage_start_time THEN 'ends before it begins'
      WHEN costs.usage_end_time > TIMESTAMP_ADD(TIMESTAMP_TRUNC(costs.usage_start_time, HOUR), INTERVAL 1 HOUR) THEN
        'not within one hour'
      WHEN costs.usage_start_time > ${now} THEN 'in the future'
      WHEN costs.uptime_hours <= 0 OR costs.uptime_hours > 1 THEN 'uptime is not above 0 and at most 1'
      WHEN costs.billed_hours < 0 OR costs.billed_hours > GREATEST(costs.uptime_hours, NUMERIC '0.016666667') THEN
        'more is billed than ran'
      WHEN costs.spot_price <= 0 OR costs.spot_price >= 1000 THEN 'absurd Spot price'
      WHEN costs.ondemand_price <= 0 OR costs.ondemand_price >= 1000 THEN 'absurd on-demand price'
      WHEN costs.spot_price > costs.ondemand_price THEN 'Spot price above on-demand'
      WHEN costs.cost < 0 OR costs.ondemand_cost < 0 THEN 'negative cost'
      WHEN costs.vcpus <= 0 OR costs.memory_gib <= 0 THEN 'absurd size'
      WHEN costs.gpu_count < 0 OR costs.local_ssd_gib < 0 THEN 'absurd size'
      WHEN costs.region != REGEXP_EXTRACT(costs.zone, r'^(.*)-[a-z0-9]+$') THEN 'region is not that of the zone'
      WHEN costs.provisioning_model != 'SPOT' THEN 'not a Spot VM'
      WHEN (
        SELECT COUNT(*) > COUNT(DISTINCT label.key)
        FROM UNNEST(costs.labels) AS label
      ) THEN 'a label is there twice'
    END AS problem
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
)

SELECT
  usage_start_time,
  project_id,
  zone,
  instance_id,
  problem
FROM judged
-- A row without a violation keeps the invariant.
WHERE problem IS NOT NULL
