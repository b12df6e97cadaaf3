"""The interim check on fakes: an hourly run, then checks between it and the next one."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.errors import RefusedRequestError, UnavailableError
from spotkeeper.instances import ProvisioningModel, Shape, Sighting
from spotkeeper.periods import PeriodKind, budget_period
from spotkeeper.pricing.attached_prices import NOTHING_ATTACHED, AttachedPrices
from spotkeeper.pricing.price_book import InstancePrice, PriceStatus
from spotkeeper.tracking.alerts import Alert, AlertKind, Notified, Spend
from spotkeeper.tracking.costs import hourly_rates
from spotkeeper.tracking.interim import (
    InterimPorts,
    InterimRequest,
    InterimStatus,
    InterimSummary,
    check_interim,
)
from spotkeeper.tracking.running_costs import RunningCosts
from spotkeeper.tracking.settings import Budgets, Covers, LabelBudget
from spotkeeper.tracking.standings import standings
from tests.unit.tracker_fakes import (
    HOME,
    HOURLY,
    LARGE,
    LONG_AGO,
    OTHER,
    Cloud,
    FakeAlerts,
    FakeInstances,
    Vm,
    at,
)

_MIDNIGHT = 7
"""The hour of START's day at which a day of Cloud Billing begins."""


@dataclass
class Watch:
    """A fleet that has spent 80 % of its daily budget: one VM has run since midnight, recorded up to 10:00."""

    cloud: Cloud
    runs: list[str] = field(default_factory=list)

    def check(self, hour: float, minute: float = 0) -> InterimSummary:
        """Check at a time."""
        moment = self.cloud.now = at(hour, minute)
        ports = InterimPorts(self.cloud.ledger, FakeInstances(self.cloud), FakeAlerts(self.cloud), lambda: timedelta(0))
        self.cloud.ledger.watched = self.cloud.watched
        run_id = f"check-{len(self.runs)}"
        self.runs.append(run_id)
        return check_interim(self.cloud.settings, ports, run_id, InterimRequest(moment))

    def burst(  # noqa: PLR0913 (a VM has so many sides)
        self,
        count: int,
        hour: float,
        minute: float = 0,
        *,
        until: datetime | None = None,
        team: str | None = None,
        shape: Shape = LARGE,
        model: ProvisioningModel = ProvisioningModel.SPOT,
    ) -> None:
        """Start large VMs, each 0.16 USD an hour."""
        labels = ((LONG_AGO, team),) if team else ()
        runs = ((at(hour, minute), until),)
        self.cloud.vms += [
            Vm(f"burst-{number}", runs=runs, labels=labels, shape=shape, model=model) for number in range(count)
        ]


def watch(budget: str = "0.3", covers: Covers = Covers.COMPUTE, labels: tuple[LabelBudget, ...] = ()) -> Watch:
    """Record the hours from midnight up to 10:00: 0.24 USD."""
    cloud = Cloud(vms=[Vm("steady", runs=((LONG_AGO, None),))])
    budgets = Budgets(
        {PeriodKind.DAY: Decimal(budget)},
        covers,
        thresholds=(Decimal(1),),
        hour_share=Decimal(1000),
        projection_share=Decimal(1000),
        labels=labels,
    )
    cloud.settings = replace(
        cloud.settings, projects=(HOME, OTHER), interim_checks=True, interim_check_share=Decimal("0.8"), budgets=budgets
    )
    for hour in range(_MIDNIGHT, 10):
        cloud.run(hour)
    assert cloud.published == []
    return Watch(cloud)


DAY = budget_period(PeriodKind.DAY, at(10))


def costs() -> RunningCosts:
    """Return the sums of an hour at 0.08 USD for each VM."""
    price = InstancePrice(HOURLY, HOURLY, PriceStatus.EXACT, None)
    rates = hourly_rates(price, AttachedPrices(*(NOTHING_ATTACHED,) * 4))
    return RunningCosts(Budgets(), (DAY,), at(10), at(11), lambda _: rates)


def sightings(*names: str) -> list[Sighting]:
    return [Sighting(Vm(name).instance(at(10)), at(9)) for name in names]


