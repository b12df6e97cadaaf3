"""The hourly run on fakes of its ports: late, repeated, missed and failing runs leave the tables of an orderly run."""

import logging
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import UNKNOWN_ATTACHMENTS, InstanceKey, ProvisioningModel, Shape
from spotkeeper.periods import HOUR, PeriodKind, budget_periods, rfc3339
from spotkeeper.pricing.attached_prices import NOTHING_ATTACHED, AttachedPrices
from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.price_book import PriceStatus
from spotkeeper.pricing.skus import CatalogReading
from spotkeeper.tracking.alerts import AlertKind
from spotkeeper.tracking.costs import AttachedCosts, CostRow, hourly_rates
from spotkeeper.tracking.preemptions import OPERATIONS_KEPT
from spotkeeper.tracking.run import READ_DEADLINE_SECONDS, TrackRequest, track
from spotkeeper.tracking.run_summary import Completeness, Summary
from spotkeeper.tracking.settings import LabelBudget, TrackerSettings
from spotkeeper.tracking.sources import HOURS_IN_MEMORY
from spotkeeper.tracking.uptime import Uptime
from tests.unit.sku_samples import CORE, RAM, priced
from tests.unit.tracker_fakes import (
    ASSET_HISTORY,
    AUDIT_LOG,
    FAR_ZONE,
    HOME,
    HOURLY,
    LARGE,
    LONG_AGO,
    OF_LOG,
    OTHER,
    RATES,
    SMALL,
    START,
    Cloud,
    Vm,
    at,
)

PROJECTS = (HOME, OTHER)
SEVEN = timedelta(minutes=7)


def fleet() -> list[Vm]:
    """Return VMs of every kind: started, stopped, deleted, recreated, relabelled, preempted, on demand, unpriced."""
    return [
        Vm("steady", instance_id="1"),
        Vm("part-time", runs=((at(0, 10), at(0, 40)), (at(1, 30), None)), instance_id="2"),
        Vm("relabelled", labels=((START, "vision"), (at(1, 30), "speech")), instance_id="3"),
        Vm("worker", runs=((START, at(2, 20)),), deleted=at(3, 20), preempted=(at(2, 20),), instance_id="4"),
        Vm("worker", runs=((at(3, 30), None),), instance_id="5"),
        Vm("on-demand", model=ProvisioningModel.STANDARD, instance_id="6"),
        Vm("unpriced", shape=Shape("n9-standard-4", None, None), instance_id="7"),
        Vm("far", project_id=OTHER, zone=FAR_ZONE, instance_id="8"),
        Vm("large", project_id=OTHER, shape=LARGE, instance_id="9"),
    ]


def cloud(
    *,
    projects: tuple[str, ...] = PROJECTS,
    asset_history: bool = True,
    price_refresh_hours: int = 6,
    catch_up_hours: int = 48,
) -> Cloud:
    """Return the services with two projects and asset history."""
    settings = TrackerSettings(
        HOME,
        projects,
        asset_history=asset_history,
        price_refresh_hours=price_refresh_hours,
        catch_up_hours=catch_up_hours,
    )
    return Cloud(fleet(), settings=settings)


def orderly(last: int = 2) -> Cloud:
    """Return the services after every hour up to this one was recorded on time."""
    found = cloud()
    for number in range(last + 1):
        found.run(number)
    return found


def costs(found: Cloud) -> dict[tuple[datetime, InstanceKey], CostRow]:
    return found.ledger.tables.costs


def without_reading_times(found: Cloud) -> list[object]:
    """The cost rows without the time of the catalog reading, which differs between orders of runs."""
    return [
        (hour, key, row.instance, row.uptime_hours, row.price.spot, row.cost, row.price.status)
        for (hour, key), row in sorted(costs(found).items())
    ]


def of_machine(row: CostRow) -> CostRow:
    """A row without what is attached: a recorded history does not say the disks."""
    nothing = AttachedPrices(*(NOTHING_ATTACHED,) * 4)
    bare = row.instance._replace(attachments=UNKNOWN_ATTACHMENTS)
    return row._replace(
        instance=bare,
        rates=hourly_rates(row.price, nothing),
        attached=AttachedCosts(nothing, None, None, None, None),
    )


def gaps(summary: Summary) -> list[tuple[str, str]]:
    return [(gap.source, gap.project_id) for gap in summary.gaps]


