# Every variable of infra/variables.tf, with a value that shows its form. Copy this file to root/terraform.tfvars and leave out
# what you do not need: only project_id and region have no default. docs/deploy.md begins with five lines.

project_id = "my-project-1"
region     = "us-central1"

# The enforcer: off deploys none, dry_run plans and records, approve stops VMs once one of the approvers approves a plan,
# enforce stops them. It needs a policy. Approvers may also undo stops.
approvers        = ["group:oncall@example.com"]
enforcement_mode = "dry_run"
publish_events   = false
enforcement_policy = {
  # `compute` is the budget created below. The id of an existing budget works too.
  budgets = {
    compute = {
      projects            = ["my-project-1", "my-project-2"]
      currency            = "USD"
      period              = "month"
      labels              = { env = ["dev", "test"] }
      max_stops_per_alert = 3
      max_stops_per_day   = 30
      max_fleet_share     = 0.5
      sources             = { billing = "stop", tracker = "warn" }
      steps = [
        { threshold = 1.0, priorities = ["low"] },
        { threshold = 1.2, priorities = ["medium"] },
      ]
    }
    # The tracker's own budget, by its budget_id: it warns within the hour.
    spotkeeper = { projects = ["my-project-1", "my-project-2"] }
    # The cap of a team in label_budgets, by its id: the tracker's own figures may stop its VMs.
    cap-vision = {
      projects = ["my-project-1", "my-project-2"]
      labels   = { team = ["vision"] }
      sources  = { billing = "warn", tracker = "stop" }
    }
  }
  priority_label      = "priority"
  protect_label       = "spotkeeper-protect"
  unlabelled_priority = "low"
  minimum_age_minutes = 30
  grace_seconds       = 0
  restart             = false
}

# Where the VMs are, and the billing account that pays for them.
projects           = ["my-project-1", "my-project-2"]
folder_id          = null
organization_id    = null
billing_account_id = "012345-6789AB-CDEF01"
billing_budgets = {
  compute = {
    amount              = 1500
    currency            = "USD"
    projects            = ["my-project-1", "my-project-2"]
    thresholds          = [0.5, 0.8, 1.0]
    calendar_period     = "MONTH"
    only_compute_engine = true
  }
}
expect_budget_notifications = true
budget_publisher            = "serviceAccount:billing-budget-alert@system.gserviceaccount.com"

# The tracker's own budgets, which are an hour old instead of a day.
hourly_budget_usd             = 5
daily_budget_usd              = 60
daily_budget_hour_share       = 0.1
daily_budget_projection_share = 1.2
monthly_budget_usd            = 1500
budget_covers                 = "total"
alert_thresholds              = [0.5, 0.8, 1.0]
budget_id                     = "spotkeeper"
budget_display_name           = "spotkeeper"
label_budgets = {
  cap-vision = { label = "team", value = "vision", hourly_usd = 20, monthly_usd = 6000 }
}

# Recipients of alerts, and readers of the dataset.
notification_emails    = ["oncall@example.com"]
slack_channel          = null
slack_token            = null
pagerduty_service_key  = null
unpriced_share_limit   = 0.02
unresolved_share_limit = 0.05
analysts               = ["group:analysts@example.com"]

# Which labels of your VMs are the columns of costs; of several keys the first that a VM has counts.
label_keys = {
  team          = ["team"]
  project_label = ["project"]
  experiment    = ["experiment"]
  cost_center   = ["cost_center", "cost-center"]
}

# Data.
dataset                   = "cost_tracking"
dataset_location          = "US"
billing_export_table      = null
partition_expiration_days = null
delete_data               = false
labels                    = { app = "spotkeeper" }

# How both functions work.
catch_up_hours           = 48
interim_checks           = false
interim_check_share      = 0.9
price_refresh_hours      = 6
price_rise_alert_percent = 10
asset_history            = true
audit_log_history        = false
record_creators          = false
capacity_history         = false
capacity_history_calls   = 50
contract_prices          = false
custom_metrics           = true
custom_role_suffix       = ""
retry_timeout_seconds    = 60
