"""What workflow engines and clusters print becomes records of work whose VMs a label names."""

import json
from zoneinfo import ZoneInfo

import pytest

from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339
from spotkeeper.work.records import WorkRecord
from spotkeeper.work.run_formats import nextflow_lines, ray_lines, skypilot_lines
from tests.unit.work_reading import read_records

DEFAULTS = {"project_id": "bio-1", "zone": "us-central1-a"}

# With the fields of the documentation of trace files, on Google Batch.
TRACE = """\
task_id|hash|native_id|name|status|exit|submit|start|complete|attempt
1|a1/0f3c21|nf-a1-17531/0/nf-a1-17531-9f0c|ALIGN (s1)|FAILED|50001|2026-07-22 07:00:00.112|2026-07-22 07:02:00.500|\
2026-07-22 07:22:00.000|1
1|b2/77aa01|nf-b2-17532/0/nf-b2-17532-7d1e|ALIGN (s1)|COMPLETED|0|2026-07-22 07:23:00.000|2026-07-22 07:25:00.000|\
2026-07-22 07:55:00.000|2
2|c3/1b2c3d|nf-c3-17533/0/nf-c3-17533-11aa|INDEX|CACHED|0|2026-07-21 07:00:00.000|2026-07-21 07:02:00.000|\
2026-07-21 07:22:00.000|1
3|d4/4d5e6f|-|REPORT|ABORTED|-|2026-07-22 07:56:00.000|-|-|1
4|e5/000001|nf-e5-17534/0/nf-e5-17534-22bb|CALL (s1)|FAILED|-|2026-07-22 07:56:00.000|2026-07-22 07:58:00.000|\
2026-07-22 08:00:00.000|1
""".replace("|", "\t")


def summary(record: WorkRecord) -> tuple[object, ...]:
    end = rfc3339(record.end_time) if record.end_time else None
    vm = record.vm_label or record.instance_name
    return (record.work_id, record.attempt, vm, rfc3339(record.start_time), end, record.outcome)


def test_the_tasks_of_a_trace_of_nextflow_ran_on_the_vms_of_their_batch_jobs() -> None:
    records, problems = read_records(nextflow_lines(TRACE), DEFAULTS, ZoneInfo("Europe/Berlin"))
    jobs = [f"batch-job-id=nf-{job}" for job in ("a1-17531", "b2-17532", "e5-17534")]

    assert problems == []
    assert [summary(record) for record in records] == [
        ("ALIGN (s1)", 1, jobs[0], "2026-07-22T05:02:00.500000Z", "2026-07-22T05:22:00Z", "preempted"),
        ("ALIGN (s1)", 2, jobs[1], "2026-07-22T05:25:00Z", "2026-07-22T05:55:00Z", "succeeded"),
        ("CALL (s1)", 1, jobs[2], "2026-07-22T05:58:00Z", "2026-07-22T06:00:00Z", None),
    ]
    assert records[0].keys == (("process", "ALIGN"),)


def test_the_local_times_of_a_trace_are_refused_unless_their_zone_is_stated() -> None:
    _, problems = read_records(nextflow_lines(TRACE), DEFAULTS)

    assert {(problem.line, problem.field) for problem in problems} == {
        (line, field) for line in (2, 3, 6) for field in ("start_time", "end_time")
    }


def test_raw_times_of_a_trace_need_no_zone_and_a_node_of_kubernetes_is_shared_by_cpus() -> None:
    text = (
        "task_id\tnative_id\tname\tstatus\texit\tstart\tcomplete\tattempt\thostname\tcpus\n"
        "9\tnf-0a1b2c\tQC (a)\tCOMPLETED\t0\t1784696400250\t1784697000000\t1\tgke-pool-1-x7\t4\n"
        "10\tnf-3d4e5f\tQC (a)\tFAILED\t137\t1784696400250\t1784697000000\t1\tgke-pool-1-x7\t-\n"
    )
    records, problems = read_records(nextflow_lines(text), DEFAULTS)

    assert problems == []
    assert [summary(record) for record in records] == [
        ("QC (a) #9", 1, "gke-pool-1-x7", "2026-07-22T05:00:00.250000Z", "2026-07-22T05:10:00Z", "succeeded"),
        ("QC (a) #10", 1, "gke-pool-1-x7", "2026-07-22T05:00:00.250000Z", "2026-07-22T05:10:00Z", "failed"),
    ]
    assert [record.weight for record in records] == [4, None]


