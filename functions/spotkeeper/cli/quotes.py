"""A quote: the Spot and the on-demand price of one machine type in one region, as text or JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from spotkeeper.cli.amounts import HOURS_PER_MONTH, cents, exact
from spotkeeper.cli.catalog_files import Catalog
from spotkeeper.cli.text_tables import aligned
from spotkeeper.instances import Attachments, Shape
from spotkeeper.periods import rfc3339
from spotkeeper.pricing.attachments import NO_ATTACHMENTS, AttachmentBook, AttachmentKind
from spotkeeper.pricing.contract_amounts import ContractAmount
from spotkeeper.pricing.contract_history import contract_amount
from spotkeeper.pricing.contract_prices import ContractPrice
from spotkeeper.pricing.families import left_out
from spotkeeper.pricing.price_book import MARKET_WORDS, Price, PriceBook, PricedComponent, PriceStatus
from spotkeeper.pricing.skus import CURRENCY, PAID_BY_USE, Market, RateUnit

_UNIT_NAMES = {
    RateUnit.VCPU_HOUR: "vCPU-hour",
    RateUnit.GIB_HOUR: "GiB-hour",
    RateUnit.GPU_HOUR: "GPU-hour",
    RateUnit.INSTANCE_HOUR: "instance-hour",
    RateUnit.ADDRESS_HOUR: "address-hour",
    RateUnit.IOPS_HOUR: "IOPS-hour",
    RateUnit.MIBPS_HOUR: "MiB/s-hour",
}


@dataclass(frozen=True, slots=True)
class Quote:
    """A shape and its price in each market, and the price of each kind of attachment.

    `contract` is the Spot price of each item by the contract of a billing account; None where it was not asked for.
    """

    shape: Shape
    region: str
    catalog: Catalog
    prices: dict[Market, Price]
    attached: dict[Market, dict[AttachmentKind, Price]]
    contract: Mapping[str, ContractAmount] | None = None

    @property
    def is_known(self) -> bool:
        """Whether all of it has a price in every market."""
        return all(self.total(market) is not None for market in self.prices)

    def total(self, market: Market) -> Decimal | None:
        """The price of the shape and all that is attached in USD per hour; None when any part is unknown."""
        parts = [price.usd_per_hour for price in (self.prices[market], *self.attached[market].values())]
        known = [part for part in parts if part is not None]
        return sum(known, Decimal(0)) if len(known) == len(parts) else None

    @property
    def saving_percent(self) -> Decimal | None:
        """The discount of Spot against on-demand in percent, attachments apart; None when either price is unknown."""
        spot, ondemand = (self.prices[market].usd_per_hour for market in (Market.SPOT, Market.ON_DEMAND))
        return None if spot is None or ondemand is None else (1 - spot / ondemand) * 100


def quote(  # noqa: PLR0913, PLR0917 (what is asked, and what it is answered from)
    shape: Shape,
    region: str,
    book: PriceBook,
    catalog: Catalog,
    attachments: Attachments = NO_ATTACHMENTS,
    agreed: Mapping[str, ContractPrice] | None = None,
) -> Quote:
    """Return the prices of a shape and of what is attached to it; `agreed` are contract prices by SKU."""
    extra = AttachmentBook(catalog.reading.attachments.rates)
    prices = {market: book.price(shape, region, market) for market in PAID_BY_USE}
    attached = {market: extra.prices(attachments, shape, region, market) for market in PAID_BY_USE}
    contract = None
    if agreed is not None:
        items = [(shape.machine_type, prices[Market.SPOT]), *attached[Market.SPOT].items()]
        contract = {str(item): _by_contract(price, agreed) for item, price in items}
    return Quote(shape, region, catalog, prices, attached, contract)


def _by_contract(price: Price, agreed: Mapping[str, ContractPrice]) -> ContractAmount:
    if price.usd_per_hour is None:
        return ContractAmount(None, f"no list price: {price.reason}")
    return contract_amount(price, agreed)


def status(price: Price) -> PriceStatus:
    """Return the status of a price from a catalog that was just read."""
    return PriceStatus.UNKNOWN if price.usd_per_hour is None else PriceStatus.EXACT


def as_json(asked: Quote) -> str:
    """Return a quote as JSON; amounts are strings, since JSON numbers are not decimal."""
    shape, catalog, saving = asked.shape, asked.catalog, asked.saving_percent
    return json.dumps(
        {
            "machine_type": shape.machine_type,
            "region": asked.region,
            "vcpus": _plain(shape.vcpus),
            "memory_gib": _plain(shape.memory_gib),
            "gpu_type": shape.gpu_type,
            "gpu_count": shape.gpu_count,
            "local_ssd_gib": shape.local_ssd_gib,
            "not_included": left_out(shape),
            "currency": CURRENCY,
            "catalog": catalog.source,
            "as_of": rfc3339(catalog.as_of) if catalog.as_of else None,
            "catalog_complete": catalog.complete,
            "prices": {
                market.value: _price_json(price) | _attached_json(asked, market)
                for market, price in asked.prices.items()
            },
            "saving_percent": None if saving is None else cents(saving),
            "contract": None if asked.contract is None else _contract_json(asked.contract),
        },
        indent=2,
    )


def _contract_json(contract: Mapping[str, ContractAmount]) -> dict[str, object]:
    return {
        item: {"per_hour": None if each.usd is None else exact(each.usd), "reason": each.reason}
        for item, each in contract.items()
    }


QUOTE_FIELDS = ("market", "item", "per_hour", "per_month", "status", "reason")
"""The fields of a price in CSV, in USD; `item` is the machine type, or what is attached to it."""


def as_rows(asked: Quote) -> list[dict[str, object]]:
    """Return the price of the machine type and of each attachment, Spot and on-demand."""
    listed = [
        (market.value, str(item), price.usd_per_hour, price.reason)
        for market, of_type in asked.prices.items()
        for item, price in [(asked.shape.machine_type, of_type), *asked.attached[market].items()]
    ]
    agreed = [("contract", item, each.usd, each.reason) for item, each in (asked.contract or {}).items()]
    return [
        {
            "market": market,
            "item": item,
            "per_hour": usd,
            "per_month": None if usd is None else usd * HOURS_PER_MONTH,
            "status": str(PriceStatus.UNKNOWN if usd is None else PriceStatus.EXACT),
            "reason": reason or None,
        }
        for market, item, usd, reason in (*listed, *agreed)
    ]


def as_text(asked: Quote) -> str:
    """Return a quote for reading."""
    return "\n".join(_lines(asked))


def _price_json(price: Price) -> dict[str, object]:
    known = price.usd_per_hour
    return {
        "status": status(price).value,
        "reason": price.reason,
        "per_hour": None if known is None else exact(known),
        "per_month": None if known is None else exact(known * HOURS_PER_MONTH),
        "components": [
            {
                "component": part.rate.component,
                "sku_id": part.rate.sku_id,
                "description": part.rate.description,
                "rate": exact(part.rate.usd),
                "unit": part.rate.unit.value,
                "quantity": _plain(part.quantity),
                "amount": exact(part.rate.usd * part.quantity),
            }
            for part in price.components
        ],
    }


def _attached_json(asked: Quote, market: Market) -> dict[str, object]:
    total = asked.total(market)
    return {
        "attachments": {kind.value: _price_json(price) for kind, price in asked.attached[market].items()},
        "total_per_hour": None if total is None else exact(total),
        "total_per_month": None if total is None else exact(total * HOURS_PER_MONTH),
    }


def _lines(asked: Quote) -> Iterator[str]:
    as_of = f" of {asked.catalog.as_of:%Y-%m-%d}" if asked.catalog.as_of else ""
    yield f"{_described(asked.shape)} in {asked.region}: list prices{as_of} from {asked.catalog.source}, in {CURRENCY}"
    yield ""
    summary = [["", "per hour", f"per month ({HOURS_PER_MONTH} h)", "status"]]
    for market, price in asked.prices.items():
        summary.append([MARKET_WORDS[market], *_amounts(price.usd_per_hour), _status_shown(price)])
        if attached := asked.attached[market]:
            summary += [
                [f"  {kind}", *_amounts(each.usd_per_hour), _status_shown(each)] for kind, each in attached.items()
            ]
            summary.append(["  total", *_amounts(asked.total(market)), ""])
    for item, each in (asked.contract or {}).items():
        named = "Spot by contract" if item == asked.shape.machine_type else f"  {item}"
        summary.append([named, *_amounts(each.usd), f"unknown: {each.reason}" if each.reason else "exact"])
    yield from aligned(summary, right=frozenset({1, 2}))
    if not_priced := left_out(asked.shape):
        yield f"Not included: {not_priced}"
    if asked.saving_percent is not None:
        yield f"Spot saves {cents(asked.saving_percent)} %" + (
            " of the machine type" if _has_attachments(asked) else ""
        )
    for market, price in asked.prices.items():
        prices = (price, *asked.attached[market].values())
        if components := [part for each in prices for part in each.components]:
            yield ""
            header = [MARKET_WORDS[market], "SKU", "description", "rate", "per", "quantity", "amount"]
            yield from aligned([header, *map(_cells, components)], right=frozenset({3, 5, 6}))


def _has_attachments(asked: Quote) -> bool:
    return any(asked.attached.values())


def _amounts(known: Decimal | None) -> list[str]:
    return ["-", "-"] if known is None else [exact(known), cents(known * HOURS_PER_MONTH)]


def _status_shown(price: Price) -> str:
    return f"{status(price)}: {price.reason}" if price.reason else str(status(price))


def _described(shape: Shape) -> str:
    parts = [f"{_plain(shape.vcpus)} vCPUs", f"{_plain(shape.memory_gib)} GiB"]
    if shape.gpu_count:
        parts.append(f"{shape.gpu_count} {shape.gpu_type}")
    if shape.local_ssd_gib:
        parts.append(f"{shape.local_ssd_gib} GiB local SSD")
    return f"{shape.machine_type} ({', '.join(parts)})"


def _cells(part: PricedComponent) -> list[str]:
    rate = part.rate
    return [
        rate.component,
        rate.sku_id,
        rate.description,
        exact(rate.usd),
        _UNIT_NAMES[rate.unit],
        _plain(part.quantity),
        exact(rate.usd * part.quantity),
    ]


def _plain(number: Decimal | None) -> str:
    return "" if number is None else exact(number)
