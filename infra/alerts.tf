# Alert policies. Metrics are queried in PromQL: it can cover a whole day, and absent_over_time also detects a series that
# never had a point, which a metric-absence condition does not.

locals {
  metric = { for name in keys(local.metrics) : name => "custom_googleapis_com:spotkeeper_${name}" }

  # Without custom metrics, responses of class 2xx are the heartbeat; a run that recorded nothing responds with 503.
  heartbeat = (
    var.custom_metrics
    ? "${local.metric.rows}{monitored_resource=\"global\"}"
    : "run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\",service_name=\"track-spot-costs\",response_code_class=\"2xx\"}"
  )

  # Absence has to last for about as long again before it alerts: a new deployment has that time for its first point.
  alerts = {
    no_tracker_runs = {
      wanted   = true
      title    = "the tracker records nothing"
      severity = "ERROR"
      query    = "absent_over_time(${local.heartbeat}[70m])"
      duration = "3600s"
      advice   = "Two hourly runs in a row recorded nothing. The next successful run records the missed hours, up to ${var.catch_up_hours} hours back. See the log of track-spot-costs, and `gcloud scheduler jobs describe spotkeeper-hourly --location ${var.region}`."
    }
    hours_incomplete = {
      wanted   = var.custom_metrics
      title    = "hours stay incomplete"
      severity = "WARNING"
      query    = "min_over_time(${local.metric.incomplete_hours}{monitored_resource=\"global\"}[190m]) > 0"
      duration = "0s"
      advice   = "In every run of the last three hours something could not be read. `tracker_runs.gaps` and the log events `incomplete` name it; most often a permission is missing in a project."
    }
    prices_missing = {
      wanted   = var.custom_metrics
      title    = "too many VMs have no price"
      severity = "WARNING"
      query    = "sum(sum_over_time(${local.metric.unpriced_rows}{monitored_resource=\"global\"}[1d])) / sum(sum_over_time(${local.metric.rows}{monitored_resource=\"global\"}[1d])) > ${var.unpriced_share_limit}"
      duration = "0s"
      advice   = "The cost of these VMs is NULL, so totals are too low. `tracker_runs.unpriced_machine_types` names them with the reason."
    }
    usage_unresolved = {
      wanted   = var.custom_metrics
      title    = "too much uptime is of unidentified VMs"
      severity = "WARNING"
      query    = "sum(sum_over_time(${local.metric.unresolved_hours}{monitored_resource=\"global\"}[1d])) / (sum(sum_over_time(${local.metric.unresolved_hours}{monitored_resource=\"global\"}[1d])) + sum(sum_over_time(${local.metric.resolved_hours}{monitored_resource=\"global\"}[1d]))) > ${var.unresolved_share_limit}"
      duration = "0s"
      advice   = "VMs ran that no source could identify: they may be Spot VMs, have no cost row and are not in any total. The table `project_hours` has their uptime by project and hour, `tracker_runs.unresolved_instances` their names. `asset_history` identifies VMs that live less than an hour, and `audit_log_history` those that the asset inventory does not know."
    }
    budget_spent = {
      wanted   = var.custom_metrics && anytrue([for budget in [var.hourly_budget_usd, var.daily_budget_usd, var.monthly_budget_usd] : budget != null])
      title    = "a budget is spent"
      severity = "WARNING"
      query    = "max by (period) (last_over_time(${local.metric.budget_share}{monitored_resource=\"global\"}[130m])) >= 1"
      duration = "0s"
      advice   = "By the tracker's own figures, which are an hour old. The policy says what the enforcer does about it; the view enforcement_log has what it did."
    }
    dead_letters = {
      wanted   = local.has_enforcer
      title    = "a budget notification was dead-lettered"
      severity = "CRITICAL"
      query    = "max_over_time(pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource=\"pubsub_subscription\",subscription_id=\"spotkeeper-dead-letter\"}[10m]) > 0"
      duration = "0s"
      advice   = "The enforcer did not finish it in all its delivery attempts, which take about eight hours. See the log of enforce-budget-limit, and the message with `gcloud pubsub subscriptions pull spotkeeper-dead-letter --limit 10`."
    }
    no_budget_notifications = {
      wanted   = var.expect_budget_notifications && local.has_enforcer
      title    = "no budget notification for a day"
      severity = "ERROR"
      query    = "absent_over_time(pubsub_googleapis_com:topic_send_message_operation_count{monitored_resource=\"pubsub_topic\",topic_id=\"${google_pubsub_topic.budget.name}\"}[12h])"
      duration = "43200s"
      advice   = "Without notifications nothing is stopped, whatever is spent. Cloud Billing sends several an hour: check that the budget still names the topic `${google_pubsub_topic.budget.id}`."
    }
  }
  measured_alerts = { for name, alert in local.alerts : name => alert if alert.wanted }

  tracker_log  = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"track-spot-costs\""
  enforcer_log = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"enforce-budget-limit\""

  logged_alerts = {
    enforcement_planned = {
      wanted     = local.has_enforcer
      title      = "a budget is exceeded: stops are planned"
      severity   = "WARNING"
      filter     = "${local.enforcer_log} AND jsonPayload.message=~\"^budget notification: (over|nearing)_budget$\""
      extractors = { mode = "EXTRACT(jsonPayload.mode)", reason = "EXTRACT(jsonPayload.reason)" }
      advice     = "In mode dry_run nothing is stopped. The view enforcement_log has the plan, with a reason for every VM stopped and spared."
    }
    rule_mismatch = {
      wanted     = local.has_enforcer
      title      = "a message matches no rule of the policy: nothing is stopped"
      severity   = "ERROR"
      filter     = "${local.enforcer_log} AND jsonPayload.message=~\"^budget notification: (malformed|other_currency|period_mismatch|unknown_budget|unusable_amount)$\""
      extractors = { verdict = "EXTRACT(jsonPayload.message)", reason = "EXTRACT(jsonPayload.reason)" }
      advice     = "The reason names the mismatch: the budget's id, billing account, currency or period, or a message that is no budget notification. Correct enforcement_policy and apply; `spotkeeper doctor` compares each rule with its budget."
    }
    price_differs = {
      wanted     = var.capacity_history
      title      = "a price differs from Google's own price history"
      severity   = "WARNING"
      filter     = "${local.tracker_log} AND jsonPayload.message=\"price differs from Google's price history\""
      extractors = { machine_type = "EXTRACT(jsonPayload.machine_type)", region = "EXTRACT(jsonPayload.region)" }
      advice     = "The costs of this machine type may be wrong. The table `price_checks` has both prices by day; `spotkeeper price` says which SKUs ours is made of. docs/capacity.md says what can make them differ."
    }
    price_rose = {
      wanted     = var.capacity_history
      title      = "the Spot price of a machine type in use rose"
      severity   = "WARNING"
      filter     = "${local.tracker_log} AND jsonPayload.message=\"Spot price rose\""
      extractors = { machine_type = "EXTRACT(jsonPayload.machine_type)", region = "EXTRACT(jsonPayload.region)", percent = "EXTRACT(jsonPayload.percent)" }
      advice     = "By more than price_rise_alert_percent in 30 days, by Google's own price history. `spotkeeper advise --machine-type TYPE` says where it is cheaper; the view price_drift what the rise costs in a month."
    }
    nothing_stoppable = {
      wanted     = local.has_enforcer
      title      = "a budget is exceeded, and its rule can stop nothing"
      severity   = "ERROR"
      filter     = "${local.enforcer_log} AND jsonPayload.message=~\"^(no Spot VM in scope|max_fleet_share allows no stop)$\""
      extractors = { blocker = "EXTRACT(jsonPayload.message)", budget = "EXTRACT(jsonPayload.budget_id)" }
      advice     = "Either no Spot VM has the projects and labels of the rule, or max_fleet_share of them is less than one VM. Correct enforcement_policy and apply; `spotkeeper plan` shows what would be stopped."
    }
    waiting_for_bigquery = {
      wanted     = local.has_enforcer
      title      = "the enforcer waits for BigQuery"
      severity   = "ERROR"
      filter     = "${local.enforcer_log} AND jsonPayload.message=\"records unavailable: waiting for BigQuery\""
      extractors = { error = "EXTRACT(jsonPayload.error)" }
      advice     = "Nothing is stopped without its record. Pub/Sub redelivers for about eight hours; a message that is outdated by then stops nothing, and the next one gets a new plan. Check that BigQuery is available and that the enforcer may still write to the dataset."
    }
    enforcement_happened = {
      wanted     = local.has_enforcer
      title      = "a VM was stopped or started"
      severity   = "WARNING"
      filter     = "${local.enforcer_log} AND jsonPayload.message=~\"^instance (stopped|restarted)$\""
      extractors = { instance = "EXTRACT(jsonPayload.instance)", project = "EXTRACT(jsonPayload.project_id)", zone = "EXTRACT(jsonPayload.zone)" }
      advice     = "Start it again with `gcloud compute instances start`. To prevent further stops, set snooze_until in the policy, or enforcement_mode to dry_run, and apply."
    }
    plan_awaits_approval = {
      wanted     = var.enforcement_mode == "approve"
      title      = "a plan awaits approval"
      severity   = "WARNING"
      filter     = "${local.enforcer_log} AND jsonPayload.message=\"plan awaits approval\""
      extractors = { plan = "EXTRACT(jsonPayload.plan)", expires_at = "EXTRACT(jsonPayload.expires_at)", command = "EXTRACT(jsonPayload.command)" }
      advice     = "Nothing is stopped yet. Read the plan in enforcement_log and approve it with the command, or let it expire."
    }
    enforcement_failed = {
      wanted     = local.has_enforcer
      title      = "enforcement failed"
      severity   = "CRITICAL"
      filter     = "${local.enforcer_log} AND severity>=ERROR AND NOT httpRequest.status=429" # 429: busy with another message
      extractors = { event = "EXTRACT(jsonPayload.message)" }
      advice     = "A VM could not be stopped, a group not frozen or thawed, or nothing could be recorded. Pub/Sub redelivers the notification, and the plan is resumed; see the log when this persists."
    }
  }
}

resource "google_monitoring_alert_policy" "measured" {
  for_each = local.measured_alerts

  project               = var.project_id
  display_name          = "spotkeeper: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.notification_channels

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query               = each.value.query
      duration            = each.value.duration
      evaluation_interval = "300s"

      # Google refuses an alert on a metric that nothing was written to for the first minutes of a deployment.
      disable_metric_validation = true
    }
  }

  documentation {
    subject   = "spotkeeper: ${each.value.title}"
    content   = each.value.advice
    mime_type = "text/markdown"
  }

  depends_on = [google_monitoring_metric_descriptor.tracker]
}

resource "google_monitoring_alert_policy" "logged" {
  for_each = { for name, alert in local.logged_alerts : name => alert if alert.wanted }

  project               = var.project_id
  display_name          = "spotkeeper: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.notification_channels

  conditions {
    display_name = each.value.title

    condition_matched_log {
      filter           = each.value.filter
      label_extractors = each.value.extractors
    }
  }

  # A log-based alert policy must have a rate limit.
  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    subject   = "spotkeeper: ${each.value.title}"
    content   = each.value.advice
    mime_type = "text/markdown"
  }

  depends_on = [google_project_service.used]
}
