"""Rows as the views give them, of a small fleet whose figures are easy to work out by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from spotkeeper.report.rows import (
    BudgetState,
    CheaperPlace,
    CostlyVm,
    DaySavings,
    Enforced,
    EnforcedAction,
    HourBurn,
    HourQuality,
    IdleResource,
    Interruptions,
    PlaceCost,
    PriceChange,
    PriceDrift,
    PriceHeld,
    ReportRows,
    RunCost,
    Scope,
    Spared,
    StopEffect,
    TeamCost,
    TeamWork,
    Unattributed,
    UnattributedCreator,
    WeekCost,
)

FIRST, LAST = date(2026, 7, 1), date(2026, 7, 30)
DAYS = [FIRST + timedelta(days=number) for number in range(30)]
AS_OF = datetime(2026, 7, 31, tzinfo=UTC)
HOURS = [AS_OF - timedelta(hours=number) for number in range(720, 0, -1)]
SCOPE = Scope("data-platform", "cost_tracking", FIRST, LAST, AS_OF + timedelta(hours=1), AS_OF)

EMOJI = "fusée-🚀-équipe"
LONG = "a" * 63
HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    '"><img src=x onerror=alert(1)>',
    "</title></svg><script>alert(2)</script>",
    "'];alert(3);['",
    "\\'];alert(4);//",
    "{{ 7 * 7 }}",
    "&lt;b&gt;",
    EMOJI,
    LONG,
)


def money(text: str | int) -> Decimal:
    """Return an amount."""
    return Decimal(text)


def idle(name: str, monthly_cost: Decimal | None, instance: str | None, **other: object) -> IdleResource:
    """Return a disk of a stopped VM, or what the other fields make of it."""
    usual = IdleResource(
        resource_type="disk",
        project_id="research-ml",
        region="us-central1",
        zone="us-central1-a",
        resource_name=name,
        held_by="stopped VM",
        instance_name=instance,
        idle_since=datetime(2026, 7, 22, 12, 41, tzinfo=UTC),
        owner="ada",
        team="vision",
        monthly_cost=monthly_cost,
        price_reason=None,
    )
    return replace(usual, **other)  # type: ignore[arg-type] # the fields are named by the samples


def place(day: date, machine_type: str, zone: str, cost: str | None, hours: str = "24") -> PlaceCost:
    """Return what a machine type cost in a zone on a day."""
    priced = Decimal(0 if cost is None else hours)
    return PlaceCost(day, machine_type, zone, Decimal(hours), priced, None if cost is None else Decimal(cost))


def team(day: date, name: str, cost: str | None, hours: str = "24") -> TeamCost:
    """Return what a team spent on a day."""
    priced = Decimal(0 if cost is None else hours)
    known = None if cost is None else Decimal(cost)
    return TeamCost(day, name, Decimal(hours), priced, known, None if known is None else known * 3)


def quality(hour: datetime, state: str = "complete", **fields: object) -> HourQuality:
    """Return how sure an hour is."""
    costs = money(3), money(0), money(0), money(0), money(0), money(0)
    usual = HourQuality(hour, state, None, 3, Decimal(1), 0, Decimal(0), None, 0, None, 0, 0, 0, 2, *costs)
    return replace(usual, **fields)  # type: ignore[arg-type]


def action(name: str, number: int = 1, **fields: object) -> EnforcedAction:
    """Return a VM that was stopped."""
    usual = EnforcedAction(
        planned_at=datetime(2026, 7, 22, 12, 40, tzinfo=UTC),
        message_id="message-1",
        budget_display_name="Spot fleet",
        spent=money(536),
        budget=money(500),
        drill=False,
        mode="enforce",
        project_id="research-ml",
        zone="us-central1-a",
        instance_name=name,
        machine_type="n2-standard-8",
        priority="low",
        decision="stop",
        reason=f"place {number} of 3 in the order of stopping: low priority",
        outcome="stopped",
        error=None,
        hourly_savings=money("0.5"),
        until=datetime(2026, 8, 1, 7, tzinfo=UTC),
    )
    return replace(usual, **fields)  # type: ignore[arg-type] # fields of an action


def price_change(component: str, monthly: str | None, **fields: object) -> PriceChange:
    """Return a price that rose by a tenth."""
    usual = PriceChange(
        datetime(2026, 7, 22, 6, tzinfo=UTC),
        "us-central1",
        component,
        "spot",
        "vcpu_hour",
        money("0.01"),
        money("0.011"),
        money(10),
        money(8),
        None if monthly is None else money(monthly),
    )
    return replace(usual, **fields)  # type: ignore[arg-type] # fields of a change


def price_drift(machine_type: str, check: str | None, **fields: object) -> PriceDrift:
    """Return a price that Google's history has, and which rose by a quarter in a year."""
    usual = PriceDrift(
        machine_type,
        "us-central1",
        money(4),
        money("0.15"),
        money(0),
        datetime(2025, 7, 22, 10, 7, tzinfo=UTC),
        money(25),
        money("87.6"),
        money("62.5"),
        check,
    )
    return replace(usual, **fields)  # type: ignore[arg-type] # fields of a price


