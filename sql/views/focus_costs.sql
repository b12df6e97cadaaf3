-- What did each Spot VM cost each hour, in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification?
-- Grain: one part of the cost of one Spot VM in one UTC hour in which it ran: a SKU of compute, license, address, disk or bandwidth.
--
-- An hour in which a VM was started as another machine has two or more charge periods.
-- Compute has a row for each of its SKUs: vCPUs, memory, GPUs and local SSD, with quantities in the unit of the SKU. The
-- cost of one is the difference of two running sums over the components in the order of their names, each rounded once;
-- the last takes the rest, so that they sum to cost of spot_vm_costs to the last digit. Where no recorded rates make up
-- the price of the hour (it is of Google's own price history, or was read later), compute is one row, in hours.
-- x_UptimeHours and x_OndemandCost are in one row of compute, so that they can be summed.
-- ListCost is that of the hour at the Spot list price, as Google's own export has it for a Spot SKU, and x_OndemandCost what the
-- hour would have cost on demand. The other costs are at the contract prices of the billing account where they are known,
-- and x_IsContractPrice says so, else at list prices; nothing is an invoice. For other parts ConsumedQuantity is
-- the uptime, PricingQuantity what is billed of it. A part that is not known, or costs nothing, has no row, for a cost of
-- the specification is never NULL: hours whose compute has no known price are in focus_costs_unpriced, and partial_hours
-- of hourly_burn_rate says of how many VM-hours another part is missing. Compute is there also when it costs nothing.
-- SkuId is that of a row which one SKU bills, such as vCPUs, addresses and disks of one type; x_SkuIds has all of a row.
-- Disks are those of the time that the VM ran. Tags are the labels of that hour as a JSON object. A billing period is a
-- month of Cloud Billing, in America/Los_Angeles. Columns that begin with x_ are extensions; ServiceProviderName and
-- HostProviderName are those of FOCUS 1.3. Reads at most 400 days; a filter on ChargePeriodStart limits the partitions
-- that are read.
WITH rates AS (
  SELECT
    components.machine_type,
    COALESCE(components.gpu_type, '') AS gpu_type,
    components.gpu_count,
    components.local_ssd_gib,
    components.component,
    components.quantity,
    prices.region,
    prices.sku_id,
    prices.unit,
    prices.rate,
    COALESCE(prices.by_month, FALSE) AS by_month,
    prices.valid_from,
    prices.valid_to
  FROM `${dataset}.shape_components` AS components
  INNER JOIN `${dataset}.spot_prices` AS prices
    ON prices.component = components.component
  WHERE prices.market = 'spot'
    -- A rate that ended in the hour it began in was never in effect.
    AND (prices.valid_to IS NULL OR prices.valid_to > prices.valid_from)
),

changes AS (
  SELECT
    changed.*,
    LEAD(changed.held_from) OVER (
      PARTITION BY changed.machine_type, changed.gpu_type, changed.gpu_count, changed.local_ssd_gib, changed.region
      ORDER BY changed.held_from
    ) AS held_to
  FROM (
    SELECT DISTINCT
      rates.machine_type,
      rates.gpu_type,
      rates.gpu_count,
      rates.local_ssd_gib,
      rates.region,
      rates.valid_from AS held_from
    FROM rates
  ) AS changed
),

held AS (
  SELECT
    changes.*,
    rates.component,
    rates.quantity,
    rates.sku_id,
    rates.unit,
    rates.rate,
    rates.by_month,
    IF(rates.by_month, BIGNUMERIC '0', rates.rate * CAST(rates.quantity AS BIGNUMERIC)) AS hourly_price,
    -- The price of a month over 730 hours is taken for the hours of the month in question.
    IF(rates.by_month, rates.rate * CAST(rates.quantity AS BIGNUMERIC) * 730, BIGNUMERIC '0') AS monthly_price
  FROM changes
  INNER JOIN rates
    ON rates.machine_type = changes.machine_type
    AND rates.gpu_type = changes.gpu_type
    AND rates.gpu_count = changes.gpu_count
    AND rates.local_ssd_gib = changes.local_ssd_gib
    AND rates.region = changes.region
    AND rates.valid_from <= changes.held_from
    AND COALESCE(rates.valid_to > changes.held_from, TRUE)
  -- Of several rates of a component the highest counts, as in the price of the hour.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY
      changes.machine_type, changes.gpu_type, changes.gpu_count, changes.local_ssd_gib, changes.region,
      changes.held_from, rates.component
    ORDER BY rates.rate DESC, rates.sku_id DESC
  ) = 1
),

