"""The first notification of a new budget period that is under budget starts again what was stopped in the last one."""

import itertools
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from spotkeeper.enforcement.actions import ActionEvent, Verb, vm_request
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import Caps, Policy, Response, Source
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.errors import UnavailableError
from spotkeeper.periods import PeriodKind, budget_period
from tests.unit.enforcer_fakes import Cloud, Killed, Killer
from tests.unit.enforcer_samples import (
    JULY,
    NOW,
    labelled,
    notification,
    policy,
    rule,
    standard,
    steps,
    tracker_alert,
    vm,
)

MINUTE = timedelta(minutes=1)
AUGUST = JULY.end + timedelta(hours=1)
ALL = steps(("1.0", "low medium high"))
USED = policy(rule(steps=ALL), restart=True)
FLEET = [
    vm("a", labels={"priority": "low"}),
    vm("b", labels={"priority": "high"}),
    vm("c", labels={"priority": "medium"}),
    labelled(vm("kept"), spotkeeper_protect="true"),
]


def news(cost: str = "1", message_id: str = "august", published: timedelta = timedelta(0)) -> BudgetNotification:
    return notification(cost, message_id=message_id, published=AUGUST + published, start=JULY.end)


def july_is_over() -> Cloud:
    """A cloud in August; a, b and c were stopped in July, and `own` was stopped by somebody else."""
    cloud = Cloud().has(*FLEET)
    cloud.deliver(notification(), USED)
    assert cloud.stopped_names() == ["a", "c", "b"]
    cloud.has(vm("own", status="TERMINATED"))
    cloud.now = AUGUST
    return cloud


def test_a_new_period_under_budget_starts_again_what_was_stopped_and_nothing_else() -> None:
    cloud = july_is_over()
    verdict = cloud.deliver(news(), USED)

    assert verdict.name is VerdictName.UNDER_BUDGET
    assert cloud.started_names() == ["b", "c", "a"]
    assert (
        cloud.tables.events(ActionEvent.RESTART_PLANNED)
        == cloud.tables.events(ActionEvent.RESTARTED)
        == ["b", "c", "a"]
    )
    cloud.deliver(news(message_id="next", published=MINUTE), USED)
    assert cloud.started_names() == ["b", "c", "a"]


def test_a_restart_is_recorded_before_the_first_start() -> None:
    cloud = july_is_over()
    cloud.calls.clear()
    cloud.deliver(news(), USED)

    calls = [call.partition(" ")[0] for call in cloud.calls]
    assert calls[:3] == ["history", "stopped", "latest"]
    assert calls.index("record_plan") < calls.index("act")
    assert calls.index("act") < calls.index("record_outcomes")


def test_nothing_is_started_unless_the_policy_says_so() -> None:
    cloud = july_is_over()
    cloud.deliver(news(), policy(rule(steps=ALL)))

    assert cloud.started_names() == []


def test_nothing_is_started_while_the_period_of_the_stop_lasts() -> None:
    cloud = july_is_over()
    cloud.now = JULY.end - MINUTE
    cloud.deliver(notification("1", message_id="july", published=cloud.now), USED)

    assert cloud.started_names() == []


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (news("120"), VerdictName.OVER_BUDGET),
        (notification("1", message_id="july", published=AUGUST), VerdictName.EARLIER_PERIOD),
        (replace(news(), currency="EUR"), VerdictName.OTHER_CURRENCY),
    ],
)
def test_only_news_of_the_new_period_being_under_budget_starts_anything(
    said: BudgetNotification, name: VerdictName
) -> None:
    cloud = july_is_over()

    assert cloud.deliver(said, USED).name is name
    assert cloud.started_names() == []


def test_news_that_is_older_than_what_was_received_starts_nothing() -> None:
    cloud = july_is_over()
    cloud.deliver(news("120", message_id="newer", published=MINUTE), USED)

    assert cloud.deliver(news(), USED).name is VerdictName.SUPERSEDED
    assert cloud.started_names() == []


