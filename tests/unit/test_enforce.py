from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.enforce import STOP_DEADLINE_SECONDS
from spotkeeper.enforcement.history import AttachedCost
from spotkeeper.enforcement.notifications import BudgetNotification, Malformed, Message
from spotkeeper.enforcement.policies import Caps, Policy
from spotkeeper.enforcement.recording import RECORDS_UNAVAILABLE
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.errors import UnavailableError
from tests.unit.enforcer_fakes import Cloud
from tests.unit.enforcer_samples import JULY, NOW, RATES, labelled, notification, policy, rule, standard, steps, vm

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
FIVE = [vm(name) for name in "abcde"]
NEAR = policy(rule(steps=steps(("0.8", "low"), ("1.0", "low"))))


def five() -> Cloud:
    return Cloud().has(*FIVE)


def calls(cloud: Cloud) -> list[str]:
    """The calls by their names, without what they are about."""
    return [call.partition(" ")[0] for call in cloud.calls]


def test_an_exceeded_budget_stops_what_one_alert_may_and_records_why() -> None:
    cloud = five()
    verdict = cloud.deliver(notification())

    assert verdict.name is VerdictName.OVER_BUDGET
    assert cloud.stopped_names() == ["a", "b", "c"]
    assert cloud.tables.verdicts() == [VerdictName.OVER_BUDGET]
    assert cloud.tables.events(ActionEvent.PLANNED) == cloud.tables.events(ActionEvent.STOPPED) == ["a", "b", "c"]
    assert cloud.tables.events(ActionEvent.SPARED) == ["d", "e"]
    [delivery] = cloud.tables.deliveries
    assert (delivery.mode, delivery.received_at, delivery.gaps) == (Mode.ENFORCE, NOW, ())
    assert delivery.plan is not None
    assert (delivery.plan.hourly_cost_usd, delivery.plan.hourly_savings) == (Decimal(5), Decimal(3))
    assert delivery.plan.deferred == 2


def test_a_stop_saves_the_licenses_on_record_and_neither_disks_nor_addresses() -> None:
    cloud = five()
    windows = AttachedCost(ending=Decimal("0.368"), disks=Decimal("0.007"), addresses=Decimal("0.0025"))
    cloud.tables.attached[vm("e").instance.key.instance_id] = windows
    cloud.deliver(notification())

    [delivery] = cloud.tables.deliveries
    [planned, *_] = [action for action in cloud.tables.actions if action.event is ActionEvent.PLANNED]
    assert delivery.plan is not None
    assert planned.instance.name == "e"
    assert "saves 1.3680 USD/h (0.3680 of it licenses and Tier_1, disks go on at 0.0070," in planned.reason
    assert (delivery.plan.hourly_cost_usd, delivery.plan.hourly_savings) == (Decimal("5.368"), Decimal("3.368"))
    assert (delivery.plan.going_on, delivery.plan.addresses) == (Decimal("0.007"), Decimal("0.0025"))
    assert delivery.plan.attached_unknown == 2


def test_what_our_own_rows_say_was_spent_is_recorded_beside_it() -> None:
    cloud = five()
    cloud.tables.tracker_cost = Decimal("87.5")
    cloud.deliver(notification())
    cloud.deliver(notification())

    assert [delivery.tracker_cost for delivery in cloud.tables.deliveries] == [Decimal("87.5")] * 2


def test_the_plan_is_recorded_before_the_first_stop() -> None:
    cloud = five()
    cloud.deliver(notification())

    order = calls(cloud)
    assert order[:4] == ["history", "rates", "spot_vms", "record_plan"]
    assert order.index("record_plan") < order.index("find") < order.index("act") < order.index("record_outcomes")
    assert order.count("record_plan") == order.count("record_outcomes") == 1


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (notification("84.99"), VerdictName.UNDER_BUDGET),
        (notification("-5"), VerdictName.UNDER_BUDGET),
        (notification(currency="EUR"), VerdictName.OTHER_CURRENCY),
        (notification(budget="0"), VerdictName.UNUSABLE_AMOUNT),
        (notification(budget_id="other"), VerdictName.UNKNOWN_BUDGET),
        (notification(start=JULY.start - timedelta(days=30)), VerdictName.PERIOD_MISMATCH),
        (notification(published=NOW - 3 * HOUR), VerdictName.TOO_OLD),
        (Malformed(Message("message-1", None, {}, "{"), "the body is not JSON"), VerdictName.MALFORMED),
    ],
)
def test_what_asks_for_nothing_is_recorded_and_nothing_else_is_called(
    said: BudgetNotification | Malformed, name: VerdictName
) -> None:
    cloud = five()

    assert cloud.deliver(said).name is name
    assert cloud.tables.verdicts() == [name]
    assert cloud.calls == ["record"]