def price_held(machine_type: str, first: int, last: int, price: str, percent: str | None = None) -> PriceHeld:
    """Return a price that held from so many days ago to so many days ago."""
    change = None if percent is None else money(percent)
    start, end = (AS_OF - timedelta(days=days) for days in (first, last))
    return PriceHeld(machine_type, "us-central1", money(4), start, end, money(price), change)


def budget(period: str = "month", **fields: object) -> BudgetState:
    """Return a budget that lasts."""
    usual = BudgetState(
        period=period,
        budget_id="b-1",
        label_key=None,
        label_value=None,
        covers="compute",
        period_start=datetime(2026, 7, 1, 7, tzinfo=UTC),
        period_end=datetime(2026, 8, 1, 7, tzinfo=UTC),
        counts_from=None,
        total_from=None,
        as_of=AS_OF,
        budget=money(1000),
        spent=money("713"),
        spent_percent=money("71.3"),
        priced_share=Decimal(1),
        missing_hours=0,
        partial_hours=Decimal(0),
        incomplete_hours=0,
        burn_rate=money(1),
        projected_cost=money("744"),
        projected_percent=money("74.4"),
        hours_until_spent=money(287),
        state="within",
        not_known=None,
    )
    return replace(usual, **fields)  # type: ignore[arg-type] # fields of a budget


def usual_rows() -> ReportRows:
    """Return 30 days of 10 dollars for vision, 6 for search and 2 for nobody; one of three VMs has no price."""
    return ReportRows(
        places=[
            each
            for day in DAYS
            for each in (
                place(day, "n2-standard-8", "us-central1-a", "10"),
                place(day, "g2-standard-8", "europe-west4-b", "8"),
                place(day, "n9-standard-4", "us-central1-a", None),
            )
        ],
        teams=[
            each
            for day in DAYS
            for each in (team(day, "vision", "10"), team(day, "search", "6"), team(day, "(unlabelled)", "2"))
        ],
        savings=[
            DaySavings(day, money(72), money(18), money(54), money(36), money("66.67"), money(2), money(33))
            for day in DAYS
        ],
        burn=[HourBurn(hour, "complete", 3, money(1), money("1.5")) for hour in HOURS],
        budgets=[budget()],
        unattributed=[Unattributed(day, "web", None, "worker-*", "worker-7", money(24), money(2)) for day in DAYS],
        creators=[
            UnattributedCreator("web", None, None, 1, money(5), money("0.5")),
            UnattributedCreator("web", "dana@example.com", None, 3, money(24), money(60)),
            UnattributedCreator("web", "7@cloudservices.gserviceaccount.com", "pool", 2, money(8), None),
        ],
        interruptions=[
            Interruptions("all", None, None, None, money(2160), 9, 0, money(240), money(9), money("0.004"), *_daly()),
            Interruptions(
                "machine_type",
                "n2-standard-8",
                None,
                None,
                money(720),
                9,
                0,
                money(80),
                money(9),
                money("0.0125"),
                *_daly(),
            ),
            Interruptions(
                "machine_type",
                "g2-standard-8",
                None,
                None,
                money(720),
                0,
                0,
                None,
                money(0),
                money(0),
                None,
                None,
                None,
            ),
            *(
                Interruptions(
                    "hour_of_day", None, None, hour, money(90), hour % 3, 0, None, money(0), None, None, None, None
                )
                for hour in range(24)
            ),
        ],
        price_changes=[
            price_change("n2:core", "12.5"),
            price_change("g2:core", "-4.25"),
            price_change("n9:core", None),
        ],
        price_history=[
            price_held("n2-standard-8", 360, 200, "0.12"),
            price_held("n2-standard-8", 200, 3, "0.1", "-16.67"),
            price_held("n2-standard-8", 3, 0, "0.15", "50"),
            price_held("n2d-standard-8", 400, 0, "0.09"),
        ],
        price_drift=[
            price_drift("n2-standard-8", "agrees"),
            price_drift("n2d-standard-8", "differs"),
            price_drift("n1-standard-4", None, price=None, since=None, change_percent=None),
        ],
        cheaper=[
            CheaperPlace(
                "g2-standard-8",
                "europe-west4",
                money(168),
                money("0.5"),
                money(1),
                "g2-standard-8",
                "us-east1",
                "other region",
                money("0.4"),
                None,
                money(20),
                money(73),
            ),
        ],
        actions=[action("trainer-1"), action("trainer-2", 2, outcome="failed", error="quota")],
        spared=[
            Spared(datetime(2026, 7, 22, 12, 40, tzinfo=UTC), "message-1", "it is protected", 3, "db-1", money("1.5"))
        ],
        enforced=[Enforced("stop", "stopped", 1), Enforced("stop", "failed", 1), Enforced("spare", "spared", 3)],
        effects=[
            StopEffect(
                datetime(2026, 7, 22, 12, 41, tzinfo=UTC),
                "research-ml",
                "us-central1-a",
                "trainer-1",
                money(10),
                money(5),
                money(1),
                money(4),
            )
        ],
        idle=[
            idle("data", money("12.5"), "trainer-1"),
            idle("front", money("7.3"), None, resource_type="address", zone=None, held_by="no VM"),
            idle("scratch", None, None, price_reason="no rate", held_by="no VM", idle_since=None),
        ],
        quality=[quality(hour, unpriced=1, unpriced_machine_types="n9-standard-4") for hour in HOURS],
        weeks=[
            week("research", "vision", "70", "60", "5"),
            week("research", "search", "20", "42", "-22"),
            week("web", "(unlabelled)", "14", "14", "0"),
            week("web", "etl", None, None, None),
        ],
        costly_vms=[CostlyVm("research", "us-central1-a", "trainer-1", "n2-standard-8", money(720), money(72), 3)],
        runs=[
            RunCost("vision", "ablation-7", "training", 4, 4, 3, money(700), money(70), money(6)),
            RunCost("vision", "ablation-6", "training", 1, 1, 0, money(20), money(2), money(0)),
            RunCost("search", "29679449526", "github-actions", 12, 13, 1, money(3), money("0.43"), money("0.06")),
            RunCost("search", "unpriced", None, 1, 1, 0, money(1), None, None),
        ],
        team_work=[
            TeamWork("vision", 2, money(800), money(800), money(80), money(80), money(8), money(6)),
            TeamWork("search", 21, money(10), money(9), money("0.9"), money(5), money("0.47"), money("0.06")),
        ],
    )


