from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotkeeper.enforcement.actions import ActionEvent, stop_events
from spotkeeper.enforcement.history import AttachedCost, FailedStop, StopCounts
from spotkeeper.enforcement.plans import Plan, Situation, plan
from spotkeeper.enforcement.policies import BudgetRule, Caps, Policy, Priority
from spotkeeper.enforcement.protection import importance
from spotkeeper.enforcement.spot_vms import SpotVm, reason_to_spare
from spotkeeper.enforcement.verdicts import Verdict, VerdictName
from tests.unit.enforcer_samples import EVERYTHING, HIGH, JULY, LOW, MEDIUM, NOW, labelled, policy, rule, vm

HOUR = timedelta(hours=1)
HOURS_LEFT = Decimal("256.75")
"""From NOW to the end of July in Los Angeles: 256 hours and three quarters."""
MANY = Caps(per_alert=1000, per_day=1000)


def verdict(
    used: BudgetRule, priorities: frozenset[Priority] = EVERYTHING, name: VerdictName = VerdictName.OVER_BUDGET
) -> Verdict:
    return Verdict(name, "", used, JULY, priorities)


def made(  # noqa: PLR0913 (every test names only what it is about)
    vms: Sequence[SpotVm],
    *,
    caps: Caps = MANY,
    priorities: frozenset[Priority] = EVERYTHING,
    today: int = 0,
    total: int | None = None,
    has_gaps: bool = False,
    cost: str = "120",
    budget: str = "100",
    forecast: bool = False,
    used: Policy | None = None,
    scope: BudgetRule | None = None,
) -> Plan:
    found = replace(scope or rule(), caps=caps)
    name = VerdictName.NEARING_BUDGET if forecast else VerdictName.OVER_BUDGET
    situation = Situation(Decimal(cost), Decimal(budget), JULY, NOW, has_gaps)
    return plan(
        verdict(found, priorities, name),
        situation,
        vms,
        used or policy(),
        StopCounts(
            today,
            today if total is None else total,
            frozenset(vm(f"stopped-{number}").instance.key for number in range(today)),
        ),
    )


def stops(found: Plan) -> list[str]:
    return [decision.vm.instance.name for decision in found.stops]


def reasons(found: Plan) -> dict[str, str]:
    return {decision.vm.instance.name: decision.reason for decision in (*found.stops, *found.spared)}


def important(name: str, priority: str, cost: str | None = "1", started: datetime = NOW - 48 * HOUR) -> SpotVm:
    return vm(name, cost=cost, labels={"priority": priority}, started=started)


ORDERED = [
    important("a", "low", "3"),
    important("b", "low", "2", NOW - 1 * HOUR),
    important("c", "low", "2", NOW - 2 * HOUR),
    important("d", "low", "2", NOW - 3 * HOUR),
    important("e", "low", "2", NOW - 3 * HOUR),
    important("f", "low", "0"),
    important("g", "low", None, NOW - 1 * HOUR),
    important("h", "low", None),
    important("i", "medium", "9"),
    important("j", "medium", None),
    important("k", "high", "99"),
    important("l", "critical", "98"),
]


@settings(deadline=None)
@given(st.permutations(ORDERED), st.integers(1, len(ORDERED)))
def test_the_order_of_stopping_is_priority_then_saving_then_youth_then_name(vms: list[SpotVm], cap: int) -> None:
    found = made(vms, caps=Caps(cap, 1000))

    assert stops(found) == list("abcdefghijkl")[:cap]
    assert [decision.rank for decision in found.stops] == list(range(1, cap + 1))


def test_of_equal_savings_the_youngest_is_stopped_first_whatever_its_name_then_by_name_whatever_its_key() -> None:
    fleet = [
        vm("c", number="1", started=NOW - 2 * HOUR),
        vm("b", number="2", started=NOW - 2 * HOUR),
        vm("a", number="0", started=NOW - 3 * HOUR),
    ]

    assert stops(made(fleet)) == ["b", "c", "a"]


