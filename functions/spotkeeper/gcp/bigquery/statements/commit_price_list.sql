-- A reading of the catalog is the whole price list.
DELETE FROM machine_type_prices
WHERE TRUE;

INSERT INTO machine_type_prices (
  machine_type, region, vcpus, memory_gib, gpu_type, gpu_count, local_ssd_gib, architecture, spot_price, ondemand_price,
  commitment_1yr_price, commitment_3yr_price, as_of, run_id
)
SELECT
  staged.machine_type_price.machine_type, staged.machine_type_price.region, staged.machine_type_price.vcpus,
  staged.machine_type_price.memory_gib, staged.machine_type_price.gpu_type, staged.machine_type_price.gpu_count,
  staged.machine_type_price.local_ssd_gib, staged.machine_type_price.architecture,
  staged.machine_type_price.spot_price, staged.machine_type_price.ondemand_price,
  staged.machine_type_price.commitment_1yr_price, staged.machine_type_price.commitment_3yr_price,
  staged.machine_type_price.as_of, staged.machine_type_price.run_id
FROM {staging} AS staged
WHERE staged.machine_type_price.machine_type IS NOT NULL;
