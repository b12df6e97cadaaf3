-- Which cost did stopping VMs avoid, and what did the stopped VMs cost nevertheless?
-- Grain: one VM that the enforcer stopped in the last 62 days: this budget month and the one before.
--
-- A stop counts until the enforcer started the VM again or stopped it once more, also one that was recreated under its
-- name, the budget period ended, or the latest recorded hour ended. avoided is the VM's price at the stop times that
-- duration; NULL when the price was unknown.
-- cost_after_stop is the cost of a VM of the same name, project and zone in the full hours of that time: somebody
-- started it, or its group recreated it. Disks of a stopped VM go on costing: disk_cost_while_stopped, no part of
-- avoided; so do reserved addresses: address_cost_while_stopped. avoided_attached is the part of avoided that licenses
-- and Tier_1 bandwidth cost.
WITH present AS (
  SELECT TIMESTAMP_ADD(MAX(runs.hour), INTERVAL 1 HOUR) AS as_of
  FROM `${dataset}.tracker_runs` AS runs
  WHERE runs.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 62 DAY)
),

recent_actions AS (
  SELECT
    recorded.happened_at,
    recorded.event,
    recorded.mode,
    recorded.message_id,
    recorded.budget_id,
    recorded.period_end,
    recorded.project_id,
    recorded.zone,
    recorded.instance_id,
    recorded.instance_name,
    recorded.machine_type,
    recorded.hourly_savings,
    recorded.hourly_ending_attached,
    recorded.hourly_disk_cost
  FROM `${dataset}.enforcement_actions` AS recorded
  WHERE recorded.happened_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 62 DAY)
),

stops AS (
  SELECT
    actions.happened_at AS stopped_at,
    actions.message_id,
    actions.budget_id,
    actions.period_end,
    actions.project_id,
    actions.zone,
    actions.instance_id,
    actions.instance_name,
    actions.machine_type,
    actions.hourly_savings,
    actions.hourly_ending_attached,
    actions.hourly_disk_cost,
    LEAD(actions.happened_at) OVER (
      PARTITION BY actions.project_id, actions.zone, actions.instance_name ORDER BY actions.happened_at
    ) AS next_stopped_at
  FROM recent_actions AS actions
  -- A dry run stops nothing.
  WHERE actions.event = 'stopped'
    AND actions.mode = 'enforce'
),

restarts AS (
  SELECT
    stops.message_id,
    stops.project_id,
    stops.zone,
    stops.instance_id,
    MIN(actions.happened_at) AS restarted_at
  FROM stops
  INNER JOIN recent_actions AS actions
    ON actions.project_id = stops.project_id
    AND actions.zone = stops.zone
    AND actions.instance_id = stops.instance_id
    AND actions.happened_at > stops.stopped_at
  WHERE actions.event = 'restarted'
  GROUP BY
    stops.message_id,
    stops.project_id,
    stops.zone,
    stops.instance_id
),

stopped_times AS (
  SELECT
    stops.stopped_at,
    LEAST(
      stops.period_end,
      COALESCE(restarts.restarted_at, stops.period_end),
      COALESCE(stops.next_stopped_at, stops.period_end),
      GREATEST(present.as_of, stops.stopped_at)
    ) AS counted_until,
    restarts.restarted_at,
    stops.message_id,
    stops.budget_id,
    stops.project_id,
    stops.zone,
    stops.instance_id,
    stops.instance_name,
    stops.machine_type,
    stops.hourly_savings,
    stops.hourly_ending_attached,
    stops.hourly_disk_cost
  FROM stops
  CROSS JOIN present
  LEFT JOIN restarts
    ON restarts.message_id = stops.message_id
    AND restarts.project_id = stops.project_id
    AND restarts.zone = stops.zone
    AND restarts.instance_id = stops.instance_id
),

costs_after_stops AS (
  SELECT
    stopped.message_id,
    stopped.project_id,
    stopped.zone,
    stopped.instance_id,
    SUM(costs.uptime_hours) AS vm_hours,
    -- With what a stop ends, as avoided is.
    SUM(costs.cost + COALESCE(costs.license_cost, 0) + COALESCE(costs.bandwidth_cost, 0)) AS cost
  FROM stopped_times AS stopped
  INNER JOIN `${dataset}.stopped_vm_costs` AS costs
    ON costs.project_id = stopped.project_id
    AND costs.zone = stopped.zone
    AND costs.instance_name = stopped.instance_name
    AND costs.usage_start_time >= stopped.stopped_at
    AND costs.usage_start_time < stopped.counted_until
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 62 DAY)
  GROUP BY
    stopped.message_id,
    stopped.project_id,
    stopped.zone,
    stopped.instance_id
),