@pytest.mark.parametrize(("mode", "drill"), [(Mode.DRY_RUN, False), (Mode.ENFORCE, True)])
def test_a_dry_run_and_a_drill_start_nothing(mode: Mode, drill: bool) -> None:  # noqa: FBT001 (a table's column)
    cloud = july_is_over()
    cloud.deliver(replace(news(), drill=drill), USED, mode=mode)

    assert cloud.started_names() == []
    assert cloud.tables.events(ActionEvent.RESTART_PLANNED) == ["b", "c", "a"]
    cloud.deliver(news(message_id="in earnest", published=MINUTE), USED)
    assert cloud.started_names() == ["b", "c", "a"]


def test_what_was_only_played_to_be_stopped_is_not_started() -> None:
    cloud = Cloud().has(*FLEET)
    cloud.deliver(notification(), USED, mode=Mode.DRY_RUN)
    cloud.has(vm("a", status="TERMINATED"))
    cloud.now = AUGUST
    cloud.deliver(news(), USED)

    assert cloud.started_names() == []


def test_no_more_are_started_than_one_alert_and_one_day_may() -> None:
    cloud = july_is_over()
    capped = policy(rule(steps=ALL, caps=Caps(per_alert=1, per_day=2)), restart=True)
    for number in range(4):
        cloud.deliver(news(message_id=f"august-{number}", published=number * MINUTE), capped)
    assert cloud.started_names() == ["b", "c"]

    cloud.now += timedelta(days=1)
    cloud.deliver(news(message_id="tomorrow", published=timedelta(days=1)), capped)
    assert cloud.started_names() == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "the instance no longer exists (no instance has this id)"),
        (vm("b"), "status is RUNNING already"),
        (vm("b", status="SUSPENDED"), "status is SUSPENDED already"),
        (
            vm("b", status="TERMINATED", started=NOW + MINUTE),
            "started by someone else at 2026-07-21T14:16:00Z, and stopped again since",
        ),
        (
            vm("b", status="TERMINATED", machine_type="n2-standard-8"),
            "machine type is now n2-standard-8, but was e2-standard-25 when it was stopped",
        ),
        (standard(vm("b", status="TERMINATED")), "now STANDARD, but SPOT when it was stopped"),
    ],
)
def test_what_is_gone_or_has_changed_is_not_started_and_done_with(found: SpotVm | None, reason: str) -> None:
    cloud = july_is_over()
    del cloud.vms[vm("b").instance.key]
    if found:
        cloud.has(found)
    cloud.deliver(news(), USED)
    cloud.deliver(news(message_id="next", published=MINUTE), USED)

    assert cloud.started_names() == ["c", "a"]
    assert [
        (row.instance.name, row.reason) for row in cloud.tables.actions if row.event is ActionEvent.NOT_RESTARTED
    ] == [("b", reason)]


def test_one_recreated_under_the_same_name_is_not_started() -> None:
    cloud = july_is_over()
    del cloud.vms[vm("b").instance.key]
    cloud.has(vm("b", number="another", status="TERMINATED"))
    cloud.deliver(news(), USED)

    assert cloud.started_names() == ["c", "a"]


def test_one_that_is_out_of_capacity_keeps_no_other_waiting_and_gets_another_turn_after_them() -> None:
    cloud = july_is_over()
    cloud.refusing = {"id-b": UnavailableError("ZONE_RESOURCE_POOL_EXHAUSTED")}
    capped = policy(rule(steps=ALL, caps=Caps(per_alert=1)), restart=True)
    cloud.deliver(news(), capped)
    assert cloud.tables.events(ActionEvent.RESTART_FAILED) == ["b"]
    assert cloud.tables.actions[-1].error == "ZONE_RESOURCE_POOL_EXHAUSTED"

    cloud.refusing.clear()
    for number in range(3):
        cloud.now += MINUTE
        cloud.deliver(news(message_id=f"next-{number}", published=number * MINUTE), capped)
    assert cloud.started_names() == ["c", "a", "b"]


