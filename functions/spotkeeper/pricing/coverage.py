"""How well our tables cover a catalog: SKUs that match no rule, and machine types without a price."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from spotkeeper.instances import Shape
from spotkeeper.pricing.families import custom_prefixes
from spotkeeper.pricing.machine_types import known_machine_types
from spotkeeper.pricing.price_book import Price, PriceBook
from spotkeeper.pricing.price_list import known_shape
from spotkeeper.pricing.reference_data import rows
from spotkeeper.pricing.skus import PAID_BY_USE, CatalogReading, Market, Rate, UnmatchedSku

_A_CUSTOM_SIZE = "4-8192"
"""The size that represents all custom types of a family: four vCPUs and 8 GiB."""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Machine types sold in these regions whose price lacks the same components."""

    market: Market
    missing: tuple[str, ...]
    machine_types: tuple[str, ...]
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DuplicateSku:
    """Two SKUs for one component and market, and in how many regions the first is used and the second ignored."""

    kept: Rate
    dropped: Rate
    regions: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """The result of a comparison of a catalog with our tables; `gaps` are the reasons for known missing prices."""

    unsold: tuple[Market, ...]
    unmatched: tuple[UnmatchedSku, ...]
    unpriced: tuple[Unpriced, ...]
    gaps: tuple[str, ...]
    duplicates: tuple[DuplicateSku, ...]
    priced: int
    regions: int

    @property
    def is_complete(self) -> bool:
        """Whether everything that is sold is matched and priced, known gaps apart."""
        return not (self.unmatched or self.unpriced or len(self.unsold) == len(PAID_BY_USE))


def coverage_of(reading: CatalogReading) -> Coverage:
    """Compare a catalog with our tables."""
    book = PriceBook(reading.rates)
    lacking: dict[tuple[Market, tuple[str, ...]], set[tuple[str, str]]] = defaultdict(set)
    gaps = Counter[str]()
    priced = 0
    for shape, region, market, price in _sold(book):
        if price.usd_per_hour is not None:
            priced += 1
        elif reason := _gap(price, region, market):
            gaps[reason] += 1
        else:
            lacking[market, price.missing or (price.reason,)].add((shape.machine_type, region))
    return Coverage(
        unsold=tuple(market for market in PAID_BY_USE if all(rate.market is not market for rate in reading.rates)),
        unmatched=(*reading.unmatched, *reading.attachments.unmatched),
        unpriced=tuple(
            Unpriced(market, missing, _distinct(found, 0), _distinct(found, 1))
            for (market, missing), found in sorted(lacking.items())
        ),
        gaps=(
            *(f"{reason} ({count} prices)" for reason, count in sorted(gaps.items())),
            *_unknown_rules(),
            *([f"{reading.tpu_skus} SKUs of TPUs are not priced"] if reading.tpu_skus else []),
            *(
                [f"{licenses} SKUs of other licenses are not priced"]
                if (licenses := reading.attachments.licenses)
                else []
            ),
        ),
        duplicates=_duplicates(reading),
        priced=priced,
        regions=len(book.regions),
    )


def _sold(book: PriceBook) -> Iterator[tuple[Shape, str, Market, Price]]:
    """Every machine type, and a custom one of each family, in every region and market where it is sold."""
    names = [*known_machine_types(), *(f"{prefix}{_A_CUSTOM_SIZE}" for prefix in custom_prefixes())]
    shapes = [shape for name in names if (shape := known_shape(name))]
    for region in sorted(book.regions):
        for market in PAID_BY_USE:
            for shape in shapes:
                if book.sells(shape, region, market):
                    yield shape, region, market, book.price(shape, region, market)


def _gap(price: Price, region: str, market: Market) -> str | None:
    """The known reason why a price is missing; None when the gap of any component is not known."""
    reasons = [
        next((row["reason"] for row in rows("gaps") if _fits(row, component, region, market)), None)
        for component in price.missing
    ]
    known = [reason for reason in reasons if reason is not None]
    return "; ".join(dict.fromkeys(known)) if known and len(known) == len(reasons) else None


def _fits(row: dict[str, str], component: str, region: str, market: Market) -> bool:
    return row["component"] == component and row["region"] in {"", region} and row["market"] in {"", market}


def _unknown_rules() -> Iterator[str]:
    for row in rows("families"):
        if row["unknown"]:
            yield f"{row['prefix']}…: {row['unknown']}"


def _duplicates(reading: CatalogReading) -> tuple[DuplicateSku, ...]:
    pairs: dict[tuple[str, str, str, Market], list[tuple[Rate, Rate]]] = defaultdict(list)
    for each in reading.duplicates:
        key = each.kept.sku_id, each.dropped.sku_id, each.kept.component, each.kept.market
        pairs[key].append((each.kept, each.dropped))
    return tuple(DuplicateSku(*found[0], len(found)) for _, found in sorted(pairs.items(), key=lambda pair: pair[0]))


def _distinct(found: set[tuple[str, str]], index: int) -> tuple[str, ...]:
    return tuple(sorted({each[index] for each in found}))
