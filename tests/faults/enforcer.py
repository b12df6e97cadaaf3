"""A delivery to the enforcer with a fault, the same again without, and what was stopped and recorded."""

import base64
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug.test import Client

from infra.local.fleet.groups import Autoscaler, Group
from infra.local.stack.stack import HOME_PROJECT
from tests.faults import tracker
from tests.faults.deliveries import APPROVALS, PERIOD_START, deliver, deliver_undo
from tests.faults.fleets import at, small_fleet
from tests.faults.injection import Fault, Kind
from tests.faults.keeping import keep, put_back
from tests.faults.outcomes import CAUSES, Outcome, Result
from tests.faults.places import EVENTS_TOPIC, Place, schedule
from tests.faults.snapshots import OF_THE_TIME, Snapshot, differences, snapshot, without

TARGET = "enforce_budget_limit"
NOW, AGAIN, NEXT = at(4, 20), at(4, 21), at(4, 50)
"""When the message comes that a fault strikes, when it comes again, and when the next one does."""

AUGUST, AUGUST_START = datetime(2026, 8, 1, 8, 20, tzinfo=UTC), "2026-08-01T07:00:00Z"
"""When the message of the next period comes, which thaws, and when that period began."""

BUDGET = "budget-with-faults"
RULE = {"projects": [HOME_PROJECT], "max_stops_per_alert": 4}
SETTINGS = {
    "RETRY_TIMEOUT_SECONDS": "2",
    "ENFORCEMENT_MODE": "enforce",
    "ENFORCEMENT_POLICY": json.dumps({"budgets": {BUDGET: RULE}}),
}
FREEZING = SETTINGS | {
    "ENFORCEMENT_POLICY": json.dumps({"freeze_groups": 1.0, "budgets": {BUDGET: RULE}}),
    "EVENTS_TOPIC": EVENTS_TOPIC,
}
POOL = Group(HOME_PROJECT, "zones/us-central1-f", "batch-pool")
MEMBERS = frozenset({"pool-1"})
OTHER_GROUPS = (
    Group(HOME_PROJECT, "zones/us-central1-a", "empty-pool"),
    Group(HOME_PROJECT, "regions/europe-west1", "web-pool"),
)
"""Groups without Spot VMs, so that the list of autoscalers has several pages."""

OPERATIONS = {
    "instances": "Compute Engine",
    "machine types": "Compute Engine",
    "instance": "Compute Engine",
    "stop": "Compute Engine",
    "operation": "Compute Engine",
    "start": "Compute Engine",
    "autoscalers": "Compute Engine",
    "operations": "Compute Engine",
    "autoscaler": "Compute Engine",
    "freeze": "Compute Engine",
    "thaw": "Compute Engine",
    "query": "BigQuery",
    "rows": "BigQuery",
    "load": "BigQuery",
    "commit": "BigQuery",
    "sweep": "BigQuery",
    "outcomes": "BigQuery",
    "freeze outcomes": "BigQuery",
    "record": "BigQuery",
    "events": "Pub/Sub",
}
"""What the enforcer asks for, and whose name an error about it has to bear."""

LEAST_IMPORTANT = frozenset(
    vm.name
    for vm in small_fleet().vms
    if vm.provisioning_model == "SPOT" and vm.labels[-1][1].get("priority", "low") == "low"
)
MOST_DELIVERIES = 3
OVER, UNDER = 1100, 500


