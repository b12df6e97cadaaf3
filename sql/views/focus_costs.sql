-- What did each Spot VM cost each hour, in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification?
-- Grain: one Spot VM in one UTC hour in which it ran; two or more charge periods where it was started as another machine.
--
-- These are list prices, not an invoice: BilledCost, ContractedCost and EffectiveCost are our cost, and ListCost is the
-- on-demand cost of the hour. ConsumedQuantity is the uptime, PricingQuantity what is billed of it. A value that the specification requires and that is unknown, such as a price or the
-- billing account, is NULL. One VM has several SKUs, so SkuId is NULL too. Tags are the labels of that hour as a JSON
-- object. A billing period is a month of Cloud Billing, in America/Los_Angeles. Columns that begin with x_ are
-- extensions. Reads at most 400 days; a filter on ChargePeriodStart limits the partitions that are read.
SELECT
  costs.zone AS AvailabilityZone,
  costs.cost AS BilledCost,
  CAST(NULL AS STRING) AS BillingAccountId,
  CAST(NULL AS STRING) AS BillingAccountName,
  'Billing Account' AS BillingAccountType,
  costs.currency AS BillingCurrency,
  TIMESTAMP(
    DATE_ADD(DATE_TRUNC(DATE(costs.usage_start_time, 'America/Los_Angeles'), MONTH), INTERVAL 1 MONTH),
    'America/Los_Angeles'
  ) AS BillingPeriodEnd,
  TIMESTAMP(
    DATE_TRUNC(DATE(costs.usage_start_time, 'America/Los_Angeles'), MONTH), 'America/Los_Angeles'
  ) AS BillingPeriodStart,
  CAST(NULL AS STRING) AS CapacityReservationId,
  CAST(NULL AS STRING) AS CapacityReservationStatus,
  'Usage' AS ChargeCategory,
  CAST(NULL AS STRING) AS ChargeClass,
  CONCAT('Spot VM ', COALESCE(costs.machine_type, 'of unknown type'), ' in ', costs.zone) AS ChargeDescription,
  'Usage-Based' AS ChargeFrequency,
  costs.usage_end_time AS ChargePeriodEnd,
  costs.usage_start_time AS ChargePeriodStart,
  CAST(NULL AS STRING) AS CommitmentDiscountCategory,
  CAST(NULL AS STRING) AS CommitmentDiscountId,
  CAST(NULL AS STRING) AS CommitmentDiscountName,
  CAST(NULL AS NUMERIC) AS CommitmentDiscountQuantity,
  CAST(NULL AS STRING) AS CommitmentDiscountStatus,
  CAST(NULL AS STRING) AS CommitmentDiscountType,
  CAST(NULL AS STRING) AS CommitmentDiscountUnit,
  costs.uptime_hours AS ConsumedQuantity,
  'Hours' AS ConsumedUnit,
  costs.cost AS ContractedCost,
  costs.spot_price AS ContractedUnitPrice,
  costs.cost AS EffectiveCost,
  CAST(NULL AS STRING) AS InvoiceId,
  'Google Cloud' AS InvoiceIssuerName,
  costs.ondemand_cost AS ListCost,
  costs.ondemand_price AS ListUnitPrice,
  'Dynamic' AS PricingCategory,
  costs.currency AS PricingCurrency,
  costs.spot_price AS PricingCurrencyContractedUnitPrice,
  costs.cost AS PricingCurrencyEffectiveCost,
  costs.ondemand_price AS PricingCurrencyListUnitPrice,
  COALESCE(costs.billed_hours, costs.uptime_hours) AS PricingQuantity,
  'Hours' AS PricingUnit,
  'Google Cloud' AS ProviderName,
  'Google Cloud' AS PublisherName,
  costs.region AS RegionId,
  costs.region AS RegionName,
  CONCAT(
    '//compute.googleapis.com/projects/', costs.project_id, '/zones/', costs.zone, '/instances/', costs.instance_id
  ) AS ResourceId,
  costs.instance_name AS ResourceName,
  'Virtual Machine' AS ResourceType,
  'Compute' AS ServiceCategory,
  'Compute Engine' AS ServiceName,
  'Virtual Machines' AS ServiceSubcategory,
  CAST(NULL AS STRING) AS SkuId,
  CAST(NULL AS STRING) AS SkuMeter,
  CAST(NULL AS STRING) AS SkuPriceDetails,
  CAST(NULL AS STRING) AS SkuPriceId,
  costs.project_id AS SubAccountId,
  costs.project_id AS SubAccountName,
  'Project' AS SubAccountType,
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
  ) AS Tags,
  costs.machine_type AS x_MachineType,
  costs.price_status AS x_PriceStatus,
  costs.price_as_of AS x_PriceAsOf,
  costs.vcpus AS x_VcpuCount,
  costs.memory_gib AS x_MemoryGib,
  costs.gpu_type AS x_GpuType,
  costs.gpu_count AS x_GpuCount,
  costs.local_ssd_gib AS x_LocalSsdGib,
  costs.managed_by AS x_ManagedBy,
  costs.run_id AS x_RunId
FROM `${dataset}.spot_vm_costs` AS costs
WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
