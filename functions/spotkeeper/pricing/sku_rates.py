"""Turn one SKU of the Billing Catalog into component rates: USD per vCPU-hour, GiB-hour or GPU-hour in each region.

A SKU is matched only when its description, without market, place and term, is a wording of `data/components.csv` or of
`data/commitments.csv` from the first word to the last: prefixes are ambiguous (N2 and N2D, Custom and N2 Custom), and
much that is no part of an instance is worded almost the same. A SKU that looks like a component and matches no row is
reported, never guessed.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from spotkeeper.pricing.reference_data import rows
from spotkeeper.pricing.skus import CURRENCY, ForeignCurrencyError, Market, Rate, RateUnit, Sku

MARKETS = {
    "Preemptible": Market.SPOT,
    "OnDemand": Market.ON_DEMAND,
    "Commit1Yr": Market.COMMITMENT_1YR,
    "Commit3Yr": Market.COMMITMENT_3YR,
}
"""The market is the usage type; descriptions were reworded more than once."""

type _Match = tuple[str, RateUnit]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A SKU that looks like a component but has no rate, and why."""

    reason: str


_COMMITTED_USE = ("Commit", "Cmt")
"""Prefixes of the usage types of committed use, resource-based or not."""

_COMPONENT_GROUPS = {"CPU", "RAM", "GPU", "LocalSSD", "N1Standard", "F1Micro", "G1Small"}
_COMPONENT_FAMILIES = {"Compute", "Storage"}
_LOOKS_LIKE_COMPONENT = re.compile(r"\b(?:instance (?:core|ram)|gpu|local (?:ssd|storage))\b", re.IGNORECASE)
_TPU_WORDS = ("tpu", "cloud tpu", "spot preemptible tpu", "preemptible tpu")
_SPOT_WORDS = re.compile(r"^(?:spot )?preemptible |^spot | attached to (?:(?:spot )?preemptible|spot) vms?\b")
_PLACE = re.compile(r" (?:running )?in (?!.* in ).*$")
_COMMITMENT = re.compile(r"commitment(?: v1)?: (?P<wording>.+?) (?:running )?in (?!.* in ).+ for [13] years?")
_GIB_PER_GB = Decimal("1.073741824")
LIST_HOURS_PER_MONTH = Decimal(730)
"""The hours of a month in Google's price lists: https://cloud.google.com/compute/disks-image-pricing."""

BY_MONTH = ("GiBy.mo", "GBy.mo", "mo")
"""The usage units of what Google sells by the month."""

_PER_HOUR = {"h": Decimal(1)}
_PER_GIB_HOUR = {
    "GiBy.h": Decimal(1),
    "GBy.h": _GIB_PER_GB,
    "GiBy.mo": 1 / LIST_HOURS_PER_MONTH,
    "GBy.mo": _GIB_PER_GB / LIST_HOURS_PER_MONTH,
}
_FACTORS = {
    RateUnit.VCPU_HOUR: _PER_HOUR,
    RateUnit.GIB_HOUR: _PER_GIB_HOUR,
    RateUnit.GPU_HOUR: _PER_HOUR,
    RateUnit.INSTANCE_HOUR: _PER_HOUR,
}


def rates_of(sku: Sku) -> tuple[Rate, ...] | Unmatched:
    """Return the rates of a SKU, one for each region; none when it is no component; Unmatched when no rule fits it.

    Raises ForeignCurrencyError when a component is not priced in US dollars.
    """
    if sku.usage_type.startswith(_COMMITTED_USE):
        return _committed(sku)
    return _paid_by_use(sku) if _may_be_component(sku) else ()


def is_tpu(sku: Sku) -> bool:
    """Whether a SKU is that of a TPU: those are billed by the chip."""
    return sku.resource_group == "TPU" or sku.description.casefold().startswith(_TPU_WORDS)


def _may_be_component(sku: Sku) -> bool:
    """Whether the resource group is one of components, or the description reads like one."""
    return sku.resource_group in _COMPONENT_GROUPS or (
        sku.resource_family in _COMPONENT_FAMILIES and bool(_LOOKS_LIKE_COMPONENT.search(sku.description))
    )


