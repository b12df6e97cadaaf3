-- What did each team spend on Spot VMs each day?
-- One row is a UTC day and a value of the label team.
--
-- The label is the one that the VM had in that hour; a missing or empty one is '(unlabelled)'. cost is of the priced
-- hours alone; priced_share says how much of the VM-hours that is. Reads 400 days at most, so that a day can be
-- compared with that of last year; a filter on usage_date reads its days.
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
