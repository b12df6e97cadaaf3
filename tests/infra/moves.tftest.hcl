# A state of the time when infra/ was the root itself, then the root of today on it: everything moves, nothing is made again.
# test_terraform.py runs it in a copy of the root: it is not below infra/root because `state_key` takes Terraform 1.11, and `terraform init` reads tests too.

mock_provider "archive" {}

mock_provider "google" {
  mock_data "google_billing_account" {
    defaults = { currency_code = "USD" }
  }

  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }

  mock_data "google_projects" {
    defaults = {
      projects = [
        { project_id = "found-project-1", number = "1", name = "", labels = {}, lifecycle_state = "ACTIVE", create_time = "" },
      ]
    }
  }

  mock_resource "google_billing_budget" {
    defaults = { name = "billingAccounts/012345-6789AB-CDEF01/budgets/0f2b8f0e-0000-4000-8000-000000000001" }
  }

  mock_resource "google_cloudfunctions2_function" {
    defaults = { service_config = { uri = "https://function.example" } }
  }
}

variables {
  project_id            = "home-project-1"
  region                = "us-central1"
  analysts              = ["group:analysts@example.com"]
  approvers             = ["group:oncall@example.com"]
  billing_account_id    = "012345-6789AB-CDEF01"
  billing_budgets       = { compute = { amount = 1500, projects = ["home-project-1"] } }
  billing_export_table  = "home-project-1.export.gcp_billing_export_resource_v1_012345_6789AB_CDEF01"
  enforcement_mode      = "approve"
  enforcement_policy    = { budgets = { compute = { projects = ["home-project-1"] }, spotkeeper = { projects = ["home-project-1"] } } }
  folder_id             = "111111111111"
  interim_checks        = true
  monthly_budget_usd    = 1500
  notification_emails   = ["oncall@example.com"]
  organization_id       = "222222222222"
  pagerduty_service_key = "key"
  projects              = ["home-project-1"]
  publish_events        = true
  slack_channel         = "#cloud-costs"
  slack_token           = "token"
}

run "deployed_from_infra" {
  state_key = "deployed"

  module {
    source = "../"
  }
}

run "planned_from_the_root" {
  command   = plan
  state_key = "deployed"
}
