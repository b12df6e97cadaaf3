-- Who created the Spot VMs without a team, and what did they cost in the last 30 days?
-- Grain: one project, creator (NULL: not recorded), source of that and managed instance group (NULL: no group).
--
-- The creator is recorded with RECORD_CREATORS only. It is who requested the VM: members of a managed instance group, GKE
-- nodes among them, are requested by Google's service agent, and who made or resized their group is not recorded. A VM has
-- a team when its label team was not empty in that hour. Uptime that no source could identify is in unattributed_cost. Of
-- VMs created more than 400 days ago the creator is not read. Reads 30 days and today, whatever the filter.
WITH without_team AS (
  SELECT
    rolled.project_id,
    rolled.zone,
    rolled.instance_id,
    REGEXP_EXTRACT(rolled.managed_by, r'([^/]+)$') AS created_by_group,
    MIN(rolled.instance_name) AS instance_name,
    SUM(rolled.vm_hours) AS vm_hours,
    SUM(rolled.priced_hours) AS priced_hours,
    SUM(rolled.cost) AS cost,
    SUM(rolled.known_cost) AS known_cost,
    MAX(rolled.last_start_time) AS last_start_time
  FROM `${dataset}.daily_vm_costs` AS rolled
  WHERE rolled.usage_date >= DATE_SUB(DATE(${now}), INTERVAL 30 DAY)
    -- Those of a team have somebody to ask.
    AND rolled.team = '(unlabelled)'
  GROUP BY
    rolled.project_id,
    rolled.zone,
    rolled.instance_id,
    created_by_group
),

creators AS (
  SELECT
    created.project_id,
    created.zone,
    created.instance_id,
    created.created_by,
    created.created_by_source
  FROM `${dataset}.vm_creators` AS created
  WHERE created.created_at >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
)

SELECT
  vms.project_id,  -- STRING: The Google Cloud project.
  creators.created_by,  -- STRING: Who requested the VMs: an e-mail address, or the identifier of a federated identity; NULL when it is not recorded.
  CASE
    WHEN creators.created_by IS NULL THEN 'not_recorded'
    WHEN ENDS_WITH(creators.created_by, '@cloudservices.gserviceaccount.com') THEN 'google_service_agent'
    WHEN ENDS_WITH(creators.created_by, '.gserviceaccount.com') THEN 'service_account'
    ELSE 'person'
  END AS creator_kind,  -- STRING: person, service_account, google_service_agent (ask whoever owns the group) or not_recorded.
  creators.created_by_source,  -- STRING: How it is known: operation of Compute Engine, or audit_log; NULL when it is not recorded.
  vms.created_by_group,  -- STRING: The managed instance group or node pool that the VMs are members of; NULL for VMs of no group.
  COUNT(DISTINCT CONCAT(vms.zone, '/', vms.instance_id)) AS instances,  -- INTEGER: Distinct VMs; one whose group changed counts in two rows.
  MIN(vms.instance_name) AS example,  -- STRING: The first name of the row in alphabetical order.
  SUM(vms.vm_hours) AS vm_hours,  -- NUMERIC: Uptime in VM-hours, priced or not.
  SUM(vms.priced_hours) AS priced_hours,  -- NUMERIC: The VM-hours whose Spot price is known.
  SUM(vms.cost) AS cost,  -- NUMERIC: Cost of the priced hours at Spot list prices, in USD; NULL when no price is known.
  SUM(vms.known_cost) AS known_cost,  -- NUMERIC: All that is known of the cost, with licenses, addresses, disks and bandwidth, in USD; NULL when nothing is known.
  MAX(vms.last_start_time) AS last_start_time  -- TIMESTAMP: The start of the last cost row of a VM of the row.
FROM without_team AS vms
LEFT JOIN creators
  ON creators.project_id = vms.project_id
  AND creators.zone = vms.zone
  AND creators.instance_id = vms.instance_id
GROUP BY
  vms.project_id,
  creators.created_by,
  creator_kind,
  creators.created_by_source,
  vms.created_by_group
