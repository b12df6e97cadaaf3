"""The three ways in which a fault may end, and how the tables tell which it was."""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from infra.local.stack.stack import Answer
from tests.faults.attached import COLUMNS, comparable, was_seen, wrong_figures
from tests.faults.injection import Fault, Kind
from tests.faults.snapshots import OF_THE_RUN, OF_THE_TIME, Snapshot, differences, hours, without

CAUSES = {
    Kind.SLOW: r"[Tt]ime(d )?-?out|Deadline",
    Kind.SILENT: r"[Tt]ime(d )?-?out|Deadline",
    Kind.RESET: r"[Cc]onnection|closed|Unavailable|reset",
    Kind.LOST: r"[Cc]onnection|closed|Unavailable|reset",
    Kind.TOO_MANY: r"exception: 429\b|TooManyRequests|RESOURCE_EXHAUSTED|ResourceExhausted",
    Kind.INTERNAL: r"exception: 500\b|InternalServerError|INTERNAL",
    Kind.UNAVAILABLE: r"exception: 503\b|ServiceUnavailable|UNAVAILABLE",
    Kind.DENIED: r"Forbidden|PermissionDenied|PERMISSION_DENIED",
    Kind.EXPIRED: r"Unauthorized|Unauthenticated|UNAUTHENTICATED|credentials cannot be refreshed",
    Kind.TRUNCATED: r"IncompleteRead|[Cc]onnection|closed|Unavailable|JSON|Parse",
}
"""How an error has to name its cause; of what else goes wrong it has to say at least whose answer it was."""


class Outcome(StrEnum):
    """What has become of a fault; the last of them must never be."""

    SAME = "same"
    COMPLETED = "completed"
    REFUSED = "refused"
    WRONG = "WRONG"
    ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Result:
    """An outcome, and why it is none of the three where it is not."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """All tables of one dataset before a fault, after it, and after the next run without one; the log's warnings."""

    before: Snapshot
    after: Snapshot
    repaired: Snapshot
    warnings: Sequence[str] = ()


def judged(  # noqa: PLR0911 (each way to be wrong has its own words)
    kind: Kind, service: str, answer: Answer, found: Story, reference: Story
) -> Result:
    """Say how a run with a fault ended, from the tables alone and from what the run itself claimed."""
    if problems := unrepaired(found.repaired, reference.repaired):
        return Result(Outcome.WRONG, f"{answer.status} {answer.body}; the next run did not repair it: {problems}")
    if lacking := [hour for hour, recorded in hours(found.repaired).items() if not recorded.complete]:
        return Result(Outcome.WRONG, f"still incomplete: {lacking}")
    if invented := _invented(found, reference):
        return Result(Outcome.WRONG, f"rows that an undisturbed run never wrote: {invented}")
    if answer.status == 200 and answer.body.get("complete") is True:
        if problems := differs(found.after, reference.after):
            return Result(Outcome.WRONG, f"said to be complete, but {problems}")
        return Result(Outcome.SAME)
    if answer.status == 200:
        causes = [f"{gap['source']} {gap['detail']}" for gap in answer.body["gaps"]]
        recorded = [row for row in found.after["tracker_runs"] if not row["complete"]]
        if not recorded:
            return Result(Outcome.WRONG, "said to be incomplete, but not recorded so")
        return named(Outcome.COMPLETED, kind, service, causes)
    if answer.status == 503:
        if halves := _halves(found, reference):
            return Result(Outcome.WRONG, f"refused, but half-written: {halves}")
        return named(Outcome.REFUSED, kind, service, [str(answer.body.get("error"))])
    return Result(Outcome.WRONG, f"answered {answer.status} {answer.body}")


BESIDE = {
    "addresses": frozenset({"address_costs"}),
    "capacity": frozenset({"capacity_readings", "capacity_preemptions", "capacity_prices", "price_checks"}),
}
"""The tables of what is read beside the hours, by the operation that reads it."""

_OF_THE_READING = OF_THE_TIME | {"read_at", "valid_from"}
_READINGS = "capacity_readings"
_OF_ONE_READING = frozenset({_READINGS, "price_checks"})
"""What was read and compared at one time; a later reading adds to it."""

_ANSWERED = frozenset({"read", "unsupported"})