def notified(cloud: Cloud) -> list[tuple[AlertKind, tuple[Decimal, ...], datetime | None]]:
    return [(each.kind, each.thresholds, each.estimated_at) for each in cloud.published]


def passed(moment: datetime | None) -> tuple[AlertKind, tuple[Decimal, ...], datetime | None]:
    return AlertKind.THRESHOLD, (Decimal(1),), moment


def test_a_burst_between_two_hours_is_notified_before_the_next_run_and_once() -> None:
    watched = watch()
    watched.burst(10, 10, 20)

    before, first, second = watched.check(10, 10), watched.check(10, 25), watched.check(10, 30)
    watched.cloud.run(10)

    assert (before.status, before.alerts) == (InterimStatus.ESTIMATED, ())
    assert notified(watched.cloud) == [passed(at(10, 25))]
    assert [alert.thresholds for alert in first.alerts] == [(Decimal(1),)]
    assert second.alerts == ()


def test_an_estimate_is_the_recorded_cost_and_each_rate_over_the_time_since() -> None:
    watched = watch()
    watched.burst(3, 10, 20)

    summary = watched.check(10, 30)

    day = next(spend for spend in summary.estimates if spend.period.kind is PeriodKind.DAY)
    assert day.cost_usd == 3 * HOURLY + HOURLY / 2 + 3 * (2 * HOURLY / 6).quantize(Decimal("1e-9"))
    assert (summary.since, summary.instances) == (at(10), 4)


def test_an_alert_by_an_estimate_says_so_and_that_it_is_at_least_this() -> None:
    watched = watch()
    watched.burst(10, 10, 20)

    [alert] = watched.check(10, 25).alerts

    assert (alert.estimated_at, alert.at_least) == (at(10, 25), True)


@pytest.mark.parametrize(("budget", "status"), [("0.300001", InterimStatus.BELOW), ("0.3", InterimStatus.ESTIMATED)])
def test_below_the_share_one_value_is_read_and_nothing_is_listed(budget: str, status: InterimStatus) -> None:
    watched = watch(budget)
    watched.cloud.calls.clear()
    watched.cloud.ledger.failing |= set() if status is InterimStatus.ESTIMATED else {"spends", "rates", "reserve"}

    assert watched.check(10, 15).status is status
    assert watched.cloud.calls["compute"] == (status is InterimStatus.ESTIMATED) * len(watched.cloud.settings.projects)


def test_it_writes_no_cost_rows() -> None:
    watched = watch()
    rows = dict(watched.cloud.ledger.tables.costs)
    watched.burst(10, 10, 20)

    watched.check(10, 25)

    assert watched.cloud.ledger.tables.costs == rows


def test_once_every_threshold_is_notified_it_reads_one_value_again() -> None:
    watched = watch()
    watched.burst(10, 10, 20)
    watched.check(10, 25)
    watched.cloud.run(10)

    assert watched.check(11, 15).status is InterimStatus.BELOW


def test_a_project_that_cannot_be_listed_is_a_gap_and_the_others_count() -> None:
    watched = watch()
    watched.burst(10, 10, 20)
    watched.cloud.denied |= {("compute", OTHER)}

    summary = watched.check(10, 25)

    assert [(gap.source, gap.project_id) for gap in summary.gaps] == [("instances", OTHER)]
    assert [alert.at_least for alert in summary.alerts] == [True]


def test_a_vm_without_a_price_is_in_no_sum_and_is_counted() -> None:
    watched = watch()
    watched.burst(10, 10, 20, shape=replace(LARGE, machine_type="z9-standard-4"))

    summary = watched.check(10, 25)

    assert (summary.alerts, summary.unpriced) == ((), 10)
    day = next(spend for spend in summary.estimates if spend.period.kind is PeriodKind.DAY)
    assert day.unseen_share


@pytest.mark.parametrize("model", [ProvisioningModel.STANDARD, ProvisioningModel.FLEX_START])
def test_a_vm_that_is_no_spot_vm_costs_nothing(model: ProvisioningModel) -> None:
    watched = watch()
    watched.burst(10, 10, 20, model=model)

    assert watched.check(10, 25).alerts == ()


