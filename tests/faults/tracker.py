"""A run of the tracker with a fault, the next without, and what the tables then say."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from werkzeug.test import Client

from infra.local.emulators.contract import ACCOUNT
from infra.local.stack.stack import HOME_PROJECT, TOPIC, Answer
from tests.faults.contract import judged_contract
from tests.faults.fleets import at
from tests.faults.injection import Fault
from tests.faults.keeping import empty, keep, put_back
from tests.faults.outcomes import BESIDE, Outcome, Result, Story, differs, judged, judged_beside
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
    "capacity": "Compute Engine",
    "assets": "Cloud Asset Inventory",
    "audit log": "Cloud Logging",
    "skus": "Cloud Billing Catalog",
    "contract prices": "Pricing API",
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
class Case:
    """What a fault strikes: a run with prices of so many hours, which may read the capacity history or contract prices.

    That is read once a day, from 3:00 in Los Angeles on; what could not be read is read on the next day. One that is
    `hourly` has one hour to record: the list of addresses is made up for while its hours are recorded once more.
    """

    price_refresh_hours: int = 6
    reads_capacity: bool = False
    reads_contract: bool = False
    hourly: bool = False

    @property
    def moments(self) -> tuple[datetime, datetime, datetime]:
        """When the tables get their first rows, when the fault strikes, and when it is gone."""
        if self.reads_capacity:
            return at(8, 7), at(11, 7), at(35, 7)
        return (FIRST, at(2, 7), at(3, 7)) if self.hourly else (FIRST, DISTURBED, NEXT)

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings that it adds."""
        capacity = {"CAPACITY_HISTORY": "true", "CAPACITY_HISTORY_CALLS": "200"} if self.reads_capacity else {}
        contract = {"CONTRACT_PRICES": "true", "BILLING_ACCOUNT_ID": ACCOUNT} if self.reads_contract else {}
        return {"PRICE_REFRESH_HOURS": str(self.price_refresh_hours), **capacity, **contract}


USUAL = Case()
CASES = {
    "skus": Case(price_refresh_hours=1),
    "capacity": Case(reads_capacity=True),
    "contract prices": Case(reads_contract=True),
    "addresses": Case(hourly=True),
}
"""The case of each operation for which the usual one does not do."""


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
    _initial: dict[bool, Snapshot] = field(default_factory=dict)
    _references: dict[Case, tuple[Story, Mapping[str, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the dataset."""
        self.dataset = self.place.new_dataset()

    def calls(self, operation: str) -> int:
        """How often an operation is called by the run that a fault strikes."""
        return self._reference(_case(operation))[1].get(operation, 0)

    def ends(self, fault: Fault) -> Result:
        """Let one run be struck by a fault, and say how that ended."""
        case = _case(fault.operation)
        reference, _ = self._reference(case)
        run = self._story(case, fault)
        if run.problems:
            return Result(Outcome.WRONG, "; ".join(run.problems))
        if case.reads_contract:
            return judged_contract(fault.kind, OPERATIONS[fault.operation], run.answer, run.story, reference)
        if fault.operation in BESIDE:
            return judged_beside(fault, OPERATIONS[fault.operation], run.answer, run.story, reference)
        return judged(fault.kind, OPERATIONS[fault.operation], run.answer, run.story, reference)

    def undisturbed(self) -> Story:
        """Return all tables as they are without a fault."""
        return self._reference(USUAL)[0]

    def _reference(self, case: Case) -> tuple[Story, Mapping[str, int]]:
        if case not in self._references:
            run = self._story(case)
            if run.answer.body.get("complete") is not True:
                message = f"an undisturbed run is not complete: {run.answer}"
                raise AssertionError(message)
            self._references[case] = run.story, run.calls
        return self._references[case]

    def _story(self, case: Case, *faults: Fault) -> _Run:
        before = self.begin(case)
        function = self._function(case)
        _, disturbed, following = case.moments
        self.place.injection.inject(*faults)
        self.set_time(disturbed)
        log = _Warnings()
        logging.getLogger("spotkeeper").addHandler(log)
        answer = schedule(function, disturbed)
        logging.getLogger("spotkeeper").removeHandler(log)
        problems = self.place.injection.problems()
        calls = self.place.injection.inject()
        after = snapshot(self.place.client, self.dataset)
        reference = self._references.get(case)
        if reference and answer.body.get("complete") is True and not differs(after, reference[0].after):
            repaired = reference[0].repaired
        else:
            self.set_time(following)
            schedule(function, following)
            repaired = snapshot(self.place.client, self.dataset)
        problems += self.place.leftovers(self.dataset)
        return _Run(Story(before, after, repaired, log.details), answer, problems, calls)

    def begin(self, case: Case = USUAL) -> Snapshot:
        """Let the dataset hold one undisturbed hour, no VM be stopped by the enforcer, and return what it holds."""
        self.place.cloud.state.reset()
        kept = f"{KEPT}_with_capacity" if case.reads_capacity else KEPT
        if case.reads_capacity not in self._initial:
            empty(self.place.client, self.dataset)
            self.place.injection.inject()
            first = case.moments[0]
            self.set_time(first)
            schedule(self._function(USUAL), first)
            keep(self.place.client, self.dataset, kept)
            self._initial[case.reads_capacity] = snapshot(self.place.client, self.dataset)
        put_back(self.place.client, self.dataset, kept)
        return self._initial[case.reads_capacity]

    def _function(self, case: Case) -> Client:
        return self.place.function(TARGET, self.place.settings(self.dataset, {**SETTINGS, **case.settings}))

    def set_time(self, moment: datetime) -> None:
        """Let the emulators be at a time, and forget the figures they were sent."""
        self.place.cloud.state.clock.now = moment
        self.place.cloud.monitoring.written.clear()


class _Warnings(logging.Handler):
    """Keeps the details of what the log warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.details: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.details.append(str(getattr(record, "spotkeeper_fields", {}).get("detail")))


def _case(operation: str) -> Case:
    """What is struck when this operation fails."""
    return CASES.get(operation, USUAL)