def test_a_delivery_that_cannot_be_recorded_is_delivered_again() -> None:
    cloud = Cloud(down={"record"})

    with pytest.raises(UnavailableError):
        cloud.deliver(notification("1"))


def test_a_dry_run_plans_everything_and_stops_nothing() -> None:
    cloud = five()
    verdict = cloud.deliver(notification(), mode=Mode.DRY_RUN)

    assert verdict.may_stop
    assert cloud.changes == []
    assert cloud.tables.events(ActionEvent.PLANNED) == ["a", "b", "c"]
    assert {action.mode for action in cloud.tables.actions} == {Mode.DRY_RUN}
    assert set(calls(cloud)) == {"history", "rates", "spot_vms", "record_plan"}


def test_a_drill_goes_all_the_way_but_for_the_stops_and_tells_what_the_function_may_not_do() -> None:
    cloud = five()
    cloud.missing_permissions = ("team-a-prod: compute.instances.stop",)
    cloud.deliver(notification(drill=True))

    assert cloud.changes == []
    [delivery] = cloud.tables.deliveries
    assert delivery.missing_permissions == ("team-a-prod: compute.instances.stop",)
    assert (delivery.mode, len(cloud.tables.events(ActionEvent.PLANNED))) == (Mode.DRY_RUN, 3)


def test_neither_a_drill_nor_a_dry_run_counts_as_stops_of_the_day() -> None:
    cloud = five()
    used = policy(rule(caps=Caps(3, 3)))
    cloud.deliver(notification(message_id="drill", drill=True), used)
    cloud.deliver(notification(message_id="dry"), used, mode=Mode.DRY_RUN)
    cloud.deliver(notification(message_id="real"), used)

    assert cloud.stopped_names() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({}, ()),
        ({"restart": True}, ("team-a-prod: compute.instances.start",)),
        ({"grace_seconds": 60}, ("team-a-prod: compute.instances.setMetadata",)),
    ],
)
def test_a_drill_misses_only_permissions_that_the_policy_needs(
    said: dict[str, object], missing: tuple[str, ...]
) -> None:
    cloud = five()
    cloud.missing_permissions = ("team-a-prod: compute.instances.setMetadata", "team-a-prod: compute.instances.start")

    cloud.deliver(notification(drill=True), policy(**said))

    assert cloud.tables.deliveries[-1].missing_permissions == missing


def test_permissions_are_looked_at_in_a_drill_only() -> None:
    cloud = five()
    cloud.deliver(notification())

    assert "missing" not in calls(cloud)


def test_a_redelivered_message_stops_no_further_instance() -> None:
    cloud = five()
    cloud.deliver(notification())
    again = cloud.deliver(notification())

    assert again.name is VerdictName.REDELIVERED
    assert cloud.tables.verdicts() == [VerdictName.OVER_BUDGET, VerdictName.REDELIVERED]
    assert cloud.stopped_names() == ["a", "b", "c"]
    assert calls(cloud)[-3:] == ["history", "record", "freezes"]


def test_the_next_alert_stops_the_next_ones_up_to_the_cap_of_the_day() -> None:
    cloud = five()
    used = policy(rule(caps=Caps(2, 3)))
    for number in range(4):
        cloud.deliver(notification(message_id=f"message-{number}", published=NOW + number * MINUTE), used)

    assert cloud.stopped_names() == ["a", "b", "c"]
    cloud.now += timedelta(days=1)
    cloud.deliver(notification(message_id="tomorrow", published=cloud.now), used)
    assert cloud.stopped_names() == ["a", "b", "c", "d", "e"]


