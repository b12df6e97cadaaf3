"""The daily use case: read Google's own history of Spot prices and preemptions, and compare its prices with ours.

It runs after an hour is recorded and alerted on, and has a status of its own: whatever it does, no hour is incomplete
because of it. The API is in preview: https://cloud.google.com/compute/docs/instances/view-spot-vm-history
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from spotkeeper.errors import UnavailableError
from spotkeeper.logs import log_event
from spotkeeper.periods import local_day, local_hour, rfc3339
from spotkeeper.tracking.capacity_days import PreemptionSpan
from spotkeeper.tracking.capacity_prices import PriceSpan, Rise, latest_rise, prices_held

DUE_HOURS = range(3, 7)
"""The hours of the day in Los Angeles in which a run reads the history; the later ones repeat what failed before."""

READ_DEADLINE_SECONDS = 120
"""After so long no further call is made: the function may have used most of its 900 seconds already."""

ROTATED_SHARE = 5
"""At least one call in five goes to what was not read for the longest time, so that everything is read some day."""

MOST_FAILURES = 3
"""After so many failed calls in a row the service is taken as unavailable until the next run."""

PRICE_DIFFERS = "price differs from Google's price history"
"""The log event of a machine type whose price differs; an alert counts it."""

PRICE_ROSE = "Spot price rose"
"""The log event of a machine type in use whose Spot price rose by more than the setting; an alert reads it."""

RISE_WINDOW = timedelta(days=30)
"""A price is compared with the one of so long ago, so that small rises every week add up."""

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """What one call is about: a machine type in a region, or in one of its zones."""

    machine_type: str
    region: str
    zone: str = ""


class ReadingStatus(StrEnum):
    """The outcome of a call. Unsupported: Google keeps no history of this machine type there."""

    READ = "read"
    UNSUPPORTED = "unsupported"
    QUOTA_EXHAUSTED = "quota_exhausted"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Reading:
    """The outcome of one call, and why it failed.

    Prices are of regions only. No preemptions means that no Spot VM of the type was observed there.
    """

    target: Target
    status: ReadingStatus
    detail: str = ""
    preemptions: tuple[PreemptionSpan, ...] = ()
    prices: tuple[PriceSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target that may be read: its cost of the last week in USD, 0 when it does not run, and its last reading."""

    target: Target
    weekly_cost: Decimal
    read_at: datetime | None = None
    status: ReadingStatus | None = None
    calls_today: int = 0


@dataclass(frozen=True, slots=True)
class PriceDifference:
    """A machine type in use whose price, from SKUs, differs from Google's own by more than a billionth of a dollar."""

    machine_type: str
    region: str
    day: date
    our_price: Decimal
    google_price: Decimal


@dataclass(frozen=True, slots=True)
class PriceRise:
    """A machine type in use whose Spot price rose, by Google's history; its cost of the last week is in USD."""

    machine_type: str
    region: str
    changed_at: datetime
    price_before: Decimal
    price: Decimal
    weekly_cost: Decimal

    @property
    def percent(self) -> Decimal:
        """The rise in percent, with one decimal."""
        return ((self.price / self.price_before - 1) * 100).quantize(Decimal("0.1"))


@dataclass(frozen=True, slots=True)
class CapacityLimits:
    """The most calls of a day, and the rise in percent beyond which a price is notified."""

    calls: int
    price_rise_percent: int = 10


