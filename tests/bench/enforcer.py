"""The enforcer: the message that stops nothing, the plan for a large fleet, and many stops at once."""

import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from infra.local.processes import Processes
from infra.local.stack import BUDGET_ID, running_stack
from spotkeeper.acting import Clockwork, Crew
from spotkeeper.actions import Event, Verb, order
from spotkeeper.budgets import Verdict, VerdictName
from spotkeeper.gcp.actuator import ComputeActuator
from spotkeeper.gcp.fleet import SpotFleet
from spotkeeper.periods import PeriodKind, budget_period
from spotkeeper.plans import Plan, Situation, SpotVm, plan
from spotkeeper.policies import BudgetRule, Caps, Policy, Priority
from tests.bench.rows import ROUNDS, Row, medians

ROOT = Path(__file__).parents[2]
VMS, STOPS, OPERATION_SECONDS = 50_000, 300, 2
PROJECT = "load-000"
NOW = datetime(2026, 7, 21, 2, tzinfo=UTC)
_TIME_SHARE, _MEMORY_SHARE, _PLAN_SECONDS, _STOP_SECONDS = 1 / 3, 1 / 2, 1.0, 30.0


def rows() -> Sequence[Row]:
    """Measure all three."""
    return [*_cold_starts(), *_large_fleet()]


def _cold_starts() -> Sequence[Row]:
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder)) as stack:
        usual = ROOT / "tests" / "bench" / "usual_function.py"
        ours = [_cold(ROOT / "functions" / "main.py", stack.settings) for _ in range(ROUNDS)]
        theirs = [_cold(usual, stack.settings) for _ in range(ROUNDS)]
    rows = []
    for what, unit, most in (("seconds", "s", _TIME_SHARE), ("peak_mib", "MiB", _MEMORY_SHARE)):
        usual_figure, our_figure = (statistics.median(each[what] for each in found) for found in (theirs, ours))
        share = our_figure / usual_figure
        rows += [
            Row(f"cold, usual function, {what}", f"{usual_figure:.2f} {unit}"),
            Row(
                f"cold, this function, under budget, recorded, {what}",
                f"{our_figure:.2f} {unit} = {share:.2f} of that",
                f"{most:.2f} of that",
                passed=share <= most,
            ),
        ]
    return rows


def _cold(source: Path, settings: Mapping[str, str]) -> dict[str, float]:
    body = {"costAmount": 1, "budgetAmount": 500, "currencyCode": "USD", "costIntervalStart": "2026-07-01T07:00:00Z"}
    message = {
        "data": base64.b64encode(json.dumps(body).encode()).decode(),
        "attributes": {"budgetId": BUDGET_ID, "schemaVersion": "1.0"},
        "messageId": f"bench-{time.monotonic_ns()}",
        "publishTime": "2026-07-21T02:00:00Z",
    }
    told = subprocess.run(  # noqa: S603 (our own programs)
        [sys.executable, "-m", "tests.bench.cold_start", str(source), "enforce_budget_limit"],
        input=json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}),
        env={**os.environ, **settings, "FUNCTION_TARGET": "enforce_budget_limit"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    if found["status"] != 200:
        message_of_failure = f"{source} answered {found['status']}: {told.stderr}"
        raise RuntimeError(message_of_failure)
    return found


def _large_fleet() -> Sequence[Row]:
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        command = [sys.executable, "-m", "infra.local.cloud", "--synthetic-vms", str(VMS), "--now", NOW.isoformat()]
        address = processes.announced("cloud", command)["rest"]
        _control(address, "operations", {"seconds": OPERATION_SECONDS})
        fleet = SpotFleet(address, timedelta(minutes=1))
        started = time.perf_counter()
        vms = list(fleet.spot_vms(PROJECT, _ignored))
        listed = time.perf_counter() - started
        planned = medians(plan=lambda: _plan(vms))["plan"]
        stops = _plan(vms).stops
        actuator = ComputeActuator(address, timedelta(minutes=1), fleet.shapes, 32)
        clock = Clockwork(NOW, timedelta(minutes=8), _stopwatch, lambda _: None, _stopwatch())
        orders = {order(Verb.STOP, "bench", each.vm.instance.key, each.vm.instance.name): _never for each in stops}
        started = time.perf_counter()
        outcomes = Crew(actuator, clock, 32).carry_out(Verb.STOP, orders)
        stopped = time.perf_counter() - started
    done = sum(outcome.event is Event.STOPPED for outcome in outcomes)
    return [
        Row("running Spot VMs, listed", f"{len(vms):,} in {listed:.1f} s"),
        Row("planned", f"{planned:.3f} s", f"{_PLAN_SECONDS:.1f} s", passed=planned < _PLAN_SECONDS),
        Row(
            f"stopped, {OPERATION_SECONDS} s an operation",
            f"{done} in {stopped:.1f} s",
            f"{STOPS} in {_STOP_SECONDS:.0f} s",
            passed=done == STOPS and stopped < _STOP_SECONDS,
        ),
    ]


def _plan(vms: Sequence[SpotVm]) -> Plan:
    rule = BudgetRule("bench", (PROJECT,), caps=Caps(per_alert=STOPS, per_day=STOPS))
    period = budget_period(PeriodKind.MONTH, NOW)
    verdict = Verdict(VerdictName.OVER_BUDGET, "", rule, period, frozenset(Priority))
    return plan(verdict, Situation(Decimal(2), Decimal(1), period, NOW), vms, Policy({"bench": rule}), 0)


def _control(address: str, path: str, body: object) -> None:
    data, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/_control/{path}", data, kind)  # noqa: S310 (always http://127.0.0.1)
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answer.read()


def _stopwatch() -> timedelta:
    return timedelta(seconds=time.monotonic())


def _never(vm: SpotVm | None) -> tuple[Event, str] | None:
    return (Event.CHANGED, "it is gone") if vm is None else None


def _ignored(_: str) -> None:
    """Take no note."""
