# What `make deploy` applies: the module of infra/ in one project, with a provider of its own. The variables are the
# module's: variables.tf and policy.tf are links to its files.

provider "google" {
  project = var.project_id
  region  = var.region

  # The budgets API accepts user credentials only with a quota project.
  billing_project       = var.project_id
  user_project_override = true
}

module "spotkeeper" {
  source = "../"

  alert_thresholds              = var.alert_thresholds
  analysts                      = var.analysts
  approvers                     = var.approvers
  asset_history                 = var.asset_history
  audit_log_history             = var.audit_log_history
  billing_account_id            = var.billing_account_id
  billing_budgets               = var.billing_budgets
  billing_export_table          = var.billing_export_table
  budget_covers                 = var.budget_covers
  budget_display_name           = var.budget_display_name
  budget_id                     = var.budget_id
  budget_publisher              = var.budget_publisher
  capacity_history              = var.capacity_history
  capacity_history_calls        = var.capacity_history_calls
  catch_up_hours                = var.catch_up_hours
  contract_prices               = var.contract_prices
  custom_metrics                = var.custom_metrics
  custom_role_suffix            = var.custom_role_suffix
  daily_budget_hour_share       = var.daily_budget_hour_share
  daily_budget_projection_share = var.daily_budget_projection_share
  daily_budget_usd              = var.daily_budget_usd
  dataset                       = var.dataset
  dataset_location              = var.dataset_location
  delete_data                   = var.delete_data
  enforcement_mode              = var.enforcement_mode
  enforcement_policy            = var.enforcement_policy
  expect_budget_notifications   = var.expect_budget_notifications
  folder_id                     = var.folder_id
  hourly_budget_usd             = var.hourly_budget_usd
  interim_check_share           = var.interim_check_share
  interim_checks                = var.interim_checks
  label_budgets                 = var.label_budgets
  label_keys                    = var.label_keys
  labels                        = var.labels
  monthly_budget_usd            = var.monthly_budget_usd
  notification_emails           = var.notification_emails
  organization_id               = var.organization_id
  pagerduty_service_key         = var.pagerduty_service_key
  partition_expiration_days     = var.partition_expiration_days
  price_refresh_hours           = var.price_refresh_hours
  price_rise_alert_percent      = var.price_rise_alert_percent
  project_id                    = var.project_id
  projects                      = var.projects
  publish_events                = var.publish_events
  record_creators               = var.record_creators
  region                        = var.region
  retry_timeout_seconds         = var.retry_timeout_seconds
  slack_channel                 = var.slack_channel
  slack_token                   = var.slack_token
  unpriced_share_limit          = var.unpriced_share_limit
  unresolved_share_limit        = var.unresolved_share_limit
}