def test_the_share_of_the_fleet_counts_a_vm_once_whose_stop_is_pending() -> None:
    fleet = [vm("a"), vm("b"), replace(vm("c"), pending_stop="message-9")]

    assert stops(made(fleet, caps=Caps(9, 9, Decimal("0.5")), today=1)) == []
    assert stops(made([*fleet, vm("d")], caps=Caps(9, 9, Decimal("0.5")), today=1)) == ["a"]


def test_an_instance_that_cannot_be_read_is_spared_with_its_reason_by_every_rule_that_may_cover_it() -> None:
    odd = replace(important("odd", "low"), unreadable="disks must be a list")
    vision = rule(labels={"team": frozenset({"vision"})})
    unknown = replace(odd, instance=odd.instance._replace(labels=()))

    assert reasons(made([odd, important("b", "low")]))["odd"] == "could not be read: disks must be a list"
    assert stops(made([odd, important("b", "low")])) == ["b"]
    assert reasons(made([odd], scope=vision)) == {}
    assert list(reasons(made([unknown], scope=vision))) == ["odd"]
    assert reasons(made([unknown], scope=rule(projects=("another",)))) == {}
    assert reasons(made([replace(odd, status="TERMINATED")])) == {}


def test_instances_of_one_name_are_distinguished_by_their_key() -> None:
    twins = [vm("twin", number=number) for number in "21"]

    assert [each.vm.instance.key.instance_id for each in made(twins, caps=Caps(1)).stops] == ["1"]
    assert made(twins, caps=Caps(1)) == made(twins[::-1], caps=Caps(1))


@settings(deadline=None)
@given(st.permutations(ORDERED), st.booleans())
def test_shuffled_input_gives_the_same_plan(vms: list[SpotVm], forecast: bool) -> None:  # noqa: FBT001 (hypothesis gives it)
    first = made(ORDERED, caps=Caps(4), cost="99", forecast=forecast)
    other = made(vms, caps=Caps(4), cost="99", forecast=forecast)

    assert other.stops == first.stops
    assert sorted(reasons(other).items()) == sorted(reasons(first).items())
    assert replace(other, spared=()) == replace(first, spared=())


@pytest.mark.parametrize("name", [name for name in VerdictName if name not in {"over_budget", "nearing_budget"}])
def test_no_other_verdict_stops_anything(name: VerdictName) -> None:
    situation = Situation(Decimal(120), Decimal(100), JULY, NOW)

    assert plan(verdict(rule(), name=name), situation, ORDERED, policy(), StopCounts()) == Plan()
    without_rule = replace(verdict(rule()), rule=None)
    assert plan(without_rule, situation, ORDERED, policy(), StopCounts()) == Plan()


@pytest.mark.parametrize(
    ("spared", "reason"),
    [
        (vm(status="PROVISIONING"), "status PROVISIONING: only RUNNING instances are stopped"),
        (vm(status="STOPPING"), "status STOPPING: only RUNNING instances are stopped"),
        (vm(status="PENDING_STOP"), "status PENDING_STOP: only RUNNING instances are stopped"),
        (vm(status="A_NEW_ONE"), "status A_NEW_ONE: only RUNNING instances are stopped"),
        (
            vm(labels={"goog-gke-node": ""}),
            "GKE node, which the cluster would replace: resize its node pool instead",
        ),
        (vm(labels={"goog-gke-node-pool-provisioning-model": "spot"}), "GKE node, which the cluster would replace"),
        (
            vm(managed_by="projects/1/zones/us-central1-a/instanceGroupManagers/gke-pool-1"),
            "GKE node, which the cluster would replace",
        ),
        (vm(labels={"goog-k8s-cluster-name": "prod"}), "GKE node, which the cluster would replace"),
        (
            vm(managed_by="projects/1/regions/us-central1/instanceGroupManagers/gk3-pool-1"),
            "GKE node, which the cluster would replace",
        ),
        (labelled(vm(), spotkeeper_protect="demo"), "protected (label spotkeeper-protect=demo)"),
        (
            vm(started=NOW - 59 * timedelta(minutes=1)),
            "younger than the minimum age of 60 minutes (started 2026-07-21T13:16:00Z)",
        ),
        (
            labelled(vm(), priority="high"),
            "high priority (label priority=high): not stopped at this step",
        ),
        (
            labelled(vm(), priority="critical"),
            "high priority (label priority=critical is not low, medium, high): not stopped",
        ),
    ],
)
def test_what_may_not_be_stopped_is_spared_with_the_reason(spared: SpotVm, reason: str) -> None:
    found = made([spared], used=policy(minimum_age_minutes=60), priorities=frozenset({LOW, MEDIUM}))

    assert found.stops == ()
    assert [decision.reason.startswith(reason) for decision in found.spared] == [True]
    assert found.spared[0].rank is None


