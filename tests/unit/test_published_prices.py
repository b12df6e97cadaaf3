"""A whole published price table, taken apart into component rates and put together again by the product.

The rates are solved from as few machine types as determine them, by exact elimination; all others must then follow.
Where the table cannot tell two components apart (all C2 have four GiB for a vCPU) any split of the sum does, and one is
assumed.
"""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from spotkeeper.instances import Shape
from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.machine_types import sizes
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.skus import CatalogReading, Market, Sku, sku_from_json

DATA = Path(__file__).parents[2].parent / "shared" / "data"
PRICES = DATA / "prices" / "published_prices_2026-07-30.csv.gz"
PATTERNS = DATA / "catalog" / "sku_description_patterns.csv"

pytestmark = pytest.mark.skipif(
    not (PRICES.is_file() and PATTERNS.is_file()), reason=f"NO PUBLISHED PRICE IS COMPARED: there is no {PRICES}"
)

type Rates = dict[str, Fraction]
type Equation = tuple[Rates, Fraction]

TOLERANCE = Decimal("1e-6")
NANOS = 10**9
HOURS_PER_MONTH = 730
MARKETS = {"hour": Market.ON_DEMAND, "hour_spot": Market.SPOT}
ORDINARY_SSD = "gce.storage.ssd.local"
ASSUMED = {"cpu": Fraction(746, 100), "gpu": Fraction(300)}
"""The rate of a vCPU and of a GPU as a multiple of that of a GiB, where the table does not tell."""


@dataclass(frozen=True)
class Series:
    """Machine types of the same rates: the end of their keys in the table of patterns, and their local SSD."""

    key: str
    local_ssd: str = ""


SERIES = {
    "c3d": Series("c3d", ORDINARY_SSD),
    "c3": Series("c3", ORDINARY_SSD),
    "z3": Series("z3", ORDINARY_SSD),
    "a2": Series("a2", ORDINARY_SSD),
    "a3": Series("a3", ORDINARY_SSD),
    "a3-megagpu": Series("a3plus", ORDINARY_SSD),
    "c4": Series("c4", "gce.storage.ssd.local.c4"),
    "c4a": Series("c4a", "gce.storage.ssd.local.c4a"),
    "c4d": Series("c4d", "gce.storage.ssd.local.c4d"),
    "c2": Series("compute.optimized"),
    "m1": Series("memory.optimized"),
    "m2": Series("memory.optimized.premium.upgrade"),
    "custom": Series("n1.custom"),
    **{
        name: Series(name) for name in ("c2d", "c4n", "e2", "f1", "g1", "g2", "g4", "h3", "m3", "m4", "m4-ultramem-224")
    },
    **{name: Series(name) for name in ("n1", "n2", "n2d", "n4", "n4a", "n4d", "t2a", "t2d")},
}
GPUS = {
    "a100": "gce.compute.gpu.a100",
    "a100-80gb": "gce.compute.gpu.a100.80gb",
    "h100-80gb": "gce.compute.gpu.h100.80gb",
    "h100-80gb-mega": "gce.compute.gpu.h100.80gb.mega",
    "l4": "gce.compute.gpu.l4",
    "rtx6000": "gce.compute.gpu.rtx6000",
}
NOT_IN_THE_PATTERNS = {
    "gce.compute.cpu.a3plus": ("CPU", "A3Plus Instance Core"),
    "gce.compute.cpu.a3plus.spot": ("CPU", "Spot Preemptible A3Plus Instance Core"),
    "gce.compute.ram.a3plus": ("RAM", "A3Plus Instance Ram"),
    "gce.compute.ram.a3plus.spot": ("RAM", "Spot Preemptible A3Plus Instance Ram"),
}

DIFFERENT_ON_PURPOSE = {
    "no rate for g4:gpu-eighth: the table takes a share of a whole GPU's parts": 120,
    "no rate for n1-custom:ram-extended: the table takes extended memory for ordinary": 168,
    "no rate for c4:local-ssd in asia-southeast3: the table leaves it out": 44,
}
AGREED, NOT_SOLD_AS_SPOT = 34_838, 168


