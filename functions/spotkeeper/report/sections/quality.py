"""Data quality of the figures, in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Chart, Column, Section, Table, Tone, cell
from spotkeeper.report.charts import hour_grid
from spotkeeper.report.rows import HourQuality, ReportRows, Scope
from spotkeeper.report.sums import Sum, days_between, first_and_rest, sum_of

_COMPLETE, _PROVISIONAL, _INCOMPLETE, _FINAL, _MISSING = "complete", "provisional", "incomplete", "final", "missing"
_MOST_TYPES = 8
_LEAST = Decimal("0.001")
_OLD_PRICES_HOURS = 12
_STALE_AFTER = timedelta(hours=3)
_COLUMNS = (
    Column("hour", "Hour (UTC)"),
    Column("state", "State"),
    Column("gaps", "Gaps"),
    Column("unresolved", "Unidentified", is_number=True),
    Column("unpriced", "Unpriced", is_number=True),
    Column("stale", "Stale prices", is_number=True),
    Column("fallback", "Fallback prices", is_number=True),
    Column("uncertain", "Uncertain prices", is_number=True),
)
_DOUBTS = {
    "stale": "a stale price: a newer catalog was due and could not be read",
    "fallback": "a fallback price: the earliest one known, read after their hour",
    "uncertain": "an uncertain price: it changed between two readings of the catalog, and their hour had one of both",
}
_CERTAINTY = {
    "exact_cost": "exact prices",
    "confirmed_cost": "prices that Google's own history confirms",
    "from_history_cost": "prices of that history alone",
    "uncertain_cost": "uncertain prices",
    "fallback_cost": "fallback prices",
    "stale_cost": "stale prices",
}
"""The prices that a part of the cost is at, the surest first."""


@dataclass(frozen=True, slots=True)
class Hours:
    """The numbers of hours of the report by state."""

    complete: int
    incomplete: int
    missing: int
    provisional: int = 0
    final: int = 0

    @property
    def all(self) -> int:
        """The number of all hours."""
        return self.complete + self.provisional + self.incomplete + self.final + self.missing


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Uptime of VMs that no source could identify, in hours, and an estimate of its cost in USD."""

    hours: Decimal
    estimated_cost: Decimal


def unresolved_of(rows: Sequence[HourQuality]) -> Unresolved:
    """Sum up unresolved uptime; a project without any priced VM has no estimate and adds nothing to it."""
    return Unresolved(
        sum((row.unresolved_hours or Decimal(0) for row in rows), Decimal(0)),
        sum((row.estimated_unresolved_cost or Decimal(0) for row in rows), Decimal(0)),
    )


def hours_of(rows: Sequence[HourQuality]) -> Hours:
    """Count the hours of each state."""
    states = [row.state for row in rows]
    return Hours(
        complete=states.count(_COMPLETE),
        incomplete=states.count(_INCOMPLETE),
        missing=states.count(_MISSING),
        provisional=states.count(_PROVISIONAL),
        final=states.count(_FINAL),
    )


def quality(rows: ReportRows, scope: Scope) -> Section:
    """Return the section."""
    hours = hours_of(rows.quality)
    priced = sum_of(rows.places)
    return Section(
        key="quality",
        name="Data quality",
        question="How reliable are these figures?",
        answer=[*_answer(hours, priced), *_certainty(rows.quality)],
        charts=(_chart(rows.quality, scope),) if rows.quality else (),
        tables=(_table(rows.quality),) if rows.quality else (),
        folds_all=True,
        points=_points(rows, scope),
        tone=Tone.WARNING if hours.incomplete or hours.final or hours.missing or is_stale(scope) else Tone.PLAIN,
    )


def is_stale(scope: Scope) -> bool:
    """Whether the latest recorded hour is too old."""
    return scope.as_of is not None and scope.written_at - scope.as_of > _STALE_AFTER


def _answer(hours: Hours, priced: Sum) -> list[str]:
    said = [f"{hours.complete:,} of {wording.things(hours.all, 'hour')} are complete."]
    if hours.incomplete:
        said.append(f"{_hours_are(hours.incomplete)} incomplete: the cost is a lower bound.")
    if hours.missing:
        said.append(f"{_hours_are(hours.missing)} missing: the cost is not in any sum.")
    if hours.provisional:
        said.append(f"{_hours_are(hours.provisional)} provisional: late points may still raise the cost.")
    if hours.final:
        said.append(f"{_hours_are(hours.final)} final, with data that can no longer be read.")
    share = wording.covered(priced.priced_share)
    said.append(f"{share} of the VM-hours have a price; the cost of the others is not included.")
    return said


def _certainty(quality_rows: Sequence[HourQuality]) -> list[str]:
    """Say how much of the cost is at prices of which certainty."""
    costs = {name: sum((getattr(row, name) or Decimal(0) for row in quality_rows), Decimal(0)) for name in _CERTAINTY}
    whole = sum(costs.values(), Decimal(0))
    parts = [f"{_share(cost / whole)} is at {_CERTAINTY[name]}" for name, cost in costs.items() if cost > 0]
    return [f"Of the cost, {', '.join(parts)}."] if parts else []


