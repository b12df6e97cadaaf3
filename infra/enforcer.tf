# enforce_budget_limit: receives budget notifications and stops Spot VMs by its policy. None of it in mode off.

locals {
  # Mode off deploys the tracker alone: no function, identity or role that could stop anything.
  has_enforcer = var.enforcement_mode != "off"

  # Where somebody may approve plans and undo stops, whatever the mode.
  has_approvals = local.has_enforcer && length(var.approvers) > 0

  has_events = local.has_enforcer && var.publish_events

  # Unset values are left out: the function has its own defaults, and refuses null.
  # A budget that is made here is named by its key in billing_budgets; it is replaced by its id.
  policy_budgets = {
    for key, rule in var.enforcement_policy.budgets :
    (contains(keys(var.billing_budgets), key) ? reverse(split("/", google_billing_budget.made[key].name))[0] : key) => merge(
      { for field, value in rule : field => value if value != null && field != "period" },
      { for field, value in { period = local.periods[key] } : field => value if rule.period != null },
    )
  }

  # A period with fixed dates is written 2026-11-01/2026-12-31 here, and as an object in the policy's JSON.
  periods = {
    for key, rule in var.enforcement_policy.budgets : key => try(
      { first_day = split("/", rule.period)[0], last_day = split("/", rule.period)[1] },
      rule.period,
    )
  }

  policy = merge(
    { for field, value in var.enforcement_policy : field => value if value != null && field != "budgets" },
    { budgets = local.policy_budgets },
    # A notification of another billing account is refused, unless the policy names one itself.
    {
      for field, value in { billing_account_id = var.billing_account_id } : field => value
      if value != null && var.enforcement_policy.billing_account_id == null
    },
  )

  enforcer_settings = {
    # Its name, not the subscription itself, which needs the address of the function.
    APPROVALS_SUBSCRIPTION = local.has_approvals ? "projects/${var.project_id}/subscriptions/spotkeeper-approvals" : null

    DATASET               = var.dataset
    DATASET_LOCATION      = google_bigquery_dataset.costs.location
    ENFORCEMENT_MODE      = var.enforcement_mode
    ENFORCEMENT_POLICY    = jsonencode(local.policy)
    EVENTS_TOPIC          = local.has_events ? google_pubsub_topic.events[0].id : null
    PROJECT_ID            = var.project_id
    RETRY_TIMEOUT_SECONDS = tostring(var.retry_timeout_seconds)
  }

  enforcer_environment = { for name, value in local.enforcer_settings : name => value if value != null }
}

resource "google_cloudfunctions2_function" "enforcer" {
  count = local.has_enforcer ? 1 : 0

  project     = var.project_id
  name        = "enforce-budget-limit"
  location    = var.region
  description = "Stops the least important Spot VMs when a budget is exceeded. Mode: ${var.enforcement_mode}."
  labels      = var.labels

  build_config {
    runtime         = "python313"
    entry_point     = "enforce_budget_limit"
    service_account = google_service_account.builder.id

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email = google_service_account.enforcer[0].email
    ingress_settings      = "ALLOW_INTERNAL_ONLY" # Pub/Sub of the same project counts as internal.
    environment_variables = local.enforcer_environment
    available_cpu         = "1"
    available_memory      = "512Mi"
    timeout_seconds       = 540 # below the ack deadline of 600 s, after which Pub/Sub redelivers

    # One notification at a time: concurrent plans would not count each other's stops.
    max_instance_count               = 1
    max_instance_request_concurrency = 1
  }

  depends_on = [google_bigquery_table.recorded, google_project_iam_member.builder]
}

# An event_trigger would have Eventarc make the subscription, and then nobody can give it a dead letter topic, an ack
# deadline or a retention: google_cloudfunctions2_function has no arguments for them. So this is a push subscription of
# our own; main.py also reads a CloudEvent, so that an event_trigger works too.
resource "google_pubsub_subscription" "enforcer" {
  count = local.has_enforcer ? 1 : 0

  project = var.project_id
  name    = "spotkeeper-enforcer"
  topic   = google_pubsub_topic.budget.id
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

  # Pub/Sub redelivers after every error response: ten seconds later at first, every ten minutes in the end.
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  # About eight hours of redeliveries. A 429, while another message is processed, counts as an attempt.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letter[0].id
    max_delivery_attempts = 50
  }

  # Never expires, however long no notification arrives.
  expiration_policy {
    ttl = ""
  }

  depends_on = [google_cloud_run_service_iam_member.delivery]
}

resource "google_cloud_run_service_iam_member" "delivery" {
  count = local.has_enforcer ? 1 : 0

  project  = var.project_id
  location = google_cloudfunctions2_function.enforcer[0].location
  service  = google_cloudfunctions2_function.enforcer[0].name
  role     = "roles/run.invoker"
  member   = google_service_account.delivery[0].member
}

# Messages that failed in every attempt are kept here; alerts.tf has an alert on them.

resource "google_pubsub_topic" "dead_letter" {
  count = local.has_enforcer ? 1 : 0

  project    = var.project_id
  name       = "spotkeeper-dead-letter"
  labels     = var.labels
  depends_on = [google_project_service.used]
}

resource "google_pubsub_subscription" "dead_letter" {
  count = local.has_enforcer ? 1 : 0

  project = var.project_id
  name    = "spotkeeper-dead-letter"
  topic   = google_pubsub_topic.dead_letter[0].id
  labels  = var.labels

  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub forwards dead letters, and signs its calls, under its own service account in this project.

locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.home.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic_iam_member" "dead_letter" {
  count = local.has_enforcer ? 1 : 0

  project = var.project_id
  topic   = google_pubsub_topic.dead_letter[0].name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letter" {
  count = local.has_enforcer ? 1 : 0

  project      = var.project_id
  subscription = google_pubsub_subscription.enforcer[0].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# Needed in projects created before April 2021; in others Google's service agent has the role already.
resource "google_service_account_iam_member" "delivery_token" {
  count = local.has_enforcer ? 1 : 0

  service_account_id = google_service_account.delivery[0].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
}