@pytest.mark.parametrize("status", ["TERMINATED", "STOPPED", "SUSPENDED"])
def test_what_is_stopped_is_not_listed_and_costs_nothing(status: str) -> None:
    assert made([vm(status=status)]) == replace(Plan(), runs_out=NOW, runs_out_with_plan=NOW)


def test_what_another_budget_covers_is_not_listed() -> None:
    scope = rule(labels={"team": frozenset({"ml"})})
    found = made([vm("mine", labels={"team": "ml"}), vm("other"), vm("far", project="team-b-prod")], scope=scope)

    assert (stops(found), found.spared, found.hourly_cost_usd) == (["mine"], (), Decimal(1))


def test_a_member_of_a_group_that_is_no_gke_node_is_stopped() -> None:
    member = vm(managed_by="projects/1/regions/us-central1/instanceGroupManagers/web-gke-like")

    assert stops(made([member])) == ["worker-1"]


@pytest.mark.parametrize(
    ("minutes", "age", "stopped"),
    [
        (60, timedelta(minutes=60), True),
        (60, timedelta(minutes=60) - timedelta(microseconds=1), False),
        (0, timedelta(0), True),
        (1, timedelta(0), False),
    ],
)
def test_an_instance_is_old_enough_at_the_minimum_age(minutes: int, age: timedelta, stopped: bool) -> None:  # noqa: FBT001 (a table's column)
    found = made([vm(started=NOW - age)], used=policy(minimum_age_minutes=minutes))

    assert bool(found.stops) is stopped


def test_an_unlabelled_instance_is_as_important_as_the_policy_says() -> None:
    low = frozenset({LOW})

    assert stops(made([vm()], priorities=low)) == ["worker-1"]
    assert stops(made([vm()], priorities=low, used=policy(unlabelled_priority=MEDIUM))) == []
    assert "no label priority" in made([vm()]).stops[0].reason


@pytest.mark.parametrize(
    ("caps", "today", "count", "cap"),
    [
        (Caps(3, 30), 0, 3, "limit of 3 stops per alert"),
        (Caps(3, 30), 27, 3, "limit of 3 stops per alert"),
        (Caps(3, 30), 28, 2, "limit of 30 stops per day (28 planned or stopped in the last 24 hours)"),
        (Caps(3, 30), 30, 0, "limit of 30 stops per day (30 planned or stopped in the last 24 hours)"),
        (Caps(3, 30), 31, 0, "limit of 30 stops per day (31 planned or stopped in the last 24 hours)"),
        (
            Caps(9, 30, Decimal("0.5")),
            0,
            4,
            "limit of 50% of the fleet per day, 4 stops (0 planned or stopped in the last 24 hours)",
        ),
        (
            Caps(9, 30, Decimal("0.5")),
            2,
            3,
            "limit of 50% of the fleet per day, 5 stops (2 planned or stopped in the last 24 hours)",
        ),
        (
            Caps(9, 30, Decimal("0.12")),
            0,
            0,
            "limit of 12% of the fleet per day, 0 stops (0 planned or stopped in the last 24 hours)",
        ),
        (
            Caps(9, 30, Decimal("0.125")),
            0,
            1,
            "limit of 12% of the fleet per day, 1 stops (0 planned or stopped in the last 24 hours)",
        ),
        (Caps(8, 30), 0, 8, ""),
        (Caps(9, 30), 0, 8, ""),
    ],
)
def test_no_cap_is_exceeded_and_what_is_left_is_said(caps: Caps, today: int, count: int, cap: str) -> None:
    vms = [vm(name) for name in "abcdefgh"]
    found = made(vms, caps=caps, today=today)

    assert stops(found) == list("abcdefgh")[:count]
    assert found.deferred == 8 - count
    starts = [f"deferred to the next alert (rank {rank}): {cap}" for rank in range(count + 1, 9)]
    assert [each.reason.startswith(start) for each, start in zip(found.spared, starts, strict=True)] == [True] * len(
        starts
    )


