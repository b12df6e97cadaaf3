# track_spot_costs: called every hour, records what Spot VMs cost.

locals {
  # Where its alerts may stop VMs, the tracker has to send one at each step of the policy, or the step is never reached,
  # and again every hour: what the enforcer defers to the next alert would never be stopped without one.
  tracker_stops = {
    for key, rule in var.enforcement_policy.budgets : key => [
      for share in try(coalescelist(coalesce(rule.steps, []), coalesce(var.enforcement_policy.steps, []))[*].threshold, [1]) :
      replace(format("%.9f", share), "/\\.?0+$/", "")
    ]
    if local.has_enforcer && contains(concat([var.budget_id], keys(var.label_budgets)), key) && try(coalesce(
      lookup(coalesce(rule.sources, {}), "tracker", null), lookup(coalesce(var.enforcement_policy.sources, {}), "tracker", null),
    ), "warn") == "stop"
  }
  stop_thresholds = lookup(local.tracker_stops, var.budget_id, [])
  label_budgets = {
    for key, budget in var.label_budgets : key => merge(
      { label = budget.label, value = budget.value },
      {
        for name, amount in { hourly_usd = budget.hourly_usd, daily_usd = budget.daily_usd, monthly_usd = budget.monthly_usd } :
        name => tonumber(format("%.9f", amount)) if amount != null
      },
      { for name, shares in { stop_thresholds = lookup(local.tracker_stops, key, []) } : name => [for share in distinct(shares) : tonumber(share)] if length(shares) > 0 },
    )
  }

  # A calculated number such as 1500 / 30.4 has more decimals than the functions take: nine.
  tracker_numbers = {
    for name, number in {
      DAILY_BUDGET_HOUR_SHARE       = var.daily_budget_hour_share
      DAILY_BUDGET_PROJECTION_SHARE = var.daily_budget_projection_share
      DAILY_BUDGET_USD              = var.daily_budget_usd
      HOURLY_BUDGET_USD             = var.hourly_budget_usd
      INTERIM_CHECK_SHARE           = var.interim_check_share
      MONTHLY_BUDGET_USD            = var.monthly_budget_usd
    } : name => replace(format("%.9f", number), "/\\.?0+$/", "") if number != null
  }
  alert_thresholds = [for share in var.alert_thresholds : replace(format("%.9f", share), "/\\.?0+$/", "")]

  tracker_settings = {
    ALERT_THRESHOLDS              = join(",", local.alert_thresholds)
    ASSET_HISTORY                 = tostring(var.asset_history)
    AUDIT_LOG_HISTORY             = tostring(var.audit_log_history)
    BILLING_ACCOUNT_ID            = var.billing_account_id
    BUDGET_COVERS                 = var.budget_covers
    BUDGET_DISPLAY_NAME           = var.budget_display_name
    BUDGET_ID                     = var.budget_id
    BUDGET_TOPIC                  = google_pubsub_topic.budget.id
    CAPACITY_HISTORY              = tostring(var.capacity_history)
    CAPACITY_HISTORY_CALLS        = tostring(var.capacity_history_calls)
    CATCH_UP_HOURS                = tostring(var.catch_up_hours)
    CONTRACT_PRICES               = tostring(var.contract_prices)
    CUSTOM_METRICS                = tostring(var.custom_metrics)
    DAILY_BUDGET_HOUR_SHARE       = lookup(local.tracker_numbers, "DAILY_BUDGET_HOUR_SHARE", null)
    DAILY_BUDGET_PROJECTION_SHARE = lookup(local.tracker_numbers, "DAILY_BUDGET_PROJECTION_SHARE", null)
    DAILY_BUDGET_USD              = lookup(local.tracker_numbers, "DAILY_BUDGET_USD", null)
    DATASET                       = var.dataset
    DATASET_LOCATION              = google_bigquery_dataset.costs.location
    HOURLY_BUDGET_USD             = lookup(local.tracker_numbers, "HOURLY_BUDGET_USD", null)
    INTERIM_CHECKS                = tostring(var.interim_checks)
    INTERIM_CHECK_SHARE           = lookup(local.tracker_numbers, "INTERIM_CHECK_SHARE", null)
    LABEL_BUDGETS                 = length(var.label_budgets) > 0 ? jsonencode(local.label_budgets) : null
    MONTHLY_BUDGET_USD            = lookup(local.tracker_numbers, "MONTHLY_BUDGET_USD", null)
    PRICE_REFRESH_HOURS           = tostring(var.price_refresh_hours)
    PRICE_RISE_ALERT_PERCENT      = tostring(var.price_rise_alert_percent)
    PROJECTS                      = join(",", sort(local.projects))
    PROJECT_ID                    = var.project_id
    RECORD_CREATORS               = tostring(var.record_creators)
    RETRY_TIMEOUT_SECONDS         = tostring(var.retry_timeout_seconds)
    STOP_THRESHOLDS               = length(local.stop_thresholds) > 0 ? join(",", distinct(local.stop_thresholds)) : null
  }

  # Unset values are left out: the function has its own defaults.
  tracker_environment = { for name, value in local.tracker_settings : name => value if value != null }
}

resource "google_cloudfunctions2_function" "tracker" {
  project     = var.project_id
  name        = "track-spot-costs"
  location    = var.region
  description = "Records what Spot VMs cost in the hours that are due."
  labels      = var.labels

  build_config {
    runtime         = "python313"
    entry_point     = "track_spot_costs"
    service_account = google_service_account.builder.id

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email = google_service_account.tracker.email
    ingress_settings      = "ALLOW_INTERNAL_ONLY" # Cloud Scheduler of the same project counts as internal.
    environment_variables = local.tracker_environment
    available_cpu         = "1"
    available_memory      = "512Mi"
    timeout_seconds       = 900

    # Concurrent runs are safe: they lock the same row. The second one is for hours requested by hand, the third for an
    # interim check.
    max_instance_count               = 3
    max_instance_request_concurrency = 1
  }

  lifecycle {
    precondition {
      condition = !local.has_enforcer || alltrue([
        for key, budget in var.label_budgets : contains(keys(var.enforcement_policy.budgets), key) &&
        try(tolist(var.enforcement_policy.budgets[key].labels[budget.label]) == tolist([budget.value]), false)
      ])
      error_message = "Each of label_budgets needs a rule in enforcement_policy.budgets under its id, with labels = { its label = [its value] }: its messages match no other rule. To warn only, leave sources as they are."
    }
  }

  depends_on = [google_bigquery_table.recorded, google_bigquery_table.label_keys, google_project_iam_member.builder]
}
