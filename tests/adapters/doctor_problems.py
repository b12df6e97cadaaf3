"""What can be wrong with a deployment: each cause, the part it is reported for, and the command that fixes it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from infra.local.emulators.platform_resources import ACCOUNT, BUDGET_ID, Resources
from infra.local.stack.stack import HOME_PROJECT

NOW = datetime(2026, 7, 22, 5, 20, tzinfo=UTC)
REGION = "us-central1"
DATASET = "doctor"
TRACKER, ENFORCER = "functions/track-spot-costs", "functions/enforce-budget-limit"
TRACKER_URI = "https://track-spot-costs-abcdefghij-uc.a.run.app"
ENFORCER_URI = "https://enforce-budget-limit-abcdefghij-uc.a.run.app"
SUBSCRIPTION, JOB = "subscriptions/spotkeeper-enforcer", "jobs/spotkeeper-hourly"
EVENTS = f"projects/{HOME_PROJECT}/topics/spotkeeper-events"
TOPIC = f"projects/{HOME_PROJECT}/topics/spotkeeper-budget"
BILLING = "serviceAccount:billing-budget-alert@system.gserviceaccount.com"
DEPLOY = "make deploy"
AT_PROJECT = f"--project {HOME_PROJECT}"
AT_REGION = f"{AT_PROJECT} --location {REGION}"


def email(name: str) -> str:
    return f"spotkeeper-{name}@{HOME_PROJECT}.iam.gserviceaccount.com"


def change(resource: str, **values: object) -> Callable[[Resources], None]:
    """Return what gives a resource other values; `a__b` is b within a."""

    def spoil(resources: Resources) -> None:
        for name, value in values.items():
            *path, last = name.split("__")
            place: Any = resources[resource]
            for part in path:
                place = place[part]
            place[last] = value

    return spoil


def without(resource: str, *path: str) -> Callable[[Resources], None]:
    """Return what takes a resource away, or something in it."""

    def spoil(resources: Resources) -> None:
        place: Any = resources
        for part in (resource, *path)[:-1]:
            place = place[part]
        del place[(resource, *path)[-1]]

    return spoil


def revoked(resource: str, role: str, member: str) -> Callable[[Resources], None]:
    """Return what takes a role from a member."""

    def spoil(resources: Resources) -> None:
        for binding in resources[resource]["bindings"]:
            if binding["role"] == role:
                binding["members"] = [each for each in binding["members"] if each != member]

    return spoil


def settings(function: str, **values: str) -> Callable[[Resources], None]:
    """Return what gives a function other settings."""

    def spoil(resources: Resources) -> None:
        resources[function]["serviceConfig"]["environmentVariables"].update(values)

    return spoil


def thresholds(resources: Resources) -> None:
    """Write shares as percentages, as the old flags of gcloud did."""
    resources["budgets"]["budgets"][0]["thresholdRules"] = [{"thresholdPercent": 0.5}, {"thresholdPercent": 80}]


def of_a_year(resources: Resources) -> None:
    """Have the budget count a year."""
    resources["budgets"]["budgets"][0]["budgetFilter"]["calendarPeriod"] = "YEAR"


def no_budget_reports(resources: Resources) -> None:
    """Let the budget that there is report nowhere."""
    del resources["budgets"]["budgets"][0]["notificationsRule"]


def another_budget(resources: Resources) -> None:
    """Let a budget report that the policy does not name, on the second page of the list."""
    [first] = resources["budgets"]["budgets"]
    silent = [{**first, "name": f"billingAccounts/{ACCOUNT}/budgets/b{n}", "notificationsRule": {}} for n in range(100)]
    other = {**first, "name": f"billingAccounts/{ACCOUNT}/budgets/other"}
    resources["budgets"]["budgets"] = [first, *silent, other]


def with_events(failed: dict[str, int], *bindings: dict[str, object]) -> Callable[[Resources], None]:
    """Return what gives the enforcer a topic of events, with who may publish there and the requests that failed."""

    def spoil(resources: Resources) -> None:
        resources[ENFORCER]["serviceConfig"]["environmentVariables"]["EVENTS_TOPIC"] = EVENTS
        resources["topics/spotkeeper-events:policy"] = {
            "version": 3,
            "etag": "BwYxyzAAAAA=",
            "bindings": list(bindings),
        }
        resources["failed publishes"] = failed

    return spoil


def role(name: str) -> str:
    return f"projects/{HOME_PROJECT}/roles/{name}"


PUSH = (
    f"gcloud pubsub subscriptions modify-push-config spotkeeper-enforcer {AT_PROJECT} --push-endpoint {ENFORCER_URI} "
    f"--push-auth-service-account {email('delivery')} --push-auth-token-audience {ENFORCER_URI}"
)
TARGET = (
    f"gcloud scheduler jobs update http spotkeeper-hourly {AT_REGION} --uri {TRACKER_URI} "
    f"--oidc-service-account-email {email('scheduler')} --oidc-token-audience {TRACKER_URI}"
)
MAY_PUBLISH: dict[str, object] = {
    "role": role("spotkeeperAlerts"),
    "members": [f"serviceAccount:{email('enforcer')}"],
}
TRACKER_LOG = f"gcloud functions logs read track-spot-costs {AT_PROJECT} --limit 20 --region {REGION}"

PROBLEMS: dict[str, tuple[Callable[[Resources], None], str, str, str]] = {
    "a role lacks a permission": (
        change("roles/spotkeeperEnforcerInstances", includedPermissions=["compute.instances.list"]),
        f"role spotkeeperEnforcerInstances in {HOME_PROJECT}",
        "It lacks compute.instanceGroupManagers.update, ",
        (
            f"gcloud iam roles update spotkeeperEnforcerInstances {AT_PROJECT} --add-permissions "
            "compute.instanceGroupManagers.update,compute.instances.get,"
            "compute.instances.stop,compute.machineTypes.get,compute.regionOperations.get,"
            "compute.regionOperations.list,compute.zoneOperations.get,compute.zoneOperations.list"
        ),
    ),
    "a role is deleted": (
        change("roles/spotkeeperAlerts", deleted=True),
        f"role spotkeeperAlerts in {HOME_PROJECT}",
        f"Project {HOME_PROJECT} has no such role.",
        DEPLOY,
    ),
    "guests are to be warned without the right to": (
        settings(
            ENFORCER,
            ENFORCEMENT_POLICY=json.dumps({"budgets": {BUDGET_ID: {"projects": [HOME_PROJECT]}}, "grace_seconds": 60}),
        ),
        f"role spotkeeperEnforcerInstances in {HOME_PROJECT}",
        "It lacks compute.instances.setMetadata.",
        (
            f"gcloud iam roles update spotkeeperEnforcerInstances {AT_PROJECT} "
            "--add-permissions compute.instances.setMetadata"
        ),
    ),
    "a role is not given": (
        revoked("policy", role("spotkeeperEnforcerInstances"), f"serviceAccount:{email('enforcer')}"),
        f"rights in {HOME_PROJECT}",
        f"serviceAccount:{email('enforcer')} does not have {role('spotkeeperEnforcerInstances')}.",
        (
            f"gcloud projects add-iam-policy-binding {HOME_PROJECT} --member serviceAccount:{email('enforcer')} "
            f"--role {role('spotkeeperEnforcerInstances')} --condition None"
        ),
    ),
    "staging tables may not be deleted": (
        revoked("policy", role("spotkeeperStaging"), f"serviceAccount:{email('tracker')}"),
        f"rights in {HOME_PROJECT}",
        f"serviceAccount:{email('tracker')} does not have {role('spotkeeperStaging')}.",
        DEPLOY,
    ),
    "a function is gone": (
        without(ENFORCER),
        "enforce-budget-limit",
        "There is no function enforce-budget-limit.",
        DEPLOY,
    ),
    "a function failed": (
        change(TRACKER, state="FAILED"),
        "track-spot-costs",
        "State FAILED, not ACTIVE.",
        f"gcloud functions logs read track-spot-costs {AT_PROJECT} --region {REGION}",
    ),
    "several enforcers at once": (
        change(ENFORCER, serviceConfig__maxInstanceCount=3),
        "enforce-budget-limit",
        "max instances 3, concurrency 1, but both must be 1: two concurrent plans would stop too many VMs.",
        DEPLOY,
    ),
    "several messages at once": (
        change(ENFORCER, serviceConfig__maxInstanceRequestConcurrency=80),
        "enforce-budget-limit",
        "max instances 1, concurrency 80, but both must be 1: two concurrent plans would stop too many VMs.",
        DEPLOY,
    ),
    "a setting is wrong": (
        settings(TRACKER, CATCH_UP_HOURS="many"),
        "track-spot-costs settings",
        'The function refuses to start: CATCH_UP_HOURS is "many", but must be a whole number from 1 to ',
        DEPLOY,
    ),
    "another dataset": (
        settings(TRACKER, DATASET="elsewhere"),
        "track-spot-costs settings",
        f"It writes to dataset elsewhere, not to {DATASET}.",
        f"python -m spotkeeper doctor {AT_PROJECT} --dataset elsewhere",
    ),
    "the scheduler may not call": (
        revoked("services/track-spot-costs:policy", "roles/run.invoker", f"serviceAccount:{email('scheduler')}"),
        "track-spot-costs caller",
        f"serviceAccount:{email('scheduler')} lacks roles/run.invoker: every call is refused with 403.",
        (
            f"gcloud run services add-iam-policy-binding track-spot-costs {AT_PROJECT} --region {REGION} "
            f"--member serviceAccount:{email('scheduler')} --role roles/run.invoker"
        ),
    ),
    "no budget topic": (
        without("topics/spotkeeper-budget:policy"),
        "budget topic",
        "There is no topic spotkeeper-budget: no budget can report.",
        DEPLOY,
    ),
    "Cloud Billing may not publish": (
        revoked("topics/spotkeeper-budget:policy", "roles/pubsub.publisher", BILLING),
        "Cloud Billing",
        f"{BILLING} does not have roles/pubsub.publisher on spotkeeper-budget.",
        (
            f"gcloud pubsub topics add-iam-policy-binding spotkeeper-budget {AT_PROJECT} --member {BILLING} "
            "--role roles/pubsub.publisher"
        ),
    ),
    "the tracker may not publish": (
        revoked("topics/spotkeeper-budget:policy", role("spotkeeperAlerts"), f"serviceAccount:{email('tracker')}"),
        "alerts of the tracker",
        f"serviceAccount:{email('tracker')} does not have {role('spotkeeperAlerts')} on spotkeeper-budget.",
        (
            f"gcloud pubsub topics add-iam-policy-binding spotkeeper-budget {AT_PROJECT} "
            f"--member serviceAccount:{email('tracker')} --role {role('spotkeeperAlerts')}"
        ),
    ),
    "no subscription": (
        without(SUBSCRIPTION),
        "delivery",
        "There is no subscription spotkeeper-enforcer: nothing is delivered.",
        DEPLOY,
    ),
    "its topic was deleted": (
        change(SUBSCRIPTION, topic="_deleted-topic_"),
        "delivery",
        f"spotkeeper-enforcer is a subscription of _deleted-topic_, not of {TOPIC}.",
        f"gcloud pubsub subscriptions delete spotkeeper-enforcer {AT_PROJECT} && make deploy",
    ),
    "nothing is pushed": (
        change(SUBSCRIPTION, pushConfig={}),
        "delivery",
        "Notifications are not delivered: the subscription has no push endpoint.",
        PUSH,
    ),
    "delivered elsewhere": (
        change(SUBSCRIPTION, pushConfig__pushEndpoint="https://old.example.com"),
        "delivery",
        f"The push endpoint is https://old.example.com, but the enforcer is {ENFORCER_URI}.",
        PUSH,
    ),
    "delivered unsigned": (
        without(SUBSCRIPTION, "pushConfig", "oidcToken"),
        "delivery",
        f"Pushes are signed by nobody for audience none, not by {email('delivery')} for {ENFORCER_URI}.",
        PUSH,
    ),
    "messages were given up": (
        change("waiting", messages=4),
        "dead letters",
        "4 undelivered messages are in spotkeeper-dead-letter.",
        f"gcloud pubsub subscriptions pull spotkeeper-dead-letter {AT_PROJECT} --limit 10",
    ),
    "nobody pays": (
        change("billingInfo", billingEnabled=False),
        "billing",
        f"Project {HOME_PROJECT} has no billing account.",
        f"gcloud billing projects link {HOME_PROJECT} --billing-account BILLING_ACCOUNT_ID",
    ),
    "a threshold of 8,000 %": (
        thresholds,
        f"thresholds of {BUDGET_ID}",
        "80 of 'spotkeeper: compute' is 8000%: a threshold is a share, so 80 % is 0.8.",
        (
            f"gcloud billing budgets update {BUDGET_ID} --billing-account {ACCOUNT} --clear-threshold-rules "
            "--add-threshold-rule percent=0.5 --add-threshold-rule percent=0.8"
        ),
    ),
    "a budget that the policy does not name": (
        another_budget,
        "policy",
        "The policy does not name other: what it says is recorded as unknown_budget.",
        DEPLOY,
    ),
    "a policy for a budget that is not there": (
        settings(
            ENFORCER,
            ENFORCEMENT_POLICY=json.dumps(
                {"budgets": {name: {"projects": [HOME_PROJECT]} for name in (BUDGET_ID, "typo")}}
            ),
        ),
        "policy",
        "The policy names typo, and nothing reports under that id.",
        DEPLOY,
    ),
    "no job": (
        without(JOB),
        "schedule",
        f"There is no job spotkeeper-hourly in {REGION}: nothing calls the tracker.",
        DEPLOY,
    ),
    "the job is paused": (
        change(JOB, state="PAUSED"),
        "schedule",
        "spotkeeper-hourly is PAUSED: nothing calls the tracker.",
        f"gcloud scheduler jobs resume spotkeeper-hourly {AT_REGION}",
    ),
    "the job calls something else": (
        change(JOB, httpTarget__uri="https://old.example.com/"),
        "schedule target",
        f"spotkeeper-hourly calls https://old.example.com/, but the tracker is {TRACKER_URI}.",
        TARGET,
    ),
    "the job signs as another": (
        change(JOB, httpTarget__oidcToken={"serviceAccountEmail": "x@y.z", "audience": TRACKER_URI}),
        "schedule target",
        f"Calls of spotkeeper-hourly are signed by x@y.z for audience {TRACKER_URI}, not by {email('scheduler')}",
        TARGET,
    ),
    "the last call failed": (
        change(JOB, status={"code": 7, "message": "PERMISSION_DENIED"}),
        "schedule result",
        "The last call of spotkeeper-hourly failed: code 7 PERMISSION_DENIED.",
        TRACKER_LOG,
    ),
    "the job never ran": (
        without(JOB, "lastAttemptTime"),
        "schedule result",
        "spotkeeper-hourly has not called the tracker yet.",
        f"gcloud scheduler jobs run spotkeeper-hourly {AT_REGION}",
    ),
    "interim checks without a job": (
        settings(TRACKER, INTERIM_CHECKS="true"),
        "interim checks",
        f"There is no job spotkeeper-interim in {REGION}: nothing checks the budgets between two hours.",
        DEPLOY,
    ),
    "no topic of events": (
        settings(ENFORCER, EVENTS_TOPIC=EVENTS),
        "events topic",
        "There is no topic spotkeeper-events: nobody hears of stops from it.",
        DEPLOY,
    ),
    "the enforcer may publish no events": (
        with_events({}),
        "events of the enforcer",
        f"serviceAccount:{email('enforcer')} does not have {role('spotkeeperAlerts')} on spotkeeper-events.",
        (
            f"gcloud pubsub topics add-iam-policy-binding spotkeeper-events {AT_PROJECT} "
            f"--member serviceAccount:{email('enforcer')} --role {role('spotkeeperAlerts')}"
        ),
    ),
    "events are not published": (
        with_events({"permission_denied": 3, "invalid_argument": 2}, MAY_PUBLISH),
        "published events",
        "5 requests of enforce-budget-limit to publish on spotkeeper-events failed in the last day.",
        (f"gcloud logging read 'jsonPayload.message=\"event not published\"' {AT_PROJECT} --limit 5 --freshness 1d"),
    ),
    "a yearly budget is under a monthly rule": (
        of_a_year,
        f"rule {BUDGET_ID}",
        "Its period is month, but that of the budget is year.",
        DEPLOY,
    ),
}
"""Each problem: its cause, the part it is reported for, how the sentence begins, and the command."""

CHANGED = ("budget_notifications", "enforcement_actions", "project_hours", "spot_vm_costs", "tracker_runs")
"""The tables whose rows a test changes."""

IN_PLACE: dict[str, tuple[str, str, str, str]] = {
    "an hour is missing and one is incomplete for a project": (
        (
            "DELETE FROM {dataset}.tracker_runs WHERE hour = TIMESTAMP '2026-07-21T09:00:00Z'; "
            "UPDATE {dataset}.project_hours SET state = 'incomplete' WHERE hour = TIMESTAMP '2026-07-21T11:00:00Z'"
        ),
        "hours",
        "2 of the last 48 hours missing or incomplete, the first that of 2026-07-21 09:00 UTC.",
        f"gcloud functions logs read track-spot-costs {AT_PROJECT} --region {REGION} --limit 20",
    ),
    "prices are stale": (
        "UPDATE {dataset}.spot_vm_costs SET price_status = 'stale' WHERE usage_start_time >= '2026-07-22'",
        "stale prices",
        "22% of the last day's cost rows have stale prices.",
        f"gcloud functions logs read track-spot-costs {AT_PROJECT} --region {REGION} --limit 20",
    ),
    "no message came": (
        "DELETE FROM {dataset}.budget_notifications WHERE TRUE",
        "last notification",
        "No budget notification was recorded in the last week: check that a budget publishes to the topic.",
        f"gcloud pubsub subscriptions describe spotkeeper-enforcer {AT_PROJECT}",
    ),
    "a group is frozen beyond its budget period": (
        (
            "INSERT INTO {dataset}.enforcement_actions (message_id, delivery_id, budget_id, period_end, happened_at, "
            "project_id, zone, instance_id, instance_name, managed_by, event, reason, mode) "
            "SELECT 'm1', 'd1', 'b1', TIMESTAMP '2026-07-20T07:00:00Z', TIMESTAMP '2026-07-19T12:00:00Z', 'p', "
            "'us-central1-a', '7', 'workers', 'projects/p/zones/us-central1-a/instanceGroupManagers/workers', event, "
            "'at 100 %', 'enforce' FROM UNNEST(['freeze_planned', 'frozen']) AS event"
        ),
        "freezes",
        (
            "projects/p/zones/us-central1-a/instanceGroupManagers/workers is frozen still, though its budget period "
            "ended 1 d 22 h ago: set its autoscaler on."
        ),
        "gcloud compute instance-groups managed update-autoscaling workers --zone us-central1-a --project p --mode on",
    ),
    "nothing was ever recorded": (
        "DELETE FROM {dataset}.tracker_runs WHERE TRUE",
        "last run",
        "The tracker has recorded no run in the last week.",
        f"gcloud scheduler jobs run spotkeeper-hourly {AT_REGION}",
    ),
}
"""What goes wrong in the dataset; the last one hides the first."""
