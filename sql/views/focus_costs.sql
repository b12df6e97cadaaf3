-- What did each Spot VM cost each hour, in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification?
-- Grain: one part of the cost of one Spot VM in one UTC hour in which it ran: compute, license, address, disk or bandwidth.
--
-- An hour in which a VM was started as another machine has two or more charge periods.
-- These are list prices, not an invoice: all costs are that of the hour at the Spot list price, as Google's own export has
-- them for a Spot SKU, and x_OndemandCost is what the hour would have cost on demand. ConsumedQuantity is the uptime,
-- PricingQuantity what is billed of it. A part that is not known, or costs nothing, has no row, for a cost of the
-- specification is never NULL: hours whose compute has no known price are in focus_costs_unpriced, and partial_hours of
-- hourly_burn_rate says of how many VM-hours another part is missing. Compute is there also when it costs nothing. SkuId
-- is that of a part which one SKU bills, such as addresses and disks of one type; x_SkuIds has all of a part. Disks are
-- those of the time that the VM ran. Tags are the labels of that hour as a JSON object. A billing period is a month of
-- Cloud Billing, in America/Los_Angeles. Columns that begin with x_ are extensions; ServiceProviderName and HostProviderName are those of FOCUS 1.3. Reads at most 400 days; a filter on
-- ChargePeriodStart limits the partitions that are read.
SELECT
  costs.zone AS AvailabilityZone,  -- STRING: The zone.
  part.cost AS BilledCost,  -- NUMERIC: Cost at the list price, in USD; no invoice.
  NULLIF('${billing_account}', '') AS BillingAccountId,  -- STRING: The billing account that the deployment names; NULL without one.
  NULLIF('${billing_account}', '') AS BillingAccountName,  -- STRING: Its id: its name is not recorded.
  'Billing Account' AS BillingAccountType,  -- STRING: The kind of account that BillingAccountId would name.
  costs.currency AS BillingCurrency,  -- STRING: The currency of the costs, USD.
  TIMESTAMP(
    DATE_ADD(DATE_TRUNC(DATE(costs.usage_start_time, 'America/Los_Angeles'), MONTH), INTERVAL 1 MONTH),
    'America/Los_Angeles'
  ) AS BillingPeriodEnd,  -- TIMESTAMP: The end of the month of Cloud Billing, in America/Los_Angeles; not part of it.
  TIMESTAMP(
    DATE_TRUNC(DATE(costs.usage_start_time, 'America/Los_Angeles'), MONTH), 'America/Los_Angeles'
  ) AS BillingPeriodStart,  -- TIMESTAMP: The start of the month of Cloud Billing, in America/Los_Angeles.
  CAST(NULL AS STRING) AS CapacityReservationId,  -- STRING: NULL: a Spot VM has no reservation.
  CAST(NULL AS STRING) AS CapacityReservationStatus,  -- STRING: NULL: a Spot VM has no reservation.
  'Usage' AS ChargeCategory,  -- STRING: Usage, in every row.
  CAST(NULL AS STRING) AS ChargeClass,  -- STRING: NULL: no row corrects an earlier one.
  CONCAT(part.words, 'Spot VM ', COALESCE(costs.machine_type, 'of unknown type'), ' in ', costs.zone) AS ChargeDescription,  -- STRING: The part, the machine type and the zone in words.
  'Usage-Based' AS ChargeFrequency,  -- STRING: Usage-Based, in every row.
  costs.usage_end_time AS ChargePeriodEnd,  -- TIMESTAMP: The end of the time of usage, not part of it.
  costs.usage_start_time AS ChargePeriodStart,  -- TIMESTAMP: The start of the time of usage; a filter on it limits what is read.
  CAST(NULL AS STRING) AS CommitmentDiscountCategory,  -- STRING: NULL: commitments do not apply to Spot VMs.
  CAST(NULL AS STRING) AS CommitmentDiscountId,  -- STRING: NULL: commitments do not apply to Spot VMs.
  CAST(NULL AS STRING) AS CommitmentDiscountName,  -- STRING: NULL: commitments do not apply to Spot VMs.
  CAST(NULL AS NUMERIC) AS CommitmentDiscountQuantity,  -- NUMERIC: NULL: commitments do not apply to Spot VMs.
  CAST(NULL AS STRING) AS CommitmentDiscountStatus,  -- STRING: NULL: commitments do not apply to Spot VMs.
  CAST(NULL AS STRING) AS CommitmentDiscountType,  -- STRING: NULL: commitments do not apply to Spot VMs.
  CAST(NULL AS STRING) AS CommitmentDiscountUnit,  -- STRING: NULL: commitments do not apply to Spot VMs.
  costs.uptime_hours AS ConsumedQuantity,  -- NUMERIC: Uptime in hours.
  'Hours' AS ConsumedUnit,  -- STRING: Hours, in every row.
  part.cost AS ContractedCost,  -- NUMERIC: Cost at the list price, in USD: negotiated prices are not known.
  part.price AS ContractedUnitPrice,  -- NUMERIC: The list price of the part, in USD per hour.
  part.cost AS EffectiveCost,  -- NUMERIC: Cost at the list price, in USD.
  CAST(NULL AS STRING) AS InvoiceId,  -- STRING: NULL: these rows are on no invoice.
  'Google Cloud' AS HostProviderName,  -- STRING: Google Cloud, in every row.
  'Google Cloud' AS InvoiceIssuerName,  -- STRING: Google Cloud, in every row.
  part.cost AS ListCost,  -- NUMERIC: Cost at the list price, in USD.
  part.price AS ListUnitPrice,  -- NUMERIC: The list price of the part, in USD per hour.
  IF(part.name = 'compute', 'Dynamic', 'Standard') AS PricingCategory,  -- STRING: Dynamic for compute, whose Spot prices change, else Standard.
  costs.currency AS PricingCurrency,  -- STRING: The currency of the prices, USD.
  part.price AS PricingCurrencyContractedUnitPrice,  -- NUMERIC: The list price in PricingCurrency, per hour.
  part.cost AS PricingCurrencyEffectiveCost,  -- NUMERIC: EffectiveCost in PricingCurrency.
  part.price AS PricingCurrencyListUnitPrice,  -- NUMERIC: The list price in PricingCurrency, per hour.
  part.hours AS PricingQuantity,  -- NUMERIC: The hours that are billed.
  'Hours' AS PricingUnit,  -- STRING: Hours, in every row.
  'Google Cloud' AS ProviderName,  -- STRING: Google Cloud, in every row.
  'Google Cloud' AS PublisherName,  -- STRING: Google Cloud, in every row.
  costs.region AS RegionId,  -- STRING: The region.
  costs.region AS RegionName,  -- STRING: The region; Google Cloud names it by its id.
  CONCAT(
    '//compute.googleapis.com/projects/', costs.project_id, '/zones/', costs.zone, '/instances/', costs.instance_id
  ) AS ResourceId,  -- STRING: The full resource name of the VM.
  costs.instance_name AS ResourceName,  -- STRING: The name of the VM.
  'Virtual Machine' AS ResourceType,  -- STRING: Virtual Machine, in every row.
  'Compute' AS ServiceCategory,  -- STRING: Compute, in every row: a service has one category.
  'Compute Engine' AS ServiceName,  -- STRING: Compute Engine, in every row.
  'Google Cloud' AS ServiceProviderName,  -- STRING: Google Cloud, in every row.
  'Virtual Machines' AS ServiceSubcategory,  -- STRING: Virtual Machines, in every row: a service has one subcategory.
  IF(part.skus LIKE '% %', NULL, part.skus) AS SkuId,  -- STRING: The SKU of the part; NULL where several SKUs bill it, or which is not recorded.
  IF(part.skus IS NULL OR part.skus LIKE '% %', NULL, part.meter) AS SkuMeter,  -- STRING: What the SKU bills; NULL without SkuId.
  CAST(NULL AS STRING) AS SkuPriceDetails,  -- STRING: NULL: not recorded.
  IF(part.skus LIKE '% %', NULL, part.skus) AS SkuPriceId,  -- STRING: SkuId, which has one price in a region at a time.
  costs.project_id AS SubAccountId,  -- STRING: The id of the Google Cloud project.
  costs.project_id AS SubAccountName,  -- STRING: The id of the Google Cloud project; its name is not recorded.
  'Project' AS SubAccountType,  -- STRING: Project, in every row.
  CONCAT(
    '{',
    COALESCE(
      (
        SELECT STRING_AGG(CONCAT(TO_JSON_STRING(label.key), ':', TO_JSON_STRING(label.value)), ',' ORDER BY label.key)
        FROM UNNEST(costs.labels) AS label
      ),
      ''
    ),
    '}'
  ) AS Tags,  -- STRING: The labels of the VM in that hour, as a JSON object.
  part.skus AS x_SkuIds,  -- STRING: All SKUs that bill the part, separated by spaces; NULL when they are not recorded.
  part.name AS x_CostPart,  -- STRING: compute, license, address, disk or bandwidth.
  costs.machine_type AS x_MachineType,  -- STRING: The machine type; NULL when it is not known.
  IF(part.name = 'compute', costs.ondemand_cost, NULL) AS x_OndemandCost,  -- NUMERIC: Cost at the on-demand list price, in USD; NULL for other parts and when it is not known.
  IF(part.name = 'compute', costs.ondemand_price, NULL) AS x_OndemandUnitPrice,  -- NUMERIC: The on-demand list price, in USD per hour; NULL for other parts and when it is not known.
  part.status AS x_PriceStatus,  -- STRING: How certain the price is: the column price_status, license_status and so on of spot_vm_costs.
  costs.price_as_of AS x_PriceAsOf,  -- TIMESTAMP: When the price was read from the catalog.
  costs.vcpus AS x_VcpuCount,  -- NUMERIC: vCPUs of the machine type.
  costs.memory_gib AS x_MemoryGib,  -- NUMERIC: Memory of the machine type in GiB.
  costs.gpu_type AS x_GpuType,  -- STRING: The type of attached or bundled GPUs; NULL without any.
  costs.gpu_count AS x_GpuCount,  -- INTEGER: The number of GPUs.
  costs.local_ssd_gib AS x_LocalSsdGib,  -- INTEGER: Local SSD in GiB.
  costs.managed_by AS x_ManagedBy,  -- STRING: The managed instance group that created the VM; NULL for a VM of no group.
  costs.run_id AS x_RunId  -- STRING: The run of the tracker that wrote the row.
