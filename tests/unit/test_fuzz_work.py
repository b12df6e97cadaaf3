"""Whatever a file of work holds, it becomes records and named problems, or is refused with a reason."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.errors import RefusedRequestError
from spotkeeper.work.formats import FORMATS, csv_lines, github_actions_lines, json_lines, node_names, slurm_lines
from spotkeeper.work.records import Line
from spotkeeper.work.run_formats import nextflow_lines
from tests.unit.any_json import WORDS, spoilt
from tests.unit.work_reading import read_records

DEFAULTS = {"project_id": "ci", "zone": "us-central1-a"}
TIME = "2026-07-22T05:00:00Z"
LISTS: dict[str, Any] = {
    "github-actions": {
        "jobs": [{"run_id": 1, "run_attempt": 1, "name": "a", "started_at": TIME, "runner_name": "r", "head_sha": "c"}]
    },
    "batch": [
        {
            "name": "projects/p/locations/l/jobs/j/taskGroups/g/tasks/0",
            "status": {
                "statusEvents": [
                    {"eventTime": TIME, "description": "to RUNNING on zones/us-central1-b/instances/71"},
                    {"eventTime": TIME, "description": "to SUCCEEDED", "taskState": "SUCCEEDED"},
                ]
            },
        }
    ],
    "cromwell": {
        "id": "w",
        "labels": {"team": "ml"},
        "calls": {
            "w.a": [{"start": TIME, "jobId": "projects/p/locations/l/jobs/j", "backendStatus": "Preempted"}],
            "w.b": [{"start": TIME, "shardIndex": 0, "jes": {"instanceName": "v", "zone": "z", "googleProject": "p"}}],
            "w.c": [{"shardIndex": 1, "subWorkflowMetadata": {"calls": {"v.d": [{"callCaching": {"hit": True}}]}}}],
        },
    },
    "ray": [{"job_id": "1", "attempt_number": 0, "start_time": 1784700000000, "metadata": {"team": "ml"}}],
    "skypilot": {"gpu": [{"job_id": 1, "job_name": "a", "status": "SUCCEEDED", "start_at": 1784700000.5}]},
}
TABLES = {
    "csv": "work_id,attempt,instance_id,start_time,weight,keys.team\na,1,42,2026-07-22T05:00:00Z,2,ml\n",
    "slurm": "JobID|State|Start|End|NodeList|AllocCPUS\n1|FAILED|2026-07-22T05:00:00Z|Unknown|a-[0-2,7]|4\n",
    "nextflow": "task_id\tname\tnative_id\tstatus\texit\tstart\tcomplete\tattempt\thostname\tcpus\n"
    "1\tA\t-\tFAILED\t1\t1784700000000\t-\t1\tnode\t2\n",
}
damage = st.one_of(st.sampled_from([*WORDS, "\n", "\r", "\0", '"', "[", "]", ",", "|", "\t", "-"]), st.text(max_size=5))


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """Replace a few characters of a text by something else."""
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(damage) + text[start + draw(st.integers(0, 12)) :]


def read(lines: Callable[[str], Iterator[Line]], text: str) -> None:
    """Read a file; anything but records, problems and a refusal is raised."""
    with suppress(RefusedRequestError):
        read_records(lines(text), DEFAULTS)


@pytest.mark.parametrize("name", sorted(LISTS))
@given(st.data())
def test_a_list_with_one_thing_wrong_is_read_or_refused(name: str, data: st.DataObject) -> None:
    read(FORMATS[name], json.dumps(data.draw(spoilt(LISTS[name]))))


@pytest.mark.parametrize("name", sorted(TABLES))
@given(st.data())
def test_a_table_with_one_thing_wrong_is_read_or_refused(name: str, data: st.DataObject) -> None:
    read(FORMATS[name], data.draw(damaged(TABLES[name])))


@pytest.mark.parametrize("name", sorted({*FORMATS} - {"csv", "slurm", "nextflow"}))
def test_a_value_that_is_nested_without_end_is_refused(name: str) -> None:
    with pytest.raises(RefusedRequestError, match="nested too deeply"):
        list(FORMATS[name]("[" * 200_000))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "has no header"),
        ("a" * 200_000, "field larger than field limit"),
        ("work_id,kind,work_id\n", "has the column work_id twice"),
    ],
)
def test_a_csv_file_without_a_usable_header_is_refused(text: str, expected: str) -> None:
    with pytest.raises(RefusedRequestError, match=expected):
        list(csv_lines(text))


def test_an_unknown_column_is_named_once_and_not_in_every_line() -> None:
    with pytest.raises(RefusedRequestError, match=r"^the column 'work_id;start_time' is not a field"):
        list(csv_lines("work_id;start_time\n" + "a;b\n" * 1000))


def test_a_cell_may_have_several_lines_and_any_separator_of_unicode() -> None:
    text = f'work_id,instance_id,start_time,keys.note\na\u2028b,42,{TIME},"two\nlines"\nc,42,{TIME},one\n'
    records, problems = read_records(csv_lines(text), DEFAULTS)

    assert problems == []
    assert [(record.work_id, record.keys) for record in records] == [
        ("a\u2028b", (("note", "two\nlines"),)),
        ("c", (("note", "one"),)),
    ]


def test_a_string_of_json_lines_may_have_any_separator_of_unicode() -> None:
    [line] = json_lines(json.dumps({"work_id": "a\u2028b\x85"}, ensure_ascii=False))

    assert line.fields == {"work_id": "a\u2028b\x85"}


@pytest.mark.parametrize("lines", [slurm_lines, nextflow_lines, github_actions_lines])
def test_an_empty_file_is_refused_as_a_command_that_failed_prints_one(lines: Callable[[str], Iterator[Line]]) -> None:
    with pytest.raises(RefusedRequestError, match=r"it is empty|is empty"):
        list(lines(""))


def test_accounting_of_slurm_without_a_column_that_is_needed_is_refused() -> None:
    with pytest.raises(RefusedRequestError, match="no column NodeList: run sacct with --format=JobID,"):
        list(slurm_lines("JobID|JobName|User|State|Start|End\n1|a|b|FAILED|2026-07-22T05:00:00Z|Unknown\n"))


@pytest.mark.parametrize("text", ["node-[1-999999999]", "r[1-9999]n[1-9999]", "node-[1-", "node-[a-b]", "n[1-2"])
def test_a_list_of_nodes_that_is_no_list_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(RefusedRequestError, match="is not a list of nodes"):
        list(node_names(text))


def test_a_job_of_github_without_its_run_or_name_is_a_problem() -> None:
    _, problems = read_records(
        github_actions_lines(json.dumps({"jobs": [{"started_at": TIME, "runner_name": "r"}]})), DEFAULTS
    )

    assert [problem.field for problem in problems] == ["work_id"]
