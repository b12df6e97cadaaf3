"""Prices of the world over time: SKUs as the Cloud Billing Catalog words them, and the price of a machine in an hour.

Prices are those that Google published in July 2026 for us-central1; those of the other region are a tenth higher.
"""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.simulation.tracker.machines import LOCAL_SSD, Machine

PLACES = {"us-central1": "Iowa", "europe-west4": "Netherlands"}
DEARER = {"us-central1": Fraction(1), "europe-west4": Fraction(11, 10)}
BILLING_TIME = ZoneInfo("America/Los_Angeles")
_NANOS = 10**9

type Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a machine: the wording of its SKU, resource group, unit, and USD as Spot and on demand."""

    words: str
    group: str
    unit: str
    spot: str
    on_demand: str


_PARTS = {
    "n2 core": _Part("N2 Instance Core", "CPU", "h", "0.01363", "0.031611"),
    "n2 ram": _Part("N2 Instance Ram", "RAM", "GiBy.h", "0.001827", "0.004237"),
    "e2 core": _Part("E2 Instance Core", "CPU", "h", "0.01309", "0.02181159"),
    "e2 ram": _Part("E2 Instance Ram", "RAM", "GiBy.h", "0.001754", "0.00292353"),
    "t2d core": _Part("T2D AMD Instance Core", "CPU", "h", "0.00725", "0.027502"),
    "t2d ram": _Part("T2D AMD Instance Ram", "RAM", "GiBy.h", "0.000972", "0.003686"),
    "n1 core": _Part("N1 Predefined Instance Core", "N1Standard", "h", "0.01115", "0.031611"),
    "n1 ram": _Part("N1 Predefined Instance Ram", "N1Standard", "GiBy.h", "0.001494", "0.004237"),
    "c3 core": _Part("C3 Instance Core", "CPU", "h", "0.00849", "0.03465"),
    "c3 ram": _Part("C3 Instance Ram", "RAM", "GiBy.h", "0.000965", "0.003938"),
    "g2 core": _Part("G2 Instance Core", "CPU", "h", "0.014054", "0.024998004"),
    "g2 ram": _Part("G2 Instance Ram", "RAM", "GiBy.h", "0.001645", "0.002925"),
    "a2 core": _Part("A2 Instance Core", "CPU", "h", "0.01659", "0.031611"),
    "a2 ram": _Part("A2 Instance Ram", "RAM", "GiBy.h", "0.002224", "0.004237"),
    "custom core": _Part("Custom Instance Core", "CPU", "h", "0.0117", "0.03319155"),
    "custom ram": _Part("Custom Instance Ram", "RAM", "GiBy.h", "0.001569", "0.004446"),
    "n2-custom core": _Part("N2 Custom Instance Core", "CPU", "h", "0.0143115", "0.03319155"),
    "n2-custom ram": _Part("N2 Custom Instance Ram", "RAM", "GiBy.h", "0.00191835", "0.00444885"),
    "n2-custom extended ram": _Part("N2 Custom Extended Instance Ram", "RAM", "GiBy.h", "0.003121", "0.009550"),
    "nvidia-tesla-t4": _Part("Nvidia Tesla T4 GPU", "GPU", "h", "0.209", "0.35"),
    "nvidia-l4": _Part("Nvidia L4 GPU", "GPU", "h", "0.3148", "0.560040239"),
    "nvidia-tesla-a100": _Part("Nvidia Tesla A100 GPU", "GPU", "h", "1.5399", "2.933908"),
    LOCAL_SSD: _Part("SSD backed Local Storage", "LocalSSD", "GiBy.mo", "0.0428", "0.08"),
}


@dataclass(frozen=True, slots=True)
class Move:
    """All Spot prices become so many times their first price at this time."""

    at: datetime
    factor: Fraction


type Moves = tuple[Move, ...]


def price(machine: Machine, region: str, at: datetime, moves: Moves) -> Fraction:
    """Return the Spot price of a machine in USD per hour; what is priced by the month by the hours of its month."""
    total = Fraction(0)
    for part, quantity in machine.parts.items():
        usd = Fraction(_nanos(part, region, at, moves, spot=True), _NANOS)
        hours = _hours_of_month(at) if _PARTS[part].unit == "GiBy.mo" else Fraction(1)
        total += usd * quantity / hours
    return total


def mean_price(machine: Machine, region: str, spans: Iterable[tuple[datetime, Fraction]], moves: Moves) -> Fraction:
    """Return the mean of the Spot prices of some times, each with the seconds that a machine ran from then on."""
    every = [(price(machine, region, at, moves), seconds) for at, seconds in spans]
    total = sum((seconds for _, seconds in every), Fraction(0))
    return sum((usd * seconds for usd, seconds in every), Fraction(0)) / total if total else every[0][0]


def catalog(at: datetime, moves: tuple[Move, ...]) -> list[Json]:
    """Return every SKU of the catalog as it stands at a moment."""
    return [
        _sku(part, region, spot=spot, nanos=_nanos(part, region, at, moves, spot=spot))
        for part in _PARTS
        for region in PLACES
        for spot in (True, False)
    ]


def nine_digits(amount: Fraction) -> Decimal:
    """Round half up to nine decimals, as many as BigQuery's NUMERIC keeps."""
    return Decimal((amount * _NANOS + Fraction(1, 2)).__floor__()).scaleb(-9)


def midnight_in_billing_time(day: datetime) -> datetime:
    """Return the midnight in Los Angeles that begins the day of a moment there."""
    local = day.astimezone(BILLING_TIME).replace(hour=0, minute=0, second=0, microsecond=0)
    return local.astimezone(day.tzinfo)


def _nanos(part: str, region: str, at: datetime, moves: tuple[Move, ...], *, spot: bool) -> int:
    row = _PARTS[part]
    factor = DEARER[region]
    if spot:
        factor *= next((move.factor for move in reversed(moves) if move.at <= at), Fraction(1))
    return round(Fraction(row.spot if spot else row.on_demand) * factor * _NANOS)


def _hours_of_month(at: datetime) -> Fraction:
    local = at.astimezone(BILLING_TIME)
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    following = (first + timedelta(days=monthrange(local.year, local.month)[1])).replace(fold=0)
    return Fraction((following.astimezone(at.tzinfo) - first.astimezone(at.tzinfo)) // timedelta(hours=1))


def _sku(part: str, region: str, *, spot: bool, nanos: int) -> Json:
    row = _PARTS[part]
    joined = "in" if row.group == "LocalSSD" else "running in"
    if not spot:
        description = f"{row.words} {joined} {PLACES[region]}"
    elif row.group in {"GPU", "LocalSSD"}:
        description = f"{row.words} attached to Spot Preemptible VMs {joined} {PLACES[region]}"
    else:
        description = f"Spot Preemptible {row.words} {joined} {PLACES[region]}"
    amount = {"currencyCode": "USD", "units": str(nanos // _NANOS), "nanos": nanos % _NANOS}
    return {
        "skuId": f"{part}/{region}/{'spot' if spot else 'on-demand'}".upper().replace(" ", "-"),
        "description": description,
        "category": {
            "serviceDisplayName": "Compute Engine",
            "resourceFamily": "Storage" if row.group == "LocalSSD" else "Compute",
            "resourceGroup": row.group,
            "usageType": "Preemptible" if spot else "OnDemand",
        },
        "serviceRegions": [region],
        "pricingInfo": [
            {
                "pricingExpression": {
                    "usageUnit": row.unit,
                    "tieredRates": [{"startUsageAmount": 0, "unitPrice": amount}],
                }
            }
        ],
    }
