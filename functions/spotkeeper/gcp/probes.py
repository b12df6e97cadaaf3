"""Reads of Google Cloud that show whether an assumption of this package holds; nothing is changed.

docs/verified.md lists the assumptions, and what else supports each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from spotkeeper.doctor.deployment import TOPIC, Installation
from spotkeeper.doctor.facts import Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.audit_log import HOST as LOGGING_HOST
from spotkeeper.gcp.audit_log import LogEntries
from spotkeeper.gcp.bigquery.rest_query import HOST as BIGQUERY_HOST
from spotkeeper.gcp.billing_prices import HOST as PRICING_HOST
from spotkeeper.gcp.billing_prices import prices_path
from spotkeeper.gcp.compute.lists import HOST as COMPUTE_HOST
from spotkeeper.gcp.compute.lists import PROJECTS, Json
from spotkeeper.gcp.deployment import HOSTS, unread, unreadable
from spotkeeper.gcp.http_calls import CallError, HttpCalls
from spotkeeper.periods import rfc3339
from spotkeeper.pricing.contract_prices import sku_of
from spotkeeper.settings import Endpoints
from spotkeeper.tracking.http_api import SCHEDULED_LATER

PAGE = "docs/verified.md"
OPERATIONS_KEPT = timedelta(days=14)
FIRST_OPEN_END = "2200"
"""The year from which on an end stands for a version that still holds."""

_ASSETS_HOST = "cloudasset.googleapis.com"
_ROLE = "roles/viewer on the project"
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError)
_BUDGET_FIELDS = {
    "amount",
    "budgetFilter",
    "displayName",
    "etag",
    "name",
    "notificationsRule",
    "ownershipScope",
    "thresholdRules",
}
_PRICE_FIELDS = {"name", "currencyCode", "valueType", "priceReason", "rate"}
_TIER_FIELDS = {"startAmount", "listPrice", "contractPrice", "effectiveDiscountPercent"}
_CREDITS = {"INCLUDE_ALL_CREDITS", "EXCLUDE_ALL_CREDITS", "INCLUDE_SPECIFIED_CREDITS"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a probe saw: whether the assumption holds (None: nothing to see yet), and a sentence."""

    holds: bool | None
    sentence: str


