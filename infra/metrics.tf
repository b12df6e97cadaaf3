# Descriptors of the tracker's custom metrics: they give each a unit and a description, and an alert on a metric without
# points is not refused.

locals {
  metrics = {
    budget_share         = { description = "Cost of the period so far that its budget covers, as a share of it; 1 is the whole budget.", unit = "1", by_period = true }
    cost_usd             = { description = "What Spot VMs cost in the hour, day and month so far, of what budgets cover.", unit = "{USD}", by_period = true }
    incomplete_hours     = { description = "Hours of the run with a source that could not be read and that a later run can still read.", unit = "{hour}", by_period = false }
    resolved_hours       = { description = "Uptime of the run's Spot VMs that have a cost row, in instance-hours.", unit = "h", by_period = false }
    rows                 = { description = "Cost rows of the run: Spot VMs times hours.", unit = "{row}", by_period = false }
    unpriced_rows        = { description = "Cost rows of the run without a price.", unit = "{row}", by_period = false }
    unresolved_hours     = { description = "Uptime of the run's VMs that no source could identify, in instance-hours.", unit = "h", by_period = false }
    unresolved_instances = { description = "VMs of the run that no source could identify.", unit = "{instance}", by_period = false }
  }
}

resource "google_monitoring_metric_descriptor" "tracker" {
  for_each = { for name, metric in local.metrics : name => metric if var.custom_metrics }

  project      = var.project_id
  type         = "custom.googleapis.com/spotkeeper/${each.key}"
  display_name = "spotkeeper ${replace(each.key, "_", " ")}"
  description  = each.value.description
  unit         = each.value.unit
  metric_kind  = "GAUGE"
  value_type   = "DOUBLE"

  dynamic "labels" {
    for_each = each.value.by_period ? ["period"] : []

    content {
      key         = labels.value
      value_type  = "STRING"
      description = "hour, day or month."
    }
  }

  depends_on = [google_project_service.used]
}

# The enforcer stops nothing without its records. A log-based metric counts how often it waits for BigQuery, which takes
# no permission and no call.
resource "google_logging_metric" "records_unavailable" {
  count = local.has_enforcer ? 1 : 0

  project     = var.project_id
  name        = "spotkeeper/records_unavailable"
  description = "Deliveries of budget notifications that failed because BigQuery was unavailable; Pub/Sub redelivers them."
  filter      = "${local.enforcer_log} AND jsonPayload.message=\"records unavailable: waiting for BigQuery\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }

  depends_on = [google_project_service.used]
}

# How often the daily comparison with Google's own price history found a difference.
resource "google_logging_metric" "prices_that_differ" {
  project     = var.project_id
  name        = "spotkeeper/prices_that_differ"
  description = "Machine types in use whose Spot price, from SKUs, differs from Google's own price history; one count each time it is compared."
  filter      = "${local.tracker_log} AND jsonPayload.message=\"price differs from Google's price history\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }

  depends_on = [google_project_service.used]
}
