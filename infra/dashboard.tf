# One dashboard: cost, quality of the figures, and health of both functions.

locals {
  # A line chart each: its title, its time series and how they are aggregated.
  charts = [
    {
      title   = "Cost of the latest hour (USD)"
      filter  = "metric.type=\"custom.googleapis.com/spotkeeper/cost_usd\" resource.type=\"global\" metric.label.period=\"hour\""
      period  = "3600s"
      aligner = "ALIGN_MAX"
      reducer = "REDUCE_MAX"
      groups  = []
    },
    {
      title   = "Cost of the day and of the month so far (USD)"
      filter  = "metric.type=\"custom.googleapis.com/spotkeeper/cost_usd\" resource.type=\"global\" metric.label.period!=\"hour\""
      period  = "3600s"
      aligner = "ALIGN_MAX"
      reducer = "REDUCE_MAX"
      groups  = ["metric.label.period"]
    },
    {
      title   = "Share of the budget (1 is the whole budget)"
      filter  = "metric.type=\"custom.googleapis.com/spotkeeper/budget_share\" resource.type=\"global\""
      period  = "3600s"
      aligner = "ALIGN_MAX"
      reducer = "REDUCE_MAX"
      groups  = ["metric.label.period"]
    },
    {
      title   = "Cost rows of a run: Spot VMs times hours"
      filter  = "metric.type=\"custom.googleapis.com/spotkeeper/rows\" resource.type=\"global\""
      period  = "3600s"
      aligner = "ALIGN_MAX"
      reducer = "REDUCE_MAX"
      groups  = []
    },
    {
      title   = "Rows without a price"
      filter  = "metric.type=\"custom.googleapis.com/spotkeeper/unpriced_rows\" resource.type=\"global\""
      period  = "3600s"
      aligner = "ALIGN_MAX"
      reducer = "REDUCE_MAX"
      groups  = []
    },
    {
      title   = "Instance-hours that no source could identify"
      filter  = "metric.type=\"custom.googleapis.com/spotkeeper/unresolved_hours\" resource.type=\"global\""
      period  = "3600s"
      aligner = "ALIGN_MAX"
      reducer = "REDUCE_MAX"
      groups  = []
    },
    {
      title   = "Incomplete hours of a run"
      filter  = "metric.type=\"custom.googleapis.com/spotkeeper/incomplete_hours\" resource.type=\"global\""
      period  = "3600s"
      aligner = "ALIGN_MAX"
      reducer = "REDUCE_MAX"
      groups  = []
    },
    {
      title   = "Responses of both functions, by class"
      filter  = "metric.type=\"run.googleapis.com/request_count\" resource.type=\"cloud_run_revision\" resource.label.service_name=monitoring.regex.full_match(\"track-spot-costs|enforce-budget-limit\")"
      period  = "3600s"
      aligner = "ALIGN_SUM"
      reducer = "REDUCE_SUM"
      groups  = ["resource.label.service_name", "metric.label.response_code_class"]
    },
    {
      title   = "Duration of a call, 99th percentile (ms)"
      filter  = "metric.type=\"run.googleapis.com/request_latencies\" resource.type=\"cloud_run_revision\" resource.label.service_name=monitoring.regex.full_match(\"track-spot-costs|enforce-budget-limit\")"
      period  = "3600s"
      aligner = "ALIGN_PERCENTILE_99"
      reducer = "REDUCE_MAX"
      groups  = ["resource.label.service_name"]
    },
    {
      title   = "Budget notifications"
      filter  = "metric.type=\"pubsub.googleapis.com/topic/send_message_operation_count\" resource.type=\"pubsub_topic\" resource.label.topic_id=\"${google_pubsub_topic.budget.name}\""
      period  = "3600s"
      aligner = "ALIGN_SUM"
      reducer = "REDUCE_SUM"
      groups  = []
    },
  ]

  enforcer_charts = [
    {
      title   = "Dead-lettered budget notifications"
      filter  = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" resource.type=\"pubsub_subscription\" resource.label.subscription_id=\"spotkeeper-dead-letter\""
      period  = "300s"
      aligner = "ALIGN_MAX"
      reducer = "REDUCE_MAX"
      groups  = []
    },
  ]

  chart_tiles = [
    for position, chart in concat(local.charts, local.has_enforcer ? local.enforcer_charts : []) : {
      xPos   = 16 * (position % 3)
      yPos   = 12 * floor(position / 3)
      width  = 16
      height = 12
      widget = {
        title = chart.title
        xyChart = {
          dataSets = [{
            plotType = "LINE"
            timeSeriesQuery = {
              timeSeriesFilter = {
                filter = chart.filter
                aggregation = {
                  alignmentPeriod    = chart.period
                  perSeriesAligner   = chart.aligner
                  crossSeriesReducer = chart.reducer
                  groupByFields      = chart.groups
                }
              }
            }
          }]
        }
      }
    }
  ]

  log_tile = {
    xPos   = 0
    yPos   = 12 * ceil(length(local.chart_tiles) / 3)
    width  = 48
    height = 16
    widget = {
      title = "Decisions and actions of the enforcer"
      logsPanel = {
        filter        = "${local.enforcer_log} AND jsonPayload.message:*"
        resourceNames = ["projects/${var.project_id}"]
      }
    }
  }
}

resource "google_monitoring_dashboard" "overview" {
  project = var.project_id
  dashboard_json = jsonencode({
    displayName  = "spotkeeper"
    mosaicLayout = { columns = 48, tiles = concat(local.chart_tiles, local.has_enforcer ? [local.log_tile] : []) }
  })

  depends_on = [google_monitoring_metric_descriptor.tracker]
}
