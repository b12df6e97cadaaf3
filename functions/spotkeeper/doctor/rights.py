"""What the roles of the accounts hold, and whom they are given to."""

from collections.abc import Iterator

from spotkeeper.doctor.deployment import (
    ALERTS,
    ASSET_HISTORY_PERMISSIONS,
    AUDIT_LOG_PERMISSIONS,
    BUILDER_ROLES,
    CAPACITY_HISTORY_PERMISSIONS,
    ENFORCER_HOME,
    ENFORCER_INSTANCES,
    METRICS_PERMISSIONS,
    RECORDS,
    ROLES,
    STAGING,
    TOPIC,
    TRACKER_HOME,
    TRACKER_INSTANCES,
    Installation,
)
from spotkeeper.doctor.facts import Binding, Found, Platform, Policy, Records, Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown
from spotkeeper.enforcement.permissions import needed_permissions
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.tracking.settings import TrackerSettings

_DEPLOY = "make deploy"


def needed_roles(
    installation: Installation, tracker: TrackerSettings | None, enforcer: EnforcerSettings | None
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the permissions of each role of our own by project and id, as the settings have it."""
    home = installation.project_id
    extra: dict[str, tuple[str, ...]] = {}
    if tracker:
        extra[TRACKER_INSTANCES] = (
            *(ASSET_HISTORY_PERMISSIONS if tracker.asset_history else ()),
            *(AUDIT_LOG_PERMISSIONS if tracker.audit_log_history else ()),
        )
        extra[TRACKER_HOME] = (
            *(METRICS_PERMISSIONS if tracker.custom_metrics else ()),
            *(CAPACITY_HISTORY_PERMISSIONS if tracker.capacity_history else ()),
        )
    if enforcer:
        extra[ENFORCER_INSTANCES] = needed_permissions(
            enforcer.policy, undo=enforcer.approvals_subscription is not None
        )[len(ROLES[ENFORCER_INSTANCES]) :]
    places = [(home, role) for role in (TRACKER_HOME, ENFORCER_HOME, RECORDS, STAGING, ALERTS)]
    places += [(project, TRACKER_INSTANCES) for project in (tracker.projects if tracker else ())]
    places += [(project, ENFORCER_INSTANCES) for project in enforced_projects(enforcer)]
    return {(project, role): (*ROLES[role], *extra.get(role, ())) for project, role in places}


def enforced_projects(enforcer: EnforcerSettings | None) -> list[str]:
    """Return the projects in which the policy has something to stop."""
    return sorted(
        {project for rule in enforcer.policy.budgets.values() for project in rule.projects} if enforcer else ()
    )


def roles(
    installation: Installation, platform: Platform, tracker: TrackerSettings | None, enforcer: EnforcerSettings | None
) -> Iterator[Finding]:
    """Yield whether each role of our own is there and holds what the calls need."""
    in_folder = _in_folder(platform, tracker)
    if in_folder:
        reason = f"no tracked project has the role {TRACKER_INSTANCES}; if a folder gives it, the hours are complete"
        yield unknown("rights of the tracker", Unread(reason), "")
    for (project, role), permissions in needed_roles(installation, tracker, enforcer).items():
        if platform.is_tracker_alone and role == ENFORCER_HOME:
            continue
        if in_folder and role == TRACKER_INSTANCES:
            continue
        named = f"{role}{installation.role_suffix}"
        about = f"role {named} in {project}"
        held = platform.roles.get((project, role))
        if isinstance(held, Unread):
            yield unknown(about, held, f"roles/iam.roleViewer on project {project}")
        elif held is None:
            yield problem(about, f"Project {project} has no such role{_folder(role)}.", _DEPLOY)
        elif missing := sorted(set(permissions) - held):
            add = f"gcloud iam roles update {named} --project {project} --add-permissions {','.join(missing)}"
            yield problem(about, f"It lacks {', '.join(missing)}.", add)
        elif role == ENFORCER_INSTANCES and (wide := sorted(held - set(permissions))):
            remove = f"gcloud iam roles update {named} --project {project} --remove-permissions {','.join(wide)}"
            yield problem(about, f"It holds {', '.join(wide)}, which this policy does not need.", remove)
        else:
            yield ok(about, f"It holds what the calls need: {', '.join(permissions)}.")


def grants(
    installation: Installation, platform: Platform, tracker: TrackerSettings | None, enforcer: EnforcerSettings | None
) -> Iterator[Finding]:
    """Yield whether each account has its roles in the projects."""
    home = installation.project_id
    wanted = [(home, "tracker", installation.role(TRACKER_HOME), False)]
    if not platform.is_tracker_alone:
        wanted += [(home, "enforcer", installation.role(ENFORCER_HOME), False)]
    wanted += [(home, name, installation.role(STAGING), True) for name in _recorders(platform)]
    wanted += [(home, "builder", role, False) for role in BUILDER_ROLES]
    for project in tracker.projects if tracker and not _in_folder(platform, tracker) else ():
        wanted.append((project, "tracker", installation.role(TRACKER_INSTANCES, project), False))
    for project in enforced_projects(enforcer):
        wanted.append((project, "enforcer", installation.role(ENFORCER_INSTANCES, project), False))
    for project in dict.fromkeys(project for project, *_ in wanted):
        about, policy = f"rights in {project}", platform.policies.get(project)
        if isinstance(policy, Unread) or policy is None:
            unread = policy or Unread(f"project {project} is not there, or is not shown to you", denied=True)
            yield unknown(about, unread, f"roles/iam.securityReviewer on project {project}")
            continue
        lacking = [
            _lacking(about, project, role, installation.member(name), conditional=conditional)
            for where, name, role, conditional in wanted
            if where == project and not _bound(policy, Binding(role, installation.member(name), conditional))
        ]
        yield from lacking
        if not lacking:
            yield ok(about, "Every account has its roles.")


def dataset_access(installation: Installation, platform: Platform, records: Records) -> Iterator[Finding]:
    """Yield whether the functions may read and write the dataset."""
    about, access = "rights on the dataset", records.access
    if isinstance(access, Unread):
        yield unknown(about, access, "roles/bigquery.metadataViewer on the dataset")
    elif access is not None:
        role = installation.records_role
        lacking = [name for name in _recorders(platform) if (role, installation.email(name)) not in access]
        for name in lacking:
            yield problem(about, f"{installation.email(name)} does not have {role}.", _DEPLOY)
        if not lacking:
            yield ok(about, f"The {' and the '.join(_recorders(platform))} may read and write its tables.")


def topic_grant(installation: Installation, policy: Policy) -> Finding:
    """Return whether the tracker may publish its alerts."""
    member, role = installation.member("tracker"), installation.role(ALERTS)
    return granted("alerts of the tracker", installation, policy, "topics", (TOPIC, member, role))


def granted(
    about: str, installation: Installation, policy: Found[Policy], kind: str, wanted: tuple[str, str, str]
) -> Finding:
    """Return whether somebody has a role on a topic or a subscription."""
    name, member, role = wanted
    if isinstance(policy, frozenset) and _bound(policy, Binding(role, member)):
        return ok(about, f"{member} has {role} on {name}.")
    fix = (
        f"gcloud pubsub {kind} add-iam-policy-binding {name} --project {installation.project_id} "
        f"--member {member} --role {role}"
    )
    return problem(about, f"{member} does not have {role} on {name}.", fix)


def _recorders(platform: Platform) -> tuple[str, ...]:
    """Return the functions that write to the dataset."""
    return ("tracker",) if platform.is_tracker_alone else ("tracker", "enforcer")


def _in_folder(platform: Platform, tracker: TrackerSettings | None) -> bool:
    """Whether the tracker's role seems to be granted on a folder: none of several tracked projects has it."""
    projects = tracker.projects if tracker else ()
    found = [platform.roles.get((project, TRACKER_INSTANCES)) for project in projects]
    return len(found) > 1 and all(each is None for each in found)


def _bound(policy: Policy, wanted: Binding) -> bool:
    """Whether somebody has a role; one without its condition is wider than it need be, and enough."""
    return wanted in policy or (wanted.conditional and Binding(wanted.role, wanted.member) in policy)


def _lacking(about: str, project: str, role: str, member: str, *, conditional: bool) -> Finding:
    bind = f"gcloud projects add-iam-policy-binding {project} --member {member} --role {role} --condition None"
    sentence = f"{member} does not have {role}{_folder(role)}."
    return problem(about, sentence, _DEPLOY if conditional else bind)


def _folder(role: str) -> str:
    return " (a folder may give it instead)" if TRACKER_INSTANCES in role else ""
