"""The two functions: as they are deployed, and the settings that they were given."""

from collections.abc import Iterator

from spotkeeper.doctor.deployment import (
    CALLERS,
    ENFORCER,
    ENTRY_POINTS,
    IDENTITIES,
    INGRESS,
    RUNTIME,
    TRACKER,
    Installation,
)
from spotkeeper.doctor.facts import Function, Platform, Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown
from spotkeeper.enforcement.settings import EnforcerSettings, Mode
from spotkeeper.errors import SettingsError
from spotkeeper.tracking.settings import TrackerSettings

DEPLOY = "make deploy"
_INVOKER = "roles/run.invoker"


def tracker_settings(platform: Platform) -> TrackerSettings | None:
    """Return the settings of the tracker; None when they are wrong or nobody knows them."""
    found = platform.functions[TRACKER]
    try:
        return TrackerSettings.from_mapping(found.environment) if isinstance(found, Function) else None
    except SettingsError:
        return None


def enforcer_settings(platform: Platform) -> EnforcerSettings | None:
    """Return the settings of the enforcer; None when they are wrong or nobody knows them."""
    found = platform.functions[ENFORCER]
    try:
        return EnforcerSettings.from_mapping(found.environment) if isinstance(found, Function) else None
    except SettingsError:
        return None


def functions(installation: Installation, platform: Platform) -> Iterator[Finding]:
    """Yield how each function is deployed and set, and who may call it."""
    for name in ENTRY_POINTS:
        match platform.functions[name]:
            case Unread() as unread:
                yield unknown(name, unread, "roles/cloudfunctions.viewer on the project")
            case None:
                where = f" in {installation.region}" if installation.region else ""
                yield problem(name, f"There is no function {name}{where}.", DEPLOY)
            case Function() as found:
                faults = list(_faults(installation, name, found))
                yield from faults
                if not faults:
                    yield ok(name, f"ACTIVE in {found.region}, {found.runtime}, as {found.account}.")
                yield from _settings(installation, name, found)
                yield from _invoker(installation, platform, name, found)


def _faults(installation: Installation, name: str, found: Function) -> Iterator[Finding]:
    account = installation.email(IDENTITIES[name])
    if found.state != "ACTIVE":
        logs = f"gcloud functions logs read {name} --project {installation.project_id} --region {found.region}"
        yield problem(name, f"It is {found.state or 'in no known state'}, not ACTIVE.", logs)
    if found.entry_point != ENTRY_POINTS[name]:
        yield problem(name, f"Its entry point is {found.entry_point}, not {ENTRY_POINTS[name]}.", DEPLOY)
    if found.runtime != RUNTIME:
        yield problem(name, f"Its runtime is {found.runtime}; it is tested with {RUNTIME}.", DEPLOY)
    if found.account != account:
        yield problem(name, f"It runs as {found.account or 'the default account'}, not as {account}.", DEPLOY)
    if found.ingress != INGRESS:
        yield problem(name, f"It takes calls from outside the project ({found.ingress}).", DEPLOY)
    if name == ENFORCER and (found.max_instances, found.concurrency) != (1, 1):
        said = f"Up to {found.max_instances or 'any number of'} instances take {found.concurrency} messages each"
        yield problem(name, f"{said}: two plans at once would stop too much.", DEPLOY)


def _settings(installation: Installation, name: str, found: Function) -> Iterator[Finding]:
    about, dataset = f"{name} settings", found.environment.get("DATASET") or "cost_tracking"
    if dataset != installation.dataset:
        again = f"python -m spotkeeper doctor --project {installation.project_id} --dataset {dataset}"
        yield problem(about, f"It records in dataset {dataset}, not in {installation.dataset}.", again)
    try:
        if name == TRACKER:
            tracker = TrackerSettings.from_mapping(found.environment)
            yield ok(about, f"It tracks {', '.join(tracker.projects)} and records in {tracker.dataset}.")
        else:
            yield _enforcer_settings(about, EnforcerSettings.from_mapping(found.environment))
    except SettingsError as error:
        yield problem(about, f"It refuses to start: {error}.", DEPLOY)


def _enforcer_settings(about: str, settings: EnforcerSettings) -> Finding:
    mode = (
        "ENFORCEMENT_MODE is dry_run: nothing is stopped"
        if settings.mode is Mode.DRY_RUN
        else "ENFORCEMENT_MODE is enforce: VMs are stopped"
    )
    rules = (f"{key} in {', '.join(sorted(rule.projects))}" for key, rule in sorted(settings.policy.budgets.items()))
    return ok(about, f"{mode}. The policy names budget {'; '.join(rules) or 'none'}.")


def _invoker(installation: Installation, platform: Platform, name: str, found: Function) -> Iterator[Finding]:
    about, member = f"{name} caller", installation.member(CALLERS[name])
    policy = platform.invokers[name]
    if isinstance(policy, Unread):
        yield unknown(about, policy, "roles/run.viewer on the project")
    elif policy and any((each.role, each.member) == (_INVOKER, member) for each in policy):
        yield ok(about, f"{member} may call it.")
    else:
        mend = (
            f"gcloud run services add-iam-policy-binding {name} --project {installation.project_id} "
            f"--region {found.region} --member {member} --role {_INVOKER}"
        )
        yield problem(about, f"{member} may not call it: every call is refused with 403.", mend)