def test_an_older_notification_that_comes_late_stops_nothing() -> None:
    cloud = five()
    cloud.deliver(notification("1", message_id="newer", published=NOW))
    older = cloud.deliver(notification(message_id="older", published=NOW - MINUTE))

    assert older.name is VerdictName.SUPERSEDED
    assert cloud.changes == []
    assert cloud.tables.verdicts() == [VerdictName.UNDER_BUDGET, VerdictName.SUPERSEDED]


def test_a_drill_does_not_supersede_what_is_meant() -> None:
    cloud = five()
    cloud.deliver(notification(message_id="drill", drill=True))

    assert cloud.deliver(notification(message_id="older", published=NOW - MINUTE)).may_stop


def test_prices_make_the_order_and_an_unknown_machine_type_has_none() -> None:
    cloud = Cloud().has(vm("cheap", vcpus=2), vm("dear", vcpus=32), vm("strange", machine_type="zz9-plural-2"))
    cloud.deliver(notification())
    [delivery] = cloud.tables.deliveries

    assert cloud.stopped_names() == ["dear", "cheap", "strange"]
    assert delivery.plan is not None
    assert (delivery.plan.hourly_cost_usd, delivery.plan.unpriced) == (Decimal("1.36"), 1)


def test_a_price_that_ended_is_no_price() -> None:
    cloud = five()
    cloud.rates = [replace(rate, valid_to=NOW) for rate in RATES]
    cloud.deliver(notification())

    [delivery] = cloud.tables.deliveries
    assert delivery.plan is not None
    assert delivery.plan.unpriced == 5


def test_a_forecast_step_stops_only_what_is_needed() -> None:
    cloud = five()
    cloud.deliver(notification("99"), NEAR)
    assert cloud.stopped_names() == ["a", "b", "c"]

    cloud = five()
    cloud.deliver(notification("800", "2000"), policy(rule(steps=steps(("0.4", "low")))))
    assert cloud.stopped_names() == ["a"]
    [delivery] = cloud.tables.deliveries
    assert delivery.verdict.name is VerdictName.NEARING_BUDGET


def test_one_instance_that_fails_shields_no_other_and_the_redelivery_stops_it() -> None:
    cloud = five()
    cloud.refusing["id-b"] = UnavailableError("quota")

    with pytest.raises(ExceptionGroup) as raised:
        cloud.deliver(notification())
    assert [str(error) for error in raised.value.exceptions] == ["b: quota"]
    assert cloud.stopped_names() == ["a", "c"]
    assert cloud.tables.events(ActionEvent.FAILED) == ["b"]

    cloud.refusing.clear()
    cloud.deliver(notification())
    assert cloud.stopped_names() == ["a", "c", "b"]
    assert cloud.tables.events(ActionEvent.STOPPED) == ["a", "c", "b"]
    cloud.deliver(notification())
    assert cloud.stopped_names() == ["a", "c", "b"]


def test_an_instance_that_fails_again_is_recorded_again() -> None:
    cloud = five()
    cloud.refusing["id-b"] = UnavailableError("quota")
    for _ in range(3):
        with pytest.raises(ExceptionGroup):
            cloud.deliver(notification())

    assert cloud.tables.events(ActionEvent.FAILED) == ["b"] * 3
    assert cloud.tables.events(ActionEvent.STOPPED) == ["a", "c"]


def test_a_redelivery_that_fails_names_what_failed() -> None:
    cloud = five()
    cloud.refusing["id-b"] = UnavailableError("quota")
    for _ in range(2):
        with pytest.raises(ExceptionGroup) as raised:
            cloud.deliver(notification())
        assert [str(error) for error in raised.value.exceptions] == ["b: quota"]


def test_a_failure_that_nobody_foresaw_keeps_no_other_from_being_stopped_and_recorded() -> None:
    cloud = five()
    fault = KeyError("no such field")
    cloud.refusing["id-a"] = fault

    with pytest.raises(ExceptionGroup) as raised:
        cloud.deliver(notification())
    assert raised.value.exceptions == (fault,)
    assert cloud.stopped_names() == cloud.tables.events(ActionEvent.STOPPED) == ["b", "c"]
    assert cloud.tables.events(ActionEvent.FAILED) == ["a"]


