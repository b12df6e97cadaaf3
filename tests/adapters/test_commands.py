"""Commands of operators against Compute Engine and BigQuery: what is approved is stopped, what is undone starts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import Stack
from spotkeeper.budget_messages import SOURCE
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import VerdictName

type MakeEnforcer = Callable[..., Any]

NOW = FLEET_START + timedelta(hours=8, minutes=7)
MINUTE = timedelta(minutes=1)
DISTILL = {"project": "llm-distill"}
DISTILL_VMS = ["early-bird", "infer-l4"]
APPROVE = {"ENFORCEMENT_MODE": "approve", "APPROVALS_SUBSCRIPTION": "projects/p/subscriptions/approvals"}


@pytest.fixture(autouse=True)
def _time(stack: Stack) -> None:
    stack.set_time(NOW)


def plan_id(enforcer: Any) -> str:  # noqa: ANN401 (the enforcer of the fixture)
    [waiting] = [row for row in enforcer.notifications() if row["plan_hash"]]
    return f"{waiting['message_id']}:{waiting['plan_hash']}"


@pytest.mark.usefixtures("empty_arrays")
def test_a_recorded_plan_stops_nothing_until_it_is_approved_and_is_executed_once(make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL, variables=APPROVE)

    enforcer.deliver("1", NOW)
    waiting = enforcer.deliver("2", NOW + MINUTE)
    before = enforcer.stopped()
    plan = plan_id(enforcer)
    wrong = enforcer.command("wrong", NOW + 2 * MINUTE, command="approve", plan=f"{plan[:-4]}0000")
    approved = enforcer.command("yes", NOW + 3 * MINUTE, command="approve", plan=plan)
    again = enforcer.command("yes", NOW + 4 * MINUTE, command="approve", plan=plan)
    second = enforcer.command("yes-2", NOW + 5 * MINUTE, command="approve", plan=plan)

    assert (before, enforcer.stopped()) == ([], DISTILL_VMS)
    names = [each.name for each in (waiting, wrong, approved, again, second)]
    assert names == ["plan_pending", "wrong_hash", "approved", "redelivered", "plan_executed"]
    assert [row["verdict"] for row in enforcer.notifications()] == ["over_budget", *names]
    recorded = [(row["event"], row["mode"]) for row in enforcer.events()]
    assert recorded == [("planned", "approve")] * 2 + [("planned", "enforce")] * 2 + [("stopped", "enforce")] * 2
    targets = {row["target_message_id"] for row in enforcer.notifications() if row["source"] == "operator"}
    assert targets == {plan.rpartition(":")[0]}


def test_a_plan_of_the_tracker_is_approved_as_one_of_its_period(make_enforcer: MakeEnforcer) -> None:
    sources = {"billing": "warn", "tracker": "stop"}
    enforcer = make_enforcer("research-ml", DISTILL, variables=APPROVE, sources=sources)

    enforcer.deliver("1", NOW, source=SOURCE, period="month")
    approved = enforcer.command("yes", NOW + MINUTE, command="approve", plan=plan_id(enforcer))

    assert approved.name is VerdictName.APPROVED
    assert enforcer.stopped() == DISTILL_VMS


def test_a_plan_whose_record_was_edited_is_refused(stack: Stack, make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL, variables=APPROVE)
    enforcer.deliver("1", NOW)
    table = f"{enforcer.settings.dataset}.enforcement_actions"
    edit = f"UPDATE {table} SET instance_id = '1' WHERE instance_name = 'infer-l4' AND mode = 'approve'"
    stack.client().query(edit).result()

    refused = enforcer.command("yes", NOW + MINUTE, command="approve", plan=plan_id(enforcer))

    assert refused.name is VerdictName.PLAN_CHANGED
    assert enforcer.stopped() == []


def test_a_plan_superseded_by_a_newer_one_is_refused_and_an_unknown_one_as_well(make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL, variables=APPROVE, max_stops_per_alert=1)
    enforcer.deliver("1", NOW)
    plan = plan_id(enforcer)
    enforcing = replace(enforcer, settings=replace(enforcer.settings, mode=Mode.ENFORCE))
    enforcing.deliver("2", NOW + MINUTE)

    refused = enforcer.command("yes", NOW + 2 * MINUTE, command="approve", plan=plan)
    unknown = enforcer.command("what", NOW + 2 * MINUTE, command="approve", plan="nobody:0123")

    assert (refused.name, unknown.name) == (VerdictName.PLAN_SUPERSEDED, VerdictName.UNKNOWN_PLAN)
    assert len(enforcer.stopped()) == 1
    assert enforcer.deliver("3", NOW + 3 * MINUTE).name is VerdictName.OVER_BUDGET


def test_a_plan_that_nobody_answers_is_executed_once_where_the_policy_says_so(make_enforcer: MakeEnforcer) -> None:
    shared = {"approval_minutes": 10, "execute_unapproved": True}
    enforcer = make_enforcer("research-ml", DISTILL, variables=APPROVE, shared=shared)
    enforcer.deliver("1", NOW)

    for number in (2, 2, 3):
        enforcer.deliver(str(number), NOW + 9 * MINUTE + number * MINUTE)

    assert enforcer.stopped() == DISTILL_VMS
    assert [row["event"] for row in enforcer.events() if row["mode"] == "enforce"] == ["planned"] * 2 + ["stopped"] * 2


@pytest.mark.usefixtures("empty_arrays")
def test_what_a_message_stopped_is_started_again_and_snoozed(stack: Stack, make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    enforcer.deliver("1", NOW)
    stack.set_time(NOW + 10 * MINUTE)

    body = {"command": "undo", "message_id": f"{enforcer.budget_id}-1"}
    undone = enforcer.command("undo", NOW + 11 * MINUTE, **body)
    again = enforcer.command("undo", NOW + 12 * MINUTE, **body)
    nothing = enforcer.command("undo-2", NOW + 12 * MINUTE, command="undo", message_id="nobody")
    stack.set_time(NOW + 20 * MINUTE)
    enforcer.deliver("2", NOW + 21 * MINUTE)

    assert (undone.name, again.name, nothing.name) == ("undone", "redelivered", "nothing_to_undo")
    assert enforcer.names("restarted") == DISTILL_VMS
    assert set(enforcer.statuses(*DISTILL_VMS).values()) == {"RUNNING"}
    assert enforcer.stopped() == DISTILL_VMS
    spared = [row["reason"] for row in enforcer.events() if row["event"] == "spared"]
    assert len(spared) == 2
    assert all(reason.startswith("snoozed until 2026-08-01T07:00:00Z") for reason in spared)


def test_the_stops_of_an_approval_are_undone(stack: Stack, make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL, variables=APPROVE)
    enforcer.deliver("1", NOW)
    enforcer.command("yes", NOW + MINUTE, command="approve", plan=plan_id(enforcer))
    stack.set_time(NOW + 10 * MINUTE)

    enforcer.command("undo", NOW + 11 * MINUTE, command="undo", message_id=f"{enforcer.budget_id}-yes")

    assert enforcer.names("restarted") == DISTILL_VMS
