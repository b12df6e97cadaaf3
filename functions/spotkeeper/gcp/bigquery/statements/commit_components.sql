-- The components of a shape change only with a correction of the reference data.
UPDATE shape_components AS known
SET quantity = staged.component.quantity
FROM {staging} AS staged
WHERE staged.component.component = known.component
  AND staged.component.machine_type = known.machine_type
  AND COALESCE(staged.component.gpu_type, '') = COALESCE(known.gpu_type, '')
  AND staged.component.gpu_count = known.gpu_count
  AND staged.component.local_ssd_gib = known.local_ssd_gib
  AND staged.component.quantity != known.quantity;

INSERT INTO shape_components
SELECT staged.*
FROM (
  SELECT component.*
  FROM {staging}
) AS staged
LEFT JOIN shape_components AS known
  ON known.component = staged.component
  AND known.machine_type = staged.machine_type
  AND COALESCE(known.gpu_type, '') = COALESCE(staged.gpu_type, '')
  AND known.gpu_count = staged.gpu_count
  AND known.local_ssd_gib = staged.local_ssd_gib
WHERE staged.component IS NOT NULL
  AND known.component IS NULL;
