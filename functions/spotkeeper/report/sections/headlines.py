"""The headline figures."""

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Card, Tone, plain, total
from spotkeeper.report.rows import HourBurn, ReportRows, Scope
from spotkeeper.report.sections.budgets import TONES, worst
from spotkeeper.report.sections.quality import hours_of, unresolved_of
from spotkeeper.report.sections.savings import saved_percent
from spotkeeper.report.sums import sum_of


def headlines(rows: ReportRows, scope: Scope) -> list[Card]:
    """Return the headline cards."""
    return [
        _spent(rows, scope),
        _whole(rows, scope),
        _saved(rows),
        _burn(rows.burn),
        _budget(rows),
        _interrupted(rows),
        _known(rows),
    ]


def _spent(rows: ReportRows, scope: Scope) -> Card:
    whole = sum_of(rows.places)
    recorded = len({row.usage_date for row in rows.places})
    detail = f"{wording.days(scope.first_day, scope.last_day)}"
    if whole.cost is not None and recorded > 1:
        detail += f"; {wording.money(whole.cost / recorded)} a day"
    unresolved = unresolved_of(rows.quality)
    if unresolved.hours:
        about = wording.money((whole.cost or Decimal(0)) + unresolved.estimated_cost)
        detail += (
            f"; at least this, about {about} if the unidentified VMs are Spot and cost like the others of their project"
        )
    detail += _by_contract(rows)
    return Card("spent", "Spot VMs at Spot prices", wording.money(whole.cost), detail, plain(whole.cost))


def _by_contract(rows: ReportRows) -> str:
    """The cost of the same VM-hours at contract prices, empty where none is recorded."""
    cost = total(row.contract_cost for row in rows.places)
    if cost is None:
        return ""
    lacking = sum((row.vm_hours - (row.contract_hours or 0) for row in rows.places), Decimal(0))
    if not lacking:
        return f"; at contract prices {wording.money(cost)}"
    return f"; at contract prices at least {wording.money(cost)}: {wording.hours(lacking)} VM-hours have none"


def _whole(rows: ReportRows, scope: Scope) -> Card:
    """The total cost of the same days, and what part of it each kind of cost was."""
    hours = [
        row for row in rows.burn if scope.first_day <= row.usage_start_time.astimezone(UTC).date() <= scope.last_day
    ]
    whole = total(row.total_burn_rate for row in hours)
    if not whole:
        return Card("total", "With licenses, addresses and disks", wording.UNKNOWN, "nothing was recorded of them")
    parts = (
        ("compute", total(row.burn_rate for row in hours)),
        ("licenses", total(row.license_burn_rate for row in hours)),
        ("addresses", total(row.address_burn_rate for row in hours)),
        ("disks", total(row.disk_burn_rate for row in hours)),
        ("Tier_1 bandwidth", total(row.bandwidth_burn_rate for row in hours)),
    )
    said = [f"{name} {wording.percent(amount / whole * 100)}" for name, amount in parts if amount]
    partial = total(row.partial_hours for row in hours)
    if partial:
        said.append(f"at least: a part is not known of {wording.hours(partial)} VM-hours")
    return Card("total", "With licenses, addresses and disks", wording.money(whole), "; ".join(said), plain(whole))


def _saved(rows: ReportRows) -> Card:
    saved, net = total(row.savings for row in rows.savings), total(row.net_savings for row in rows.savings)
    if saved is None:
        return Card("saved", "Saved against on demand", wording.UNKNOWN, "no VM has both prices")
    detail = f"{wording.percent(saved_percent(rows.savings))}; {wording.money(net)} net of lost work"
    return Card("saved", "Saved against on demand", wording.money(saved), detail, plain(saved), Tone.GOOD)


def _burn(burn: Sequence[HourBurn]) -> Card:
    latest = next((row for row in reversed(burn) if row.state in {"complete", "provisional"}), None)
    if latest is None:
        return Card("burn", "Burn rate per hour", wording.UNKNOWN, "no complete hour")
    detail = f"{wording.things(latest.instances or 0, 'VM')} in the hour from {latest.usage_start_time:%H:%M} UTC"
    return Card("burn", "Burn rate per hour", wording.money(latest.burn_rate), detail, plain(latest.burn_rate))


def _budget(rows: ReportRows) -> Card:
    chosen = worst(rows.budgets)
    if chosen is None:
        return Card("budget", "Budget", "none", "no budget is configured")
    projected = wording.percent(chosen.projected_percent)
    detail = f"{wording.money(chosen.spent)} of {wording.money(chosen.budget)}; {projected} projected"
    return Card(
        "budget",
        f"Budget of the {chosen.period}{f', {chosen.label}' if chosen.label else ''}",
        wording.percent(chosen.spent_percent),
        detail,
        plain(chosen.spent_percent),
        TONES.get(chosen.state, Tone.PLAIN),
    )


def _interrupted(rows: ReportRows) -> Card:
    whole = next((row for row in rows.interruptions if row.grouped_by == "all"), None)
    number = whole.preemptions if whole else 0
    between = whole.mean_hours_between if whole else None
    detail = f"once in {wording.hours(between)} VM-hours, last 90 days" if between else "in the last 90 days"
    if whole and whole.unseen_preemptions:
        detail += f"; {whole.unseen_preemptions:,} more of unidentified VMs"
    return Card("interrupted", "VMs preempted", wording.count(number), detail, plain(number))


def _known(rows: ReportRows) -> Card:
    unresolved, hours = unresolved_of(rows.quality), hours_of(rows.quality)
    share = sum_of(rows.places).priced_share
    tone = Tone.WARNING if hours.incomplete or hours.final or hours.missing or unresolved.hours else Tone.PLAIN
    detail = f"{hours.complete:,} of {wording.things(hours.all, 'hour')} complete"
    if unresolved.hours:
        detail += f"; {wording.hours(unresolved.hours)} VM-hours unidentified"
    return Card("known", "VM-hours with a price", wording.covered(share), detail, plain(share), tone)
