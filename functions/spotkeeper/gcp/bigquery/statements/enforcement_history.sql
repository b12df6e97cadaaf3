-- What is on record of a message, of its budget, of stops, and of the money spent in its period?
-- Grain: one row.
--
-- A stop is what one message planned for one instance. It is open until it has an end; a failure that is not followed
-- by another request leaves it open, but is no stop. The limits count instances, each once.

-- Make sure of the row that transactions meet at, long before the first one of this delivery.
INSERT INTO enforcement_lock (delivery_id, locked_at)
SELECT 'none', @since
FROM UNNEST([1])
WHERE NOT EXISTS (SELECT 1 FROM enforcement_lock);

WITH stops AS (
  SELECT
    message_id,
    project_id,
    zone,
    instance_id,
    ANY_VALUE(budget_id) AS budget_id,
    ANY_VALUE(instance_name) AS instance_name,
    MIN(IF(event IN ('planned', 'restart_planned'), happened_at, NULL)) AS planned_at,
    MAX(IF(event IN ('planned', 'retried'), happened_at, NULL)) AS requested_at,
    MAX(IF(event = 'failed', happened_at, NULL)) AS failed_at,
    MAX(IF(event = 'stopped', happened_at, NULL)) AS stopped_at,
    MAX(IF(event = 'waiting', operation, NULL)) AS operation,
    LOGICAL_OR(event = 'waiting') AS waits,
    LOGICAL_OR(event = 'changed') AS changed,
    LOGICAL_OR(event = 'restart_planned') AS restart,
    LOGICAL_OR(event IN ('stopped', 'changed', 'expired', 'restarted', 'not_restarted')) AS done,
    MAX(priority) AS priority,
    MIN(rank) AS rank,
    MAX(machine_type) AS machine_type,
    MAX(managed_by) AS managed_by,
    MAX(hourly_savings) AS hourly_savings
  FROM enforcement_actions
  WHERE mode = 'enforce'
    AND event != 'spared'
    -- Freezes of groups stop no instance.
    AND autoscaling_mode IS NULL
    AND happened_at >= @since
  GROUP BY message_id, project_id, zone, instance_id
),

judged AS (
  SELECT
    *,
    COALESCE(failed_at >= requested_at, FALSE) AS has_failed,
    COALESCE(stopped_at, IF(changed OR COALESCE(failed_at >= requested_at, FALSE), NULL, requested_at)) AS counted_at
  FROM stops
),

covered AS (
  SELECT
    costs.usage_start_time,
    -- A VM that was started as another machine has a row that begins within the hour.
    TIMESTAMP_TRUNC(costs.usage_start_time, HOUR) AS hour,
    costs.project_id,
    costs.zone,
    costs.instance_id,
    costs.instance_name,
    costs.uptime_hours,
    costs.cost,
    -- What a stop ends: with licenses and Tier_1, as far as they are known. Disks go on.
    costs.cost + COALESCE(costs.license_cost, 0) + COALESCE(costs.bandwidth_cost, 0) AS ending_cost
  FROM spot_vm_costs AS costs
  WHERE costs.usage_start_time >= @cost_interval_start
    AND costs.project_id IN UNNEST(@projects)
    AND (
      SELECT COUNT(DISTINCT label.key)
      FROM UNNEST(costs.labels) AS label
      WHERE CONCAT(label.key, '=', label.value) IN UNNEST(@labels)
    ) = @label_keys
),

own AS (
  SELECT SUM(covered.cost) AS cost
  FROM covered
),

recorded_hours AS (
  SELECT project_hours.hour
  FROM project_hours
  WHERE project_hours.hour >= @cost_interval_start
    AND project_hours.project_id IN UNNEST(@projects)
    -- A later run reads what an incomplete hour misses.
    AND project_hours.state != 'incomplete'
    -- An hour that no run read in time is final, but what it cost is not known.
    AND NOT EXISTS (
      SELECT 1
      FROM tracker_runs AS runs
      CROSS JOIN UNNEST(runs.gaps) AS gap
      WHERE runs.hour >= @cost_interval_start
        AND runs.hour = project_hours.hour
        AND runs.run_id = project_hours.run_id
        AND gap.project_id = project_hours.project_id
        AND gap.source = 'catch-up'
    )
  GROUP BY project_hours.hour
  HAVING COUNT(DISTINCT project_hours.project_id) = @project_count
),

