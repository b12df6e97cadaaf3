"""The roles hold what the code calls needs, and nothing else; nobody else is given anything."""

import json
import re
from collections.abc import Iterable, Mapping

import pytest

from spotkeeper.enforcement.permissions import (
    FREEZE_PERMISSIONS,
    RESTART_PERMISSIONS,
    STOP_PERMISSIONS,
    WARNING_PERMISSIONS,
    needed_permissions,
)
from spotkeeper.enforcement.policies import Policy
from tests.infra.api_calls import Call, calls_in, calls_of
from tests.infra.terraform_files import ROOT, local_values, resource, resources, whole_text

TRACKER, ENFORCER = "spotkeeper.gcp.tracker", "spotkeeper.gcp.enforcer"
NOTHING: frozenset[str] = frozenset()

METHODS: Mapping[Call, str] = {
    ("AddressList", "items"): "compute.addresses.aggregatedList",
    ("AssetServiceClient", "batch_get_assets_history"): "cloudasset.batchGetAssetsHistory",
    ("AuthorizedSession", "post"): "cloudresourcemanager.projects.testIamPermissions",
    ("AutoscalerList", "items"): "compute.autoscalers.aggregatedList",
    ("AutoscalersClient", "get"): "compute.autoscalers.get",
    ("AutoscalersClient", "patch_unary"): "compute.autoscalers.patch",
    ("CapacityAdvice", "history"): "compute.advice.capacityHistory",
    ("CloudCatalogClient", "list_skus"): "cloudbilling.services.skus.list",
    ("DiskList", "items_by_scope"): "compute.disks.aggregatedList",
    ("InstanceList", "items"): "compute.instances.aggregatedList",
    ("InstanceGroupManagersClient", "start_instances_unary"): "compute.instanceGroupManagers.startInstances",
    ("InstanceGroupManagersClient", "stop_instances_unary"): "compute.instanceGroupManagers.stopInstances",
    ("InstancesClient", "get"): "compute.instances.get",
    ("InstancesClient", "set_metadata_unary"): "compute.instances.setMetadata",
    ("InstancesClient", "start_unary"): "compute.instances.start",
    ("InstancesClient", "stop_unary"): "compute.instances.stop",
    ("LogEntries", "items"): "logging.entries.list",
    ("MachineTypes", "get"): "compute.machineTypes.get",
    ("MetricServiceClient", "create_time_series"): "monitoring.projects.timeSeries.create",
    ("MetricServiceClient", "list_time_series"): "monitoring.projects.timeSeries.list",
    ("OperationList", "items"): "compute.globalOperations.aggregatedList",
    ("PublisherClient", "publish"): "pubsub.projects.topics.publish",
    ("RegionAutoscalersClient", "get"): "compute.regionAutoscalers.get",
    ("RegionAutoscalersClient", "patch_unary"): "compute.regionAutoscalers.patch",
    (
        "RegionInstanceGroupManagersClient",
        "start_instances_unary",
    ): "compute.regionInstanceGroupManagers.startInstances",
    ("RegionInstanceGroupManagersClient", "stop_instances_unary"): "compute.regionInstanceGroupManagers.stopInstances",
    ("RegionOperationsClient", "get"): "compute.regionOperations.get",
    ("RegionOperationsClient", "list"): "compute.regionOperations.list",
    ("RestQuery", "run"): "bigquery.jobs.query",
    ("ZoneOperationsClient", "get"): "compute.zoneOperations.get",
    ("ZoneOperationsClient", "list"): "compute.zoneOperations.list",
    ("bigquery.Client", "create_table"): "bigquery.tables.insert",
    ("bigquery.Client", "delete_table"): "bigquery.tables.delete",
    ("bigquery.Client", "get_dataset"): "bigquery.datasets.get",
    ("bigquery.Client", "get_job"): "bigquery.jobs.get",
    ("bigquery.Client", "get_table"): "bigquery.tables.get",
    ("bigquery.Client", "load_table_from_file"): "bigquery.jobs.insert:load",
    ("bigquery.Client", "query"): "bigquery.jobs.query",
}
"""The method of the API that each call sends."""

LOCAL: frozenset[Call] = frozenset({("PublisherClient", "stop")})
"""Calls that send nothing: this one ends the client's own threads."""

PUBLISHED = json.loads((ROOT / "tests" / "infra" / "method_permissions.json").read_text())
"""What others say that each method needs: one permission more is a role that holds too much."""

FREEZING = frozenset(
    {
        "compute.autoscalers.aggregatedList",
        "compute.autoscalers.get",
        "compute.autoscalers.patch",
        "compute.regionAutoscalers.get",
        "compute.regionAutoscalers.patch",
    }
)
POLICIES = {
    "": frozenset({"compute.instances.start", "compute.instances.setMetadata"}) | FREEZING,
    '"restart": true': frozenset({"compute.instances.setMetadata"}) | FREEZING,
    '"grace_seconds": 60': frozenset({"compute.instances.start"}) | FREEZING,
    '"restart": true, "grace_seconds": 60': FREEZING,
    '"restart": true, "grace_seconds": 60, "freeze_groups": 1.0': NOTHING,
}
"""Settings of a policy, and the methods that the enforcer does not call under it."""