components AS (
  SELECT
    held.*,
    SUM(held.hourly_price) OVER in_order AS hourly_price_until,
    SUM(held.monthly_price) OVER in_order AS monthly_price_until,
    SUM(held.hourly_price) OVER of_shape AS hourly_price_of_all,
    SUM(held.monthly_price) OVER of_shape AS monthly_price_of_all,
    ROW_NUMBER() OVER in_order AS number,
    COUNT(*) OVER of_shape AS component_count
  FROM held
  WINDOW
    of_shape AS (
      PARTITION BY held.machine_type, held.gpu_type, held.gpu_count, held.local_ssd_gib, held.region, held.held_from
    ),
    in_order AS (of_shape ORDER BY held.component)
),

hours AS (
  SELECT
    costs.usage_start_time,
    costs.usage_end_time,
    costs.project_id,
    costs.zone,
    costs.region,
    costs.instance_id,
    costs.instance_name,
    costs.machine_type,
    costs.vcpus,
    costs.memory_gib,
    costs.gpu_type,
    costs.gpu_count,
    costs.local_ssd_gib,
    costs.uptime_hours,
    costs.spot_price,
    costs.ondemand_price,
    costs.cost,
    costs.ondemand_cost,
    costs.currency,
    costs.price_status,
    costs.price_as_of,
    costs.labels,
    costs.managed_by,
    costs.run_id,
    costs.license_cost,
    costs.license_status,
    costs.address_cost,
    costs.address_status,
    costs.disk_cost,
    costs.disk_status,
    costs.bandwidth_cost,
    costs.bandwidth_status,
    costs.contract_price,
    costs.contract_cost,
    costs.contract_license_cost,
    costs.contract_address_cost,
    costs.contract_disk_cost,
    costs.contract_bandwidth_cost,
    costs.compute_skus,
    costs.license_skus,
    costs.address_skus,
    costs.disk_skus,
    costs.bandwidth_skus,
    COALESCE(costs.billed_hours, costs.uptime_hours) AS charged_hours,
    TIMESTAMP(
      DATE_TRUNC(DATE(costs.usage_start_time, 'America/Los_Angeles'), MONTH), 'America/Los_Angeles'
    ) AS month_start,
    TIMESTAMP(
      DATE_ADD(DATE_TRUNC(DATE(costs.usage_start_time, 'America/Los_Angeles'), MONTH), INTERVAL 1 MONTH),
      'America/Los_Angeles'
    ) AS month_end
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 400 DAY)
),

numbered AS (
  -- The parts of an hour by their number: an array of them would have to be made before a filter on the time applies.
  SELECT
    costs.*,
    [
      STRUCT(
        'compute' AS name, '' AS words, costs.cost AS cost, costs.spot_price AS price, costs.price_status AS status,
        costs.charged_hours AS hours, costs.contract_cost AS contract, costs.compute_skus AS skus, 'Compute' AS meter
      ),
      STRUCT(
        'license', 'Licenses of ', costs.license_cost,
        ROUND(SAFE_DIVIDE(costs.license_cost, costs.charged_hours), 9), costs.license_status,
        costs.charged_hours, costs.contract_license_cost, costs.license_skus, 'License'
      ),
      STRUCT(
        'address', 'External addresses of ', costs.address_cost,
        ROUND(SAFE_DIVIDE(costs.address_cost, costs.uptime_hours), 9), costs.address_status, costs.uptime_hours,
        costs.contract_address_cost, costs.address_skus, 'External IPv4 address'
      ),
      STRUCT(
        'disk', 'Disks of ', costs.disk_cost,
        ROUND(SAFE_DIVIDE(costs.disk_cost, costs.uptime_hours), 9), costs.disk_status, costs.uptime_hours,
        costs.contract_disk_cost, costs.disk_skus, 'Disk'
      ),
      STRUCT(
        'bandwidth', 'Tier_1 bandwidth of ', costs.bandwidth_cost,
        ROUND(SAFE_DIVIDE(costs.bandwidth_cost, costs.charged_hours), 9),
        costs.bandwidth_status, costs.charged_hours, costs.contract_bandwidth_cost, costs.bandwidth_skus,
        'Tier_1 bandwidth'
      )
    ][SAFE_OFFSET(number)] AS part
  FROM hours AS costs
  CROSS JOIN UNNEST([0, 1, 2, 3, 4]) AS number
  -- What is not known has no row. Most VMs have no license and no Tier_1.
  WHERE CASE number
    WHEN 0 THEN costs.cost IS NOT NULL
    WHEN 1 THEN costs.license_cost > 0
    WHEN 2 THEN costs.address_cost > 0
    WHEN 3 THEN costs.disk_cost > 0
    ELSE costs.bandwidth_cost > 0
  END
),

