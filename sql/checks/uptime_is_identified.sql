-- Invariant: at most 1 % of a project's uptime in a day is of VMs that no source could identify.
-- Grain: one project and UTC day with more. Reads 45 days: the tracker changes no older row.
--
-- Such time has no cost row, so the cost of that day is too low by an unknown amount. Provisional hours do not count:
-- Cloud Asset Inventory may learn late of their VMs. ASSET_HISTORY and AUDIT_LOG_HISTORY identify them.
WITH unresolved AS (
  SELECT
    DATE(known.hour) AS usage_date,
    known.project_id,
    SUM(known.unresolved_hours) AS unresolved_hours
  FROM `${dataset}.project_hours` AS known
  WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
    -- Sources may still learn who ran in a provisional hour.
    AND known.state != 'provisional'
  GROUP BY
    usage_date,
    known.project_id
),

identified AS (
  SELECT
    DATE(costs.usage_start_time) AS usage_date,
    costs.project_id,
    SUM(costs.uptime_hours) AS vm_hours
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 45 DAY)
  GROUP BY
    usage_date,
    costs.project_id
)

SELECT
  unresolved.usage_date,
  unresolved.project_id,
  unresolved.unresolved_hours,
  COALESCE(identified.vm_hours, 0) AS vm_hours,
  ROUND(
    SAFE_DIVIDE(unresolved.unresolved_hours, unresolved.unresolved_hours + COALESCE(identified.vm_hours, 0)), 6
  ) AS unresolved_share
FROM unresolved
LEFT JOIN identified
  ON identified.usage_date = unresolved.usage_date
  AND identified.project_id = unresolved.project_id
-- Below 1 % the inventory was only late.
WHERE unresolved.unresolved_hours * 99 > COALESCE(identified.vm_hours, 0)