def test_a_vm_that_has_stopped_since_is_left_out() -> None:
    watched = watch()
    watched.burst(10, 10, 5, until=at(10, 20))

    summary = watched.check(10, 25)

    assert (summary.instances, summary.undated, summary.alerts) == (1, 0, ())


def test_a_vm_that_does_not_say_since_when_it_runs_is_left_out_and_counted() -> None:
    [resumed, _] = sightings("resumed", "running")
    running = costs()

    running.add(replace(resumed, running_since=None))

    assert (running.instances, running.undated, running.added_to([])) == (0, 1, [])


def test_a_vm_that_a_list_names_twice_counts_once() -> None:
    [vm, other] = sightings("one", "other")
    running = costs()

    for sighting in (vm, other, vm):
        running.add(sighting)

    [day] = running.added_to([Spend(DAY, Decimal(0))])
    assert (running.instances, day.cost_usd) == (2, 2 * HOURLY)


def test_a_clock_before_the_last_recorded_hour_estimates_nothing() -> None:
    watched = watch()
    watched.burst(10, 9, 0)

    assert watched.check(9, 50).status is InterimStatus.NOTHING_RECORDED
    assert notified(watched.cloud) == []


def test_an_hour_that_is_over_and_not_recorded_yet_counts_too() -> None:
    watched = watch()

    early, late = watched.check(10, 40), watched.check(11, 3)
    watched.cloud.run(10)

    assert (early.alerts, len(late.alerts)) == ((), 1)
    assert notified(watched.cloud) == [passed(at(11, 3))]


def test_a_new_day_starts_without_what_the_last_one_cost() -> None:
    watched = watch("2.1")
    for hour in range(10, 30):
        watched.cloud.run(hour)
    watched.burst(20, 30, 30)

    assert watched.check(30, 55).alerts != ()
    assert watched.check(31, 3).status is InterimStatus.BELOW


def test_a_day_that_began_since_the_last_recorded_hour_counts_from_its_midnight() -> None:
    cloud = Cloud(vms=[Vm("steady", runs=((LONG_AGO, None),))])
    budgets = Budgets(
        {PeriodKind.DAY: Decimal(1), PeriodKind.MONTH: Decimal("0.1")}, Covers.COMPUTE, thresholds=(Decimal(3),)
    )
    cloud.settings = replace(cloud.settings, interim_checks=True, budgets=budgets)
    cloud.run(4)
    cloud.run(5)

    summary = Watch(cloud).check(7, 30)

    assert {spend.period.kind: spend.cost_usd for spend in summary.estimates} == {
        PeriodKind.DAY: HOURLY / 2,
        PeriodKind.MONTH: 2 * HOURLY + HOURLY * 3 / 2,
    }


def test_two_checks_at_once_send_one_alert() -> None:
    watched = watch()
    watched.burst(10, 10, 20)
    once: list[InterimSummary] = []

    def meanwhile(call: str, when: str) -> None:
        if (call, when) == ("publish", "before") and not once:
            once.append(InterimSummary("", InterimStatus.BELOW))
            once.append(watched.check(10, 25))

    watched.cloud.on_call = meanwhile
    watched.check(10, 25)

    assert [summary.alerts for summary in once] == [(), ()]
    assert notified(watched.cloud) == [passed(at(10, 25))]


@pytest.mark.parametrize("call", ["reserve", "publish", "confirm"])
def test_a_check_and_an_hourly_run_at_once_send_one_alert(call: str) -> None:
    watched = watch()
    watched.burst(10, 10, 20)
    once: list[str] = []

    def meanwhile(name: str, when: str) -> None:
        if (name, when) == (call, "before") and not once:
            once.append(call)
            watched.cloud.run(10)

    watched.cloud.on_call = meanwhile
    watched.check(11, 7)

    assert len(notified(watched.cloud)) == 1


def test_an_alert_that_could_not_be_sent_is_sent_by_the_hourly_run() -> None:
    watched = watch()
    watched.burst(10, 10, 20)
    watched.cloud.denied |= {("alerts", "")}
    failed = watched.check(10, 25)
    watched.cloud.denied.clear()
    watched.cloud.run(10)

    assert ([gap.source for gap in failed.gaps], failed.alerts) == (["alerts"], ())
    assert notified(watched.cloud) == [passed(None)]


