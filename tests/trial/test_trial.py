"""A trial as an operator runs it, against the emulators behind TLS and a login."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.local.emulators.cloud import Cloud
from infra.local.fleet.clock import Clock
from infra.local.fleet.fleet import FLEET_START
from tests.trial.front import Front, certificate

ROOT = Path(__file__).parents[2]
NOW = FLEET_START + timedelta(hours=24, minutes=7)
HOURS = [FLEET_START + timedelta(hours=number) for number in range(24)]
QUOTA_PROJECT = "shared-quota"
FOLDERS = {
    "folders/1": {
        "projects": [
            {"projectId": "web-frontend", "state": "ACTIVE"},
            {"projectId": "long-gone", "state": "DELETE_REQUESTED"},
        ],
        "folders": [{"name": "folders/2", "state": "ACTIVE"}, {"name": "folders/3", "state": "DELETE_REQUESTED"}],
    },
    "folders/2": {"projects": [{"projectId": "data-platform", "state": "ACTIVE"}]},
    "folders/3": {"projects": [{"projectId": "unknown-project", "state": "ACTIVE"}]},
}
LIMIT = 110.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that has ended: what it printed, what it called, and the folder it ran in."""

    code: int
    output: str
    calls: list[str]
    quota_projects: set[str]
    folder: Path

    @property
    def words(self) -> str:
        """The output with single spaces."""
        return re.sub(r"\s+", " ", self.output)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The emulators a day after the fleet started, behind a front."""
    with Cloud(clock=Clock(NOW)) as cloud:
        made = certificate(tmp_path_factory.mktemp("certificate"), datetime.now(UTC))
        with Front(cloud, made, denied_quota_projects={QUOTA_PROJECT}, children=FOLDERS) as running:
            yield running


def start(front: Front, folder: Path, *words: str, quota_project: str | None = None) -> "subprocess.Popen[str]":
    """Start a Python program that finds the product, the front and a login through its environment."""
    environment = front.environment(folder, quota_project)
    environment["PYTHONPATH"] += f"{os.pathsep}{ROOT / 'functions'}"
    temporary = folder / "temporary"
    temporary.mkdir()
    return subprocess.Popen(  # noqa: S603 (our own program)
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **environment, "TMPDIR": str(temporary), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def trial(folder: Path, *more: str) -> list[str]:
    """Return the command of a trial of one day."""
    at = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    return ["-m", "infra.local.trial", "--days", "1", "--at", at, "--report", str(folder / "report.html"), *more]


@pytest.fixture(scope="module")
def ended(front: Front, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A trial of a project and a folder with a budget, by a login whose quota project it may not use."""
    folder = tmp_path_factory.mktemp("trial")
    command = trial(folder, "--projects", "research-ml,folders/1", "--budget", "1000", "--label", "team=vision")
    running = start(front, folder, *command, quota_project=QUOTA_PROJECT)
    output, _ = running.communicate(timeout=LIMIT)
    return Trial(running.returncode, output, list(front.calls), set(front.quota_projects), folder)


def test_a_trial_ends_well_and_shows_the_hours_of_the_projects_and_of_the_folder(ended: Trial, front: Front) -> None:
    expected = {
        project: sum(
            vm.uptime_seconds(hour, hour + timedelta(hours=1))
            for vm in front.cloud.state.fleet.of_project(project)
            if vm.is_spot
            for hour in HOURS
        )
        for project in ("research-ml", "web-frontend", "data-platform")
    }

    assert ended.code == 0, ended.output
    shown = {name: float(hours) for name, hours in re.findall(r"│ ([a-z-]+)\s+│\s+\d+ │\s+([\d.]+) │", ended.output)}
    assert {name: shown[name] for name in expected} == pytest.approx(
        {name: float(seconds) / 3600 for name, seconds in expected.items()}, abs=0.006
    )
    assert "long-gone" not in ended.output
    assert "unknown-project" not in ended.output


def test_a_trial_says_how_sure_the_cost_is(ended: Trial) -> None:
    [known] = re.findall(r"Known cost: ([\d.]+) USD in 24 hours", ended.words)

    assert float(known) > 100
    assert re.search(r"Priced: [\d.]+ of [\d.]+ VM-hours \(9\d\.\d\d%\); [\d.]+ could not be identified", ended.words)
    assert "VM-hours at today's price: the catalog has no earlier ones" in ended.words
    assert "early-bird in us-east1-b: no rule for machine type n9-standard-4" in ended.words
    assert "provisional, late points may still come: 1" in ended.words