-- A group may give an instance that it creates again the name of the one that was stopped: its rows count as well.
stopped_for_good AS (
  SELECT ours.project_id, ours.zone, ours.instance_name
  FROM (
    SELECT judged.project_id, judged.zone, judged.instance_name, MAX(judged.stopped_at) AS stopped_at
    FROM judged
    WHERE judged.stopped_at IS NOT NULL AND NOT judged.restart
    GROUP BY judged.project_id, judged.zone, judged.instance_name
  ) AS ours
  LEFT JOIN covered AS later
    ON later.project_id = ours.project_id
    AND later.zone = ours.zone
    AND later.instance_name = ours.instance_name
    AND later.usage_start_time >= ours.stopped_at
  GROUP BY ours.project_id, ours.zone, ours.instance_name
  HAVING COUNT(later.instance_id) = 0
),

marked AS (
  SELECT covered.*, stopped_for_good.instance_name IS NOT NULL AS is_stopped
  FROM covered
  LEFT JOIN stopped_for_good
    ON stopped_for_good.project_id = covered.project_id
    AND stopped_for_good.zone = covered.zone
    AND stopped_for_good.instance_name = covered.instance_name
),

hourly AS (
  SELECT
    marked.hour,
    SUM(marked.ending_cost) AS cost,
    SUM(IF(marked.is_stopped, marked.ending_cost, 0)) AS stopped_cost
  FROM marked
  GROUP BY marked.hour
),

attached AS (
  SELECT
    costs.instance_id,
    -- Licenses and bandwidth are billed like the machine type, addresses and disks while it runs.
    CAST(
      SAFE_DIVIDE(costs.license_cost + costs.bandwidth_cost, COALESCE(costs.billed_hours, costs.uptime_hours)) AS NUMERIC
    ) AS ending,
    CAST(SAFE_DIVIDE(costs.disk_cost, costs.uptime_hours) AS NUMERIC) AS disks,
    CAST(SAFE_DIVIDE(costs.address_cost, costs.uptime_hours) AS NUMERIC) AS addresses
  FROM spot_vm_costs AS costs
  WHERE costs.usage_start_time >= @attached_since
    AND costs.project_id IN UNNEST(@projects)
    -- Rows of before anything attached was recorded say nothing of it.
    AND costs.known_cost IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY costs.project_id, costs.zone, costs.instance_id ORDER BY costs.usage_start_time DESC
  ) = 1
),

-- The latest plan of the budget that was to be approved: only that one can still be.
proposals AS (
  SELECT
    notifications.message_id,
    ANY_VALUE(notifications.plan_hash) AS plan_hash,
    ANY_VALUE(notifications.approval_expires_at) AS approval_expires_at,
    MIN(notifications.received_at) AS received_at,
    ANY_VALUE(notifications.period_end) AS period_end
  FROM budget_notifications AS notifications
  WHERE notifications.budget_id = @budget_id
    AND notifications.plan_hash IS NOT NULL
    AND notifications.received_at >= @since
  GROUP BY notifications.message_id
  QUALIFY ROW_NUMBER() OVER (ORDER BY MAX(notifications.received_at) DESC, notifications.message_id) = 1
),

uptimes AS (
  SELECT
    marked.instance_id,
    SUM(IF(marked.hour > TIMESTAMP_SUB(latest.hour, INTERVAL 24 HOUR), marked.uptime_hours, 0)) AS last_day,
    SUM(IF(marked.hour > TIMESTAMP_SUB(latest.hour, INTERVAL 24 HOUR), 0, marked.uptime_hours)) AS day_before
  FROM marked
  CROSS JOIN (SELECT MAX(recorded_hours.hour) AS hour FROM recorded_hours) AS latest
  WHERE NOT marked.is_stopped
    AND marked.hour > TIMESTAMP_SUB(latest.hour, INTERVAL 48 HOUR)
    AND marked.hour <= latest.hour
  GROUP BY marked.instance_id
)

