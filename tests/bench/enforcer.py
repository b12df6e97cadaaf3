"""The enforcer: the list of a large fleet, the plan for it, and many stops at once."""

import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from infra.local.stack.processes import Processes
from spotkeeper.enforcement.actions import ActionEvent, Verb, vm_request
from spotkeeper.enforcement.executor import Deadline, Executor, Skip
from spotkeeper.enforcement.history import StopCounts
from spotkeeper.enforcement.plans import Plan, Situation, plan
from spotkeeper.enforcement.policies import BudgetRule, Caps, Policy, Priority
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.enforcement.verdicts import Verdict, VerdictName
from spotkeeper.gcp.compute.actuator import ComputeActuator
from spotkeeper.gcp.compute.spot_fleet import SpotFleet
from spotkeeper.gcp.enforcer import PARALLEL_REQUESTS
from spotkeeper.periods import PeriodKind, budget_period
from tests.bench.rows import ROUNDS, Row

ROOT = Path(__file__).parents[2]
VMS, STOPS, OPERATION_SECONDS = 50_000, 300, 2
PROJECT = "load-000"
NOW = datetime(2026, 7, 21, 2, tzinfo=UTC)
_PLAN_SECONDS, _STOP_SECONDS = 1.0, 30.0


def rows() -> Sequence[Row]:
    """List a large fleet, plan for it, and stop as many as the plan says."""
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        command = [
            sys.executable,
            "-m",
            "infra.local.emulators.cloud",
            "--synthetic-vms",
            str(VMS),
            "--now",
            NOW.isoformat(),
        ]
        address = processes.announced("cloud", command)["rest"]
        _control(address, "operations", {"seconds": OPERATION_SECONDS})
        fleet = SpotFleet(address, timedelta(minutes=1))
        started = time.perf_counter()
        vms = list(fleet.spot_vms(PROJECT, _ignored))
        listed = time.perf_counter() - started
        planned = min(_cpu_seconds(vms) for _ in range(ROUNDS))
        stops = _plan(vms).stops
        actuator = ComputeActuator(address, timedelta(minutes=1), fleet.shapes, PARALLEL_REQUESTS)
        deadline = Deadline(NOW, timedelta(minutes=8), _stopwatch, lambda _: None, _stopwatch())
        requests = {
            vm_request(Verb.STOP, "bench", each.vm.instance.key, each.vm.instance.name): _never for each in stops
        }
        started = time.perf_counter()
        outcomes = Executor(actuator, deadline, PARALLEL_REQUESTS).execute(Verb.STOP, requests)
        stopped = time.perf_counter() - started
    done = sum(outcome.event is ActionEvent.STOPPED for outcome in outcomes)
    return [
        Row("running Spot VMs, listed", f"{len(vms):,} in {listed:.1f} s"),
        Row(
            "planned, seconds of CPU: nothing is waited for",
            f"{planned:.3f} s",
            f"{_PLAN_SECONDS:.1f} s",
            passed=planned < _PLAN_SECONDS,
        ),
        Row(
            f"stopped, {OPERATION_SECONDS} s an operation",
            f"{done} in {stopped:.1f} s",
            f"{STOPS} in {_STOP_SECONDS:.0f} s",
            passed=done == STOPS and stopped < _STOP_SECONDS,
        ),
    ]


def _cpu_seconds(vms: Sequence[SpotVm]) -> float:
    started = time.process_time()
    _plan(vms)
    return time.process_time() - started


def _plan(vms: Sequence[SpotVm]) -> Plan:
    rule = BudgetRule("bench", (PROJECT,), caps=Caps(per_alert=STOPS, per_day=STOPS))
    policy = Policy({"bench": rule}, max_stops_per_day_total=STOPS)
    period = budget_period(PeriodKind.MONTH, NOW)
    verdict = Verdict(VerdictName.OVER_BUDGET, "", rule, period, frozenset(Priority))
    return plan(verdict, Situation(Decimal(2), Decimal(1), period, NOW), vms, policy, StopCounts())


def _control(address: str, path: str, body: object) -> None:
    data, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/_control/{path}", data, kind)  # noqa: S310 (always http://127.0.0.1)
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answer.read()


def _stopwatch() -> timedelta:
    return timedelta(seconds=time.monotonic())


def _never(vm: SpotVm | None) -> Skip | None:
    return Skip(ActionEvent.CHANGED, "the instance no longer exists") if vm is None else None


def _ignored(_: str) -> None:
    """Take no note."""