def test_a_trial_shows_the_plan_of_the_enforcer_and_the_way_to_deploy(ended: Trial) -> None:
    assert "At a monthly budget of 1000 USD, once 1000.00 USD are spent (dry run)" in ended.words
    assert len(re.findall(r"^  stop .*stop \d of 3: low priority", ended.output, re.MULTILINE)) == 3
    assert "make deploy PROJECT=research-ml" in ended.words


def test_a_trial_shows_the_cost_of_the_vms_with_a_label(ended: Trial) -> None:
    [(cost, vms, lost)] = re.findall(
        r"^team=vision: ([\d.]+) USD on (\d+) Spot VMs, \d+ preemptions?(.*); on demand", ended.output, re.MULTILINE
    )

    assert float(cost) > 1
    assert int(vms) > 1
    assert not lost or "USD of lost work" in lost
    assert re.search(r"^VM-hours +[\d.]+$", ended.output, re.MULTILINE)


def test_a_quota_project_that_may_not_be_used_is_named_and_left_out(ended: Trial) -> None:
    assert f"quota project {QUOTA_PROJECT}: you may not use it (serviceusage.services.use)" in ended.words
    assert ended.quota_projects == {QUOTA_PROJECT}


def test_the_checks_hold_and_the_report_is_written(ended: Trial) -> None:
    assert "checks, all passed" in ended.words
    assert "<html" in (ended.folder / "report.html").read_text(encoding="utf-8")


def test_a_trial_called_nothing_that_changes_something_and_leaves_nothing_behind(ended: Trial, front: Front) -> None:
    kinds = {re.sub(r"projects/[^/]+|zones/.*", "*", call) for call in ended.calls}

    assert kinds == {
        "/google.cloud.asset.v1.AssetService/BatchGetAssetsHistory",
        "/google.cloud.billing.v1.CloudCatalog/ListSkus",
        "/google.monitoring.v3.MetricService/ListTimeSeries",
        "GET /compute/v1/*/*",
        "GET /compute/v1/*/aggregated/addresses",
        "GET /compute/v1/*/aggregated/disks",
        "GET /compute/v1/*/aggregated/instances",
        "GET /compute/v1/*/aggregated/operations",
        "GET /v3/folders",
        "GET /v3/projects",
        "POST /v2/entries:list",
    }
    assert front.cloud.state.calls == []
    assert list((ended.folder / "temporary").iterdir()) == []


def test_a_write_is_refused_before_it_is_sent_and_would_be_answered_without_the_check(
    front: Front, tmp_path: Path
) -> None:
    outcomes = {}
    for how in ("guarded", "unguarded"):
        front.calls.clear()
        (tmp_path / how).mkdir()
        running = start(front, tmp_path / how, "-m", "tests.trial.try_writes", how, "data-platform")
        output, _ = running.communicate(timeout=LIMIT)
        changing = [call for call in front.calls if not call.startswith("GET ")]
        outcomes[how] = dict(line.split(": ")[:2] for line in output.splitlines()), changing

    refused, sent = outcomes["guarded"]
    assert refused == dict.fromkeys(["warn", "stop", "metrics", "delete"], "refused")
    assert sent == []
    answered, sent = outcomes["unguarded"]
    assert answered == dict.fromkeys(["warn", "stop", "metrics", "delete"], "answered")
    assert len(sent) >= 4


def test_an_interrupted_trial_leaves_nothing_behind(front: Front, tmp_path: Path) -> None:
    front.calls.clear()
    running = start(front, tmp_path, *trial(tmp_path, "--projects", "research-ml"))
    deadline = time.monotonic() + LIMIT
    while "/google.cloud.billing.v1.CloudCatalog/ListSkus" not in front.calls:
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.05)

    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=LIMIT)

    assert running.returncode == 130, output
    assert "nothing is left running" in output
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / "report.html").exists()
    assert [each for each in commands() if str(tmp_path) in each] == []


def commands() -> Iterator[str]:
    """Yield the command line of every process of this machine."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
