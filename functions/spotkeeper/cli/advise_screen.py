"""The screen of `advise`: what to look at first, a table of places for each machine type, and how to read it."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from spotkeeper.advice.choices import Basis, Choice, first_choice
from spotkeeper.advice.placements import (
    MIN_OWN_HOURS,
    Advice,
    GoogleHistory,
    Live,
    LiveStatus,
    OwnRecord,
    Place,
    RankedPlace,
    Scope,
)
from spotkeeper.cli.amounts import HOURS_PER_MONTH, cents
from spotkeeper.cli.text_tables import aligned

_KINDS = {Scope.HERE: "here", Scope.NEAR: "near", Scope.FAR: "far", Scope.OTHER_TYPE: "as"}
_NOTHING_OBSERVED = {
    GoogleHistory.NOT_READ: "not read",
    GoogleHistory.READ: "none seen",
    GoogleHistory.UNSUPPORTED: "no history",
}
_COLUMNS = ("where", "USD/h", "saves", "a month", "Google", "own", "useful", "can be had")
_TO_THE_RIGHT = frozenset({"USD/h", "saves", "a month", "useful"})
_LEAST_NEEDED = ("useful", "saves")
"""The columns that a narrow terminal leaves out, in this order."""


def advice_lines(
    found: Sequence[Advice], live: Mapping[Place, Live], checkpoint_minutes: int, width: int | None = None
) -> Iterator[str]:
    """Yield the screen: for each machine type what to look at first and a table, then how to read it.

    `width` is that of the terminal, in columns; None does not limit it.
    """
    if not found:
        yield "No Spot VM of a machine type with a known price ran in the last week."
        return
    for advice in found:
        yield from _heading(advice, width)
        yield from _table(advice, live, width)
        yield ""
    yield from _legend(checkpoint_minutes)
    if live:
        yield "can be had: Google's estimate that so many VMs can be created, and their uptime."
        yield from _failures(live)


def _heading(advice: Advice, width: int | None) -> Iterator[str]:
    in_use = advice.in_use
    hours = f"{in_use.weekly_vm_hours:.0f} VM-hours last week"
    monthly = advice.spot_price * in_use.weekly_vm_hours * HOURS_PER_MONTH / (7 * 24)
    runs = f"{hours}, {cents(monthly)} USD a month" if in_use.weekly_vm_hours else "does not run"
    yield f"{in_use.machine_type} in {in_use.region}: {runs}"
    choice = first_choice(advice)
    if choice is None:
        yield "  Nothing listed is cheaper."
        return
    saved = f"{advice.savings_percent(choice.place):.0f}% less"
    if in_use.weekly_vm_hours:
        saved += f", {cents(advice.monthly_savings(choice.place, HOURS_PER_MONTH))} USD a month"
    place = " ".join(_where(choice.place).split())
    yield from _indented(f"{_finding(choice)}: {place}, {saved}.", width)
    yield from _indented(_evidence(choice), width)


def _indented(sentence: str, width: int | None) -> list[str]:
    return wrap(sentence, width or len(sentence) + 2, initial_indent="  ", subsequent_indent="  ")


def _finding(choice: Choice) -> str:
    if choice.comparison is None:
        return "Cheapest, preemptions unknown"
    return "Cheapest, but preempted more" if choice.comparison.is_preempted_more else "Cheaper, not preempted more"


def _evidence(choice: Choice) -> str:
    """Return the figures that the finding is from; empty when there are none."""
    there, here = choice.place, choice.here
    match choice.comparison:
        case None:
            return ""
        case comparison if comparison.basis is Basis.OWN:
            return f"By our own preemptions: {_own(there.own)} there, {_own(here.own)} here."
        case _:
            return f"By Google's rate: {_rate(there)} there, {_rate(here)} here."


def _rate(place: Place) -> str:
    return f"{place.google.mean:.2f} of {place.google.observed_days} days" if place.google else ""


def _table(advice: Advice, live: Mapping[Place, Live], width: int | None) -> Iterator[str]:
    rows = [dict(zip(_COLUMNS, _cells(advice, each, live), strict=True)) for each in advice.places]
    columns = [name for name in _COLUMNS if name != "can be had" or live]
    for name in _LEAST_NEEDED:
        if width is not None and _width_of(columns, rows) > width:
            columns.remove(name)
    right = frozenset(number for number, name in enumerate(columns) if name in _TO_THE_RIGHT)
    yield from aligned([columns, *([row[name] for name in columns] for row in rows)], right, width)
    slower = {each.place.machine_type: each.place.slower_because for each in advice.places}
    for machine_type, reason in slower.items():
        if reason:
            yield f"{machine_type}: a vCPU does less work ({reason})."


def _width_of(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> int:
    return sum(max(len(name), *(len(row[name]) for row in rows)) + 2 for name in columns) - 2


def _cells(advice: Advice, each: RankedPlace, live: Mapping[Place, Live]) -> Sequence[str]:
    place = each.place
    is_here = place.scope is Scope.HERE
    return (
        _where(place),
        f"{place.spot_price:.4f}",
        "" if is_here else f"{advice.savings_percent(place):.0f}%",
        "" if is_here else cents(advice.monthly_savings(place, HOURS_PER_MONTH)),
        _google(each),
        _own(place.own),
        f"{each.useful_hour_cost:.4f}" if each.useful_hour_cost is not None else "",
        _live(live[place]) if live else "",
    )


def _where(place: Place) -> str:
    if place.scope is Scope.OTHER_TYPE:
        return f"{_KINDS[place.scope]:4} {place.machine_type} {place.zone}".rstrip()
    return f"{_KINDS[place.scope]:4} {place.zone or place.region}"


def _google(each: RankedPlace) -> str:
    rate = each.place.google
    if rate is None:
        return _NOTHING_OBSERVED[each.place.google_history]
    return f"{rate.mean:.2f} {rate.observed_days}d #{each.google_rank}"


def _own(own: OwnRecord | None) -> str:
    return f"{own.preemptions} in {own.vm_hours:.0f} h" if own else "none ran"


def _live(answer: Live) -> str:
    if answer.status is not LiveStatus.KNOWN or answer.obtainability is None:
        return str(answer.status).replace("_", " ")
    uptime = f", {answer.uptime.total_seconds() / 60:.0f} min" if answer.uptime else ""
    return f"{answer.obtainability:.2f}{uptime}"


def _legend(checkpoint_minutes: int) -> Iterator[str]:
    yield f"a month: {HOURS_PER_MONTH} hours, VM-hours as last week; traffic between regions is left out."
    yield "far: another continent. as: another machine type, here."
    yield "Google: preempted of all Spot VMs that stopped, the days observed, #1 is lowest."
    yield "  A rank, no probability; neither none seen nor not read is safe."
    yield "own: our preemptions in the VM-hours of 30 days."
    yield f"useful: USD an hour, work saved every {checkpoint_minutes} min, from {MIN_OWN_HOURS} own VM-hours on."


def _failures(live: Mapping[Place, Live]) -> Iterator[str]:
    """Yield one sentence for each kind of failure."""
    reasons = {each.status: each.detail for each in reversed(list(live.values())) if each.detail}
    for status, detail in sorted(reasons.items()):
        needed = "; it takes compute.advice.capacity" if status is LiveStatus.DENIED else ""
        yield f"{str(status).replace('_', ' ')}: {detail}{needed}"
