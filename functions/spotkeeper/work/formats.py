"""The formats of files of work: records as CSV or JSON lines, and what schedulers and CI systems print.

Each reader yields lines with the fields of a record; records.py checks them.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from spotkeeper.errors import RefusedRequestError
from spotkeeper.work.cromwell import cromwell_lines
from spotkeeper.work.json_files import json_values, objects, parsed_json
from spotkeeper.work.records import FIELDS, KEY_PREFIX, Line
from spotkeeper.work.run_formats import nextflow_lines, ray_lines, skypilot_lines
from spotkeeper.work.table_files import count, header_and_rows, require_columns

_SLURM_OUTCOMES = {
    "COMPLETED": "succeeded",
    "PREEMPTED": "preempted",
    "NODE_FAIL": "preempted",
    "CANCELLED": "cancelled",
    "FAILED": "failed",
    "TIMEOUT": "failed",
    "OUT_OF_MEMORY": "failed",
}
_SLURM_FORMAT = "JobID,JobName,User,Partition,State,Start,End,NodeList,AllocCPUS"
_SLURM_NEEDED = ("JobID", "State", "Start", "End", "NodeList")
_SLURM_UNKNOWN = {"", "Unknown", "None", "None assigned"}
_NODE_LIST = re.compile(r"(?:[^\[\]]|\[\d{1,9}(?:-\d{1,9})?(?:,\d{1,9}(?:-\d{1,9})?)*\])+", re.ASCII)
_MOST_NODES = 65_536
_OWN_KEY = f"and a key of your own is a column {KEY_PREFIX}NAME"
_BATCH_TASK = re.compile(
    r"projects/(?P<project>[^/]+)/locations/[^/]+/jobs/(?P<job>[^/]+)/taskGroups/(?P<group>[^/]+)/tasks/(?P<task>\d+)"
)
_BATCH_VM = re.compile(r"zones/(?P<zone>[^/\s]+)/instances/(?P<id>\d+)")
_BATCH_PREEMPTED = re.compile(r"exit code 50001\b")


def csv_lines(text: str | Iterable[str]) -> Iterator[Line]:
    """Yield the records of a CSV file with a header, by its text or lines; an empty cell is a field that is left out.

    Raises RefusedRequestError for a column that is not a field, such as the only one of a file with semicolons.
    """
    columns, rows = header_and_rows(text)
    for name in columns:
        if name not in FIELDS and not name.startswith(KEY_PREFIX):
            message = f"the column {name[:80]!r} is not a field; columns are separated by commas, {_OWN_KEY}"
            raise RefusedRequestError(message)
    for number, row in rows:
        yield Line(number, row)


def json_lines(text: str | Iterable[str]) -> Iterator[Line]:
    """Yield the records of a file with a JSON object in each line, of its text or its lines."""
    for number, line in enumerate(text.split("\n") if isinstance(text, str) else text, start=1):
        if not line.strip():
            continue
        found = parsed_json(line, f"line {number}")
        if not isinstance(found, Mapping):
            message = f"line {number}: {line[:80]!r} must be a JSON object"
            raise RefusedRequestError(message)
        yield Line(number, found)


def github_actions_lines(text: str) -> Iterator[Line]:
    """Yield the jobs of GitHub's API; the name of a self-hosted runner must be that of its VM.

    https://docs.github.com/en/rest/actions/workflow-jobs: `gh api --paginate repos/OWNER/NAME/actions/runs/ID/jobs`.
    A job whose VM was preempted is a failed one there: its outcome is left open. Jobs without a runner did not run.
    """
    for number, job in enumerate(_github_jobs(text), start=1):
        if not job.get("runner_name") or not job.get("started_at"):
            continue
        keys = {
            "workflow": job.get("workflow_name"),
            "branch": job.get("head_branch"),
            "commit": job.get("head_sha"),
        }
        yield Line(
            number,
            {
                "work_id": f"{job['run_id']}/{job['name']}" if job.get("run_id") and job.get("name") else None,
                "attempt": job.get("run_attempt", 1),
                "kind": "github-actions",
                "instance_name": job["runner_name"],
                "start_time": job["started_at"],
                "end_time": job.get("completed_at"),
                "outcome": "succeeded" if job.get("conclusion") == "success" else None,
                "keys": {key: value for key, value in keys.items() if value},
            },
        )


def slurm_lines(text: str) -> Iterator[Line]:
    """Yield the jobs of Slurm's accounting, each on each of its nodes, whose names are those of their VMs.

    `SLURM_TIME_FORMAT=%Y-%m-%dT%H:%M:%S%z sacct --allocations --duplicates --parsable2
    --format=JobID,JobName,User,Partition,State,Start,End,NodeList,AllocCPUS`; without that format Slurm prints times
    that do not say their zone. A job that was requeued has a line for each attempt.
    """
    columns, rows = header_and_rows(text, delimiter="|", quoted=False)
    require_columns(columns, _SLURM_NEEDED, f"run sacct with --format={_SLURM_FORMAT}")
    attempts: Counter[str] = Counter()
    for number, row in rows:
        job, state = row.get("JobID") or "", (row.get("State") or "").partition(" ")[0]
        if (row.get("Start") or "") in _SLURM_UNKNOWN or (row.get("NodeList") or "") in _SLURM_UNKNOWN:
            continue
        attempts[job] += 1
        nodes = list(node_names(row["NodeList"] or ""))
        cpus, end = count(row.get("AllocCPUS") or ""), row.get("End") or ""
        keys = {"name": row.get("JobName"), "user": row.get("User"), "partition": row.get("Partition")}
        for node in nodes:
            yield Line(
                number,
                {
                    "work_id": job,
                    "attempt": attempts[job],
                    "kind": "slurm",
                    "instance_name": node,
                    "start_time": row["Start"],
                    "end_time": None if end in _SLURM_UNKNOWN else end,
                    "weight": str(cpus / len(nodes)) if cpus else None,
                    "outcome": _SLURM_OUTCOMES.get(state),
                    "keys": {key: value for key, value in keys.items() if value},
                },
            )


def batch_lines(text: str) -> Iterator[Line]:
    """Yield the attempts of the tasks of a Batch job, from the events of each task.

    `gcloud batch tasks list --job=JOB --location=REGION --format=json`. An event names the VM as
    `zones/ZONE/instances/ID`; exit code 50001 is a preemption
    (https://cloud.google.com/batch/docs/troubleshooting#reserved-exit-codes).
    """
    for number, task in enumerate(objects(parsed_json(text, "the file"), "a list of tasks"), start=1):
        named = _BATCH_TASK.search(str(task.get("name")))
        if named is None:
            message = f"task {number}: name: {task.get('name')!r} is not the name of a task of a Batch job"
            raise RefusedRequestError(message)
        status = task.get("status") or {}
        found = status.get("statusEvents") or [] if isinstance(status, Mapping) else status
        listed = objects(found, "a list of tasks with a list of statusEvents in their status")
        events = sorted(listed, key=lambda event: str(event.get("eventTime")))
        for attempt, fields in enumerate(_batch_attempts(events), start=1):
            yield Line(
                number,
                {
                    "work_id": f"{named['job']}/{named['group']}/{named['task']}",
                    "attempt": attempt,
                    "kind": "batch",
                    **({} if named["project"].isdecimal() else {"project_id": named["project"]}),
                    "keys": {"job": named["job"]},
                    **fields,
                },
            )


FORMATS: Mapping[str, Callable[[str], Iterator[Line]]] = {
    "csv": csv_lines,
    "jsonl": json_lines,
    "github-actions": github_actions_lines,
    "slurm": slurm_lines,
    "batch": batch_lines,
    "cromwell": cromwell_lines,
    "nextflow": nextflow_lines,
    "ray": ray_lines,
    "skypilot": skypilot_lines,
}
"""The formats by name; the name of a file says which of the first two it is."""

BY_LINE: Mapping[str, Callable[[Iterable[str]], Iterator[Line]]] = {"csv": csv_lines, "jsonl": json_lines}
"""The formats that are read line by line, so that a file may be larger than memory."""

WITHOUT_RUN = frozenset({"nextflow", "skypilot"})
"""Formats whose ids of work are unique in one run or cluster only."""


def node_names(text: str) -> Iterator[str]:
    """Yield the nodes of a list as Slurm writes it: `hpc-[0-2,07]-a,login` has five.

    https://slurm.schedmd.com/scontrol.html: `scontrol show hostnames` prints the same.
    """
    if not _NODE_LIST.fullmatch(text):
        raise _no_node_list(text)
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        pieces = [_numbers(piece, text) if piece[:1] == "[" else [piece] for piece in re.split(r"(\[[^\]]*\])", part)]
        if prod(map(len, pieces)) > _MOST_NODES:
            raise _no_node_list(text)
        yield from map("".join, product(*pieces))


def _numbers(bracket: str, text: str) -> list[str]:
    found: list[str] = []
    for each in bracket.strip("[]").split(","):
        first, _, last = each.partition("-")
        begin, end = int(first), int(last or first)
        if end - begin >= _MOST_NODES:
            raise _no_node_list(text)
        found += [f"{number:0{len(first)}d}" for number in range(begin, end + 1)]
    return found


def _no_node_list(text: str) -> RefusedRequestError:
    return RefusedRequestError(f"{text[:80]!r} is not a list of nodes, such as hpc-[0-2,7]")


def _batch_attempts(events: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, object]]:
    running: dict[str, object] | None = None
    for event in events:
        description, state = str(event.get("description")), str(event.get("taskState", ""))
        vm = _BATCH_VM.search(description)
        starts = state == "RUNNING" or " to RUNNING" in description
        if running is None and starts and vm:
            running = {"zone": vm["zone"], "instance_id": vm["id"], "start_time": event.get("eventTime")}
        elif running is not None and not starts:
            yield {**running, "end_time": event.get("eventTime"), "outcome": _batch_outcome(state, description)}
            running = None
    if running is not None:
        yield running


def _batch_outcome(state: str, description: str) -> str | None:
    if _BATCH_PREEMPTED.search(description):
        return "preempted"
    if state == "SUCCEEDED" or " to SUCCEEDED" in description:
        return "succeeded"
    return "failed" if state == "FAILED" or " to FAILED" in description else None


def _github_jobs(text: str) -> Iterator[Mapping[str, Any]]:
    """The jobs of all pages: `gh api --paginate` prints one object after the other."""
    for page in json_values(text, "the file"):
        yield from objects(page.get("jobs") if isinstance(page, Mapping) else page, 'an object with "jobs"')
