"""APIs, accounts, and the job that calls the tracker."""

from collections.abc import Iterator

from spotkeeper.doctor.deployment import ACCOUNTS, ASSETS_SERVICE, JOB, TRACKER, Installation
from spotkeeper.doctor.facts import Function, Job, Platform, Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown


def apis(installation: Installation, platform: Platform, *, asset_history: bool) -> Iterator[Finding]:
    """Yield whether the APIs are enabled."""
    states = platform.services
    if isinstance(states, Unread):
        yield unknown("APIs", states, "roles/serviceusage.serviceUsageViewer on the project")
        return
    needed = {name for name in states if asset_history or name != ASSETS_SERVICE}
    disabled = sorted(name for name in needed if not states[name])
    if disabled:
        enable = f"gcloud services enable {' '.join(disabled)} --project {installation.project_id}"
        yield problem("APIs", f"Not enabled: {', '.join(disabled)}.", enable)
    else:
        yield ok("APIs", f"All {len(needed)} APIs are enabled.")


def accounts(installation: Installation, platform: Platform) -> Iterator[Finding]:
    """Yield whether the service accounts are there and enabled."""
    for name in ACCOUNTS:
        about, email = f"account {name}", installation.email(name)
        match platform.accounts[name]:
            case Unread() as unread:
                yield unknown(about, unread, "roles/iam.serviceAccountViewer on the project")
            case None:
                yield problem(about, f"There is no account {email}.", "make deploy")
            case False:
                mend = f"gcloud iam service-accounts enable {email} --project {installation.project_id}"
                yield problem(about, f"{email} is disabled: whoever acts as it is refused everything.", mend)
            case _:
                yield ok(about, f"{email} is there and enabled.")


def schedule(installation: Installation, platform: Platform) -> Iterator[Finding]:
    """Yield whether the tracker is called every hour, and how the last call went."""
    tracker = platform.functions[TRACKER]
    region = tracker.region if isinstance(tracker, Function) else installation.region
    place = f"{JOB} --project {installation.project_id} --location {region or 'REGION'}"
    match platform.job:
        case Unread() as unread:
            yield unknown("schedule", unread, "roles/cloudscheduler.viewer on the project")
        case None:
            yield problem("schedule", f"There is no job {JOB} in {region}: nothing calls the tracker.", "make deploy")
        case Job() as job:
            faults = list(_job_faults(installation, tracker, job, place))
            yield from faults
            if not faults:
                last = f"; last call {job.last_attempt_at:%Y-%m-%d %H:%M} UTC" if job.last_attempt_at else ""
                yield ok("schedule", f"{JOB} is enabled and calls the tracker as {job.account}{last}.")


def _job_faults(installation: Installation, tracker: object, job: Job, place: str) -> Iterator[Finding]:
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
            said = f"{JOB} signs its calls as {job.account or 'nobody'} for {job.audience or 'nobody'}"
            yield problem("schedule target", f"{said}, not as {caller} for {uri}.", update)
    if job.failure:
        logs = f"gcloud functions logs read {TRACKER} --project {installation.project_id} --limit 20"
        region = f" --region {tracker.region}" if isinstance(tracker, Function) else ""
        yield problem("schedule result", f"The last call of {JOB} failed: {job.failure}.", f"{logs}{region}")
    elif job.last_attempt_at is None:
        run = f"gcloud scheduler jobs run {place}"
        yield problem("schedule result", f"{JOB} has not called the tracker yet.", run)
