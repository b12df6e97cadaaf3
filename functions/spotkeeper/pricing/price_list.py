"""The price list: every machine type in every region that sells it, in every market."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from spotkeeper.instances import Shape
from spotkeeper.pricing.families import architecture_of
from spotkeeper.pricing.machine_types import known_machine_types, sizes
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.skus import COMMITMENTS, PAID_BY_USE, CatalogReading, Market

_NUMERIC = Decimal("1e-9")
_NEVER_COMMITTED = ("e2-micro", "e2-small", "e2-medium", "f1-micro", "g1-small")
"""https://cloud.google.com/compute/docs/instances/signing-up-committed-use-discounts: no shared-core machine types."""


@dataclass(frozen=True, slots=True)
class MachineTypePrice:
    """A machine type without attachments in one region: USD per hour with nine decimals, None where it is unknown."""

    shape: Shape
    region: str
    architecture: str | None
    prices: dict[Market, Decimal | None]
    as_of: datetime


def machine_type_prices(reading: CatalogReading, read_at: datetime) -> Iterator[MachineTypePrice]:
    """Yield the prices of every machine type in every region that sells it as Spot or on demand."""
    book = PriceBook([*reading.rates, *reading.commitments])
    shapes = [shape for name in known_machine_types() if (shape := known_shape(name))]
    for region in sorted(book.regions):
        for shape in shapes:
            if any(book.sells(shape, region, market) for market in PAID_BY_USE):
                prices = {market: _price(book, shape, region, market) for market in Market}
                yield MachineTypePrice(shape, region, architecture_of(shape.machine_type), prices, read_at)


def known_shape(machine_type: str) -> Shape | None:
    """Return a machine type without attachments; None when its sizes are not known."""
    size = sizes(machine_type)
    if size is None:
        return None
    return Shape(machine_type, size.vcpus, size.memory_gib, size.gpu_type, size.gpu_count, size.local_ssd_gib)


def _price(book: PriceBook, shape: Shape, region: str, market: Market) -> Decimal | None:
    if market in COMMITMENTS and shape.machine_type in _NEVER_COMMITTED:
        return None
    price = book.price(shape, region, market).usd_per_hour
    return None if price is None else price.quantize(_NUMERIC, rounding=ROUND_HALF_UP)
