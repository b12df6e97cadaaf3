# Notification channels of the alerts.

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.notification_emails)

  project      = var.project_id
  display_name = "spotkeeper: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
  depends_on   = [google_project_service.used]
}

resource "google_monitoring_notification_channel" "slack" {
  count = var.slack_channel == null ? 0 : 1

  project      = var.project_id
  display_name = "spotkeeper: ${var.slack_channel}"
  type         = "slack"
  labels       = { channel_name = var.slack_channel }
  depends_on   = [google_project_service.used]

  sensitive_labels {
    auth_token = var.slack_token
  }
}

resource "google_monitoring_notification_channel" "pagerduty" {
  # Whether a key is set is not a secret.
  count = nonsensitive(var.pagerduty_service_key != null) ? 1 : 0

  project      = var.project_id
  display_name = "spotkeeper: PagerDuty"
  type         = "pagerduty"
  depends_on   = [google_project_service.used]

  sensitive_labels {
    service_key = var.pagerduty_service_key
  }
}

check "alerts_have_recipients" {
  assert {
    condition     = length(var.notification_emails) > 0 || var.slack_channel != null || nonsensitive(var.pagerduty_service_key != null)
    error_message = "Alerts have no recipient: set notification_emails, slack_channel or pagerduty_service_key."
  }
}

locals {
  notification_channels = concat(
    [for channel in google_monitoring_notification_channel.email : channel.name],
    google_monitoring_notification_channel.slack[*].name,
    google_monitoring_notification_channel.pagerduty[*].name,
  )
}