def test_a_failure_that_nobody_foresaw_is_recorded_and_raised_and_keeps_no_other_waiting() -> None:
    cloud = july_is_over()
    cloud.refusing = {"id-b": KeyError("field")}

    with pytest.raises(ExceptionGroup) as raised:
        cloud.deliver(news(), USED)
    assert [type(error) for error in raised.value.exceptions] == [KeyError]
    assert cloud.started_names() == cloud.tables.events(ActionEvent.RESTARTED) == ["c", "a"]
    assert cloud.tables.events(ActionEvent.RESTART_FAILED) == ["b"]


def test_a_restart_killed_at_any_call_and_delivered_again_starts_every_planned_instance_once() -> None:
    for boundary in itertools.count():
        cloud = july_is_over()
        killer = Killer(boundary)
        with suppress(Killed):
            cloud.deliver(news(), USED, gate=killer)
        cloud.now += MINUTE
        cloud.deliver(news(), USED)
        cloud.deliver(news(), USED)

        assert sorted(cloud.started_names()) == ["a", "b", "c"], boundary
        assert sorted(cloud.tables.events(ActionEvent.RESTARTED)) == ["a", "b", "c"], boundary
        if killer.passed <= boundary:
            break
    assert boundary >= 2 * (3 + 2 * 3 + 1)


def test_a_redelivered_restart_starts_only_what_its_plan_names() -> None:
    cloud = july_is_over()
    capped = policy(rule(steps=ALL, caps=Caps(per_alert=1)), restart=True)
    cloud.deliver(news(), capped)
    again = cloud.deliver(news(), USED)

    assert again.name is VerdictName.REDELIVERED
    assert cloud.started_names() == ["b"]


def test_what_another_message_has_started_meanwhile_is_left_out_of_a_redelivered_restart() -> None:
    cloud = july_is_over()
    cloud.answer_lost = {"record_plan"}
    with pytest.raises(UnavailableError):
        cloud.deliver(news(), USED)
    cloud.answer_lost = set()
    cloud.deliver(news(message_id="next", published=MINUTE), USED)
    assert cloud.started_names() == ["b", "c", "a"]

    cloud.deliver(news(), USED)
    assert cloud.started_names() == ["b", "c", "a"]


def test_every_message_starts_with_requests_of_its_own() -> None:
    cloud = july_is_over()
    cloud.deliver(news(), USED)

    requests = {vm_request(Verb.START, "august", vm(name).instance.key, name).request_id for name in "abc"}
    assert requests <= set(cloud.operations)


@pytest.mark.parametrize("down", ["history", "stopped", "record_plan", "record_outcomes"])
def test_a_restart_that_cannot_be_recorded_is_finished_by_the_redelivery(down: str) -> None:
    cloud = july_is_over()
    cloud.down = {down}
    with pytest.raises((UnavailableError, ExceptionGroup)):
        cloud.deliver(news(), USED)
    assert cloud.started_names() == (["b", "c", "a"] if down == "record_outcomes" else [])

    cloud.down = set()
    cloud.deliver(news(), USED)
    assert cloud.started_names() == cloud.tables.events(ActionEvent.RESTARTED) == ["b", "c", "a"]


def test_two_restarts_at_the_same_time_do_not_both_count() -> None:
    cloud = july_is_over()
    cloud.before["record_plan"] = lambda: cloud.deliver(news(message_id="other", published=-MINUTE), USED)

    assert cloud.deliver(news(), USED).name is VerdictName.UNDER_BUDGET
    assert cloud.started_names() == ["b", "c", "a"]
    cloud.deliver(news(), USED)
    assert cloud.started_names() == ["b", "c", "a"]


def test_a_duplicate_of_an_old_notification_starts_nothing() -> None:
    cloud = july_is_over()
    cloud.now = AUGUST + timedelta(days=9)
    cloud.deliver(news(), USED)

    assert cloud.started_names() == []