def test_the_share_of_the_fleet_is_of_all_that_runs_in_scope() -> None:
    fleet = [
        vm("a"),
        labelled(vm("b"), spotkeeper_protect="true"),
        vm("c", labels={"goog-gke-node": ""}),
        vm("d", status="STAGING"),
        vm("e", status="TERMINATED"),
        vm("f", project="team-b-prod"),
    ]

    assert stops(made(fleet, caps=Caps(9, 30, Decimal("0.34")))) == ["a"]
    assert stops(made(fleet, caps=Caps(9, 30, Decimal("0.33")))) == []


def test_all_budgets_together_keep_to_a_limit() -> None:
    found = made(
        [vm(name) for name in "abcd"], caps=Caps(9, 30), today=1, total=8, used=policy(max_stops_per_day_total=10)
    )

    assert stops(found) == ["a", "b"]
    assert found.spared[0].reason == (
        "deferred to the next alert (rank 3): limit of 10 stops per day for all budgets "
        "(8 planned or stopped in the last 24 hours)"
    )


def failed(found: SpotVm, ago: timedelta, messages: int = 1) -> SpotVm:
    return replace(found, failed_stop=FailedStop(NOW - ago, messages))


def test_what_failed_lately_ranks_behind_what_was_not_tried_whatever_its_priority() -> None:
    fleet = [
        failed(important("a", "low"), timedelta(minutes=59)),
        important("b", "low"),
        important("c", "medium"),
        failed(important("d", "low", "9"), timedelta(hours=1)),
        failed(important("e", "low", "8"), timedelta(hours=24)),
    ]

    assert stops(made(fleet)) == ["e", "b", "d", "c", "a"]
    assert "its stop failed" not in made(fleet).stops[0].reason
    in_class, behind_all = [each.reason for each in made(fleet).stops if each.vm.instance.name in "ad"]
    assert behind_all.endswith(
        "; its stop failed 2026-07-21T13:16:00Z, so it ranks behind those not tried until 2026-07-21T14:16:00Z"
    )
    assert in_class.endswith(
        "; its stop failed 2026-07-21T13:15:00Z, "
        "so it ranks behind those of its priority that were not tried until 2026-07-22T13:15:00Z"
    )


@pytest.mark.parametrize(("messages", "hours"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 24), (1000, 24)])
def test_what_fails_again_ranks_behind_for_twice_as_long_and_a_day_at_most(messages: int, hours: int) -> None:
    assert FailedStop(NOW, messages).retry_at == NOW + timedelta(hours=hours)


def test_with_a_gap_only_the_least_important_class_may_be_stopped() -> None:
    fleet = [important("a", "low"), important("b", "medium"), important("c", "high")]

    assert stops(made(fleet)) == ["a", "b", "c"]
    assert stops(made(fleet, has_gaps=True)) == ["a"]
    assert stops(made(fleet, has_gaps=True, priorities=frozenset({MEDIUM, HIGH}))) == ["b"]
    assert reasons(made(fleet, has_gaps=True))["b"] == (
        "part of the fleet could not be read: only low priority may be stopped"
    )


def test_a_stop_says_that_it_discards_local_ssd_which_the_policy_may_spare() -> None:
    found = vm("a")
    with_ssd = replace(found, instance=found.instance._replace(shape=replace(found.instance.shape, local_ssd_gib=375)))

    assert made([with_ssd]).stops[0].reason.endswith("; discards 375 GiB of local SSD")
    spared = made([with_ssd], used=policy(spare_local_ssd=True))
    assert [each.reason for each in spared.spared] == [
        "a stop discards its 375 GiB of local SSD, which the policy spares"
    ]
    assert stops(made([found], used=policy(spare_local_ssd=True))) == ["a"]