def test_outcomes_that_cannot_be_recorded_are_recorded_by_the_redelivery() -> None:
    cloud = five()
    cloud.down = {"record_outcomes"}
    with pytest.raises(ExceptionGroup) as raised:
        cloud.deliver(notification())
    assert [type(error) for error in raised.value.exceptions] == [UnavailableError]

    cloud.down = set()
    cloud.deliver(notification())
    assert cloud.stopped_names() == cloud.tables.events(ActionEvent.STOPPED) == ["a", "b", "c"]
    assert {row.reason for row in cloud.tables.actions if row.event is ActionEvent.STOPPED} == {
        "found TERMINATED when the plan was resumed"
    }


def killed_while_stopping(cloud: Cloud) -> None:
    """The plan of a, b and c is on record, and nothing is done yet."""
    cloud.down = {"find"}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification())
    assert (cloud.tables.events(ActionEvent.PLANNED), cloud.changes) == (["a", "b", "c"], [])
    cloud.down = set()


def test_a_redelivery_stops_exactly_the_recorded_plan_whatever_the_fleet_is_by_then() -> None:
    cloud = five()
    killed_while_stopping(cloud)
    cloud.has(*(vm(name, vcpus=99) for name in ("new-1", "new-2")))
    cloud.deliver(notification("500"))

    assert cloud.stopped_names() == ["a", "b", "c"]


def test_an_instance_that_was_recreated_under_the_same_name_is_not_stopped() -> None:
    cloud = five()
    killed_while_stopping(cloud)
    del cloud.vms[FIVE[0].instance.key]
    cloud.has(vm("a", number="another"))
    cloud.deliver(notification())

    assert cloud.stopped_names() == ["b", "c"]
    assert cloud.tables.events(ActionEvent.CHANGED) == ["a"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (labelled(FIVE[0], spotkeeper_protect="demo"), "protected (label spotkeeper-protect=demo)"),
        (replace(FIVE[0], status="SUSPENDED"), "status SUSPENDED: only RUNNING instances are stopped"),
        (standard(FIVE[0]), "no longer a Spot VM, but STANDARD"),
        (labelled(FIVE[0], goog_gke_node=""), "GKE node, which the cluster would replace: resize its node"),
    ],
)
def test_what_changed_between_plan_and_stop_is_not_stopped(changed: SpotVm, reason: str) -> None:
    for delivered_again in (False, True):
        cloud = five()
        if delivered_again:
            killed_while_stopping(cloud)
            cloud.has(changed)
        else:
            cloud.before["find"] = lambda: cloud.has(changed)  # noqa: B023 (called before the next round)
        cloud.deliver(notification())

        assert cloud.stopped_names() == ["b", "c"]
        [row] = [row for row in cloud.tables.actions if row.event is ActionEvent.CHANGED]
        assert row.instance.name == "a"
        assert row.reason.startswith(reason)


def test_what_was_preempted_between_plan_and_stop_is_not_counted_as_stopped() -> None:
    cloud = five()
    cloud.before["find"] = lambda: cloud.has(replace(FIVE[0], status="TERMINATED"))
    cloud.deliver(notification())

    assert cloud.tables.events(ActionEvent.CHANGED) == ["a"]
    assert cloud.tables.events(ActionEvent.STOPPED) == ["b", "c"]


def test_a_changed_instance_is_done_with() -> None:
    cloud = five()
    cloud.before["find"] = lambda: cloud.vms.pop(FIVE[0].instance.key)
    cloud.deliver(notification())
    cloud.deliver(notification())

    assert cloud.tables.events(ActionEvent.CHANGED) == ["a"]
    assert calls(cloud).count("find") == 3


