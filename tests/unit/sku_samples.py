"""SKUs and what is read of them, for the tests of several modules."""

from dataclasses import replace
from decimal import Decimal

from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.skus import CatalogReading, Market, RateUnit, Sku

SPOT, ON_DEMAND = Market.SPOT, Market.ON_DEMAND
IOWA, CAROLINA, OREGON = "us-central1", "us-east1", "us-west1"
AMERICAS = (IOWA, CAROLINA, OREGON)

CORE = Sku(
    sku_id="CORE",
    description="N2 Instance Core running in Iowa",
    resource_family="Compute",
    resource_group="CPU",
    usage_type="OnDemand",
    service_regions=(IOWA,),
    usage_unit="h",
    currency="USD",
    tiers=((Decimal(0), Decimal("0.03")),),
)
RAM = replace(
    CORE, sku_id="RAM", description="N2 Instance Ram running in Iowa", resource_group="RAM", usage_unit="GiBy.h"
)
GPU = replace(CORE, sku_id="GPU", description="Nvidia L4 GPU running in Iowa", resource_group="GPU")


def priced(usd: str) -> tuple[tuple[Decimal, Decimal], ...]:
    return ((Decimal(0), Decimal(usd)),)


def sku_of(unit: RateUnit, description: str) -> Sku:
    return replace(RAM if unit is RateUnit.GIB_HOUR else CORE, description=description)


def components(*skus: Sku) -> list[str]:
    return [rate.component for rate in read_catalog(skus).rates]


def the_component(description: str, base: Sku = CORE) -> str | None:
    return next(iter(components(replace(base, description=description))), None)


def usd_by_region(reading: CatalogReading) -> dict[str, Decimal]:
    return {rate.region: rate.usd for rate in reading.rates}


def reasons(*skus: Sku) -> list[str]:
    return [each.reason for each in read_catalog(skus).unmatched]
