# The approvals topic: what approvers publish there, enforce_budget_limit does: it executes a plan, or undoes stops. The
# topic has publishers of its own; whoever may publish budget notifications can approve nothing.

resource "google_pubsub_topic" "approvals" {
  count = local.has_approvals ? 1 : 0

  project    = var.project_id
  name       = "spotkeeper-approvals"
  labels     = var.labels
  depends_on = [google_project_service.used]
}

resource "google_pubsub_topic_iam_member" "approvers" {
  for_each = local.has_approvals ? toset(var.approvers) : toset([])

  project = var.project_id
  topic   = google_pubsub_topic.approvals[0].name
  role    = google_project_iam_custom_role.alerts.name
  member  = each.value
}

resource "google_pubsub_subscription" "approvals" {
  count = local.has_approvals ? 1 : 0

  project = var.project_id
  name    = "spotkeeper-approvals"
  topic   = google_pubsub_topic.approvals[0].id
  labels  = var.labels

  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"

  push_config {
    push_endpoint = google_cloudfunctions2_function.enforcer[0].service_config[0].uri

    oidc_token {
      service_account_email = google_service_account.delivery[0].email
      audience              = google_cloudfunctions2_function.enforcer[0].service_config[0].uri
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letter[0].id
    max_delivery_attempts = 50
  }

  # Never expires, however long nothing is approved.
  expiration_policy {
    ttl = ""
  }

  depends_on = [google_cloud_run_service_iam_member.delivery]
}

resource "google_pubsub_subscription_iam_member" "approvals_dead_letter" {
  count = local.has_approvals ? 1 : 0

  project      = var.project_id
  subscription = google_pubsub_subscription.approvals[0].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
