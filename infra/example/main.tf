# spotkeeper in a Terraform configuration that exists already: infra/ as a module, with a provider of its own.

provider "google" {
  project = "my-other-project"
  region  = "europe-west1"
}

provider "google" {
  alias   = "spotkeeper"
  project = local.project_id
  region  = local.region

  # The budgets API accepts user credentials only with a quota project.
  billing_project       = local.project_id
  user_project_override = true
}

locals {
  project_id = "my-project-1"
  region     = "us-central1"
}

module "spotkeeper" {
  # From a Git repository: "git::https://…/spotkeeper.git//infra?ref=COMMIT". The double slash matters: the module reads
  # functions/, sql/ and dashboards/ beside infra/.
  source = "../"

  providers = {
    google = google.spotkeeper
  }

  project_id          = local.project_id
  region              = local.region
  projects            = ["my-project-1", "my-project-2"]
  monthly_budget_usd  = 1500
  notification_emails = ["oncall@example.com"]
  labels              = { app = "spotkeeper", team = "platform" }
}

output "next_step" {
  description = "The next steps after an apply."
  value       = module.spotkeeper.next_step
}

output "tracker_service_account" {
  description = "The service account that reads usage, for grants made elsewhere."
  value       = module.spotkeeper.tracker_service_account
}
