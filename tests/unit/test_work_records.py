"""Records of work are checked field by field, and what is wrong is named with its line."""

import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from spotkeeper.work.formats import csv_lines, json_lines
from spotkeeper.work.records import Line, Outcome, WorkRecord, checked_records
from tests.unit.work_reading import read_records

FIELDS = {"work_id": "run-7", "instance_id": "42", "start_time": "2026-07-22T05:00:00Z"}
DEFAULTS = {"project_id": "research"}
RECORD = WorkRecord(
    *("run-7", 1, None, "research", None, "42", None, None, datetime(2026, 7, 22, 5, tzinfo=UTC)),
    *(None, None, None, None, None, None, ()),
)


def problems_of(**fields: object) -> list[str]:
    given = {name: value for name, value in {**FIELDS, **fields}.items() if value is not ...}
    return [str(problem) for problem in read_records([Line(3, given)], DEFAULTS)[1]]


def test_a_record_has_its_fields_and_what_is_the_same_in_all_lines() -> None:
    assert read_records([Line(1, FIELDS)], DEFAULTS) == ([RECORD], [])


def test_every_field_of_a_csv_file_is_read() -> None:
    text = (
        "work_id,attempt,kind,project_id,zone,instance_name,start_time,end_time,weight,outcome,saved_at,"
        "checkpoint_interval_seconds,checkpoint_seconds,keys.team,keys.experiment\n"
        "a,2,training,p,us-central1-a,vm-1,2026-07-22T07:00:00+02:00,2026-07-22T06:00:00Z,0.5,preempted,"
        "2026-07-22T05:50:00Z,600,12.5,ml,\n"
    )
    [record], problems = read_records(csv_lines(text), DEFAULTS)

    assert problems == []
    assert record == WorkRecord(
        *("a", 2, "training", "p", "us-central1-a", None, "vm-1", None),
        datetime(2026, 7, 22, 7, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 7, 22, 6, tzinfo=UTC),
        Decimal("0.5"),
        Outcome.PREEMPTED,
        datetime(2026, 7, 22, 5, 50, tzinfo=UTC),
        *(Decimal(600), Decimal("12.5"), (("team", "ml"),)),
    )


