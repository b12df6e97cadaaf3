-- Invariant: the rows of a disk do not overlap, and each ends after it begins and within its day of Cloud Billing.
-- Grain: one row of disk_costs that violates it. Reads 45 days.
WITH rows_in_order AS (
  SELECT
    disks.project_id,
    disks.disk_id,
    disks.billing_day,
    disks.usage_start_time,
    disks.usage_end_time,
    LEAD(disks.usage_start_time) OVER (
      PARTITION BY disks.project_id, disks.disk_id ORDER BY disks.usage_start_time, disks.usage_end_time
    ) AS next_start_time
  FROM `${dataset}.disk_costs` AS disks
  WHERE disks.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
)

SELECT
  project_id,
  disk_id,
  usage_start_time,
  usage_end_time
FROM rows_in_order
WHERE next_start_time < usage_end_time
  OR usage_end_time <= usage_start_time
  OR usage_end_time > TIMESTAMP(DATE_ADD(billing_day, INTERVAL 1 DAY), 'America/Los_Angeles')
