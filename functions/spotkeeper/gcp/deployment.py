"""Read a deployment over REST, one call per question; nothing is changed."""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from spotkeeper.doctor.deployment import (
    DEAD_LETTER,
    FUNCTIONS,
    INTERIM_JOB,
    JOB,
    SUBSCRIPTION,
    TOPIC,
    Installation,
)
from spotkeeper.doctor.facts import (
    Binding,
    Budget,
    Found,
    Function,
    Job,
    Platform,
    Policy,
    Subscription,
    Unread,
)
from spotkeeper.doctor.functions import enforcer_settings, tracker_settings
from spotkeeper.doctor.rights import enforced_projects, needed_roles
from spotkeeper.enforcement.policies import CustomPeriod
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.http_calls import ERROR_MESSAGE, CallError, HttpCalls, PageTokens
from spotkeeper.periods import PeriodKind, rfc3339
from spotkeeper.values import number, parsed, time

HOSTS = {
    "Cloud Billing": "cloudbilling.googleapis.com",
    "Cloud Billing Budgets": "billingbudgets.googleapis.com",
    "Cloud Functions": "cloudfunctions.googleapis.com",
    "Cloud Monitoring": "monitoring.googleapis.com",
    "Cloud Run": "run.googleapis.com",
    "Cloud Scheduler": "cloudscheduler.googleapis.com",
    "IAM": "iam.googleapis.com",
    "Pub/Sub": "pubsub.googleapis.com",
    "Resource Manager": "cloudresourcemanager.googleapis.com",
}
_DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_POLICY_VERSION = 3
"""The version whose policies contain conditions: https://cloud.google.com/iam/docs/policies#versions"""