@dataclass(frozen=True, slots=True)
class Case:
    """What a fault strikes: a message of so many dollars, with a policy that freezes groups, or one that thaws them.

    Or a command that undoes the stops of an earlier message.
    """

    cost: int = OVER
    freezes: bool = False
    thaws: bool = False
    undoes: bool = False

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings of the function."""
        return (
            FREEZING if self.freezes else SETTINGS | {"APPROVALS_SUBSCRIPTION": APPROVALS} if self.undoes else SETTINGS
        )

    @property
    def has_earlier_message(self) -> bool:
        """Whether a message was over budget before."""
        return self.thaws or self.undoes


STOPS, FREEZES = Case(), Case(freezes=True)
CASES = {
    "record": Case(UNDER),
    **dict.fromkeys(("autoscalers", "operations", "autoscaler", "freeze", "freeze outcomes", "events"), FREEZES),
    "thaw": Case(UNDER, freezes=True, thaws=True),
    "start": Case(UNDER, undoes=True),
}
"""The case of each operation that a message over budget without freezes does not call."""

OF_THE_DELIVERY = OF_THE_TIME | {"operation"}
KEPT = "enforcer"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was answered and logged, what the tables say, and the requests to stop each VM.

    `modes` are those of the autoscalers by group, and `changes` how often each was changed. `events` are the ids of
    those that Pub/Sub accepted, and `lost` of those that were logged as not published.
    """

    status: int
    reasons: Sequence[str]
    tables: Snapshot
    stops: Mapping[str, int]
    modes: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)
    events: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    starts: Mapping[str, int] = field(default_factory=dict)

    def names(self, *events: str) -> Counter[str]:
        """Return the names of the VMs of which such an event is recorded, as often as it is."""
        return Counter(row["instance_name"] for row in self.tables["enforcement_actions"] if row["event"] in events)

    def unreadable(self) -> list[str]:
        """Return why VMs that could not be read were spared."""
        rows = self.tables["enforcement_actions"]
        return [row["reason"] for row in rows if row["event"] == "spared" and "unexpected response" in row["reason"]]

    def gaps(self) -> list[str]:
        """Return what the messages that were decided on say could not be read."""
        return [gap for row in self.tables["budget_notifications"] for gap in row["gaps"] or ()]


