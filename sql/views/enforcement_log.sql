-- What did the enforcer plan and do about each VM and each frozen group, why, what does it save, and until when?
-- Grain: one VM in a plan: stopped, spared or started; one managed instance group with an autoscaler: frozen or not; and one message that led to no plan or has gaps, with its verdict.
--
-- outcome is the latest event: open when there is none, dry run in that mode; of a plan that needs approval: awaiting
-- approval, approved (what came of it is in the rows of the approval) or expired. Not yet: spared with a reason that begins
-- "deferred" or "stop pending", waiting (accepted, but not finished), failed and retried (requested again); expired is
-- a plan that was not finished in time. until is the end of the budget period,
-- after which a stopped VM may be started again. Reads 400 days, which cover a yearly budget; a filter on planned_at
-- limits the partitions that are read for the plans.
WITH plans AS (
  SELECT
    actions.happened_at AS planned_at,
    actions.message_id,
    actions.delivery_id,
    actions.budget_id,
    actions.period_end,
    actions.project_id,
    actions.zone,
    actions.instance_id,
    actions.instance_name,
    actions.machine_type,
    actions.managed_by,
    actions.priority,
    actions.rank,
    actions.mode,
    actions.event,
    actions.reason,
    actions.hourly_savings,
    actions.hourly_ending_attached,
    actions.hourly_disk_cost,
    actions.hourly_address_cost,
    actions.autoscaling_mode
  FROM `${dataset}.enforcement_actions` AS actions
  WHERE actions.happened_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
    -- The other events are outcomes of these.
    AND actions.event IN ('planned', 'spared', 'restart_planned', 'freeze_planned', 'freeze_spared')
),

outcomes AS (
  SELECT
    actions.message_id,
    actions.project_id,
    actions.zone,
    actions.instance_id,
    actions.happened_at,
    actions.event,
    actions.reason,
    actions.operation,
    actions.error
  FROM `${dataset}.enforcement_actions` AS actions
  WHERE actions.happened_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
    AND actions.event NOT IN ('planned', 'spared', 'restart_planned', 'freeze_planned', 'freeze_spared')
  -- A failed stop is retried when Pub/Sub redelivers the message: the latest event counts. What took effect is never
  -- undone by what another delivery found later.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY actions.message_id, actions.project_id, actions.zone, actions.instance_id
    -- Of two events of the same microsecond the one that ends the attempt counts, and then the first by name.
    ORDER BY
      actions.event IN ('stopped', 'restarted', 'thawed') DESC,
      actions.happened_at DESC,
      actions.event IN ('retried', 'waiting'), actions.event
  ) = 1
),

notifications AS (
  SELECT
    messages.delivery_id,
    messages.message_id,
    messages.budget_id,
    messages.received_at,
    messages.mode,
    messages.verdict,
    messages.reason,
    ARRAY_TO_STRING(messages.gaps, ', ') AS unread,
    messages.budget_display_name,
    messages.cost,
    messages.budget,
    messages.drill,
    messages.estimated_spent,
    messages.estimated_end,
    messages.estimate_basis,
    messages.plan_hash,
    messages.approval_expires_at
  FROM `${dataset}.budget_notifications` AS messages
  WHERE messages.received_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
),

answers AS (
  SELECT messages.target_message_id, MIN(messages.message_id) AS message_id
  FROM `${dataset}.budget_notifications` AS messages
  WHERE messages.received_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
    -- Any other verdict refuses the plan.
    AND messages.verdict IN ('approved', 'over_budget', 'nearing_budget')
    AND messages.target_message_id IS NOT NULL
  GROUP BY messages.target_message_id
),

message_rows AS (
  SELECT notifications.*
  FROM notifications
  LEFT JOIN (SELECT DISTINCT message_id FROM plans) AS planned
    ON planned.message_id = notifications.message_id
  -- A message with a plan has its verdict in the reasons of the VMs; those in a gap are in no plan.
  WHERE planned.message_id IS NULL OR notifications.unread != ''
)

