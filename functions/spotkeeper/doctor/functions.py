"""The two functions: their state, settings and callers."""

from collections.abc import Iterator

from spotkeeper.doctor.deployment import (
    CALLERS,
    ENFORCER,
    FUNCTIONS,
    TRACKER,
    Installation,
)
from spotkeeper.doctor.facts import Function, Platform, Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.settings import EnforcerSettings, Mode
from spotkeeper.errors import SettingsError
from spotkeeper.tracking.settings import TrackerSettings

DEPLOY = "make deploy"
_INVOKER = "roles/run.invoker"


_MODES = {
    Mode.DRY_RUN: "nothing is stopped",
    Mode.APPROVE: "VMs are stopped once a plan is approved",
    Mode.ENFORCE: "VMs are stopped",
}


def tracker_settings(platform: Platform) -> TrackerSettings | None:
    """Return the settings of the tracker; None when they are invalid or were not read."""
    found = platform.functions[TRACKER]
    try:
        return TrackerSettings.from_mapping(found.environment) if isinstance(found, Function) else None
    except SettingsError:
        return None


def enforcer_settings(platform: Platform) -> EnforcerSettings | None:
    """Return the settings of the enforcer; None when they are invalid or were not read."""
    found = platform.functions[ENFORCER]
    try:
        return EnforcerSettings.from_mapping(found.environment) if isinstance(found, Function) else None
    except SettingsError:
        return None


def priority_label(platform: Platform) -> str:
    """Return the label that the enforcer reads a priority from; the default when its policy is not known."""
    settings = enforcer_settings(platform)
    return settings.policy.priority_label if settings else Policy({}).priority_label


def functions(installation: Installation, platform: Platform) -> Iterator[Finding]:
    """Yield the state, the settings and the caller of each function."""
    for name in FUNCTIONS:
        match platform.functions[name]:
            case Unread() as unread:
                yield unknown(name, unread, "roles/cloudfunctions.viewer on the project")
            case None if name == ENFORCER and platform.is_tracker_alone:
                yield ok(name, "Not deployed, as in enforcement_mode off: nothing can be stopped.")
            case None:
                where = f" in {installation.region}" if installation.region else ""
                yield problem(name, f"There is no function {name}{where}.", DEPLOY)
            case Function() as found:
                problems = list(_problems(installation, name, found))
                yield from problems
                if not problems:
                    yield ok(name, f"ACTIVE in {found.region}, runs as {found.account}.")
                yield from _settings(installation, name, found)
                yield from _invoker(installation, platform, name, found)


def _problems(installation: Installation, name: str, found: Function) -> Iterator[Finding]:
    if found.state != "ACTIVE":
        logs = f"gcloud functions logs read {name} --project {installation.project_id} --region {found.region}"
        yield problem(name, f"State {found.state or 'unknown'}, not ACTIVE.", logs)
    if name == ENFORCER and (found.max_instances, found.concurrency) != (1, 1):
        said = (
            f"max instances {found.max_instances or 'unlimited'}, concurrency {found.concurrency}, but both must be 1"
        )
        yield problem(name, f"{said}: two concurrent plans would stop too many VMs.", DEPLOY)


def _settings(installation: Installation, name: str, found: Function) -> Iterator[Finding]:
    about, dataset = f"{name} settings", found.environment.get("DATASET") or "cost_tracking"
    if dataset != installation.dataset:
        again = f"python -m spotkeeper doctor --project {installation.project_id} --dataset {dataset}"
        yield problem(about, f"It writes to dataset {dataset}, not to {installation.dataset}.", again)
    try:
        if name == TRACKER:
            tracker = TrackerSettings.from_mapping(found.environment)
            yield ok(about, f"It tracks {', '.join(tracker.projects)} and writes to {tracker.dataset}.")
        else:
            yield _enforcer_settings(about, EnforcerSettings.from_mapping(found.environment))
    except SettingsError as error:
        yield problem(about, f"The function refuses to start: {error}.", DEPLOY)


def _enforcer_settings(about: str, settings: EnforcerSettings) -> Finding:
    mode = f"ENFORCEMENT_MODE is {settings.mode}: {_MODES[settings.mode]}"
    rules = (f"{key} in {', '.join(sorted(rule.projects))}" for key, rule in sorted(settings.policy.budgets.items()))
    return ok(about, f"{mode}. The policy names budget {'; '.join(rules) or 'none'}.")


def _invoker(installation: Installation, platform: Platform, name: str, found: Function) -> Iterator[Finding]:
    about, member = f"{name} caller", installation.member(CALLERS[name])
    policy = platform.invokers[name]
    if isinstance(policy, Unread):
        yield unknown(about, policy, "roles/run.viewer on the project")
    elif policy and any((each.role, each.member) == (_INVOKER, member) for each in policy):
        yield ok(about, f"{member} has {_INVOKER}.")
    else:
        fix = (
            f"gcloud run services add-iam-policy-binding {name} --project {installation.project_id} "
            f"--region {found.region} --member {member} --role {_INVOKER}"
        )
        yield problem(about, f"{member} lacks {_INVOKER}: every call is refused with 403.", fix)
