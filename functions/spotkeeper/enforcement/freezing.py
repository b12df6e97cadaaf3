"""Freezing: groups whose autoscaler would replace what is stopped are frozen before the stops, and thawed afterwards.

What is to be frozen is on record with the mode that its autoscaler had before anything is changed. A freeze ends with
its budget period, whatever the policy says of restarts, or earlier by a command. An autoscaler that somebody else
changed is left to them.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Deadline
from spotkeeper.enforcement.freeze_ports import Autoscalers, FreezeOutcome, FreezeRecords
from spotkeeper.enforcement.freezes import OFF, FreezeDecision, GroupKey, RecordedFreeze
from spotkeeper.enforcement.history import PENDING_STOP_TTL
from spotkeeper.enforcement.recorded_stops import OPERATION_TTL
from spotkeeper.enforcement.recording import collecting, raise_collected, waiting_for_records
from spotkeeper.errors import UnavailableError
from spotkeeper.instances import InstanceKey
from spotkeeper.logs import log_event

LONGEST_CHANGE = timedelta(seconds=60)
"""How long one change of an autoscaler is followed: it changes a setting, and no instance."""


class _Result(NamedTuple):
    event: ActionEvent
    reason: str
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class Freezing:
    """The changes of autoscalers of one delivery, up to `parallel` at a time."""

    autoscalers: Autoscalers
    records: FreezeRecords
    deadline: Deadline
    parallel: int

    def freeze(
        self,
        delivery: Delivery,
        freezes: Iterable[RecordedFreeze],
        reason_not_to: Callable[[RecordedFreeze], str | None],
    ) -> None:
        """Freeze what this message planned and has not frozen yet; raises an ExceptionGroup of what failed."""
        own = [each for each in freezes if each.message_id == delivery.message_id and each.is_open and not each.frozen]
        self._change(delivery, own, lambda each: self._frozen(each, reason_not_to))

    def end(self, delivery: Delivery, freezes: Iterable[RecordedFreeze]) -> None:
        """Thaw what was frozen in a period that is over, and end what no delivery finishes.

        Raises an ExceptionGroup of what failed.
        """
        now = delivery.received_at
        over = [each for each in freezes if each.is_open and is_due(each, now)]
        self._change(delivery, over, lambda each: self._ended(each, now))

    def thaw(self, delivery: Delivery, freezes: Iterable[RecordedFreeze], occasion: str) -> None:
        """Thaw these because a person wants it; raises an ExceptionGroup of what failed."""
        self._change(delivery, [each for each in freezes if each.is_open], lambda each: self._thawed(each, occasion))

    def leave(self, delivery: Delivery, freezes: Iterable[RecordedFreeze], decisions: Iterable[FreezeDecision]) -> None:
        """End the freezes whose autoscalers somebody else has switched on."""
        on: Mapping[InstanceKey, str] = {each.autoscaler.key: each.autoscaler.mode for each in decisions}
        changed = [each for each in freezes if each.is_open and each.frozen and each.key in on]
        self._change(
            delivery, changed, lambda each: _Result(ActionEvent.THAW_SKIPPED, f"set to {on[each.key]} by somebody else")
        )

    def _change(
        self, delivery: Delivery, freezes: Sequence[RecordedFreeze], change: Callable[[RecordedFreeze], _Result]
    ) -> None:
        if not freezes:
            return
        with ThreadPoolExecutor(max_workers=self.parallel) as pool:
            futures = [pool.submit(copy_context().run, self._outcome, each, change) for each in freezes]
        outcomes = [future.result() for future in futures]
        failures: list[Exception] = [
            UnavailableError(f"{each.freeze.group.path}: {each.error}") for each in outcomes if each.error is not None
        ]
        with collecting(failures), waiting_for_records(delivery.message_id):
            self.records.record_freezes(delivery, outcomes)
        raise_collected(delivery, failures)

    def _outcome(self, freeze: RecordedFreeze, change: Callable[[RecordedFreeze], _Result]) -> FreezeOutcome:
        error = None
        failed = ActionEvent.THAW_FAILED if freeze.frozen else ActionEvent.FREEZE_FAILED
        result = _Result(failed, "request failed; the next delivery of the message retries it")
        try:
            if self.deadline.allows_request:
                result = change(freeze)
            else:
                error = "no time left"
        except UnavailableError as exception:
            error = str(exception)
        outcome = FreezeOutcome(freeze, result.event, result.reason, self.deadline.now(), result.operation, error)
        _log(outcome)
        return outcome

    def _frozen(self, freeze: RecordedFreeze, reason_not_to: Callable[[RecordedFreeze], str | None]) -> _Result:
        if (known := self._took_effect(freeze)) is not None:
            return known
        if (reason := reason_not_to(freeze)) is not None:
            return _Result(ActionEvent.FREEZE_SKIPPED, reason)
        found = self.autoscalers.find(freeze)
        if found is None:
            return _Result(ActionEvent.FREEZE_SKIPPED, _GONE)
        if found.mode != freeze.mode:
            return _Result(ActionEvent.FREEZE_SKIPPED, f"set to {found.mode} by somebody else since it was planned")
        operation = self.autoscalers.set_mode(found, OFF, freeze.request_id("freeze"), self._timeout())
        return _Result(ActionEvent.FROZEN, f"autoscaler set from {freeze.mode} to {OFF}", operation)

    def _ended(self, freeze: RecordedFreeze, now: datetime) -> _Result:
        """Thaw a freeze whose period is over; settle one of which nothing came."""
        if freeze.frozen or freeze.period_end <= now:
            return self._thawed(freeze, "the budget period is over")
        expired = _Result(ActionEvent.FREEZE_SKIPPED, "the plan expired before it was finished")
        return self._took_effect(freeze) or expired

    def _took_effect(self, freeze: RecordedFreeze) -> _Result | None:
        """Return that a freeze without an outcome on record was made; None if it was not.

        Once Compute Engine may have deleted the operation, the mode alone tells: what was on when the freeze was
        planned and is off now is taken for ours, because a group that is left off for good lacks instances.
        """
        operation = self.autoscalers.operation_of(freeze, freeze.request_id("freeze"))
        if operation is not None:
            return _Result(ActionEvent.FROZEN, "frozen by an earlier delivery", operation)
        if self.deadline.now() - freeze.planned_at < OPERATION_TTL:
            return None
        found = self.autoscalers.find(freeze)
        if found is None or found.mode != OFF:
            return None
        return _Result(ActionEvent.FROZEN, f"no outcome on record: found {OFF}, and it was {freeze.mode} when planned")

    def _thawed(self, freeze: RecordedFreeze, occasion: str) -> _Result:
        if not freeze.frozen and self._took_effect(freeze) is None:
            return _Result(ActionEvent.FREEZE_SKIPPED, f"not frozen: {occasion}")
        request_id = freeze.request_id("thaw")
        # Whoever switched it off after our thaw must not see that undone.
        if (operation := self.autoscalers.operation_of(freeze, request_id)) is not None:
            return _Result(ActionEvent.THAWED, f"thawed by an earlier delivery: {occasion}", operation)
        found = self.autoscalers.find(freeze)
        if found is None:
            return _Result(ActionEvent.THAW_SKIPPED, _GONE)
        if found.mode != OFF:
            return _Result(ActionEvent.THAW_SKIPPED, f"set to {found.mode} by somebody else")
        operation = self.autoscalers.set_mode(found, freeze.mode, request_id, self._timeout())
        return _Result(ActionEvent.THAWED, f"autoscaler set back to {freeze.mode}: {occasion}", operation)

    def _timeout(self) -> timedelta:
        return min(self.deadline.remaining(), LONGEST_CHANGE)


_GONE = "the autoscaler no longer exists"

_FAILURES = frozenset({ActionEvent.FREEZE_FAILED, ActionEvent.THAW_FAILED})


def is_due(freeze: RecordedFreeze, now: datetime) -> bool:
    """Whether any delivery ends it: its period is over, or no delivery can be at it any more."""
    if freeze.frozen:
        return freeze.period_end <= now
    return freeze.planned_at < now - PENDING_STOP_TTL


def named(freezes: Iterable[RecordedFreeze], wanted: str | None) -> list[RecordedFreeze]:
    """Return the open freezes of the group that a command names, by its name or its path; all without one."""
    return [
        each for each in freezes if each.is_open and (wanted is None or wanted in (each.group.name, each.group.path))
    ]


def _log(outcome: FreezeOutcome) -> None:
    group: GroupKey = outcome.freeze.group
    log_event(
        f"group {outcome.event}",
        logging.ERROR if outcome.event in _FAILURES else logging.WARNING,
        project_id=group.project_id,
        place=group.place,
        group=group.name,
        autoscaler_id=outcome.freeze.number,
        reason=outcome.reason,
        operation=outcome.operation,
        error=outcome.error,
    )
