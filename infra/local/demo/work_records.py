"""The work that ran on some VMs of the demo, as a scheduler and a CI system would say."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from infra.local.bigquery.job_requests import LOCATION
from infra.local.fleet.company import EXPERIMENT, TRAINING_RUN, company_fleet, training_attempts
from infra.local.fleet.scenario import RESEARCH, WEB, moment
from infra.local.stack.processes import StartError
from infra.local.stack.stack import DATASET, HOME_PROJECT, Stack
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.work_tables import WorkTables
from spotkeeper.periods import rfc3339
from spotkeeper.work.formats import BY_LINE
from spotkeeper.work.records import Problem, WorkRecord, checked_records

LAST_MONDAY = moment("20 00:00:00")
_RETRY_TIMEOUT = timedelta(seconds=10)
_CHECKPOINTS = timedelta(minutes=30)
_BUILDS_SINCE = moment("21 00:00:00")


def work_records() -> Iterator[dict[str, object]]:
    """Yield the attempts at the last training run, and the builds of the last two days."""
    attempts = list(training_attempts(LAST_MONDAY))
    for number, (start, end) in enumerate(attempts, 1):
        yield {
            "work_id": EXPERIMENT,
            "attempt": number,
            "kind": "training",
            "project_id": RESEARCH.project_id,
            "zone": "europe-west4-a",
            "instance_name": f"{TRAINING_RUN}-4",
            "start_time": rfc3339(start + timedelta(minutes=2)),
            "end_time": rfc3339(end),
            "outcome": "succeeded" if number == len(attempts) else "preempted",
            "saved_at": rfc3339(_last_checkpoint(start, end)),
            "checkpoint_interval_seconds": int(_CHECKPOINTS.total_seconds()),
        }
    for vm in company_fleet().of_project(WEB.project_id):
        run = vm.runs[0]
        build = vm.labels_at(vm.created).get("build")
        if build and run.start >= _BUILDS_SINCE and run.end is not None:
            yield {
                "work_id": f"build-{build}",
                "kind": "ci",
                "project_id": vm.project_id,
                "zone": vm.zone,
                "instance_name": vm.name,
                "start_time": rfc3339(run.start),
                "end_time": rfc3339(run.end),
                "outcome": "succeeded",
            }


def load_work(stack: Stack, now: datetime) -> None:
    """Load the records of the work that has ended."""
    ended = (json.dumps(record) for record in work_records() if str(record["end_time"]) <= rfc3339(now))
    tables = WorkTables(Jobs(HOME_PROJECT, DATASET, stack.bigquery, _RETRY_TIMEOUT, LOCATION))
    tables.write(_valid(checked_records(BY_LINE["jsonl"](ended), {})), now)


def _valid(checked: Iterable[WorkRecord | Problem]) -> Iterator[WorkRecord]:
    for each in checked:
        if isinstance(each, Problem):
            message = f"the work of the demo cannot be loaded: {each}"
            raise StartError(message)
        yield each


def _last_checkpoint(start: datetime, end: datetime) -> datetime:
    return start + (end - start) // _CHECKPOINTS * _CHECKPOINTS
