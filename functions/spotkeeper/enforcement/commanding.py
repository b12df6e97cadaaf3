"""Commands of operators, from the message to what it does: each is recorded with its verdict, also when refused."""

from datetime import datetime, timedelta

from spotkeeper.enforcement.approving import Approving
from spotkeeper.enforcement.command_ports import CommandRecords
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.enforce import executor_of, freezing_of
from spotkeeper.enforcement.notifications import Command, CommandName, Malformed
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.publishing import publishing
from spotkeeper.enforcement.recording import record_delivery
from spotkeeper.enforcement.settings import EnforcerSettings, Mode
from spotkeeper.enforcement.thawing import Thawing
from spotkeeper.enforcement.undoing import Undoing
from spotkeeper.enforcement.verdicts import Verdict, VerdictName
from spotkeeper.periods import rfc3339


def execute_command(  # noqa: PLR0913, PLR0917 (as `enforce`, with the records of commands)
    settings: EnforcerSettings,
    ports: EnforcerPorts,
    records: CommandRecords,
    delivery_id: str,
    command: Command | Malformed,
    now: datetime,
) -> Verdict:
    """Do what an operator asks for, and return the verdict.

    Raises UnavailableError when nothing could be decided or recorded, and an ExceptionGroup of what failed after the
    plan was recorded: the message has to be redelivered, which finishes the plan.
    """
    policy = settings.policy
    mode = Mode.DRY_RUN if settings.mode is Mode.DRY_RUN else Mode.ENFORCE
    overdue_since = now - timedelta(minutes=policy.max_message_age_minutes)
    about_message = isinstance(command, Command) and command.name is not CommandName.THAW
    target = command.target if isinstance(command, Command) and about_message else None
    verdict = _refusal(settings, command, now)
    delivery = Delivery(delivery_id, now, mode, command, verdict or _ACCEPTED, overdue_since, target=target)
    if verdict is not None or isinstance(command, Malformed):
        record_delivery(ports.records, delivery)
        return delivery.verdict
    with publishing(ports, settings.project_id) as published:
        if command.name is CommandName.THAW:
            return Thawing(published, command).run(delivery, freezing_of(settings, published, now))
        way = Approving if command.name is CommandName.APPROVE else Undoing
        return way(policy, published, records, command).run(delivery, executor_of(settings, published, now))


_ACCEPTED = Verdict(VerdictName.APPROVED, "the command is being executed")


def _refusal(settings: EnforcerSettings, command: Command | Malformed, now: datetime) -> Verdict | None:
    """Return why a command is refused by itself; None if it is not.

    A snooze refuses none: it ends stops, and an undo starts what they hit. An approval is judged by the policy as a
    whole, so that a snooze refuses it as it does every stop.
    """
    if isinstance(command, Malformed):
        return Verdict(VerdictName.MALFORMED, command.reason)
    policy = settings.policy
    if settings.mode is Mode.DRY_RUN:
        return Verdict(
            VerdictName.COMMAND_REFUSED, f"ENFORCEMENT_MODE is {settings.mode}: nothing is stopped, started or thawed"
        )
    if not policy.is_news(command.published_at, now):
        limit = f"a command older than {policy.max_message_age_minutes} minutes does nothing"
        return Verdict(VerdictName.COMMAND_REFUSED, f"published {rfc3339(command.published_at)}: {limit}")
    return None