addresses_while_stopped AS (
  SELECT
    stopped.message_id,
    stopped.project_id,
    stopped.zone,
    stopped.instance_id,
    SUM(
      addresses.price * GREATEST(
        TIMESTAMP_DIFF(
          LEAST(addresses.usage_end_time, stopped.counted_until),
          GREATEST(addresses.usage_start_time, stopped.stopped_at),
          SECOND
        ), 0
      ) / 3600
    ) AS cost,
    LOGICAL_OR(addresses.price IS NULL) AS unknown
  FROM stopped_times AS stopped
  INNER JOIN `${dataset}.address_costs` AS addresses
    ON addresses.project_id = stopped.project_id
    AND addresses.instance_id = stopped.instance_id
    -- An address is in the region of its VM; an id may be that of another one elsewhere.
    AND STARTS_WITH(stopped.zone, CONCAT(addresses.region, '-'))
    AND addresses.usage_start_time < stopped.counted_until
    AND addresses.usage_end_time > stopped.stopped_at
  WHERE addresses.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 62 DAY)
    -- While the VM runs, its address is part of its own cost.
    AND addresses.held_by = 'stopped_vm'
  GROUP BY
    stopped.message_id,
    stopped.project_id,
    stopped.zone,
    stopped.instance_id
)

SELECT
  stopped.stopped_at,  -- TIMESTAMP: When the enforcer stopped the VM; a filter on it does not limit what is read.
  stopped.counted_until,  -- TIMESTAMP: The end of the time that counts: the restart, the next stop, the end of the budget period or of the latest recorded hour.
  stopped.restarted_at,  -- TIMESTAMP: When the enforcer started the VM again; NULL when it did not.
  stopped.message_id,  -- STRING: The id of the budget notification that led to the stop.
  stopped.budget_id,  -- STRING: The id of the budget.
  stopped.project_id,  -- STRING: The Google Cloud project.
  stopped.zone,  -- STRING: The zone.
  stopped.instance_id,  -- STRING: The id of the VM, unique in its project and zone.
  stopped.instance_name,  -- STRING: The name of the VM.
  stopped.machine_type,  -- STRING: The machine type at the stop.
  stopped.hourly_savings,  -- NUMERIC: What the stop saved, in USD per hour: the price of the machine type, licenses and Tier_1 bandwidth; NULL when the price was not known.
  ROUND(TIMESTAMP_DIFF(stopped.counted_until, stopped.stopped_at, SECOND) / 3600, 4) AS hours_stopped,  -- FLOAT: Hours from stopped_at to counted_until.
  ROUND(
    stopped.hourly_savings * TIMESTAMP_DIFF(stopped.counted_until, stopped.stopped_at, SECOND) / 3600, 6
  ) AS avoided,  -- NUMERIC: hourly_savings times hours_stopped, in USD; NULL when the price was not known.
  COALESCE(after.vm_hours, 0) AS vm_hours_after_stop,  -- NUMERIC: Uptime in VM-hours of a VM of the same name, project and zone in the full hours of that time.
  IF(after.vm_hours > 0, after.cost, 0) AS cost_after_stop,  -- NUMERIC: The cost of that uptime at list prices, with licenses and Tier_1 bandwidth, in USD; NULL when no price is known.
  ROUND(
    stopped.hourly_savings * TIMESTAMP_DIFF(stopped.counted_until, stopped.stopped_at, SECOND) / 3600
    - IF(after.vm_hours > 0, after.cost, 0), 6
  ) AS net_avoided,  -- NUMERIC: avoided minus cost_after_stop, in USD.
  ROUND(
    stopped.hourly_ending_attached * TIMESTAMP_DIFF(stopped.counted_until, stopped.stopped_at, SECOND) / 3600, 6
  ) AS avoided_attached,  -- NUMERIC: The part of avoided that licenses and Tier_1 bandwidth cost, in USD; NULL when it was not known.
  ROUND(
    stopped.hourly_disk_cost * TIMESTAMP_DIFF(stopped.counted_until, stopped.stopped_at, SECOND) / 3600, 6
  ) AS disk_cost_while_stopped,  -- NUMERIC: What the disks that the VM had when it was stopped cost in hours_stopped, in USD: the stop did not end it; NULL when it was not known.
  IF(addresses.unknown, NULL, ROUND(COALESCE(addresses.cost, 0), 6)) AS address_cost_while_stopped  -- NUMERIC: What the reserved addresses of the stopped VM cost in hours_stopped, in USD; 0 without any, NULL when a price is not known.
FROM stopped_times AS stopped
LEFT JOIN costs_after_stops AS after
  ON after.message_id = stopped.message_id
  AND after.project_id = stopped.project_id
  AND after.zone = stopped.zone
  AND after.instance_id = stopped.instance_id
LEFT JOIN addresses_while_stopped AS addresses
  ON addresses.message_id = stopped.message_id
  AND addresses.project_id = stopped.project_id
  AND addresses.zone = stopped.zone
  AND addresses.instance_id = stopped.instance_id
