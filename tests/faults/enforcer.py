"""A delivery to the enforcer with a fault, the same again without, and what was stopped and recorded."""

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from werkzeug.test import Client

from infra.local.stack.stack import HOME_PROJECT
from tests.faults import tracker
from tests.faults.deliveries import deliver
from tests.faults.fleets import at, small_fleet
from tests.faults.injection import Fault, Kind
from tests.faults.keeping import keep, put_back
from tests.faults.outcomes import CAUSES, Outcome, Result
from tests.faults.places import Place, schedule
from tests.faults.snapshots import OF_THE_TIME, Snapshot, differences, snapshot, without

TARGET = "enforce_budget_limit"
NOW, AGAIN, NEXT = at(4, 20), at(4, 21), at(4, 50)
"""When the message comes that a fault strikes, when it comes again, and when the next one does."""

BUDGET = "budget-with-faults"
RULE = {"projects": [HOME_PROJECT], "max_stops_per_alert": 4}
SETTINGS = {
    "RETRY_TIMEOUT_SECONDS": "2",
    "ENFORCEMENT_MODE": "enforce",
    "ENFORCEMENT_POLICY": json.dumps({"budgets": {BUDGET: RULE}}),
}

OPERATIONS = {
    "instances": "Compute Engine",
    "machine types": "Compute Engine",
    "instance": "Compute Engine",
    "stop": "Compute Engine",
    "operation": "Compute Engine",
    "query": "BigQuery",
    "rows": "BigQuery",
    "load": "BigQuery",
    "commit": "BigQuery",
    "sweep": "BigQuery",
    "outcomes": "BigQuery",
    "record": "BigQuery",
}
"""What the enforcer asks for, and whose name an error about it has to bear; `record` is of a message under budget."""

LEAST_IMPORTANT = frozenset(
    vm.name
    for vm in small_fleet().vms
    if vm.provisioning_model == "SPOT" and vm.labels[-1][1].get("priority", "low") == "low"
)
MOST_DELIVERIES = 3
OVER, UNDER = 1100, 500
OF_THE_DELIVERY = OF_THE_TIME | {"operation"}
KEPT = "enforcer"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was answered and logged, what the tables say, and the requests to stop each VM."""

    status: int
    reasons: Sequence[str]
    tables: Snapshot
    stops: Mapping[str, int]

    def names(self, *events: str) -> Counter[str]:
        """Return the names of the VMs of which such an event is recorded, as often as it is."""
        return Counter(row["instance_name"] for row in self.tables["enforcement_actions"] if row["event"] in events)

    def gaps(self) -> list[str]:
        """Return what the messages that were decided on say could not be read."""
        return [gap for row in self.tables["budget_notifications"] for gap in row["gaps"] or ()]


@dataclass
class Enforcer:
    """Deliveries to the enforcer in a place, all in one dataset that is put back before each."""

    place: Place
    dataset: str = field(init=False)
    _kept: bool = False
    _references: dict[int, tuple[list[Seen], Mapping[str, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the dataset."""
        self.dataset = self.place.new_dataset()

    def calls(self, operation: str) -> int:
        """How often an operation is called by the delivery that a fault strikes."""
        return self._reference(_cost(operation))[1].get(operation, 0)

    def ends(self, fault: Fault) -> Result:
        """Let one delivery be struck by a fault, and say how that ended."""
        cost = _cost(fault.operation)
        reference, _ = self._reference(cost)
        self.begin()
        function = self._function()
        self.place.injection.inject(fault)
        struck = self.look(function, "1", NOW, cost)
        problems = self.place.injection.problems()
        self.place.injection.inject()
        problems += self.place.leftovers(self.dataset)
        problems += _never(struck, reference[-1])
        if problems:
            return Result(Outcome.WRONG, f"{struck.status} {struck.reasons}; {'; '.join(problems)}")
        if struck.status == 200 and not _differ(struck, reference[0]):
            return Result(Outcome.SAME)
        later = [struck]
        while later[-1].status != 200 and len(later) <= MOST_DELIVERIES:
            later.append(self.look(function, "1", AGAIN, cost))
        later.append(self.look(function, "2", NEXT, cost))
        return _judged(fault, struck, later, reference)

    def undisturbed(self) -> Seen:
        """Return what comes of the first message without a fault."""
        return self._reference(OVER)[0][0]

    def _reference(self, cost: int) -> tuple[list[Seen], Mapping[str, int]]:
        if cost not in self._references:
            self.begin()
            function = self._function()
            self.place.injection.inject()
            first = self.look(function, "1", NOW, cost)
            calls = dict(self.place.injection.inject())
            self._references[cost] = [first, self.look(function, "2", NEXT, cost)], calls
            if any(each.status != 200 for each in self._references[cost][0]) or (cost == OVER and not first.stops):
                message = f"an undisturbed delivery does not stop what it should: {self._references[cost]}"
                raise AssertionError(message)
        return self._references[cost]

    def begin(self) -> None:
        """Let the dataset hold four undisturbed hours, and Compute Engine be as it was."""
        self.place.cloud.state.reset()
        self.place.injection.inject()
        if not self._kept:
            self._kept = True
            for moment in (tracker.FIRST, tracker.DISTURBED):
                self.place.cloud.state.clock.now = moment
                settings = self.place.settings(self.dataset, tracker.SETTINGS)
                schedule(self.place.function(tracker.TARGET, settings), moment)
            keep(self.place.client, self.dataset, KEPT)
        put_back(self.place.client, self.dataset, KEPT)

    def _function(self) -> Client:
        return self.place.function(TARGET, self.place.settings(self.dataset, SETTINGS))

    def look(self, function: Client, message_id: str, moment: datetime, cost: int) -> Seen:
        """Deliver a message, and look what came of it."""
        self.place.cloud.state.clock.now = moment
        log = _Reasons()
        logging.getLogger("spotkeeper").addHandler(log)
        published = moment - timedelta(seconds=5)
        status = deliver(function, BUDGET, message_id, published, cost)
        logging.getLogger("spotkeeper").removeHandler(log)
        stops = Counter(
            operation.task.target.rpartition("/")[2]
            for operation in self.place.cloud.state.operations.of_project(HOME_PROJECT)
            if operation.task.operation_type == "stop"
        )
        return Seen(status, log.reasons, snapshot(self.place.client, self.dataset), stops)


