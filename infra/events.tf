# The topic of events: what the enforcer plans and does, for whoever is concerned. Only with publish_events.

resource "google_pubsub_topic" "events" {
  count = local.has_events ? 1 : 0

  project    = var.project_id
  name       = "spotkeeper-events"
  labels     = var.labels
  depends_on = [google_project_service.used]
}

resource "google_pubsub_topic_iam_member" "events" {
  count = local.has_events ? 1 : 0

  project = var.project_id
  topic   = google_pubsub_topic.events[0].name
  role    = google_project_iam_custom_role.alerts.name
  member  = google_service_account.enforcer[0].member
}
