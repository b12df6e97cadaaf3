"""Places where a machine type could run: price, preemptions, and the cost of an hour of useful work."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import groupby

_NANO = Decimal("1e-9")
MIN_OWN_HOURS = 100
"""VM-hours from which on our own preemptions tell a rate, as in the view placement_options.

Without a preemption in so many, the rate is below 3 percent an hour with a confidence of 95 %, by the rule of three.
"""

_REPEATED_SHARE = Decimal("0.5")
"""A preemption comes at any time between two checkpoints, so half of the interval is repeated in the mean."""


class Scope(StrEnum):
    """How far a place is from where the machine type runs now; the order is that of the output."""

    HERE = "here"
    NEAR = "near"
    FAR = "far"
    OTHER_TYPE = "other type"


@dataclass(frozen=True, slots=True)
class GoogleRate:
    """Google's preemption rate, the mean of the observed days: preempted Spot VMs divided by all that stopped.

    It ranks places, and is no probability: https://cloud.google.com/compute/docs/instances/view-spot-vm-history
    """

    mean: Decimal
    observed_days: int


class GoogleHistory(StrEnum):
    """Whether Google's history of a place was read in the last 30 days. Unsupported: Google keeps none there."""

    NOT_READ = "not_read"
    READ = "read"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """Our own preemptions in so many VM-hours."""

    preemptions: int
    vm_hours: Decimal

    @property
    def hourly_rate(self) -> Decimal:
        """Preemptions per VM-hour."""
        return self.preemptions / self.vm_hours


@dataclass(frozen=True, slots=True)
class InUse:
    """A machine type in a region, and its VM-hours of the last week: 0 when it does not run there."""

    machine_type: str
    region: str
    weekly_vm_hours: Decimal


@dataclass(frozen=True, slots=True)
class Place:
    """A machine type in a region, or in one of its zones; prices are USD per VM-hour and those of the region.

    `google` is None when nothing was observed or read, `own` when nothing of ours ran there: neither means safe.
    """

    scope: Scope
    machine_type: str
    region: str
    zone: str
    vcpus: Decimal
    memory_gib: Decimal
    spot_price: Decimal
    ondemand_price: Decimal | None = None
    slower_because: str | None = None
    google: GoogleRate | None = None
    own: OwnRecord | None = None
    google_history: GoogleHistory = GoogleHistory.NOT_READ


class LiveStatus(StrEnum):
    """The outcome of asking Google for the capacity of a place; `none` is a response without a recommendation."""

    KNOWN = "known"
    NONE = "none"
    UNSUPPORTED = "unsupported"
    DENIED = "denied"
    QUOTA_EXHAUSTED = "quota_exhausted"
    UNAVAILABLE = "unavailable"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Live:
    """Google's present estimate for a number of VMs, or why there is none; it is no promise.

    Obtainability, 0 to 1, is the likelihood that the VMs can be created; uptime is what most of them run at least.
    """

    status: LiveStatus
    detail: str = ""
    obtainability: Decimal | None = None
    uptime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class RankedPlace:
    """A place with its rank by Google's rate, 1 the lowest, and the cost of an hour of useful work in USD."""

    place: Place
    google_rank: int | None
    useful_hour_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Advice:
    """What is in use, its Spot price there, and the places to choose from."""

    in_use: InUse
    spot_price: Decimal
    places: tuple[RankedPlace, ...]

    def savings_percent(self, place: Place) -> Decimal:
        """Return what a place costs less than here, in percent; negative where it costs more."""
        return (1 - place.spot_price / self.spot_price) * 100

    def monthly_savings(self, place: Place, hours_per_month: int) -> Decimal:
        """Return what moving all VM-hours of the last week saves in a month in USD, as the view placement_options."""
        weekly_hours = 7 * 24
        return (self.spot_price - place.spot_price) * self.in_use.weekly_vm_hours * hours_per_month / weekly_hours


def useful_hour_cost(spot_price: Decimal, own: OwnRecord | None, checkpoint_hours: Decimal) -> Decimal | None:
    """Return what an hour of useful work costs in USD; None with fewer VM-hours of our own than MIN_OWN_HOURS.

    The price, and for each preemption half a checkpoint interval again: to first order, which holds while a VM is
    rarely preempted twice in one interval. Google's rate is no hazard and does not enter.
    """
    if own is None or own.vm_hours < MIN_OWN_HOURS:
        return None
    return (spot_price * (1 + own.hourly_rate * checkpoint_hours * _REPEATED_SHARE)).quantize(_NANO)


def advise(in_use: InUse, places: Sequence[Place], checkpoint_hours: Decimal) -> Advice:
    """Return the places in order of scope, each scope by cost.

    A scope is ordered by the cost of useful work when it is known of all its places, else by price. The region in
    which the machine type is in use is one of the places.
    """
    spot_price = next(each.spot_price for each in places if each.scope is Scope.HERE)
    ranks = _google_ranks(places)
    ranked = [
        RankedPlace(
            each,
            ranks.get(each.google.mean) if each.google else None,
            useful_hour_cost(each.spot_price, each.own, checkpoint_hours),
        )
        for each in places
    ]
    order = list(Scope)
    ranked.sort(key=lambda each: order.index(each.place.scope))
    ordered = [
        each for _, group in groupby(ranked, key=lambda each: each.place.scope) for each in _by_cost(list(group))
    ]
    return Advice(in_use, spot_price, tuple(ordered))


def _by_cost(places: Sequence[RankedPlace]) -> list[RankedPlace]:
    known = all(each.useful_hour_cost is not None for each in places)

    def key(each: RankedPlace) -> tuple[bool, Decimal, str, str, str]:
        place = each.place
        cost = each.useful_hour_cost if known else None
        # The region in which it runs comes before its zones.
        is_part = place.scope is Scope.HERE and bool(place.zone)
        return is_part, cost or place.spot_price, place.region, place.zone, place.machine_type

    return sorted(places, key=key)


def _google_ranks(places: Sequence[Place]) -> dict[Decimal, int]:
    """Return the rank of each rate: equal rates have the same."""
    rates = sorted({each.google.mean for each in places if each.google})
    return {rate: sum(bool(each.google and each.google.mean < rate) for each in places) + 1 for rate in rates}