class _Reasons(logging.Handler):
    """Keeps why a message is to be delivered again, as the log says it."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "delivery failed; Pub/Sub will redeliver":
            self.reasons += getattr(record, "spotkeeper_fields", {})["reasons"]


def _cost(operation: str) -> int:
    """What the message says was spent: little where recording just that is what is to fail."""
    return UNDER if operation == "record" else OVER


def _differ(seen: Seen, reference: Seen) -> list[str]:
    problems = differences(without(seen.tables, OF_THE_DELIVERY), without(reference.tables, OF_THE_DELIVERY))
    return problems if seen.stops == reference.stops else [*problems, f"stopped {seen.stops}, not {reference.stops}"]


def _never(seen: Seen, reference: Seen) -> list[str]:
    """What must not be at any time, whatever went wrong."""
    spared = seen.stops.keys() - reference.stops.keys() - _instead(seen)
    problems = [f"{name} was stopped, which is to be spared" for name in spared]
    problems += [f"{name} was stopped {times} times" for name, times in seen.stops.items() if times > 1]
    return problems + [
        f"{name} was stopped without a plan" for name in seen.stops.keys() - seen.names("planned").keys()
    ]


def _instead(seen: Seen) -> frozenset[str]:
    """Which VMs may go in the place of others that a gap hides: those of the least important class, and no others."""
    return LEAST_IMPORTANT if seen.gaps() else frozenset()


def _judged(fault: Fault, struck: Seen, later: Sequence[Seen], reference: Sequence[Seen]) -> Result:
    """Say how it ended, when it did not end as it would have without the fault."""
    answered, last = f"{struck.status} {struck.reasons}", later[-1]
    if any(each.status != 200 for each in later[-2:]):
        return Result(Outcome.WRONG, f"{answered}; it never came to an end: {[each.reasons for each in later]}")
    if problems := [problem for each in later for problem in _never(each, reference[-1])]:
        return Result(Outcome.WRONG, f"{answered}; later {problems}")
    if _beside(last.stops, reference[-1].stops, struck):
        return Result(Outcome.WRONG, f"{answered}; in the end {last.stops} were stopped, not {reference[-1].stops}")
    for events in (("planned",), ("stopped", "changed")):
        if _beside(last.names(*events), reference[-1].names(*events), struck):
            return Result(Outcome.WRONG, f"{answered}; recorded as {events}: {last.names(*events)}")
    refused = struck.status != 200 and not struck.names("planned") and not struck.stops
    return _named(Outcome.REFUSED if refused else Outcome.COMPLETED, fault, [*struck.reasons, *struck.gaps()])


def _beside(seen: Mapping[str, int], reference: Mapping[str, int], struck: Seen) -> bool:
    """Whether others are named than without the fault, beside those that went once in the place of hidden ones."""
    extra = seen.keys() - reference.keys()
    others = {name: times for name, times in seen.items() if name not in extra}
    return others != dict(reference) or bool(extra - _instead(struck)) or any(seen[name] > 1 for name in extra)


def _named(outcome: Outcome, fault: Fault, reasons: Sequence[str]) -> Result:
    service, wanted = OPERATIONS[fault.operation], CAUSES.get(Kind(fault.kind), "")
    if any(service in reason and re.search(wanted, reason) for reason in reasons):
        return Result(outcome)
    return Result(Outcome.WRONG, f"{outcome}, but the cause is not named: {reasons}")