def test_a_stop_says_that_a_protection_has_lapsed() -> None:
    reason = made([labelled(vm("a"), spotkeeper_protect="2026-07-20-demo")]).stops[0].reason

    assert reason.endswith("; protection ended on 2026-07-20 (label spotkeeper-protect=2026-07-20-demo)")


def test_of_two_caps_that_allow_as_many_the_first_is_named() -> None:
    found = made([vm(f"vm-{number:02}") for number in range(20)], caps=Caps(9, 3, Decimal("0.15")))

    assert {each.reason.rpartition(": ")[2] for each in found.spared} == {
        "limit of 3 stops per day (0 planned or stopped in the last 24 hours)"
    }


def test_a_stop_says_its_place_what_it_saves_and_since_when_it_runs() -> None:
    found = made([important("a", "low", "1.23456"), important("b", "medium", None)])

    assert [each.reason for each in found.stops] == [
        "stop 1 of 2: low priority (label priority=low), saves 1.2346 USD/h, running since 2026-07-19T14:15:00Z",
        ("stop 2 of 2: medium priority (label priority=medium), savings unknown, running since 2026-07-19T14:15:00Z"),
    ]
    assert [each.priority for each in found.stops] == [LOW, MEDIUM]


@pytest.mark.parametrize(
    ("attached", "said"),
    [
        (None, "saves 1.0000 USD/h, running"),
        (AttachedCost(Decimal(0), Decimal(0), Decimal(0)), "saves 1.0000 USD/h, running"),
        (
            AttachedCost(None, None, None),
            "saves 1.0000 USD/h (licenses not known, what disks go on costing not known, addresses not known), running",
        ),
        (
            AttachedCost(Decimal("0.4"), Decimal("0.02"), Decimal("0.0025")),
            "0.4000 of it licenses and Tier_1, disks go on at 0.0200, addresses 0.0025, ended unless reserved), ",
        ),
    ],
)
def test_a_stop_says_what_it_ends_and_what_goes_on(attached: AttachedCost | None, said: str) -> None:
    [stop] = made([replace(important("a", "low", "1"), attached=attached)]).stops

    assert said in stop.reason


def test_the_money_is_that_of_what_runs_and_of_what_is_stopped() -> None:
    fleet = [
        vm("a", cost="3"),
        vm("b", cost="2"),
        labelled(vm("c", cost="5"), spotkeeper_protect="true"),
        vm("d", cost=None),
        vm("e", cost="7", status="STAGING"),
    ]
    found = made(fleet, caps=Caps(1))

    assert (found.hourly_cost_usd, found.hourly_savings, found.unpriced, found.deferred) == (
        Decimal(10),
        Decimal(3),
        1,
        2,
    )


@pytest.mark.parametrize(
    ("cost", "hourly", "runs_out"),
    [
        ("100", ["1"], NOW),
        ("120", [], NOW),
        ("100", [], NOW),
        ("90", [], None),
        ("90", ["1"], NOW + 10 * HOUR),
        ("90", ["4"], NOW + timedelta(hours=2.5)),
        ("90", ["0"], None),
        ("99", ["0.0001"], None),
        ("-100", ["0.5"], None),
        ("-100", ["1"], NOW + 200 * HOUR),
    ],
)
def test_a_budget_runs_out_at_the_present_rate_unless_the_period_ends_before(
    cost: str, hourly: list[str], runs_out: datetime | None
) -> None:
    kept = [labelled(vm(f"vm-{each}", cost=each), spotkeeper_protect="true") for each in hourly]

    assert made(kept, cost=cost).runs_out == runs_out
    assert made(kept, cost=cost).runs_out_with_plan == runs_out


def test_a_budget_that_lasts_to_the_end_of_the_period_does_not_run_out_in_it() -> None:
    hourly = Decimal(60)
    exactly = 100 - hourly * HOURS_LEFT

    assert made([vm(cost=str(hourly))], cost=str(exactly), forecast=True).runs_out is None
    above = made([vm(cost=str(hourly))], cost=str(exactly + Decimal("0.001")), forecast=True).runs_out
    assert above is not None
    assert timedelta(0) < JULY.end - above < timedelta(seconds=1)