def judged_beside(fault: Fault, service: str, answer: Answer, found: Story, reference: Story) -> Result:
    """Say how a run ended that could not read what is no part of its hours: reserved addresses, or capacity history.

    The hours are recorded as without the fault. Of what failed there is nothing else on record, the log or a row says
    why, and after the next reading all of it is there.
    """
    tables = BESIDE[fault.operation]
    if answer.status != 200 or answer.body.get("complete") is not True:
        return Result(Outcome.WRONG, f"answered {answer.status} {answer.body}")
    if problems := differs(_rest(found.after, tables), _rest(reference.after, tables)):
        return Result(Outcome.WRONG, f"the hours are others: {problems}")
    before, after, whole = (
        without(_only(each, tables), OF_THE_RUN) for each in (found.before, found.after, reference.after)
    )
    if after == whole:
        return Result(Outcome.SAME)
    histories = tables - _OF_ONE_READING
    first = min((row["day"] for row in reference.repaired["capacity_preemptions"]), default="")
    later, wanted = (
        without(_since(_only(each.repaired, histories), first), _OF_THE_READING) for each in (found, reference)
    )
    if problems := differences(later, wanted):
        return Result(Outcome.WRONG, f"the next reading did not repair it: {problems}")
    if invented := [
        row for name in tables - {_READINGS} for row in after[name] if row not in (*whole[name], *before[name])
    ]:
        return Result(Outcome.WRONG, f"rows that an undisturbed run never wrote: {invented[:2]}")
    failed = [row["detail"] for row in found.after[_READINGS] if row["status"] not in _ANSWERED]
    return named(
        Outcome.COMPLETED,
        fault.kind,
        service,
        [*failed, *found.warnings, str(answer.body.get("capacity_history"))],
    )


def _since(found: Snapshot, first: str) -> Snapshot:
    """Return the rows without those of the first day, which Google's history no longer has a day later."""
    return {name: [row for row in rows if row.get("day") != first] for name, rows in found.items()}


def _only(found: Snapshot, tables: Container[str]) -> Snapshot:
    return {name: rows for name, rows in found.items() if name in tables}


def _rest(found: Snapshot, tables: Container[str]) -> Snapshot:
    return {name: rows for name, rows in found.items() if name not in tables}


def differs(found: Snapshot, wanted: Snapshot) -> list[str]:
    """Say in which tables two runs at the same time came to different ends."""
    problems = list(wrong_figures(found, wanted))
    if not was_seen(found, wanted):
        found, wanted = comparable(found), comparable(wanted)
    return problems + differences(without(found, OF_THE_RUN), without(wanted, OF_THE_RUN))


def named(outcome: Outcome, kind: Kind, service: str, causes: Sequence[str]) -> Result:
    """Return the outcome if one of the causes names the service, and what went wrong."""
    wanted = CAUSES.get(kind, "")
    if any(service in cause and re.search(wanted, cause) for cause in causes):
        return Result(outcome)
    return Result(Outcome.WRONG, f"{outcome}, but the cause is not named: {causes}")


_OF_THE_SPEND = {"cost", "unseen_share", "partial_share", "counts_from"}


def unrepaired(found: Snapshot, wanted: Snapshot) -> list[str]:
    """Say in which tables two datasets differ that were to come to the same by another way.

    What was attached at a scan that was not recorded is not known later, nor are the disks that only it found.
    """
    problems = list(wrong_figures(found, wanted))
    if not was_seen(found, wanted):
        found, wanted = comparable(found), comparable(wanted)
    return problems + differences(_later(found), _later(wanted))


def _later(found: Snapshot) -> Mapping[str, list[str]]:
    """What two datasets have in common that came to the same by another way.

    An instance that the audit log identified has no start: the log says when it was created only.
    """
    plain = without(found, OF_THE_TIME)
    plain |= without({"vm_inventory": found["vm_inventory"]}, OF_THE_TIME | {"started_at"})
    plain["tracker_runs"] = sorted(f"{hour} {sorted(recorded.projects)}" for hour, recorded in hours(found).items())
    alerts = [
        {name: value for name, value in row.items() if name not in _OF_THE_SPEND} for row in found["budget_alerts"]
    ]
    plain["budget_alerts"] = without({"budget_alerts": alerts}, OF_THE_TIME)["budget_alerts"]
    return plain


def _invented(found: Story, reference: Story) -> list[str]:
    """The cost rows with a cost that the undisturbed run would not have written."""
    ignored = OF_THE_TIME | COLUMNS | {"price_status"}
    written = [row for row in found.after["spot_vm_costs"] if row["cost"] is not None]
    known = set(without({"costs": reference.after["spot_vm_costs"]}, ignored)["costs"])
    return [row for row in without({"costs": written}, ignored)["costs"] if row not in known][:2]


def _halves(found: Story, reference: Story) -> list[str]:
    """The tables that are neither as before nor as after an undisturbed run."""
    before, after = (without(each, OF_THE_RUN) for each in (found.before, found.after))
    whole = without(reference.after, OF_THE_RUN)
    return [name for name, rows in after.items() if rows not in (before[name], whole[name])]