def complete_hours(found: Cloud) -> list[int]:
    states = found.ledger.hour_states(at(-999)).states
    return [(state.hour - START) // HOUR for state in states if state.notified and not state.incomplete]


def test_a_run_records_what_every_spot_vm_cost_in_its_hour() -> None:
    found = cloud()

    summary = found.run(0)

    assert {key.instance_id: (row.uptime_hours, row.cost) for (_, key), row in costs(found).items()} == {
        "1": (1, HOURLY),
        "2": (Decimal("0.5"), HOURLY / 2),
        "3": (1, HOURLY),
        "4": (1, HOURLY),
        "7": (1, None),
        "8": (1, HOURLY),
        "9": (1, HOURLY * 2),
    }
    assert (summary.complete, summary.rows, summary.cost) == (True, 7, HOURLY * Decimal("6.5"))
    assert summary.ondemand_cost == summary.cost * 2
    assert found.ledger.tables.runs.keys() == {(summary.run_id, START)}


def test_on_demand_vms_are_observed_and_have_no_cost() -> None:
    found = orderly(0)

    assert "6" in {each.instance.key.instance_id for each in found.ledger.tables.inventory}
    assert "6" not in {key.instance_id for _, key in costs(found)}


def test_a_list_that_names_an_instance_twice_is_observed_once() -> None:
    found = cloud()
    found.vms.append(found.vms[0])
    found.run(0)

    observed = [each.instance.key.instance_id for each in found.ledger.tables.inventory]
    assert sorted(observed) == sorted(set(observed))


def test_recording_the_same_hours_again_changes_no_row() -> None:
    again = orderly()
    again.run(2, 2)
    again.run(2, 0, 1, 2)

    expected = orderly()
    assert costs(again) == costs(expected)
    assert again.ledger.tables.components == expected.ledger.tables.components
    assert again.ledger.tables.preemptions.keys() == expected.ledger.tables.preemptions.keys()


def test_hours_recorded_out_of_order_have_the_rows_they_have_in_order() -> None:
    shuffled = cloud()
    shuffled.run(0)
    for number in (2, 1, 0):
        shuffled.run(2, number)

    assert without_reading_times(shuffled) == without_reading_times(orderly())


def test_missed_runs_are_caught_up_on() -> None:
    missed = cloud()
    missed.run(0)

    assert [hour.hour for hour in missed.run(2).hours] == [at(0), at(1), at(2)]
    assert without_reading_times(missed) == without_reading_times(orderly())


def test_a_call_that_comes_late_records_the_hour_it_was_due_for() -> None:
    late = cloud()
    late.run(0)

    assert [(hour.hour, hour.provisional) for hour in late.run(2, due=1).hours] == [(at(0), False), (at(1), False)]
    assert [(hour.hour, hour.provisional) for hour in late.run(2).hours] == [(at(2), True)]
    assert without_reading_times(late) == without_reading_times(orderly())


def test_a_complete_hour_is_not_read_again_nor_is_the_catalog_between_refreshes() -> None:
    found = orderly(0)
    found.calls.clear()

    assert found.run(0).hours == ()
    assert found.calls.total() == 0
    found.run(1)
    assert found.calls["catalog"] == 0
    found.run(7)
    assert found.calls["catalog"] == 1


def test_a_first_run_reads_no_earlier_observation_and_every_later_one_does() -> None:
    found = cloud()
    found.ledger.failing.add("comparisons")
    found.run(0)

    with pytest.raises(UnavailableError, match="comparisons failed"):
        found.run(1)


@pytest.mark.parametrize(
    ("runs", "created", "outcome"),
    [
        (((at(1, 10), None),), at(1, 10), nullcontext()),
        # It may be another machine since its second start.
        (((at(1, 10), at(1, 50)), (at(2, 20), None)), at(1, 10), pytest.raises(UnavailableError)),
        # It may have been observed, and changed, before the hours of the run.
        (((at(1, 10), None),), at(0, 50), pytest.raises(UnavailableError)),
    ],
)
def test_a_vm_created_since_the_hours_of_a_run_began_needs_no_observation_but_its_only_one(
    runs: tuple[tuple[datetime, datetime | None], ...], created: datetime, outcome: AbstractContextManager[object]
) -> None:
    found = Cloud([Vm("new", runs=runs, created=created)], TrackerSettings(HOME, (HOME,)))
    for number in range(2):
        found.run(number)
    found.ledger.failing.add("observations_of")

    with outcome:
        assert not found.run(2).gaps


def test_what_the_first_scan_of_a_project_saw_needs_no_other_observation_until_it_changes() -> None:
    # It is another machine since its second start: what it was before has to be read.
    resized = ((at(4, 25), LARGE, ProvisioningModel.SPOT),)
    old = Vm("old", runs=((at(-9), at(4, 20)), (at(4, 30), None)), created=at(-9), changed=resized)
    found = Cloud([old], TrackerSettings(HOME, (HOME,)))
    found.run(0)
    found.ledger.failing.add("observations_of")

    for number in (1, 2, 3):
        assert not found.run(number).gaps

    with pytest.raises(UnavailableError, match="observations_of failed"):
        found.run(4)


def test_an_hour_that_has_just_closed_is_provisional_and_read_once_more_with_the_next_run() -> None:
    found = cloud()
    worker = found.vms[3]
    found.late_seconds[at(0), worker.key] = 1332.0  # an hour of 0.63 in minute seven
    found.late_seconds[at(0), found.vms[7].key] = 3600.0

    first = found.run(0)
    seen_first = dict(costs(found))
    found.late_seconds.clear()
    second = found.run(1)
    third = found.run(2)

    assert [(hour.hour, hour.provisional, hour.complete) for hour in first.hours] == [(at(0), True, True)]
    assert seen_first[at(0), worker.key].uptime_hours == Decimal("0.63")
    assert (at(0), found.vms[7].key) not in seen_first
    assert [(hour.hour, hour.provisional) for hour in second.hours] == [(at(0), False), (at(1), True)]
    assert [hour.hour for hour in third.hours] == [at(1), at(2)]
    assert costs(found) == costs(orderly())


def test_the_second_reading_is_one_request_for_both_hours_and_writes_only_the_rows_that_changed() -> None:
    found = cloud(projects=(HOME,))
    found.late_seconds[at(0), found.vms[3].key] = 1332.0
    first = found.run(0)
    found.late_seconds.clear()
    found.calls.clear()
    second = found.run(1)

    rewritten = {
        key.instance_id
        for (hour, key), run in found.ledger.tables.written_by.items()
        if run == second.run_id and hour == at(0)
    }
    assert found.calls["monitoring"] == 1
    assert rewritten == {"4"}
    assert list(found.ledger.tables.written_by.values()).count(first.run_id) == 4


def test_a_second_reading_that_fails_leaves_the_hour_incomplete_with_its_first_rows() -> None:
    found = orderly(0)
    fail(found, "denied", "monitoring", HOME)

    found.run(1)
    [state] = [state for state in found.ledger.hour_states(at(0)).states if state.hour == at(0)]
    repair(found)

    assert (set(state.incomplete), set(state.settled)) == ({HOME}, {OTHER})
    assert {place for place in costs(found) if place[0] == at(0)} == costs(orderly(0)).keys()
    assert [sorted(hour.projects) for hour in found.run(2).hours] == [[HOME], list(PROJECTS), list(PROJECTS)]


def test_a_project_that_is_denied_keeps_no_other_project_s_hour_open() -> None:
    found = cloud()
    fail(found, "denied", "compute")
    for number in range(4):
        found.run(number)
    found.calls.clear()

    latest = found.run(4)

    assert [sorted(hour.projects) for hour in latest.hours] == [[], [], [], [HOME], [HOME]]
    assert found.calls["compute"] == len(PROJECTS)


def test_hours_that_no_run_read_in_time_are_lost_by_name_and_keep_no_hour_open() -> None:
    found = cloud(catch_up_hours=3)
    found.run(0)
    found.run(1)

    late = found.run(7)
    after = found.run(8)

    lost = "not read within the 3 hours that runs catch up on"
    assert [(hour.hour, hour.open, [gap.detail for gap in hour.gaps]) for hour in late.hours][:4] == [
        (at(1), False, [lost, lost]),  # provisional: it was read once
        (at(2), False, [lost, lost]),
        (at(3), False, [lost, lost]),
        (at(4), False, []),
    ]
    assert late.complete is False
    assert (at(1), fleet()[0].key) in costs(found)
    assert [hour.hour for hour in after.hours] == [at(7), at(8)]
    assert after.complete


def test_a_lost_hour_that_is_requested_later_is_recorded_and_complete() -> None:
    found = cloud(catch_up_hours=1)
    found.run(0)
    found.run(5)
    found.run(6, 2)

    [state] = [state for state in found.ledger.hour_states(at(2)).states if state.hour == at(2)]
    assert state.settled == set(PROJECTS)
    assert found.ledger.tables.project_hours[at(2), HOME][0].state is Completeness.COMPLETE


def test_rates_are_recorded_once_however_often_the_catalog_is_read() -> None:
    found = cloud(price_refresh_hours=1)
    for number in range(3):
        found.run(number)

    assert found.calls["catalog"] == 3
    assert len(found.ledger.tables.rates) == len(RATES)
    assert all(each.valid_to is None for each in found.ledger.tables.rates.values())


def test_an_hour_recorded_again_later_keeps_the_labels_it_had() -> None:
    found = orderly()
    before = dict(costs(found))
    found.run(5)

    found.run(5, 0, 1, 2)

    assert {place: row for place, row in costs(found).items() if place in before} == before
    teams = {row.instance.labels for (_, key), row in before.items() if key.instance_id == "3"}
    assert teams == {(("team", "vision"),), (("team", "speech"),)}


def test_a_vm_that_is_deleted_by_now_is_known_from_earlier_observations() -> None:
    found = orderly(2)
    found.settings = replace(found.settings, asset_history=False)

    summary = found.run(3, 2, 3)

    assert (at(2), fleet()[3].key) in costs(found)
    assert summary.unresolved == []


GAPS = {
    "uptime that is denied": ("denied", "monitoring"),
    "uptime that is incomplete": ("partial", "monitoring"),
    "a zone that does not answer": ("partial", "compute"),
    "instances that are denied": ("denied", "compute"),
    "preemptions that are denied": ("denied", "preemptions"),
    "preemptions that are incomplete": ("partial", "preemptions"),
}


def fail(found: Cloud, kind: str, source: str, project_id: str = OTHER) -> None:
    {"denied": found.denied, "partial": found.partial}[kind].add((source, project_id))


def repair(found: Cloud) -> None:
    found.denied.clear()
    found.partial.clear()


@pytest.mark.parametrize(("kind", "source"), GAPS.values(), ids=GAPS.keys())
def test_a_source_that_fails_is_a_gap_that_the_next_run_fills(kind: str, source: str) -> None:
    found = cloud()
    fail(found, kind, source)

    disturbed = found.run(0)
    expected = costs(orderly(0))
    wrong = [place for place, row in costs(found).items() if of_machine(row) != of_machine(expected[place])]
    repair(found)
    repaired = found.run(1)

    assert gaps(disturbed) == [(source, OTHER)]
    assert (disturbed.complete, wrong) == (False, [])
    assert [sorted(hour.projects) for hour in repaired.hours] == [list(PROJECTS)] * 2
    assert costs(found) == costs(orderly(1))
    assert complete_hours(found) == [0, 1]


@pytest.mark.parametrize(("kind", "source"), GAPS.values(), ids=GAPS.keys())
def test_a_gap_removes_nothing_that_an_earlier_run_recorded(kind: str, source: str) -> None:
    found = orderly(1)
    fail(found, kind, source)

    found.run(1, 0, 1)

    assert costs(found) == costs(orderly(1))


def test_a_preemption_that_was_not_read_is_recorded_once_by_the_next_run() -> None:
    found = orderly(1)
    fail(found, "denied", "preemptions", HOME)
    found.run(2)
    unread = dict(found.ledger.tables.preemptions)
    repair(found)
    for _ in range(2):
        found.run(2, 1, 2)

    assert unread == {}
    [(preemption, machine_type)] = found.ledger.tables.preemptions.values()
    assert (preemption.preempted_at, preemption.instance_name, machine_type) == (at(2, 20), "worker", "e2-standard-2")


def test_preemptions_of_hours_whose_operations_are_no_longer_listed_are_a_final_gap() -> None:
    found = cloud(projects=(HOME,))

    summary = found.run_at(at(3) + OPERATIONS_KEPT, (at(1), at(2), at(3)))

    detail = "Compute Engine lists the operations of 14 days at most"
    assert {(gap.source, gap.detail, gap.final) for gap in summary.gaps} == {("preemptions", detail, True)}
    assert [bool(hour.gaps) for hour in summary.hours] == [True, True, False]
    assert found.ledger.tables.preemptions == {}


def test_older_preemptions_are_read_from_the_log_and_recorded_once() -> None:
    found = orderly(2)
    known = dict(found.ledger.tables.preemptions)
    found.settings = replace(found.settings, audit_log_history=True)
    backfilled = cloud(projects=(HOME,))
    backfilled.settings = replace(backfilled.settings, audit_log_history=True)

    again = found.run_at(at(3) + timedelta(days=20), (at(1), at(2)))
    later = backfilled.run_at(at(3) + timedelta(days=20), (at(1), at(2)))

    assert [gap for summary in (again, later) for gap in summary.gaps if gap.source == "preemptions"] == []
    assert found.ledger.tables.preemptions == known
    assert {key for key, _ in backfilled.ledger.tables.preemptions} == {key for key, _ in known}


def test_a_log_that_fails_is_a_gap_that_a_later_run_fills() -> None:
    found = cloud(projects=(HOME,))
    found.settings = replace(found.settings, audit_log_history=True)
    fail(found, "denied", OF_LOG, HOME)

    [gap] = found.run_at(at(3) + timedelta(days=20), (at(2),)).gaps

    assert (gap.source, gap.project_id, gap.final) == ("preemptions", HOME, False)


def test_a_catalog_that_fails_leaves_stale_prices_until_the_next_run() -> None:
    found = cloud(price_refresh_hours=1)
    found.run(0)
    fail(found, "denied", "catalog", "")

    disturbed = found.run(1)
    stale = {row.price.status for (hour, _), row in costs(found).items() if hour == at(1)}
    read_at = {row.price.as_of for row in costs(found).values() if row.price.status is PriceStatus.STALE}
    repair(found)
    found.run(2)

    assert gaps(disturbed) == [("billing catalog", "")]
    assert stale == {PriceStatus.STALE, PriceStatus.UNKNOWN}
    assert read_at == {at(1, 7)}
    assert {row.price.status for row in costs(found).values()} == {PriceStatus.EXACT, PriceStatus.UNKNOWN}


def dearer(found: Cloud) -> None:
    """Raise the Spot price of vCPUs."""
    found.rates = [replace(each, usd=each.usd * 2) if each.sku_id == "spot-e2:core" else each for each in RATES]


def statuses_by_hour(found: Cloud) -> dict[int, set[str]]:
    known = [row for row in costs(found).values() if row.price.status is not PriceStatus.UNKNOWN]
    return {
        hour: {row.price.status for row in known if row.hour == at(hour)}
        for hour in range(24)
        if any(row.hour == at(hour) for row in known)
    }


def test_rows_recorded_between_two_readings_that_differ_are_uncertain_and_the_others_exact() -> None:
    found = cloud()
    for hour in range(16):
        if hour == 10:  # between the readings at 07:07, after midnight in Los Angeles, and at 13:07
            dearer(found)
        found.run(hour)

    uncertain = {hour for hour, statuses in statuses_by_hour(found).items() if statuses == {"uncertain"}}

    assert uncertain == set(range(7, 14))
    assert {hour for hour, statuses in statuses_by_hour(found).items() if statuses == {"exact"}} == {
        *range(7),
        *range(14, 16),
    }


def test_after_an_outage_in_which_a_price_changed_no_hour_of_it_becomes_exact() -> None:
    found = cloud(price_refresh_hours=1)
    found.run(0)
    fail(found, "denied", "catalog", "")
    for hour in range(1, 5):
        found.run(hour)
    repair(found)
    dearer(found)
    for hour in range(5, 8):
        found.run(hour)

    exact, uncertain = {"exact"}, {"uncertain"}
    assert list(statuses_by_hour(found).values()) == [exact, *[uncertain] * 6, exact]


def test_without_any_catalog_every_cost_is_unknown_and_none_is_zero() -> None:
    found = cloud()
    fail(found, "denied", "catalog", "")

    summary = found.run(0)

    assert {(row.cost, row.price.status, row.price.reason) for row in costs(found).values()} == {
        (None, PriceStatus.UNKNOWN, "no price catalog has been read yet")
    }
    assert summary.unpriced.total() == summary.rows == 7


def test_an_hour_before_the_first_reading_is_priced_by_it_as_a_fallback() -> None:
    found = cloud()
    found.run(5)

    found.run(5, 2)

    statuses = {row.price.status for (hour, _), row in costs(found).items() if hour == at(2)}
    assert statuses == {PriceStatus.FALLBACK, PriceStatus.UNKNOWN}


SHORT = Vm("short", runs=((at(0, 10), at(0, 30)),), deleted=at(0, 40), instance_id="77")
UNTRACED = Vm("untraced", runs=((at(0, 10), at(0, 30)),), deleted=at(0, 40), histories=(AUDIT_LOG,), instance_id="78")


def test_asset_history_that_fails_is_a_gap_until_it_identifies_the_vms_that_no_scan_saw() -> None:
    found = cloud()
    found.vms.append(SHORT)
    fail(found, "denied", ASSET_HISTORY, HOME)

    disturbed = found.run(0)
    repair(found)
    repaired = found.run(1)

    assert gaps(disturbed) == [("asset history", HOME)]
    assert [uptime.instance_name for uptime in disturbed.unresolved] == ["short"]
    assert (repaired.unresolved, repaired.complete) == ([], True)
    assert costs(found)[START, SHORT.key].cost == (HOURLY / 3).quantize(Decimal("1e-9"))


def test_a_vm_that_asset_history_does_not_know_hides_no_other_and_keeps_no_hour_open() -> None:
    found = cloud()
    found.vms += [SHORT, UNTRACED]

    summary = found.run(0)

    assert [uptime.instance_name for uptime in summary.unresolved] == ["untraced"]
    assert (START, SHORT.key) in costs(found)
    assert summary.complete


def test_what_asset_history_answered_is_not_asked_for_again() -> None:
    found = cloud()
    found.vms.append(SHORT)
    found.run(0)
    found.calls.clear()

    assert found.run(0, 0).unresolved == []
    assert found.calls[ASSET_HISTORY] == 0


def short_lived(hour: int, *, count: int = 1, histories: tuple[str, ...] = (ASSET_HISTORY, AUDIT_LOG)) -> list[Vm]:
    """Return VMs that ran for 20 minutes of an hour and were deleted before its end."""
    run = at(hour, 10), at(hour, 30)
    return [
        Vm(f"short-{number}", runs=(run,), deleted=at(hour, 40), histories=histories, instance_id=f"{hour}-{number}")
        for number in range(count)
    ]


def states(found: Cloud, hour: int) -> dict[str, tuple[Completeness, int]]:
    """The state of each project in an hour, and how many instances are not identified."""
    return {
        project_id: (known.state, known.unresolved)
        for (start, project_id), (known, _) in found.ledger.tables.project_hours.items()
        if start == at(hour)
    }


def test_an_instance_that_a_history_learns_of_four_hours_late_has_its_row_then() -> None:
    found = cloud(projects=(HOME,))
    [vm] = short_lived(0)
    found.vms.append(vm)
    found.late_histories.add(ASSET_HISTORY)
    waiting = [found.run(number) for number in range(4)]
    before = states(found, 0)
    found.late_histories.clear()

    learned = found.run(4)
    later = found.run(5)

    assert [(run.complete, [each.key for each in run.unresolved]) for run in waiting] == [(True, [vm.key])] * 4
    assert before == {HOME: (Completeness.PROVISIONAL, 1)}
    assert [hour.hour for hour in learned.hours] == [at(0), at(3), at(4)]
    assert costs(found)[START, vm.key].cost == (HOURLY / 3).quantize(Decimal("1e-9"))
    assert states(found, 0) == {HOME: (Completeness.COMPLETE, 0)}
    assert [hour.hour for hour in later.hours] == [at(4), at(5)]


def test_an_instance_that_is_unknown_after_six_hours_is_a_final_gap_and_is_asked_for_no_more() -> None:
    found = cloud(projects=(HOME,))
    found.vms += short_lived(0, histories=())

    runs = [found.run(number) for number in range(8)]

    assert [run.hours[0].hour for run in runs] == [at(0)] * 7 + [at(6)]
    assert [gaps(run) for run in runs] == [[]] * 6 + [[(ASSET_HISTORY, HOME)]] + [[]]
    [gap] = runs[6].gaps
    assert (gap.detail, gap.final) == ("not identified: 1 instances; no later run asks again", True)
    assert states(found, 0) == {HOME: (Completeness.FINAL, 1)}
    assert len(found.requested[ASSET_HISTORY]) == 7


def test_runs_ask_no_longer_than_they_catch_up() -> None:
    found = cloud(projects=(HOME,), catch_up_hours=2)
    found.vms += short_lived(0, histories=())

    runs = [found.run(number) for number in range(4)]

    assert [gaps(run) for run in runs] == [[], [], [(ASSET_HISTORY, HOME)], []]
    assert states(found, 0) == {HOME: (Completeness.FINAL, 1)}


def test_hours_older_than_a_history_are_final_gaps_and_hide_no_younger_hour() -> None:
    found = cloud(projects=(HOME,))
    found.vms = [*short_lived(0), *short_lived(30)]
    moment = at(1) + timedelta(days=35)

    summary = found.run_at(moment, (at(0), at(30)))

    assert [uptime.hour for uptime in summary.unresolved] == [at(0)]
    assert [(gap.source, gap.detail, gap.final) for gap in summary.gaps if gap.source == ASSET_HISTORY] == [
        (ASSET_HISTORY, "not identified: 1 instances; the hour is older than the source reaches", True)
    ]
    assert states(found, 0) == {HOME: (Completeness.FINAL, 1)}


def test_a_second_history_identifies_what_the_first_does_not_know_or_reach() -> None:
    found = cloud(projects=(HOME,))
    found.settings = replace(found.settings, audit_log_history=True)
    found.vms = [*short_lived(0), *short_lived(30, count=3), *short_lived(31, histories=(AUDIT_LOG,))]

    summary = found.run_at(at(1) + timedelta(days=35), (at(0), at(30), at(31)))

    assert (summary.unresolved, summary.gaps) == ([], [])
    assert found.requested == {ASSET_HISTORY: [4], AUDIT_LOG: [2]}


def test_a_history_that_fails_is_a_gap_of_its_project_and_the_next_one_is_still_asked() -> None:
    found = cloud()
    found.settings = replace(found.settings, audit_log_history=True)
    near = short_lived(0)
    far = [replace(vm, project_id=OTHER, instance_id="far") for vm in short_lived(0)]
    found.vms += [*near, *far]
    fail(found, "denied", ASSET_HISTORY, OTHER)

    summary = found.run(0)

    assert (summary.unresolved, gaps(summary)) == ([], [(ASSET_HISTORY, OTHER)])
    assert {vm.key for vm in (*near, *far)} <= {key for _, key in costs(found)}


def test_histories_are_asked_for_a_thousand_uptimes_at_once_and_not_after_the_deadline() -> None:
    found = cloud(projects=(HOME,))
    found.vms += short_lived(0, count=2001)
    late = cloud(projects=(HOME,))
    late.vms += short_lived(0, count=1002)
    late.clock = [0, 0, 0, 0, READ_DEADLINE_SECONDS]

    summary, cut_off = found.run(0), late.run(0)

    assert (found.requested[ASSET_HISTORY], summary.unresolved) == ([1000, 1000, 1], [])
    assert (late.requested[ASSET_HISTORY], len(cut_off.unresolved)) == ([1000], 2)
    assert gaps(cut_off) == [("time", HOME)]


def test_what_a_history_said_of_an_instance_that_still_runs_prices_no_later_hour() -> None:
    found = cloud(projects=(HOME,))
    vm = Vm("fresh", zone=FAR_ZONE, runs=((at(0, 10), None),), instance_id="88")
    found.vms.append(vm)
    fail(found, "partial", "compute", HOME)
    found.run(0)
    repair(found)
    found.vms[-1] = replace(vm, shape=LARGE, runs=((at(0, 10), at(1, 12)), (at(1, 15), None)))

    found.run(1)

    rows = sorted(
        (start, row.instance.shape.machine_type) for (start, key), row in costs(found).items() if key == vm.key
    )
    assert rows == [(at(0), SMALL.machine_type), (at(1), SMALL.machine_type), (at(1, 15), LARGE.machine_type)]
    assert [each.instance.shape for each in found.ledger.tables.inventory if each.instance.key == vm.key] == [
        SMALL,
        LARGE,
    ]


def test_without_asset_history_a_vm_that_no_scan_saw_is_unresolved() -> None:
    found = cloud(asset_history=False)
    found.vms.append(SHORT)

    summary = found.run(0)

    assert [uptime.key for uptime in summary.unresolved] == [SHORT.key]
    assert summary.complete


@pytest.mark.parametrize("verb", ["hour_states", "rates", "stage", "commit"])
def test_a_run_that_cannot_record_changes_nothing_and_can_be_repeated(verb: str) -> None:
    found = orderly(1)
    before = found.ledger.tables
    found.ledger.failing.add(verb)

    with pytest.raises(UnavailableError, match=f"{verb} failed"):
        found.run(2)
    unchanged = found.ledger.tables
    found.ledger.failing.clear()
    found.run(2)

    assert unchanged == before
    assert costs(found) == costs(orderly(2))


def test_a_run_that_is_killed_before_it_is_closed_is_done_again() -> None:
    found = orderly(1)
    found.ledger.failing.add("close")
    with pytest.raises(UnavailableError, match="close failed"):
        found.run(2)
    found.ledger.failing.clear()

    again = found.run(2)

    assert [hour.hour for hour in again.hours] == [at(1), at(2)]
    assert costs(found) == costs(orderly(2))


def odd(name: str, *seconds: float) -> list[Uptime]:
    return [Uptime(InstanceKey(HOME, FAR_ZONE, name), name, START, each) for each in seconds]


def test_an_invalid_uptime_is_a_gap_that_names_the_vm_and_has_no_row() -> None:
    found = cloud(asset_history=False)
    found.vms = [Vm(name, zone=FAR_ZONE, runs=((at(9), None),), instance_id=name) for name in ("a", "b", "c")]
    found.series = [*odd("a", math.nan), *odd("b", 3600, -1800), *odd("c", 1200, 600)]

    summary = found.run(0)

    assert [gap.detail for gap in summary.gaps] == ["uptime of a is nan seconds", "uptime of b is -1800 seconds"]
    assert summary.unresolved == [found.series[3]._replace(seconds=1800)]
    assert costs(found) == {}


def test_an_hour_without_any_uptime_while_a_vm_ran_is_a_gap_of_cloud_monitoring() -> None:
    found = cloud()
    found.run(0)
    found.silent.add(at(1))

    disturbed = found.run(1)
    found.silent.clear()
    found.run(2)

    assert {gap.source for gap in disturbed.gaps} == {"monitoring"}
    assert {gap.project_id for gap in disturbed.gaps} == set(PROJECTS)
    assert all(gap.detail.startswith("Cloud Monitoring: no uptime at all, though") for gap in disturbed.gaps)
    assert without_reading_times(found) == without_reading_times(orderly())


def test_an_hour_without_any_uptime_while_nothing_ran_is_complete() -> None:
    found = cloud()
    found.vms = [Vm("new", runs=((at(1, 3), None),))]

    assert (found.run(0).complete, found.ledger.tables.costs) == (True, {})


DEADLINE = READ_DEADLINE_SECONDS


def test_projects_that_a_run_has_no_time_for_are_a_gap_that_the_next_run_fills() -> None:
    found = cloud()
    found.clock = (0, 0, DEADLINE - 0.1, DEADLINE)  # at the start, before each project, and before its hours

    summary = found.run(0)
    recorded = {key.project_id for _, key in costs(found)}
    found.clock = ()

    assert [(gap.source, gap.detail, gap.project_id) for gap in summary.gaps] == [
        ("time", f"not read: the run had read for {DEADLINE} s", OTHER)
    ]
    assert recorded == {HOME}
    assert [sorted(hour.projects) for hour in found.run(1).hours] == [list(PROJECTS)] * 2


def test_hours_of_one_project_that_a_run_has_no_time_for_are_left_to_the_next() -> None:
    found = cloud(projects=(HOME,), asset_history=False)
    found.run(0)
    found.clock = (0, 0, DEADLINE - 1, DEADLINE)  # the first hours in memory fit

    summary = found.run(HOURS_IN_MEMORY + 2)
    found.clock = ()

    assert [hour.complete for hour in summary.hours] == [True] * HOURS_IN_MEMORY + [False] * 3
    assert len({hour for hour, _ in costs(found)}) == HOURS_IN_MEMORY
    assert [(hour.hour, hour.complete) for hour in found.run(HOURS_IN_MEMORY + 2).hours] == [
        (hour.hour, True) for hour in summary.hours if not hour.complete
    ]


type Notified = tuple[str, str, str]


def alerts(summary: Summary) -> list[Notified]:
    """The alerts of a run on thresholds: the kind of period, its start, and the highest threshold."""
    return [
        (alert.period.kind, rfc3339(alert.period.start), str(alert.thresholds[-1]))
        for alert in summary.alerts
        if alert.kind is AlertKind.THRESHOLD
    ]


def one_vm(**budget_hours: str | Decimal) -> Cloud:
    """Return one VM that runs all the time, and budgets of so many of its hours."""
    found = Cloud([Vm("always")], settings=TrackerSettings(HOME, (HOME,), catch_up_hours=2, price_refresh_hours=168))
    return found.with_budgets(**{kind: Decimal(number) * HOURLY for kind, number in budget_hours.items()})


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "length", "threshold"),
    [("2026-03-08T08:00:00Z", 23, "0.8"), ("2026-11-01T07:00:00Z", 25, "1.0")],
    ids=["spring", "autumn"],
)
def test_a_day_has_the_hours_that_the_clocks_in_los_angeles_give_it(start: str, length: int, threshold: str) -> None:
    """Its last hour passes a threshold of the budget that all others leave alone."""
    day = moment(start)
    end = day + length * HOUR
    found = one_vm(day=(length - Decimal("0.5") * Decimal(threshold)) / Decimal(threshold))

    before = found.run_at(end - HOUR + SEVEN, tuple(day + number * HOUR for number in range(length - 1)))
    last = found.run_at(end + SEVEN)

    assert [each for each in alerts(before) if each[2] == threshold] == []
    assert alerts(last) == [("day", rfc3339(day), threshold)]


