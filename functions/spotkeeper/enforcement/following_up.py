"""Following up: what became of stops of other messages, before their plans are closed."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from spotkeeper.enforcement.actions import Verb, VmRequest, vm_request
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Actuator, Executor, Precondition
from spotkeeper.enforcement.history import History
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.ports import Records
from spotkeeper.enforcement.recorded_stops import RecordedStop
from spotkeeper.enforcement.recording import record_outcomes


def follow_ups(
    policy: Policy, actuator: Actuator, now: Callable[[], datetime], history: History
) -> dict[VmRequest, Precondition]:
    """Return the unfinished stops of other messages, each with a precondition that only looks at the instance."""
    found: dict[VmRequest, Precondition] = {}
    for each in history.unfinished:
        request = vm_request(Verb.STOP, each.message_id, each.key, each.name)
        recorded = RecordedStop(each, request, now, actuator.operation_of)
        found[request] = partial(recorded.followed_up, policy=policy)
    return found


def follow_up(records: Records, delivery: Delivery, history: History, policy: Policy, executor: Executor) -> None:
    """Look at the unfinished stops of other messages and record their outcomes; nothing is stopped.

    Raises an ExceptionGroup when the outcomes could not be recorded.
    """
    requests = follow_ups(policy, executor.actuator, executor.deadline.now, history)
    if requests:
        record_outcomes(records, delivery, executor.execute(Verb.STOP, requests))