def test_a_trace_with_the_default_fields_is_refused_with_the_ones_to_set() -> None:
    default = "task_id\thash\tnative_id\tname\tstatus\texit\tsubmit\tduration\trealtime\t%cpu\tpeak_rss\n"

    with pytest.raises(RefusedRequestError, match=r"no column start: set trace\.fields to 'task_id,name,native_id,"):
        list(nextflow_lines(default))


def test_a_task_whose_vm_the_trace_does_not_name_is_refused() -> None:
    text = "task_id\tnative_id\tname\tstatus\texit\tstart\tcomplete\tattempt\n1\t30031\tA\tCOMPLETED\t0\t1\t2\t1\n"
    _, problems = read_records(nextflow_lines(text), DEFAULTS)

    assert "instance_id" in {problem.field for problem in problems}


def test_the_jobs_of_ray_share_the_vms_of_their_cluster() -> None:
    job = {
        "type": "SUBMISSION",
        "job_id": "01000000",
        "submission_id": "raysubmit_Xk3pQ9",
        "driver_info": {"id": "01000000", "node_ip_address": "10.128.0.5", "pid": "4711"},
        "status": "SUCCEEDED",
        "entrypoint": "python train.py",
        "message": "Job finished successfully.",
        "error_type": None,
        "start_time": 1784696400000,
        "end_time": 1784700000000,
        "metadata": {"experiment": "ablation-7"},
        "runtime_env": {},
        "driver_agent_http_address": "http://10.128.0.5:52365",
        "driver_node_id": "3f1c",
        "driver_exit_code": 0,
    }
    driver = {**job, "type": "DRIVER", "job_id": "02000000", "submission_id": None, "status": "RUNNING"}
    waits = {**job, "submission_id": "raysubmit_Waits", "status": "PENDING", "start_time": None}
    jobs = [job, {**driver, "end_time": None, "metadata": None, "attempt_number": 1}, waits]
    records, problems = read_records(ray_lines(json.dumps(jobs)), {**DEFAULTS, "vm_label": "ray-cluster-name=sweep"})

    assert problems == []
    assert [summary(record) for record in records] == [
        ("raysubmit_Xk3pQ9", 1, "ray-cluster-name=sweep", "2026-07-22T05:00:00Z", "2026-07-22T06:00:00Z", "succeeded"),
        ("02000000", 2, "ray-cluster-name=sweep", "2026-07-22T05:00:00Z", None, None),
    ]
    assert [record.keys for record in records] == [(("experiment", "ablation-7"),), ()]


def test_the_jobs_of_skypilot_come_by_cluster_or_as_a_list_of_managed_jobs() -> None:
    job = {
        "job_id": 1,
        "job_name": "train",
        "username": "alice",
        "user_hash": "8a3b1c2d",
        "submitted_at": 1784696000.5,
        "start_at": 1784696400.25,
        "end_at": 1784700000.0,
        "resources": "1x GCP(a2-highgpu-1g[Spot])",
        "status": "FAILED_SETUP",
        "log_path": "~/sky_logs/sky-2026-07-22",
        "metadata": {},
    }
    managed = {"job_id": 7, "task_id": 0, "job_name": "pipe", "task_name": "eval", "status": "RUNNING"}
    managed |= {"start_at": 1784696400.0, "end_at": None, "recovery_count": 2, "user_name": "alice"}
    waits = {**managed, "task_name": "pipe", "status": "PENDING", "start_at": None}
    named = {**DEFAULTS, "vm_label": "skypilot-cluster-name=gpu-8a3b1c2d"}
    of_cluster, problems = read_records(skypilot_lines(json.dumps({"gpu": [job]})), named)
    of_list, more_problems = read_records(skypilot_lines(json.dumps([managed, waits])), named)

    assert problems + more_problems == []
    assert [summary(record) for record in of_cluster + of_list] == [
        ("gpu/1", 1, named["vm_label"], "2026-07-22T05:00:00.250000Z", "2026-07-22T06:00:00Z", "failed"),
        ("7/eval", 1, named["vm_label"], "2026-07-22T05:00:00Z", None, None),
    ]
    assert of_cluster[0].keys == (("name", "train"), ("user", "alice"))


@pytest.mark.parametrize("value", ["1784696400000", True, 1e30])
def test_a_time_that_is_not_a_number_of_milliseconds_is_refused(value: object) -> None:
    jobs = [{"submission_id": "a", "start_time": value}]
    _, problems = read_records(ray_lines(json.dumps(jobs)), {**DEFAULTS, "vm_label": "k=v"})

    assert [problem.field for problem in problems] == ["start_time"]