def test_a_budget_that_is_passed_in_a_missed_hour_is_notified_though_its_day_and_month_are_over() -> None:
    over = moment("2027-01-01T08:00:00Z")
    found = one_vm(hour="1", day="3", month="3")

    before = found.run_at(over - HOUR + SEVEN, (over - 3 * HOUR, over - 2 * HOUR))
    caught_up = found.run_at(over + HOUR + SEVEN)
    again = found.run_at(over + HOUR + 2 * SEVEN)

    assert [each for each in alerts(before) if each[2] == "1.0"] == [("hour", rfc3339(over - 2 * HOUR), "1.0")]
    assert sorted(alerts(caught_up)) == [
        ("day", "2026-12-31T08:00:00Z", "1.0"),
        ("hour", rfc3339(over - HOUR), "1.0"),
        ("hour", rfc3339(over), "1.0"),
        ("month", "2026-12-01T08:00:00Z", "1.0"),
    ]
    assert alerts(again) == []


def test_each_threshold_of_a_period_is_notified_once_however_often_its_hours_are_recorded() -> None:
    found = one_vm(day="20")
    for number in range(24):
        found.run(number)
        found.run(number, number)

    notified = [(alert.period.start, alert.kind, share) for alert in found.published for share in alert.thresholds]
    assert len(notified) == len(set(notified)) == len(found.ledger.tables.alerts)


