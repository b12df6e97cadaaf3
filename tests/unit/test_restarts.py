from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotkeeper.enforcement.actions import ActionEvent, PlannedEvent, not_started_event, restart_event
from spotkeeper.enforcement.policies import Caps, Priority
from spotkeeper.enforcement.restarts import StoppedVm, reason_not_to_restart, restarts
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.instances import ProvisioningModel
from tests.unit.enforcer_samples import HIGH, LOW, MEDIUM, NOW, standard, vm

DAY = timedelta(days=1)
STOPPED_AT = NOW - DAY


def stopped(
    name: str = "worker-1", priority: Priority = LOW, cost: str | None = "1", *, tried: bool = False
) -> StoppedVm:
    found = vm(name, cost=cost)
    return StoppedVm(found.instance, priority, STOPPED_AT, found.hourly_cost_usd, tried)


def now(status: str = "TERMINATED", machine_type: str | None = None) -> SpotVm:
    return vm(status=status, started=STOPPED_AT - DAY, machine_type=machine_type)


def names(found: list[StoppedVm], caps: Caps = Caps(), starts_today: int = 0) -> list[str]:  # noqa: B008 (a frozen value)
    return [each.stopped.instance.name for each in restarts(found, caps, starts_today)[0]]


def test_the_most_important_is_started_first_then_what_costs_most_then_by_name() -> None:
    found = [
        stopped("f", LOW, "9"),
        stopped("e", MEDIUM, None),
        stopped("g", MEDIUM, "0.5"),
        stopped("d", MEDIUM, "2"),
        stopped("c", HIGH, "1"),
        stopped("b", HIGH, "3"),
        stopped("a", MEDIUM, "2"),
    ]

    assert names(found, Caps(per_alert=10)) == ["b", "c", "a", "d", "g", "e", "f"]


def test_equals_are_started_by_name_and_those_of_one_name_by_their_key() -> None:
    def numbered(name: str, number: str) -> StoppedVm:
        return replace(stopped(name), instance=vm(name, number=number).instance)

    found = [numbered("a", "4"), numbered("b", "2"), numbered("a", "3"), numbered("b", "1")]

    keys = [each.stopped.instance.key.instance_id for each in restarts(found, Caps(per_alert=4), 0)[0]]
    assert keys == ["3", "4", "1", "2"]


def test_what_could_not_be_started_before_comes_last() -> None:
    assert names([stopped("a", HIGH, "9", tried=True), stopped("b", LOW)]) == ["b", "a"]


@pytest.mark.parametrize(
    ("caps", "starts_today", "count"),
    [
        (Caps(per_alert=2, per_day=10), 0, 2),
        (Caps(per_alert=2, per_day=10), 9, 1),
        (Caps(per_alert=2, per_day=10), 10, 0),
        (Caps(per_alert=2, per_day=10), 11, 0),
        (Caps(per_alert=9, per_day=10), 0, 5),
        (Caps(per_alert=9, per_day=4), 0, 4),
    ],
)
def test_no_more_are_started_than_one_alert_and_one_day_may(caps: Caps, starts_today: int, count: int) -> None:
    assert names([stopped(name) for name in "abcde"], caps, starts_today) == list("abcde")[:count]


def test_a_restart_is_recorded_with_all_that_is_known_of_it() -> None:
    [first, _], _ = restarts([stopped("a", HIGH, "2"), stopped("b")], Caps(), 0)
    recorded = restart_event(first)

    assert recorded == PlannedEvent(
        first.stopped.instance, ActionEvent.RESTART_PLANNED, first.reason, HIGH, Decimal(2), rank=1
    )


def test_a_restart_says_its_place_and_why() -> None:
    [first, second], _ = restarts([stopped("a", HIGH), stopped("b")], Caps(), 0)

    assert (first.rank, second.rank) == (1, 2)
    assert first.reason == ("start 1 of 2: high priority, stopped in an earlier period (2026-07-20T14:15:00Z)")


@pytest.mark.parametrize(
    ("caps", "starts_today", "limit"),
    [
        (Caps(per_alert=1), 0, "limit of 1 starts per message"),
        (Caps(per_alert=3, per_day=8), 7, "limit of 8 starts per day (7 planned in the last 24 hours)"),
    ],
)
def test_what_a_limit_defers_is_recorded_with_its_rank_and_the_limit(caps: Caps, starts_today: int, limit: str) -> None:
    [_], [deferred] = restarts([stopped("a", HIGH), stopped("b", cost="2")], caps, starts_today)

    reason = f"start deferred to the next message (rank 2): {limit}"
    recorded = PlannedEvent(deferred.stopped.instance, ActionEvent.SPARED, reason, LOW, Decimal(2))
    assert not_started_event(deferred) == recorded


@settings(deadline=None)
@given(
    st.permutations(
        [
            stopped(name, priority, cost)
            for name, priority, cost in zip("abcdef", [LOW, HIGH, MEDIUM] * 2, ["1", "2", None] * 2, strict=True)
        ]
    )
)
def test_the_order_of_the_records_changes_nothing(found: list[StoppedVm]) -> None:
    assert names(found, Caps(per_alert=4)) == ["b", "e", "c", "f"]


@pytest.mark.parametrize("status", ["TERMINATED", "STOPPED"])
def test_what_is_as_it_was_stopped_may_be_started(status: str) -> None:
    assert reason_not_to_restart(now(status), stopped()) is None


@pytest.mark.parametrize(
    "status", ["RUNNING", "PROVISIONING", "STAGING", "STOPPING", "SUSPENDED", "REPAIRING", "PENDING_STOP", "LATER"]
)
def test_what_is_not_stopped_is_not_started(status: str) -> None:
    assert reason_not_to_restart(now(status), stopped()) == f"status is {status} already"


def test_what_somebody_started_and_stopped_again_since_is_theirs() -> None:
    since = replace(now(), started=STOPPED_AT)

    assert reason_not_to_restart(since, stopped()) == (
        "started by someone else at 2026-07-20T14:15:00Z, and stopped again since"
    )
    assert reason_not_to_restart(replace(since, started=STOPPED_AT - timedelta(microseconds=1)), stopped()) is None


def test_what_became_another_machine_or_is_no_spot_vm_any_more_is_not_started() -> None:
    assert reason_not_to_restart(now(machine_type="n2-standard-8"), stopped()) == (
        "machine type is now n2-standard-8, but was e2-standard-25 when it was stopped"
    )
    assert reason_not_to_restart(standard(now()), stopped()) == "now STANDARD, but SPOT when it was stopped"
    assert stopped().instance.provisioning_model is ProvisioningModel.SPOT