def test_every_published_price_is_the_one_that_the_product_makes_of_its_components() -> None:
    book = PriceBook(_reading().rates)

    outcomes = Counter(_outcome(row, column, book) for row in _published() for column in MARKETS)

    assert outcomes == {"agreed": AGREED, "not sold as Spot": NOT_SOLD_AS_SPOT, **DIFFERENT_ON_PURPOSE}


def test_every_sku_made_of_a_published_pattern_is_matched_once() -> None:
    reading = _reading()

    assert reading.unmatched == ()
    assert reading.duplicates == ()


def _outcome(row: dict[str, str], column: str, book: PriceBook) -> str:
    """What comes of a published price; anything but what is expected above names the machine type."""
    machine_type, region, market = row["machine_type"], row["region"], MARKETS[column]
    price = book.price(_shape(machine_type), region, market)
    if not row[column]:
        return "not sold as Spot" if price.usd_per_hour is None else f"{machine_type} in {region} has a price"
    if price.usd_per_hour is not None:
        difference = price.usd_per_hour - Decimal(row[column])
        return (
            "agreed" if abs(difference) <= TOLERANCE else f"{machine_type} in {region}: {difference} of {row[column]}"
        )
    for words in DIFFERENT_ON_PURPOSE:
        if words.partition(": ")[0].removeprefix("no rate ") in price.reason:
            return words
    return f"{machine_type} in {region}: {price.reason}"


@cache
def _shape(machine_type: str) -> Shape:
    size = sizes(machine_type)
    assert size is not None, machine_type
    return Shape(machine_type, size.vcpus, size.memory_gib, size.gpu_type, size.gpu_count, size.local_ssd_gib)


@cache
def _published() -> list[dict[str, str]]:
    with gzip.open(PRICES, "rt", encoding="utf-8") as table:
        return list(csv.DictReader(table))


@cache
def _reading() -> CatalogReading:
    return read_catalog(sku for column in MARKETS for sku in _skus(_published(), column))


def _skus(published: list[dict[str, str]], column: str) -> Iterator[Sku]:
    """SKUs in the API's form from which the table's prices of one market can have been made."""
    patterns = _descriptions()
    for region, rates in _solve_all(published, column).items():
        for key, usd in rates.items():
            group, words = patterns[key + (".spot" if MARKETS[column] is Market.SPOT else "")]
            yield sku_from_json(_resource(group, words, region, usd, MARKETS[column]))


def _resource(group: str, words: str, region: str, usd: Fraction, market: Market) -> dict[str, Any]:
    memory = group == "RAM" or words.endswith("Ram")
    units, nanos = divmod(round(usd * NANOS * (HOURS_PER_MONTH if group == "LocalSSD" else 1)), NANOS)
    return {
        "skuId": f"{words} {region}",
        "description": f"{words} running in {region}",
        "category": {
            "resourceFamily": "Compute",
            "resourceGroup": group,
            "usageType": "Preemptible" if market is Market.SPOT else "OnDemand",
        },
        "serviceRegions": [region],
        "pricingInfo": [
            {
                "pricingExpression": {
                    "usageUnit": "GiBy.mo" if group == "LocalSSD" else "GiBy.h" if memory else "h",
                    "tieredRates": [
                        {
                            "startUsageAmount": 0,
                            "unitPrice": {"currencyCode": "USD", "units": str(units), "nanos": nanos},
                        }
                    ],
                }
            }
        ],
    }


def _descriptions() -> dict[str, tuple[str, str]]:
    """The group and the description, without a place, of every published pattern."""
    patterns = csv.DictReader(PATTERNS.read_text(encoding="utf-8").splitlines())
    published = {row["MAPPING"]: (row["GROUP"], _completed(row)) for row in patterns if row["SKU_DESCRIPTION"]}
    return published | NOT_IN_THE_PATTERNS


def _completed(row: dict[str, str]) -> str:
    """A pattern is how a description begins; it leaves open which component it is, of what market, and where."""
    words = row["SKU_DESCRIPTION"].partition("%")[0].removesuffix(" running in").removesuffix(" running")
    if words.endswith((" Instance", " optimized")):
        return f"{words} {'Core' if '.cpu.' in row['MAPPING'] else 'Ram'}"
    if " attached" in words:
        return f"{words.partition(' attached')[0]} attached to Spot Preemptible VMs"
    return words