def test_an_alert_that_cannot_be_sent_leaves_the_hour_incomplete_and_is_sent_by_the_next_run() -> None:
    found = one_vm(month="1")
    fail(found, "denied", "alerts", "")

    disturbed = found.run(0)
    unsent = {alert.message_id for alert in found.ledger.tables.alerts.values()}
    repair(found)
    found.run(1)

    assert (gaps(disturbed), disturbed.complete, unsent) == ([("alerts", "")], False, {None})
    assert [(alert.period.kind, len(alert.thresholds)) for alert in found.published] == [("month", 3)]
    assert complete_hours(found) == [0, 1]


def test_alerts_that_fail_do_not_keep_the_metrics_from_being_written_nor_the_reverse() -> None:
    found = one_vm(month="1")
    fail(found, "denied", "alerts", "")
    found.run(0)
    repair(found)
    fail(found, "denied", "metrics", "")
    summary = found.run(1)

    assert len(found.metrics) == 1
    assert len(found.published) == 1
    assert (summary.complete, gaps(summary)) == (True, [])
    assert summary.metrics_error == "metrics: 403 of "


class ProcessKilledError(Exception):
    """The process of a run has ended."""


CALLS = ("commit", "reserve", "publish", "close", "write_metrics")


def kill_at(found: Cloud, call: str, *, after: bool) -> None:
    """End the process before or after the next call of this name."""

    def killed(name: str, when: str) -> None:
        if name == call and (when == "after") is after:
            found.on_call = None
            raise ProcessKilledError(call)

    found.on_call = killed


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("retried", [False, True], ids=["next hour", "a minute later too"])
def test_an_alert_comes_once_or_after_a_kill_twice_but_never_not_at_all(call: str, after: bool, retried: bool) -> None:  # noqa: FBT001 (columns of a table)
    found = one_vm(month="1")
    kill_at(found, call, after=after)
    with pytest.raises(ProcessKilledError):
        found.run(0)
    if retried:
        found.run_at(at(1, 8))
    for hour in (1, 2, 3):
        found.run(hour)

    sent = [alert.thresholds for alert in found.published]
    confirmed = {known.message_id is not None for known in found.ledger.tables.alerts.values()}
    uncertain = (call, after) in {("publish", True), ("close", False)}
    assert len(sent) == (2 if uncertain else 1)
    assert set(sent) == {tuple(map(Decimal, ("0.5", "0.8", "1.0")))}
    assert confirmed == {True}