def test_a_notification_that_contradicts_the_tracker_s_rows_starts_nothing_and_the_next_one_may() -> None:
    cloud = july_is_over()
    cloud.tables.tracker_cost = Decimal(50)

    assert cloud.deliver(news("4.99"), USED).name is VerdictName.CONTRADICTED
    assert cloud.started_names() == []
    cloud.deliver(news("5", message_id="next", published=MINUTE), USED)
    assert cloud.started_names() == ["b", "c", "a"]


def test_nothing_is_started_that_another_budget_or_period_keeps_stopped() -> None:
    cloud = july_is_over()
    wide = rule(budget_id="wide", steps=steps(("1.0", "low medium")))
    used = policy(rule(steps=ALL), wide, restart=True)
    cloud.deliver(notification("120", message_id="wide", budget_id="wide", published=AUGUST, start=JULY.end), used)
    cloud.deliver(news(), used)
    assert cloud.started_names() == ["b"]

    cloud.now += MINUTE
    cloud.deliver(replace(news("1", "raised", MINUTE), budget_id="wide"), used)
    cloud.deliver(news(message_id="next", published=MINUTE), used)
    assert cloud.started_names() == ["b", "c", "a"]


def test_a_budget_that_may_only_warn_or_that_the_policy_no_longer_names_keeps_nothing_stopped() -> None:
    cloud = july_is_over()
    warns = {Source.BILLING: Response.WARN, Source.TRACKER: Response.STOP}
    used = policy(rule(steps=ALL), rule(budget_id="wide", steps=ALL, responses=warns), restart=True)
    named = policy(rule(steps=ALL), rule(budget_id="gone", steps=ALL), restart=True)
    over = notification("120", message_id="wide", budget_id="wide", published=AUGUST, start=JULY.end)
    cloud.deliver(over, used)
    cloud.deliver(
        replace(over, budget_id="gone", message=replace(over.message, message_id="gone")),
        replace(named, snooze_until=AUGUST + MINUTE),
    )

    cloud.deliver(news(), used)

    assert cloud.started_names() == ["b", "c", "a"]


def test_a_message_that_contradicts_the_tracker_s_rows_frees_nothing_that_another_budget_keeps_stopped() -> None:
    cloud = july_is_over()
    used = policy(rule(steps=ALL), rule(budget_id="wide", steps=ALL), restart=True)
    cloud.deliver(notification("120", message_id="wide", budget_id="wide", published=AUGUST, start=JULY.end), used)
    cloud.tables.tracker_cost = Decimal(100)
    cloud.now += MINUTE
    forged = replace(news("1", "forged", MINUTE), budget_id="wide")
    assert cloud.deliver(forged, used).name is VerdictName.CONTRADICTED
    cloud.tables.tracker_cost = Decimal(1)

    cloud.deliver(news(published=MINUTE), used)

    assert cloud.started_names() == []


@pytest.mark.parametrize(
    ("used", "said"),
    [
        (replace(USED, snooze_until=AUGUST + MINUTE), news()),
        (USED, replace(news(), interval_start=JULY.start)),
        (USED, replace(news(), source=Source.TRACKER, period=PeriodKind.MONTH)),
    ],
    ids=["snoozed", "of an earlier period", "from a source that may only warn"],
)
def test_a_message_that_may_not_act_starts_nothing(used: Policy, said: BudgetNotification) -> None:
    cloud = july_is_over()

    cloud.deliver(said, used)

    assert cloud.started_names() == []


def test_what_another_budget_keeps_stopped_takes_no_place_from_the_others() -> None:
    cloud = july_is_over()
    used = policy(
        rule(steps=ALL, caps=Caps(per_alert=1)), rule(budget_id="wide", steps=steps(("1.0", "high"))), restart=True
    )
    cloud.deliver(notification("120", message_id="wide", budget_id="wide", published=AUGUST, start=JULY.end), used)

    cloud.deliver(news(), used)

    assert cloud.started_names() == ["c"]
    assert cloud.tables.events(ActionEvent.RESTART_FAILED) == []