def test_the_plan_says_when_the_budget_runs_out_without_what_it_stops() -> None:
    found = made([vm("a", cost="4"), vm("b", cost="1")], cost="90", forecast=True, caps=Caps(1))

    assert stops(found) == ["a"]
    assert (found.runs_out, found.runs_out_with_plan) == (NOW + 2 * HOUR, NOW + 10 * HOUR)


PRICED = [important("a", "low", "0.2"), important("b", "low", "0.1"), important("c", "medium", "0.4")]


@pytest.mark.parametrize(
    ("cost", "stopped"),
    [
        # without a stop, 0.7 USD an hour make 179.725 more; each stop takes its part of the time left
        (Decimal(100) - Decimal("0.7") * HOURS_LEFT - Decimal("0.001"), ""),
        (Decimal(100) - Decimal("0.7") * HOURS_LEFT, "a"),
        (Decimal(100) - Decimal("0.5") * HOURS_LEFT - Decimal("0.001"), "a"),
        (Decimal(100) - Decimal("0.5") * HOURS_LEFT, "ab"),
        (Decimal(100) - Decimal("0.4") * HOURS_LEFT, "abc"),
        (Decimal("99.9"), "abc"),
    ],
)
def test_a_forecast_step_stops_no_more_than_keeps_the_period_below_its_budget(cost: Decimal, stopped: str) -> None:
    found = made(PRICED, cost=str(cost), forecast=True)

    assert stops(found) == list(stopped)
    assert found.deferred == 0
    wanted = "not needed: the forecast stays below the budget"
    if stopped:
        wanted = f"not needed: {len(stopped)} stops keep the period below its budget"
    assert {each.reason for each in found.spared} <= {wanted}
    assert [each.priority for each in found.spared] == [LOW, LOW, MEDIUM][len(stopped) :]


def test_a_forecast_step_counts_what_it_may_not_stop() -> None:
    kept = labelled(vm("kept", cost="1"), spotkeeper_protect="true")

    assert stops(made(PRICED[:2], cost="10", forecast=True)) == []
    assert stops(made([*PRICED[:2], kept], cost="10", forecast=True)) == ["a", "b"]


def test_a_forecast_step_keeps_to_the_caps_and_says_what_is_left() -> None:
    found = made(PRICED, cost="99", forecast=True, caps=Caps(1))

    assert (stops(found), found.deferred) == (["a"], 2)
    assert "deferred to the next alert (rank 2): limit of 1 stops per alert" in reasons(found)["b"]
    assert "stop 1 of 1" in reasons(found)["a"]


def test_a_forecast_step_does_not_stop_what_changes_no_forecast() -> None:
    found = made([important("a", "low", None), important("b", "medium", "1")], cost="99", forecast=True)

    assert stops(found) == ["b"]
    assert [each.priority for each in found.spared] == [LOW]
    assert reasons(found)["a"] == "below the budget, and without a price its savings are unknown"
    assert found.unpriced == 1


def test_a_forecast_step_takes_what_costs_nothing_for_what_it_is() -> None:
    free = [important("a", "low", "0"), important("b", "medium", "0.3"), important("c", "high", "0.3")]
    cost = Decimal(100) - Decimal("0.5") * HOURS_LEFT

    assert stops(made(free, cost=str(cost), forecast=True)) == ["a", "b"]


def test_a_budget_in_another_currency_gets_no_forecast_but_is_kept_when_it_is_used_up() -> None:
    euros = rule(currency="EUR")
    nearing = made(PRICED, cost="99", forecast=True, scope=euros)
    assert [each.priority for each in nearing.spared] == [LOW, LOW, MEDIUM]
    over = made(PRICED, scope=euros)

    assert stops(nearing) == []
    assert set(reasons(nearing).values()) == {"below the budget, and prices in USD allow no forecast in EUR"}
    assert stops(over) == ["a", "b", "c"]
    for found in (nearing, over):
        assert (found.runs_out, found.runs_out_with_plan) == (None, None)
        assert found.hourly_cost_usd == Decimal("0.7")


