"""The Cloud Scheduler job that calls the tracker."""

from collections.abc import Iterator

from spotkeeper.doctor.deployment import JOB, TRACKER, Installation
from spotkeeper.doctor.facts import Function, Job, Platform, Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown


def schedule(installation: Installation, platform: Platform) -> Iterator[Finding]:
    """Yield whether the job is enabled, calls the tracker, and succeeded the last time."""
    tracker = platform.functions[TRACKER]
    region = tracker.region if isinstance(tracker, Function) else installation.region
    place = f"{JOB} --project {installation.project_id} --location {region or 'REGION'}"
    match platform.job:
        case Unread() as unread:
            yield unknown("schedule", unread, "roles/cloudscheduler.viewer on the project")
        case None:
            yield problem("schedule", f"There is no job {JOB} in {region}: nothing calls the tracker.", "make deploy")
        case Job() as job:
            problems = list(_job_problems(installation, tracker, job, place))
            yield from problems
            if not problems:
                last = f"; last call {job.last_attempt_at:%Y-%m-%d %H:%M} UTC" if job.last_attempt_at else ""
                yield ok("schedule", f"{JOB} is enabled and calls the tracker as {job.account}{last}.")


def _job_problems(installation: Installation, tracker: object, job: Job, place: str) -> Iterator[Finding]:
    caller = installation.email("scheduler")
    if job.state != "ENABLED":
        resume = f"gcloud scheduler jobs resume {place}"
        yield problem("schedule", f"{JOB} is {job.state}: nothing calls the tracker.", resume)
    if isinstance(tracker, Function):
        uri = tracker.uri.rstrip("/")
        update = (
            f"gcloud scheduler jobs update http {place} --uri {uri} --oidc-service-account-email {caller} "
            f"--oidc-token-audience {uri}"
        )
        if job.uri.rstrip("/") != uri:
            yield problem("schedule target", f"{JOB} calls {job.uri or 'nothing'}, but the tracker is {uri}.", update)
        elif (job.account, job.audience.rstrip("/")) != (caller, uri):
            said = f"Calls of {JOB} are signed by {job.account or 'nobody'} for audience {job.audience or 'none'}"
            yield problem("schedule target", f"{said}, not by {caller} for {uri}.", update)
    if job.failure:
        logs = f"gcloud functions logs read {TRACKER} --project {installation.project_id} --limit 20"
        region = f" --region {tracker.region}" if isinstance(tracker, Function) else ""
        yield problem("schedule result", f"The last call of {JOB} failed: {job.failure}.", f"{logs}{region}")
    elif job.last_attempt_at is None:
        run = f"gcloud scheduler jobs run {place}"
        yield problem("schedule result", f"{JOB} has not called the tracker yet.", run)