def test_an_alert_of_a_killed_run_is_sent_though_its_period_is_over() -> None:
    found = one_vm(day="0.5")
    kill_at(found, "reserve", after=True)
    with pytest.raises(ProcessKilledError):
        found.run(6)  # the last hour of a day in Los Angeles
    found.run_at(at(7, 8))
    found.run(7)

    [of_the_day] = [alert for alert in found.published if alert.period.end == at(7) and alert.kind == "threshold"]
    assert of_the_day.thresholds == tuple(map(Decimal, ("0.5", "0.8", "1.0")))


def test_an_alert_that_was_left_is_sent_by_a_run_that_has_none_of_its_own() -> None:
    found = one_vm(day="0.5")
    found.vms = [Vm("ended", runs=((START - 9 * HOUR, at(7)),))]
    kill_at(found, "reserve", after=True)
    with pytest.raises(ProcessKilledError):
        found.run(6)  # the last hour of a day in Los Angeles
    found.run_at(at(7, 8))
    found.run_at(at(7, 9), (at(6),))
    before = len(found.published)
    found.run_at(at(9, 7), (at(8),))

    left = found.published[before:]
    assert {alert.period.end for alert in left} == {at(7)}
    assert "threshold" in {alert.kind for alert in left}


def test_two_runs_at_once_send_one_alert() -> None:
    found = one_vm(month="1")

    def run_beside(name: str, when: str) -> None:
        if (name, when) == ("publish", "before"):
            found.on_call = None
            found.run(0)

    found.on_call = run_beside
    found.run(0)

    assert len(found.published) == 1


