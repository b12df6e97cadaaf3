"""The names and roles of a deployment as infra/*.tf makes it; a test compares them."""

from collections.abc import Mapping
from dataclasses import dataclass

from spotkeeper.enforcement.permissions import STOP_PERMISSIONS

TRACKER, ENFORCER = "track-spot-costs", "enforce-budget-limit"
FUNCTIONS = (TRACKER, ENFORCER)
CALLERS = {TRACKER: "scheduler", ENFORCER: "delivery"}

BUILDER_ROLES = ("roles/artifactregistry.writer", "roles/logging.logWriter", "roles/storage.objectViewer")

APPROVALS_TOPIC = "spotkeeper-approvals"
TOPIC, DEAD_LETTER, SUBSCRIPTION = "spotkeeper-budget", "spotkeeper-dead-letter", "spotkeeper-enforcer"
JOB, INTERIM_JOB = "spotkeeper-hourly", "spotkeeper-interim"
BUDGET_PUBLISHER = "serviceAccount:billing-budget-alert@system.gserviceaccount.com"

TRACKER_INSTANCES, TRACKER_HOME = "spotkeeperTrackerInstances", "spotkeeperTrackerHome"
ENFORCER_INSTANCES, ENFORCER_HOME = "spotkeeperEnforcerInstances", "spotkeeperEnforcerHome"
RECORDS, STAGING, ALERTS = "spotkeeperRecords", "spotkeeperStaging", "spotkeeperAlerts"

ROLES: Mapping[str, tuple[str, ...]] = {
    TRACKER_INSTANCES: (
        "compute.addresses.list",
        "compute.disks.list",
        "compute.globalOperations.list",
        "compute.instances.list",
        "compute.machineTypes.get",
        "monitoring.timeSeries.list",
    ),
    ENFORCER_INSTANCES: STOP_PERMISSIONS,
    TRACKER_HOME: ("bigquery.jobs.create",),
    ENFORCER_HOME: ("bigquery.jobs.create",),
    RECORDS: (
        "bigquery.datasets.get",
        "bigquery.tables.create",
        "bigquery.tables.get",
        "bigquery.tables.getData",
        "bigquery.tables.update",
        "bigquery.tables.updateData",
    ),
    STAGING: ("bigquery.tables.delete",),
    ALERTS: ("pubsub.topics.publish",),
}
"""The permissions of our own roles, whatever the settings."""

ASSET_HISTORY_PERMISSIONS = ("cloudasset.assets.exportResource",)
AUDIT_LOG_PERMISSIONS = ("logging.logEntries.list",)
CAPACITY_HISTORY_PERMISSIONS = ("compute.advice.capacityHistory",)
METRICS_PERMISSIONS = ("monitoring.timeSeries.create",)


@dataclass(frozen=True, slots=True)
class Installation:
    """The deployment to check; without a region, that of the functions.

    `role_suffix` ends the names of all roles of our own, as the variable custom_role_suffix of Terraform.
    """

    project_id: str
    dataset: str
    region: str | None = None
    role_suffix: str = ""

    @property
    def approvals_topic(self) -> str:
        """The full name of the approvals topic."""
        return f"projects/{self.project_id}/topics/{APPROVALS_TOPIC}"

    @property
    def topic(self) -> str:
        """The full name of the budget topic."""
        return f"projects/{self.project_id}/topics/{TOPIC}"

    @property
    def records_role(self) -> str:
        """The full name of the role on the dataset."""
        return self.role(RECORDS)

    def email(self, account: str) -> str:
        """Return the address of one of our accounts."""
        return f"spotkeeper-{account}@{self.project_id}.iam.gserviceaccount.com"

    def member(self, account: str) -> str:
        """Return one of our accounts as a member of a policy."""
        return f"serviceAccount:{self.email(account)}"

    def role(self, role_id: str, project_id: str | None = None) -> str:
        """Return the full name of a role of our own."""
        return f"projects/{project_id or self.project_id}/roles/{role_id}{self.role_suffix}"
