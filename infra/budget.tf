# The topic of budget notifications, and the budgets that publish to it.

resource "google_pubsub_topic" "budget" {
  project    = var.project_id
  name       = "spotkeeper-budget"
  labels     = var.labels
  depends_on = [google_project_service.used]
}

# Cloud Billing publishes under a service account of its own, which this binding allows.
resource "google_pubsub_topic_iam_member" "cloud_billing" {
  count = var.budget_publisher == null ? 0 : 1

  project = var.project_id
  topic   = google_pubsub_topic.budget.name
  role    = "roles/pubsub.publisher"
  member  = var.budget_publisher
}

# Warnings, not errors: the budget or its policy may be added later.
check "budgets_and_policies" {
  assert {
    condition     = !local.has_enforcer || length(setsubtract(local.notifying_budgets, keys(var.enforcement_policy.budgets))) == 0
    error_message = "The enforcer records notifications of these budgets as unknown_budget and stops nothing: ${join(", ", setsubtract(local.notifying_budgets, keys(var.enforcement_policy.budgets)))}. Name each in enforcement_policy.budgets."
  }

  assert {
    condition     = !local.has_enforcer || length(local.policies_without_budget) == 0
    error_message = "These are neither names in billing_budgets nor budget ids: ${join(", ", local.policies_without_budget)}. Correct them: no notification will match them."
  }
}

locals {
  # https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/standard-usage, credits.type
  lasting_credits = [
    "COMMITTED_USAGE_DISCOUNT",
    "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE",
    "DISCOUNT",
    "RESELLER_MARGIN",
    "SUBSCRIPTION_BENEFIT",
    "SUSTAINED_USAGE_DISCOUNT",
  ]

  # The tracker sends alerts for its own budget when that has an amount.
  tracker_budgets = [
    for amount in [var.hourly_budget_usd, var.daily_budget_usd, var.monthly_budget_usd] : var.budget_id if amount != null
  ]
  notifying_budgets = toset(concat(keys(var.billing_budgets), local.tracker_budgets, keys(var.label_budgets)))
  policies_without_budget = [
    for key in keys(var.enforcement_policy.budgets) : key
    if !contains(concat(keys(var.billing_budgets), keys(var.label_budgets), [var.budget_id]), key) && !can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", key))
  ]
}

# The filter of a budget takes project numbers.
data "google_project" "budgeted" {
  for_each = toset(flatten([for budget in values(var.billing_budgets) : budget.projects]))

  project_id = each.value
}

# A budget has the currency of its account, and only that one.
data "google_billing_account" "paying" {
  count = length(var.billing_budgets) == 0 ? 0 : 1

  billing_account = var.billing_account_id
  lookup_projects = false
}

resource "google_billing_budget" "made" {
  for_each = var.billing_budgets

  billing_account = var.billing_account_id
  display_name    = "spotkeeper: ${each.key}"

  amount {
    specified_amount {
      currency_code = each.value.currency
      units         = tostring(floor(each.value.amount))
      nanos         = floor((each.value.amount - floor(each.value.amount)) * 1000000000 + 0.5)
    }
  }

  budget_filter {
    projects        = [for project in each.value.projects : "projects/${data.google_project.budgeted[project].number}"]
    services        = each.value.only_compute_engine ? ["services/6F81-5844-456A"] : null
    calendar_period = each.value.calendar_period

    # Promotional and free-tier credits would hide spend until they are used up: on trial credit no budget is ever
    # reached. The others lower the bill for good.
    credit_types_treatment = "INCLUDE_SPECIFIED_CREDITS"
    credit_types           = local.lasting_credits
  }

  dynamic "threshold_rules" {
    for_each = each.value.thresholds

    content {
      threshold_percent = threshold_rules.value # a share: 1.0 is the whole budget
      spend_basis       = "CURRENT_SPEND"
    }
  }

  all_updates_rule {
    pubsub_topic   = google_pubsub_topic.budget.id
    schema_version = "1.0"
  }

  lifecycle {
    precondition {
      condition     = each.value.currency == data.google_billing_account.paying[0].currency_code
      error_message = "The billing account is in ${data.google_billing_account.paying[0].currency_code}: set currency of billing_budgets to it."
    }
  }

  depends_on = [google_project_service.used, google_pubsub_topic_iam_member.cloud_billing]
}
