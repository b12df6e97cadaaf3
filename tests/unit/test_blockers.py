from dataclasses import replace
from decimal import Decimal

import pytest

from spotkeeper.cli.plan import as_object, plan_lines, planned_vms
from spotkeeper.enforcement.blockers import Blocker, blocker
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.estimates.estimate import NoEstimate
from spotkeeper.enforcement.history import AttachedCost
from spotkeeper.enforcement.plans import Decision, Plan
from spotkeeper.enforcement.policies import Caps
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import Verdict, VerdictName
from tests.unit.enforcer_fakes import Cloud
from tests.unit.enforcer_samples import HIGH, LOW, NOW, notification, policy, rule, vm
from tests.unit.spending_samples import estimated, spending

SHARE = rule(caps=Caps(3, 30, Decimal("0.1")))
DEFERRED = Plan(deferred=1)


def test_a_rule_whose_projects_and_labels_no_instance_has_can_stop_nothing() -> None:
    elsewhere = [vm(project="team-b-prod")]
    other_label = rule(labels={"team": frozenset({"ml"})})

    assert blocker(rule(), elsewhere, Plan()) is Blocker.NO_VM_IN_SCOPE
    assert blocker(other_label, [vm(labels={"team": "web"})], Plan()) is Blocker.NO_VM_IN_SCOPE
    assert blocker(other_label, [vm(labels={"team": "ml"})], Plan()) is None


def test_a_rule_whose_instances_are_all_stopped_has_done_its_work() -> None:
    assert blocker(rule(), [vm(status="TERMINATED")], Plan()) is None


@pytest.mark.parametrize(("count", "found"), [(9, Blocker.SHARE_ALLOWS_NO_STOP), (10, None)])
def test_a_share_of_less_than_one_instance_allows_no_stop(count: int, found: Blocker | None) -> None:
    assert blocker(SHARE, [vm(str(number)) for number in range(count)], DEFERRED) is found


def test_a_small_share_is_no_blocker_where_nothing_has_to_be_stopped() -> None:
    assert blocker(SHARE, [vm()], Plan()) is None


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_message_about_a_rule_that_can_stop_nothing_says_so(caplog: pytest.LogCaptureFixture) -> None:
    cloud = Cloud().has(vm("a"))

    cloud.deliver(notification(message_id="share"), policy(SHARE))
    cloud.deliver(notification(message_id="scope"), policy(rule(labels={"team": frozenset({"ml"})})))
    cloud.deliver(notification(message_id="fits"), policy())

    found = [event for event in logged(caplog) if event in Blocker]
    assert found == [Blocker.SHARE_ALLOWS_NO_STOP, Blocker.NO_VM_IN_SCOPE]


def test_a_plan_says_what_blocks_it_and_how_many_instances_have_no_priority() -> None:
    used = policy(SHARE, priority_label="importance")
    spared = (Decision(vm("a"), LOW, "x"), Decision(vm("b", labels={"Importance": "high"}), HIGH, "y"))
    verdict = Verdict(VerdictName.OVER_BUDGET, "spent")
    delivery = Delivery("", NOW, Mode.DRY_RUN, notification(), verdict, NOW, plan=Plan(spared=spared))

    lines = list(plan_lines(replace(delivery, blocker=Blocker.NO_VM_IN_SCOPE), used))

    assert "nothing can be stopped: no Spot VM in scope" in lines
    assert "1 of 2 Spot VMs have no label importance and count as low." in lines
    assert not any("no label" in line for line in plan_lines(replace(delivery, plan=Plan(spared=spared[1:])), used))


def test_a_plan_says_what_its_stops_do_not_end_in_text_and_for_a_program() -> None:
    attached = AttachedCost(Decimal("0.4"), Decimal("0.02"), None)
    stop = Decision(replace(vm("a", cost="1.5"), attached=attached), LOW, "x", 1)
    made = Plan((stop,), going_on=Decimal("0.02"), addresses=Decimal("0.0025"), attached_unknown=1)
    verdict = Verdict(VerdictName.OVER_BUDGET, "spent")
    delivery = Delivery("", NOW, Mode.DRY_RUN, notification(), verdict, NOW, plan=made)

    found = as_object(delivery)
    [planned] = planned_vms(delivery)

    assert (
        "Not in what the stops save: disks at 0.0200 USD/h go on; addresses at 0.0025 USD/h end unless they are "
        "reserved; of 1 of them, not all that is attached is known."
    ) in list(plan_lines(delivery, policy()))
    assert (found["hourly_disks_going_on_usd"], found["hourly_addresses_usd"]) == (Decimal("0.02"), Decimal("0.0025"))
    assert found["attached_unknown"] == 1
    assert planned.fields()["hourly_licenses_usd"] == Decimal("0.4")
    assert planned.fields()["hourly_disks_going_on_usd"] == Decimal("0.02")
    assert planned.fields()["hourly_addresses_usd"] is None


def test_a_plan_says_what_the_estimate_is_made_of_or_why_there_is_none() -> None:
    verdict = Verdict(VerdictName.NEARING_BUDGET, "near")
    delivery = Delivery(
        "", NOW, Mode.DRY_RUN, notification(), verdict, NOW, plan=Plan(), estimate=estimated(spending())
    )

    lines = list(plan_lines(delivery, policy()))
    unestimated = replace(delivery, estimate=NoEstimate("no estimate in EUR"))
    without = list(plan_lines(unestimated, policy()))
    terms = as_object(delivery)["estimate"]

    assert lines[1].startswith("Estimated: 4,86")
    assert "about 12 h late" in lines[2]
    assert without[1] == "no estimate in EUR; below the budget, the forecast from list prices decides."
    assert isinstance(terms, dict)
    assert f"{terms['estimated_spent']:,.2f}" in lines[1]
    assert f"Basis: {terms['estimate_basis']}." == lines[2]
    assert as_object(unestimated)["estimate"] == {"estimate_basis": "no estimate in EUR"}
    assert as_object(replace(delivery, estimate=None))["estimate"] is None