def test_a_zone_or_a_project_that_cannot_be_read_is_recorded_as_a_gap() -> None:
    projects = ("team-a-prod", "team-b-prod")
    cloud = Cloud(silent_zones={"us-central1-x"}, unreadable={"team-b-prod"}).has(*FIVE)
    cloud.has(vm("far", project="team-b-prod", vcpus=50))
    hidden = vm("hidden", vcpus=99)
    key = hidden.instance.key._replace(zone="us-central1-x")
    cloud.has(replace(hidden, instance=hidden.instance._replace(key=key)))
    cloud.deliver(notification(), policy(rule(projects=projects)))

    [delivery] = cloud.tables.deliveries
    assert delivery.gaps == ("team-a-prod: us-central1-x does not answer", "team-b-prod: no page any more")
    assert cloud.stopped_names() == ["far", "a", "b"]


def test_when_no_project_can_be_read_nothing_is_recorded_and_the_message_comes_again() -> None:
    cloud = five()
    cloud.unreadable = {"team-a-prod"}

    with pytest.raises(UnavailableError, match="team-a-prod: no page any more"):
        cloud.deliver(notification())
    assert (cloud.tables.deliveries, cloud.tables.actions, cloud.changes) == ([], [], [])
    cloud.unreadable = set()
    cloud.deliver(notification())
    assert cloud.stopped_names() == ["a", "b", "c"]


def test_nothing_is_recorded_either_when_none_of_many_projects_can_be_read() -> None:
    cloud = Cloud(unreadable={"team-a-prod", "team-b-prod"})

    with pytest.raises(UnavailableError, match="team-a-prod: no page any more; team-b-prod: no page any more"):
        cloud.deliver(notification(), policy(rule(projects=("team-a-prod", "team-b-prod"))))
    assert cloud.tables.deliveries == []


@pytest.mark.parametrize("down", ["history", "rates", "record_plan"])
def test_while_records_are_down_nothing_is_stopped_and_the_log_says_so(
    down: str, caplog: pytest.LogCaptureFixture
) -> None:
    cloud = five()
    cloud.down = {down}

    with pytest.raises(UnavailableError, match=f"{down} is down"):
        cloud.deliver(notification())
    [event] = [each for each in caplog.records if each.getMessage() == RECORDS_UNAVAILABLE]
    assert event.levelname == "ERROR"
    assert (cloud.changes, cloud.tables.actions) == ([], [])
    cloud.down = set()
    cloud.deliver(notification())
    assert cloud.stopped_names() == cloud.tables.events(ActionEvent.STOPPED) == ["a", "b", "c"]


def test_a_plan_that_was_recorded_without_an_answer_is_finished_by_the_redelivery() -> None:
    cloud = five()
    cloud.answer_lost = {"record_plan"}
    with pytest.raises(UnavailableError):
        cloud.deliver(notification())
    assert cloud.changes == []

    cloud.answer_lost = set()
    cloud.deliver(notification())
    assert cloud.stopped_names() == cloud.tables.events(ActionEvent.STOPPED) == ["a", "b", "c"]


def test_a_plan_is_made_again_when_another_one_was_recorded_meanwhile() -> None:
    cloud = five()
    used = policy(rule(caps=Caps(3, 4)))
    cloud.before["record_plan"] = lambda: cloud.deliver(notification(message_id="other", published=NOW - MINUTE), used)
    cloud.deliver(notification(), used)

    assert cloud.stopped_names() == ["a", "b", "c", "d"]
    assert calls(cloud).count("record_plan") == 3


def test_a_plan_that_is_overtaken_by_newer_news_is_dropped() -> None:
    cloud = five()
    cloud.before["record_plan"] = lambda: cloud.deliver(notification(message_id="newer", published=NOW + MINUTE))
    verdict = cloud.deliver(notification())

    assert verdict.name is VerdictName.SUPERSEDED
    assert cloud.stopped_names() == ["a", "b", "c"]


def test_a_message_that_never_gets_its_turn_is_delivered_again() -> None:
    cloud = Cloud().has(*(vm(f"vm-{number}") for number in range(20)))

    def another() -> None:
        number = len(cloud.tables.deliveries)
        said = notification(message_id=f"other-{number}", published=NOW - MINUTE * (100 - number))
        cloud.before.pop("record_plan", None)
        cloud.deliver(said, policy(rule(caps=Caps(1))))
        cloud.before["record_plan"] = another

    cloud.before["record_plan"] = another
    with pytest.raises(UnavailableError, match="5 times, another notification was planned"):
        cloud.deliver(notification())
    assert len(cloud.stopped_names()) == 5
    assert not any(row.message_id == "message-1" for row in cloud.tables.actions)


