-- How long did VMs run that no source could identify, by project and hour?
-- Grain: one UTC hour and project in which a VM was not identified.
--
-- They may be Spot VMs or others: they have no cost row, no machine type and no labels. The views that divide cost read
-- this one for their rows '(unresolved)'. Reads at most 400 days; a filter on usage_start_time limits the partitions that
-- are read.
SELECT
  known.hour AS usage_start_time,  -- TIMESTAMP: The start of the hour, UTC; a filter on it limits what is read.
  DATE(known.hour) AS usage_date,  -- DATE: The UTC day of the usage.
  DATE(known.hour, 'America/Los_Angeles') AS billing_date,  -- DATE: The day of the usage in Cloud Billing, in America/Los_Angeles.
  DATE_TRUNC(DATE(known.hour, 'America/Los_Angeles'), MONTH) AS month,  -- DATE: The first day of the month of Cloud Billing, in America/Los_Angeles.
  known.project_id,  -- STRING: The Google Cloud project.
  known.unresolved AS instances,  -- INTEGER: VMs that no source could identify in the hour.
  known.unresolved_hours AS vm_hours  -- NUMERIC: Their uptime in VM-hours.
FROM `${dataset}.project_hours` AS known
WHERE known.hour >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  -- Where every VM was identified there is nothing to add.
  AND known.unresolved_hours > 0
