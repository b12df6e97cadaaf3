"""Freezes against Compute Engine and BigQuery: what is recorded is what is frozen and thawed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import Stack
from spotkeeper.enforcement.verdicts import VerdictName

type MakeEnforcer = Callable[..., Any]

NOW = FLEET_START + timedelta(hours=8, minutes=7)
MINUTE = timedelta(minutes=1)
SHOP = {"team": "storefront", "project": "shop"}
API = {"project": "web-frontend", "scope": "zones/us-east1-b", "name": "api-mig"}
WEB = {"project": "web-frontend", "scope": "regions/europe-west1", "name": "web-rmig"}
AUGUST = datetime(2026, 8, 1, 8, tzinfo=UTC)
FREEZE = {"freeze_groups": 1.0}
COMMANDS = {"APPROVALS_SUBSCRIPTION": "projects/p/subscriptions/approvals"}


@pytest.fixture(autouse=True)
def _groups(stack: Stack, make_enforcer: MakeEnforcer) -> None:
    # A new enforcer finds the fleet as it was at first.
    del make_enforcer
    stack.set_time(NOW)
    stack.control("POST", "groups", {**API, "autoscaled": True})
    web = {**WEB, "autoscaled": True, "autoscaling_mode": "ONLY_SCALE_OUT"}
    stack.control("POST", "groups", web)


def look(stack: Stack, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"{stack.rest}/_control/{path}", timeout=5).json()
    return found


def modes(stack: Stack) -> dict[str, str]:
    found = look(stack, "groups")
    return {each["name"]: each["autoscaling_mode"] for each in found if each["autoscaling_mode"] is not None}


def events(enforcer: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401 (the enforcer of the fixture)
    rows = [row for row in enforcer.events() if row["autoscaling_mode"] is not None]
    return sorted((row["instance_name"], row["event"], row["autoscaling_mode"]) for row in rows)


def test_groups_are_frozen_once_and_thawed_to_their_own_modes_in_the_new_period(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("web-frontend", SHOP, shared=FREEZE, max_stops_per_alert=1)

    enforcer.deliver("1", NOW)
    frozen = modes(stack)
    enforcer.deliver("1", NOW, received_at=NOW + MINUTE)
    enforcer.deliver("2", NOW + 2 * MINUTE)
    during = events(enforcer)
    stack.set_time(AUGUST)
    enforcer.deliver("3", AUGUST, cost=1, start="2026-08-01T07:00:00Z")

    assert frozen == {"api-mig": "OFF", "web-rmig": "OFF"}
    planned = [("api-mig", "freeze_planned", "ON"), ("web-rmig", "freeze_planned", "ONLY_SCALE_OUT")]
    done = [("api-mig", "frozen", "ON"), ("web-rmig", "frozen", "ONLY_SCALE_OUT")]
    thawed = [("api-mig", "thawed", "ON"), ("web-rmig", "thawed", "ONLY_SCALE_OUT")]
    assert during == sorted(planned + done)
    assert events(enforcer) == sorted(planned + done + thawed)
    assert modes(stack) == {"api-mig": "ON", "web-rmig": "ONLY_SCALE_OUT"}
    operations = {row["operation"] for row in enforcer.events() if row["event"] in ("frozen", "thawed")}
    assert len(operations) == 4
    assert operations <= {one["name"] for one in look(stack, "operations")}


@pytest.mark.usefixtures("empty_arrays")
def test_a_command_thaws_a_group_and_it_is_not_frozen_again_in_that_period(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("web-frontend", SHOP, shared=FREEZE, variables=COMMANDS, max_stops_per_alert=1)
    enforcer.deliver("1", NOW)

    thawed = enforcer.command("thaw", NOW + MINUTE, command="thaw", group="api-mig")
    again = enforcer.command("thaw-2", NOW + 2 * MINUTE, command="thaw", group="api-mig")
    enforcer.deliver("2", NOW + 3 * MINUTE)

    assert (thawed.name, again.name) == (VerdictName.THAWED, VerdictName.NOTHING_TO_THAW)
    assert modes(stack) == {"api-mig": "ON", "web-rmig": "OFF"}
    assert ("api-mig", "freeze_spared", "ON") in events(enforcer)


def test_an_approved_plan_freezes_and_one_that_waits_does_not(stack: Stack, make_enforcer: MakeEnforcer) -> None:
    variables = {**COMMANDS, "ENFORCEMENT_MODE": "approve"}
    enforcer = make_enforcer("web-frontend", SHOP, shared=FREEZE, variables=variables, max_stops_per_alert=1)
    enforcer.deliver("1", NOW)
    before = modes(stack)
    [waiting] = [row for row in enforcer.notifications() if row["plan_hash"]]

    plan = f"{waiting['message_id']}:{waiting['plan_hash']}"
    approved = enforcer.command("yes", NOW + MINUTE, command="approve", plan=plan)

    assert before == {"api-mig": "ON", "web-rmig": "ONLY_SCALE_OUT"}
    assert approved.name is VerdictName.APPROVED
    assert modes(stack) == {"api-mig": "OFF", "web-rmig": "OFF"}


def test_a_freeze_that_is_refused_is_recorded_and_tried_again_by_the_next_delivery(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("web-frontend", SHOP, shared=FREEZE, max_stops_per_alert=1)
    fault = {"service": "compute", "method": "autoscalers.patch", "kind": "status", "status": 403}
    stack.control("POST", "faults", [fault])
    with pytest.raises(ExceptionGroup):
        enforcer.deliver("1", NOW)
    stack.control("DELETE", "faults")

    enforcer.deliver("1", NOW, received_at=NOW + MINUTE)

    assert modes(stack) == {"api-mig": "OFF", "web-rmig": "OFF"}
    names = [(name, event) for name, event, _ in events(enforcer) if name == "api-mig"]
    assert names == [("api-mig", "freeze_failed"), ("api-mig", "freeze_planned"), ("api-mig", "frozen")]


def test_an_autoscaler_that_no_longer_exists_is_left_and_said(stack: Stack, make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("web-frontend", SHOP, shared=FREEZE, max_stops_per_alert=1)
    enforcer.deliver("1", NOW)
    stack.control("POST", "groups", {**API, "autoscaled": False})
    stack.control("POST", "groups", {**WEB, "autoscaling_mode": "ON"})
    stack.set_time(AUGUST)
    enforcer.deliver("3", AUGUST, cost=1, start="2026-08-01T07:00:00Z")

    reasons = {row["instance_name"]: row["reason"] for row in enforcer.events() if row["event"] == "thaw_skipped"}
    assert reasons == {"api-mig": "the autoscaler no longer exists", "web-rmig": "set to ON by somebody else"}
