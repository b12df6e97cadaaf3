"""The Cloud Scheduler jobs that call the tracker."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from spotkeeper.doctor.deployment import INTERIM_JOB, JOB, TRACKER, Installation
from spotkeeper.doctor.facts import Found, Function, Job, Platform, Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown
from spotkeeper.tracking.http_api import INTERIM
from spotkeeper.tracking.settings import TrackerSettings


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A job as it should be: what it is called in findings, and what its absence means."""

    name: str
    about: str
    without: str
    body: dict[str, str]


_HOURLY = _Wanted(JOB, "schedule", "nothing calls the tracker", {})
_INTERIM = _Wanted(INTERIM_JOB, "interim checks", "nothing checks the budgets between two hours", {"check": INTERIM})


def schedule(installation: Installation, platform: Platform, tracker: TrackerSettings | None) -> Iterator[Finding]:
    """Yield whether the jobs are enabled, call the tracker, and succeeded the last time."""
    yield from _of_job(installation, platform, _HOURLY, platform.job)
    if tracker is not None and tracker.interim_checks:
        yield from _of_job(installation, platform, _INTERIM, platform.interim_job)
    elif tracker is not None and isinstance(platform.interim_job, Job):
        refused = f"{INTERIM_JOB} calls the tracker, which refuses interim checks (INTERIM_CHECKS)."
        yield problem(_INTERIM.about, refused, "make deploy")


def _of_job(installation: Installation, platform: Platform, wanted: _Wanted, found: Found[Job]) -> Iterator[Finding]:
    tracker = platform.functions[TRACKER]
    region = tracker.region if isinstance(tracker, Function) else installation.region
    place = f"{wanted.name} --project {installation.project_id} --location {region or 'REGION'}"
    match found:
        case Unread() as unread:
            yield unknown(wanted.about, unread, "roles/cloudscheduler.viewer on the project")
        case None:
            yield problem(wanted.about, f"There is no job {wanted.name} in {region}: {wanted.without}.", "make deploy")
        case Job() as job:
            problems = [
                *_target_problems(installation, tracker, wanted, job, place),
                *_call_problems(installation, tracker, wanted, job, place),
            ]
            yield from problems
            if not problems:
                last = f"; last call {job.last_attempt_at:%Y-%m-%d %H:%M} UTC" if job.last_attempt_at else ""
                said = f"{wanted.name} is enabled and calls the tracker as {job.account}{last}."
                yield ok(wanted.about, said)


def _target_problems(
    installation: Installation, tracker: object, wanted: _Wanted, job: Job, place: str
) -> Iterator[Finding]:
    caller, about = installation.email("scheduler"), f"{wanted.about} target"
    if job.state != "ENABLED":
        resume = f"gcloud scheduler jobs resume {place}"
        yield problem(wanted.about, f"{wanted.name} is {job.state}: {wanted.without}.", resume)
    if isinstance(tracker, Function):
        uri = tracker.uri.rstrip("/")
        update = (
            f"gcloud scheduler jobs update http {place} --uri {uri} --oidc-service-account-email {caller} "
            f"--oidc-token-audience {uri}"
        )
        if job.uri.rstrip("/") != uri:
            yield problem(about, f"{wanted.name} calls {job.uri or 'nothing'}, but the tracker is {uri}.", update)
        elif (job.account, job.audience.rstrip("/")) != (caller, uri):
            said = (
                f"Calls of {wanted.name} are signed by {job.account or 'nobody'} for audience {job.audience or 'none'}"
            )
            yield problem(about, f"{said}, not by {caller} for {uri}.", update)
    if not _asks(job.body, wanted.body):
        body = json.dumps(wanted.body)
        said = f"{wanted.name} sends {job.body or 'nothing'}, but must send {body}."
        yield problem(about, said, f"gcloud scheduler jobs update http {place} --message-body '{body}'")


def _call_problems(
    installation: Installation, tracker: object, wanted: _Wanted, job: Job, place: str
) -> Iterator[Finding]:
    about = f"{wanted.about} result"
    if job.failure:
        logs = f"gcloud functions logs read {TRACKER} --project {installation.project_id} --limit 20"
        region = f" --region {tracker.region}" if isinstance(tracker, Function) else ""
        yield problem(about, f"The last call of {wanted.name} failed: {job.failure}.", f"{logs}{region}")
    elif job.last_attempt_at is None:
        run = f"gcloud scheduler jobs run {place}"
        yield problem(about, f"{wanted.name} has not called the tracker yet.", run)


def _asks(body: str, wanted: dict[str, str]) -> bool:
    """Whether a body has the fields; a job without fields may send anything that the tracker takes."""
    try:
        found = json.loads(body or "{}")
    except ValueError:
        return False
    return not wanted or found == wanted
