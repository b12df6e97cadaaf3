"""Turn the SKUs of disks, addresses, bandwidth and licenses into rates: what a VM needs beside its machine type.

As for components, a SKU is matched only when its description, without its place, is a wording of `data/attachments.csv`
from the first word to the last. What looks like a disk, an address or bandwidth and matches none is reported; licenses
are many, of products of other vendors too, and those without a row are counted.
"""

import re
from decimal import Decimal
from functools import cache

from spotkeeper.pricing.reference_data import rows
from spotkeeper.pricing.sku_rates import (
    LIST_HOURS_PER_MONTH,
    MARKETS,
    Unmatched,
    check_currency,
    normal,
    rates_in_regions,
    without_place,
)
from spotkeeper.pricing.skus import PAID_BY_USE, AttachmentReading, Market, Rate, RateUnit, Sku, UnmatchedSku

_LICENSE = "License"
_USAGE_TYPES = {usage_type for usage_type, market in MARKETS.items() if market in PAID_BY_USE}
_FAMILIES = {_LICENSE, "Network", "Storage"}
_LOOKS_LIKE_ATTACHMENT = re.compile(
    r"\b(?:pd|hyperdisk)\b.* (?:capacity|iops|throughput)\b|\bip charge\b|\bvm network bandwidth up to\b"
)
_MARKET_WORDS = re.compile(r"^(?:on-demand|(?:spot )?preemptible|spot) (?=fee for )")
_VERSION = "{version}"
_ANY_VERSION = r"\d[\w.]*(?: r\d| sp\d)?"

_PER_HOUR = {"h": Decimal(1)}
_PER_MONTH = {"mo": 1 / LIST_HOURS_PER_MONTH}
_FACTORS = {
    RateUnit.ADDRESS_HOUR: _PER_HOUR,
    RateUnit.INSTANCE_HOUR: _PER_HOUR,
    RateUnit.VCPU_HOUR: _PER_HOUR,
    RateUnit.GPU_HOUR: _PER_HOUR,
    RateUnit.GIB_HOUR: {"GiBy.h": Decimal(1), "GiBy.mo": 1 / LIST_HOURS_PER_MONTH},
    RateUnit.IOPS_HOUR: _PER_MONTH,
    RateUnit.MIBPS_HOUR: _PER_MONTH,
}

type _Match = tuple[str, RateUnit]


class AttachmentReader:
    """Reads SKUs one by one; the result is the same whatever their order."""

    def __init__(self) -> None:
        self._offers: dict[tuple[str, Market, str], tuple[tuple[int, Decimal, str], Rate]] = {}
        self._unmatched: set[UnmatchedSku] = set()
        self._licenses = 0

    def read(self, sku: Sku) -> None:
        """Take what a SKU says; raises ForeignCurrencyError when an attachment is not priced in US dollars."""
        found = attachment_rates_of(sku)
        if isinstance(found, Unmatched):
            if sku.resource_family == _LICENSE:
                self._licenses += 1
            else:
                what = sku.sku_id, sku.description, found.reason, sku.usage_type, sku.service_regions
                self._unmatched.add(UnmatchedSku(*what))
            return
        for rate in found:
            offer = (len(sku.service_regions), -rate.usd, rate.sku_id), rate
            key = rate.component, rate.market, rate.region
            self._offers[key] = min(self._offers.get(key, offer), offer, key=lambda each: each[0])

    def reading(self) -> AttachmentReading:
        """Return what was read: of two SKUs for one component, that of fewer regions, then the more expensive one."""
        rates = tuple(rate for _, (_, rate) in sorted(self._offers.items(), key=lambda each: each[0]))
        unmatched = sorted(self._unmatched, key=lambda each: (each.sku_id, each.description, each.regions))
        return AttachmentReading(rates, tuple(unmatched), self._licenses)


def attachment_rates_of(sku: Sku) -> tuple[Rate, ...] | Unmatched:
    """Return the rates of a SKU, one for each region; none when it is no attachment; Unmatched when no row fits it.

    Raises ForeignCurrencyError when an attachment is not priced in US dollars.
    """
    if sku.resource_family not in _FAMILIES or sku.usage_type not in _USAGE_TYPES:
        return ()
    description = normal(sku.description)
    if sku.resource_family != _LICENSE and not _LOOKS_LIKE_ATTACHMENT.search(description):
        return ()
    if any(words in description for words in _ignored()):
        return ()
    match = _match(without_place(_MARKET_WORDS.sub("", description)))
    return Unmatched("no disk, address or license is worded like this") if match is None else _priced(sku, match)


def attached_units_per(unit: RateUnit, usage_unit: str) -> Decimal | None:
    """Return how many of a SKU's usage units one unit of an attachment is; None when they measure other things."""
    return _FACTORS[unit].get(usage_unit)


def _priced(sku: Sku, match: _Match) -> tuple[Rate, ...] | Unmatched:
    component, unit = match
    if sku.usage_unit not in _FACTORS[unit]:
        return Unmatched(f"its unit {sku.usage_unit!r} is not one of a {unit}")
    paid = [usd for _, usd in sku.tiers if usd > 0]
    if len(set(paid)) > 1:
        starts = ", ".join(str(start) for start, _ in sku.tiers)
        return Unmatched(f"its price has tiers that start at {starts}")
    if not sku.service_regions:
        return Unmatched("it names no region")
    check_currency(sku)
    if not paid:
        return ()
    return rates_in_regions(sku, component, MARKETS[sku.usage_type], unit, paid[0] * _FACTORS[unit][sku.usage_unit])


def _match(wording: str) -> _Match | None:
    exact, patterns = _wordings()
    if found := exact.get(wording):
        return found
    return next((match for pattern, match in patterns if pattern.fullmatch(wording)), None)


@cache
def _wordings() -> tuple[dict[str, _Match], tuple[tuple[re.Pattern[str], _Match], ...]]:
    """The component and unit of each wording, and of those with a version."""
    exact, patterns = {}, []
    for row in rows("attachments"):
        match, wording = (row["component"], RateUnit(row["unit"])), row["wording"].casefold()
        before, versioned, after = wording.partition(_VERSION)
        if versioned:
            patterns.append((re.compile(re.escape(before) + _ANY_VERSION + re.escape(after)), match))
        else:
            exact[wording] = match
    return exact, tuple(patterns)


@cache
def _ignored() -> tuple[str, ...]:
    return tuple(row["words"] for row in rows("ignored_attachments"))