ROLES: Mapping[str, tuple[str, ...]] = {
    TRACKER: (
        "tracker_instance_permissions",
        "asset_history_permissions",
        "audit_log_permissions",
        "tracker_home_permissions",
        "capacity_history_permissions",
        "metrics_permissions",
        "records_permissions",
        "staging_permissions",
        "alert_permissions",
    ),
    ENFORCER: (
        "enforcer_instance_permissions",
        "restart_permissions",
        "warning_permissions",
        "freeze_permissions",
        "alert_permissions",
        "enforcer_home_permissions",
        "records_permissions",
        "staging_permissions",
    ),
}

PREDEFINED = {
    "roles/artifactregistry.writer": "the builder stores the image it built",
    "roles/bigquery.dataViewer": "analysts read the dataset",
    "roles/billing.viewer": "named in a command for who administers the billing account, and given by no resource",
    "roles/iam.serviceAccountTokenCreator": "Pub/Sub signs its calls as the delivery account",
    "roles/logging.logWriter": "the builder writes the log of the build",
    "roles/pubsub.publisher": "Cloud Billing publishes notifications, and Pub/Sub dead letters",
    "roles/pubsub.subscriber": "Pub/Sub takes dead letters from the subscription",
    "roles/run.invoker": "each function is called by one account",
    "roles/storage.objectViewer": "the builder reads the source",
}
"""The only roles that are not our own, and why."""

TRACKER_ACCOUNT = "${google_service_account.tracker.member}"
ENFORCER_ACCOUNT = "${google_service_account.enforcer[0].member}"
GRANTS = {
    "google_bigquery_dataset_iam_member.analysts": "${each.value}",
    "google_bigquery_dataset_iam_member.records": "${each.value}",
    "google_cloud_run_service_iam_member.delivery": "${google_service_account.delivery[0].member}",
    "google_cloud_run_service_iam_member.scheduler": "${google_service_account.scheduler.member}",
    "google_folder_iam_member.tracker_instances": TRACKER_ACCOUNT,
    "google_project_iam_member.builder": "${google_service_account.builder.member}",
    "google_project_iam_member.enforcer_home": ENFORCER_ACCOUNT,
    "google_project_iam_member.enforcer_instances": ENFORCER_ACCOUNT,
    "google_project_iam_member.staging": "${each.value}",
    "google_project_iam_member.tracker_home": TRACKER_ACCOUNT,
    "google_project_iam_member.tracker_instances": TRACKER_ACCOUNT,
    "google_pubsub_subscription_iam_member.approvals_dead_letter": "${local.pubsub_agent}",
    "google_pubsub_subscription_iam_member.dead_letter": "${local.pubsub_agent}",
    "google_pubsub_topic_iam_member.approvers": "${each.value}",
    "google_pubsub_topic_iam_member.cloud_billing": "${var.budget_publisher}",
    "google_pubsub_topic_iam_member.dead_letter": "${local.pubsub_agent}",
    "google_pubsub_topic_iam_member.events": ENFORCER_ACCOUNT,
    "google_pubsub_topic_iam_member.tracker_alerts": TRACKER_ACCOUNT,
    "google_service_account_iam_member.delivery_token": "${local.pubsub_agent}",
}
"""Every grant and who gets it."""


def methods_of(entry: str) -> frozenset[str]:
    """Return the methods of APIs that a function calls."""
    return frozenset(METHODS[call] for call in calls_of(entry).methods - LOCAL)


def needed_by(methods: Iterable[str]) -> frozenset[str]:
    """Return the permissions that these methods need."""
    return NOTHING.union(*(PUBLISHED["methods"][method]["permissions"] for method in methods))


def given(entry: str) -> set[str]:
    return {permission for role in ROLES[entry] for permission in local_values()[role]}


@pytest.mark.parametrize("entry", ROLES)
def test_every_call_has_its_method_and_every_method_its_permissions(entry: str) -> None:
    assert sorted(calls_of(entry).methods - METHODS.keys() - LOCAL) == []
    assert set(METHODS.values()) == PUBLISHED["methods"].keys()
    assert {each["source"] for each in PUBLISHED["methods"].values()} == PUBLISHED["sources"].keys()


@pytest.mark.parametrize("entry", ROLES)
def test_the_calls_on_every_client_are_found(entry: str) -> None:
    calls = calls_of(entry)

    assert calls.clients == {client for client, _ in calls.methods}


@pytest.mark.parametrize("entry", ROLES)
def test_the_roles_of_a_function_hold_what_its_calls_need_and_no_more(entry: str) -> None:
    assert given(entry) == needed_by(methods_of(entry))


