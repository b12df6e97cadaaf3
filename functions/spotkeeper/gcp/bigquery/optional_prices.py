"""Prices of optional sources of the tracker, read from rows of their tables."""

from collections.abc import Mapping
from typing import Any

from spotkeeper.pricing.contract_history import DatedContractPrice
from spotkeeper.pricing.contract_prices import ContractPrice
from spotkeeper.pricing.price_times import RecordedPrice
from spotkeeper.pricing.skus import RateUnit


def recorded_price_from(row: Mapping[str, Any]) -> RecordedPrice:
    """Return a row of capacity_prices as a price of Google's own history."""
    return RecordedPrice(
        row["machine_type"], row["region"], row["valid_from"], row["valid_to"], row["price"], row["read_at"]
    )


def contract_price_from(row: Mapping[str, Any]) -> DatedContractPrice:
    """Return a row of contract_prices as a dated price."""
    price = ContractPrice(
        sku_id=row["sku_id"],
        unit=RateUnit(row["unit"]),
        amount=row["rate"],
        currency=row["currency"],
        origin=row["origin"] or "",
        by_month=row["by_month"],
        reason=row["reason"] or "",
    )
    return DatedContractPrice(price, row["valid_from"], row["valid_to"])