def test_what_an_hour_s_budget_keeps_stopped_is_not_started_until_the_end_of_its_day() -> None:
    cloud = july_is_over()
    both = {Source.BILLING: Response.STOP, Source.TRACKER: Response.STOP}
    used = policy(rule(steps=steps(("1.0", "low medium")), responses=both), restart=True)
    hour = budget_period(PeriodKind.HOUR, AUGUST)
    cloud.now = hour.end + 7 * MINUTE
    over = tracker_alert(PeriodKind.HOUR, hour, published_at=cloud.now)
    cloud.deliver(replace(over, message=replace(over.message, message_id="hour")), used)

    today = [AUGUST + timedelta(hours=2), budget_period(PeriodKind.DAY, AUGUST).end - MINUTE]
    for number, cloud.now in enumerate(today):
        cloud.deliver(news(message_id=f"today-{number}", published=cloud.now - AUGUST), used)
    assert cloud.started_names() == ["b"]

    cloud.now += MINUTE
    cloud.deliver(news(message_id="tomorrow", published=cloud.now - AUGUST), used)
    assert cloud.started_names() == ["b", "c", "a"]


def test_an_hour_that_ends_at_midnight_keeps_stopped_what_it_covers_for_the_day_that_begins_then() -> None:
    cloud = july_is_over()
    both = {Source.BILLING: Response.STOP, Source.TRACKER: Response.STOP}
    used = policy(rule(steps=ALL, responses=both), restart=True)
    last = budget_period(PeriodKind.HOUR, JULY.end - MINUTE)
    cloud.now = last.end + 7 * MINUTE
    over = tracker_alert(PeriodKind.HOUR, last, published_at=cloud.now)
    cloud.deliver(replace(over, message=replace(over.message, message_id="hour")), used)

    cloud.now = AUGUST
    cloud.deliver(news(), used)

    assert cloud.started_names() == []
    waiting = [row for row in cloud.tables.actions if row.message_id == "august"]
    assert {row.event for row in waiting} == {ActionEvent.SPARED}
    assert len(waiting) == 3


def test_one_stopped_vm_that_cannot_be_read_keeps_no_other_waiting_and_its_reason_is_on_record() -> None:
    cloud = july_is_over()
    cloud.unfound["id-b"] = UnavailableError("Compute Engine: 403 compute.instances.get")
    cloud.deliver(news(), USED)

    assert cloud.started_names() == ["c", "a"]
    [waits] = [row for row in cloud.tables.actions if row.message_id == "august" and row.event is ActionEvent.SPARED]
    assert (waits.instance.name, waits.rank) == ("b", None)
    assert waits.reason == "stays stopped: could not be read: Compute Engine: 403 compute.instances.get"

    cloud.unfound.clear()
    cloud.now += MINUTE
    cloud.deliver(news(message_id="next", published=MINUTE), USED)
    assert cloud.started_names() == ["c", "a", "b"]


def test_however_many_another_budget_keeps_stopped_the_others_have_their_turn() -> None:
    caps = Caps(per_alert=200, per_day=200)
    kept = [vm(f"kept-{number:03}", labels={"priority": "high", "team": "kept"}) for number in range(150)]
    cloud = Cloud(parallel_requests=32).has(*kept, vm("low", labels={"priority": "low"}))
    over = rule(budget_id="over", labels={"team": frozenset({"kept"})}, steps=ALL)
    used = policy(rule(steps=ALL, caps=caps), over, restart=True, max_stops_per_day_total=200)
    cloud.deliver(notification(), used)
    cloud.now = AUGUST
    cloud.deliver(notification(message_id="over", budget_id="over", published=AUGUST, start=JULY.end), used)

    cloud.deliver(news(), used)

    assert cloud.started_names() == ["low"]