FROM `${dataset}.spot_vm_costs` AS costs
CROSS JOIN UNNEST([
  STRUCT(
    'compute' AS name, '' AS words, costs.cost AS cost, costs.spot_price AS price, costs.price_status AS status,
    COALESCE(costs.billed_hours, costs.uptime_hours) AS hours, costs.compute_skus AS skus, 'Compute' AS meter
  ),
  STRUCT(
    'license', 'Licenses of ', costs.license_cost,
    ROUND(SAFE_DIVIDE(costs.license_cost, COALESCE(costs.billed_hours, costs.uptime_hours)), 9), costs.license_status,
    COALESCE(costs.billed_hours, costs.uptime_hours), costs.license_skus, 'License'
  ),
  STRUCT(
    'address', 'External addresses of ', costs.address_cost,
    ROUND(SAFE_DIVIDE(costs.address_cost, costs.uptime_hours), 9), costs.address_status, costs.uptime_hours,
    costs.address_skus, 'External IPv4 address'
  ),
  STRUCT(
    'disk', 'Disks of ', costs.disk_cost,
    ROUND(SAFE_DIVIDE(costs.disk_cost, costs.uptime_hours), 9), costs.disk_status, costs.uptime_hours, costs.disk_skus,
    'Disk'
  ),
  STRUCT(
    'bandwidth', 'Tier_1 bandwidth of ', costs.bandwidth_cost,
    ROUND(SAFE_DIVIDE(costs.bandwidth_cost, COALESCE(costs.billed_hours, costs.uptime_hours)), 9),
    costs.bandwidth_status, COALESCE(costs.billed_hours, costs.uptime_hours), costs.bandwidth_skus,
    'Tier_1 bandwidth'
  )
]) AS part
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
  AND part.cost IS NOT NULL
  -- Most VMs have no license and no Tier_1.
  AND (part.name = 'compute' OR part.cost > 0)