_PAGE = "100"
_NO_PERIOD = "CALENDAR_PERIOD_UNSPECIFIED"
_share = number(0, 1000)
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""The exceptions of a reader whose response is not in the documented form."""


class PlatformReader:
    """Reads one deployment; what cannot be read becomes Unread, and what does not exist None."""

    def __init__(self, installation: Installation, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._at = installation
        self._services = {name: HttpCalls(name, host, endpoint, retry_timeout) for name, host in HOSTS.items()}

    def read(self, now: datetime) -> Platform:
        """Return the deployment; raises UnavailableError when the project itself cannot be read."""
        self._check_project()
        functions = self.functions()
        region = next((each.region for each in functions.values() if isinstance(each, Function)), self._at.region)
        account = self._found(self._billing_account)
        found = Platform(
            functions=functions,
            invokers={
                name: self._found(partial(self._invokers, name, each.region))
                for name, each in functions.items()
                if isinstance(each, Function)
            },
            roles={},
            policies={},
            topic=self._found(partial(self._pubsub_policy, f"topics/{TOPIC}")),
            subscription=self._found(self._subscription),
            dead_letters=self._found(partial(self._dead_letters, now)),
            numbers={},
            billing_account=account,
            budgets=self._all(partial(self._budgets, account)) if isinstance(account, str) else (),
            job=self._scheduled(JOB, region),
            interim_job=self._scheduled(INTERIM_JOB, region),
        )
        return self._with_rights(found, now)

    def _with_rights(self, found: Platform, now: datetime) -> Platform:
        """The roles and policies to read follow from the settings of the functions."""
        needed = needed_roles(self._at, tracker_settings(found), enforcer_settings(found))
        projects = sorted({self._at.project_id, *(project for project, _ in needed)})
        return Platform(
            **{
                **{name: getattr(found, name) for name in Platform.__slots__},
                "roles": {key: self._found(partial(self._role, *key)) for key in needed},
                "numbers": {
                    each: self._found(partial(self._number, each))
                    for each in enforced_projects(enforcer_settings(found))
                },
                "policies": {each: self._found(partial(self._project_policy, each)) for each in projects},
                **self._events(enforcer_settings(found), now),
            }
        )

    def _events(self, enforcer: EnforcerSettings | None, now: datetime) -> dict[str, Any]:
        """Return what is to be known of the topic of events; nothing without one."""
        topic = enforcer.events_topic if enforcer else None
        if topic is None:
            return {}
        return {
            "events_topic": self._found(partial(self._policy_of, topic)),
            "failed_events": self._all(partial(self._failed_publishes, topic, now)),
        }

    def _scheduled(self, name: str, region: str | None) -> Found[Job]:
        if not region:
            return Unread("the region is not known; set --region")
        return self._found(partial(self._job, name, region))

    def _call(
        self, service: str, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None
    ) -> dict[str, Any]:
        return self._services[service].call(method, path, query=query, body=body)

    def _found[Fact](self, read: Callable[[], Fact | None]) -> Found[Fact]:
        try:
            return read()
        except CallError as error:
            return None if error.status == HTTPStatus.NOT_FOUND else unread(error)
        except _MALFORMED as error:
            return unreadable(error)

    def _all[Fact](self, read: Callable[[], Fact]) -> Fact | Unread:
        try:
            return read()
        except CallError as error:
            return unread(error)
        except _MALFORMED as error:
            return unreadable(error)

    def _check_project(self) -> None:
        """Raise UnavailableError when the project does not exist, or the caller may not see it."""
        project_id = self._at.project_id
        try:
            answer = self._call("Resource Manager", "GET", f"/v3/projects/{project_id}")
        except CallError as error:
            if error.status in (*_DENIED, HTTPStatus.NOT_FOUND):
                message = f"project {project_id} does not exist, or you may not see it: {error_message(error)}"
                raise UnavailableError(message) from error
            raise
        if not str(answer.get("name", "")).startswith("projects/"):
            message = f"Resource Manager: unexpected response: no project name in {str(answer)[:200]}"
            raise UnavailableError(message)

    def functions(self) -> dict[str, Found[Function]]:
        """Return both functions, as they are deployed.

        https://cloud.google.com/functions/docs/reference/rest/v2/projects.locations.functions/list
        """
        path = f"/v2/projects/{self._at.project_id}/locations/{self._at.region or '-'}/functions"

        def read() -> dict[str, Function]:
            answers = self._pages("Cloud Functions", path, "functions")
            return {str(each["name"]).rpartition("/")[2]: _function(each) for each in answers}

        found = self._all(read)
        return {name: found if isinstance(found, Unread) else found.get(name) for name in FUNCTIONS}

    def _pages(
        self, service: str, path: str, items: str, filtered: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """All items of a list; one of which a part cannot be reached, or that turns in a circle, is none."""
        found: list[dict[str, Any]] = []
        page_tokens, query = PageTokens(service), {**(filtered or {}), "pageSize": _PAGE}
        while True:
            answer = self._call(service, "GET", path, query=query)
            if answer.get("unreachable"):
                message = f"{service}: {', '.join(map(str, answer['unreachable']))} cannot be reached"
                raise CallError(message, 0)
            token = str(answer.get("nextPageToken", ""))
            found += answer.get(items, []) if token or not answer or filtered else answer[items]
            if not token:
                return found
            query["pageToken"] = page_tokens.follow(token)

    def _invokers(self, name: str, region: str) -> Policy:
        """https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/getIamPolicy."""
        service = f"/v2/projects/{self._at.project_id}/locations/{region}/services/{name}"
        return _policy(self._call("Cloud Run", "GET", f"{service}:getIamPolicy", query=_policy_version()))

    def _role(self, project: str, role_id: str) -> frozenset[str] | None:
        """https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/get; a deleted one is answered too."""
        answer = self._call("IAM", "GET", f"/v1/{self._at.role(role_id, project)}")
        permissions = frozenset(map(str, answer.get("includedPermissions", [])))
        return permissions if answer["name"] and not answer.get("deleted") else None

    def _project_policy(self, project: str) -> Policy:
        """https://cloud.google.com/resource-manager/reference/rest/v3/projects/getIamPolicy."""
        options = {"options": {"requestedPolicyVersion": _POLICY_VERSION}}
        return _policy(self._call("Resource Manager", "POST", f"/v3/projects/{project}:getIamPolicy", body=options))

    def _pubsub_policy(self, resource: str) -> Policy:
        """https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/getIamPolicy."""
        return self._policy_of(f"projects/{self._at.project_id}/{resource}")

    def _policy_of(self, resource: str) -> Policy:
        return _policy(self._call("Pub/Sub", "GET", f"/v1/{resource}:getIamPolicy", query=_policy_version()))

    def _failed_publishes(self, topic: str, now: datetime) -> int:
        """How many requests to publish on a topic failed in the last day.

        https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-pubsub
        """
        _, project, _, name = topic.split("/")
        query = {
            "filter": (
                'metric.type="pubsub.googleapis.com/topic/send_request_count" '
                f'AND resource.labels.topic_id="{name}" AND metric.labels.response_class!="success"'
            ),
            "interval.startTime": rfc3339(now - timedelta(days=1)),
            "interval.endTime": rfc3339(now),
        }
        series = self._pages("Cloud Monitoring", f"/v3/projects/{project}/timeSeries", "timeSeries", query)
        return sum(int(point["value"].get("int64Value", 0)) for each in series for point in each.get("points", ()))

    def _subscription(self) -> Subscription:
        """https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions."""
        answer = self._call("Pub/Sub", "GET", f"/v1/projects/{self._at.project_id}/subscriptions/{SUBSCRIPTION}")
        push = answer.get("pushConfig") or {}
        token = push.get("oidcToken") or {}
        return Subscription(
            topic=str(answer["topic"]),
            state=str(answer.get("state", "")),
            endpoint=str(push.get("pushEndpoint", "")),
            account=str(token.get("serviceAccountEmail", "")),
            audience=str(token.get("audience", "")),
            detached=bool(answer.get("detached", False)),
        )

    def _dead_letters(self, now: datetime) -> int | None:
        """How many messages wait in the dead letter subscription, by the latest point; a few minutes old at least.

        None without a point: the answer has no `timeSeries` then.
        https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list
        """
        query = {
            "filter": (
                'metric.type="pubsub.googleapis.com/subscription/num_undelivered_messages" '
                f'AND resource.labels.subscription_id="{DEAD_LETTER}"'
            ),
            "interval.startTime": rfc3339(now - timedelta(minutes=30)),
            "interval.endTime": rfc3339(now),
        }
        answer = self._call("Cloud Monitoring", "GET", f"/v3/projects/{self._at.project_id}/timeSeries", query=query)
        for series in answer.get("timeSeries", ()):
            for point in series.get("points", []):
                return int(point["value"].get("int64Value", 0))
        return None

    def _billing_account(self) -> str | None:
        """https://cloud.google.com/billing/docs/reference/rest/v1/projects/getBillingInfo."""
        answer = self._call("Cloud Billing", "GET", f"/v1/projects/{self._at.project_id}/billingInfo")
        account = str(answer.get("billingAccountName", "")).rpartition("/")[2]
        return account if answer["name"] and answer.get("billingEnabled", False) else None

    def _budgets(self, account: str) -> Sequence[Budget]:
        """https://cloud.google.com/billing/docs/reference/budget/rest/v1/billingAccounts.budgets/list."""
        answers = self._pages("Cloud Billing Budgets", f"/v1/billingAccounts/{account}/budgets", "budgets")
        return [_budget(each) for each in answers]

    def _number(self, project: str) -> str:
        """https://cloud.google.com/resource-manager/reference/rest/v3/projects/get."""
        return str(self._call("Resource Manager", "GET", f"/v3/projects/{project}")["name"]).rpartition("/")[2]

    def _job(self, name: str, region: str) -> Job:
        """https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs."""
        path = f"/v1/projects/{self._at.project_id}/locations/{region}/jobs/{name}"
        answer = self._call("Cloud Scheduler", "GET", path)
        target = answer.get("httpTarget") or {}
        token = target.get("oidcToken") or {}
        status, attempted = answer.get("status") or {}, answer.get("lastAttemptTime")
        code = status.get("code", 0)
        return Job(
            state=str(answer["state"]),
            uri=str(target.get("uri", "")),
            account=str(token.get("serviceAccountEmail", "")),
            audience=str(token.get("audience", "")),
            last_attempt_at=parsed("lastAttemptTime", attempted, time) if attempted else None,
            failure=f"code {code} {status.get('message', '')}".strip() if code else "",
            body=b64decode(str(target.get("body", "")), validate=True).decode(),
        )


