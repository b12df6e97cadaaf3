-- Which disks cost money that no running VM uses, since when, how much a month, and whom to ask?
-- Grain: one disk that the latest scan of its project found without a VM, or whose VMs are all Spot VMs that did not run.
--
-- A VM counts as running when it has a cost row in, or started after the beginning of, the last three hours up to the end
-- of the latest hour whose uptime was read; its disks are left out when no hour of its project was read in two days. A disk
-- that a Standard VM has is left out: whether that runs is not recorded. command is named, never run: a snapshot of the
-- disk first is the reader's decision. Reads two days of disk_costs, 62 of spot_vm_costs and seven
-- of the inventory.
-- Reserved addresses of stopped VMs are counted in vm_inventory.reserved_addresses.
WITH found AS (
  SELECT disks.*
  FROM `${dataset}.disk_costs` AS disks
  WHERE disks.usage_start_time >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
  -- A disk that the latest scan of its project did not find was deleted, or its zone did not answer.
  QUALIFY disks.usage_end_time = MAX(disks.usage_end_time) OVER (PARTITION BY disks.project_id)
),

runs AS (
  SELECT
    costs.project_id,
    costs.instance_id,
    MAX(costs.usage_end_time) AS ran_until
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 62 DAY)
  GROUP BY
    costs.project_id,
    costs.instance_id
),

reads AS (
  SELECT
    known.project_id,
    TIMESTAMP_ADD(MAX(known.hour), INTERVAL 1 HOUR) AS read_until
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
    -- In another hour a VM without a row may have run.
    AND known.state IN ('provisional', 'complete')
  GROUP BY known.project_id
),

owners AS (
  SELECT
    seen.project_id,
    seen.instance_id,
    COALESCE(seen.started_at, seen.created_at) AS started_at,
    seen.labels
  FROM `${dataset}.vm_inventory` AS seen
  -- The scan that found the disk found the VM, unless its zone did not answer.
  WHERE seen.last_seen >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 7 DAY)
  QUALIFY ROW_NUMBER() OVER (PARTITION BY seen.project_id, seen.instance_id ORDER BY seen.last_seen DESC) = 1
),

users AS (
  SELECT
    found.project_id,
    found.disk_id,
    MAX(runs.ran_until) AS ran_until,
    MAX(owners.started_at) AS started_at,
    LOGICAL_OR(user.provisioning_model != 'SPOT') AS has_others
  FROM found
  CROSS JOIN UNNEST(found.attached_to) AS user
  LEFT JOIN runs
    ON runs.project_id = found.project_id
    AND runs.instance_id = user.instance_id
  LEFT JOIN owners
    ON owners.project_id = found.project_id
    AND owners.instance_id = user.instance_id
  GROUP BY
    found.project_id,
    found.disk_id
),

labelled AS (
  SELECT
    found.project_id,
    found.disk_id,
    COALESCE(
      (SELECT MIN(label.value) FROM UNNEST(found.labels) AS label WHERE label.key = 'owner' AND label.value != ''),
      (SELECT MIN(label.value) FROM UNNEST(owners.labels) AS label WHERE label.key = 'owner' AND label.value != '')
    ) AS owner,
    COALESCE(
      (SELECT MIN(label.value) FROM UNNEST(found.labels) AS label WHERE label.key = 'team' AND label.value != ''),
      (SELECT MIN(label.value) FROM UNNEST(owners.labels) AS label WHERE label.key = 'team' AND label.value != '')
    ) AS team
  FROM found
  LEFT JOIN owners
    ON owners.project_id = found.project_id
    AND owners.instance_id = found.last_instance_id
)

SELECT
  found.project_id,  -- STRING: The Google Cloud project.
  found.region,  -- STRING: The region.
  found.zone,  -- STRING: The zone; NULL for a disk that is kept in two zones.
  found.disk_id,  -- STRING: The id of the disk.
  found.disk_name,  -- STRING: The name of the disk.
  found.disk_type,  -- STRING: The type, such as pd-balanced.
  found.size_gib,  -- NUMERIC: The size in GiB.
  IF(users.disk_id IS NULL, 'no VM', 'stopped VM') AS held_by,  -- STRING: stopped VM, or no VM.
  found.last_instance_name AS instance_name,  -- STRING: The Spot VM that has it, or that last had it; NULL when none was seen.
  IF(users.disk_id IS NULL, COALESCE(found.last_detached_at, found.created_at), users.ran_until) AS idle_since,  -- TIMESTAMP: Since when nothing uses it: detached, created, or the end of the VM's last hour; NULL when that is more than 62 days ago.
  COALESCE(labelled.owner, '(unlabelled)') AS owner,  -- STRING: The label owner of the disk, or else of the VM; (unlabelled) without one.
  COALESCE(labelled.team, '(unlabelled)') AS team,  -- STRING: The label team of the disk, or else of the VM; (unlabelled) without one.
  ROUND(found.price * TIMESTAMP_DIFF(
    TIMESTAMP(DATE_ADD(DATE_TRUNC(found.billing_day, MONTH), INTERVAL 1 MONTH), 'America/Los_Angeles'),
    TIMESTAMP(DATE_TRUNC(found.billing_day, MONTH), 'America/Los_Angeles'),
    HOUR
  ), 2) AS monthly_cost,  -- NUMERIC: What it costs in a whole month of Cloud Billing, in USD; NULL when the price is not known.
  found.price_reason,  -- STRING: Why the price is not known; NULL when it is.
  CONCAT(
    'gcloud compute disks delete ', found.disk_name,
    IF(found.zone IS NULL, CONCAT(' --region=', found.region), CONCAT(' --zone=', found.zone)),
    ' --project=', found.project_id
  ) AS command,  -- STRING: What would end the cost of a disk that no VM has; one of a stopped VM is deleted after or with the VM.
  found.usage_end_time AS seen_at  -- TIMESTAMP: The latest scan.
FROM found
INNER JOIN labelled
  ON labelled.project_id = found.project_id
  AND labelled.disk_id = found.disk_id
LEFT JOIN users
  ON users.project_id = found.project_id
  AND users.disk_id = found.disk_id
LEFT JOIN reads
  ON reads.project_id = found.project_id
WHERE users.disk_id IS NULL
  OR (
    NOT users.has_others
    -- A VM that runs has a row in the last hours that were read, or has started since.
    AND COALESCE(users.ran_until < TIMESTAMP_SUB(reads.read_until, INTERVAL 3 HOUR), reads.read_until IS NOT NULL)
    AND COALESCE(users.started_at < TIMESTAMP_SUB(reads.read_until, INTERVAL 3 HOUR), TRUE)
  )