def test_the_heartbeat_comes_after_the_run_is_closed() -> None:
    found = one_vm(month="1")
    calls: list[str] = []
    found.on_call = lambda name, when: calls.append(name) if when == "before" else None

    found.run(0)

    assert calls == ["commit", "reserve", "publish", "close", "write_metrics"]


def test_a_threshold_that_may_stop_is_repeated_every_hour_and_people_are_notified_once() -> None:
    found = one_vm(month="1")
    found.settings = replace(found.settings, budgets=replace(found.settings.budgets, stop_thresholds=(Decimal(1),)))
    summaries = [found.run(hour) for hour in range(4)]
    found.run_at(at(4, 20), (at(3),))

    assert [(alert.repeated, alert.thresholds[-1]) for alert in found.published] == [
        (False, Decimal(1)),
        *[(True, Decimal(1))] * 3,
    ]
    assert [alert.cost_usd for alert in found.published] == [HOURLY * hours for hours in (1, 2, 3, 4)]
    assert [len(summary.alerts) for summary in summaries] == [1, 0, 0, 0]


def test_a_label_value_that_costs_more_than_its_cap_an_hour_is_notified_every_hour_beside_the_other_budgets() -> None:
    teams = [Vm(f"vm-{team}", labels=((at(-9), team),)) for team in ("vision", "speech")]
    found = Cloud(teams, settings=TrackerSettings(HOME, (HOME,), catch_up_hours=2, price_refresh_hours=168))
    found.with_budgets(hour=3 * HOURLY)
    caps = tuple(
        LabelBudget(f"cap-{value}", "team", value, {PeriodKind.HOUR: share * HOURLY}, (Decimal(1),))
        for value, share in (("vision", Decimal("0.9")), ("speech", Decimal("2.1")))
    )
    budgets = replace(found.settings.budgets, thresholds=(Decimal(1),), labels=caps)
    found.settings = replace(found.settings, budgets=budgets)

    for hour in range(3):
        found.run(hour)
        found.run_at(at(hour + 1, 30), (at(hour),))

    assert [(alert.label_budget, alert.period.start, alert.cost_usd) for alert in found.published] == [
        ("cap-vision", at(hour), HOURLY) for hour in range(3)
    ]


