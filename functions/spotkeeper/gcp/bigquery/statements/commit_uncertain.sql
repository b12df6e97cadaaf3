-- Rows of the hours in which a rate of theirs may have changed already are not exact: two readings of the catalog differ,
-- or are more than a week apart, and the rows were recorded between them. What is stale or unknown stays so.
UPDATE spot_vm_costs AS recorded
SET price_status = 'uncertain'
FROM (
  SELECT
    staged.uncertain.region,
    staged.uncertain.first_hour,
    staged.uncertain.end_hour,
    part.machine_type,
    COALESCE(part.gpu_type, '') AS gpu_type,
    part.gpu_count,
    part.local_ssd_gib
  FROM {staging} AS staged
  INNER JOIN shape_components AS part
    ON part.component = staged.uncertain.component
  -- Several rates of one shape can have changed.
  GROUP BY
    staged.uncertain.region,
    staged.uncertain.first_hour,
    staged.uncertain.end_hour,
    part.machine_type,
    gpu_type,
    part.gpu_count,
    part.local_ssd_gib
) AS changed
WHERE recorded.usage_start_time >= changed.first_hour
  AND recorded.usage_start_time < changed.end_hour
  AND recorded.usage_start_time >= @uncertain_since
  AND recorded.region = changed.region
  AND recorded.machine_type = changed.machine_type
  AND COALESCE(recorded.gpu_type, '') = changed.gpu_type
  AND COALESCE(recorded.gpu_count, 0) = changed.gpu_count
  AND COALESCE(recorded.local_ssd_gib, 0) = changed.local_ssd_gib
  AND recorded.price_status = 'exact';