def test_a_plan_made_in_a_dry_run_is_not_carried_out_by_a_redelivery_in_earnest() -> None:
    cloud = five()
    cloud.deliver(notification(), mode=Mode.DRY_RUN)
    cloud.deliver(notification())

    assert cloud.changes == []


def alert(number: int, at: datetime) -> BudgetNotification:
    """An alert of its own, delivered when it is published."""
    return notification(message_id=f"alert-{number}", published=at)


def test_instances_that_cannot_be_stopped_do_not_keep_the_others_from_their_turn() -> None:
    cloud = Cloud().has(*(vm(f"bad-{number}", vcpus=90) for number in range(3)), *(vm(f"good-{n}") for n in range(6)))
    cloud.refusing = {f"id-bad-{number}": UnavailableError("403") for number in range(3)}
    used = policy(rule(caps=Caps(3, 7)))
    for number in range(5):
        with suppress(ExceptionGroup):
            cloud.deliver(alert(number, cloud.now), used)
        cloud.now += HOUR

    assert len(cloud.stopped_names()) == 6


def test_a_failure_uses_up_no_cap_and_a_retry_keeps_to_it() -> None:
    cloud = five()
    cloud.refusing = {"id-a": UnavailableError("403")}
    used = policy(rule(caps=Caps(2, 2)))
    first = alert(1, NOW)
    with pytest.raises(ExceptionGroup):
        cloud.deliver(first, used)
    cloud.now += MINUTE
    cloud.deliver(alert(2, cloud.now), used)
    assert cloud.stopped_names() == ["b", "c"]

    cloud.refusing.clear()
    cloud.now += MINUTE
    cloud.deliver(first, used)
    assert cloud.stopped_names() == ["b", "c"]


def test_a_day_is_the_last_24_hours_whatever_the_date() -> None:
    cloud = five()
    used = policy(rule(caps=Caps(2, 2)))
    for number, hours in enumerate((0, 23, 1)):
        cloud.now += hours * HOUR
        cloud.deliver(alert(number, cloud.now), used)
        assert len(cloud.stopped_names()) == (2 if number < 2 else 4)


def test_a_plan_is_not_finished_where_a_newer_notification_says_otherwise() -> None:
    cloud = five()
    killed_while_stopping(cloud)
    cloud.now += MINUTE
    cloud.deliver(notification("50", message_id="newer", published=cloud.now))
    cloud.deliver(notification())

    assert cloud.changes == []
    assert cloud.tables.events(ActionEvent.CHANGED) == ["a", "b", "c"]


def test_a_notification_that_contradicts_the_tracker_s_rows_cancels_and_supersedes_nothing() -> None:
    cloud = five()
    killed_while_stopping(cloud)
    cloud.tables.tracker_cost = Decimal(90)
    cloud.now += MINUTE
    cloud.deliver(notification("5", message_id="forged", published=cloud.now))
    cloud.deliver(notification())
    assert cloud.stopped_names() == ["a", "b", "c"]

    late = cloud.deliver(notification(message_id="late", published=NOW + MINUTE / 2))
    assert late.name is VerdictName.OVER_BUDGET


def test_a_newer_notification_is_asked_for_before_the_first_stop_and_every_thirty_seconds() -> None:
    cloud = Cloud().has(*(vm(f"vm-{number:02}") for number in range(10)))

    def later() -> None:
        cloud.now += timedelta(seconds=11)
        cloud.before["act"] = later

    cloud.before["act"] = later
    cloud.deliver(notification(), policy(rule(caps=Caps(10))))

    assert len(cloud.stopped_names()) == 10
    assert calls(cloud).count("newer") == 4


def test_an_overdue_plan_is_closed_as_expired_whatever_the_next_message_says() -> None:
    for said in (alert(1, NOW + 3 * HOUR), replace(alert(1, NOW + 3 * HOUR), cost=Decimal(1))):
        cloud = Cloud().has(vm("a"))
        cloud.down = {"find"}
        with pytest.raises(ExceptionGroup):
            cloud.deliver(notification())
        cloud.tables.actions = [row for row in cloud.tables.actions if row.event is not ActionEvent.FAILED]
        cloud.down = set()
        cloud.now += 3 * HOUR
        cloud.deliver(said, policy(rule(steps=steps(("1.0", "low")))))

        assert cloud.tables.events(ActionEvent.EXPIRED) == ["a"]


