"""What a deployment is made of: the names, services, accounts and roles of infra/*.tf, which a test compares."""

from collections.abc import Mapping
from dataclasses import dataclass

from spotkeeper.enforcement.permissions import STOP_PERMISSIONS

SERVICES = (
    "artifactregistry.googleapis.com",
    "bigquery.googleapis.com",
    "cloudbilling.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "storage.googleapis.com",
)
"""The APIs that every deployment needs; budgets and asset history need one more each."""

BUDGETS_SERVICE = "billingbudgets.googleapis.com"
ASSETS_SERVICE = "cloudasset.googleapis.com"

TRACKER, ENFORCER = "track-spot-costs", "enforce-budget-limit"
ENTRY_POINTS = {TRACKER: "track_spot_costs", ENFORCER: "enforce_budget_limit"}
IDENTITIES = {TRACKER: "tracker", ENFORCER: "enforcer"}
CALLERS = {TRACKER: "scheduler", ENFORCER: "delivery"}
RUNTIME = "python313"
INGRESS = "ALLOW_INTERNAL_ONLY"

ACCOUNTS = ("tracker", "enforcer", "scheduler", "delivery", "builder")
BUILDER_ROLES = ("roles/artifactregistry.writer", "roles/logging.logWriter", "roles/storage.objectViewer")

TOPIC, DEAD_LETTER, SUBSCRIPTION, JOB = (
    "spotkeeper-budget",
    "spotkeeper-dead-letter",
    "spotkeeper-enforcer",
    "spotkeeper-hourly",
)
BUDGET_PUBLISHER = "serviceAccount:billing-budget-alert@system.gserviceaccount.com"
ACK_SECONDS = 600

TRACKER_INSTANCES, TRACKER_HOME = "spotkeeperTrackerInstances", "spotkeeperTrackerHome"
ENFORCER_INSTANCES, ENFORCER_HOME = "spotkeeperEnforcerInstances", "spotkeeperEnforcerHome"
RECORDS, STAGING, ALERTS = "spotkeeperRecords", "spotkeeperStaging", "spotkeeperAlerts"

ROLES: Mapping[str, tuple[str, ...]] = {
    TRACKER_INSTANCES: (
        "compute.globalOperations.list",
        "compute.instances.list",
        "compute.machineTypes.get",
        "monitoring.timeSeries.list",
    ),
    ENFORCER_INSTANCES: STOP_PERMISSIONS,
    TRACKER_HOME: ("bigquery.jobs.create",),
    ENFORCER_HOME: ("bigquery.jobs.create",),
    RECORDS: (
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
METRICS_PERMISSIONS = ("monitoring.timeSeries.create",)


@dataclass(frozen=True, slots=True)
class Installation:
    """Which deployment is looked at; without a region it is that in which the functions are found."""

    project_id: str
    dataset: str
    region: str | None = None

    @property
    def topic(self) -> str:
        """The full name of the budget topic."""
        return f"projects/{self.project_id}/topics/{TOPIC}"

    @property
    def dead_letter(self) -> str:
        """The full name of the dead letter topic."""
        return f"projects/{self.project_id}/topics/{DEAD_LETTER}"

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
        return f"projects/{project_id or self.project_id}/roles/{role_id}"
