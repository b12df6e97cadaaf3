# What is refused before anything is made. Each run tries as many variables as can be wrong at once: a run takes a second.

mock_provider "archive" {}

mock_provider "google" {}

variables {
  project_id          = "home-project-1"
  region              = "us-central1"
  enforcement_mode    = "dry_run"
  enforcement_policy  = { budgets = { spotkeeper = { projects = ["home-project-1"] } } }
  notification_emails = ["oncall@example.com"]
}

run "percents_for_shares_and_the_public_for_people" {
  command = plan

  variables {
    enforcement_mode     = "on"
    alert_thresholds     = [80]
    analysts             = ["allAuthenticatedUsers"]
    budget_publisher     = "allUsers"
    projects             = ["123456789012"]
    region               = "us-central1-a"
    unpriced_share_limit = 2
    enforcement_policy = {
      budgets = { spotkeeper = { projects = ["home-project-1"], steps = [{ threshold = 80, priorities = ["low"] }] } }
    }
  }

  expect_failures = [
    var.enforcement_mode,
    var.alert_thresholds,
    var.analysts,
    var.budget_publisher,
    var.enforcement_policy,
    var.projects,
    var.region,
    var.unpriced_share_limit,
  ]
}

run "a_budget_of_percents" {
  command = plan

  variables {
    billing_account_id = "012345-6789AB-CDEF01"
    billing_budgets    = { spotkeeper = { amount = 100, projects = ["home-project-1"], thresholds = [80] } }
    budget_id          = "My budget"
    daily_budget_usd   = 0
  }

  expect_failures = [var.billing_budgets, var.budget_id, var.daily_budget_usd]
}

run "a_budget_that_is_not_the_one_of_its_policy" {
  command = plan

  variables {
    billing_account_id = "012345-6789AB-CDEF01"
    billing_budgets    = { spotkeeper = { amount = 100, projects = ["home-project-1"], calendar_period = "YEAR" } }
  }

  expect_failures = [var.enforcement_policy]
}

run "one_without_the_other" {
  command = plan

  variables {
    retry_timeout_seconds = 60
    billing_budgets       = { compute = { amount = 100, projects = ["home-project-1"] } }
    billing_export_table  = "billing-project.export.gcp_billing_export_v1_012345_6789AB_CDEF01"
    folder_id             = "111111111111"
    slack_channel         = "#cloud-costs"
    enforcement_policy    = { budgets = {} }
  }

  expect_failures = [
    var.billing_account_id,
    var.billing_export_table,
    var.enforcement_policy,
    var.folder_id,
    var.slack_channel,
  ]
}

run "words_nobody_knows" {
  command = plan

  variables {
    billing_account_id = "my account"
    dataset            = "cost-tracking"
    enforcement_policy = {
      steps   = [{ threshold = 1, priorities = ["urgent"] }]
      budgets = { spotkeeper = { projects = ["home-project-1"] } }
    }
  }

  expect_failures = [var.billing_account_id, var.dataset, var.enforcement_policy]
}

run "a_signal_nobody_sends" {
  command = plan

  variables {
    enforcement_policy = { budgets = { spotkeeper = { projects = ["home-project-1"], sources = { guess = "stop" } } } }
  }

  expect_failures = [var.enforcement_policy]
}

run "a_period_nobody_can_tell" {
  command = plan

  variables {
    enforcement_policy = { budgets = { spotkeeper = { projects = ["home-project-1"], period = "2026-11" } } }
  }

  expect_failures = [var.enforcement_policy]
}
