"""Stops, starts and spared VMs of the enforcer, with reasons, and what costs money while no VM runs with it."""

from collections.abc import Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Column, Section, Table, Tone, cell, named, total
from spotkeeper.report.rows import EnforcedAction, IdleResource, ReportRows, Spared, StopEffect

_TONES = {"stopped": Tone.GOOD, "restarted": Tone.GOOD, "failed": Tone.BAD, "open": Tone.WARNING}
_ACTION_COLUMNS = (
    Column("planned_at", "When (UTC)"),
    Column("instance", "VM"),
    Column("outcome", "Outcome"),
    Column("hourly_savings", "USD per hour", is_number=True),
    Column("reason", "Why", is_long=True),
)
_SPARED_COLUMNS = (
    Column("planned_at", "When (UTC)"),
    Column("instances", "VMs", is_number=True),
    Column("hourly_cost", "USD per hour", is_number=True),
    Column("example", "Example"),
    Column("reason", "Why", is_long=True),
)
_WORDS = {
    "stopped": "stopped",
    "restarted": "started again",
    "dry run": "planned in a dry run",
    "failed": "failed to stop",
    "spared": "spared",
}
_MOST_EFFECTS = 25
_EFFECT_COLUMNS = (
    Column("stopped_at", "Stopped (UTC)"),
    Column("instance", "VM"),
    Column("hours_stopped", "Hours", is_number=True),
    Column("avoided", "Avoided", is_number=True),
    Column("cost_after_stop", "Cost after the stop", is_number=True),
    Column("net_avoided", "Avoided, net", is_number=True),
)
_MOST_IDLE = 25
_IDLE_COLUMNS = (
    Column("resource", "Disk or address"),
    Column("held_by", "Held by"),
    Column("idle_since", "Since (UTC)"),
    Column("monthly_cost", "USD per month", is_number=True),
    Column("owner", "Owner"),
    Column("team", "Team"),
)


def enforcement(rows: ReportRows) -> Section:
    """Return the section."""
    tables = []
    if rows.actions:
        tables.append(_actions(rows))
    if rows.spared:
        tables.append(_spared(rows))
    if rows.effects:
        tables.append(_effects(rows.effects))
    if rows.idle:
        tables.append(_idle(rows.idle))
    return Section(
        key="enforcement",
        name="Enforcement",
        question="Which VMs were stopped or spared, and why?",
        answer=[*_answer(rows), *_still_costing(rows.idle)],
        tables=tables,
        tone=Tone.BAD if any(row.outcome == "failed" for row in rows.enforced) else Tone.PLAIN,
    )


def _answer(rows: ReportRows) -> list[str]:
    if not rows.enforced:
        return ["No budget was exceeded in this period: nothing was planned or stopped."]
    by_outcome: dict[str, int] = {}
    for row in rows.enforced:
        by_outcome[row.outcome] = by_outcome.get(row.outcome, 0) + row.instances
    plans = len({row.message_id for row in rows.actions} | {row.message_id for row in rows.spared})
    known = [f"{by_outcome.pop(outcome):,} {word}" for outcome, word in _WORDS.items() if outcome in by_outcome]
    other = [f"{number:,} {outcome}" for outcome, number in sorted(by_outcome.items())]
    said = [f"VMs in {wording.things(plans, 'plan')}: {', '.join([*known, *other])}."]
    if plans > 1:
        said.append("A VM counts once in each plan.")
    avoided = total(row.net_avoided for row in rows.effects)
    if avoided is not None:
        said.append(f"Stops avoided {wording.money(avoided)} so far, net of the cost of the stopped VMs afterwards.")
    return said


def _still_costing(idle: Sequence[IdleResource]) -> list[str]:
    if not idle:
        return []
    monthly, unpriced = total(row.monthly_cost for row in idle), sum(row.monthly_cost is None for row in idle)
    things = wording.things(len(idle), "disk or address", "disks and addresses")
    cost = f"{wording.money(monthly)} a month" if monthly is not None else "an unknown amount"
    known = f", {unpriced:,} of them not priced" if unpriced and monthly is not None else ""
    return [f"Without a running VM: {things}, {cost}{known}."]


