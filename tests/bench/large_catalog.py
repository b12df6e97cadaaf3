"""A catalog of the size of the real one, in pages as the API answers them: every component in many regions."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import batched, chain, islice

from infra.local.emulators.catalog import Sku, sku_resource
from spotkeeper.pricing.reference_data import rows

SKUS = 40_000
SKUS_PER_PAGE = 5_000
REGIONS = tuple(f"europe-west{number}" for number in range(1, 34))
"""As many as it takes for the number of machine types and regions that Google publishes prices for."""

_PUBLISHED = datetime(2026, 7, 30, 7, tzinfo=UTC)
_UNITS = {"vcpu_hour": "h", "gib_hour": "GiBy.h", "gpu_hour": "h", "instance_hour": "h"}
_GROUPS = {"vcpu_hour": "CPU", "gib_hour": "RAM", "gpu_hour": "GPU", "instance_hour": "F1Micro"}
_MARKETS = {"OnDemand": "", "Preemptible": "Spot Preemptible "}
_IGNORED = (
    ("Commitment v1: {words} in {region} for 1 Year", "Commit1Yr"),
    ("Commitment v1: {words} in {region} for 3 Years", "Commit3Yr"),
    ("Reserved {words} in {region}", "OnDemand"),
    ("{words} Sole Tenancy running in {region}", "OnDemand"),
    ("DWS Defined Duration {words} running in {region}", "OnDemand"),
    ("DWS Calendar Mode {words} running in {region}", "OnDemand"),
    ("Committed Use Discount Premium for {words} running in {region}", "CmtCudPremium"),
)


def pages() -> list[str]:
    """Return the catalog, page by page, as the texts that the API answers with."""
    resources = [sku_resource(sku, _PUBLISHED) for sku in islice(chain(_components(), _ignored_skus()), SKUS)]
    batches = list(batched(resources, SKUS_PER_PAGE, strict=False))
    return [
        json.dumps({"skus": batch, "nextPageToken": f"page-{number}" if number < len(batches) else ""})
        for number, batch in enumerate(batches, start=1)
    ]


def _components() -> Iterator[Sku]:
    for row in rows("components"):
        for usage_type, words in _MARKETS.items():
            for region in REGIONS:
                yield _sku(f"{words}{row['wording']} running in {region}", row["unit"], usage_type, region)


def _ignored_skus() -> Iterator[Sku]:
    for row in rows("components"):
        for description, usage_type in _IGNORED:
            for region in REGIONS:
                words = description.format(words=row["wording"], region=region)
                yield _sku(words, row["unit"], usage_type, region)


def _sku(description: str, unit: str, usage_type: str, region: str) -> Sku:
    price = Decimal(len(description)) / 1000
    return Sku(description, "Compute", _GROUPS[unit], usage_type, (region,), _UNITS[unit], ((Decimal(0), price),))
