"""What workflow engines and clusters print of their runs: Nextflow, Ray and SkyPilot.

They do not name the VM of a task: it is known by a label that all VMs of its job or cluster have.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from spotkeeper.periods import rfc3339
from spotkeeper.work.json_files import objects, parsed_json
from spotkeeper.work.records import Line
from spotkeeper.work.table_files import count, header_and_rows, require_columns

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEXTFLOW_COLUMNS = ("task_id", "name", "native_id", "status", "exit", "start", "complete", "attempt")
_NEXTFLOW_NOT_RUN = {"NEW", "SUBMITTED", "CACHED"}
_NEXTFLOW_UNKNOWN = {"", "-"}
_PREEMPTED_EXIT = "50001"
_RAY_OUTCOMES = {"SUCCEEDED": "succeeded", "STOPPED": "cancelled"}
_SKYPILOT_OUTCOMES = {"SUCCEEDED": "succeeded", "CANCELLED": "cancelled"}


def nextflow_lines(text: str) -> Iterator[Line]:
    """Yield the tasks of a trace file of Nextflow on Batch, or of one that has the column `hostname`.

    https://docs.seqera.io/nextflow/reference/config/trace: tab-separated, `-` for what is not known. Times are local
    to the machine that ran Nextflow, without their zone, and milliseconds since 1970 with `trace.raw = true`. On Batch,
    `native_id` is JOB/TASK/UID and the VMs of a job have the label batch-job-id. Cached tasks ran in an earlier run.
    """
    columns, lines = header_and_rows(text, delimiter="\t", quoted=False)
    require_columns(columns, _NEXTFLOW_COLUMNS, f"set trace.fields to '{','.join(_NEXTFLOW_COLUMNS)}'")
    rows = [(number, dict.fromkeys(columns, "") | row) for number, row in lines]
    named = Counter((row["name"], row["attempt"]) for _, row in rows)
    of_several = {name for (name, _), tasks in named.items() if tasks > 1}
    for number, row in rows:
        if row["status"] in _NEXTFLOW_NOT_RUN or row["start"] in _NEXTFLOW_UNKNOWN:
            continue
        # The number of a task tells tasks of one name apart; another attempt at the same task keeps it.
        name = f"{row['name']} #{row['task_id']}" if row["name"] in of_several else row["name"]
        yield Line(number, {"work_id": name, **_nextflow_task(row)})


def ray_lines(text: str) -> Iterator[Line]:
    """Yield the jobs of Ray's REST API, each on all VMs of the cluster.

    https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html: GET /api/jobs/, JobDetails of
    Ray 2: times are milliseconds since 1970. The jobs of a cluster share its VMs alike.
    """
    for number, job in enumerate(objects(parsed_json(text, "the file"), "a list of jobs"), start=1):
        if job.get("start_time") is None:
            continue
        metadata = job.get("metadata") or {}
        keys = {key: str(value) for key, value in metadata.items()} if isinstance(metadata, Mapping) else metadata
        yield Line(
            number,
            {
                "work_id": job.get("submission_id") or job.get("job_id"),
                "attempt": _next(job.get("attempt_number", 0)),
                "kind": "ray",
                "start_time": _after_epoch(job["start_time"], milliseconds=True),
                "end_time": _after_epoch(job.get("end_time"), milliseconds=True),
                "outcome": _RAY_OUTCOMES.get(str(job.get("status"))),
                "keys": keys,
            },
        )


def skypilot_lines(text: str) -> Iterator[Line]:
    """Yield the jobs of SkyPilot, each on all VMs of its cluster.

    `sky queue CLUSTER -o json` (by cluster) or `sky jobs queue -o json` (a list of managed jobs), SkyPilot 0.11: times
    are seconds since 1970. The label of a cluster has its name and a hash of the user, which the lists do not have.
    """
    found = parsed_json(text, "the file")
    clusters = found if isinstance(found, Mapping) else {"": found}
    number = 0
    for cluster, listed in clusters.items():
        for job in objects(listed, "a list of jobs, or an object with one for each cluster"):
            number += 1
            if job.get("start_at") is not None:
                yield Line(number, _skypilot_job(cluster, job))


def _nextflow_task(row: Mapping[str, str]) -> dict[str, object]:
    process, _, _ = row["name"].partition(" (")
    end = row["complete"]
    return {
        "attempt": row["attempt"],
        "kind": "nextflow",
        **_nextflow_vm(row),
        "start_time": _nextflow_time(row["start"]),
        "end_time": None if end in _NEXTFLOW_UNKNOWN else _nextflow_time(end),
        "outcome": _nextflow_outcome(row["status"], row["exit"]),
        "keys": {"process": process},
    }


def _nextflow_vm(row: Mapping[str, str]) -> dict[str, object]:
    job, slash, _ = row["native_id"].partition("/")
    if slash:
        return {"vm_label": f"batch-job-id={job}"}
    if (host := row.get("hostname", "")) not in _NEXTFLOW_UNKNOWN:
        return {"instance_name": host, "weight": count(row.get("cpus", ""))}
    return {}


def _nextflow_time(value: str) -> object:
    milliseconds = count(value)
    return value if milliseconds is None else _after_epoch(milliseconds, milliseconds=True)


def _nextflow_outcome(status: str, exit_code: str) -> str | None:
    if exit_code == _PREEMPTED_EXIT:
        return "preempted"
    if status == "FAILED":
        # Without an exit code the VM may have been preempted.
        return None if exit_code in _NEXTFLOW_UNKNOWN else "failed"
    return {"COMPLETED": "succeeded", "ABORTED": "cancelled"}.get(status)


def _skypilot_job(cluster: str, job: Mapping[str, Any]) -> dict[str, object]:
    keys = {"name": job.get("job_name"), "user": job.get("username") or job.get("user_name"), "task": _task(job)}
    parts = [cluster, job.get("job_id"), _task(job)]
    status = str(job.get("status"))
    return {
        "work_id": "/".join(str(part) for part in parts if part not in ("", None)),
        "kind": "skypilot",
        "start_time": _after_epoch(job["start_at"]),
        "end_time": _after_epoch(job.get("end_at")),
        "outcome": "failed" if status.startswith("FAILED") else _SKYPILOT_OUTCOMES.get(status),
        "keys": {key: str(value) for key, value in keys.items() if value},
    }


def _task(job: Mapping[str, Any]) -> str | None:
    """The name of a task of a pipeline; a job of one task has its own name for it."""
    name = job.get("task_name")
    return None if name is None or name == job.get("job_name") else str(name)


def _next(number: object) -> object:
    return number + 1 if isinstance(number, int) and not isinstance(number, bool) else number


def _after_epoch(value: object, *, milliseconds: bool = False) -> object:
    """RFC 3339 of a number of seconds since 1970; what is not a number stays as it is, and is refused."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return rfc3339(_EPOCH + (timedelta(milliseconds=value) if milliseconds else timedelta(seconds=value)))
    except (OverflowError, ValueError):
        return value