def test_json_lines_hold_numbers_and_keys_as_they_are() -> None:
    text = (
        '{"work_id": "run-7", "attempt": 2, "instance_id": 42, "start_time": "2026-07-22T05:00:00Z", '
        '"weight": 0.25, "keys": {"team": "ml"}}\n\n'
    )
    [record], problems = read_records(json_lines(text), DEFAULTS)

    assert problems == []
    assert (record.attempt, record.instance_id, record.weight) == (2, "42", Decimal("0.25"))
    assert record.keys == (("team", "ml"),)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"work_id": ""}, "work_id: is missing"),
        ({"work_id": 7}, "work_id: 7 must be a string"),
        ({"work_id": "(idle)"}, "work_id: (idle) stands for the time in which no work ran"),
        ({"start_time": ...}, "start_time: is missing"),
        (
            {"start_time": "2026-07-22T05:00:00"},
            "start_time: '2026-07-22T05:00:00' must be a time with its offset, such as 2026-07-22T05:00:00Z",
        ),
        (
            {"end_time": "2026-07-22T04:59:59Z"},
            "end_time: 2026-07-22T04:59:59Z is before start_time 2026-07-22T05:00:00Z",
        ),
        ({"instance_id": "vm-1"}, "instance_id: 'vm-1' must be the numeric id of a VM; its name is instance_name"),
        (
            {"instance_id": ...},
            "instance_id: is missing, and so are instance_name and vm_label: one of them names the VM",
        ),
        (
            {"instance_id": ..., "instance_name": "vm-1"},
            "zone: is missing: a VM without instance_id is named by its zone and instance_name",
        ),
        (
            {"instance_id": ..., "instance_name": "vm-1", "vm_label": "job=7"},
            "zone: is missing: a VM without instance_id is named by its zone and instance_name",
        ),
        (
            {"instance_id": ..., "vm_label": "sweep"},
            "vm_label: 'sweep' must be KEY=VALUE, such as ray-cluster-name=sweep",
        ),
        ({"attempt": 0}, "attempt: 0 must be a whole number from 1 to 1000000"),
        ({"attempt": "1.5"}, "attempt: '1.5' must be a whole number from 1 to 1000000"),
        ({"weight": "0"}, "weight: '0' must be a number above 0 and below 1,000,000,000"),
        ({"weight": "4e-10"}, "weight: '4e-10' must be a number above 0 and below 1,000,000,000"),
        (
            {"weight": "999999999.9999999999"},
            "weight: '999999999.9999999999' must be a number above 0 and below 1,000,000,000",
        ),
        ({"weight": "1e400"}, "weight: '1e400' must be a number above 0 and below 1,000,000,000"),
        ({"weight": "NaN"}, "weight: 'NaN' must be a number above 0 and below 1,000,000,000"),
        ({"outcome": "ok"}, "outcome: 'ok' must be one of succeeded, failed, cancelled, preempted"),
        ({"keys": "team=ml"}, "keys: 'team=ml' must be an object of strings; in CSV, columns keys.NAME"),
        ({"keys": {"team": 1}}, "keys.team: 1 must be a string"),
        ({"team": "ml"}, "team: is not a field; a key of your own is keys.team"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(fields: dict[str, object], expected: str) -> None:
    assert problems_of(**fields) == [f"line 3: {expected}"]


def test_a_label_names_the_vms_where_neither_id_nor_name_does() -> None:
    by_label = {name: value for name, value in FIELDS.items() if name != "instance_id"}
    records, problems = read_records([Line(1, by_label), Line(2, FIELDS)], {**DEFAULTS, "vm_label": "job=7"})

    assert problems == []
    assert [(record.instance_id, record.vm_label) for record in records] == [(None, "job=7"), ("42", None)]


def test_times_without_their_zone_are_read_in_the_one_that_is_stated() -> None:
    times = ["2026-07-22 07:00:00.250", "2026-07-22T07:00:00", "2026-07-22T05:00:00Z", "2026-07-22T01:00:00-04:00"]
    lines = [Line(n, {**FIELDS, "attempt": n, "start_time": time}) for n, time in enumerate(times, start=1)]
    records, problems = read_records(lines, DEFAULTS, ZoneInfo("Europe/Berlin"))

    assert problems == []
    assert [record.start_time.replace(microsecond=0) for record in records] == [RECORD.start_time] * 4
    assert records[0].start_time.microsecond == 250_000


@pytest.mark.parametrize("time", ["2026-10-25T02:30:00", "2026-03-29T02:30:00"])
def test_a_local_time_that_a_change_of_the_clocks_repeats_or_skips_is_refused(time: str) -> None:
    _, problems = read_records([Line(1, {**FIELDS, "start_time": time})], DEFAULTS, ZoneInfo("Europe/Berlin"))

    assert [str(problem) for problem in problems] == [
        f"line 1: start_time: '{time}' is not one moment in Europe/Berlin: the clocks were changed"
    ]


def test_every_wrong_field_of_every_line_is_named() -> None:
    lines = [Line(2, {**FIELDS, "attempt": "x", "weight": "-1"}), Line(3, FIELDS), Line(4, {**FIELDS, "outcome": "?"})]
    records, problems = read_records(lines, DEFAULTS)

    assert records == [RECORD]
    assert [(problem.line, problem.field) for problem in problems] == [(2, "attempt"), (2, "weight"), (4, "outcome")]


def test_the_same_record_twice_counts_once_and_two_of_one_attempt_are_refused() -> None:
    other = {**FIELDS, "end_time": "2026-07-22T05:30:00Z"}
    records, problems = read_records([Line(1, FIELDS), Line(2, FIELDS), Line(3, other)], DEFAULTS)

    assert records == [RECORD]
    assert [str(problem) for problem in problems] == [
        "line 3: attempt: run-7, attempt 1 has another record on the same VM; number attempts"
    ]


def test_one_attempt_may_run_on_several_vms() -> None:
    records, problems = read_records([Line(1, FIELDS), Line(2, {**FIELDS, "instance_id": "43"})], DEFAULTS)

    assert ([record.instance_id for record in records], problems) == (["42", "43"], [])


def test_of_a_record_that_was_read_only_a_digest_is_kept() -> None:
    count = 20_000
    lines = (
        Line(number, {"work_id": f"build-{number}/job", "instance_id": "1", "start_time": "2026-07-22T05:00:00Z"})
        for number in range(count)
    )
    tracemalloc.start()
    try:
        for _ in checked_records(lines, {"project_id": "ci"}):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak / count < 256