def test_a_check_that_was_killed_after_it_reserved_is_finished_by_a_later_one() -> None:
    watched = watch()
    watched.burst(10, 10, 20)

    def die(call: str, when: str) -> None:
        if (call, when) == ("publish", "before"):
            raise KeyboardInterrupt

    watched.cloud.on_call = die
    with pytest.raises(KeyboardInterrupt):
        watched.check(10, 25)
    watched.cloud.on_call = None
    during, after = watched.check(10, 30), watched.check(10, 40)

    assert (during.alerts, len(after.alerts)) == ((), 1)


def test_what_an_earlier_run_could_not_send_is_sent_though_no_estimate_is_due() -> None:
    watched = watch()
    watched.burst(10, 10, 20)
    watched.cloud.denied |= {("alerts", "")}
    watched.check(10, 25)
    watched.cloud.denied.clear()
    watched.cloud.vms = watched.cloud.vms[:1]

    summary = watched.check(10, 30)

    assert [alert.estimated_at for alert in summary.alerts] == [at(10, 25)]


def test_alerts_that_were_sent_before_one_failed_are_not_sent_again() -> None:
    vision = LabelBudget("cap-vision", "team", "vision", {PeriodKind.DAY: Decimal("0.1")})
    watched = watch(labels=(vision,))
    watched.burst(10, 10, 0, team="vision")

    def fail_second(call: str, when: str) -> None:
        if (call, when) == ("publish", "before") and watched.cloud.published:
            watched.cloud.denied |= {("alerts", "")}

    watched.cloud.on_call = fail_second
    first = watched.check(10, 12)
    watched.cloud.on_call = None
    watched.cloud.denied.clear()
    second = watched.check(10, 15)

    assert (len(first.alerts), len(second.alerts)) == (1, 1)
    assert {alert.label_budget for alert in watched.cloud.published} == {"", "cap-vision"}


def test_an_estimate_that_the_recorded_hours_do_not_reach_is_withdrawn_once_and_notified_anew_when_it_is_so() -> None:
    watched = watch("0.46")
    watched.cloud.settings = replace(watched.cloud.settings, interim_check_share=Decimal("0.5"))
    watched.burst(10, 10, 20)
    watched.check(10, 30)  # 0.24 + 0.04 + 0.2667 USD
    # The hour lacks most of what ran: it was listed as running, and did not run.
    watched.cloud.vms = watched.cloud.vms[:1]
    for hour in range(10, 14):
        watched.cloud.run(hour)

    assert notified(watched.cloud) == [
        passed(at(10, 30)),
        (AlertKind.WITHDRAWAL, (Decimal(1),), None),
        passed(None),
    ]
    costs = [alert.cost_usd for alert in watched.cloud.published]
    assert costs == [Decimal("0.546666670"), 5 * HOURLY, 6 * HOURLY]


def test_an_estimate_that_later_hours_bear_out_is_not_withdrawn() -> None:
    watched = watch()
    watched.burst(10, 10, 20)
    watched.check(10, 25)
    for hour in range(10, 13):
        watched.cloud.run(hour)

    assert notified(watched.cloud) == [passed(at(10, 25))]


def test_an_estimate_is_not_withdrawn_while_hours_are_incomplete() -> None:
    watched = watch("0.9")
    watched.cloud.settings = replace(watched.cloud.settings, interim_check_share=Decimal("0.2"))
    watched.burst(10, 10, 20)
    watched.check(10, 50)
    watched.cloud.vms = watched.cloud.vms[:1]
    watched.cloud.denied |= {("monitoring", OTHER)}
    watched.cloud.run(10)
    watched.cloud.run(11)
    incomplete = notified(watched.cloud)
    watched.cloud.denied.clear()
    watched.cloud.run(12)

    assert incomplete == [passed(at(10, 50))]
    assert notified(watched.cloud)[1:] == [(AlertKind.WITHDRAWAL, (Decimal(1),), None)]


