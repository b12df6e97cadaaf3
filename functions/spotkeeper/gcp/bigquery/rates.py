"""Rates read from rows of the table `spot_prices`, which both functions do."""

from collections.abc import Mapping
from typing import Any

from spotkeeper.pricing.price_book import DatedRate
from spotkeeper.pricing.skus import Market, Rate, RateUnit


def dated_rate_from(row: Mapping[str, Any]) -> DatedRate:
    """Return a row of spot_prices as a dated rate."""
    rate = Rate(
        component=row["component"],
        market=Market(row["market"]),
        region=row["region"],
        sku_id=row["sku_id"],
        description=row["description"],
        unit=RateUnit(row["unit"]),
        usd=row["rate"],
        by_month=bool(row["by_month"]),
    )
    return DatedRate(rate, row["valid_from"], row["valid_to"])
