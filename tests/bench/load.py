"""A synthetic fleet, the servers that a bench needs, and the tracker as a process of its own."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.cloud import bigquery

from infra.local.bigquery.job_requests import LOCATION
from infra.local.bigquery.tables import create_dataset, local_client
from infra.local.stack.processes import Processes
from infra.local.stack.stack import SCHEDULE_HEADER

ROOT = Path(__file__).parents[2]
MAIN = ROOT / "functions" / "main.py"
TRACKER = "track_spot_costs"
PROJECT, DATASET = "load-000", "cost_tracking"
NOW = datetime(2026, 7, 21, 12, 7, tzinfo=UTC)
FIRST_HOUR = datetime(2026, 7, 21, 2, tzinfo=UTC)
"""All VMs of a synthetic fleet run in it and in the hours after it."""

_REQUEST = re.compile(r'"(\w+) (/\S*) HTTP/1\.1" \d+')
_JOBS = re.compile(r"/jobs(\?|$)|/queries(\?|$)")


@dataclass(frozen=True, slots=True)
class Call:
    """What one call of a function came to; `seconds` of the first one count from the start of its process."""

    status: int
    seconds: float
    peak_mib: float
    body: str


@dataclass(frozen=True, slots=True)
class Load:
    """Servers with a fleet, and the settings that lead a tracker to them."""

    settings: Mapping[str, str]
    bigquery_log: Path

    def client(self) -> bigquery.Client:
        """Return a client of the BigQuery."""
        return local_client(self.settings["BIGQUERY_ENDPOINT"], PROJECT)

    def track(self, hours: Sequence[int], source: Path = MAIN, **headers: str) -> list[Call]:
        """Start a fresh process and let it do these hours of the fleet, one call for each."""
        calls = [{"headers": {SCHEDULE_HEADER: _scheduled(hour), **headers}, "json": None} for hour in hours]
        return called(source, TRACKER, "http", calls, self.settings)

    def requests(self) -> "Requests":
        """Return what BigQuery was asked since it started."""
        asked = _REQUEST.findall(self.bigquery_log.read_text(errors="replace"))
        return Requests(len(asked), Counter(_job(method, path) for method, path in asked)[True])


@dataclass(frozen=True, slots=True)
class Requests:
    """How often BigQuery was called, and how many of the calls made a job."""

    calls: int
    jobs: int

    def since(self, before: "Requests") -> "Requests":
        """Return what came after an earlier count."""
        return Requests(self.calls - before.calls, self.jobs - before.jobs)


def hour(number: int) -> datetime:
    """Return an hour of the fleet."""
    return FIRST_HOUR + timedelta(hours=number)


@contextmanager
def load(vms: int, projects: int = 1, *, copies: bool = False, bare: bool = False) -> Iterator[Load]:
    """Serve a fleet and an empty dataset; each VM has two disks unless they are bare."""
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder) / "logs") as processes:
        kind = [*(["--copies"] if copies else []), *(["--bare"] if bare else [])]
        fleet = ["--vms", str(vms), "--projects", str(projects), *kind]
        served = [sys.executable, "-m", "tests.bench.served", *fleet, "--now", NOW.isoformat()]
        cloud = processes.announced("cloud", served)
        data = ["--data-dir", f"{folder}/data", "--project", PROJECT, "--dataset", DATASET, "--access-log"]
        warehouse = processes.announced("bigquery", [sys.executable, "-m", "infra.local.bigquery", *data])["bigquery"]
        create_dataset(local_client(warehouse, PROJECT), DATASET)
        settings = {
            "PROJECT_ID": PROJECT,
            "PROJECTS": ",".join(f"load-{number:03}" for number in range(projects)),
            "DATASET": DATASET,
            "DATASET_LOCATION": LOCATION,
            "CLOCK": "schedule",
            "DAILY_BUDGET_USD": "1000000000",
            "BIGQUERY_ENDPOINT": warehouse,
            "COMPUTE_ENDPOINT": cloud["rest"],
            "MONITORING_ENDPOINT": f"http://{cloud['grpc']}",
            "BILLING_ENDPOINT": cloud["rest"],
        }
        yield Load(settings, Path(folder) / "logs" / "bigquery.log")


def called(
    source: Path, target: str, kind: str, calls: Sequence[Mapping[str, Any]], settings: Mapping[str, str]
) -> list[Call]:
    """Call a function in a fresh process; a call that does not succeed is an error."""
    process = subprocess.run(  # noqa: S603 (our own programs)
        [sys.executable, "-m", "tests.bench.cold_start", str(source), target, kind],
        input=json.dumps(calls),
        env={**os.environ, **settings, "FUNCTION_TARGET": target},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [
        json.loads(line) for line in process.stdout.splitlines() if line.startswith('{"status": ') and "peak" in line
    ]
    found = [Call(**line) for line in lines]
    if process.returncode or len(found) < len(calls) or any(call.status != 200 for call in found):
        message = f"{source.name} {target} answered {found}: {process.stdout[-2000:]} {process.stderr[-2000:]}"
        raise RuntimeError(message)
    return found


def _scheduled(number: int) -> str:
    """When the run of an hour is due."""
    return (hour(number) + timedelta(hours=1, minutes=7)).isoformat().replace("+00:00", "Z")


def _job(method: str, path: str) -> bool:
    return method == "POST" and bool(_JOBS.search(path))