@dataclass
class Enforcer:
    """Deliveries to the enforcer in a place, all in one dataset that is put back before each."""

    place: Place
    dataset: str = field(init=False)
    _kept: bool = False
    _references: dict[Case, tuple[list[Seen], Mapping[str, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the dataset."""
        self.dataset = self.place.new_dataset()

    def calls(self, operation: str) -> int:
        """How often an operation is called by the delivery that a fault strikes."""
        return self._reference(_case(operation))[1].get(operation, 0)

    def ends(self, fault: Fault) -> Result:
        """Let one delivery be struck by a fault, and say how that ended."""
        case = _case(fault.operation)
        reference, _ = self._reference(case)
        function = self._function(case)
        self.begin(case)
        self.place.injection.inject(fault)
        struck = self._delivered(function, case, "1", NOW)
        problems = self.place.injection.problems()
        self.place.injection.inject()
        problems += self.place.leftovers(self.dataset)
        problems += _never(struck, reference[-1])
        if fault.operation == "events":
            problems += _unexplained_events(struck, reference[0])
        if problems:
            return Result(Outcome.WRONG, f"{struck.status} {struck.reasons}; {'; '.join(problems)}")
        if struck.status == 200 and not _differ(struck, reference[0]):
            return Result(Outcome.SAME)
        later = [struck]
        while later[-1].status != 200 and len(later) <= MOST_DELIVERIES:
            later.append(self._delivered(function, case, "1", AGAIN))
        later.append(self._delivered(function, case, "2", NEXT))
        return _judged(fault, struck, later, reference)

    def undisturbed(self, case: Case = STOPS) -> Seen:
        """Return what comes of the first message without a fault."""
        return self._reference(case)[0][0]

    def _reference(self, case: Case) -> tuple[list[Seen], Mapping[str, int]]:
        if case not in self._references:
            function = self._function(case)
            self.begin(case)
            first = self._delivered(function, case, "1", NOW)
            calls = dict(self.place.injection.inject())
            self._references[case] = [first, self._delivered(function, case, "2", NEXT)], calls
            seen = self._references[case][0]
            mode, undone = "ON" if case.thaws else "OFF", not case.undoes or bool(first.starts)
            if (
                any(each.status != 200 for each in seen)
                or not undone
                or (case.cost == OVER and not first.stops)
                or (case.freezes and first.modes[POOL.name] != mode)
            ):
                message = f"an undisturbed delivery does not do what it should: {seen}"
                raise AssertionError(message)
        return self._references[case]

    def begin(self, case: Case = STOPS) -> None:
        """Let the dataset hold four undisturbed hours, Compute Engine be as it was, and freeze what is to be thawed."""
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
        if case.freezes:
            self._scale()
        if case.has_earlier_message:
            self.look(self._function(case), "0", NOW - timedelta(minutes=5), OVER)
        self.place.cloud.pubsub.published.clear()
        self.place.injection.inject()

    def _scale(self) -> None:
        """Give every group an autoscaler."""
        groups = self.place.cloud.state.groups
        for group in OTHER_GROUPS:
            groups.add(replace(group, autoscaler=Autoscaler(group.name)))
        pool = groups.get(POOL.key)
        assert pool is not None
        pool.autoscaler = Autoscaler(pool.name)

    def _function(self, case: Case) -> Client:
        return self.place.function(TARGET, self.place.settings(self.dataset, case.settings))

    def _delivered(self, function: Client, case: Case, message_id: str, moment: datetime) -> Seen:
        if case.thaws:
            return self.look(function, message_id, AUGUST + (moment - NOW), case.cost, AUGUST_START)
        if case.undoes and message_id == "1":
            published = NOW - timedelta(seconds=5)
            return self._seen(moment, lambda: deliver_undo(function, BUDGET, message_id, published, "0"))
        return self.look(function, message_id, moment, case.cost)

    def look(
        self, function: Client, message_id: str, moment: datetime, cost: int, period_start: str = PERIOD_START
    ) -> Seen:
        """Deliver a message, and look what came of it."""
        published = moment - timedelta(seconds=5)
        return self._seen(moment, lambda: deliver(function, BUDGET, message_id, published, cost, period_start))

    def _seen(self, moment: datetime, delivery: Callable[[], int]) -> Seen:
        self.place.cloud.state.clock.now = moment
        log = _Reasons()
        logging.getLogger("spotkeeper").addHandler(log)
        status = delivery()
        logging.getLogger("spotkeeper").removeHandler(log)
        state = self.place.cloud.state
        tasks = [operation.task for operation in state.operations.of_project(HOME_PROJECT)]
        changes = (each.target for each in tasks if each.operation_type == "compute.autoscalers.patch")
        return Seen(
            status,
            log.reasons,
            snapshot(self.place.client, self.dataset),
            Counter(each.target.rpartition("/")[2] for each in tasks if each.operation_type == "stop"),
            {each.name: each.autoscaler.mode for each in state.groups.all() if each.autoscaler is not None},
            Counter(target.rpartition("/")[2] for target in changes),
            frozenset(each["id"] for each in self._events()),
            frozenset(log.lost),
            Counter(each.target.rpartition("/")[2] for each in tasks if each.operation_type == "start"),
        )

    def _events(self) -> list[dict[str, Any]]:
        published = self.place.cloud.pubsub.published
        return [json.loads(base64.b64decode(each["data"])) for each in published if each["topic"] == EVENTS_TOPIC]


class _Reasons(logging.Handler):
    """Keeps why a message is to be delivered again, and which events were not published, as the log says it."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[str] = []
        self.lost: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "spotkeeper_fields", {})
        if record.getMessage() == "delivery failed; Pub/Sub will redeliver":
            self.reasons += fields["reasons"]
        if record.getMessage() == "event not published":
            self.lost.append(fields["event_id"])


def _case(operation: str) -> Case:
    """What is struck when this operation fails."""
    return CASES.get(operation, STOPS)


def _differ(seen: Seen, reference: Seen) -> list[str]:
    # The reason of a start names when the VM was stopped, to the microsecond.
    ignored = OF_THE_DELIVERY | {"reason"} if reference.starts else OF_THE_DELIVERY
    problems = differences(without(seen.tables, ignored), without(reference.tables, ignored))
    if seen.starts != reference.starts:
        problems.append(f"started {seen.starts}, not {reference.starts}")
    if seen.modes != reference.modes:
        problems.append(f"the autoscalers are {seen.modes}, not {reference.modes}")
    return problems if seen.stops == reference.stops else [*problems, f"stopped {seen.stops}, not {reference.stops}"]


def _unexplained_events(seen: Seen, reference: Seen) -> list[str]:
    """Which events were sent that an undisturbed delivery does not send, or not sent without a word in the log."""
    problems = [f"event {event} was sent" for event in seen.events - reference.events]
    return problems + [f"event {event} was lost without a word" for event in reference.events - seen.events - seen.lost]


def _never(seen: Seen, reference: Seen, restarted: frozenset[str] = frozenset()) -> list[str]:
    """What must not be at any time, whatever went wrong; some may have been `restarted` by their group."""
    spared = seen.stops.keys() - reference.stops.keys() - _instead(seen)
    problems = [f"{name} was stopped, which is to be spared" for name in spared]
    again = {name: times for name, times in seen.stops.items() if times > 1 and name not in restarted}
    problems += [f"{name} was stopped {times} times" for name, times in again.items()]
    problems += [
        f"{name} was started {times} times"
        for name, times in seen.starts.items()
        if times > 1 and name not in restarted
    ]
    more = {name for name, times in seen.changes.items() if times > reference.changes.get(name, 0)}
    problems += [f"the autoscaler of {name} was changed {seen.changes[name]} times" for name in more]
    problems += [
        f"{name} was frozen without a plan" for name in seen.changes.keys() - seen.names("freeze_planned").keys()
    ]
    return problems + [
        f"{name} was stopped without a plan" for name in seen.stops.keys() - seen.names("planned").keys()
    ]


def _restarted(struck: Seen) -> frozenset[str]:
    """Which VMs the autoscaler of their group starts again, because the fault kept the group from being frozen."""
    return MEMBERS if struck.modes.get(POOL.name) == "ON" else frozenset()


def _instead(seen: Seen) -> frozenset[str]:
    """Which VMs may go in the place of others that a gap hides: those of the least important class, and no others."""
    return LEAST_IMPORTANT if seen.gaps() else frozenset()


_RECORDED = (
    ("planned",),
    ("stopped", "changed"),
    ("freeze_planned",),
    ("frozen",),
    ("thawed",),
    ("restarted", "not_restarted"),
)
"""The events that have to be on record in the end as without the fault; those of one group come to the same."""


def _judged(fault: Fault, struck: Seen, later: Sequence[Seen], reference: Sequence[Seen]) -> Result:
    """Say how it ended, when it did not end as it would have without the fault."""
    answered, last = f"{struck.status} {struck.reasons}", later[-1]
    if any(each.status != 200 for each in later[-2:]):
        return Result(Outcome.WRONG, f"{answered}; it never came to an end: {[each.reasons for each in later]}")
    if problems := [problem for each in later for problem in _never(each, reference[-1], _restarted(struck))]:
        return Result(Outcome.WRONG, f"{answered}; later {problems}")
    if last.starts.keys() - _restarted(struck) != reference[-1].starts.keys() - _restarted(struck):
        return Result(Outcome.WRONG, f"{answered}; in the end {last.starts} were started, not {reference[-1].starts}")
    if _beside(last.stops, reference[-1].stops, struck) or last.modes != reference[-1].modes:
        wanted = f"not {reference[-1].stops} and {reference[-1].modes}"
        return Result(Outcome.WRONG, f"{answered}; in the end {last.stops} were stopped and {last.modes}, {wanted}")
    for events in _RECORDED:
        if _beside(last.names(*events), reference[-1].names(*events), struck):
            return Result(Outcome.WRONG, f"{answered}; recorded as {events}: {last.names(*events)}")
    refused = struck.status != 200 and not struck.names("planned", "restart_planned") and not struck.stops
    return _named(
        Outcome.REFUSED if refused else Outcome.COMPLETED,
        fault,
        [*struck.reasons, *struck.gaps(), *struck.unreadable()],
    )


def _beside(seen: Mapping[str, int], reference: Mapping[str, int], struck: Seen) -> bool:
    """Whether others are named than without the fault, beside those that went once in the place of hidden ones."""
    extra = seen.keys() - reference.keys()
    restarted = _restarted(struck)
    others = {name: min(times, 1) if name in restarted else times for name, times in seen.items() if name not in extra}
    return others != dict(reference) or bool(extra - _instead(struck)) or any(seen[name] > 1 for name in extra)


def _named(outcome: Outcome, fault: Fault, reasons: Sequence[str]) -> Result:
    service, wanted = OPERATIONS[fault.operation], CAUSES.get(Kind(fault.kind), "")
    if any(service in reason and re.search(wanted, reason) for reason in reasons):
        return Result(outcome)
    return Result(Outcome.WRONG, f"{outcome}, but the cause is not named: {reasons}")