@dataclass(frozen=True, slots=True)
class PriceCheck:
    """The comparison of the prices of machine types in use: how many were compared, and those that differ."""

    compared: int = 0
    differences: tuple[PriceDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class CapacitySummary:
    """The outcome of a run: the calls by status, why the run stopped early, and the comparison of prices."""

    calls: Counter[ReadingStatus]
    stopped: str = ""
    check: PriceCheck = PriceCheck()

    @property
    def status(self) -> str:
        """`read`, `quota_exhausted`, `partial` when some calls failed, `unavailable`, or `nothing_to_do`."""
        if self.calls[ReadingStatus.QUOTA_EXHAUSTED]:
            return ReadingStatus.QUOTA_EXHAUSTED
        if self.calls[ReadingStatus.UNAVAILABLE] or self.stopped:
            return "partial" if self.calls[ReadingStatus.READ] else ReadingStatus.UNAVAILABLE
        return ReadingStatus.READ if self.calls.total() else "nothing_to_do"


class CapacityReader(Protocol):
    """Compute Engine's advice on Spot capacity."""

    def history(self, project_id: str, target: Target) -> Reading:
        """Return the history of a target; a call that failed is a reading with its status."""
        ...


class CapacityLedger(Protocol):
    """The recorded histories; every verb raises UnavailableError."""

    def candidates(self, now: datetime) -> list[Candidate]:
        """Return what is in use and what could replace it, with the last reading and the calls of its day."""
        ...

    def record(self, run_id: str, now: datetime, readings: Sequence[Reading]) -> PriceCheck:
        """Record what was read in one transaction, and return the comparison with our prices of the last days.

        A later reading replaces the days and prices of an earlier one.
        """
        ...


@dataclass(frozen=True, slots=True)
class CapacityPorts:
    """The ports of the use case; `stopwatch` is monotonic."""

    reader: CapacityReader
    ledger: CapacityLedger
    stopwatch: Callable[[], timedelta]


def is_due(now: datetime) -> bool:
    """Return whether a run at this time reads the history."""
    return local_hour(now) in DUE_HOURS


def read_capacity_history(
    project_id: str, limits: CapacityLimits, ports: CapacityPorts, run_id: str, now: datetime
) -> CapacitySummary:
    """Read the histories that this day still has calls for, record them, and compare prices.

    A source that cannot be read is a status of the summary and raises nothing. The calls of a day are limited. When a
    quota is exhausted, nothing is asked before the next day.
    """
    try:
        candidates = ports.ledger.candidates(now)
        readings, stopped = _read(project_id, targets_of_day(candidates, limits.calls, local_day(now)), ports)
        if not readings:
            return CapacitySummary(Counter(), stopped)
        check = ports.ledger.record(run_id, now, readings)
    except UnavailableError as error:
        log_event("capacity history not recorded", logging.WARNING, run_id=run_id, detail=str(error))
        return CapacitySummary(Counter(), str(error))
    for each in check.differences[:_MOST_NAMED]:
        log_event(
            PRICE_DIFFERS,
            logging.WARNING,
            machine_type=each.machine_type,
            region=each.region,
            day=each.day.isoformat(),
            our_price=each.our_price,
            google_price=each.google_price,
        )
    for rise in price_rises(candidates, readings, limits.price_rise_percent, now)[:_MOST_NAMED]:
        log_event(
            PRICE_ROSE,
            logging.WARNING,
            machine_type=rise.machine_type,
            region=rise.region,
            percent=rise.percent,
            price_before=rise.price_before,
            price=rise.price,
            changed_at=rfc3339(rise.changed_at),
            weekly_cost=rise.weekly_cost,
        )
    return CapacitySummary(Counter(each.status for each in readings), stopped, check)


def price_rises(
    candidates: Sequence[Candidate], readings: Sequence[Reading], percent: int, now: datetime
) -> list[PriceRise]:
    """Return the machine types in use whose price rose since their last reading, what costs most first.

    A rise counts when the price is by more than `percent` above the one of 30 days before. Each is returned once, by
    the first reading after it; when the reading before had failed or there was none, again within a week of the rise.
    """
    in_use = {each.target: each for each in candidates if each.weekly_cost and not each.target.zone}
    rises = (
        _price_rise(in_use[reading.target], rise)
        for reading in readings
        if reading.target in in_use and (rise := _rise(in_use[reading.target], reading, now)) is not None
    )
    found = [rise for rise in rises if rise.price > rise.price_before * (1 + Decimal(percent) / 100)]
    return sorted(found, key=lambda each: (-each.weekly_cost, each.machine_type, each.region))


def _price_rise(candidate: Candidate, rise: Rise) -> PriceRise:
    target = candidate.target
    return PriceRise(
        target.machine_type, target.region, rise.changed_at, rise.price_before, rise.price, candidate.weekly_cost
    )


def _rise(candidate: Candidate, reading: Reading, now: datetime) -> Rise | None:
    """Return the rise since the last reading, or of the last week where that failed or there was none."""
    was_read = candidate.read_at if candidate.status is ReadingStatus.READ else None
    since = was_read or now - timedelta(days=7)
    return latest_rise(prices_held(reading.prices, now), since, now - RISE_WINDOW)


def targets_of_day(candidates: Sequence[Candidate], most_calls: int, day: date) -> list[Target]:
    """Return what to ask now, in order: what costs most first, the rest by how long ago it was read.

    What was read this day is not asked again, nor what is not supported unless its turn comes in the rotation.
    """
    if any(_today(each, day) and each.status is ReadingStatus.QUOTA_EXHAUSTED for each in candidates):
        return []
    left = max(most_calls - sum(each.calls_today for each in candidates), 0)
    answered = {ReadingStatus.READ, ReadingStatus.UNSUPPORTED}
    waiting = [each for each in candidates if not (_today(each, day) and each.status in answered)]
    in_use = [each for each in waiting if each.weekly_cost and each.status is not ReadingStatus.UNSUPPORTED]
    in_use.sort(key=lambda each: (-each.weekly_cost, each.target))
    first = in_use[: left - left // ROTATED_SHARE if len(waiting) > left else left]
    chosen = {each.target for each in first}
    rotated = sorted((each for each in waiting if each.target not in chosen), key=_oldest_first)
    return [each.target for each in (*first, *rotated)][:left]


def _today(candidate: Candidate, day: date) -> bool:
    return candidate.read_at is not None and local_day(candidate.read_at) == day


def _oldest_first(candidate: Candidate) -> tuple[float, Decimal, Target]:
    read_at = candidate.read_at.timestamp() if candidate.read_at else 0.0
    return read_at, -candidate.weekly_cost, candidate.target


def _read(project_id: str, targets: Sequence[Target], ports: CapacityPorts) -> tuple[list[Reading], str]:
    """Return what was read, and why the rest of it was not."""
    readings: list[Reading] = []
    started, failures = ports.stopwatch(), 0
    for target in targets:
        if ports.stopwatch() - started >= timedelta(seconds=READ_DEADLINE_SECONDS):
            return readings, f"not read further: the run had read for {READ_DEADLINE_SECONDS} s"
        reading = ports.reader.history(project_id, target)
        readings.append(reading)
        if reading.status is ReadingStatus.QUOTA_EXHAUSTED:
            return readings, f"not read further today: {reading.detail}"
        failures = failures + 1 if reading.status is ReadingStatus.UNAVAILABLE else 0
        if failures == MOST_FAILURES:
            return readings, f"not read further: {failures} calls in a row failed, the last one: {reading.detail}"
    return readings, ""
