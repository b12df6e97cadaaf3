-- What did a machine type cost as Spot, by Google's own history?
-- Grain: one region and one time in which a price held; the latest one is known up to valid_to, when it was read.
SELECT
  known.region,
  known.valid_from,
  COALESCE(known.valid_to, known.read_at) AS valid_to,
  known.price
FROM capacity_prices AS known
WHERE known.machine_type = @machine_type
  AND known.valid_from < @now
  AND COALESCE(known.valid_to, known.read_at) > known.valid_from
ORDER BY
  known.region,
  known.valid_from