def test_a_lowered_and_a_raised_budget_are_notified_anew() -> None:
    found = one_vm(month="4")
    found.run(0)
    found.run(1)
    for amount in ("2", "4.1"):
        found.settings = replace(
            found.settings,
            budgets=replace(found.settings.budgets, amounts_usd={PeriodKind.MONTH: Decimal(amount) * HOURLY}),
        )
        found.run_at(at(2, 9), (at(1),))

    assert [(alert.budget_usd, alert.thresholds[-1]) for alert in found.published] == [
        (4 * HOURLY, Decimal("0.5")),
        (2 * HOURLY, Decimal(1)),
    ]
    found.run(2)
    assert (found.published[-1].budget_usd, found.published[-1].thresholds) == (
        Decimal("4.1") * HOURLY,
        (Decimal("0.5"),),
    )


def test_an_alert_says_that_the_month_began_before_the_first_recorded_hour() -> None:
    found = one_vm(month="1")
    found.run(0)

    assert [alert.counts_from for alert in found.published] == [START]


def test_metrics_are_of_the_current_periods_alone() -> None:
    found = one_vm()
    found.run(0)
    found.run(2)

    spends, runs, written_at = found.metrics[-1]
    assert {spend.period for spend in spends} == set(budget_periods(at(2)))
    assert len(spends) == len(budget_periods(at(2)))
    assert ([run.hour for run in runs], written_at) == ([at(0), at(1), at(2)], at(3, 7))


class OddCatalog:
    """A catalog of SKUs of which 25 match no rule, and two are of one component."""

    def read(self) -> CatalogReading:
        unmatched = [replace(CORE, sku_id=f"ODD{n:02}", description=f"C{n} Instance Core") for n in range(50, 75)]
        twin = replace(CORE, sku_id="TWIN", tiers=priced("0.04"))
        return read_catalog([CORE, RAM, twin, *unmatched])


def test_a_run_logs_the_first_unmatched_and_duplicate_skus(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("spotkeeper"), "propagate", True)
    caplog.set_level(logging.INFO, logger="spotkeeper")
    found = one_vm()
    found.now = at(1, 7)

    track(
        found.settings,
        replace(found.ports(), catalog=OddCatalog()),
        "run",
        TrackRequest(found.now, found.now, (at(0),)),
    )

    [record] = {id(each): each for each in caplog.records if each.getMessage() == "price catalog read"}.values()
    logged = vars(record)["spotkeeper_fields"]
    assert (logged["unmatched"], len(logged["unmatched_skus"]), logged["duplicates"]) == (25, 20, 1)
    assert logged["unmatched_skus"][0] == "ODD50 (C50 Instance Core): no component is worded like this"
    assert logged["duplicate_skus"] == [
        "n2:core on_demand in us-central1: TWIN at 0.04 is used, CORE at 0.03 is ignored"
    ]


RESTARTED = at(1, 30)


