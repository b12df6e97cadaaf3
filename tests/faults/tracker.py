"""A run of the tracker with a fault, the next without, and what the tables then say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from werkzeug.test import Client

from infra.local.stack.stack import HOME_PROJECT, TOPIC, Answer
from tests.faults.fleets import at
from tests.faults.injection import Fault
from tests.faults.keeping import empty, keep, put_back
from tests.faults.outcomes import Outcome, Result, Story, differs, judged
from tests.faults.places import Place, schedule
from tests.faults.snapshots import Snapshot, snapshot

KEPT = "tracker"
TARGET = "track_spot_costs"
FIRST, DISTURBED, NEXT = at(1, 7), at(4, 7), at(5, 7)
"""When the tables get their first rows, when the fault strikes (three hours are due then), and when it is gone."""

OPERATIONS = {
    "uptime": "Cloud Monitoring",
    "figures": "Cloud Monitoring",
    "instances": "Compute Engine",
    "addresses": "Compute Engine",
    "disks": "Compute Engine",
    "preemptions": "Compute Engine",
    "machine types": "Compute Engine",
    "assets": "Cloud Asset Inventory",
    "audit log": "Cloud Logging",
    "skus": "Cloud Billing Catalog",
    "query": "BigQuery",
    "rows": "BigQuery",
    "load": "BigQuery",
    "commit": "BigQuery",
    "sweep": "BigQuery",
    "publish": "Pub/Sub",
}
"""What the tracker asks for, and whose name an error about it has to bear."""

SETTINGS = {
    "ASSET_HISTORY": "true",
    "AUDIT_LOG_HISTORY": "true",
    "BUDGET_TOPIC": TOPIC,
    "RETRY_TIMEOUT_SECONDS": "2",
    "DAILY_BUDGET_USD": "3",
    "PROJECTS": HOME_PROJECT,
}


@dataclass(frozen=True, slots=True)
class _Run:
    """A run and what followed: the tables, the answer, what was wrong at once, and the calls of each operation."""

    story: Story
    answer: Answer
    problems: Sequence[str]
    calls: Mapping[str, int]


@dataclass
class Tracker:
    """Runs of the tracker in a place, all in one dataset: what it is to begin with is put back before each."""

    place: Place
    dataset: str = field(init=False)
    _initial: Snapshot | None = None
    _references: dict[str, tuple[Story, Mapping[str, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the dataset."""
        self.dataset = self.place.new_dataset()

    def calls(self, operation: str) -> int:
        """How often an operation is called by the run that a fault strikes."""
        return self._reference(_refresh(operation))[1].get(operation, 0)

    def ends(self, fault: Fault) -> Result:
        """Let one run be struck by a fault, and say how that ended."""
        refresh = _refresh(fault.operation)
        reference, _ = self._reference(refresh)
        run = self._story(refresh, fault)
        if run.problems:
            return Result(Outcome.WRONG, "; ".join(run.problems))
        return judged(fault.kind, OPERATIONS[fault.operation], run.answer, run.story, reference)

    def undisturbed(self) -> Story:
        """Return all tables as they are without a fault."""
        return self._reference("6")[0]

    def _reference(self, refresh: str) -> tuple[Story, Mapping[str, int]]:
        if refresh not in self._references:
            run = self._story(refresh)
            if run.answer.body.get("complete") is not True:
                message = f"an undisturbed run is not complete: {run.answer}"
                raise AssertionError(message)
            self._references[refresh] = run.story, run.calls
        return self._references[refresh]

    def _story(self, refresh: str, *faults: Fault) -> _Run:
        before = self.begin()
        function = self._function(refresh)
        self.place.injection.inject(*faults)
        self.set_time(DISTURBED)
        answer = schedule(function, DISTURBED)
        problems = self.place.injection.problems()
        calls = self.place.injection.inject()
        after = snapshot(self.place.client, self.dataset)
        reference = self._references.get(refresh)
        if reference and answer.body.get("complete") is True and not differs(after, reference[0].after):
            repaired = reference[0].repaired
        else:
            self.set_time(NEXT)
            schedule(function, NEXT)
            repaired = snapshot(self.place.client, self.dataset)
        problems += self.place.leftovers(self.dataset)
        return _Run(Story(before, after, repaired), answer, problems, calls)

    def begin(self) -> Snapshot:
        """Let the dataset hold one undisturbed hour, no VM be stopped by the enforcer, and return what it holds."""
        self.place.cloud.state.reset()
        if self._initial is None:
            empty(self.place.client, self.dataset)
            self.place.injection.inject()
            self.set_time(FIRST)
            schedule(self._function("6"), FIRST)
            keep(self.place.client, self.dataset, KEPT)
            self._initial = snapshot(self.place.client, self.dataset)
        put_back(self.place.client, self.dataset, KEPT)
        return self._initial

    def _function(self, refresh: str) -> Client:
        extra = {"PRICE_REFRESH_HOURS": refresh}
        return self.place.function(TARGET, self.place.settings(self.dataset, SETTINGS | extra))

    def set_time(self, moment: datetime) -> None:
        """Let the emulators be at a time, and forget the figures they were sent."""
        self.place.cloud.state.clock.now = moment
        self.place.cloud.monitoring.written.clear()


def _refresh(operation: str) -> str:
    """How many hours a reading of the catalog lasts: one where reading it is what is to fail."""
    return "1" if operation == "skus" else "6"