def test_the_record_says_of_every_stopped_vm_why_it_is_not_started_yet() -> None:
    cloud = july_is_over()
    wide = rule(budget_id="wide", labels={"priority": frozenset({"high"})}, steps=ALL)
    used = policy(rule(steps=ALL, caps=Caps(per_alert=1)), wide, restart=True)
    cloud.deliver(notification(message_id="wide", budget_id="wide", published=AUGUST, start=JULY.end), used)
    cloud.deliver(news(), used)

    found = {row.instance.name: (row.event, row.reason) for row in cloud.tables.actions if row.message_id == "august"}
    assert found["b"] == (
        ActionEvent.SPARED,
        "stays stopped: budget wide (billing) has reached a threshold for high priority",
    )
    assert found["a"] == (
        ActionEvent.SPARED,
        "start deferred to the next message (rank 2): limit of 1 starts per message",
    )
    assert cloud.started_names() == ["c"]


def test_only_as_many_stopped_vms_are_looked_at_as_may_be_started() -> None:
    cloud = july_is_over()
    cloud.calls.clear()
    cloud.deliver(news(), policy(rule(steps=ALL, caps=Caps(per_alert=2)), restart=True))

    calls = [call for call in cloud.calls if call.startswith("find")]
    assert calls == ["find id-b", "find id-c", "find id-b", "find id-c"]


def test_those_that_stay_stopped_are_not_counted_among_the_ones_that_may_be_started() -> None:
    cloud = july_is_over()
    wide = rule(budget_id="wide", labels={"priority": frozenset({"high", "medium"})}, steps=ALL)
    used = policy(rule(steps=ALL, caps=Caps(per_alert=1)), wide, restart=True)
    cloud.deliver(notification(message_id="wide", budget_id="wide", published=AUGUST, start=JULY.end), used)
    cloud.deliver(news(), used)

    assert cloud.started_names() == ["a"]


def test_no_stopped_vm_is_looked_at_once_the_time_of_the_delivery_is_over() -> None:
    cloud = july_is_over()
    cloud.unfound |= {f"id-{name}": UnavailableError("503") for name in "abc"}
    cloud.call_times["find"] = timedelta(minutes=3)
    cloud.calls.clear()
    cloud.deliver(news(), USED)

    assert [call for call in cloud.calls if call.startswith("find")] == ["find id-b", "find id-c"]
    assert cloud.started_names() == []


def test_a_restart_that_a_newer_message_has_overtaken_is_not_finished() -> None:
    cloud = july_is_over()
    cloud.answer_lost = {"record_plan"}
    with pytest.raises(UnavailableError):
        cloud.deliver(news(), USED)
    cloud.answer_lost = set()
    cloud.deliver(replace(news("2", "newer", MINUTE), budget=Decimal(100)), replace(USED, restart=False))

    assert cloud.deliver(news(), USED).name is VerdictName.REDELIVERED

    assert cloud.started_names() == []
    assert cloud.tables.verdicts()[-1] is VerdictName.REDELIVERED


def test_a_restart_goes_on_although_a_newer_message_contradicts_the_tracker_s_rows() -> None:
    cloud = july_is_over()
    cloud.answer_lost = {"record_plan"}
    with pytest.raises(UnavailableError):
        cloud.deliver(news("20"), USED)
    cloud.answer_lost, cloud.tables.tracker_cost = set(), Decimal(20)
    assert cloud.deliver(news("1", "forged", MINUTE), USED).name is VerdictName.CONTRADICTED

    assert cloud.deliver(news("20"), USED).name is VerdictName.REDELIVERED

    assert cloud.started_names() == ["b", "c", "a"]


def test_a_message_that_restarts_also_records_what_became_of_earlier_stops() -> None:
    cloud = july_is_over()
    other = rule(budget_id="other", labels={"team": frozenset({"other"})})
    used = policy(rule(steps=ALL), other, restart=True)
    cloud.has(vm("late", labels={"team": "other", "priority": "low"}))
    cloud.down = {"record_outcomes"}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(message_id="o", budget_id="other", published=AUGUST, start=JULY.end), used)
    cloud.down, cloud.now = set(), AUGUST + 15 * MINUTE

    cloud.deliver(news(published=15 * MINUTE), used)

    assert cloud.started_names() == ["b", "c", "a"]
    assert "late" in cloud.tables.events(ActionEvent.STOPPED)


