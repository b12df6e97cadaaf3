# Where budget notifications arrive, and the budgets that send them.

resource "google_pubsub_topic" "budget" {
  name       = "spotkeeper-budget"
  depends_on = [google_project_service.used]
}

# Cloud Billing publishes under an account of its own, which this binding lets in.
resource "google_pubsub_topic_iam_member" "cloud_billing" {
  count = var.budget_publisher == null ? 0 : 1

  topic  = google_pubsub_topic.budget.name
  role   = "roles/pubsub.publisher"
  member = var.budget_publisher
}

# The filter of a budget takes project numbers.
data "google_project" "budgeted" {
  for_each = toset(flatten([for budget in values(var.billing_budgets) : budget.projects]))

  project_id = each.value
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
  }

  dynamic "threshold_rules" {
    for_each = each.value.thresholds

    content {
      threshold_percent = threshold_rules.value # a share: 1.0 is all of the budget
      spend_basis       = "CURRENT_SPEND"
    }
  }

  all_updates_rule {
    pubsub_topic   = google_pubsub_topic.budget.id
    schema_version = "1.0"
  }

  depends_on = [google_project_service.used, google_pubsub_topic_iam_member.cloud_billing]
}
