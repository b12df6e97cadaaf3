# Service accounts and their roles. Each function has its own; each caller has one that may only call.

locals {
  # VMs are tracked in the named projects, in those of the folder, or else in the project of the deployment.
  named_projects = var.folder_id == null && length(var.projects) == 0 ? [var.project_id] : var.projects
  projects       = toset(concat(local.named_projects, local.folder_projects))
  folder_projects = flatten([
    for found in data.google_projects.in_folder : [for project in found.projects : project.project_id]
  ])

  # The enforcer may act only in projects that its policy names.
  enforced_projects = toset(!local.has_enforcer ? [] : flatten([for rule in values(var.enforcement_policy.budgets) : rule.projects]))

  history_rights = concat(
    var.asset_history ? local.asset_history_permissions : [],
    var.audit_log_history ? local.audit_log_permissions : [],
  )

  groups_are_frozen       = var.enforcement_policy.freeze_groups != null
  guests_are_warned       = coalesce(var.enforcement_policy.grace_seconds, 0) > 0
  instances_are_restarted = coalesce(var.enforcement_policy.restart, false) || local.has_approvals
}

data "google_projects" "in_folder" {
  count = var.folder_id == null ? 0 : 1

  filter = "parent.type:folder parent.id:${var.folder_id} lifecycleState:ACTIVE"
}

resource "google_service_account" "tracker" {
  project      = var.project_id
  account_id   = "spotkeeper-tracker"
  display_name = "spotkeeper: reads usage and prices, records costs"
  depends_on   = [google_project_service.used]
}

resource "google_service_account" "enforcer" {
  count = local.has_enforcer ? 1 : 0

  project      = var.project_id
  account_id   = "spotkeeper-enforcer"
  display_name = "spotkeeper: stops and starts Spot VMs by the policy"
  depends_on   = [google_project_service.used]
}

resource "google_service_account" "scheduler" {
  project      = var.project_id
  account_id   = "spotkeeper-scheduler"
  display_name = "spotkeeper: calls the tracker, nothing else"
  depends_on   = [google_project_service.used]
}

resource "google_service_account" "delivery" {
  count = local.has_enforcer ? 1 : 0

  project      = var.project_id
  account_id   = "spotkeeper-delivery"
  display_name = "spotkeeper: delivers budget notifications to the enforcer, nothing else"
  depends_on   = [google_project_service.used]
}

resource "google_service_account" "builder" {
  project      = var.project_id
  account_id   = "spotkeeper-builder"
  display_name = "spotkeeper: builds the functions"
  depends_on   = [google_project_service.used]
}

# Roles in the projects with the VMs. A custom role of a project is valid in that project only, so each has its own; a
# folder needs one of the organization.

resource "google_project_iam_custom_role" "tracker_instances" {
  for_each = var.folder_id == null ? local.projects : toset(var.projects)

  project     = each.value
  role_id     = "spotkeeperTrackerInstances${var.custom_role_suffix}"
  title       = "spotkeeper: read uptime and instances"
  description = "What track_spot_costs calls in a project whose VMs it tracks."
  permissions = concat(local.tracker_instance_permissions, local.history_rights)
  depends_on  = [google_project_service.used]
}

resource "google_project_iam_member" "tracker_instances" {
  for_each = google_project_iam_custom_role.tracker_instances

  project = each.key
  role    = each.value.name
  member  = google_service_account.tracker.member
}

resource "google_organization_iam_custom_role" "tracker_instances" {
  count = var.folder_id == null ? 0 : 1

  org_id      = var.organization_id
  role_id     = "spotkeeperTrackerInstances${var.custom_role_suffix}"
  title       = "spotkeeper: read uptime and instances"
  description = "What track_spot_costs calls in the projects of a folder whose VMs it tracks."
  permissions = concat(local.tracker_instance_permissions, local.history_rights)
}

resource "google_folder_iam_member" "tracker_instances" {
  count = var.folder_id == null ? 0 : 1

  folder = "folders/${var.folder_id}"
  role   = google_organization_iam_custom_role.tracker_instances[0].name
  member = google_service_account.tracker.member
}

resource "google_project_iam_custom_role" "enforcer_instances" {
  for_each = local.enforced_projects

  project     = each.value
  role_id     = "spotkeeperEnforcerInstances${var.custom_role_suffix}"
  title       = "spotkeeper: stop and start Spot VMs"
  description = "What enforce_budget_limit calls in a project that its policy names. Creating and deleting are not included."
  permissions = concat(
    local.enforcer_instance_permissions,
    local.instances_are_restarted ? local.restart_permissions : [],
    local.guests_are_warned ? local.warning_permissions : [],
    local.groups_are_frozen ? local.freeze_permissions : [],
  )
  depends_on = [google_project_service.used]
}