def _paid_by_use(sku: Sku) -> tuple[Rate, ...] | Unmatched:
    description = normal(sku.description)
    if any(words in description for words in _ignored_skus()):
        return ()
    match = _wordings("components").get(without_place(_SPOT_WORDS.sub("", description)))
    if match is None:
        return Unmatched("no component is worded like this")
    # A few Spot SKUs, such as that of A4, have the usage type of on-demand.
    return _priced(sku, match, Market.SPOT if _SPOT_WORDS.search(description) else None)


def _committed(sku: Sku) -> tuple[Rate, ...] | Unmatched:
    """The rates of a commitment to vCPUs, memory, GPUs or local SSD; none for another wording."""
    if sku.resource_group not in _COMPONENT_GROUPS or sku.usage_type not in MARKETS:
        return ()
    worded = _COMMITMENT.fullmatch(normal(sku.description))
    match = _wordings("commitments").get(worded["wording"]) if worded else None
    return _priced(sku, match) if match else ()


def _priced(sku: Sku, match: _Match, market: Market | None = None) -> tuple[Rate, ...] | Unmatched:
    component, unit = match
    if unmatched := _unreadable(sku, unit):
        return unmatched
    check_currency(sku)
    if not sku.tiers or sku.tiers[0][1] <= 0:
        return ()
    usd = sku.tiers[0][1] * _FACTORS[unit][sku.usage_unit]
    bought = market or MARKETS[sku.usage_type]
    return rates_in_regions(sku, component, bought, unit, usd)


def _unreadable(sku: Sku, unit: RateUnit) -> Unmatched | None:
    """Why the price of a component cannot be read; None when it can."""
    if sku.resource_group not in _COMPONENT_GROUPS:
        return Unmatched(f"its group {sku.resource_group!r} is not one of components")
    if sku.usage_type not in MARKETS:
        return Unmatched(f"its usage type {sku.usage_type!r} is neither on-demand nor Spot")
    if sku.usage_unit not in _FACTORS[unit]:
        return Unmatched(f"its unit {sku.usage_unit!r} is not one of a {unit}")
    if len(sku.tiers) > 1 or any(start for start, _ in sku.tiers):
        starts = ", ".join(str(start) for start, _ in sku.tiers)
        return Unmatched(f"its price has tiers that start at {starts}")
    return None if sku.service_regions else Unmatched("it names no region")


def normal(description: str) -> str:
    """Return a description as wordings are compared: in lower case, with single blanks."""
    return " ".join(description.casefold().split())


def without_place(description: str) -> str:
    """Return a normal description without the place at its end: `in iowa`, `running in iowa`."""
    return _PLACE.sub("", description)


def units_per(unit: RateUnit, usage_unit: str) -> Decimal | None:
    """Return how many of a SKU's usage units one unit of a component is; None when they measure other things."""
    return _FACTORS[unit].get(usage_unit) if unit in _FACTORS else None


def check_currency(sku: Sku) -> None:
    """Raise ForeignCurrencyError when a SKU is not priced in US dollars."""
    if sku.tiers and sku.currency != CURRENCY:
        message = f"SKU {sku.sku_id} ({sku.description}) is priced in {sku.currency!r}, not in {CURRENCY}"
        raise ForeignCurrencyError(message)


def rates_in_regions(sku: Sku, component: str, market: Market, unit: RateUnit, usd: Decimal) -> tuple[Rate, ...]:
    """Return the rate of a SKU at this price in each of its regions."""
    by_month = sku.usage_unit in BY_MONTH
    return tuple(
        Rate(component, market, region, sku.sku_id, sku.description, unit, usd, by_month)
        for region in sku.service_regions
    )


@cache
def _wordings(table: str) -> dict[str, _Match]:
    """The component and unit of each wording in one of the tables."""
    return {row["wording"].casefold(): (row["component"], RateUnit(row["unit"])) for row in rows(table)}


@cache
def _ignored_skus() -> tuple[str, ...]:
    return tuple(row["words"] for row in rows("ignored_skus"))
