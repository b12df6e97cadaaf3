"""Who created the instances, in hourly runs on fakes of their ports."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from spotkeeper.tracking.creators import CreatorSource
from spotkeeper.tracking.run import READ_DEADLINE_SECONDS
from spotkeeper.tracking.settings import TrackerSettings
from tests.unit.tracker_fakes import CREATION_LOG, CREATIONS, HOME, LONG_AGO, OTHER, START, Cloud, Vm, at

DANA, AGENT = "dana@example.com", "123@cloudservices.gserviceaccount.com"
NEXT_DAY = 24


def vm(name: str, created: datetime = START, *, instance_id: str = "1", by: str = DANA, project_id: str = HOME) -> Vm:
    return Vm(name, project_id, runs=((created, None),), created_by=by, instance_id=instance_id)


def cloud(vms: Iterable[Vm], *, record: bool = True, log: bool = False) -> Cloud:
    settings = TrackerSettings(HOME, (HOME, OTHER), record_creators=record, audit_log_history=log)
    return Cloud(list(vms), settings)


def creators(found: Cloud) -> dict[str, tuple[str, str]]:
    rows = found.ledger.tables.creators.values()
    return {each.key.instance_id: (each.instance_name, each.created_by) for each in rows}


def test_the_creator_of_an_instance_is_recorded_by_its_id() -> None:
    found = cloud([vm("worker"), vm("group-x7k2", instance_id="2", by=AGENT)])

    found.run(0)

    assert creators(found) == {"1": ("worker", DANA), "2": ("group-x7k2", AGENT)}
    assert {each.source for each in found.ledger.tables.creators.values()} == {CreatorSource.OPERATION}


def test_nothing_is_asked_or_recorded_where_creators_are_not_wanted() -> None:
    found = cloud([vm("worker")], record=False)

    found.run(0)

    assert creators(found) == {}
    assert found.calls[CREATIONS] == 0


def test_an_instance_that_is_created_again_under_its_name_has_a_creator_of_its_own() -> None:
    found = cloud(
        [replace(vm("worker"), deleted=at(0, 30)), vm("worker", at(0, 40), instance_id="2", by="eve@example.com")]
    )

    found.run(0)

    assert creators(found) == {"1": ("worker", DANA), "2": ("worker", "eve@example.com")}


def test_what_is_recorded_stays_when_a_later_answer_differs_or_lacks_it() -> None:
    found = cloud([vm("worker")])
    found.run(0)
    for other in ("eve@example.com", ""):
        found.vms[0] = replace(found.vms[0], created_by=other)
        found.run(1, 0, 1)

    assert creators(found) == {"1": ("worker", DANA)}


def test_an_instance_without_a_principal_has_no_row() -> None:
    found = cloud([vm("worker", by="")])

    assert found.run(0).complete
    assert creators(found) == {}


def test_a_list_that_fails_is_no_gap_and_a_run_of_the_same_day_fills_it() -> None:
    found = cloud([vm("worker", at(0, 10))])
    found.run(-1)
    found.denied.add((CREATIONS, HOME))
    disturbed = found.run(0)
    for hour in range(1, NEXT_DAY - 1):
        found.run(hour)
    unread = creators(found)
    found.denied.clear()
    found.run(NEXT_DAY - 1)

    assert disturbed.complete
    assert disturbed.rows == 1
    assert unread == {}
    assert creators(found) == {"1": ("worker", DANA)}


def test_what_was_read_before_a_list_failed_is_kept() -> None:
    found = cloud([vm("worker"), vm("other", instance_id="2")])
    found.partial.add((CREATIONS, HOME))

    summary = found.run(0)

    assert summary.complete
    assert creators(found) == {"1": ("worker", DANA)}


def test_a_project_that_fails_does_not_keep_the_others_from_being_read() -> None:
    found = cloud([vm("worker"), vm("far", instance_id="2", project_id=OTHER)])
    found.denied.add((CREATIONS, HOME))

    found.run(0)

    assert creators(found) == {"2": ("far", DANA)}


def test_the_first_run_reads_all_that_is_kept_and_later_ones_a_day() -> None:
    before = vm("before", START - timedelta(days=10))
    found = cloud([before, vm("long ago", LONG_AGO, instance_id="2")])
    found.run(0)
    found.vms.append(vm("unnoticed", START - timedelta(days=9), instance_id="3"))
    found.run(1)

    assert creators(found) == {"1": ("before", DANA)}


def test_one_list_is_read_of_each_project_in_a_run_that_catches_up() -> None:
    found = cloud([vm("worker")])
    found.run(0)
    asked = found.calls[CREATIONS]

    found.run(NEXT_DAY)

    assert found.calls[CREATIONS] - asked == len(found.settings.projects)


def test_hours_of_which_operations_may_be_forgotten_are_read_from_the_log() -> None:
    found = cloud([vm("worker")], log=True)
    found.run(0)
    punctual = (found.calls[CREATIONS], found.calls[CREATION_LOG])
    found.vms.append(vm("missed", at(2, 10), instance_id="2"))
    found.run(NEXT_DAY)

    assert punctual == (2, 0)
    assert (found.calls[CREATIONS], found.calls[CREATION_LOG]) == (2, 2)
    rows = found.ledger.tables.creators.values()
    assert {each.key.instance_id: each.source for each in rows} == {
        "1": CreatorSource.OPERATION,
        "2": CreatorSource.AUDIT_LOG,
    }


def test_a_run_that_is_late_asks_for_no_creators_and_loses_no_hour() -> None:
    found = cloud([vm("worker", at(0, 10))])
    found.run(-1)
    asked = found.calls[CREATIONS]
    found.clock = (0, 0, 0, 0, 0, READ_DEADLINE_SECONDS)  # at the start, and before each project and its hours

    summary = found.run(0)

    assert summary.complete
    assert found.calls[CREATIONS] == asked
