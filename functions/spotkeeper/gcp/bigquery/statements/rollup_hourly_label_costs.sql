-- Sum the cost rows of some UTC days by hour and by the value of each label that label_keys names.
DELETE FROM hourly_label_costs
WHERE usage_hour >= @rollup_since
  AND usage_hour < @rollup_until
  AND DATE(usage_hour) IN UNNEST(@rollup_days);

INSERT INTO hourly_label_costs
WITH label_names AS (
  SELECT DISTINCT label_key
  FROM label_keys AS keys
  CROSS JOIN UNNEST(SPLIT(CONCAT(keys.team, keys.project_label, keys.experiment, keys.cost_center), ',')) AS label_key
  -- Each key is between commas.
  WHERE label_key != ''
),

labelled AS (
  SELECT
    costs.*,
    names.label_key,
    COALESCE(
      (
        SELECT ANY_VALUE(label.value HAVING MIN label.value)
        FROM UNNEST(costs.labels) AS label
        WHERE label.key = names.label_key AND label.value != ''
      ),
      '(unlabelled)'
    ) AS label_value
  FROM spot_vm_costs AS costs
  CROSS JOIN label_names AS names
  WHERE costs.usage_start_time >= @rollup_since
    AND costs.usage_start_time < @rollup_until
    AND DATE(costs.usage_start_time) IN UNNEST(@rollup_days)
)

SELECT
  TIMESTAMP_TRUNC(usage_start_time, HOUR) AS usage_hour,
  label_key,
  label_value,
  SUM(uptime_hours) AS vm_hours,
  SUM(IF(cost IS NULL, 0, uptime_hours)) AS priced_hours,
  SUM(cost) AS cost,
  SUM(IF(cost IS NULL AND known_cost = 0, NULL, COALESCE(known_cost, cost))) AS known_cost,
  SUM(
    IF(cost IS NOT NULL AND known_cost IS NOT NULL AND total_cost IS NULL, uptime_hours, 0)
  ) AS partly_priced_hours,
  SUM(IF(known_cost IS NULL, uptime_hours, 0)) AS compute_only_hours
FROM labelled
GROUP BY
  usage_hour,
  label_key,
  label_value;
