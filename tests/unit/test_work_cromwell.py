"""The metadata of a workflow of Cromwell become records of work: each attempt of each call, on its VM."""

import json
from collections.abc import Mapping

import pytest

from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339
from spotkeeper.work.cromwell import cromwell_lines
from spotkeeper.work.records import WorkRecord
from tests.unit.work_reading import read_records

DEFAULTS = {"project_id": "bio-1"}
ID = "8f1c2d3e-0000-4000-8000-00000000a001"
JOB = "projects/bio-2/locations/us-central1/jobs/job-0a1b2c3d-0000-4000-8000-000000000002"

type Call = Mapping[str, object]


def life_sciences(attempt: int, start: str, end: str, worker: str, **fields: object) -> Call:
    """Return an attempt as the backend PAPIv2 describes it."""
    return {
        "attempt": attempt,
        "shardIndex": -1,
        "backend": "PAPIv2",
        "start": f"2026-07-22T{start}.112Z",
        "end": f"2026-07-22T{end}.000Z",
        "jobId": f"projects/bio-1/operations/{attempt}7531",
        "preemptible": True,
        "callCaching": {"allowResultReuse": True, "hit": False, "result": "Cache Miss"},
        "runtimeAttributes": {"preemptible": "3", "cpu": "2", "zones": "us-central1-f", "memory": "8 GB"},
        "jes": {
            "endpointUrl": "https://lifesciences.googleapis.com/",
            "executionBucket": "gs://bio-1-cromwell",
            "googleProject": "bio-1",
            "instanceName": f"google-pipelines-worker-{worker}",
            "machineType": "custom-2-8192",
            "zone": "us-central1-f",
        },
        **fields,
    }


def batch(shard: int, status: str, **fields: object) -> Call:
    """Return an attempt as the backend GCPBATCH describes it: it names the job and no VM."""
    return {
        "attempt": 1,
        "shardIndex": shard,
        "backend": "GCPBATCH",
        "executionStatus": status,
        "start": "2026-07-22T06:00:00.000Z",
        "jobId": JOB,
        "gcpBatch": {"googleProject": "bio-2", "executionBucket": "gs://bio-2-cromwell"},
        **fields,
    }


def workflow(calls: Mapping[str, object], **fields: object) -> str:
    labels = {"cromwell-workflow-id": f"cromwell-{ID}", "team": "genomics"}
    return json.dumps(
        {"id": ID, "workflowName": "rnaseq", "status": "Done", "labels": labels, "calls": calls, **fields}
    )


def summary(record: WorkRecord) -> tuple[object, ...]:
    end = rfc3339(record.end_time) if record.end_time else None
    vm = record.vm_label or f"{record.zone}/{record.instance_name}"
    return (record.work_id, record.attempt, record.project_id, vm, rfc3339(record.start_time), end, record.outcome)


def test_every_attempt_of_a_call_ran_on_the_worker_that_the_metadata_name() -> None:
    align = [
        life_sciences(1, "05:00:00", "05:20:00", "a1", executionStatus="RetryableFailure", backendStatus="Preempted"),
        life_sciences(2, "05:21:00", "05:50:00", "b2", executionStatus="Done", backendStatus="Success"),
    ]

    records, problems = read_records(cromwell_lines(workflow({"rnaseq.align": align})), DEFAULTS)

    of_align = f"{ID}/rnaseq.align"
    first, second = (f"us-central1-f/google-pipelines-worker-{worker}" for worker in ("a1", "b2"))
    assert problems == []
    assert [summary(record) for record in records] == [
        (of_align, 1, "bio-1", first, "2026-07-22T05:00:00.112000Z", "2026-07-22T05:20:00Z", "preempted"),
        (of_align, 2, "bio-1", second, "2026-07-22T05:21:00.112000Z", "2026-07-22T05:50:00Z", "succeeded"),
    ]
    assert records[0].keys == (("task", "align"), ("team", "genomics"), ("workflow", "rnaseq"))


def test_a_call_with_batch_ran_on_the_vms_of_its_job_and_its_vm_times_count() -> None:
    times = {"end": "2026-07-22T06:40:00Z", "vmStartTime": "2026-07-22T06:04:00Z", "vmEndTime": "2026-07-22T06:38:00Z"}
    calls = {"rnaseq.count": [batch(0, "Done", **times), batch(1, "Running")]}

    records, problems = read_records(cromwell_lines(workflow(calls)), DEFAULTS)

    label = "batch-job-id=job-0a1b2c3d-0000-4000-8000-000000000002"
    assert problems == []
    assert [summary(record) for record in records] == [
        (f"{ID}/rnaseq.count/0", 1, "bio-2", label, "2026-07-22T06:04:00Z", "2026-07-22T06:38:00Z", "succeeded"),
        (f"{ID}/rnaseq.count/1", 1, "bio-2", label, "2026-07-22T06:00:00Z", None, None),
    ]


def test_the_calls_of_a_subworkflow_are_named_by_the_call_that_ran_it() -> None:
    inner = {"id": "another-id", "calls": {"qc.fastqc": [batch(2, "Failed")]}}
    calls = {"rnaseq.qc": [{"attempt": 1, "shardIndex": 4, "executionStatus": "Failed", "subWorkflowMetadata": inner}]}

    records, problems = read_records(cromwell_lines(workflow(calls) + "\n" + workflow({}, id="other")), DEFAULTS)

    assert problems == []
    assert [(record.work_id, record.outcome) for record in records] == [(f"{ID}/rnaseq.qc/4/qc.fastqc/2", "failed")]
    assert dict(records[0].keys)["task"] == "fastqc"


def test_what_ran_on_no_vm_of_google_is_left_out_and_a_finished_call_without_its_vm_is_refused() -> None:
    cached = life_sciences(1, "05:00:00", "05:00:01", "a1", executionStatus="Done", callCaching={"hit": True})
    local = {"attempt": 1, "shardIndex": -1, "backend": "Local", "jobId": "34479", "executionStatus": "Done"}
    local["start"] = "2026-07-22T05:00:00.000Z"
    no_vm = life_sciences(1, "05:00:00", "05:00:01", "", executionStatus="Failed", jes={"instanceName": "unknown"})
    lost = life_sciences(1, "05:00:00", "05:20:00", "", executionStatus="Done", jes={"googleProject": "bio-1"})
    left_out = {"rnaseq.a": [cached], "rnaseq.b": [local], "rnaseq.c": [no_vm]}

    records, problems = read_records(cromwell_lines(workflow(left_out)), DEFAULTS)
    _, refused = read_records(cromwell_lines(workflow({"rnaseq.d": [lost]})), DEFAULTS)

    assert (records, problems) == ([], [])
    assert [(problem.line, problem.field) for problem in refused] == [(1, "instance_id")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "the file must be the metadata of workflows: objects with an id and calls"),
        (json.dumps({"id": ID, "status": "Running"}), "the file must be the metadata of workflows"),
        (json.dumps({"id": ID, "calls": []}), f"the calls of the workflow {ID} must be an object"),
        (workflow({"rnaseq.a": {}}), "the file must be metadata with a list of attempts for each call"),
        (
            workflow({"rnaseq.qc": [{"subWorkflowId": "another-id"}]}),
            f"{ID}/rnaseq.qc is a workflow whose calls are left out: get the metadata with expandSubWorkflows=true",
        ),
    ],
)
def test_a_file_that_is_no_whole_metadata_is_refused(text: str, expected: str) -> None:
    with pytest.raises(RefusedRequestError, match=f"^{expected}"):
        list(cromwell_lines(text))