resource "google_project_iam_member" "enforcer_instances" {
  for_each = google_project_iam_custom_role.enforcer_instances

  project = each.key
  role    = each.value.name
  member  = google_service_account.enforcer[0].member
}

# Roles in the project of the deployment: BigQuery jobs, tables of the dataset, alerts on the topic, custom metrics.

resource "google_project_iam_custom_role" "tracker_home" {
  project     = var.project_id
  role_id     = "spotkeeperTrackerHome${var.custom_role_suffix}"
  title       = "spotkeeper: run jobs and write metrics"
  description = "What track_spot_costs calls in its own project."
  permissions = concat(
    local.tracker_home_permissions,
    var.custom_metrics ? local.metrics_permissions : [],
    var.capacity_history ? local.capacity_history_permissions : [],
  )
  depends_on = [google_project_service.used]
}

resource "google_project_iam_member" "tracker_home" {
  project = var.project_id
  role    = google_project_iam_custom_role.tracker_home.name
  member  = google_service_account.tracker.member
}

resource "google_project_iam_custom_role" "enforcer_home" {
  count = local.has_enforcer ? 1 : 0

  project     = var.project_id
  role_id     = "spotkeeperEnforcerHome${var.custom_role_suffix}"
  title       = "spotkeeper: run jobs"
  description = "What enforce_budget_limit calls in its own project."
  permissions = local.enforcer_home_permissions
  depends_on  = [google_project_service.used]
}

resource "google_project_iam_member" "enforcer_home" {
  count = local.has_enforcer ? 1 : 0

  project = var.project_id
  role    = google_project_iam_custom_role.enforcer_home[0].name
  member  = google_service_account.enforcer[0].member
}

resource "google_project_iam_custom_role" "records" {
  project     = var.project_id
  role_id     = "spotkeeperRecords${var.custom_role_suffix}"
  title       = "spotkeeper: read and write records"
  description = "What both functions do to tables of the dataset."
  permissions = local.records_permissions
  depends_on  = [google_project_service.used]
}

resource "google_bigquery_dataset_iam_member" "records" {
  for_each = local.recorders

  project    = var.project_id
  dataset_id = google_bigquery_dataset.costs.dataset_id
  role       = google_project_iam_custom_role.records.name
  member     = each.value
}

resource "google_project_iam_custom_role" "staging" {
  project     = var.project_id
  role_id     = "spotkeeperStaging${var.custom_role_suffix}"
  title       = "spotkeeper: delete staging tables"
  description = "Both functions delete the staging tables that they created."
  permissions = local.staging_permissions
  depends_on  = [google_project_service.used]
}

# Only tables whose name begins with staging_ may be deleted. If the condition did not match BigQuery's check, a
# staging table would only remain until it expires a day later.
# https://cloud.google.com/bigquery/docs/conditions
resource "google_project_iam_member" "staging" {
  for_each = local.recorders

  project = var.project_id
  role    = google_project_iam_custom_role.staging.name
  member  = each.value

  condition {
    title       = "staging tables of spotkeeper"
    description = "Tables of the dataset ${var.dataset} whose name begins with staging_."
    expression  = "resource.name.startsWith(\"projects/${var.project_id}/datasets/${var.dataset}/tables/staging_\")"
  }
}

locals {
  recorders = merge(
    { tracker = google_service_account.tracker.member },
    { for enforcer in google_service_account.enforcer : "enforcer" => enforcer.member },
  )
}

resource "google_project_iam_custom_role" "alerts" {
  project     = var.project_id
  role_id     = "spotkeeperAlerts${var.custom_role_suffix}"
  title       = "spotkeeper: send alerts"
  description = "What track_spot_costs does on the budget topic, enforce_budget_limit on that of events, and approvers on theirs."
  permissions = local.alert_permissions
  depends_on  = [google_project_service.used]
}

resource "google_pubsub_topic_iam_member" "tracker_alerts" {
  project = var.project_id
  topic   = google_pubsub_topic.budget.name
  role    = google_project_iam_custom_role.alerts.name
  member  = google_service_account.tracker.member
}

# The builder: the roles that Google documents for building functions with a service account of one's own. The default
# one has far wider permissions, and none at all in new organizations.
# https://cloud.google.com/functions/docs/securing/build-custom-sa
resource "google_project_iam_member" "builder" {
  for_each = toset(["roles/artifactregistry.writer", "roles/logging.logWriter", "roles/storage.objectViewer"])

  project = var.project_id
  role    = each.value
  member  = google_service_account.builder.member
}