parts AS (
  SELECT
    numbered.* EXCEPT (part),
    TIMESTAMP_DIFF(numbered.month_end, numbered.month_start, HOUR) AS month_hours,
    numbered.part.name AS part_name,
    numbered.part.words AS part_words,
    numbered.part.cost AS part_cost,
    numbered.part.price AS part_price,
    numbered.part.status AS part_status,
    numbered.part.hours AS part_hours,
    numbered.part.contract AS part_contract,
    numbered.part.skus AS part_skus,
    numbered.part.meter AS part_meter
  FROM numbered
),

charges AS (
  SELECT
    parts.*,
    components.component,
    components.quantity,
    components.sku_id,
    components.unit,
    components.number,
    components.component_count,
    CAST(
      SAFE_DIVIDE(agreed.rate * IF(agreed.by_month, 730, parts.month_hours), parts.month_hours) AS NUMERIC
    ) AS contract_unit_price,
    CAST(
      SAFE_DIVIDE(components.rate * IF(components.by_month, 730, parts.month_hours), parts.month_hours) AS NUMERIC
    ) AS unit_price,
    -- The running sums of the price, over the components before this one and up to it.
    CAST(
      components.hourly_price_until - components.hourly_price
      + SAFE_DIVIDE(components.monthly_price_until - components.monthly_price, parts.month_hours)
      AS NUMERIC
    ) AS price_before,
    IF(
      components.number < components.component_count,
      CAST(components.hourly_price_until + SAFE_DIVIDE(components.monthly_price_until, parts.month_hours) AS NUMERIC),
      NULL
    ) AS price_until
  FROM parts
  LEFT JOIN components
    ON components.machine_type = parts.machine_type
    AND components.gpu_type = COALESCE(parts.gpu_type, '')
    AND components.gpu_count = parts.gpu_count
    AND components.local_ssd_gib = parts.local_ssd_gib
    AND components.region = parts.region
    AND components.held_from <= parts.usage_start_time
    AND COALESCE(components.held_to > parts.usage_start_time, TRUE)
    AND parts.part_name = 'compute'
    -- Rates that make up another price are not those of the hour.
    AND ABS(
      CAST(components.hourly_price_of_all + SAFE_DIVIDE(components.monthly_price_of_all, parts.month_hours) AS NUMERIC)
      - parts.spot_price
    ) <= NUMERIC '0.000000001'
  LEFT JOIN `${dataset}.contract_prices` AS agreed
    ON agreed.sku_id = components.sku_id
    AND agreed.currency = 'USD'
    AND agreed.valid_from <= TIMESTAMP_TRUNC(parts.usage_start_time, HOUR)
    AND COALESCE(agreed.valid_to > TIMESTAMP_TRUNC(parts.usage_start_time, HOUR), TRUE)
    -- An hour that was recorded without contract prices has none.
    AND parts.part_contract IS NOT NULL
),

focus AS (
  SELECT
    charges.*,
    -- A product has nine decimals. A rounded sum must not exceed the cost, of which the last component takes the rest.
    IF(
      charges.sku_id IS NULL,
      charges.part_cost,
      COALESCE(LEAST(charges.charged_hours * charges.price_until, charges.part_cost), charges.part_cost)
      - LEAST(charges.charged_hours * charges.price_before, charges.part_cost)
    ) AS charge,
    COALESCE(charges.unit_price, charges.part_price) AS list_price,
    COALESCE(charges.quantity, 1) AS units,
    COALESCE(charges.number, 1) = 1 AND charges.part_name = 'compute' AS is_first,
    COALESCE(charges.sku_id, charges.part_skus) AS skus,
    CASE
      WHEN charges.sku_id IS NULL THEN charges.part_meter
      WHEN charges.unit = 'vcpu_hour' THEN 'vCPU'
      WHEN charges.unit = 'gpu_hour' THEN 'GPU'
      WHEN charges.unit = 'instance_hour' THEN 'Virtual machine'
      WHEN charges.component LIKE '%local-ssd' THEN 'Local SSD'
      ELSE 'Memory'
    END AS meter,
    CASE charges.unit
      WHEN 'vcpu_hour' THEN 'vCPU-Hours'
      WHEN 'gib_hour' THEN 'GiB-Hours'
      WHEN 'gpu_hour' THEN 'GPU-Hours'
      ELSE 'Hours'
    END AS pricing_unit
  FROM charges
),