def test_a_redelivered_restart_is_on_record() -> None:
    cloud = july_is_over()
    cloud.deliver(news(), USED)
    deliveries = len(cloud.tables.deliveries)

    cloud.deliver(news(), USED)

    assert len(cloud.tables.deliveries) == deliveries + 1


def test_restarts_that_were_planned_meanwhile_are_planned_anew() -> None:
    cloud = july_is_over()
    capped = policy(rule(steps=ALL, caps=Caps(per_alert=1)), restart=True)
    cloud.before["record_plan"] = lambda: cloud.deliver(news(message_id="other", published=-MINUTE), capped)

    cloud.deliver(news(), capped)

    assert cloud.started_names() == ["b", "c"]


def test_a_message_that_may_not_restart_records_what_became_of_earlier_stops() -> None:
    cloud = Cloud().has(*FLEET)
    cloud.down = {"record_outcomes"}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), USED)
    cloud.down, cloud.now, cloud.tables.tracker_cost = set(), NOW + 15 * MINUTE, Decimal(100)

    said = cloud.deliver(notification("1", message_id="low", published=cloud.now), USED)

    assert said.name is VerdictName.CONTRADICTED
    assert sorted(cloud.tables.events(ActionEvent.STOPPED)) == ["a", "b", "c"]


def test_without_rows_of_the_tracker_a_message_is_believed() -> None:
    cloud = july_is_over()
    cloud.tables.tracker_cost = None

    assert cloud.deliver(news("0.01"), USED).name is VerdictName.UNDER_BUDGET
    assert cloud.started_names() == ["b", "c", "a"]


def test_a_restart_plan_is_never_finished_by_stops_when_the_policy_has_changed() -> None:
    cloud = july_is_over()
    cloud.answer_lost = {"record_plan"}
    with pytest.raises(UnavailableError):
        cloud.deliver(news("60"), USED)
    cloud.answer_lost = set()
    cloud.has(*(replace(vm, status="RUNNING") for vm in cloud.vms.values() if vm.instance.name in "abc"))
    stricter = policy(rule(steps=steps(("0.5", "low medium high"))), restart=True)

    assert cloud.deliver(news("60"), stricter).name is VerdictName.REDELIVERED
    assert cloud.stopped_names() == ["a", "c", "b"]


def test_a_plan_of_stops_is_never_finished_by_restarts_when_the_policy_has_changed() -> None:
    cloud = july_is_over()
    cloud.has(*(replace(vm, status="RUNNING") for vm in cloud.vms.values() if vm.instance.name in "abc"))
    stricter = policy(rule(steps=steps(("0.5", "low medium high"))), restart=True)
    cloud.answer_lost = {"record_plan"}
    with pytest.raises(UnavailableError):
        cloud.deliver(news("60"), stricter)
    cloud.answer_lost = set()

    assert cloud.deliver(news("60"), USED).name is VerdictName.REDELIVERED
    assert cloud.tables.events(ActionEvent.RESTARTED) == cloud.started_names() == []


def test_what_an_hour_stopped_stays_so_for_the_rest_of_the_day() -> None:
    hour = budget_period(PeriodKind.HOUR, NOW - timedelta(hours=1))
    used = policy(
        rule(steps=ALL, responses={Source.BILLING: Response.STOP, Source.TRACKER: Response.STOP}), restart=True
    )
    cloud = Cloud().has(*FLEET)
    cloud.deliver(tracker_alert(PeriodKind.HOUR, hour), used)
    assert cloud.stopped_names() == ["a", "c", "b"]

    cloud.now += timedelta(hours=2)
    cloud.deliver(notification("1", message_id="later", published=cloud.now), used)
    assert cloud.started_names() == []
    cloud.now = budget_period(PeriodKind.DAY, NOW).end
    cloud.deliver(notification("1", message_id="tomorrow", published=cloud.now), used)
    assert cloud.started_names() == ["b", "c", "a"]
