-- What a shape is billed for never changes, but for a correction of our tables.
UPDATE shape_components AS known
SET quantity = staged.component.quantity
FROM {staging} AS staged
WHERE staged.component.component = known.component
  AND staged.component.machine_type = known.machine_type
  AND COALESCE(staged.component.gpu_type, '') = COALESCE(known.gpu_type, '')
  AND staged.component.gpu_count = known.gpu_count
  AND staged.component.local_ssd_gib = known.local_ssd_gib
  AND staged.component.quantity != known.quantity;

INSERT INTO shape_components (machine_type, gpu_type, gpu_count, local_ssd_gib, component, quantity, run_id)
SELECT
  staged.component.machine_type, staged.component.gpu_type, staged.component.gpu_count, staged.component.local_ssd_gib,
  staged.component.component, staged.component.quantity, staged.component.run_id
FROM {staging} AS staged
LEFT JOIN shape_components AS known
  ON known.component = staged.component.component
  AND known.machine_type = staged.component.machine_type
  AND COALESCE(known.gpu_type, '') = COALESCE(staged.component.gpu_type, '')
  AND known.gpu_count = staged.component.gpu_count
  AND known.local_ssd_gib = staged.component.local_ssd_gib
WHERE staged.component.component IS NOT NULL
  AND known.component IS NULL;