contracted AS (
  SELECT
    focus.*,
    CASE
      WHEN focus.part_contract IS NULL THEN focus.charge
      WHEN focus.sku_id IS NULL THEN focus.part_contract
      -- The last component takes the rest, so that they sum to contract_cost to the last digit.
      WHEN focus.number = focus.component_count
        THEN focus.part_contract - COALESCE(
          SUM(
            COALESCE(ROUND(focus.charged_hours * focus.quantity * focus.contract_unit_price, 9), focus.charge)
          ) OVER (
            PARTITION BY focus.project_id, focus.zone, focus.instance_id, focus.usage_start_time, focus.part_name
            ORDER BY focus.number
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
          ),
          0
        )
      ELSE COALESCE(ROUND(focus.charged_hours * focus.quantity * focus.contract_unit_price, 9), focus.charge)
    END AS contracted,
    CASE
      WHEN focus.part_contract IS NULL THEN focus.list_price
      WHEN focus.sku_id IS NOT NULL THEN COALESCE(focus.contract_unit_price, focus.list_price)
      WHEN focus.part_name = 'compute' THEN focus.contract_price
      ELSE ROUND(SAFE_DIVIDE(focus.part_contract, focus.part_hours), 9)
    END AS contracted_price
  FROM focus
)

SELECT
  costs.zone AS AvailabilityZone,  -- STRING: The zone.
  costs.contracted AS BilledCost,  -- NUMERIC: ContractedCost; no invoice.
  NULLIF('${billing_account}', '') AS BillingAccountId,  -- STRING: The billing account that the deployment names; NULL without one.
  NULLIF('${billing_account}', '') AS BillingAccountName,  -- STRING: Its id: its name is not recorded.
  'Billing Account' AS BillingAccountType,  -- STRING: The kind of account that BillingAccountId would name.
  costs.currency AS BillingCurrency,  -- STRING: The currency of the costs, USD.
  costs.month_end AS BillingPeriodEnd,  -- TIMESTAMP: The end of the month of Cloud Billing, in America/Los_Angeles; not part of it.
  costs.month_start AS BillingPeriodStart,  -- TIMESTAMP: The start of the month of Cloud Billing, in America/Los_Angeles.
  CAST(NULL AS STRING) AS CapacityReservationId,  -- STRING: NULL: a Spot VM has no reservation.
  CAST(NULL AS STRING) AS CapacityReservationStatus,  -- STRING: NULL: a Spot VM has no reservation.
  'Usage' AS ChargeCategory,  -- STRING: Usage, in every row.
  CAST(NULL AS STRING) AS ChargeClass,  -- STRING: NULL: no row corrects an earlier one.
  CONCAT(COALESCE(CONCAT(costs.component, ' of '), costs.part_words), 'Spot VM ', COALESCE(costs.machine_type, 'of unknown type'), ' in ', costs.zone) AS ChargeDescription,  -- STRING: The part or component, the machine type and the zone in words.
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
  costs.uptime_hours * costs.units AS ConsumedQuantity,  -- NUMERIC: Uptime in ConsumedUnit: vCPU-hours of a row for vCPUs, else hours.
  costs.pricing_unit AS ConsumedUnit,  -- STRING: vCPU-Hours, GiB-Hours or GPU-Hours in the rows of SKUs of compute, else Hours.
  costs.contracted AS ContractedCost,  -- NUMERIC: Cost at the contract price where it is known, else at the list price, in USD.
  costs.contracted_price AS ContractedUnitPrice,  -- NUMERIC: The contract price where it is known, else the list price, in USD per PricingUnit.
  costs.contracted AS EffectiveCost,  -- NUMERIC: ContractedCost: nothing is prepaid.
  CAST(NULL AS STRING) AS InvoiceId,  -- STRING: NULL: these rows are on no invoice.
  'Google Cloud' AS HostProviderName,  -- STRING: Google Cloud, in every row.
  'Google Cloud' AS InvoiceIssuerName,  -- STRING: Google Cloud, in every row.
  costs.charge AS ListCost,  -- NUMERIC: Cost at the list price, in USD.
  costs.list_price AS ListUnitPrice,  -- NUMERIC: The list price, in USD per PricingUnit.
  IF(costs.part_name = 'compute', 'Dynamic', 'Standard') AS PricingCategory,  -- STRING: Dynamic for compute, whose Spot prices change, else Standard.
  costs.currency AS PricingCurrency,  -- STRING: The currency of the prices, USD.
  costs.contracted_price AS PricingCurrencyContractedUnitPrice,  -- NUMERIC: ContractedUnitPrice in PricingCurrency.
  costs.contracted AS PricingCurrencyEffectiveCost,  -- NUMERIC: EffectiveCost in PricingCurrency.
  costs.list_price AS PricingCurrencyListUnitPrice,  -- NUMERIC: The list price in PricingCurrency, per PricingUnit.
  costs.part_hours * costs.units AS PricingQuantity,  -- NUMERIC: What is billed, in PricingUnit.
  costs.pricing_unit AS PricingUnit,  -- STRING: As ConsumedUnit.
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
  IF(costs.skus LIKE '% %', NULL, costs.skus) AS SkuId,  -- STRING: The SKU of the row; NULL where several SKUs bill it, or which is not recorded.
  IF(costs.skus IS NULL OR costs.skus LIKE '% %', NULL, costs.meter) AS SkuMeter,  -- STRING: What the SKU bills; NULL without SkuId.
  CAST(NULL AS STRING) AS SkuPriceDetails,  -- STRING: NULL: not recorded.
  IF(costs.skus LIKE '% %', NULL, costs.skus) AS SkuPriceId,  -- STRING: SkuId, which has one price in a region at a time.
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
  costs.skus AS x_SkuIds,  -- STRING: All SKUs that bill the row, separated by spaces; NULL when they are not recorded.
  costs.part_name AS x_CostPart,  -- STRING: compute, license, address, disk or bandwidth.
  costs.component AS x_Component,  -- STRING: What the SKU of compute prices, as in spot_prices, such as n2:core; NULL for other parts and for compute in one row.
  costs.machine_type AS x_MachineType,  -- STRING: The machine type; NULL when it is not known.
  IF(costs.is_first, costs.ondemand_cost, NULL) AS x_OndemandCost,  -- NUMERIC: Cost of all compute at the on-demand list price, in USD, in the first row of compute; NULL in other rows and when it is not known.
  IF(costs.is_first, costs.ondemand_price, NULL) AS x_OndemandUnitPrice,  -- NUMERIC: The on-demand list price of all compute, in USD per hour, in the first row of compute; NULL in other rows and when it is not known.
  IF(costs.is_first, costs.uptime_hours, NULL) AS x_UptimeHours,  -- NUMERIC: Uptime in hours, in the first row of compute: its sum is VM-hours; NULL in other rows.
  costs.part_status AS x_PriceStatus,  -- STRING: How certain the price is: the column price_status, license_status and so on of spot_vm_costs.
  costs.price_as_of AS x_PriceAsOf,  -- TIMESTAMP: When the price was read from the catalog.
  costs.vcpus AS x_VcpuCount,  -- NUMERIC: vCPUs of the machine type.
  costs.memory_gib AS x_MemoryGib,  -- NUMERIC: Memory of the machine type in GiB.
  costs.gpu_type AS x_GpuType,  -- STRING: The type of attached or bundled GPUs; NULL without any.
  costs.gpu_count AS x_GpuCount,  -- INTEGER: The number of GPUs.
  costs.local_ssd_gib AS x_LocalSsdGib,  -- INTEGER: Local SSD in GiB.
  costs.part_contract IS NOT NULL AS x_IsContractPrice,  -- BOOLEAN: Whether the costs but ListCost are at the contract price.
  costs.managed_by AS x_ManagedBy,  -- STRING: The managed instance group that created the VM; NULL for a VM of no group.
  costs.run_id AS x_RunId  -- STRING: The run of the tracker that wrote the row.
FROM contracted AS costs
