"""The contract of the emulated billing account: what its SKUs cost, as the Pricing API lists it at a moment.

https://cloud.google.com/billing/docs/reference/pricing-api/rest/v2beta/billingAccounts.skus.price
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from infra.local.emulators.catalog import CURRENCIES, UNITS, Json, Sku, catalog_at, money

ACCOUNT = "012345-6789AB-CDEF01"
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Term:
    """A discount off the list prices of the SKUs whose description has some words, from a time on."""

    words: str
    percent: Decimal
    since: datetime = _LONG_AGO


@dataclass(frozen=True, slots=True)
class Contract:
    """A billing account with its currency and terms, of which the last that fits counts.

    `lacking` are words of the SKUs that it has no price of.
    """

    account: str = ACCOUNT
    currency: str = "USD"
    terms: tuple[Term, ...] = (
        Term("Spot Preemptible", Decimal(5)),
        Term("Spot Preemptible N2D", Decimal("12.5")),
        Term("Spot Preemptible N2D", Decimal(20), datetime(2026, 7, 22, 7, tzinfo=UTC)),
        Term("PD Capacity", Decimal(10)),
    )
    lacking: tuple[str, ...] = ()

    def prices(self, at: datetime, currency: str | None = None) -> Iterator[Json]:
        """Yield the price of every SKU at a moment; those that no term is about cost the list price."""
        for sku in catalog_at(at):
            if not any(words in sku.description for words in self.lacking):
                yield self._price(sku, at, currency or self.currency)

    def _price(self, sku: Sku, at: datetime, currency: str) -> Json:
        term = next((each for each in reversed(self.terms) if each.words in sku.description and each.since <= at), None)
        percent = term.percent if term else Decimal(0)
        unit_description, *_ = UNITS[sku.unit]
        rate = CURRENCIES[currency]
        return {
            "name": f"billingAccounts/{self.account}/skus/{sku.sku_id}/price",
            "currencyCode": currency,
            "valueType": "rate",
            "priceReason": _reason(term),
            "rate": {
                "tiers": [
                    {
                        "startAmount": {"value": str(start)},
                        "listPrice": money(price * rate, currency),
                        "contractPrice": money(price * (100 - percent) / 100 * rate, currency),
                        "effectiveDiscountPercent": {"value": str(percent)},
                    }
                    for start, price in sku.tiers
                ],
                "unitInfo": {"unit": sku.unit, "unitDescription": unit_description, "unitQuantity": {"value": "1"}},
                "aggregationInfo": {"level": "LEVEL_ACCOUNT", "interval": "INTERVAL_MONTHLY"},
            },
        }


def _reason(term: Term | None) -> Json:
    if term is None:
        return {"type": "default-price", "defaultPrice": {}}
    discount = {"discountPercent": {"value": str(term.percent)}, "discountScopeType": "sku-group"}
    return {"type": "floating-discount", "floatingDiscount": discount}
