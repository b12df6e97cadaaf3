"""Groups that are frozen before their members are stopped, and thawed when the period is over or somebody wants it."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.estimates.estimate import Estimate
from spotkeeper.enforcement.estimates.fits import Covariance, DelayFit, Fit
from spotkeeper.enforcement.freezes import Autoscaler, GroupKey
from spotkeeper.enforcement.history import StopCounts
from spotkeeper.enforcement.notifications import Command, CommandName, Message
from spotkeeper.enforcement.plans import Situation, plan
from spotkeeper.enforcement.policies import Caps, Policy, Response, Source
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.enforcement.verdicts import VerdictName, first_verdict
from spotkeeper.errors import UnavailableError
from spotkeeper.periods import PeriodKind, budget_period
from tests.unit.enforcer_fakes import Cloud, Killed, Killer
from tests.unit.enforcer_samples import JULY, NOW, PROJECT, labelled, notification, policy, rule, tracker_alert, vm

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ZONAL = GroupKey(PROJECT, "zones", "us-central1-a", "api-mig")
REGIONAL = GroupKey(PROJECT, "regions", "us-central1", "web-mig")
FROZEN_AT_BUDGET = policy(freeze_groups=1)
AUGUST = JULY.end + HOUR


def autoscaler(group: GroupKey, mode: str = "ON") -> Autoscaler:
    return Autoscaler(group, f"id-{group.name}", f"{group.name}-autoscaler", mode)


def member(name: str, group: GroupKey = ZONAL, **changes: object) -> SpotVm:
    # A group may name its project by its number.
    path = group.path.replace(PROJECT, "123456789012")
    return vm(name, zone="us-central1-a", managed_by=path, **changes)  # type: ignore[arg-type]


def fleet() -> Cloud:
    return Cloud().has(member("a"), member("b"), vm("c"), vm("d")).scales(autoscaler(ZONAL))


def command(cloud: Cloud, group: str = "", message_id: str = "thaw-1") -> Command:
    return Command(Message(message_id, cloud.now, {}, ""), cloud.now, CommandName.THAW, group)


def undo(cloud: Cloud, target: str = "message-1") -> Command:
    return Command(Message("undo-1", cloud.now, {}, ""), cloud.now, CommandName.UNDO, target)


def later(cloud: Cloud, cost: str = "121", number: int = 2, by: timedelta = HOUR) -> None:
    """Deliver the next message of July."""
    cloud.now += by
    cloud.deliver(notification(cost, message_id=f"message-{number}", published=cloud.now), FROZEN_AT_BUDGET)


def of_august(cloud: Cloud, used: Policy = FROZEN_AT_BUDGET, cost: str = "1", mode: Mode = Mode.ENFORCE) -> None:
    """Deliver a message of the next period."""
    cloud.now = max(cloud.now, AUGUST)
    said = notification(cost, message_id=f"august-{cloud.now}", published=cloud.now, start=JULY.end)
    cloud.deliver(said, used, mode=mode)


def reasons(cloud: Cloud, event: ActionEvent) -> list[str]:
    return [row.reason for row in cloud.tables.actions if row.event is event]


def test_a_group_is_frozen_before_its_members_are_stopped() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert cloud.modes == [("api-mig", "OFF")]
    assert "set_mode api-mig" in cloud.calls
    stops = [number for number, call in enumerate(cloud.calls) if call.startswith("act stop")]
    assert cloud.calls.index("set_mode api-mig") < stops[0]
    [planned] = [row for row in cloud.tables.actions if row.event is ActionEvent.FREEZE_PLANNED]
    assert (planned.autoscaling_mode, planned.instance.name, planned.mode) == ("ON", "api-mig", Mode.ENFORCE)
    assert reasons(cloud, ActionEvent.FROZEN) == ["autoscaler set from ON to OFF"]


def test_a_regional_group_is_frozen_as_a_zonal_one_and_both_are_thawed_to_their_own_mode() -> None:
    cloud = Cloud().has(member("a"), member("b", REGIONAL))
    cloud.scales(autoscaler(ZONAL), autoscaler(REGIONAL, "ONLY_SCALE_OUT"))
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    assert {cloud.mode_of("api-mig"), cloud.mode_of("web-mig")} == {"OFF"}

    of_august(cloud)

    assert (cloud.mode_of("api-mig"), cloud.mode_of("web-mig")) == ("ON", "ONLY_SCALE_OUT")


def test_without_the_field_no_autoscaler_is_looked_at() -> None:
    cloud = fleet()
    cloud.deliver(notification(), policy())

    assert cloud.modes == []
    assert not [call for call in cloud.calls if "autoscaler" in call]


def test_below_its_share_of_the_budget_nothing_is_frozen() -> None:
    cloud = fleet()
    cloud.deliver(notification(), policy(freeze_groups=2))

    assert cloud.modes == []
    assert len(cloud.stopped_names()) == 3


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("a", labels={"goog-gke-node": ""})], "a is a GKE node: its cluster sizes the group"),
        (
            [member("a"), member("b", labels={"spotkeeper-protect": "true"})],
            "b is protected (label spotkeeper-protect=true)",
        ),
        (
            [member("a"), member("b", labels={"priority": "high"})],
            "b has high priority (label priority=high): not stopped at this step",
        ),
    ],
    ids=["GKE", "protected", "priority"],
)
def test_a_group_with_a_member_that_may_not_be_stopped_is_not_frozen(members: list[SpotVm], reason: str) -> None:
    cloud = Cloud().has(*members, vm("c")).scales(autoscaler(ZONAL))
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert cloud.modes == []
    assert reasons(cloud, ActionEvent.FREEZE_SPARED) == [reason]


def test_a_group_with_a_member_outside_the_scope_is_not_frozen() -> None:
    of_team = policy(rule(labels={"team": frozenset({"vision"})}), freeze_groups=1)
    cloud = Cloud().has(member("a", labels={"team": "vision"}), member("b", labels={"team": "audio"}))
    cloud.scales(autoscaler(ZONAL)).deliver(notification(), of_team)

    assert cloud.modes == []
    assert reasons(cloud, ActionEvent.FREEZE_SPARED) == ["the budget does not cover b"]


def test_a_group_without_spot_members_and_one_of_another_project_are_not_looked_at() -> None:
    other = GroupKey("team-b-prod", "zones", "us-central1-a", "other-mig")
    cloud = Cloud().has(member("a")).scales(autoscaler(REGIONAL), autoscaler(other))
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert cloud.modes == []
    assert not [row for row in cloud.tables.actions if row.autoscaling_mode is not None]


def test_a_group_that_a_person_had_switched_off_is_never_switched_on() -> None:
    cloud = fleet().scales(autoscaler(ZONAL, "OFF"))
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    of_august(cloud)

    assert cloud.modes == []


def test_while_part_of_the_fleet_cannot_be_read_nothing_is_frozen() -> None:
    cloud = fleet().has(vm("e", zone="us-central1-b"))
    cloud.silent_zones.add("us-central1-b")
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert cloud.modes == []
    assert reasons(cloud, ActionEvent.FREEZE_SPARED) == ["part of the fleet could not be read"]


def test_autoscalers_that_cannot_be_listed_keep_no_vm_running_and_are_a_gap() -> None:
    cloud = fleet()
    cloud.down.add("autoscalers")
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert len(cloud.stopped_names()) == 3
    assert cloud.tables.deliveries[-1].gaps == (f"{PROJECT}: autoscalers: autoscalers is down",)


def test_a_freeze_that_fails_keeps_no_vm_running_and_is_tried_again_by_the_redelivery() -> None:
    cloud = fleet()
    cloud.down.add("set_mode")
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), FROZEN_AT_BUDGET)
    assert len(cloud.stopped_names()) == 3
    assert len(reasons(cloud, ActionEvent.FREEZE_FAILED)) == 1

    cloud.down.clear()
    cloud.now += MINUTE
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert cloud.mode_of("api-mig") == "OFF"
    assert len(cloud.stopped_names()) == 3


def test_a_freeze_that_cannot_be_checked_again_has_failed_and_is_tried_again_by_the_redelivery() -> None:
    cloud = fleet()
    cloud.before["record_plan"] = lambda: cloud.down.add("autoscalers")
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), FROZEN_AT_BUDGET)
    assert len(cloud.stopped_names()) == 3
    [failed] = [row for row in cloud.tables.actions if row.event is ActionEvent.FREEZE_FAILED]
    assert failed.error == f"{PROJECT}: autoscalers: autoscalers is down"

    cloud.down.clear()
    cloud.now += MINUTE
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert cloud.mode_of("api-mig") == "OFF"
    assert reasons(cloud, ActionEvent.FREEZE_SKIPPED) == []


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.APPROVE])
def test_a_dry_run_and_a_plan_that_waits_show_the_freeze_and_do_not_make_it(mode: Mode) -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET, mode=mode)
    of_august(cloud, mode=mode)

    assert cloud.modes == []
    assert cloud.tables.events(ActionEvent.FREEZE_PLANNED) == ["api-mig"]
    assert cloud.tables.freezes(cloud.now) == []


def approve(cloud: Cloud) -> VerdictName:
    [proposed] = [each.proposed for each in cloud.tables.deliveries if each.proposed]
    said = Message("approval-1", cloud.now, {}, "")
    approval = Command(said, cloud.now, CommandName.APPROVE, proposed.message_id, proposed.plan_hash)
    return cloud.command(approval, FROZEN_AT_BUDGET).name


def test_an_approved_plan_freezes_its_groups_and_no_other() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET, mode=Mode.APPROVE)
    cloud.has(member("e", REGIONAL)).scales(autoscaler(REGIONAL))
    cloud.now += MINUTE

    assert approve(cloud) is VerdictName.APPROVED
    assert cloud.modes == [("api-mig", "OFF")]
    assert len(cloud.stopped_names()) == 3


def test_a_plan_that_only_freezes_waits_for_approval_too() -> None:
    cloud = Cloud().has(member("a", status="TERMINATED")).scales(autoscaler(ZONAL))
    cloud.deliver(notification(), FROZEN_AT_BUDGET, mode=Mode.APPROVE)
    cloud.now += MINUTE

    assert approve(cloud) is VerdictName.APPROVED
    assert cloud.modes == [("api-mig", "OFF")]


def test_an_approval_freezes_no_group_that_was_protected_meanwhile() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET, mode=Mode.APPROVE)
    cloud.has(labelled(member("a"), spotkeeper_protect="true"))
    cloud.now += MINUTE
    approve(cloud)

    assert cloud.modes == []
    assert reasons(cloud, ActionEvent.FREEZE_SKIPPED) == ["a is protected (label spotkeeper-protect=true)"]


def test_an_approval_freezes_no_group_without_spot_members() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET, mode=Mode.APPROVE)
    cloud.vms = {key: each for key, each in cloud.vms.items() if each.instance.managed_by is None}
    cloud.now += MINUTE
    approve(cloud)

    assert cloud.modes == []
    assert reasons(cloud, ActionEvent.FREEZE_SKIPPED)[0].startswith(
        "the budget covers no Spot VM of the group any more"
    )


def test_an_edited_freeze_of_a_proposed_plan_refuses_the_approval() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET, mode=Mode.APPROVE)
    for number, row in enumerate(cloud.tables.actions):
        if row.event is ActionEvent.FREEZE_PLANNED:
            cloud.tables.actions[number] = replace(row, instance=row.instance._replace(name="other-mig"))
    cloud.now += MINUTE

    assert approve(cloud) is VerdictName.PLAN_CHANGED
    assert cloud.modes == []


def test_later_messages_freeze_a_frozen_group_no_further() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    later(cloud)
    later(cloud, number=3)

    assert cloud.modes == [("api-mig", "OFF")]
    assert cloud.tables.events(ActionEvent.FREEZE_PLANNED) == ["api-mig"]


def test_two_messages_at_once_freeze_a_group_once() -> None:
    cloud = fleet()
    second = notification("121", message_id="message-2", published=NOW + MINUTE)
    cloud.before["record_plan"] = lambda: cloud.deliver(second, FROZEN_AT_BUDGET)
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert cloud.modes == [("api-mig", "OFF")]
    of_august(cloud)
    assert cloud.modes == [("api-mig", "OFF"), ("api-mig", "ON")]


def test_a_message_leaves_the_freeze_to_another_one_that_is_at_it() -> None:
    cloud = fleet()
    second = notification("121", message_id="message-2", published=NOW + MINUTE)
    cloud.before["set_mode"] = lambda: cloud.deliver(second, FROZEN_AT_BUDGET)
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert cloud.modes == [("api-mig", "OFF")]
    assert reasons(cloud, ActionEvent.FREEZE_SPARED) == ["freeze pending: planned by message message-1"]
    of_august(cloud)
    assert cloud.mode_of("api-mig") == "ON"


def test_an_approved_plan_leaves_a_group_that_is_frozen_meanwhile_to_its_freeze() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET, mode=Mode.APPROVE)
    other = replace(rule(), budget_id="budget-2")
    two = policy(rule(), other, freeze_groups=1)
    cloud.deliver(notification(message_id="message-2", budget_id="budget-2"), two)
    assert cloud.modes == [("api-mig", "OFF")]
    cloud.now += MINUTE
    approve(cloud)
    of_august(cloud)

    assert cloud.modes == [("api-mig", "OFF"), ("api-mig", "ON")]


def test_members_of_a_group_that_is_frozen_are_stopped_though_the_group_replaced_others_before() -> None:
    fit = Fit((DelayFit(0, 1.0, 0.0, 1.0, 0.0),), Covariance(0.0, 0.0, 0.0), 0.0, 1.0)
    refilled = Estimate(120.0, 120.0, 0.0, 2.0, 100.0, fit, 0.0, "its groups replaced what was stopped")
    situation = Situation(Decimal(120), Decimal(100), JULY, NOW, estimate=refilled)
    verdict = first_verdict(notification(), FROZEN_AT_BUDGET, NOW)
    frozen = replace(member("a", cost="1"), in_frozen_group=True)

    made = plan(verdict, situation, [frozen, member("b", cost="1")], FROZEN_AT_BUDGET, StopCounts())

    assert [each.vm.instance.name for each in made.stops] == ["a"]
    assert [each.reason for each in made.spared] == ["not stopped again: its groups replaced what was stopped"]


@pytest.mark.parametrize(
    "used", [FROZEN_AT_BUDGET, policy(restart=True, freeze_groups=1), policy(), policy(restart=True)]
)
def test_a_frozen_group_is_thawed_in_the_new_period_whatever_the_policy_says(used: Policy) -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    later(cloud)
    assert cloud.mode_of("api-mig") == "OFF"

    of_august(cloud, used)

    assert cloud.mode_of("api-mig") == "ON"
    assert reasons(cloud, ActionEvent.THAWED) == ["autoscaler set back to ON: the budget period is over"]


def test_a_snooze_and_a_message_that_is_over_budget_thaw_what_an_earlier_period_froze() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    of_august(cloud, policy(freeze_groups=1, snooze_until=AUGUST + HOUR), cost="150")

    assert cloud.mode_of("api-mig") == "ON"


def test_a_group_whose_freeze_ends_with_its_period_is_frozen_again_by_the_message_of_a_longer_one_that_is_over() -> (
    None
):
    cloud = fleet()
    cloud.now = NOW
    day = budget_period(PeriodKind.DAY, NOW)
    used = policy(rule(responses=dict.fromkeys(Source, Response.STOP)), freeze_groups=1)
    cloud.deliver(tracker_alert(PeriodKind.DAY, day), used)
    assert cloud.modes == [("api-mig", "OFF")]

    cloud.now = day.end + MINUTE
    cloud.deliver(notification("121", message_id="message-2", published=cloud.now), used)

    assert cloud.modes == [("api-mig", "OFF"), ("api-mig", "ON"), ("api-mig", "OFF")]
    cloud.now = JULY.end - MINUTE
    cloud.deliver(notification("122", message_id="message-3", published=cloud.now), used)
    assert cloud.mode_of("api-mig") == "OFF"
    of_august(cloud, used)
    assert cloud.mode_of("api-mig") == "ON"


def test_a_period_that_begins_over_budget_thaws_what_was_frozen_before_the_field_was_removed() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    of_august(cloud, policy(), cost="150")

    assert cloud.mode_of("api-mig") == "ON"


def test_a_fleet_that_cannot_be_read_keeps_no_group_frozen() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    cloud.down.add("spot_vms")
    with pytest.raises(UnavailableError, match="spot_vms is down"):
        of_august(cloud, cost="150")

    assert cloud.mode_of("api-mig") == "ON"


def test_a_freeze_that_takes_effect_late_is_not_taken_for_one_that_somebody_ended() -> None:
    cloud = fleet()
    cloud.slow_autoscalers = True
    for number in range(2):
        cloud.now = NOW + number * MINUTE
        with pytest.raises(ExceptionGroup, match="not finished"):
            cloud.deliver(notification(), FROZEN_AT_BUDGET)
    later(cloud, by=MINUTE)
    with pytest.raises(ExceptionGroup, match="not finished"):
        cloud.command(command(cloud), FROZEN_AT_BUDGET)
    assert reasons(cloud, ActionEvent.THAW_SKIPPED) == []

    cloud.slow_autoscalers = False
    cloud.finish_changes()
    assert cloud.mode_of("api-mig") == "OFF"
    cloud.command(command(cloud), FROZEN_AT_BUDGET)

    assert cloud.mode_of("api-mig") == "ON"


def test_a_group_is_not_thawed_before_its_period_is_over() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    cloud.now = JULY.end - MINUTE
    cloud.deliver(notification("1", message_id="message-2", published=cloud.now), FROZEN_AT_BUDGET)

    assert cloud.mode_of("api-mig") == "OFF"


def test_a_thaw_that_fails_is_tried_again() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    cloud.down.add("set_mode")
    with pytest.raises(ExceptionGroup):
        of_august(cloud)
    cloud.down.clear()
    of_august(cloud)

    assert cloud.mode_of("api-mig") == "ON"


def test_stops_that_fail_keep_no_group_frozen() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    cloud.refusing["id-d"] = UnavailableError("403")
    with pytest.raises(ExceptionGroup):
        of_august(cloud, policy(), cost="150")

    assert cloud.mode_of("api-mig") == "ON"


def switched(cloud: Cloud, mode: str) -> Callable[[], object]:
    return lambda: cloud.scales(autoscaler(ZONAL, mode))


def test_an_autoscaler_that_somebody_switched_on_again_is_left_to_them() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    switched(cloud, "ONLY_SCALE_OUT")()
    later(cloud)
    switched(cloud, "OFF")()
    of_august(cloud)

    assert cloud.modes == [("api-mig", "OFF")]
    assert cloud.mode_of("api-mig") == "OFF"
    assert reasons(cloud, ActionEvent.THAW_SKIPPED) == ["set to ONLY_SCALE_OUT by somebody else"]
    assert "set to ONLY_SCALE_OUT by somebody else since" in reasons(cloud, ActionEvent.FREEZE_SPARED)[0]


def test_a_plan_that_waits_for_approval_notices_too_that_somebody_switched_a_group_on() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    switched(cloud, "ONLY_SCALE_OUT")()
    cloud.now += HOUR
    said = notification("121", message_id="message-2", published=cloud.now)
    cloud.deliver(said, FROZEN_AT_BUDGET, mode=Mode.APPROVE)
    switched(cloud, "OFF")()
    of_august(cloud, mode=Mode.APPROVE)

    assert cloud.modes == [("api-mig", "OFF")]
    assert reasons(cloud, ActionEvent.THAW_SKIPPED) == ["set to ONLY_SCALE_OUT by somebody else"]


def test_one_that_was_switched_on_unnoticed_keeps_the_mode_that_it_has() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    switched(cloud, "ONLY_UP")()
    of_august(cloud)

    assert cloud.mode_of("api-mig") == "ONLY_UP"
    assert reasons(cloud, ActionEvent.THAW_SKIPPED) == ["set to ONLY_UP by somebody else"]


def test_one_that_was_switched_on_is_not_frozen_again_in_its_period_but_in_the_next_one() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    switched(cloud, "ON")()
    later(cloud)
    later(cloud, number=3)
    assert cloud.modes == [("api-mig", "OFF")]

    of_august(cloud, cost="150")

    assert cloud.modes == [("api-mig", "OFF")] * 2


def test_an_autoscaler_changed_right_before_the_freeze_is_left_to_whoever_did_it() -> None:
    cloud = fleet()
    cloud.before["find_autoscaler"] = switched(cloud, "ONLY_UP")
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert cloud.modes == []
    assert reasons(cloud, ActionEvent.FREEZE_SKIPPED) == ["set to ONLY_UP by somebody else since it was planned"]


def test_an_autoscaler_made_again_under_its_name_is_another_one() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    cloud.autoscalers.clear()
    cloud.scales(replace(autoscaler(ZONAL, "OFF"), number="new"))
    of_august(cloud)

    assert cloud.modes == [("api-mig", "OFF")]
    assert reasons(cloud, ActionEvent.THAW_SKIPPED) == ["the autoscaler no longer exists"]


def test_an_undo_thaws_what_its_message_froze_and_nothing_freezes_it_again_in_that_period() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    cloud.now += MINUTE

    assert cloud.command(undo(cloud), FROZEN_AT_BUDGET).name is VerdictName.UNDONE
    later(cloud)

    assert cloud.modes == [("api-mig", "OFF"), ("api-mig", "ON")]
    assert reasons(cloud, ActionEvent.THAWED) == ["autoscaler set back to ON: undo of message message-1"]
    assert reasons(cloud, ActionEvent.FREEZE_SPARED)


def test_an_undo_of_a_message_that_stopped_nothing_thaws_what_it_froze() -> None:
    cloud = Cloud().has(member("a", status="TERMINATED")).scales(autoscaler(ZONAL))
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    assert cloud.mode_of("api-mig") == "OFF"
    cloud.now += MINUTE

    assert cloud.command(undo(cloud), FROZEN_AT_BUDGET).name is VerdictName.UNDONE
    assert cloud.mode_of("api-mig") == "ON"


@pytest.mark.parametrize("wanted", ["", "api-mig", ZONAL.path])
def test_a_command_thaws_a_group_by_its_name_or_its_path_or_all(wanted: str) -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)
    cloud.now += MINUTE

    assert cloud.command(command(cloud, wanted), FROZEN_AT_BUDGET).name is VerdictName.THAWED
    later(cloud)

    assert cloud.modes == [("api-mig", "OFF"), ("api-mig", "ON")]


@pytest.mark.parametrize("wanted", ["", "other-mig"])
def test_a_command_for_a_group_that_is_not_frozen_changes_nothing(wanted: str) -> None:
    cloud = fleet()
    if wanted:
        cloud.deliver(notification(), FROZEN_AT_BUDGET)
    known = list(cloud.modes)

    assert cloud.command(command(cloud, wanted), FROZEN_AT_BUDGET).name is VerdictName.NOTHING_TO_THAW
    assert cloud.modes == known


def test_in_a_dry_run_no_command_thaws() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FROZEN_AT_BUDGET)

    assert cloud.command(command(cloud), mode=Mode.DRY_RUN).name is VerdictName.COMMAND_REFUSED
    assert cloud.mode_of("api-mig") == "OFF"


def delivered_until_done(deliver: Callable[[], object], cloud: Cloud) -> None:
    for _ in range(5):
        with suppress(UnavailableError, ExceptionGroup):
            deliver()
            return
        cloud.now += MINUTE
    pytest.fail("the message is never done with")


def test_a_delivery_killed_at_any_call_and_delivered_again_freezes_once_and_is_thawed_once() -> None:
    for boundary in itertools.count():
        cloud, killer = fleet(), Killer(boundary)
        with suppress(Killed, UnavailableError):
            cloud.deliver(notification(), FROZEN_AT_BUDGET, gate=killer)
        if killer.passed <= boundary:
            break
        cloud.now += MINUTE
        delivered_until_done(lambda cloud=cloud: cloud.deliver(notification(), FROZEN_AT_BUDGET), cloud)  # type: ignore[misc]
        of_august(cloud)

        assert cloud.modes == [("api-mig", "OFF"), ("api-mig", "ON")], boundary
        assert cloud.tables.events(ActionEvent.FROZEN) == ["api-mig"], boundary
        assert len(cloud.stopped_names()) == 3, boundary
    assert boundary > 20


def test_a_delivery_killed_at_any_call_and_never_delivered_again_leaves_no_group_frozen() -> None:
    for boundary in itertools.count():
        cloud, killer = fleet(), Killer(boundary)
        with suppress(Killed, UnavailableError):
            cloud.deliver(notification(), FROZEN_AT_BUDGET, gate=killer)
        if killer.passed <= boundary:
            break
        of_august(cloud)

        assert cloud.mode_of("api-mig") == "ON", boundary
    assert boundary > 20


def unrecorded(cloud: Cloud) -> None:
    """Let a message freeze the group, and its deliveries end before that is recorded."""
    cloud.down.add("record_freezes")
    with suppress(UnavailableError, ExceptionGroup):
        cloud.deliver(notification(), FROZEN_AT_BUDGET)
    cloud.down.clear()
    assert cloud.mode_of("api-mig") == "OFF"
    assert not reasons(cloud, ActionEvent.FROZEN)


@pytest.mark.parametrize("again", [False, True], ids=["another message", "redelivered"])
def test_a_freeze_that_was_not_recorded_while_its_operation_was_kept_is_known_again_and_thawed(again: bool) -> None:  # noqa: FBT001
    cloud = fleet()
    unrecorded(cloud)

    later(cloud, number=1 if again else 2, by=2 * HOUR)
    assert reasons(cloud, ActionEvent.FROZEN) == ["no outcome on record: found OFF, and it was ON when planned"]
    assert cloud.mode_of("api-mig") == "OFF"
    of_august(cloud)

    assert cloud.modes == [("api-mig", "OFF"), ("api-mig", "ON")]


@pytest.mark.parametrize("wanted", ["", "api-mig"])
def test_a_command_thaws_a_freeze_that_was_not_recorded_while_its_operation_was_kept(wanted: str) -> None:
    cloud = fleet()
    unrecorded(cloud)
    cloud.now += 2 * HOUR

    assert cloud.command(command(cloud, wanted), FROZEN_AT_BUDGET).name is VerdictName.THAWED
    assert cloud.modes == [("api-mig", "OFF"), ("api-mig", "ON")]


def test_a_freeze_that_was_not_recorded_before_its_period_was_over_is_thawed() -> None:
    cloud = fleet()
    unrecorded(cloud)
    of_august(cloud)

    assert cloud.modes == [("api-mig", "OFF"), ("api-mig", "ON")]


@pytest.mark.parametrize("mode", ["ON", "ONLY_UP"])
def test_a_freeze_that_was_not_recorded_and_that_a_person_ended_is_left_to_them(mode: str) -> None:
    cloud = fleet()
    unrecorded(cloud)
    switched(cloud, mode)()
    later(cloud, by=2 * HOUR)
    switched(cloud, "OFF")()
    of_august(cloud)

    assert cloud.modes == [("api-mig", "OFF")]
    assert cloud.mode_of("api-mig") == "OFF"


def test_an_autoscaler_that_a_person_switched_off_before_the_freeze_is_left_to_them() -> None:
    cloud = fleet()
    cloud.down.add("set_mode")
    with suppress(ExceptionGroup):
        cloud.deliver(notification(), FROZEN_AT_BUDGET)
    cloud.down.clear()
    switched(cloud, "OFF")()
    later(cloud, by=HOUR / 2)
    of_august(cloud)

    assert cloud.modes == []
    assert cloud.mode_of("api-mig") == "OFF"


def test_a_thaw_killed_at_any_call_never_undoes_what_a_person_does_afterwards() -> None:
    for boundary in itertools.count():
        cloud, killer = fleet(), Killer(boundary)
        cloud.deliver(notification(), FROZEN_AT_BUDGET)
        cloud.now = AUGUST
        said = notification("1", message_id="august", published=cloud.now, start=JULY.end)
        with suppress(Killed, UnavailableError):
            cloud.deliver(said, FROZEN_AT_BUDGET, gate=killer)
        if killer.passed <= boundary:
            break
        if cloud.mode_of("api-mig") == "ON":
            switched(cloud, "OFF")()
        delivered_until_done(lambda cloud=cloud, said=said: cloud.deliver(said, FROZEN_AT_BUDGET), cloud)  # type: ignore[misc]

        assert len(cloud.modes) <= 2, boundary
    assert boundary > 5


def test_the_limits_of_stops_hold_with_freezes() -> None:
    cloud = fleet()
    one = policy(rule(caps=Caps(per_alert=1)), freeze_groups=1)
    cloud.deliver(notification(), one)

    assert len(cloud.stopped_names()) == 1
    assert cloud.mode_of("api-mig") == "OFF"
