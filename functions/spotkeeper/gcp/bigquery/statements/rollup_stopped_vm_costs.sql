-- Keep apart the cost rows of some UTC days of VMs that ran although the enforcer had planned to stop their name.
DELETE FROM stopped_vm_costs
WHERE usage_start_time >= @rollup_since
  AND usage_start_time < @rollup_until
  AND DATE(usage_start_time) IN UNNEST(@rollup_days);

INSERT INTO stopped_vm_costs
SELECT
  costs.usage_start_time,
  costs.project_id,
  costs.zone,
  costs.instance_id,
  costs.instance_name,
  costs.uptime_hours,
  costs.cost,
  costs.license_cost,
  costs.bandwidth_cost
FROM spot_vm_costs AS costs
WHERE costs.usage_start_time >= @rollup_since
  AND costs.usage_start_time < @rollup_until
  AND DATE(costs.usage_start_time) IN UNNEST(@rollup_days)
  AND EXISTS (
    SELECT 1
    FROM enforcement_actions AS actions
    WHERE actions.happened_at >= TIMESTAMP_SUB(@rollup_since, INTERVAL 63 DAY)
      -- Whichever days are written together, a row counts the plans of the same time before it.
      AND actions.happened_at >= TIMESTAMP_SUB(costs.usage_start_time, INTERVAL 63 DAY)
      -- A plan is recorded before its stops, so that no outcome comes too late for the hours after it.
      AND actions.event IN ('planned', 'stopped')
      AND actions.mode = 'enforce'
      AND actions.project_id = costs.project_id
      AND actions.zone = costs.zone
      AND actions.instance_name = costs.instance_name
      AND actions.happened_at <= costs.usage_start_time
      AND actions.period_end > costs.usage_start_time
  );