def week(project: str, team: str, cost: str | None, before: str | None, by_hours: str | None) -> WeekCost:
    """Return two weeks of a project and team, of which three hours of the first were not recorded."""
    known = [None if text is None else Decimal(text) for text in (cost, before, by_hours)]
    change = None if known[0] is None or known[1] is None else known[0] - known[1]
    by_price = None if change is None or known[2] is None else change - known[2]
    hours = (Decimal(168), Decimal(165))
    return WeekCost(project, team, "n2-standard-8", *hours, known[0], known[1], change, known[2], by_price, 168, 165)


def hostile_rows() -> ReportRows:
    """Return rows in which everything that people name has a name that means harm."""
    usual = usual_rows()
    named = dict(zip(DAYS, HOSTILE, strict=False))
    return replace(
        usual,
        places=[place(day, name, name, "10") for day, name in named.items()],
        teams=[team(day, name, "10") for day, name in named.items()],
        unattributed=[Unattributed(day, name, name, name, name, money(24), money(2)) for day, name in named.items()],
        creators=[UnattributedCreator(name, name, name, 1, money(24), money(2)) for name in HOSTILE],
        interruptions=[
            *(row for row in usual.interruptions if row.grouped_by in {"all", "hour_of_day"}),
            *(
                Interruptions(
                    grouping, name, name, None, money(720), 9, 0, money(80), money(9), money("0.01"), *_daly()
                )
                for grouping in ("machine_type", "machine_type and zone")
                for name in HOSTILE
            ),
        ],
        price_changes=[price_change(name, "12.5", region=name) for name in HOSTILE],
        cheaper=[replace(usual.cheaper[0], machine_type=name, option_region=name) for name in HOSTILE],
        actions=[action(name, reason=name, error=name, project_id=name) for name in HOSTILE],
        spared=[replace(usual.spared[0], spared_because=name, example=name) for name in HOSTILE],
        effects=[replace(usual.effects[0], instance_name=name) for name in HOSTILE],
        idle=[
            replace(usual.idle[0], resource_name=name, instance_name=name, owner=name, team=name) for name in HOSTILE
        ],
        quality=[quality(HOURS[0], "incomplete", gaps=name, unpriced_machine_types=name) for name in HOSTILE],
        weeks=[replace(usual.weeks[0], project_id=name, team=name, machine_type=name) for name in HOSTILE],
        costly_vms=[replace(usual.costly_vms[0], instance_name=name, project_id=name) for name in HOSTILE],
        runs=[replace(usual.runs[0], run=name, team=name, kind=name) for name in HOSTILE],
        team_work=[replace(usual.team_work[0], team=name) for name in HOSTILE],
    )


def _daly() -> tuple[Decimal, Decimal, Decimal]:
    return money(94), money(209), money(357)