def test_a_withdrawal_that_could_not_be_sent_is_sent_by_the_next_run() -> None:
    watched = watch("0.9")
    watched.cloud.settings = replace(watched.cloud.settings, interim_check_share=Decimal("0.2"))
    watched.burst(10, 10, 20)
    watched.check(10, 50)
    watched.cloud.vms = watched.cloud.vms[:1]
    watched.cloud.run(10)
    watched.cloud.denied |= {("alerts", "")}
    watched.cloud.run(11)
    watched.cloud.denied.clear()
    watched.cloud.run(12)

    assert [kind for kind, _, _ in notified(watched.cloud)] == [AlertKind.THRESHOLD, AlertKind.WITHDRAWAL]


def test_a_label_budget_counts_the_vms_that_carry_its_value() -> None:
    vision = LabelBudget("cap-vision", "team", "vision", {PeriodKind.DAY: Decimal("0.1")})
    watched = watch(labels=(vision,))
    watched.burst(4, 10, 0, team="vision")
    watched.burst(4, 10, 0, team="speech")

    summary = watched.check(10, 12)

    assert {alert.label_budget: alert.cost_usd for alert in summary.alerts}["cap-vision"] == 4 * 2 * HOURLY / 5


def test_a_budget_of_the_total_cost_counts_with_what_is_known() -> None:
    watched = watch(covers=Covers.TOTAL)
    watched.burst(10, 10, 20)

    [alert] = watched.check(10, 25).alerts

    assert alert.covers is Covers.TOTAL
    assert alert.partial_share


def test_the_deadline_leaves_the_other_projects_out_and_says_so() -> None:
    watched = watch()
    moments = iter([0, 0, 240])
    ports = InterimPorts(
        watched.cloud.ledger,
        FakeInstances(watched.cloud),
        FakeAlerts(watched.cloud),
        lambda: timedelta(seconds=next(moments)),
    )
    watched.cloud.now = at(10, 25)

    summary = check_interim(watched.cloud.settings, ports, "late", InterimRequest(at(10, 25)))

    assert [(gap.project_id, gap.detail) for gap in summary.gaps] == [(OTHER, "not read: the check had read for 240 s")]
    assert summary.instances == 1
    assert watched.cloud.settings.projects == (HOME, OTHER)


@pytest.mark.parametrize("verb", ["standings", "spends", "rates", "reserve", "confirm"])
def test_tables_that_cannot_be_read_or_written_are_unavailable(verb: str) -> None:
    watched = watch()
    watched.burst(10, 10, 20)
    watched.cloud.ledger.failing.add(verb)

    with pytest.raises(UnavailableError, match=verb):
        watched.check(10, 25)


def test_it_is_refused_where_it_is_off() -> None:
    watched = watch()
    watched.cloud.settings = replace(watched.cloud.settings, interim_checks=False)

    with pytest.raises(RefusedRequestError, match="INTERIM_CHECKS"):
        watched.check(10, 25)


def test_before_the_first_run_there_is_nothing_to_add_to() -> None:
    cloud = Cloud()
    cloud.settings = replace(cloud.settings, interim_checks=True)

    assert Watch(cloud).check(1).status is InterimStatus.BELOW


@pytest.mark.parametrize(
    ("earlier", "kind", "sent", "following"),
    [
        ((), None, (), "0.5"),
        (("0.5",), None, (), "0.8"),
        (("0.5",), AlertKind.THRESHOLD, ("0.8",), "1.0"),
        (("0.5", "0.8"), AlertKind.WITHDRAWAL, ("0.8",), "0.8"),
        (("0.5",), AlertKind.PACE, ("0.8",), "0.8"),
        (("0.5", "0.8", "1.0"), None, (), None),
    ],
)
def test_a_standing_has_the_lowest_threshold_that_is_still_to_be_notified(
    earlier: tuple[str, ...], kind: AlertKind | None, sent: tuple[str, ...], following: str | None
) -> None:
    budgets = Budgets({PeriodKind.DAY: Decimal(10)})
    known = frozenset(Notified(AlertKind.THRESHOLD, Decimal(each), Decimal(10)) for each in earlier)
    just_now = [Alert(DAY, Decimal(9), Decimal(10), tuple(map(Decimal, sent)), kind)] if kind else []

    [standing] = standings([Spend(DAY, Decimal(9), known)], budgets, just_now)

    assert standing.next_threshold == (Decimal(following) if following else None)
