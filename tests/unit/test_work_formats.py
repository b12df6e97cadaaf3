"""What schedulers and CI systems print becomes records of work."""

import json

import pytest

from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339
from spotkeeper.work.formats import batch_lines, github_actions_lines, json_lines, node_names, slurm_lines
from spotkeeper.work.records import WorkRecord
from tests.unit.work_reading import read_records

DEFAULTS = {"project_id": "ci", "zone": "us-central1-a"}

SACCT = """\
JobID|JobName|User|Partition|State|Start|End|NodeList|AllocCPUS
101|sweep|alice|spot|PREEMPTED|2026-07-22T05:00:00+0000|2026-07-22T05:20:00+0000|hpc-spot-[0-1]|16
101|sweep|alice|spot|COMPLETED|2026-07-22T07:30:00+0200|2026-07-22T08:30:00+0200|hpc-spot-2|16
102_1|array|bob|spot|CANCELLED by 1001|2026-07-22T05:00:00+0000|2026-07-22T05:01:00+0000|hpc-spot-2|2
103|waits|bob|spot|PENDING|Unknown|Unknown|None assigned|0
104|runs|bob|spot|RUNNING|2026-07-22T06:00:00+0000|Unknown|hpc-spot-2|4
"""


def summary(record: WorkRecord) -> tuple[object, ...]:
    end = rfc3339(record.end_time) if record.end_time else None
    vm = record.instance_id or record.instance_name
    return (record.work_id, record.attempt, vm, rfc3339(record.start_time), end, record.outcome)


def test_jobs_of_github_name_the_vm_of_their_runner() -> None:
    job = {
        "id": 29679449526,
        "run_id": 10001,
        "run_attempt": 1,
        "name": "test (3.13)",
        "status": "completed",
        "conclusion": "success",
        "started_at": "2026-07-22T05:00:10Z",
        "completed_at": "2026-07-22T05:06:10Z",
        "runner_name": "runner-linux-1",
        "workflow_name": "tests",
        "head_branch": "main",
        "labels": ["self-hosted"],
    }
    preempted = {**job, "name": "build", "conclusion": "failure", "runner_name": "runner-linux-2"}
    queued = {**job, "name": "deploy", "status": "queued", "started_at": None, "runner_name": None}
    pages = json.dumps({"total_count": 3, "jobs": [job, preempted]}) + json.dumps({"total_count": 3, "jobs": [queued]})
    records, problems = read_records(github_actions_lines(pages), DEFAULTS)

    assert problems == []
    assert [summary(record) for record in records] == [
        ("10001/test (3.13)", 1, "runner-linux-1", "2026-07-22T05:00:10Z", "2026-07-22T05:06:10Z", "succeeded"),
        ("10001/build", 1, "runner-linux-2", "2026-07-22T05:00:10Z", "2026-07-22T05:06:10Z", None),
    ]
    assert records[0].keys == (("branch", "main"), ("workflow", "tests"))


def test_a_job_of_slurm_has_a_record_for_each_attempt_and_node() -> None:
    records, problems = read_records(slurm_lines(SACCT), DEFAULTS)

    assert problems == []
    assert [summary(record) for record in records] == [
        ("101", 1, "hpc-spot-0", "2026-07-22T05:00:00Z", "2026-07-22T05:20:00Z", "preempted"),
        ("101", 1, "hpc-spot-1", "2026-07-22T05:00:00Z", "2026-07-22T05:20:00Z", "preempted"),
        ("101", 2, "hpc-spot-2", "2026-07-22T05:30:00Z", "2026-07-22T06:30:00Z", "succeeded"),
        ("102_1", 1, "hpc-spot-2", "2026-07-22T05:00:00Z", "2026-07-22T05:01:00Z", "cancelled"),
        ("104", 1, "hpc-spot-2", "2026-07-22T06:00:00Z", None, None),
    ]
    assert [record.weight for record in records] == [8, 8, 16, 2, 4]


def test_times_of_slurm_that_do_not_say_their_zone_are_refused() -> None:
    _, problems = read_records(slurm_lines(SACCT.replace("+0000", "").replace("+0200", "")), DEFAULTS)

    assert {problem.field for problem in problems} == {"start_time", "end_time"}
    assert len({problem.line for problem in problems}) == len(SACCT.splitlines()) - 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("node", ["node"]),
        ("a-[0-2,07]-x,login", ["a-0-x", "a-1-x", "a-2-x", "a-07-x", "login"]),
        ("n[08-10]", ["n08", "n09", "n10"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
    ],
)
def test_a_list_of_nodes_names_every_node(text: str, expected: list[str]) -> None:
    assert list(node_names(text)) == expected


def test_a_task_of_batch_has_an_attempt_for_each_vm_that_ran_it() -> None:
    def event(at: str, description: str) -> dict[str, str]:
        return {"type": "STATUS_CHANGED", "eventTime": f"2026-07-22T05:{at}Z", "description": description}

    task = {
        "name": "projects/ml-1/locations/us-central1/jobs/render/taskGroups/group0/tasks/3",
        "status": {
            "state": "SUCCEEDED",
            "statusEvents": [
                event("00:00", "Task state is updated from PENDING to ASSIGNED on zones/us-central1-b/instances/71"),
                event("01:00", "Task state is updated from ASSIGNED to RUNNING on zones/us-central1-b/instances/71"),
                event(
                    "21:00",
                    "Task state is updated from RUNNING to FAILED on zones/us-central1-b/instances/71 due to Spot VM "
                    "preemption with exit code 50001.",
                ),
                event("30:00", "Task state is updated from ASSIGNED to RUNNING on zones/us-central1-c/instances/72"),
                event("40:00", "Task state is updated from RUNNING to SUCCEEDED on zones/us-central1-c/instances/72"),
            ],
        },
    }
    records, problems = read_records(batch_lines(json.dumps([task])), {"project_id": "home"})

    assert problems == []
    assert [summary(record) for record in records] == [
        ("render/group0/3", 1, "71", "2026-07-22T05:01:00Z", "2026-07-22T05:21:00Z", "preempted"),
        ("render/group0/3", 2, "72", "2026-07-22T05:30:00Z", "2026-07-22T05:40:00Z", "succeeded"),
    ]
    assert {record.project_id for record in records} == {"ml-1"}


def test_a_file_that_is_not_json_is_refused_with_its_line() -> None:
    with pytest.raises(RefusedRequestError, match="line 2 is not JSON"):
        list(json_lines('{"work_id": "a"}\nwork_id,attempt\n'))
    with pytest.raises(RefusedRequestError, match=r"the file is not JSON"):
        list(github_actions_lines("run 1"))
    with pytest.raises(RefusedRequestError, match="must be a list of tasks"):
        list(batch_lines('{"tasks": []}'))