@pytest.mark.parametrize("settings", POLICIES)
def test_each_policy_needs_the_permissions_of_the_methods_that_are_called_under_it(settings: str) -> None:
    """Terraform grants the lists of restarts and warnings by the same two settings."""
    budgets = '"budgets": {"spot": {"projects": ["my-project-1"]}}'
    policy = Policy.from_json(f"{{{', '.join(filter(None, (budgets, settings)))}}}")
    in_projects = methods_of(ENFORCER) - POLICIES[settings]

    needed = {name for name in needed_by(in_projects) if name.startswith("compute.")}

    assert set(needed_permissions(policy)) == needed


def test_plain_calls_are_made_by_the_clients_of_our_own_alone() -> None:
    product = (ROOT / "functions" / "spotkeeper").rglob("*.py")
    users = {path.stem for path in product if "HttpCalls" in path.read_text()}

    assert users == {
        "audit_log",
        "billing_prices",
        "capacity",
        "deployment",
        "http_calls",
        "lists",
        "logged_creations",
        "probes",
        "rest_query",
        "shapes",
        "system_events",
    }


def test_a_client_is_followed_through_parameters_attributes_and_what_holds_several() -> None:
    source = """
class Group:
    def __init__(self, instances: compute_v1.InstancesClient | None) -> None:
        self._instances = instances
        self._operations = {"zones": compute_v1.ZoneOperationsClient(), "regions": compute_v1.RegionOperationsClient()}

    def go(self, scope: str) -> None:
        self._instances.stop_unary(project="p")
        client = self._operations[scope]
        client.get(operation="o")


class Other:
    def __init__(self) -> None:
        self._instances = {}

    def go(self) -> None:
        self._instances.get("a")
"""

    assert calls_in(source).methods == {
        ("InstancesClient", "stop_unary"),
        ("ZoneOperationsClient", "get"),
        ("RegionOperationsClient", "get"),
    }


def test_what_a_drill_asks_for_is_what_terraform_gives() -> None:
    assert tuple(local_values()["enforcer_instance_permissions"]) == STOP_PERMISSIONS
    assert tuple(local_values()["restart_permissions"]) == RESTART_PERMISSIONS
    assert tuple(local_values()["warning_permissions"]) == WARNING_PERMISSIONS
    assert tuple(local_values()["freeze_permissions"]) == FREEZE_PERMISSIONS


def test_every_permission_is_named_once_and_in_order() -> None:
    for name in {role for roles in ROLES.values() for role in roles}:
        assert local_values()[name] == sorted(set(local_values()[name])), name


def test_the_enforcer_can_neither_create_nor_delete_anything_but_its_staging_tables() -> None:
    lasting = {"create", "delete", "insert", "setIamPolicy", "actAs", "setServiceAccount", "attachDisk"}
    found = {permission for permission in given(ENFORCER) if permission.rpartition(".")[2] in lasting}

    assert found == {"bigquery.jobs.create", "bigquery.tables.create", "bigquery.tables.delete"}


def test_only_staging_tables_may_be_deleted() -> None:
    [condition] = resource("google_project_iam_member", "staging")["condition"]
    lists = {name: value for name, value in local_values().items() if isinstance(value, list)}

    assert condition["expression"] == (
        'resource.name.startsWith("projects/${var.project_id}/datasets/${var.dataset}/tables/staging_")'
    )
    assert [name for name, value in lists.items() if "bigquery.tables.delete" in value] == ["staging_permissions"]
    for module in ("tracker_tables", "enforcer_tables"):
        assert 'f"staging_{' in (ROOT / "functions" / "spotkeeper" / "gcp" / "bigquery" / f"{module}.py").read_text()


def test_every_grant_is_known_and_adds_to_what_others_granted() -> None:
    grants = {f"{block.kind}.{block.name}": block.body for block in resources() if "_iam_" in block.kind}
    members = {name: body["member"] for name, body in grants.items() if name.split(".")[0].endswith("_iam_member")}
    roles = [name for name in grants if name.split(".")[0].endswith("_iam_custom_role")]

    assert members == GRANTS
    assert len(members) + len(roles) == len(grants), "a binding or a policy takes away what others granted"


def test_roles_are_our_own_or_narrow_ones_with_a_reason() -> None:
    roles = {block.name: str(block.body["role"]) for block in resources() if block.kind.endswith("_iam_member")}
    ours = {name for name, role in roles.items() if "custom_role" in role or role == "${each.value.name}"}
    listed = set(re.findall(r"roles/[\w.]+", whole_text()))

    assert listed == PREDEFINED.keys()
    assert {name for name in roles.keys() - ours if not roles[name].startswith("roles/")} == {"builder"}


def test_nothing_is_public() -> None:
    public = {"allUsers", "allAuthenticatedUsers"}

    assert [block.name for block in resources() if public & set(str(block.body).replace('"', "'").split("'"))] == []
