"""The emulator's price catalog as a saved file, whole and with SKUs of our own in it."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from infra.local.emulators.catalog import UNITED_STATES, Sku, catalog_at, published_at, sku_resource

AT = datetime(2026, 7, 21, tzinfo=UTC)
IOWA = ("us-central1",)

LEFT_OUT = (
    ("Memory-optimized Instance Core", "OnDemand"),
    ("Memory-optimized Instance Ram", "OnDemand"),
    ("Spot Preemptible Memory-optimized Instance Ram", "Preemptible"),
    ("Memory Optimized Upgrade Premium for Memory-optimized Instance Ram", "OnDemand"),
)
"""Components that the emulator leaves out in the United States, though it sells others of the same machine types."""


@cache
def resources() -> tuple[dict[str, Any], ...]:
    """The emulator's SKUs as the API words them, as they were at the fleet's first hours."""
    return tuple(sku_resource(sku, published_at(AT)) for sku in catalog_at(AT))


@cache
def whole() -> tuple[dict[str, Any], ...]:
    """The emulator's SKUs and those that it leaves out, so that everything sold can be priced."""
    added = [
        resource(f"{words} running in Americas", usage_type=usage_type, regions=UNITED_STATES)
        for words, usage_type in LEFT_OUT
    ]
    for sku in resources():
        if "C4 Instance Core" in sku["description"]:
            words = sku["description"].replace("Instance Core", "Instance Local SSD")
            regions = tuple(sku["serviceRegions"])
            added.append(resource(words, usage_type=sku["category"]["usageType"], regions=regions))
    return (*resources(), *added)


def resource(
    description: str, *, usage_type: str = "OnDemand", regions: tuple[str, ...] = IOWA, usd: str = "0.05", **other: str
) -> dict[str, Any]:
    """A SKU of our own in the API's form; group and unit follow from its words when they are not given."""
    words = description.lower()
    group = "LocalSSD" if "local ssd" in words else "RAM" if "ram" in words else "GPU" if "gpu" in words else "CPU"
    unit = {"LocalSSD": "GiBy.mo", "RAM": "GiBy.h"}.get(group, "h")
    tiers = ((Decimal(0), Decimal(usd)),)
    sku = Sku(description, "Compute", other.get("group", group), usage_type, regions, other.get("unit", unit), tiers)
    return sku_resource(sku, AT)


def saved(path: Path, skus: Iterable[object]) -> str:
    """Write SKUs as one page and return the file's name."""
    path.write_text(json.dumps({"skus": list(skus), "nextPageToken": ""}))
    return str(path)
