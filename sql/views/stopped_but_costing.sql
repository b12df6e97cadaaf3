-- Which disks and reserved addresses cost money that no running VM uses, since when, how much a month, and whom to ask?
-- Grain: one disk or reserved external address without a VM, or whose VMs are all Spot VMs that do not run.
--
-- It is without a VM when the latest scan of its project found it so. For a disk a VM counts as running when it has a cost
-- row in, or started after the beginning of, the last three hours up to the end of the latest hour whose uptime was read;
-- its disks are left out when no hour of its project was read in two days.
-- Whether the VM of an address runs is what the scan found. What a Standard VM has is left out: whether that runs is not
-- recorded. command is named, never run: a snapshot of a disk first is the reader's decision. Reads two days of disk_costs
-- and address_costs, and 62 of spot_vm_costs and of the inventory.
WITH found AS (
  SELECT disks.*
  FROM `${dataset}.disk_costs` AS disks
  WHERE disks.usage_start_time >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
  -- A disk that the latest scan of its project did not find was deleted, or its zone did not answer.
  QUALIFY disks.usage_end_time = MAX(disks.usage_end_time) OVER (PARTITION BY disks.project_id)
),

runs AS (
  -- A disk or an address is in the region of its VM; an id may be that of another one elsewhere.
  SELECT
    costs.project_id,
    costs.region,
    costs.instance_id,
    MAX(costs.usage_end_time) AS ran_until
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 62 DAY)
  GROUP BY
    costs.project_id,
    costs.region,
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
    seen.region,
    seen.instance_id,
    COALESCE(seen.started_at, seen.created_at) AS started_at,
    seen.labels
  FROM `${dataset}.vm_inventory` AS seen
  -- The VM that left a disk or an address may be deleted for weeks.
  WHERE seen.last_seen >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 62 DAY)
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY seen.project_id, seen.region, seen.instance_id ORDER BY seen.last_seen DESC
  ) = 1
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
    AND runs.region = found.region
    AND runs.instance_id = user.instance_id
  LEFT JOIN owners
    ON owners.project_id = found.project_id
    AND owners.region = found.region
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
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.team, CONCAT(',', label.key, ',')))
        FROM UNNEST(found.labels) AS label
        WHERE STRPOS(keys.team, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.team, CONCAT(',', label.key, ',')))
        FROM UNNEST(owners.labels) AS label
        WHERE STRPOS(keys.team, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      )
    ) AS team
  FROM found
  CROSS JOIN `${dataset}.label_keys` AS keys
  LEFT JOIN owners
    ON owners.project_id = found.project_id
    AND owners.region = found.region
    AND owners.instance_id = found.last_instance_id
),

idle_disks AS (
  SELECT
    'disk' AS resource_type,
    found.project_id,
    found.region,
    found.zone,
    found.disk_id AS resource_id,
    found.disk_name AS resource_name,
    found.disk_type,
    found.size_gib,
    IF(users.disk_id IS NULL, 'no VM', 'stopped VM') AS held_by,
    found.last_instance_name AS instance_name,
    IF(users.disk_id IS NULL, COALESCE(found.last_detached_at, found.created_at), users.ran_until) AS idle_since,
    labelled.owner,
    labelled.team,
    found.price,
    found.price_reason,
    found.billing_day,
    CONCAT(
      'gcloud compute disks delete ', found.disk_name,
      IF(found.zone IS NULL, CONCAT(' --region=', found.region), CONCAT(' --zone=', found.zone))
    ) AS command,
    found.usage_end_time AS seen_at
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
),

found_addresses AS (
  SELECT addresses.*
  FROM `${dataset}.address_costs` AS addresses
  WHERE addresses.usage_start_time >= TIMESTAMP_SUB(${now}, INTERVAL 2 DAY)
  -- An address that the latest scan of its project did not find was released, or its region did not answer. One scan may
  -- leave two rows: what was found before, up to a change, and what has just begun.
  QUALIFY addresses.usage_end_time = MAX(addresses.usage_end_time) OVER (PARTITION BY addresses.project_id)
    AND addresses.usage_start_time = MAX(addresses.usage_start_time) OVER (
      PARTITION BY addresses.project_id, addresses.address_id
    )
),