SELECT
  EXISTS (
    SELECT 1
    FROM budget_notifications
    WHERE message_id = @message_id AND received_at >= @since
  ) AS received_before,
  ARRAY(
    SELECT AS STRUCT
      published_at,
      ANY_VALUE(cost) AS cost,
      ANY_VALUE(budget) AS budget,
      COALESCE(MAX(tracker_cost), (SELECT cost FROM own)) AS tracker_cost
    FROM budget_notifications
    WHERE budget_id = @budget_id
      AND source = @source
      AND cost_interval_start = @cost_interval_start
      AND period_end = @period_end
      AND published_at > @published_at
      AND message_id != @message_id
      AND NOT drill
      AND received_at >= @since
    GROUP BY message_id, published_at
    ORDER BY published_at DESC
    LIMIT 100
  ) AS newer,
  ARRAY(
    SELECT AS STRUCT project_id, zone, instance_id
    FROM judged
    WHERE counted_at > @counted_since AND budget_id = @budget_id AND NOT restart
    GROUP BY project_id, zone, instance_id
  ) AS stops_of_budget,
  (
    SELECT COUNT(DISTINCT CONCAT(project_id, '/', zone, '/', instance_id))
    FROM judged
    WHERE counted_at > @counted_since AND NOT restart
  ) AS stops_in_total,
  (
    SELECT COUNT(DISTINCT delivery_id)
    FROM enforcement_actions
    WHERE event IN ('planned', 'restart_planned', 'retried', 'freeze_planned')
      AND mode IN ('approve', 'enforce')
      AND happened_at >= @since
  ) AS plans,
  ARRAY(
    SELECT AS STRUCT
      message_id,
      project_id,
      zone,
      instance_id,
      instance_name,
      planned_at,
      restart,
      done,
      has_failed,
      stopped_at IS NOT NULL AS stopped,
      operation,
      priority,
      rank,
      machine_type,
      managed_by,
      hourly_savings
    FROM judged
    WHERE message_id = @message_id AND planned_at IS NOT NULL
    ORDER BY rank, instance_name, instance_id
  ) AS plan,
  ARRAY(
    SELECT AS STRUCT project_id, zone, instance_id, message_id
    FROM judged
    WHERE message_id != @message_id
      AND NOT restart
      AND NOT done
      AND NOT has_failed
      AND requested_at >= IF(waits, @waiting_since, @pending_since)
  ) AS pending_stops,
  ARRAY(
    SELECT AS STRUCT
      project_id, zone, instance_id, MAX(happened_at) AS failed_at, COUNT(DISTINCT message_id) AS messages
    FROM enforcement_actions
    WHERE event = 'failed'
      AND mode = 'enforce'
      AND happened_at > @failures_since
      -- A stop that was never requested has neither: it says nothing against the instance.
      AND (error IS NOT NULL OR operation IS NOT NULL)
    GROUP BY project_id, zone, instance_id
  ) AS failed_stops,
  ARRAY(
    SELECT AS STRUCT
      message_id,
      project_id,
      zone,
      instance_id,
      instance_name,
      planned_at,
      restart,
      done,
      has_failed,
      stopped_at IS NOT NULL AS stopped,
      operation,
      priority,
      rank,
      machine_type,
      managed_by,
      hourly_savings
    FROM judged
    WHERE message_id != @message_id
      AND NOT restart
      AND NOT done
      AND NOT has_failed
      AND requested_at < @pending_since
    ORDER BY planned_at, instance_name, instance_id
    LIMIT 200
  ) AS unfinished,
  (SELECT cost FROM own) AS tracker_cost,
  ARRAY(
    SELECT AS STRUCT MAX(published_at) AS published_at, MAX(cost) AS cost
    FROM budget_notifications
    WHERE budget_id = @budget_id
      AND source = @source
      AND cost_interval_start = @cost_interval_start
      AND period_end = @period_end
      AND published_at < @published_at
      AND NOT drill
      AND received_at >= @cost_interval_start
    GROUP BY TIMESTAMP_TRUNC(published_at, HOUR)
  ) AS billed,
  ARRAY(
    SELECT AS STRUCT
      recorded_hours.hour AS start,
      COALESCE(hourly.cost, 0) AS cost,
      COALESCE(hourly.stopped_cost, 0) AS stopped_cost
    FROM recorded_hours
    LEFT JOIN hourly
      ON hourly.hour = recorded_hours.hour
    ORDER BY recorded_hours.hour
  ) AS hours,
  -- What runs by night only saves less by a stop; what is new, back from a pause of a day, or ran for nearly all of the
  -- day, counts as a whole.
  ARRAY(
    SELECT AS STRUCT uptimes.instance_id, uptimes.last_day / 24 AS uptime_share
    FROM uptimes
    WHERE uptimes.last_day < 22 AND uptimes.day_before > 0 AND uptimes.day_before <= 2 * uptimes.last_day
    ORDER BY uptimes.instance_id
    LIMIT 20000
  ) AS uptime_shares,
  -- The dearest licenses first: of the others a stop saves the machine type alone, and the plan says so.
  ARRAY(
    SELECT AS STRUCT attached.instance_id, attached.ending, attached.disks, attached.addresses
    FROM attached
    ORDER BY attached.ending DESC, attached.instance_id
    LIMIT 20000
  ) AS attached,
  ARRAY(
    SELECT AS STRUCT TIMESTAMP_TRUNC(stopped_at, HOUR) AS stopped_hour, SUM(hourly_savings) AS hourly_savings
    FROM judged
    WHERE stopped_at > @counted_since AND budget_id = @budget_id AND NOT restart AND managed_by IS NOT NULL
    GROUP BY TIMESTAMP_TRUNC(stopped_at, HOUR)
  ) AS group_stops,
  ARRAY(
    SELECT AS STRUCT
      proposals.message_id,
      proposals.plan_hash,
      proposals.approval_expires_at,
      proposals.period_end,
      (
        SELECT MIN(answers.message_id)
        FROM budget_notifications AS answers
        WHERE answers.target_message_id IN (SELECT proposals.message_id FROM proposals)
          -- Any other verdict refuses the plan.
          AND answers.verdict IN ('approved', 'over_budget', 'nearing_budget')
          AND answers.received_at >= @since
      ) AS executed_by,
      (
        SELECT MAX(later.message_id)
        FROM enforcement_actions AS later
        WHERE later.event IN ('planned', 'freeze_planned')
          AND later.mode IN ('approve', 'enforce')
          AND later.budget_id = @budget_id
          AND later.happened_at > (SELECT proposals.received_at FROM proposals)
          AND later.happened_at >= @since
      ) AS newer_plan
    FROM proposals
  ) AS proposed,
  ARRAY(
    SELECT AS STRUCT
      actions.message_id,
      actions.project_id,
      actions.zone,
      actions.instance_id,
      actions.instance_name,
      actions.happened_at AS planned_at,
      actions.priority,
      actions.rank,
      actions.machine_type,
      actions.managed_by,
      actions.hourly_savings,
      actions.reason,
      actions.autoscaling_mode
    FROM enforcement_actions AS actions
    WHERE actions.message_id IN (SELECT proposals.message_id FROM proposals)
      AND actions.event IN ('planned', 'freeze_planned')
      AND actions.mode = 'approve'
      AND actions.happened_at >= @since
    ORDER BY actions.rank, actions.instance_name, actions.instance_id
  ) AS proposed_stops,
  ARRAY(
    SELECT AS STRUCT project_id, zone, instance_id, MAX(snoozed_until) AS snoozed_until
    FROM instance_snoozes
    WHERE snoozed_until > @now
    GROUP BY project_id, zone, instance_id
  ) AS snoozed