def test_a_plan_is_recorded_with_what_it_stops_first() -> None:
    found = made(ORDERED, caps=Caps(2))
    events = stop_events(found)

    assert [each.event for each in events] == [ActionEvent.PLANNED] * 2 + [ActionEvent.SPARED] * 10
    assert [each.rank for each in events] == [1, 2] + [None] * 10
    assert [each.instance for each in events[:2]] == [each.vm.instance for each in found.stops]
    assert (events[0].hourly_savings, events[0].priority, events[0].reason) == (
        Decimal(3),
        LOW,
        found.stops[0].reason,
    )
    assert stop_events(None) == []


VMS = st.builds(
    vm,
    name=st.sampled_from(["a", "b", "c", "d"]),
    number=st.integers(1, 10**6).map(str),
    cost=st.sampled_from([None, "0", "0.1", "0.5", "2"]),
    status=st.sampled_from(["RUNNING"] * 6 + ["STAGING", "STOPPING", "TERMINATED", "SUSPENDED"]),
    started=st.integers(0, 300).map(lambda minutes: NOW - timedelta(minutes=minutes)),
    project=st.sampled_from(["team-a-prod", "team-a-prod", "team-b-prod"]),
    labels=st.dictionaries(
        st.sampled_from(["priority", "priority", "spotkeeper-protect", "goog-gke-node"]),
        st.sampled_from(["low", "medium", "high", "2026-07-20", "2026-07-22", "false"]),
        max_size=2,
    ),
)
CAPS = st.builds(
    Caps, st.integers(1, 6), st.integers(1, 8), st.sampled_from([Decimal("0.2"), Decimal("0.5"), Decimal(1)])
)


@settings(deadline=None)
@given(
    st.lists(VMS, max_size=12, unique_by=lambda found: found.instance.key),
    CAPS,
    st.sets(st.sampled_from(Priority)).map(frozenset),
    st.integers(0, 9),
    st.sampled_from(["0", "60", "90", "99.99", "100", "500"]),
)
def test_every_plan_keeps_to_all_of_its_rules(
    vms: list[SpotVm], caps: Caps, priorities: frozenset[Priority], today: int, cost: str
) -> None:
    used = policy(minimum_age_minutes=30)
    forecast = Decimal(cost) < 100
    found = made(vms, caps=caps, priorities=priorities, today=today, cost=cost, forecast=forecast, used=used)

    decided = [decision.vm for decision in (*found.stops, *found.spared)]
    resting = ("TERMINATED", "SUSPENDED")
    not_stopped = [each for each in vms if each.instance.key.project_id == "team-a-prod" and each.status not in resting]
    running = [each for each in not_stopped if each.status == "RUNNING"]
    assert sorted(decided, key=lambda each: each.instance.key) == sorted(
        not_stopped, key=lambda each: each.instance.key
    )
    for decision in (*found.stops, *found.spared):
        assert decision.reason
        assert decision.priority is importance(decision.vm.instance.labels, used).priority
    for decision in found.stops:
        assert reason_to_spare(decision.vm, used, NOW) is None
        assert decision.priority in priorities
        assert "goog-gke-node" not in dict(decision.vm.instance.labels)
        assert NOW - decision.vm.started >= timedelta(minutes=30)
    of_fleet = int((caps.fleet_share * (len(running) + today)).to_integral_value(ROUND_FLOOR))
    assert len(found.stops) <= max(0, min(caps.per_alert, caps.per_day - today, of_fleet - today))
    savings = sum((each.vm.hourly_cost_usd or Decimal(0) for each in found.stops), Decimal(0))
    assert found.hourly_savings == savings <= found.hourly_cost_usd
    assert isinstance(found.hourly_cost_usd, Decimal)
    assert isinstance(found.hourly_savings, Decimal)
    if forecast and found.stops:
        needed = savings - (found.stops[-1].vm.hourly_cost_usd or Decimal(0))
        assert Decimal(cost) + (found.hourly_cost_usd - needed) * HOURS_LEFT >= 100


def test_a_share_of_all_is_no_limit_for_a_vm_that_was_stopped_and_started_again() -> None:
    again = vm("stopped-0")

    assert stops(made([again], caps=Caps(9, 30, Decimal(1)), today=1)) == ["stopped-0"]
    assert stops(made([again], caps=Caps(9, 30, Decimal("0.99")), today=1)) == []