def _actions(rows: ReportRows) -> Table:
    number = sum(row.instances for row in rows.enforced if row.decision != "spare")
    rest = number - len(rows.actions)
    return Table(
        "enforcement",
        "Stops and starts",
        _ACTION_COLUMNS,
        [_action(row) for row in rows.actions],
        note=f"The newest {len(rows.actions):,} of {number:,}." if rest > 0 else "",
    )


def _action(row: EnforcedAction) -> list[Cell]:
    outcome = f"{row.outcome} (drill)" if row.drill else row.outcome
    reason = f"{row.reason}; {row.error}" if row.error else row.reason
    lasts = row.until if row.outcome in {"stopped", "open"} else None
    until = f"until {wording.short_moment(lasts)}" if lasts else ""
    return [
        cell(row.planned_at, wording.short_moment),
        cell(row.instance_name, detail=f"{row.project_id} / {row.zone}"),
        cell(outcome, tone=_TONES.get(row.outcome, Tone.PLAIN), detail=until),
        cell(row.hourly_savings, wording.price),
        cell(reason),
    ]


def _spared(rows: ReportRows) -> Table:
    number = sum(row.instances for row in rows.enforced if row.decision == "spare")
    rest = number - sum(row.instances for row in rows.spared)
    return Table(
        "spared",
        "Spared VMs by reason",
        _SPARED_COLUMNS,
        [_spared_line(row) for row in rows.spared],
        note=f"{rest:,} more were spared by earlier plans." if rest > 0 else "",
    )


def _spared_line(row: Spared) -> list[Cell]:
    return [
        cell(row.planned_at, wording.short_moment),
        cell(row.instances, wording.count),
        cell(row.hourly_cost, wording.price),
        cell(row.example),
        cell(row.spared_because),
    ]


def _effects(effects: Sequence[StopEffect]) -> Table:
    dearest = sorted(effects, key=lambda row: (-(row.net_avoided or Decimal(0)), row.stopped_at, row.instance_name))
    listed = dearest[:_MOST_EFFECTS]
    rest = len(effects) - len(listed)
    last = [
        named("all"),
        named(""),
        cell(total(row.hours_stopped for row in effects), wording.hours),
        cell(total(row.avoided for row in effects), wording.money),
        cell(total(row.cost_after_stop for row in effects), wording.money),
        cell(total(row.net_avoided for row in effects), wording.money),
    ]
    return Table(
        "effects",
        "Cost avoided by stops",
        _EFFECT_COLUMNS,
        [_effect(row) for row in listed],
        [last],
        f"The {len(listed)} stops that avoided the most of {len(effects):,}; the sum is of all." if rest else "",
    )


def _effect(row: StopEffect) -> list[Cell]:
    return [
        cell(row.stopped_at, wording.short_moment),
        cell(row.instance_name, detail=f"{row.project_id} / {row.zone}"),
        cell(row.hours_stopped, wording.hours),
        cell(row.avoided, wording.money),
        cell(row.cost_after_stop, wording.money),
        cell(row.net_avoided, wording.money),
    ]


def _idle(idle: Sequence[IdleResource]) -> Table:
    listed = sorted(idle, key=lambda row: (-(row.monthly_cost or Decimal(0)), row.project_id, row.resource_name))
    listed = listed[:_MOST_IDLE]
    last = [named("all"), named(""), named(""), cell(total(row.monthly_cost for row in idle), wording.money)]
    return Table(
        "idle",
        "Disks and reserved addresses without a running VM",
        _IDLE_COLUMNS,
        [_idle_line(row) for row in listed],
        [[*last, named(""), named("")]],
        f"The {len(listed)} most expensive of {len(idle):,}; the sum is of all." if len(listed) < len(idle) else "",
    )


def _idle_line(row: IdleResource) -> list[Cell]:
    place = row.zone or row.region
    return [
        cell(row.resource_name, detail=f"{row.resource_type}, {row.project_id} / {place}"),
        cell(row.instance_name, detail=row.held_by),
        cell(row.idle_since, lambda at: wording.short_moment(at) if at else ""),
        cell(row.monthly_cost, wording.money, detail=row.price_reason or ""),
        cell(row.owner),
        cell(row.team),
    ]