def _solve_all(published: list[dict[str, str]], column: str) -> dict[str, Rates]:
    """The rates of every region by the key of their pattern."""
    by_series: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in published:
        if row[column] and Fraction(row["gpu_count"] or 0).denominator == 1:
            by_series[_series(row["machine_type"]), row["region"]].append(row)
    solved: dict[str, Rates] = defaultdict(dict)
    for name, series in SERIES.items():
        for region, rows in [(region, rows) for (of, region), rows in by_series.items() if of == name]:
            rates = _solve(_equations(series, rows, solved[region], column))
            solved[region].update(rates)
    return solved


@cache
def _series(machine_type: str) -> str:
    """The longest name of a series that a machine type begins with."""
    return max((name for name in SERIES if machine_type.startswith(name + "-") or machine_type == name), key=len)


def _equations(series: Series, rows: Iterable[dict[str, str]], known: Rates, column: str) -> list[Equation]:
    """What each machine type costs less what is known already, then what is assumed where that does not suffice."""
    cpu, ram = f"gce.compute.cpu.{series.key}", f"gce.compute.ram.{series.key}"
    equations: list[Equation] = []
    for row in rows:
        parts = defaultdict(Fraction, {cpu: Fraction(row["vcpu_billed"]), ram: Fraction(row["ram_gib"])})
        if series.key in {"f1", "g1"}:
            parts = defaultdict(Fraction, {cpu: Fraction(1)})
        if series.key == "memory.optimized.premium.upgrade":
            parts["gce.compute.cpu.memory.optimized"] = parts[cpu]
            parts["gce.compute.ram.memory.optimized"] = parts[ram]
        if row["gpu"]:
            parts[GPUS[row["gpu"]]] = Fraction(row["gpu_count"])
        if row["local_ssd_gib"]:
            parts[series.local_ssd] = Fraction(row["local_ssd_gib"])
        rest = Fraction(row[column]) - sum(quantity * known[key] for key, quantity in parts.items() if key in known)
        equations.append(({key: quantity for key, quantity in parts.items() if key not in known}, rest))
    return equations + _assumptions(equations, cpu, ram)


def _assumptions(equations: list[Equation], cpu: str, ram: str) -> list[Equation]:
    """Equations that come last, and so count only where the others leave something open."""
    (parts, total), *_ = equations
    gpus = sorted({key for parts, _ in equations for key in parts if ".gpu." in key})
    if ram not in parts:
        return []
    if not gpus:
        share = total / (parts[ram] + parts[cpu] * ASSUMED["cpu"])
        return [({ram: Fraction(1)}, Fraction(round(share * NANOS), NANOS))]
    multiples = {cpu: ASSUMED["cpu"], **dict.fromkeys(gpus, ASSUMED["gpu"])}
    return [({key: Fraction(1), ram: -multiple}, Fraction(0)) for key, multiple in multiples.items()]


def _solve(equations: Iterable[Equation]) -> Rates:
    """Gauss and Jordan: an equation that follows from those before it is left for the comparison to check."""
    pivots: dict[str, Equation] = {}
    solved: set[str] = set()
    for equation in equations:
        if equation[0].keys() <= solved:
            continue
        parts, total = _without(equation, pivots)
        pivot = next((key for key, quantity in parts.items() if quantity), None)
        if pivot is None:
            continue
        parts, total = {key: quantity / parts[pivot] for key, quantity in parts.items()}, total / parts[pivot]
        pivots = {key: _without(other, {pivot: (parts, total)}) for key, other in pivots.items()}
        pivots[pivot] = parts, total
        solved = {key for key, (others, _) in pivots.items() if sum(map(bool, others.values())) == 1}
    assert all(sum(map(bool, parts.values())) == 1 for parts, _ in pivots.values()), "not all rates are determined"
    return {key: total for key, (_, total) in pivots.items()}


def _without(equation: Equation, pivots: dict[str, Equation]) -> Equation:
    """The equation with every pivot in it replaced by what it is equal to."""
    parts, total = dict(equation[0]), equation[1]
    for pivot, (others, value) in pivots.items():
        if quantity := parts.get(pivot):
            for key, other in ((key, other) for key, other in others.items() if other):
                parts[key] = parts.get(key, Fraction(0)) - quantity * other
            total -= quantity * value
    return parts, total
