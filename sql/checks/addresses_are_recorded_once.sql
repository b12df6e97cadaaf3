-- Invariant: the rows of a reserved address do not overlap, and none ends before it begins or after its day of Cloud Billing.
-- Grain: one row of address_costs that violates it. Reads 45 days.
WITH rows_in_order AS (
  SELECT
    addresses.project_id,
    addresses.address_id,
    addresses.billing_day,
    addresses.usage_start_time,
    addresses.usage_end_time,
    LEAD(addresses.usage_start_time) OVER (
      PARTITION BY addresses.project_id, addresses.address_id ORDER BY addresses.usage_start_time, addresses.usage_end_time
    ) AS next_start_time
  FROM `${dataset}.address_costs` AS addresses
  WHERE addresses.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
)

SELECT
  project_id,
  address_id,
  usage_start_time,
  usage_end_time
FROM rows_in_order
WHERE next_start_time < usage_end_time
  OR usage_end_time < usage_start_time
  OR usage_end_time > TIMESTAMP(DATE_ADD(billing_day, INTERVAL 1 DAY), 'America/Los_Angeles')
