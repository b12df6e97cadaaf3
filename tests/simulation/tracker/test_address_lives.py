"""Reserved addresses with lives of their own, drawn from a seed, against what they cost: worked out from these alone.

The truth is in fractions and shares no code with the product: it knows the price of an hour, the days of Los Angeles,
and the rules of the record: an address that its VM kept counts from the stop, any other use from the scan that found
it, or from when the address was reserved since the scan before; and each ends with the last scan that found it.
What is not a Spot VM ends them, and costs nothing here.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import ProvisioningModel
from tests.unit.tracker_fakes import ZONE, Cloud, StoredAddress, Vm
from tests.unit.whole_cost_samples import SOLD

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
HOUR = timedelta(hours=1)
HOURS = 60
USD_AN_HOUR = Fraction(1, 100)
STANDARD = "standard"
NAMES = ("a", "b", "c", STANDARD)

STARTS = {
    "from February into March": datetime(2026, 2, 27, 20, tzinfo=UTC),
    "the night that clocks go forward": datetime(2026, 3, 7, 12, tzinfo=UTC),
    "a leap year's February": datetime(2028, 2, 28, 9, tzinfo=UTC),
    "from October into November": datetime(2026, 10, 30, 20, tzinfo=UTC),
}

type Row = tuple[str, datetime, datetime, str, Decimal]


class ProcessKilledError(Exception):
    """The process of a run has ended."""


@dataclass(frozen=True)
class Life:
    """What an address was assigned to from when on, and when it was reserved and released."""

    name: str
    holders: tuple[tuple[datetime, str], ...]
    created: datetime
    released: datetime | None

    def holder(self, moment: datetime) -> str | None:
        """The VM that has it, empty for none; None while it is not reserved."""
        if moment < self.created or (self.released is not None and moment >= self.released):
            return None
        return [name for since, name in self.holders if since <= moment][-1]


type Runs = dict[str, tuple[tuple[datetime, datetime], ...]]


def nine_digits(amount: Fraction) -> Decimal:
    return (Decimal(amount.numerator) / Decimal(amount.denominator)).quantize(Decimal("1e-9"), ROUND_HALF_UP)


def end_of_day(moment: datetime) -> datetime:
    """The next midnight in Los Angeles."""
    local = moment.astimezone(LOS_ANGELES).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (local + timedelta(days=1)).astimezone(UTC)


def runs_of(draw: random.Random, start: datetime) -> tuple[tuple[datetime, datetime], ...]:
    """Stretches of running of minutes to hours, from long before the first scan on."""
    runs, begin = [], start - timedelta(days=30)
    end = start + timedelta(minutes=draw.randrange(600))
    for _ in range(draw.randrange(2, 8)):
        runs.append((begin, end))
        begin = end + timedelta(seconds=draw.randrange(60, 30_000))
        end = begin + timedelta(seconds=draw.randrange(60, 30_000))
    return tuple(runs)


def life(draw: random.Random, start: datetime, number: int) -> Life:
    """An address that is handed from VM to VM and left, reserved before or within the time, and released or not."""

    def later(moment: datetime) -> datetime:
        return max(moment, start) + timedelta(seconds=draw.randrange(int(HOURS * 3600 * 0.35)))

    created = start - timedelta(days=30) if number % 3 else later(start)
    holders, since = [], created
    for _ in range(draw.randrange(1, 6)):
        holders.append((since, draw.choice(("", "", *NAMES))))
        since = later(since)
    return Life(f"address-{number}", tuple(holders), created, since if draw.random() < 0.4 else None)


def use_of(name: str, runs: Runs, moment: datetime) -> tuple[str, datetime | None]:
    """What a scan finds: the use, and since when a stopped VM is stopped."""
    if not name:
        return "none", None
    if name == STANDARD:
        return "other", None
    if any(begin <= moment < end for begin, end in runs[name]):
        return "running_vm", None
    return "stopped_vm", max(end for _, end in runs[name] if end <= moment)


def true_rows(lives: Sequence[Life], runs: Runs, scans: Sequence[datetime]) -> Iterator[Row]:
    for each in lives:
        rows: list[tuple[str, str, datetime, datetime]] = []
        reserved = [(scan, name) for scan in scans if (name := each.holder(scan)) is not None]
        for scan, name in reserved:
            use, stopped = use_of(name, runs, scan)
            since = scan.replace(minute=0) - (HOUR if scan == scans[0] else 2 * HOUR)
            last = rows[-1] if rows and rows[-1][3] >= since else None
            if use == "other" and last is None:
                continue
            same = last is not None and last[:2] == (use, name)
            at = last[3] if last and same else scan
            if last is None and each.created >= since and use != "stopped_vm":
                at = each.created
            if stopped is not None and (last[1] == name if last else each.created >= since):
                at = max(stopped, since, each.created, last[3] if last else since)
            extend(rows, (use, name), at, scan, same=same)
        for use, _, start, end in rows:
            seconds = 0 if use in {"running_vm", "other"} else int((end - start).total_seconds())
            yield each.name, start, end, use, nine_digits(USD_AN_HOUR * seconds / 3600)


def extend(
    rows: list[tuple[str, str, datetime, datetime]], what: tuple[str, str], at: datetime, scan: datetime, *, same: bool
) -> None:
    """Add the time up to a scan, a row for each day; the last row goes on when it is of the same use."""
    if at == scan and not same:
        rows.append((*what, at, at))
    while at < scan:
        end = min(end_of_day(at), scan)
        if same and rows[-1][3] == at < end_of_day(rows[-1][2]):
            rows[-1] = (*what, rows[-1][2], end)
        else:
            rows.append((*what, at, end))
        at, same = end, True


def fleet(draw: random.Random, start: datetime) -> tuple[Cloud, list[Life], Runs]:
    runs = {name: runs_of(draw, start) for name in NAMES}
    lives = [life(draw, start, number) for number in range(12)]
    vms = [
        Vm(name, runs=runs[name], model=ProvisioningModel.STANDARD if name == STANDARD else ProvisioningModel.SPOT)
        for name in NAMES
    ]
    addresses = [
        StoredAddress(
            each.name,
            tuple((since, ((ZONE, name),) if name else ()) for since, name in each.holders),
            each.created,
            each.released,
        )
        for each in lives
    ]
    cloud = Cloud(vms, addresses=addresses, rates=SOLD)
    cloud.settings = replace(cloud.settings, price_refresh_hours=1)
    return cloud, lives, runs


def recorded(cloud: Cloud) -> list[Row]:
    return [
        (row.name, row.start, row.end, str(row.use), row.cost or Decimal(0)) for row in cloud.ledger.tables.addresses
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_addresses_are_recorded_as_they_lived_and_never_while_their_vm_runs(start: datetime, seed: int) -> None:
    cloud, lives, runs = fleet(random.Random(f"{start}{seed}"), start)  # noqa: S311 (lives, no secrets)
    scans = [start + HOUR * number + timedelta(minutes=7) for number in range(1, HOURS)]

    for scan in scans:
        cloud.run_at(scan)

    assert sorted(recorded(cloud)) == sorted(true_rows(lives, runs, scans))
    names = {vm.instance_id: vm.name for vm in cloud.vms}
    for row in cloud.ledger.tables.addresses:
        if str(row.use) == "stopped_vm" and row.instance_id:
            ran = [(begin, end) for begin, end in runs[names[row.instance_id]] if begin < row.end and end > row.start]
            assert ran == [], row


@pytest.mark.parametrize("seed", range(4))
def test_runs_that_are_killed_repeated_and_out_of_order_record_the_same_addresses(seed: int) -> None:
    start = STARTS["from February into March"]
    draw = random.Random(f"killed{seed}")  # noqa: S311 (as above)
    cloud, lives, runs = fleet(draw, start)
    scans = [start + HOUR * number + timedelta(minutes=7) for number in range(1, HOURS)]
    killed_at: list[str] = []

    def kill(call: str, when: str) -> None:
        if killed_at and killed_at == [f"{call} {when}"]:
            killed_at.clear()
            raise ProcessKilledError

    cloud.on_call = kill
    for number, scan in enumerate(scans):
        if number:
            killed_at[:] = draw.choice(([], ["commit before"], ["commit after"], ["close before"]))
        try:
            cloud.run_at(scan)
        except (ProcessKilledError, UnavailableError):
            killed_at.clear()
            cloud.run_at(scan)
        killed_at.clear()
        if number > 1 and draw.random() < 0.3:
            # A run of an earlier moment comes late, and this one again.
            late = scans[number - draw.randrange(1, 3)]
            cloud.run_at(late, (late.replace(minute=0) - HOUR,))
            cloud.run_at(scan, (scan.replace(minute=0) - HOUR,))

    assert sorted(recorded(cloud)) == sorted(true_rows(lives, runs, scans))
