-- What did each team spend on Spot VMs each day?
-- Grain: one UTC day and value of the label team.
--
-- The label is that of the VM in that hour; a missing or empty label is '(unlabelled)'. cost covers the priced hours
-- only; priced_share is their share of all VM-hours. Reads at most 400 days, so that a day can be compared with the
-- same day of last year; a filter on usage_date limits the partitions that are read.
WITH labelled AS (
  SELECT
    DATE(costs.usage_start_time) AS usage_date,
    COALESCE(
      (
        SELECT MIN(label.value)
        FROM UNNEST(costs.labels) AS label
        WHERE label.key = 'team' AND label.value != ''
      ),
      '(unlabelled)'
    ) AS team,
    costs.instance_id,
    costs.uptime_hours,
    costs.cost,
    costs.ondemand_cost
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
)

SELECT
  usage_date,
  team,
  COUNT(DISTINCT instance_id) AS instances,
  SUM(uptime_hours) AS vm_hours,
  ROUND(SAFE_DIVIDE(SUM(IF(cost IS NULL, 0, uptime_hours)), SUM(uptime_hours)), 6) AS priced_share,
  SUM(cost) AS cost,
  SUM(ondemand_cost) AS ondemand_cost
FROM labelled
GROUP BY
  usage_date,
  team