def unread(error: CallError) -> Unread:
    """Return why a part could not be read."""
    return Unread(error_message(error), denied=error.status in _DENIED)


def unreadable(error: Exception) -> Unread:
    """Return that a response could not be parsed."""
    return Unread(f"unexpected response ({type(error).__name__}: {error})")


def error_message(error: Exception) -> str:
    """Return the error message of a service from the JSON of its response."""
    message = ERROR_MESSAGE.search(str(error))
    service = str(error).partition(":")[0]
    return f"{service}: {message[1]}" if message else str(error)


def _policy_version() -> Mapping[str, str]:
    return {"options.requestedPolicyVersion": str(_POLICY_VERSION)}


def _policy(answer: Mapping[str, Any]) -> Policy:
    """A policy that grants nothing has an etag still."""
    if not answer["etag"]:
        return frozenset()
    return frozenset(
        Binding(str(binding["role"]), str(member), "condition" in binding)
        for binding in answer.get("bindings", [])
        for member in binding.get("members", [])
    )


def _budget(answer: Mapping[str, Any]) -> Budget:
    """The budget; without a period it is monthly, without a treatment it counts credits."""
    counted, amount = answer.get("budgetFilter") or {}, answer["amount"]
    return Budget(
        budget_id=str(answer["name"]).rpartition("/")[2],
        display_name=str(answer.get("displayName", "")),
        topic=str((answer.get("notificationsRule") or {}).get("pubsubTopic", "")),
        thresholds=tuple(_share(rule["thresholdPercent"]) for rule in answer.get("thresholdRules", [])),
        period=_period(counted),
        currency=str((amount.get("specifiedAmount") or {}).get("currencyCode", "")),
        projects=tuple(str(name).rpartition("/")[2] for name in counted.get("projects", [])),
        services=tuple(map(str, counted.get("services", []))),
        labels={
            str(key): frozenset(map(str, values if isinstance(values, list) else [values]))
            for key, values in (counted.get("labels") or {}).items()
        },
        last_period_amount="lastPeriodAmount" in amount,
        counts_credits=counted.get("creditTypesTreatment") != "EXCLUDE_ALL_CREDITS",
    )


def _period(counted: Mapping[str, Any]) -> PeriodKind | CustomPeriod:
    custom = counted.get("customPeriod")
    if custom is None:
        found = str(counted.get("calendarPeriod", _NO_PERIOD))
        return PeriodKind.MONTH if found == _NO_PERIOD else PeriodKind(found.lower())
    return CustomPeriod(_day(custom["startDate"]), _day(custom["endDate"]) if "endDate" in custom else date.max)


def _day(found: Mapping[str, Any]) -> date:
    return date(int(found["year"]), int(found["month"]), int(found["day"]))


def _function(answer: Mapping[str, Any]) -> Function:
    service = answer.get("serviceConfig") or {}
    return Function(
        region=str(answer["name"]).split("/")[3],
        state=str(answer["state"]),
        account=str(service.get("serviceAccountEmail", "")),
        max_instances=int(service.get("maxInstanceCount", 0)),
        concurrency=int(service.get("maxInstanceRequestConcurrency", 1)),
        uri=str(service.get("uri", "")),
        environment={str(name): str(value) for name, value in (service.get("environmentVariables") or {}).items()},
    )