def test_a_plan_is_closed_when_its_period_has_ended() -> None:
    cloud = Cloud(now=JULY.end - 20 * MINUTE).has(vm("a"))
    cloud.down = {"find", "record_outcomes"}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(alert(1, cloud.now))
    cloud.down, cloud.now = set(), JULY.end
    cloud.deliver(notification("1", message_id="august", published=JULY.end, start=JULY.end))

    assert cloud.tables.events(ActionEvent.FAILED) == ["a"]
    assert cloud.tables.actions[-1].reason == "the deliveries of message alert-1 ended before it was stopped"


def test_a_plan_that_is_resumed_keeps_to_limits_that_were_lowered_meanwhile() -> None:
    cloud = Cloud().has(vm("a"), vm("b"), vm("c"))
    cloud.down = {"find", "record_outcomes"}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification())
    cloud.down = set()

    cloud.deliver(notification(), policy(rule(caps=Caps(per_alert=1))))

    assert len(cloud.stopped_names()) == 1
    left = {row.reason for row in cloud.tables.actions if row.event is ActionEvent.CHANGED}
    assert left == {"left for the next alert: limit of 1 stops per alert"}


def test_a_stop_that_takes_its_time_is_waiting_and_recorded_once_it_took_effect() -> None:
    cloud = Cloud(slow={"id-a"}).has(vm("a"), vm("b"))
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification())
    assert (cloud.tables.events(ActionEvent.WAITING), cloud.stopped_names()) == (["a"], ["b"])
    cloud.now += 20 * MINUTE
    cloud.deliver(alert(2, cloud.now))
    assert {row.reason for row in cloud.tables.actions if row.event is ActionEvent.SPARED} == {
        "stop pending: planned by message message-1"
    }

    cloud.has(replace(cloud.vms[vm("a").instance.key], status="TERMINATED"))
    cloud.now += 20 * MINUTE
    cloud.deliver(alert(3, cloud.now))
    [row] = [row for row in cloud.tables.actions if row.event is ActionEvent.STOPPED and row.instance.name == "a"]
    assert (row.message_id, row.operation) == ("message-1", "operation-0")


def test_a_stop_whose_response_was_lost_is_waiting_and_not_failed() -> None:
    cloud = Cloud().has(vm("a"))
    cloud.answer_lost = {"act"}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification())

    [row] = [row for row in cloud.tables.actions if row.event is not ActionEvent.PLANNED]
    assert (row.event, row.operation) == (ActionEvent.WAITING, "operation-0")
    assert row.error


def test_a_stop_whose_outcome_was_lost_is_recorded_by_the_next_message() -> None:
    cloud = Cloud().has(vm("a"))
    cloud.down = {"record_outcomes"}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification())
    cloud.down = set()
    cloud.now += 20 * MINUTE
    cloud.deliver(alert(2, cloud.now))

    assert [
        (row.message_id, row.instance.name) for row in cloud.tables.actions if row.event is ActionEvent.STOPPED
    ] == [("message-1", "a")]


def test_what_a_person_stopped_is_not_recorded_as_ours() -> None:
    cloud = five()
    killed_while_stopping(cloud)
    cloud.has(replace(FIVE[0], status="TERMINATED"))
    cloud.deliver(notification())

    assert cloud.tables.events(ActionEvent.STOPPED) == ["b", "c"]
    [row] = [row for row in cloud.tables.actions if row.event is ActionEvent.CHANGED]
    assert row.reason == "found TERMINATED, but no request of this message stopped it"