class Prober:
    """Runs the probes in one project."""

    def __init__(
        self, installation: Installation, endpoints: Endpoints, platform: str | None, retry_timeout: timedelta
    ) -> None:
        self._at = installation
        self._project = f"/bigquery/v2/projects/{installation.project_id}"
        self._bigquery = HttpCalls("BigQuery", BIGQUERY_HOST, endpoints.bigquery, retry_timeout)
        self._compute = HttpCalls("Compute Engine", COMPUTE_HOST, endpoints.compute, retry_timeout)
        self._assets = HttpCalls("Cloud Asset Inventory", _ASSETS_HOST, endpoints.assets, retry_timeout)
        self._logging = LogEntries(HttpCalls("Cloud Logging", LOGGING_HOST, endpoints.logging, retry_timeout))
        self._billing = HttpCalls("Cloud Billing", HOSTS["Cloud Billing"], platform, retry_timeout)
        self._pricing = HttpCalls("Cloud Billing Pricing API", PRICING_HOST, endpoints.billing, retry_timeout)
        self._budgets = HttpCalls("Cloud Billing Budgets", HOSTS["Cloud Billing Budgets"], platform, retry_timeout)
        self.probes: Mapping[str, Callable[[datetime], Seen]] = {
            "empty-array": self._empty_array,
            "location": self._location,
            "field-mask": self._field_mask,
            "kind": self._kind,
            "asset-window": self._asset_window,
            "operations-age": self._operations_age,
            "scheduler-header": self._scheduler_header,
            "budget-form": self._budget_form,
            "contract-price-form": self._contract_price_form,
        }

    def findings(self, now: datetime) -> Iterator[Finding]:
        """Yield what each probe saw: a problem where an assumption does not hold."""
        for name, probe in self.probes.items():
            about = f"probe {name}"
            try:
                seen = probe(now)
            except CallError as error:
                yield unknown(about, unread(error), _ROLE)
            except UnavailableError as error:
                yield unknown(about, Unread(str(error)), "")
            except _MALFORMED as error:
                yield unknown(about, unreadable(error), "")
            else:
                if seen.holds is False:
                    yield problem(about, f"Not as assumed: {seen.sentence}", f"report it; what depends on it: {PAGE}")
                else:
                    yield ok(about, seen.sentence if seen.holds else f"Nothing to see yet: {seen.sentence}")

    def _query(self, query: str, **more: object) -> Json:
        dataset = {"projectId": self._at.project_id, "datasetId": self._at.dataset}
        body = {"query": query, "useLegacySql": False, "defaultDataset": dataset, "timeoutMs": 50_000, **more}
        return self._bigquery.call("POST", f"{self._project}/queries", body=body)

    def _empty_array(self, _: datetime) -> Seen:
        """Statements hold either way; what arrives says which one is used."""
        kind = {"type": "ARRAY", "arrayType": {"type": "STRING"}}
        parameter = {"name": "none", "parameterType": kind, "parameterValue": {"arrayValues": []}}
        answer = self._query(
            "SELECT IF(@none IS NULL, 'NULL', CAST(ARRAY_LENGTH(@none) AS STRING)) AS form",
            parameterMode="NAMED",
            queryParameters=[parameter],
            location=self._dataset_location(),
        )
        form = answer["rows"][0]["f"][0]["v"]
        return Seen(form in {"NULL", "0"}, f"An empty array parameter arrives as {'NULL' if form == 'NULL' else form}.")

    def _location(self, _: datetime) -> Seen:
        lies = self._dataset_location()
        answer = self._query("SELECT locked_at FROM tracker_lock", dryRun=True)
        ran = str(answer["jobReference"]["location"])
        return Seen(
            ran.lower() == lies.lower(), f"The dataset lies in {lies}; a query without a location ran in {ran}."
        )

    def _dataset_location(self) -> str:
        return str(self._bigquery.call("GET", f"{self._project}/datasets/{self._at.dataset}")["location"])

    def _instances(self, fields: str) -> Json:
        query = {"maxResults": "1", "returnPartialSuccess": "true", "fields": fields}
        return self._compute.call("GET", f"{PROJECTS}/{self._at.project_id}/aggregated/instances", query=query)

    def _field_mask(self, _: datetime) -> Seen:
        asked = {"kind", "nextPageToken", "items"}
        page = self._instances("kind,nextPageToken,items/*/instances(id,name,zone)")
        named = {field for each in _all_instances(page) for field in each}
        more = sorted((page.keys() - asked) | (named - {"id", "name", "zone"}))
        return Seen(not more, f"A list with a field mask has {', '.join(more) or 'no other fields'}.")

    def _kind(self, _: datetime) -> Seen:
        kind = self._instances("kind").get("kind")
        return Seen(kind == "compute#instanceAggregatedList", f"The list of instances is of kind {kind}.")

    def _asset_window(self, now: datetime) -> Seen:
        page = self._instances("nextPageToken,items/*/instances(name,zone)")
        instance = next(_all_instances(page), None)
        if instance is None:
            return Seen(None, "the first page of instances has none.")
        place = f"projects/{self._at.project_id}/zones/{str(instance['zone']).rpartition('/')[2]}"
        query = {
            "assetNames": f"//compute.googleapis.com/{place}/instances/{instance['name']}",
            "contentType": "RESOURCE",
            "readTimeWindow.startTime": rfc3339(now - timedelta(hours=1)),
            "readTimeWindow.endTime": rfc3339(now),
        }
        path = f"/v1/projects/{self._at.project_id}:batchGetAssetsHistory"
        versions = self._assets.call("GET", path, query=query).get("assets", ())
        if not versions:
            return Seen(None, "the asset history does not have the instance yet.")
        ends = [str(each["window"].get("endTime", "")) for each in versions]
        is_open = any(not end or end >= FIRST_OPEN_END for end in ends)
        return Seen(is_open, f"The latest version of an existing instance ends at {max(ends) or 'no time'}.")

    def _operations_age(self, now: datetime) -> Seen:
        query = {"maxResults": "500", "returnPartialSuccess": "true", "fields": "items/*/operations(insertTime)"}
        page = self._compute.call("GET", f"{PROJECTS}/{self._at.project_id}/aggregated/operations", query=query)
        times = [
            datetime.fromisoformat(each["insertTime"])
            for scope in page.get("items", {}).values()
            for each in scope.get("operations", ())
        ]
        if not times:
            return Seen(None, "the first page of operations has none.")
        age = now - min(times)
        return Seen(age <= OPERATIONS_KEPT + timedelta(days=1), f"The oldest operation listed is {age.days} days old.")

    def _scheduler_header(self, now: datetime) -> Seen:
        wanted = [
            'resource.type="cloud_run_revision"',
            f'jsonPayload.message="{SCHEDULED_LATER}"',
            f'timestamp>="{rfc3339(now - timedelta(days=30))}"',
        ]
        found = next(self._logging.items(self._at.project_id, wanted), None)
        if found is None:
            return Seen(None, "no call of the last 30 days had a schedule time in the future; force a run to see one.")
        later = found["jsonPayload"]["scheduled"]
        return Seen(True, f"A call of {found['timestamp']} had the schedule time {later}.")  # noqa: FBT003 (as named)

    def _billing_account(self) -> str:
        path = f"/v1/projects/{self._at.project_id}/billingInfo"
        return str(self._billing.call("GET", path)["billingAccountName"])

    def _contract_price_form(self, _: datetime) -> Seen:
        account = self._billing_account().removeprefix("billingAccounts/")
        try:
            page = self._pricing.call("GET", prices_path(account), query={"pageSize": "1"})
        except CallError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            return Seen(None, "who asks may not read the prices of the billing account.")
        [price] = page["billingAccountPrices"]
        tiers = price["rate"]["tiers"]
        odd = [*(price.keys() - _PRICE_FIELDS), *(field for each in tiers for field in each.keys() - _TIER_FIELDS)]
        said = f"A price of the account has the type {price['valueType']}, is in {price['currencyCode']}"
        return Seen(
            price["valueType"] == "rate" and not odd and sku_of(price) != "",
            f"{said} and has {', '.join(sorted(odd)) or 'no unknown fields'}.",
        )

    def _budget_form(self, _: datetime) -> Seen:
        account = self._billing_account()
        page = self._budgets.call("GET", f"/v1/{account}/budgets", query={"pageSize": "100"})
        budgets = [each for each in page.get("budgets", ()) if _publishes(each)]
        if not budgets:
            return Seen(None, f"no budget of the account publishes to {TOPIC}.")
        odd = sorted({fault for each in budgets for fault in _odd(each)})
        return Seen(
            not odd, f"{len(budgets)} budgets publish to {TOPIC}: {', '.join(odd) or 'each in the known form'}."
        )


def _all_instances(page: Json) -> Iterator[Json]:
    for scope in page.get("items", {}).values():
        yield from scope.get("instances", ())


def _publishes(budget: Mapping[str, Any]) -> bool:
    return str(budget.get("notificationsRule", {}).get("pubsubTopic", "")).endswith(f"/topics/{TOPIC}")


def _odd(budget: Mapping[str, Any]) -> Sequence[str]:
    """Return what is unknown in a budget."""
    treatment = budget.get("budgetFilter", {}).get("creditTypesTreatment", "INCLUDE_ALL_CREDITS")
    odd = [f"field {name}" for name in budget.keys() - _BUDGET_FIELDS]
    odd += [f"creditTypesTreatment {treatment}"] if treatment not in _CREDITS else []
    odd += ["no amount"] if not budget["amount"].keys() & {"specifiedAmount", "lastPeriodAmount"} else []
    return odd