def _share(share: Decimal) -> str:
    """Return a share of 1, rounded down, so that no doubt is rounded away; a little is not nothing."""
    return f"below {wording.percent(_LEAST * 100)}" if share < _LEAST else wording.covered(share)


def _hours_are(number: int) -> str:
    return f"{wording.things(number, 'hour')} {'is' if number == 1 else 'are'}"


def _points(rows: ReportRows, scope: Scope) -> list[str]:
    quality_rows = rows.quality
    said = []
    if is_stale(scope) and scope.as_of:
        said.append(
            f"The latest recorded hour ended {wording.ago(scope.written_at - scope.as_of)}, at "
            f"{wording.moment(scope.as_of)}: is the tracker running?"
        )
    if quality_rows and quality_rows[0].usage_start_time.astimezone(UTC).date() > scope.first_day:
        said.append("The state of hours is known for the last 45 days: earlier hours cannot be recorded again.")
    if types := sorted(
        {name for row in quality_rows for name in (row.unpriced_machine_types or "").split(", ") if name}
    ):
        shown, rest = first_and_rest(types, _MOST_TYPES)
        more = f" and {len(rest)} more" if rest else ""
        said.append(f"No price is known for {', '.join(shown)}{more}: their cost is unknown.")
    unresolved = unresolved_of(quality_rows)
    if times := sum(row.unresolved or 0 for row in quality_rows):
        said.append(
            f"{wording.things(times, 'time')} no source could identify a VM that ran in an hour: "
            f"{wording.hours(unresolved.hours)} VM-hours in all, Spot or not, that are not in the cost. About "
            f"{wording.money(unresolved.estimated_cost)} if they are Spot VMs at the mean price of their "
            "project, an estimate."
        )
    said += _about_prices(quality_rows)
    if gaps := sorted({name for row in quality_rows for name in (row.gaps or "").split(", ") if name}):
        said.append(f"Could not be read: {', '.join(gaps)}. Later runs retry, unless the hour is final.")
    return said


def _about_prices(quality_rows: Sequence[HourQuality]) -> list[str]:
    said = []
    vm_hours = sum(row.instances or 0 for row in quality_rows)
    for name, meaning in _DOUBTS.items():
        if count := sum(getattr(row, name) for row in quality_rows):
            share = wording.percent(Decimal(count) / vm_hours * 100) if vm_hours else wording.NOTHING
            said.append(f"{share} of the rows have {meaning}.")
    oldest = max((row.prices_age_hours or 0 for row in quality_rows), default=0)
    if oldest > _OLD_PRICES_HOURS:
        said.append(f"The oldest price in use was read {wording.things(oldest, 'hour')} before its hour.")
    return said


def _chart(quality_rows: Sequence[HourQuality], scope: Scope) -> Chart:
    first = quality_rows[0].usage_start_time.astimezone(UTC).date()
    last = quality_rows[-1].usage_start_time.astimezone(UTC).date()
    states = {(row.usage_start_time.date(), row.usage_start_time.hour): _kind(row) for row in quality_rows}
    return hour_grid(
        "quality-chart",
        "State of every hour (UTC)",
        _described(states),
        days_between(first, max(scope.last_day, last)),
        states,
    )


def _described(states: Mapping[tuple[date, int], str]) -> str:
    kinds = list(states.values())
    return (
        f"A cell for each hour: {kinds.count('fine'):,} complete, {kinds.count('fair'):,} provisional or "
        f"complete with a caveat, {kinds.count('poor'):,} incomplete, {kinds.count('missing'):,} missing."
    )


def _kind(row: HourQuality) -> str:
    if row.state == _MISSING:
        return "missing"
    if row.state in {_INCOMPLETE, _FINAL}:
        return "poor"
    doubtful = row.unresolved or row.unpriced or any(getattr(row, name) for name in _DOUBTS)
    return "fair" if row.state == _PROVISIONAL or doubtful else "fine"


def _table(quality_rows: Sequence[HourQuality]) -> Table:
    doubtful = [row for row in reversed(quality_rows) if _kind(row) != "fine"]
    doubtful.sort(key=lambda row: row.state == _COMPLETE)
    listed, rest = first_and_rest(doubtful)
    return Table(
        "quality",
        "Hours with a caveat",
        _COLUMNS,
        [_line(row) for row in listed],
        note=f"Incomplete and missing hours first, then the newest; {len(rest):,} more have a caveat." if rest else "",
    )


def _line(row: HourQuality) -> list[Cell]:
    return [
        cell(row.usage_start_time, wording.short_moment),
        cell(row.state, tone=Tone.PLAIN if row.state == _COMPLETE else Tone.WARNING),
        cell(row.gaps),
        cell(row.unresolved, wording.count),
        cell(row.unpriced, wording.count),
        cell(row.stale, wording.count),
        cell(row.fallback, wording.count),
        cell(row.uncertain, wording.count),
    ]