def test_a_delivery_ends_within_its_time_however_many_calls_fail_and_the_others_get_their_turn() -> None:
    used = policy(rule(caps=Caps(per_alert=20, per_day=100)))
    cloud = Cloud(call_times={"find": timedelta(seconds=60)}).has(*(vm(f"vm-{number:02}") for number in range(40)))
    cloud.unfound = {key.instance_id: UnavailableError("503") for key in cloud.vms}

    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), used)

    took = cloud.now - NOW
    assert took <= timedelta(seconds=STOP_DEADLINE_SECONDS - 60)
    failed = [row for row in cloud.tables.actions if row.event is ActionEvent.FAILED]
    assert len(failed) == 20
    tried = {row.instance.name for row in failed if row.error is not None}
    assert tried == {f"vm-{number:02}" for number in range(6)}

    cloud.call_times.clear()
    cloud.unfound.clear()
    cloud.now += timedelta(minutes=11)
    cloud.deliver(notification(message_id="next", published=cloud.now), used)
    assert not tried & set(cloud.stopped_names())


def test_a_stop_of_an_earlier_delivery_that_cannot_be_looked_at_still_counts_against_the_limits() -> None:
    used = policy(rule(caps=Caps(per_alert=3, per_day=3)))
    cloud = Cloud().has(*(vm(name) for name in "abcdef"))
    cloud.down.add("record_outcomes")
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), used)
    cloud.down.clear()
    stopped = cloud.stopped_names()
    assert len(stopped) == 3

    cloud.now += timedelta(minutes=1)
    cloud.unfound = {f"id-{name}": UnavailableError("503") for name in stopped}
    with pytest.raises(ExceptionGroup, match="is not finished"):
        cloud.deliver(notification(), used)
    cloud.now += timedelta(minutes=1)
    cloud.deliver(notification(message_id="next", published=cloud.now), used)
    assert cloud.stopped_names() == stopped

    cloud.unfound.clear()
    cloud.now += timedelta(minutes=10)
    cloud.deliver(notification(), used)
    ended = [row.event for row in cloud.tables.actions if row.message_id == "message-1" and row.operation]
    assert ended == [ActionEvent.STOPPED] * 3


def test_a_stop_of_an_earlier_delivery_whose_operation_cannot_be_read_still_counts_against_the_limits() -> None:
    used = policy(rule(caps=Caps(per_alert=3, per_day=3)))
    cloud = Cloud().has(*(vm(name) for name in "abcdef"))
    cloud.down.add("record_outcomes")
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), used)
    stopped = cloud.stopped_names()

    cloud.now += timedelta(minutes=1)
    cloud.down = {"operation_of"}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), used)
    cloud.deliver(notification(message_id="next", published=cloud.now), used)

    assert cloud.stopped_names() == stopped


def test_a_vm_that_was_started_again_counts_once_in_the_fleet_that_the_share_is_a_share_of() -> None:
    used = policy(rule(caps=Caps(per_alert=30, fleet_share=Decimal("0.5"))))
    cloud = Cloud().has(*(vm(name) for name in "abcdefghij"))
    cloud.deliver(notification(), used)
    assert cloud.stopped_names() == list("abcde")

    cloud.now += timedelta(hours=1)
    again = [replace(vm(name), started=cloud.now) for name in "abcde"]
    cloud.has(*(labelled(each, spotkeeper_protect="true") for each in again))
    cloud.deliver(notification(message_id="next", published=cloud.now), used)

    assert cloud.stopped_names() == list("abcde")


def test_all_budgets_together_stop_no_more_than_the_total() -> None:
    two = policy(rule(), rule(budget_id="budget-2"), max_stops_per_day_total=4)
    cloud = five()
    cloud.deliver(notification(), two)
    cloud.deliver(notification(message_id="message-2", budget_id="budget-2"), two)

    assert cloud.stopped_names() == ["a", "b", "c", "d"]


def test_budgets_are_kept_apart() -> None:
    two: Policy = policy(
        rule(caps=Caps(2, 2)),
        replace(rule(projects=("team-b-prod",), caps=Caps(1, 1)), budget_id="budget-2"),
    )
    cloud = five().has(vm("x", project="team-b-prod"), vm("y", project="team-b-prod"))
    cloud.deliver(notification(), two)
    cloud.deliver(notification(message_id="message-2", budget_id="budget-2", published=NOW - MINUTE), two)

    assert cloud.stopped_names() == ["a", "b", "x"]
