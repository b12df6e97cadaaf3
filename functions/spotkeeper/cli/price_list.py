"""The price list: every machine type in every region where it is sold, as CSV."""

import csv
from collections.abc import Iterable
from typing import TextIO

from spotkeeper.cli.amounts import exact
from spotkeeper.cli.quotes import status
from spotkeeper.instances import Shape
from spotkeeper.pricing.machine_types import known_machine_types
from spotkeeper.pricing.price_book import Price, PriceBook
from spotkeeper.pricing.price_list import known_shape
from spotkeeper.pricing.skus import PAID_BY_USE, Market

COLUMNS = (
    "machine_type",
    "region",
    "vcpus",
    "memory_gib",
    "gpu",
    "local_ssd_gib",
    "spot",
    "ondemand",
    "spot_status",
    "ondemand_status",
    "reason",
)


def write_price_list(book: PriceBook, regions: Iterable[str], out: TextIO) -> None:
    """Write a row for each machine type and region, as it is worked out, in USD per hour."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    shapes = [shape for name in known_machine_types() if (shape := known_shape(name))]
    for region in regions:
        for shape in shapes:
            if any(book.sells(shape, region, market) for market in PAID_BY_USE):
                writer.writerow(_row(shape, region, book))


def _row(shape: Shape, region: str, book: PriceBook) -> list[str]:
    spot, ondemand = (book.price(shape, region, market) for market in (Market.SPOT, Market.ON_DEMAND))
    return [
        shape.machine_type,
        region,
        exact(shape.vcpus) if shape.vcpus else "",
        exact(shape.memory_gib) if shape.memory_gib else "",
        f"{shape.gpu_type}={shape.gpu_count}" if shape.gpu_count else "",
        str(shape.local_ssd_gib or ""),
        _amount(spot),
        _amount(ondemand),
        status(spot),
        status(ondemand),
        "; ".join(dict.fromkeys(price.reason for price in (spot, ondemand) if price.reason)),
    ]


def _amount(price: Price) -> str:
    return "" if price.usd_per_hour is None else exact(price.usd_per_hour)
