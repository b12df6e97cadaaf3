# The APIs that spotkeeper calls, and those that building and running Cloud Functions needs.

locals {
  services = toset(concat(
    [
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
    ],
    length(var.billing_budgets) == 0 ? [] : ["billingbudgets.googleapis.com"],
    var.asset_history ? ["cloudasset.googleapis.com"] : [],
  ))
}

resource "google_project_service" "used" {
  for_each = local.services

  project = var.project_id
  service = each.value

  # Other workloads of the project may use the same APIs.
  disable_on_destroy = false
}

data "google_project" "home" {
  project_id = var.project_id
}