def restarted(
    shape: Shape = SMALL,
    model: ProvisioningModel = ProvisioningModel.SPOT,
    was: ProvisioningModel = ProvisioningModel.SPOT,
) -> Cloud:
    """Return the services with one VM that was stopped from 01:10 on, and started at 01:30 as another machine."""
    found = cloud(projects=(HOME,))
    runs = ((LONG_AGO, at(1, 10)), (RESTARTED, None))
    found.vms = [Vm("worker", runs=runs, model=was, changed=((at(1, 20), shape, model),), instance_id="1")]
    return found


def parts(found: Cloud) -> list[tuple[datetime, datetime, str, Decimal]]:
    rows = sorted(costs(found).values(), key=lambda row: row.start)
    return [(row.start, row.end, row.instance.shape.machine_type, row.uptime_hours) for row in rows]


@pytest.mark.parametrize("readings", [1, 2, 3])
def test_a_vm_started_as_another_machine_costs_as_the_old_one_until_then_and_as_the_new_one_since(
    readings: int,
) -> None:
    found = restarted(LARGE)

    for number in range(readings + 1):
        found.run(number)

    assert parts(found)[:3] == [
        (at(0), at(1), "e2-standard-2", Decimal(1)),
        (at(1), RESTARTED, "e2-standard-2", Decimal("0.166666667")),
        (RESTARTED, at(2), "e2-standard-4", Decimal("0.5")),
    ]
    assert [row.cost for row in costs(found).values()][:3] == [HOURLY, Decimal("0.013333333"), HOURLY]


def test_an_hour_caught_up_on_after_a_restart_is_of_the_machine_before_it() -> None:
    found = restarted(LARGE)
    found.run(0)

    found.run(3)

    assert [machine_type for _, _, machine_type, _ in parts(found)] == ["e2-standard-2"] * 2 + ["e2-standard-4"] * 3


def test_a_vm_restarted_as_a_standard_one_keeps_what_it_cost_as_a_spot_vm() -> None:
    found = restarted(model=ProvisioningModel.STANDARD)

    for number in range(3):
        found.run(number)

    assert [(start, end) for start, end, _, _ in parts(found)] == [(at(0), at(1)), (at(1), RESTARTED)]


def test_a_vm_restarted_as_a_spot_one_costs_from_its_start_on() -> None:
    found = restarted(was=ProvisioningModel.STANDARD)

    for number in range(2):
        found.run(number)

    assert parts(found) == [(RESTARTED, at(2), "e2-standard-2", Decimal("0.5"))]


def test_a_vm_that_is_restarted_as_the_same_machine_has_one_row() -> None:
    found = restarted()

    for number in range(2):
        found.run(number)

    assert parts(found)[1] == (at(1), at(2), "e2-standard-2", Decimal("0.666666667"))
    assert found.calls["samples"] == 0


def test_samples_that_cannot_be_read_leave_the_hour_incomplete_and_the_next_run_divides_it() -> None:
    found = restarted(LARGE)
    found.run(0)
    found.denied.add(("samples", HOME))

    summary = found.run(1)
    found.denied.clear()
    found.run(2)

    assert [gap.source for gap in summary.gaps] == ["monitoring"]
    assert parts(found)[1:3] == [
        (at(1), RESTARTED, "e2-standard-2", Decimal("0.166666667")),
        (RESTARTED, at(2), "e2-standard-4", Decimal("0.5")),
    ]


def test_the_row_of_a_reading_that_did_not_see_the_restart_yet_is_replaced_by_its_parts() -> None:
    """Compute Engine does not answer in the first reading: the hour is recorded as of the scan before."""
    found = restarted(LARGE)
    found.run(0)
    found.denied.add(("compute", HOME))
    found.run(1)
    whole = parts(found)[1]
    found.denied.clear()

    found.run(2)

    assert whole == (at(1), at(2), "e2-standard-2", Decimal("0.666666667"))
    assert [start for start, *_ in parts(found)] == [at(0), at(1), RESTARTED, at(2)]


def test_asset_history_says_what_a_vm_was_that_was_restarted_before_any_scan_saw_it() -> None:
    found = cloud(projects=(HOME,))
    found.run(0)
    runs = ((at(1, 10), at(1, 20)), (RESTARTED, None))
    changed = ((at(1, 25), LARGE, ProvisioningModel.SPOT),)
    found.vms = [Vm("worker", runs=runs, changed=changed, created=at(1, 9), instance_id="1")]

    found.run(1)

    assert [(start, name) for start, _, name, _ in parts(found) if start > at(1)] == [(RESTARTED, "e2-standard-4")]


def test_a_vm_preempted_in_its_first_minute_is_not_billed_and_another_short_run_for_a_minute() -> None:
    found = cloud(projects=(HOME,))
    free = Vm("free", runs=((at(0, 10.1), at(0, 10.9)),), created=at(0, 10), preempted=(at(0, 10.9),), instance_id="1")
    short = Vm("short", runs=((at(0, 10), at(0, 10.5)),), instance_id="2")
    found.vms = [free, short]

    found.run(0)

    assert {row.instance.name: (row.billed_hours, row.cost) for row in costs(found).values()} == {
        "free": (Decimal(0), Decimal(0)),
        "short": (Decimal("0.016666667"), Decimal("0.001333333")),
    }


def test_a_run_over_the_end_of_an_hour_is_billed_as_one() -> None:
    found = cloud(projects=(HOME,))
    found.vms = [Vm("short", runs=((at(0, 59.75), at(1, 0.25)),), deleted=at(9), instance_id="1")]

    found.run(0)
    at_first = [row.billed_hours for row in costs(found).values()]
    found.run(1)

    assert at_first == [Decimal("0.004166667")]
    assert [row.billed_hours * 3600 for row in costs(found).values()] == pytest.approx([45, 15], abs=Decimal("1e-5"))


def test_a_vm_started_several_times_while_runs_were_missing_is_asked_for_in_its_history() -> None:
    """It was a large one for two hours, and is the small one again that the scan before saw."""
    found = cloud(projects=(HOME,))
    runs = ((LONG_AGO, at(1, 10)), (RESTARTED, at(3, 30)), (at(3, 40), None))
    changed = ((at(1, 20), LARGE, ProvisioningModel.SPOT), (at(3, 35), SMALL, ProvisioningModel.SPOT))
    vm = Vm("worker", runs=runs, changed=changed, instance_id="1")
    found.vms = [vm]
    found.run(0)

    found.run(5)

    assert found.requested[ASSET_HISTORY] != []
    assert {costs(found)[at(hour), vm.key].instance.shape for hour in (0, 1, 5)} == {SMALL}
    assert costs(found)[at(2), vm.key].instance.shape == LARGE