idle_addresses AS (
  SELECT
    'address' AS resource_type,
    addresses.project_id,
    addresses.region,
    CAST(NULL AS STRING) AS zone,
    addresses.address_id AS resource_id,
    addresses.address_name AS resource_name,
    CAST(NULL AS STRING) AS disk_type,
    CAST(NULL AS NUMERIC) AS size_gib,
    IF(addresses.held_by = 'none', 'no VM', 'stopped VM') AS held_by,
    addresses.last_instance_name AS instance_name,
    addresses.idle_since,
    COALESCE(
      (SELECT MIN(label.value) FROM UNNEST(addresses.labels) AS label WHERE label.key = 'owner' AND label.value != ''),
      (SELECT MIN(label.value) FROM UNNEST(owners.labels) AS label WHERE label.key = 'owner' AND label.value != '')
    ) AS owner,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.team, CONCAT(',', label.key, ',')))
        FROM UNNEST(addresses.labels) AS label
        WHERE STRPOS(keys.team, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      ),
      (
        SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.team, CONCAT(',', label.key, ',')))
        FROM UNNEST(owners.labels) AS label
        WHERE STRPOS(keys.team, CONCAT(',', label.key, ',')) > 0 AND label.value != ''
      )
    ) AS team,
    addresses.price,
    addresses.price_reason,
    addresses.billing_day,
    CONCAT(
      'gcloud compute addresses delete ', addresses.address_name,
      IF(addresses.region = 'global', ' --global', CONCAT(' --region=', addresses.region))
    ) AS command,
    addresses.usage_end_time AS seen_at
  FROM found_addresses AS addresses
  CROSS JOIN `${dataset}.label_keys` AS keys
  LEFT JOIN owners
    ON owners.project_id = addresses.project_id
    AND owners.region = addresses.region
    AND owners.instance_id = addresses.last_instance_id
  -- While its VM runs, it is in that VM's address_cost; what is not a Spot VM uses it.
  WHERE addresses.held_by NOT IN ('running_vm', 'other')
),

idle AS (
  SELECT *
  FROM idle_disks
  UNION ALL
  SELECT *
  FROM idle_addresses
)

SELECT
  idle.resource_type,  -- STRING: disk, or address (a reserved external address).
  idle.project_id,  -- STRING: The Google Cloud project.
  idle.region,  -- STRING: The region; global for an address that is in none.
  idle.zone,  -- STRING: The zone; NULL for an address, and for a disk that is kept in two zones.
  idle.resource_id,  -- STRING: The id of the disk or address.
  idle.resource_name,  -- STRING: The name of the disk or address.
  idle.disk_type,  -- STRING: The type of a disk, such as pd-balanced; NULL for an address.
  idle.size_gib,  -- NUMERIC: The size of a disk in GiB; NULL for an address.
  idle.held_by,  -- STRING: stopped VM, or no VM.
  idle.instance_name,  -- STRING: The Spot VM that has it, or that last had it; NULL when none was seen.
  idle.idle_since,  -- TIMESTAMP: Since when nothing uses it: the end of the VM's last hour or its stop, the detachment, the creation, or the last scan that found it in use; NULL when that is not known or more than 62 days ago.
  COALESCE(idle.owner, '(unlabelled)') AS owner,  -- STRING: The label owner of the disk or address, or else of the VM; (unlabelled) without one, or when the VM was deleted more than 62 days ago.
  COALESCE(idle.team, '(unlabelled)') AS team,  -- STRING: The label team of the disk or address, or else of the VM; (unlabelled) without one, or when the VM was deleted more than 62 days ago.
  ROUND(idle.price * TIMESTAMP_DIFF(
    TIMESTAMP(DATE_ADD(DATE_TRUNC(idle.billing_day, MONTH), INTERVAL 1 MONTH), 'America/Los_Angeles'),
    TIMESTAMP(DATE_TRUNC(idle.billing_day, MONTH), 'America/Los_Angeles'),
    HOUR
  ), 2) AS monthly_cost,  -- NUMERIC: What it costs in a whole month of Cloud Billing, in USD; NULL when the price is not known.
  idle.price_reason,  -- STRING: Why the price is not known; NULL when it is.
  CONCAT(idle.command, ' --project=', idle.project_id) AS command,  -- STRING: What would end the cost where no VM has it; what a stopped VM has is deleted after the VM, and its disks after or with it.
  idle.seen_at  -- TIMESTAMP: The latest scan.
FROM idle
