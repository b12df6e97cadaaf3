"""The enforcer against Compute Engine, BigQuery and Resource Manager: what is recorded is what is stopped."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import Stack
from spotkeeper.budget_messages import SOURCE
from spotkeeper.enforcement.enforce import STOP_DEADLINE_SECONDS
from spotkeeper.enforcement.history import AttachedCost
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.errors import UnavailableError
from tests.infra.terraform_files import local_values
from tests.unit.enforcer_samples import notification

type MakeEnforcer = Callable[..., Any]

NOW = FLEET_START + timedelta(hours=8, minutes=7)
MINUTE = timedelta(minutes=1)
DISTILL = {"project": "llm-distill"}
DISTILL_VMS = ["early-bird", "infer-l4"]
SHOP = {"team": "storefront", "project": "shop"}
API_VMS = ["api-mig-4r7t", "api-mig-9bcd"]
WEB_VMS = ["web-rmig-k3xw", "web-rmig-p90d", "web-rmig-zz1q"]
STOPPED = {"STOPPING", "TERMINATED"}


@pytest.fixture(autouse=True)
def _time(stack: Stack) -> None:
    stack.set_time(NOW)


def let_fail(stack: Stack, **fault: object) -> None:
    stack.control("POST", "faults", [{"service": "compute", "method": "instances.stop", **fault}])


def test_an_alert_stops_its_recorded_plan_and_the_same_message_nothing_more(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("web-frontend", {"project": "index"}, max_stops_per_alert=3)

    first = enforcer.deliver("1", NOW)
    stopped = enforcer.stopped()
    again = enforcer.deliver("1", NOW, received_at=NOW + MINUTE)

    assert (first.name, again.name) == (VerdictName.OVER_BUDGET, VerdictName.REDELIVERED)
    assert len(stopped) == 3
    assert enforcer.names("planned") == enforcer.names("stopped") == stopped
    assert enforcer.stopped() == stopped
    assert set(enforcer.statuses(*stopped).values()) <= STOPPED
    operations = {row["operation"] for row in enforcer.events() if row["event"] == "stopped"}
    assert operations == {one["name"] for one in look(stack, "operations")}
    assert [(row["verdict"], row["stops"]) for row in enforcer.notifications()] == [
        ("over_budget", 3),
        ("redelivered", None),
    ]


@pytest.mark.usefixtures("empty_arrays")
def test_a_rule_without_labels_and_a_delivery_without_gaps_are_recorded_and_acted_on(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("web-frontend", {}, max_stops_per_alert=3)

    verdicts = [enforcer.deliver(number, NOW).name for number in ("1", "1")]

    assert verdicts == [VerdictName.OVER_BUDGET, VerdictName.REDELIVERED]
    assert len(enforcer.names("stopped")) == 3
    recorded = [(row["stops"], row["missing_permissions"], row["gaps"]) for row in enforcer.notifications()]
    assert recorded == [(3, [], []), (None, [], [])]
    assert look(stack, "operations") != []


def test_a_dry_run_records_the_plan_and_stops_nothing(make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL, variables={"ENFORCEMENT_MODE": "dry_run"})

    enforcer.deliver("1", NOW)
    enforcer.deliver("1", NOW, received_at=NOW + MINUTE)

    assert [(row["event"], row["mode"]) for row in enforcer.events()] == [("planned", "dry_run")] * 2
    assert enforcer.names("planned") == DISTILL_VMS
    assert enforcer.stopped() == []


def test_a_drill_records_the_permissions_that_are_missing_and_stops_nothing(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    stack.control("POST", "permissions", [{"project": "research-ml", "denied": ["compute.instances.stop"]}])

    enforcer.deliver("1", NOW, spotkeeper_drill="1")

    [notification] = enforcer.notifications()
    assert (notification["drill"], notification["mode"], notification["stops"]) == (True, "dry_run", 2)
    assert notification["missing_permissions"] == ["research-ml: compute.instances.stop"]
    assert enforcer.names("planned") == DISTILL_VMS
    assert enforcer.stopped() == []


@pytest.mark.parametrize(
    ("shared", "lists"),
    [
        ({}, ["enforcer_instance_permissions"]),
        (
            {"restart": True, "grace_seconds": 60, "freeze_groups": 1.0},
            ["enforcer_instance_permissions", "restart_permissions", "warning_permissions", "freeze_permissions"],
        ),
    ],
)
def test_a_drill_misses_nothing_where_the_function_has_what_terraform_grants(
    stack: Stack, make_enforcer: MakeEnforcer, shared: Mapping[str, object], lists: list[str]
) -> None:
    enforcer = make_enforcer("research-ml", DISTILL, shared=shared)
    granted = [permission for name in lists for permission in local_values()[name]]
    stack.control("POST", "permissions", [{"project": "research-ml", "granted": granted}])

    enforcer.deliver("1", NOW, spotkeeper_drill="1")

    [notification] = enforcer.notifications()
    assert (notification["stops"], notification["missing_permissions"]) == (2, [])


def test_members_of_groups_are_stopped_through_their_group_and_stay_so(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("web-frontend", {**SHOP, "priority": "high"})

    enforcer.deliver("1", NOW)
    calls = enforcer.stop_calls()
    stack.set_time(NOW + timedelta(minutes=20))

    assert enforcer.names("stopped") == [*API_VMS, *WEB_VMS]
    by_group = [(call["method"], sum(name in call["body"] for name in [*API_VMS, *WEB_VMS])) for call in calls]
    assert sorted(by_group) == [
        *[("instanceGroupManagers.stopInstances", 1)] * 2,
        *[("regionInstanceGroupManagers.stopInstances", 1)] * 3,
    ]
    assert enforcer.statuses(*API_VMS, *WEB_VMS) == dict.fromkeys([*API_VMS, *WEB_VMS], "TERMINATED")


def test_what_local_ssds_hold_is_given_up_with_the_vm(make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("data-platform", {"project": "warehouse", "priority": "medium"})

    enforcer.deliver("1", NOW)

    discarded = {call["instance"] for call in enforcer.stop_calls() if call["query"].get("discardLocalSsd") == "true"}
    assert discarded == {"shuffle-lssd", "shuffle-ssd"}
    assert discarded < set(enforcer.names("stopped"))


def test_a_failed_operation_shields_no_other_vm_and_the_redelivery_stops_its_own(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    let_fail(stack, kind="operation_error", instance="infer-l4", message="no luck")

    with pytest.raises(ExceptionGroup) as raised:
        enforcer.deliver("1", NOW)
    failed, shielded = enforcer.names("failed"), enforcer.names("stopped")
    stack.control("DELETE", "faults")
    stack.control("DELETE", "calls")
    enforcer.deliver("1", NOW, received_at=NOW + MINUTE)

    assert [type(each) for each in raised.value.exceptions] == [UnavailableError]
    assert "no luck" in str(raised.value.exceptions[0])
    assert (failed, shielded) == (["infer-l4"], ["early-bird"])
    assert set(enforcer.stopped()) == {"infer-l4"}
    assert enforcer.names("stopped") == DISTILL_VMS
    assert set(enforcer.statuses(*DISTILL_VMS).values()) <= STOPPED


def following_for(seconds: int, enforcer: Any) -> Any:  # noqa: ANN401 (the enforcer of the fixture)
    """Return an enforcer that follows each stop for so long, however long it takes to plan on a busy machine.

    The time to retry a call is kept free: all but these seconds. Its stopwatch stands still.
    """
    kept_free = replace(enforcer.settings, retry_timeout_seconds=STOP_DEADLINE_SECONDS - seconds)
    return replace(enforcer, settings=kept_free, ports=replace(enforcer.ports, stopwatch=lambda: timedelta(0)))


def test_an_operation_that_never_ends_is_left_to_the_next_delivery(stack: Stack, make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    quick = following_for(4, enforcer)
    let_fail(stack, kind="operation_never_ends", instance="infer-l4")

    with pytest.raises(ExceptionGroup):
        quick.deliver("1", NOW)

    waiting = {row["instance_name"]: row for row in enforcer.events() if row["event"] == "waiting"}
    assert "did not finish before the deadline" in waiting["infer-l4"]["error"]
    assert waiting["infer-l4"]["operation"] in {one["name"] for one in look(stack, "operations")}


def test_a_group_that_delays_a_stop_is_waited_for_and_its_stop_recorded_once_it_took_effect(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("web-frontend", {**SHOP, "priority": "high"}, max_stops_per_alert=2)
    quick = following_for(4, enforcer)
    draining = {"project": "web-frontend", "draining_seconds": 3660}
    stack.control("POST", "groups", {**draining, "scope": "zones/us-east1-b", "name": "api-mig"})
    stack.control("POST", "groups", {**draining, "scope": "regions/europe-west1", "name": "web-rmig"})

    with pytest.raises(ExceptionGroup):
        quick.deliver("1", NOW)
    waiting = enforcer.names("waiting")
    assert (len(waiting), enforcer.names("failed"), enforcer.names("stopped")) == (2, [], [])
    assert set(enforcer.statuses(*waiting).values()) == {"RUNNING"}

    stack.set_time(NOW + 62 * MINUTE)
    enforcer.deliver("2", NOW + 62 * MINUTE, cost=100)

    assert enforcer.names("stopped") == waiting
    assert all(row["operation"] for row in enforcer.events() if row["event"] == "stopped")


def test_a_vm_that_shuts_down_gracefully_is_stopped_once_its_shutdown_is_pending(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    quick = following_for(12, enforcer)
    graceful = {"project": "research-ml", "name": "infer-l4", "graceful_shutdown_seconds": 3600}
    stack.control("POST", "instances", graceful)

    with pytest.raises(ExceptionGroup):
        quick.deliver("1", NOW)
    assert "infer-l4" in enforcer.names("waiting")
    enforcer.deliver("1", NOW, received_at=NOW + MINUTE)

    assert enforcer.names("stopped") == DISTILL_VMS
    assert enforcer.statuses("infer-l4") == {"infer-l4": "PENDING_STOP"}


def test_a_stop_whose_outcome_was_lost_is_found_by_its_operation(make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    records = enforcer.ports.records
    without_outcomes = replace(enforcer, ports=replace(enforcer.ports, records=Forgetful(records)))
    without_outcomes.deliver("1", NOW)
    assert enforcer.names("stopped") == []

    enforcer.deliver("1", NOW, received_at=NOW + MINUTE)

    assert enforcer.names("stopped") == DISTILL_VMS
    assert all(row["operation"] for row in enforcer.events() if row["event"] == "stopped")
    assert len(enforcer.stop_calls()) == len(DISTILL_VMS)


def test_an_instance_that_its_group_does_not_know_is_stopped_by_itself(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("web-frontend", {**SHOP, "priority": "high"})
    gone = {"service": "compute", "kind": "status", "status": 404, "message": "no such group"}
    stack.control("POST", "faults", [{**gone, "method": "instanceGroupManagers.stopInstances"}])

    enforcer.deliver("1", NOW)

    assert enforcer.names("stopped") == [*API_VMS, *WEB_VMS]
    alone = [call["instance"] for call in enforcer.stop_calls() if call["method"] == "instances.stop"]
    assert sorted(alone) == API_VMS


def test_a_retry_is_recorded_before_it_is_requested_and_the_limits_count_what_did_not_fail(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("research-ml", DISTILL, max_stops_per_day=2)
    let_fail(stack, kind="status", status=403, instance="early-bird", message="hands off")
    with pytest.raises(ExceptionGroup):
        enforcer.deliver("1", NOW)
    stack.control("DELETE", "faults")

    enforcer.deliver("1", NOW, received_at=NOW + MINUTE)

    assert enforcer.names("retried") == ["early-bird"]
    assert enforcer.names("stopped") == DISTILL_VMS


def test_a_message_that_stops_nothing_records_the_stops_of_another_whose_outcomes_were_lost(
    make_enforcer: MakeEnforcer,
) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    forgetful = replace(enforcer, ports=replace(enforcer.ports, records=Forgetful(enforcer.ports.records)))
    forgetful.deliver("1", NOW)
    enforcer.deliver("2", NOW + timedelta(hours=3), cost=100)

    assert enforcer.names("planned") == enforcer.names("stopped") == DISTILL_VMS
    assert len(enforcer.stop_calls()) == len(DISTILL_VMS)


@dataclass(frozen=True)
class Forgetful:
    """Records that lose every outcome."""

    records: Any

    def __getattr__(self, verb: str) -> Any:  # noqa: ANN401 (any verb of the records)
        return getattr(self.records, verb) if verb != "record_outcomes" else lambda *_: None


def test_a_vm_that_may_not_be_stopped_is_recorded_and_the_others_are_stopped(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    let_fail(stack, kind="status", status=403, instance="early-bird", message="hands off")

    with pytest.raises(ExceptionGroup):
        enforcer.deliver("1", NOW)

    errors = {row["instance_name"]: row["error"] for row in enforcer.events() if row["event"] == "failed"}
    assert list(errors) == ["early-bird"]
    assert "Forbidden" in errors["early-bird"]
    assert enforcer.names("stopped") == ["infer-l4"]


def test_calls_that_come_too_fast_are_tried_again_as_the_same_request(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    let_fail(stack, kind="status", status=429, instance="infer-l4", last=1)

    enforcer.deliver("1", NOW)

    tried = [call for call in enforcer.stop_calls() if call["instance"] == "infer-l4"]
    assert [call["status"] for call in tried] == [429, 200]
    assert len({call["request_id"] for call in tried}) == 1
    assert enforcer.names("stopped") == DISTILL_VMS


def test_a_vm_that_is_gone_when_its_turn_comes_has_changed(stack: Stack, make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    let_fail(stack, kind="status", status=404, instance="infer-l4")

    enforcer.deliver("1", NOW)

    assert enforcer.names("changed") == ["infer-l4"]
    assert enforcer.names("stopped") == ["early-bird"]


def test_a_vm_that_was_made_again_under_its_name_is_left_alone(stack: Stack, make_enforcer: MakeEnforcer) -> None:
    before, after = (datetime.fromisoformat(f"2026-07-21T{time}:00Z") for time in ("14:20", "14:35"))
    scope = {"experiment": "exp-042", "priority": "high"}
    enforcer = make_enforcer("research-ml", scope, shared={"grace_seconds": 1})
    meanwhile = replace(enforcer, ports=replace(enforcer.ports, wait=lambda _: stack.set_time(after)))
    stack.set_time(before)

    meanwhile.deliver("1", before)

    assert enforcer.names("planned") == ["trainer-a100", "trainer-t4"]
    assert enforcer.names("changed") == ["trainer-a100"]
    assert enforcer.stopped() == enforcer.names("stopped") == ["trainer-t4"]
    assert enforcer.statuses("trainer-a100") == {"trainer-a100": "RUNNING"}


def test_without_bigquery_nothing_is_stopped(make_enforcer: MakeEnforcer) -> None:
    nowhere = {"BIGQUERY_ENDPOINT": "http://127.0.0.1:9", "RETRY_TIMEOUT_SECONDS": "0"}
    enforcer = make_enforcer("research-ml", DISTILL, variables=nowhere)

    with pytest.raises(UnavailableError, match="BigQuery: "):
        enforcer.deliver("1", NOW)

    assert enforcer.stopped() == []


def test_a_zone_that_does_not_answer_is_a_recorded_gap(stack: Stack, make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)
    partial = {"service": "compute", "kind": "unreachable_zone", "project": "research-ml", "zone": "us-east1-b"}
    stack.control("POST", "faults", [partial])

    enforcer.deliver("1", NOW)

    [notification] = enforcer.notifications()
    assert "Compute Engine: us-east1-b does not answer" in notification["gaps"]
    assert enforcer.stopped() == []
    assert {row["reason"] for row in enforcer.events()} == {
        "part of the fleet could not be read: only low priority may be stopped"
    }


def test_an_older_message_that_comes_late_stops_nothing(make_enforcer: MakeEnforcer) -> None:
    enforcer = make_enforcer("research-ml", DISTILL)

    enforcer.deliver("2", NOW, cost=500)
    late = enforcer.deliver("1", NOW - MINUTE, received_at=NOW + MINUTE)

    assert late.name is VerdictName.SUPERSEDED
    assert [row["verdict"] for row in enforcer.notifications()] == ["under_budget", "superseded"]
    assert enforcer.stopped() == enforcer.names("planned") == []


@pytest.mark.parametrize(
    ("project_id", "labels", "names"),
    [("research-ml", DISTILL, DISTILL_VMS), ("web-frontend", {**SHOP, "priority": "high"}, [*API_VMS, *WEB_VMS])],
    ids=["alone", "in groups"],
)
def test_a_new_period_starts_what_was_stopped_and_nothing_else(
    stack: Stack, make_enforcer: MakeEnforcer, project_id: str, labels: Mapping[str, str], names: list[str]
) -> None:
    enforcer = make_enforcer(project_id, labels, shared={"restart": True})
    august = datetime.fromisoformat("2026-08-01T08:00:00Z")
    enforcer.deliver("1", NOW)
    stack.set_time(NOW + timedelta(minutes=5))
    statuses = enforcer.statuses(*names)

    stack.control("DELETE", "calls")
    enforcer.deliver("2", august, cost=100, start="2026-08-01T07:00:00Z")

    assert statuses == dict.fromkeys(names, "TERMINATED")
    assert enforcer.names("restart_planned") == enforcer.names("restarted") == names
    assert len(look(stack, "calls")) == len(names)
    assert set(enforcer.statuses(*names).values()) <= {"PROVISIONING", "STAGING", "RUNNING"}


def test_what_an_hour_s_alert_keeps_stopped_is_started_on_the_next_day(
    stack: Stack, make_enforcer: MakeEnforcer
) -> None:
    enforcer = make_enforcer(
        "research-ml", DISTILL, sources={"billing": "stop", "tracker": "stop"}, shared={"restart": True}
    )
    august = datetime.fromisoformat("2026-08-01T07:00:00Z")
    enforcer.deliver("1", NOW)
    stack.set_time(NOW + timedelta(minutes=5))
    hour = {"source": SOURCE, "period": "hour"}
    enforcer.deliver("2", august + timedelta(minutes=67), start="2026-08-01T07:00:00Z", **hour)

    enforcer.deliver("3", august + timedelta(hours=2), cost=1, start="2026-08-01T07:00:00Z")
    waiting = [row for row in enforcer.events() if row["event"] == "spared" and row["message_id"].endswith("-3")]
    enforcer.deliver("4", august + timedelta(hours=24), cost=1, start="2026-08-01T07:00:00Z")

    assert [row["instance_name"] for row in waiting] == DISTILL_VMS
    assert all(row["reason"].startswith("stays stopped: budget ") for row in waiting)
    assert {row["message_id"][-1] for row in enforcer.events() if row["event"] == "restarted"} == {"4"}
    assert enforcer.names("restarted") == DISTILL_VMS


def look(stack: Stack, path: str) -> list[dict[str, Any]]:
    """Return a list of the control interface."""
    found: list[dict[str, Any]] = requests.get(f"{stack.rest}/_control/{path}", timeout=5).json()
    return found


def test_the_history_has_what_an_estimate_is_made_of(
    stack: Stack, make_enforcer: MakeEnforcer, enforcer_dataset: str
) -> None:
    """Two hours of rows, part of them of a VM that is stopped since, an incomplete hour, and one that no run read.

    In the first hour a VM was started as another machine, so that its second row begins within the hour.
    Of two VMs that ran in both of the last two days, the one that ran for as long in each of them works by night only.
    """
    enforcer = make_enforcer("web-frontend", SHOP, max_stops_per_alert=1)
    enforcer.deliver("1", NOW - 3 * MINUTE, cost=1001)
    [stop] = [row for row in enforcer.events() if row["event"] == "stopped"]
    hours = [NOW.replace(minute=0) - timedelta(hours=hour) for hour in (3, 2, 1)]
    unread = hours[0] - timedelta(hours=1)
    insert(stack, f"{enforcer_dataset}.project_hours", project_hour(unread, "final") | {"run_id": "'late'"})
    insert(stack, f"{enforcer_dataset}.tracker_runs", run_that_gave_up(unread))
    for hour, state in zip(hours, ("final", "provisional", "incomplete"), strict=True):
        insert(stack, f"{enforcer_dataset}.project_hours", project_hour(hour, state))
        insert(stack, f"{enforcer_dataset}.spot_vm_costs", cost_row(hour, stop["zone"], stop["instance_name"], "2"))
        insert(stack, f"{enforcer_dataset}.spot_vm_costs", cost_row(hour, stop["zone"], "another", "1"))
    later = hours[0] + 20 * MINUTE
    insert(stack, f"{enforcer_dataset}.spot_vm_costs", cost_row(later, stop["zone"], "another", "4"))
    for name, ago in (("nightly", 0), ("nightly", 30), *(("resumed", each) for each in (0, 30, 31, 32))):
        row = cost_row(hours[1] - timedelta(hours=ago), stop["zone"], name, "0")
        insert(stack, f"{enforcer_dataset}.spot_vm_costs", row)
    said = notification("1200", budget_id=enforcer.budget_id, message_id="2", published=NOW)
    rule = enforcer.settings.policy.budgets[enforcer.budget_id]

    found = enforcer.ports.records.history(said, rule, NOW).spending

    assert [each.cost for each in found.billed] == [1001.0]
    assert [(each.start, each.cost, each.stopped_cost) for each in found.hours] == [
        (hours[0], 7.0, 2.0),
        (hours[1], 3.0, 2.0),
    ]
    assert [each.stopped_at for each in found.group_stops] == [NOW.replace(minute=0)]
    assert found.uptime_shares == {"nightly": pytest.approx(1 / 24)}


def test_the_history_has_what_each_vm_had_attached_in_its_latest_row_of_a_day_and_the_plan_keeps_it(
    stack: Stack, make_enforcer: MakeEnforcer, enforcer_dataset: str
) -> None:
    enforcer = make_enforcer("web-frontend", SHOP, max_stops_per_alert=1)
    said = notification("1200", budget_id=enforcer.budget_id, message_id="a1", published=NOW)
    rule = enforcer.settings.policy.budgets[enforcer.budget_id]
    costs = {"license_cost": "0.2", "bandwidth_cost": "0.1", "disk_cost": "0.01", "address_cost": "0.005"}
    # Without labels, so that no budget covers the rows.
    known = {
        **costs,
        "known_cost": "1",
        "uptime_hours": "0.5",
        "billed_hours": "0.6",
        "labels": "[]",
        "run_id": "'mine'",
    }
    for name, ago, changed in (
        ("licensed", 3, {"license_cost": "9"}),
        ("licensed", 2, {}),
        ("unknown", 2, dict.fromkeys(("license_cost", "disk_cost", "address_cost"), "NULL")),
        ("not-recorded", 2, {"known_cost": "NULL"}),
        ("long-ago", 25, {}),
    ):
        row = cost_row(NOW - timedelta(hours=ago), "us-central1-a", name, "1")
        insert(stack, f"{enforcer_dataset}.spot_vm_costs", row | known | changed)

    found = enforcer.ports.records.history(said, rule, NOW).attached

    assert found.keys() & {"licensed", "unknown", "not-recorded", "long-ago"} == {"licensed", "unknown"}
    assert found["licensed"] == AttachedCost(Decimal("0.5"), Decimal("0.02"), Decimal("0.01"))
    assert found["unknown"] == AttachedCost(None, None, None)

    for vm in enforcer.ports.fleet.spot_vms("web-frontend", [].append):
        if rule.covers(vm.instance):
            key = vm.instance.key
            row = cost_row(NOW - timedelta(hours=1), key.zone, vm.instance.name, "1")
            own = {"license_cost": "30", "instance_id": f"'{key.instance_id}'"}
            insert(stack, f"{enforcer_dataset}.spot_vm_costs", row | known | own)
    enforcer.deliver("a2", NOW, cost=1002)
    amounts = [
        (row["hourly_ending_attached"], row["hourly_disk_cost"], row["hourly_address_cost"])
        for row in enforcer.events()
        if row["event"] in {"planned", "stopped"}
    ]
    stack.client().query_and_wait(
        f"DELETE FROM {enforcer_dataset}.spot_vm_costs WHERE run_id = 'mine' AND usage_start_time >= '2026-07-01'"
    )
    assert amounts == [(Decimal("50.166666667"), Decimal("0.02"), Decimal("0.01"))] * 2


def insert(stack: Stack, table: str, row: Mapping[str, str]) -> None:
    """Insert a row of values written in SQL."""
    sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"
    stack.client().query(sql).result()


def project_hour(hour: datetime, state: str) -> dict[str, str]:
    at = f"TIMESTAMP '{hour.isoformat()}'"
    counts = {"unresolved": "0", "unresolved_hours": "0", "run_id": "'run'", "recorded_at": at}
    return {"hour": at, "project_id": "'web-frontend'", "state": f"'{state}'", **counts}


def run_that_gave_up(hour: datetime) -> dict[str, str]:
    at = f"TIMESTAMP '{hour.isoformat()}'"
    gap = "STRUCT('catch-up' AS source, 'web-frontend' AS project_id, 'not read' AS detail, TRUE AS final)"
    counts = dict.fromkeys(("row_count", "cost", "ondemand_cost", "unpriced", "unresolved", "duration_seconds"), "0")
    said = {"provisional": "FALSE", "complete": "FALSE", "gaps": f"[{gap}]"}
    return {"run_id": "'late'", "hour": at, "recorded_at": at, **said, **counts}


def cost_row(hour: datetime, zone: str, name: str, cost: str) -> dict[str, str]:
    at = f"TIMESTAMP '{hour.isoformat()}'"
    labels = ", ".join(f"STRUCT('{key}' AS key, '{value}' AS value)" for key, value in SHOP.items())
    return {
        "usage_start_time": at,
        "usage_end_time": at,
        "project_id": "'web-frontend'",
        "zone": f"'{zone}'",
        "region": "'us-central1'",
        "instance_id": f"'{name}'",
        "instance_name": f"'{name}'",
        "uptime_hours": "1",
        "cost": cost,
        "labels": f"[{labels}]",
        "currency": "'USD'",
        "price_status": "'priced'",
        "run_id": "'run'",
        "recorded_at": at,
    }
