"""The month of the demo: the calls of the tracker, the budgets and the policy of the company."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.local.fleet.company import AFTERNOON, MONTH_START
from infra.local.fleet.scenario import PROJECTS, moment
from infra.local.stack.processes import StartError
from infra.local.stack.stack import BUDGET_ID, Answer, Stack
from spotkeeper.periods import HOUR, LONGEST_RANGE, rfc3339

MINUTE_OF_CALL = timedelta(minutes=7)
MONTHLY_BUDGET = 3000

POLICY = {
    "budgets": {BUDGET_ID: {"projects": [project.project_id for project in PROJECTS]}},
    "steps": [{"threshold": 1.0, "priorities": ["low"]}, {"threshold": 2.0, "priorities": ["medium"]}],
    "sources": {"billing": "stop", "tracker": "stop"},
    "freeze_groups": 1.0,
}
"""Alerts of the tracker may stop VMs too: the bill knows of an afternoon a day later."""

SETTINGS = {
    "HOURLY_BUDGET_USD": "10",
    "DAILY_BUDGET_USD": "140",
    "MONTHLY_BUDGET_USD": str(MONTHLY_BUDGET),
    "ALERT_THRESHOLDS": "0.8,1.0",
    "RECORD_CREATORS": "true",
    "STOP_THRESHOLDS": "1.0",
    "ENFORCEMENT_POLICY": json.dumps(POLICY),
}
"""What a usual hour costs is half of the budget of an hour, and a usual month ends at five sixths of its budget."""

_WEEKS = 4
_SHOWN = "%a %d %b %H:%M UTC"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the tracker, for the hours that are due or for those from `start` to `end`."""

    at: datetime
    start: datetime | None = None
    end: datetime | None = None

    @property
    def body(self) -> object:
        """The request's body."""
        if self.start is None or self.end is None:
            return None
        return {"start": rfc3339(self.start), "end": rfc3339(self.end)}


def month_calls() -> Iterator[Call]:
    """Yield the calls up to the last afternoon: four weeks, one at a time, then what is due.

    Each week begins with the last hour of the one before, which was provisional; a call is for at most a week. The
    catalog is read in the hours before and after 07:00 UTC of the last day, when prices change.
    """
    yield Call(MONTH_START + HOUR + MINUTE_OF_CALL)
    for number in range(_WEEKS):
        start = MONTH_START + number * (LONGEST_RANGE - HOUR)
        yield Call(start + LONGEST_RANGE + MINUTE_OF_CALL, start, start + LONGEST_RANGE)
    for at in (moment("22 06:00:00"), moment("22 07:00:00"), AFTERNOON + HOUR):
        yield Call(at + MINUTE_OF_CALL)


def track(stack: Stack, console: Console, calls: Sequence[Call]) -> None:
    """Call the tracker at these times of the fleet; without a range it catches up by itself."""
    columns = (TextColumn("Tracking {task.fields[at]}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("calls", total=len(calls), at=f"{calls[0].at:{_SHOWN}}")
        for call in calls:
            progress.update(task, at=f"{call.at:{_SHOWN}}")
            tracked(stack, call)
            progress.advance(task)


def tracked(stack: Stack, call: Call) -> Answer:
    """Call the tracker once and return its answer; raises StartError when it failed."""
    stack.set_time(call.at)
    answer = stack.schedule(call.at, call.body)
    if answer.status != 200:  # noqa: PLR2004
        message = f"the tracker answered {answer.status}: {answer.body}"
        raise StartError(message)
    return answer