SELECT
  plans.planned_at,  -- TIMESTAMP: When the plan was made, or the message without a plan received; a filter on it limits the plans that are read.
  plans.message_id,  -- STRING: The id of the budget notification.
  plans.budget_id,  -- STRING: The id of the budget.
  notifications.budget_display_name,  -- STRING: The name of the budget in the notification.
  notifications.cost AS spent,  -- NUMERIC: The cost that the notification states, in the currency of the budget.
  notifications.budget,  -- NUMERIC: The amount of the budget that the notification states.
  notifications.drill,  -- BOOLEAN: Whether the notification was a drill.
  plans.mode,  -- STRING: The mode of the enforcer: dry_run, approve or enforce.
  plans.project_id,  -- STRING: The Google Cloud project of the VM; NULL for a message without a plan, as all columns of VMs.
  plans.zone,  -- STRING: The zone; of a regional group, the region.
  plans.instance_id,  -- STRING: The id of the VM, unique in its project and zone; of a group, that of its autoscaler.
  plans.instance_name,  -- STRING: The name of the VM, or of the group.
  plans.machine_type,  -- STRING: The machine type.
  REGEXP_EXTRACT(plans.managed_by, r'([^/]+)$') AS created_by_group,  -- STRING: The managed instance group that created the VM; NULL for a VM of no group.
  plans.priority,  -- STRING: The priority of the VM in the policy.
  plans.rank,  -- INTEGER: The place of the VM in the order of stopping.
  CASE plans.event
    WHEN 'planned' THEN 'stop'
    WHEN 'spared' THEN 'spare'
    WHEN 'restart_planned' THEN 'start'
    WHEN 'freeze_planned' THEN 'freeze'
    WHEN 'freeze_spared' THEN 'do not freeze'
  END AS decision,  -- STRING: stop, spare or start; of a group, freeze or do not freeze; NULL for a message without a plan.
  plans.reason,  -- STRING: The reason for the decision, or for the verdict of a message without a plan.
  CASE
    WHEN plans.event IN ('spared', 'freeze_spared') THEN 'spared'
    WHEN plans.mode = 'dry_run' THEN 'dry run'
    WHEN plans.mode = 'approve' AND answers.message_id IS NOT NULL THEN 'approved'
    WHEN plans.mode = 'approve' AND notifications.approval_expires_at <= ${now} THEN 'expired'
    WHEN plans.mode = 'approve' THEN 'awaiting approval'
    ELSE COALESCE(outcomes.event, 'open')
  END AS outcome,  -- STRING: The latest event of the decision, open when there is none, dry run in that mode; awaiting approval, approved or expired of a plan that needs approval; the verdict of a message without a plan.
  outcomes.happened_at AS outcome_at,  -- TIMESTAMP: When that event happened.
  CASE
    WHEN plans.mode != 'approve' OR plans.event IN ('spared', 'freeze_spared') THEN outcomes.reason
    WHEN answers.message_id IS NOT NULL THEN CONCAT('executed by message ', answers.message_id)
    WHEN notifications.approval_expires_at <= ${now} THEN 'nobody approved the plan in time'
    ELSE CONCAT('approve it with: python -m spotkeeper approve ', plans.message_id, ':', notifications.plan_hash)
  END AS outcome_reason,  -- STRING: The reason of that event; of a plan that needs approval, the command that approves it.
  outcomes.operation,  -- STRING: The operation of Compute Engine that carried out the decision.
  outcomes.error,  -- STRING: The error of that operation.
  plans.hourly_savings,  -- NUMERIC: What a stop saves, in USD per hour: the price of the machine type, and hourly_ending_attached as far as it is known; NULL when the price is not known.
  plans.hourly_ending_attached,  -- NUMERIC: The licenses and Tier_1 bandwidth in hourly_savings, in USD per hour; NULL when they are not known.
  plans.hourly_disk_cost,  -- NUMERIC: What the disks of the VM cost, in USD per hour, which a stop does not end; NULL when it is not known.
  plans.hourly_address_cost,  -- NUMERIC: What its external addresses cost, in USD per hour, which a stop ends unless they are reserved; NULL when it is not known.
  IF(plans.event IN ('planned', 'freeze_planned'), plans.period_end, NULL) AS until,  -- TIMESTAMP: The end of the budget period, after which a stopped VM may be started again and a frozen group is thawed; NULL for other decisions.
  notifications.estimated_spent,  -- NUMERIC: The estimated cost so far, with the hours that the bill lacks, in the currency of the budget; NULL without an estimate.
  notifications.estimated_end,  -- NUMERIC: The estimated cost at the end of the budget period with nothing more stopped; NULL without an estimate.
  notifications.estimate_basis,  -- STRING: Where the terms of the estimate come from, or the reason that there is none; NULL where none was asked for.
  plans.autoscaling_mode  -- STRING: Of a group, the mode that its autoscaler had, to which a thaw sets it back; NULL for a VM.
FROM plans
LEFT JOIN outcomes
  ON outcomes.message_id = plans.message_id
  AND outcomes.project_id = plans.project_id
  AND outcomes.zone = plans.zone
  AND outcomes.instance_id = plans.instance_id
LEFT JOIN notifications
  ON notifications.delivery_id = plans.delivery_id
LEFT JOIN answers
  ON answers.target_message_id = plans.message_id

UNION ALL

SELECT
  unplanned.received_at AS planned_at,
  unplanned.message_id,
  unplanned.budget_id,
  unplanned.budget_display_name,
  unplanned.cost AS spent,
  unplanned.budget,
  unplanned.drill,
  unplanned.mode,
  CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS zone,
  CAST(NULL AS STRING) AS instance_id,
  CAST(NULL AS STRING) AS instance_name,
  CAST(NULL AS STRING) AS machine_type,
  CAST(NULL AS STRING) AS created_by_group,
  CAST(NULL AS STRING) AS priority,
  CAST(NULL AS INT64) AS rank,
  CAST(NULL AS STRING) AS decision,
  unplanned.reason,
  unplanned.verdict AS outcome,
  CAST(NULL AS TIMESTAMP) AS outcome_at,
  CASE
    WHEN unplanned.unread != '' THEN CONCAT('could not be read, and is in no plan: ', unplanned.unread)
    WHEN unplanned.verdict IN ('over_budget', 'nearing_budget')
      THEN 'nothing to stop: no Spot VM that the budget covers, or all of them are stopped'
  END AS outcome_reason,
  CAST(NULL AS STRING) AS operation,
  CAST(NULL AS STRING) AS error,
  CAST(NULL AS NUMERIC) AS hourly_savings,
  CAST(NULL AS NUMERIC) AS hourly_ending_attached,
  CAST(NULL AS NUMERIC) AS hourly_disk_cost,
  CAST(NULL AS NUMERIC) AS hourly_address_cost,
  CAST(NULL AS TIMESTAMP) AS until,
  unplanned.estimated_spent,
  unplanned.estimated_end,
  unplanned.estimate_basis,
  CAST(NULL AS STRING) AS autoscaling_mode
FROM message_rows AS unplanned
