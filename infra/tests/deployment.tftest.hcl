# What a deployment comes to, with providers that answer without a cloud: planned only, with ids as Google gives them.

mock_provider "archive" {}

mock_provider "google" {
  override_during = plan

  override_resource {
    target = google_service_account.tracker
    values = { email = "tracker@home-project-1", member = "serviceAccount:tracker@home-project-1" }
  }

  override_resource {
    target = google_service_account.enforcer[0]
    values = { email = "enforcer@home-project-1", member = "serviceAccount:enforcer@home-project-1" }
  }

  override_resource {
    target = google_service_account.scheduler
    values = { email = "scheduler@home-project-1", member = "serviceAccount:scheduler@home-project-1" }
  }

  override_resource {
    target = google_service_account.delivery[0]
    values = { email = "delivery@home-project-1", member = "serviceAccount:delivery@home-project-1" }
  }

  override_resource {
    target = google_pubsub_topic.budget
    values = { id = "projects/home-project-1/topics/spotkeeper-budget" }
  }

  override_resource {
    target = google_pubsub_topic.events[0]
    values = { id = "projects/home-project-1/topics/spotkeeper-events" }
  }

  override_resource {
    target = google_pubsub_topic.dead_letter[0]
    values = { id = "projects/home-project-1/topics/spotkeeper-dead-letter" }
  }

  override_resource {
    target = google_cloudfunctions2_function.tracker
    values = { service_config = { uri = "https://tracker.example" } }
  }

  override_resource {
    target = google_cloudfunctions2_function.enforcer[0]
    values = { service_config = { uri = "https://enforcer.example" } }
  }

  mock_resource "google_billing_budget" {
    defaults = { name = "billingAccounts/012345-6789AB-CDEF01/budgets/0f2b8f0e-0000-4000-8000-000000000001" }
  }

  mock_data "google_billing_account" {
    defaults = { currency_code = "USD" }
  }

  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }

  mock_data "google_projects" {
    defaults = {
      projects = [
        { project_id = "found-project-1", number = "1", name = "", labels = {}, lifecycle_state = "ACTIVE", create_time = "" },
        { project_id = "found-project-2", number = "2", name = "", labels = {}, lifecycle_state = "ACTIVE", create_time = "" },
      ]
    }
  }
}

variables {
  project_id         = "home-project-1"
  region             = "us-central1"
  enforcement_mode   = "dry_run"
  enforcement_policy = { budgets = { spotkeeper = { projects = ["home-project-1"] } } }
}

run "the_least_that_can_be_set" {
  command = plan

  # A warning: alerts go nowhere yet.
  expect_failures = [check.alerts_have_recipients]

  assert {
    condition = alltrue([
      startswith(output.looker_studio, "https://lookerstudio.google.com/reporting/create?c.mode=edit&"),
      strcontains(output.looker_studio, "&ds.ds0.projectId=${var.project_id}&ds.ds0.datasetId=cost_tracking&ds.ds0.billingProjectId=${var.project_id}&"),
      length(regexall("[$}\\s]", output.looker_studio)) == 0,
    ])
    error_message = "The URL of Looker Studio is of the project and the dataset."
  }

  assert {
    condition = google_cloudfunctions2_function.tracker.service_config[0].environment_variables == tomap({
      ALERT_THRESHOLDS         = "0.5,0.8,1"
      ASSET_HISTORY            = "true"
      AUDIT_LOG_HISTORY        = "false"
      BUDGET_COVERS            = "total"
      BUDGET_DISPLAY_NAME      = "spotkeeper"
      BUDGET_ID                = "spotkeeper"
      BUDGET_TOPIC             = google_pubsub_topic.budget.id
      CAPACITY_HISTORY         = "false"
      CAPACITY_HISTORY_CALLS   = "50"
      CATCH_UP_HOURS           = "48"
      CONTRACT_PRICES          = "false"
      CUSTOM_METRICS           = "true"
      DATASET                  = "cost_tracking"
      DATASET_LOCATION         = "us-central1"
      INTERIM_CHECKS           = "false"
      INTERIM_CHECK_SHARE      = "0.9"
      PRICE_REFRESH_HOURS      = "6"
      PRICE_RISE_ALERT_PERCENT = "10"
      PROJECTS                 = "home-project-1"
      PROJECT_ID               = "home-project-1"
      RECORD_CREATORS          = "false"
      RETRY_TIMEOUT_SECONDS    = "60"
    })
    error_message = "The tracker must get its settings, and none that is not set."
  }

  assert {
    condition = google_cloudfunctions2_function.enforcer[0].service_config[0].environment_variables == tomap({
      DATASET               = "cost_tracking"
      DATASET_LOCATION      = "us-central1"
      ENFORCEMENT_MODE      = "dry_run"
      ENFORCEMENT_POLICY    = "{\"budgets\":{\"spotkeeper\":{\"projects\":[\"home-project-1\"]}}}"
      PROJECT_ID            = "home-project-1"
      RETRY_TIMEOUT_SECONDS = "60"
    })
    error_message = "The enforcer must get its settings; a policy field that is not set must not be there."
  }

  assert {
    condition = (
      google_cloudfunctions2_function.enforcer[0].service_config[0].timeout_seconds < google_pubsub_subscription.enforcer[0].ack_deadline_seconds
      && google_pubsub_subscription.enforcer[0].ack_deadline_seconds <= 600
    )
    error_message = "The enforcer must have answered before Pub/Sub delivers again."
  }

  assert {
    condition = alltrue([
      google_cloudfunctions2_function.enforcer[0].service_config[0].max_instance_count == 1,
      google_cloudfunctions2_function.enforcer[0].service_config[0].max_instance_request_concurrency == 1,
    ])
    error_message = "One notification at a time."
  }

  assert {
    condition = alltrue([
      length(google_cloudfunctions2_function.enforcer[0].event_trigger) == 0,
      google_pubsub_subscription.enforcer[0].topic == google_pubsub_topic.budget.id,
      google_pubsub_subscription.enforcer[0].push_config[0].push_endpoint == "https://enforcer.example",
      google_pubsub_subscription.enforcer[0].push_config[0].oidc_token[0].audience == google_cloudfunctions2_function.enforcer[0].service_config[0].uri,
      google_pubsub_subscription.enforcer[0].push_config[0].oidc_token[0].service_account_email == google_service_account.delivery[0].email,
    ])
    error_message = "Budget notifications must be pushed to the enforcer, signed by the delivery account."
  }

  assert {
    condition = alltrue([
      google_pubsub_subscription.enforcer[0].retry_policy[0].minimum_backoff == "10s",
      google_pubsub_subscription.enforcer[0].retry_policy[0].maximum_backoff == "600s",
      google_pubsub_subscription.enforcer[0].dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.dead_letter[0].id,
      google_pubsub_subscription.enforcer[0].dead_letter_policy[0].max_delivery_attempts >= 5,
      google_pubsub_subscription.enforcer[0].dead_letter_policy[0].max_delivery_attempts <= 100,
      google_pubsub_subscription.enforcer[0].expiration_policy[0].ttl == "",
      google_pubsub_subscription.dead_letter[0].topic == google_pubsub_topic.dead_letter[0].id,
      google_pubsub_subscription.dead_letter[0].expiration_policy[0].ttl == "",
    ])
    error_message = "A notification that fails must be tried again, and be kept in the end."
  }

  assert {
    condition = alltrue([
      google_pubsub_topic_iam_member.dead_letter[0].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com",
      google_pubsub_topic_iam_member.dead_letter[0].role == "roles/pubsub.publisher",
      google_pubsub_subscription_iam_member.dead_letter[0].role == "roles/pubsub.subscriber",
    ])
    error_message = "Pub/Sub itself moves dead letters, and must be allowed to."
  }

  assert {
    condition = alltrue([
      length(google_cloud_scheduler_job.interim) == 0,
      output.interim_check_now == null,
      google_cloud_scheduler_job.hourly.schedule == "7 * * * *",
      google_cloud_scheduler_job.hourly.time_zone == "Etc/UTC",
      google_cloud_scheduler_job.hourly.retry_config[0].retry_count == 5,
      google_cloud_scheduler_job.hourly.http_target[0].http_method == "POST",
      google_cloud_scheduler_job.hourly.http_target[0].uri == "https://tracker.example",
      google_cloud_scheduler_job.hourly.http_target[0].oidc_token[0].audience == google_cloudfunctions2_function.tracker.service_config[0].uri,
      google_cloud_scheduler_job.hourly.http_target[0].oidc_token[0].service_account_email == google_service_account.scheduler.email,
      tonumber(trimsuffix(google_cloud_scheduler_job.hourly.attempt_deadline, "s")) > google_cloudfunctions2_function.tracker.service_config[0].timeout_seconds,
    ])
    error_message = "Cloud Scheduler must call the tracker every hour, signed, with retries, and wait for it."
  }

  assert {
    condition = alltrue([
      google_cloud_run_service_iam_member.scheduler.member == google_service_account.scheduler.member,
      google_cloud_run_service_iam_member.scheduler.service == "track-spot-costs",
      google_cloud_run_service_iam_member.delivery[0].member == google_service_account.delivery[0].member,
      google_cloud_run_service_iam_member.delivery[0].service == "enforce-budget-limit",
      google_cloudfunctions2_function.tracker.service_config[0].ingress_settings == "ALLOW_INTERNAL_ONLY",
      google_cloudfunctions2_function.enforcer[0].service_config[0].ingress_settings == "ALLOW_INTERNAL_ONLY",
    ])
    error_message = "Each function is called by one account, and from inside only."
  }

  assert {
    condition = alltrue([
      google_cloudfunctions2_function.tracker.service_config[0].service_account_email == google_service_account.tracker.email,
      google_cloudfunctions2_function.enforcer[0].service_config[0].service_account_email == google_service_account.enforcer[0].email,
      length(distinct([for account in [google_service_account.tracker, google_service_account.enforcer[0], google_service_account.scheduler, google_service_account.delivery[0], google_service_account.builder] : account.account_id])) == 5,
    ])
    error_message = "Every function and every caller has an identity of its own."
  }

  assert {
    condition = alltrue([
      length(google_bigquery_table.recorded) == length(fileset("../sql/tables", "*.json")),
      length(google_bigquery_table.view) + length(google_bigquery_table.shared_view) == length(fileset("../sql/views", "*.sql")) - 2,
      join(", ", keys(google_bigquery_table.shared_view)) == "existing_vms, unresolved_usage, vm_owners, work_hours",
      !contains(keys(google_bigquery_table.view), "billing_reconciliation"),
      alltrue([for table in google_bigquery_table.recorded : table.deletion_protection]),
      !google_bigquery_dataset.costs.delete_contents_on_destroy,
    ])
    error_message = "Every table and view is made, without an export not its comparison; data is protected."
  }

  assert {
    condition = alltrue([
      google_bigquery_table.recorded["spot_vm_costs"].require_partition_filter,
      google_bigquery_table.recorded["spot_vm_costs"].time_partitioning[0].field == "usage_start_time",
      google_bigquery_table.recorded["spot_vm_costs"].time_partitioning[0].type == "DAY",
      google_bigquery_table.recorded["spot_vm_costs"].clustering == tolist(["project_id", "machine_type"]),
      strcontains(google_bigquery_table.recorded["spot_vm_costs"].schema, "usage_start_time"),
      length(google_bigquery_table.recorded["tracker_lock"].time_partitioning) == 0,
      alltrue([for table in google_bigquery_table.recorded : alltrue([for partitioning in table.time_partitioning : partitioning.expiration_ms == null])]),
    ])
    error_message = "Tables must be partitioned and clustered as their files say."
  }

  assert {
    condition = alltrue([
      for view in concat(values(google_bigquery_table.view), values(google_bigquery_table.shared_view)) :
      !strcontains(view.view[0].query, "$${") && strcontains(view.view[0].query, "`home-project-1.cost_tracking.") && !view.view[0].use_legacy_sql
    ])
    error_message = "No placeholder may be left in a view, and its tables are named in full."
  }

  assert {
    condition = alltrue([
      for view in concat(values(google_bigquery_table.view), values(google_bigquery_table.shared_view)) :
      length(jsondecode(view.schema)) > 2 && alltrue([for column in jsondecode(view.schema) : length(column.description) > 5])
    ])
    error_message = "Every column of a view has a description in BigQuery."
  }

  assert {
    condition = alltrue([
      !anytrue([for file in local.source_files : strcontains(file, "__pycache__") || endswith(file, ".pyc")]),
      contains(local.source_files, "main.py"),
      contains(local.source_files, "requirements.txt"),
      contains(local.source_files, "spotkeeper/gcp/bigquery/statements/commit.sql"),
    ])
    error_message = "The source must have all that runs, and no caches."
  }

  assert {
    condition = alltrue([
      length(google_billing_budget.made) == 0,
      length(google_monitoring_notification_channel.email) == 0,
      length(google_organization_iam_custom_role.tracker_instances) == 0,
      google_pubsub_topic_iam_member.cloud_billing[0].member == "serviceAccount:billing-budget-alert@system.gserviceaccount.com",
      toset(keys(google_monitoring_alert_policy.measured)) == toset(["no_budget_notifications", "dead_letters", "hours_incomplete", "prices_missing", "no_tracker_runs", "usage_unresolved"]),
      toset(keys(google_monitoring_alert_policy.logged)) == toset(["enforcement_failed", "enforcement_happened", "enforcement_planned", "nothing_stoppable", "rule_mismatch", "waiting_for_bigquery"]),
    ])
    error_message = "What was not asked for is not made; the alerts that need nothing are."
  }

  assert {
    condition = alltrue([
      !contains(google_project_iam_custom_role.enforcer_instances["home-project-1"].permissions, "compute.instances.setMetadata"),
      !contains(google_project_iam_custom_role.enforcer_instances["home-project-1"].permissions, "compute.instances.start"),
      !contains(google_project_iam_custom_role.tracker_instances["home-project-1"].permissions, "logging.logEntries.list"),
      contains(google_project_iam_custom_role.tracker_instances["home-project-1"].permissions, "cloudasset.assets.exportResource"),
      contains(keys(google_project_service.used), "cloudasset.googleapis.com"),
    ])
    error_message = "A permission that only an option needs is given with it alone; asset history is on by default."
  }
}

run "the_tracker_alone" {
  command = plan

  variables {
    capacity_history    = true
    interim_checks      = true
    interim_check_share = 0.75
    enforcement_mode    = "off"
    enforcement_policy  = { budgets = {}, freeze_groups = 1 }
    publish_events      = true
    approvers           = ["group:oncall@example.com"]
    monthly_budget_usd  = 100
    notification_emails = ["oncall@example.com"]
  }

  assert {
    condition = alltrue([
      length(google_cloudfunctions2_function.enforcer) == 0,
      length(google_service_account.enforcer) == 0,
      length(google_service_account.delivery) == 0,
      length(google_pubsub_subscription.enforcer) == 0,
      length(google_pubsub_topic.dead_letter) == 0,
      length(google_pubsub_topic.approvals) == 0,
      length(google_pubsub_topic_iam_member.approvers) == 0,
      length(google_pubsub_topic.events) == 0,
      length(google_pubsub_topic_iam_member.events) == 0,
      length(google_project_iam_custom_role.enforcer_home) == 0,
      length(google_project_iam_custom_role.enforcer_instances) == 0,
      length(google_project_iam_member.enforcer_instances) == 0,
      length(google_logging_metric.records_unavailable) == 0,
      keys(google_monitoring_alert_policy.logged) == ["price_differs", "price_rose"],
      keys(google_bigquery_dataset_iam_member.records) == ["tracker"],
      keys(google_project_iam_member.staging) == ["tracker"],
    ])
    error_message = "Mode off deploys no function and no identity that could stop anything."
  }

  assert {
    condition = alltrue([
      google_cloud_scheduler_job.interim[0].schedule == "*/5 * * * *",
      google_cloud_scheduler_job.interim[0].retry_config[0].retry_count == 0,
      jsondecode(base64decode(google_cloud_scheduler_job.interim[0].http_target[0].body)) == { check = "interim" },
      google_cloud_scheduler_job.interim[0].http_target[0].oidc_token[0].audience == google_cloudfunctions2_function.tracker.service_config[0].uri,
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["INTERIM_CHECKS"] == "true",
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["INTERIM_CHECK_SHARE"] == "0.75",
    ])
    error_message = "With interim_checks a job of its own calls the tracker every five minutes, and the tracker knows of it."
  }

  assert {
    condition = !anytrue([
      for permission in flatten([
        [for role in google_project_iam_custom_role.tracker_instances : role.permissions],
        google_project_iam_custom_role.tracker_home.permissions,
        google_project_iam_custom_role.records.permissions,
        google_project_iam_custom_role.staging.permissions,
        google_project_iam_custom_role.alerts.permissions,
      ]) : can(regex("^compute\\..*\\.(stop|start|update|delete|insert|setMetadata|suspend|reset)$", permission))
    ])
    error_message = "Without an enforcer no role may change a VM."
  }

  assert {
    condition = alltrue([
      toset(keys(google_monitoring_alert_policy.measured)) == toset(["budget_spent", "hours_incomplete", "no_tracker_runs", "prices_missing", "usage_unresolved"]),
      !strcontains(google_monitoring_dashboard.overview.dashboard_json, "Dead-lettered"),
      !strcontains(google_monitoring_dashboard.overview.dashboard_json, "Decisions and actions"),
      !contains(keys(google_cloudfunctions2_function.tracker.service_config[0].environment_variables), "STOP_THRESHOLDS"),
      output.enforcer_service_account == null,
    ])
    error_message = "No alert, no tile and no setting of an enforcer that is not there."
  }
}

run "plans_that_people_approve" {
  command = plan

  variables {
    enforcement_mode    = "approve"
    approvers           = ["group:oncall@example.com"]
    notification_emails = ["oncall@example.com"]
  }

  assert {
    condition = alltrue([
      keys(google_pubsub_topic_iam_member.approvers) == ["group:oncall@example.com"],
      google_pubsub_subscription.approvals[0].name == reverse(split("/", google_cloudfunctions2_function.enforcer[0].service_config[0].environment_variables["APPROVALS_SUBSCRIPTION"]))[0],
      contains(google_project_iam_custom_role.enforcer_instances["home-project-1"].permissions, "compute.instances.start"),
    ])
    error_message = "Approvers publish to a topic of their own, whose subscription the function knows; it may undo."
  }

  assert {
    condition = alltrue([
      google_pubsub_subscription.approvals[0].ack_deadline_seconds == google_pubsub_subscription.enforcer[0].ack_deadline_seconds,
      google_pubsub_subscription.approvals[0].message_retention_duration == google_pubsub_subscription.enforcer[0].message_retention_duration,
      google_pubsub_subscription.approvals[0].retry_policy == google_pubsub_subscription.enforcer[0].retry_policy,
      google_pubsub_subscription.approvals[0].dead_letter_policy[0].max_delivery_attempts == google_pubsub_subscription.enforcer[0].dead_letter_policy[0].max_delivery_attempts,
      google_pubsub_subscription.approvals[0].expiration_policy == google_pubsub_subscription.enforcer[0].expiration_policy,
      contains(keys(google_monitoring_alert_policy.logged), "plan_awaits_approval"),
      !contains(keys(google_monitoring_alert_policy.logged), "price_differs"),
      !contains(keys(google_monitoring_alert_policy.logged), "price_rose"),
    ])
    error_message = "A command is delivered, retried and dead-lettered as a notification is, and a plan that waits is notified."
  }
}

run "freezes_and_events" {
  command = plan

  variables {
    enforcement_mode    = "enforce"
    enforcement_policy  = { budgets = { spotkeeper = { projects = ["vm-project-1"] } }, freeze_groups = 1.2 }
    publish_events      = true
    capacity_history    = true
    notification_emails = ["oncall@example.com"]
  }

  assert {
    condition = alltrue([
      google_cloudfunctions2_function.enforcer[0].service_config[0].environment_variables["EVENTS_TOPIC"] == google_pubsub_topic.events[0].id,
      google_pubsub_topic_iam_member.events[0].topic == "spotkeeper-events",
      google_pubsub_topic_iam_member.events[0].member == google_service_account.enforcer[0].member,
      google_project_iam_custom_role.alerts.permissions == toset(["pubsub.topics.publish"]),
      jsondecode(google_cloudfunctions2_function.enforcer[0].service_config[0].environment_variables["ENFORCEMENT_POLICY"]).freeze_groups == 1.2,
    ])
    error_message = "The enforcer knows the topic of events and may publish there."
  }

  assert {
    condition = toset([
      for permission in google_project_iam_custom_role.enforcer_instances["vm-project-1"].permissions : permission
      if can(regex("autoscalers|start|setMetadata|delete|insert|setIamPolicy", permission))
    ]) == toset(["compute.autoscalers.get", "compute.autoscalers.list", "compute.autoscalers.update"])
    error_message = "A policy that freezes groups adds what that takes, and nothing else."
  }

  assert {
    condition = alltrue([
      length(google_pubsub_topic.approvals) == 0,
      !contains(keys(google_cloudfunctions2_function.enforcer[0].service_config[0].environment_variables), "APPROVALS_SUBSCRIPTION"),
      contains(google_project_iam_custom_role.tracker_home.permissions, "compute.advice.capacityHistory"),
      !contains(flatten([for role in google_project_iam_custom_role.tracker_instances : tolist(role.permissions)]), "compute.advice.capacityHistory"),
      alltrue([for role in google_project_iam_custom_role.tracker_instances : contains(role.permissions, "compute.addresses.list")]),
    ])
    error_message = "Without approvers nothing can be approved; the capacity history is read in the project of the deployment, addresses where the VMs are."
  }
}

run "options_that_are_not_set" {
  command = plan

  variables {
    notification_emails = ["oncall@example.com"]
  }

  assert {
    condition = alltrue([
      length(google_pubsub_topic.events) == 0,
      length(google_pubsub_topic_iam_member.events) == 0,
      length(google_pubsub_topic.approvals) == 0,
      length(setintersection(keys(google_cloudfunctions2_function.enforcer[0].service_config[0].environment_variables), ["EVENTS_TOPIC", "APPROVALS_SUBSCRIPTION"])) == 0,
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["CAPACITY_HISTORY"] == "false",
    ])
    error_message = "Without its option no topic is made, and no function has the setting for one."
  }

  assert {
    condition = !anytrue([
      for permission in flatten([
        [for role in google_project_iam_custom_role.enforcer_instances : tolist(role.permissions)],
        tolist(google_project_iam_custom_role.tracker_home.permissions),
      ]) : can(regex("autoscalers|start|setMetadata|advice", permission))
    ])
    error_message = "Without its option no role has its permission."
  }
}

run "everything_at_once" {
  command = plan

  variables {
    enforcement_mode = "enforce"
    enforcement_policy = {
      budgets = {
        compute = {
          projects = ["vm-project-1", "vm-project-2"]
          period   = "quarter"
          labels   = { env = ["dev", "test"] }
          steps    = [{ threshold = 1.2, priorities = ["low", "medium"] }]
          sources  = { billing = "stop" }
        }
        spotkeeper = {
          projects = ["vm-project-1"]
          sources  = { billing = "warn", tracker = "stop" }
          steps    = [{ threshold = 1, priorities = ["low"] }, { threshold = 1.2, priorities = ["medium"] }]
        }
        "3c1a5d9e-0000-4000-8000-000000000002" = { projects = ["vm-project-3"], period = "2126-11-01/2126-12-31" }
      }
      grace_seconds = 60
      restart       = true
    }
    projects           = ["vm-project-1", "vm-project-2"]
    billing_account_id = "012345-6789AB-CDEF01"

    partition_expiration_days = 401
    billing_budgets = {
      compute = { amount = 1500.25, calendar_period = "QUARTER", projects = ["vm-project-1", "vm-project-2"], thresholds = [0.8, 1.0] }
    }
    hourly_budget_usd     = 2.5
    daily_budget_usd      = 60
    monthly_budget_usd    = 1500
    asset_history         = false
    audit_log_history     = true
    capacity_history      = true
    label_keys            = { team = ["squad", "team"], cost_center = ["cost-center"] }
    billing_export_table  = "billing-project.export.gcp_billing_export_resource_v1_012345_6789AB_CDEF01"
    notification_emails   = ["oncall@example.com", "team@example.com"]
    slack_channel         = "#cloud-costs"
    slack_token           = "token"
    pagerduty_service_key = "key"
    analysts              = ["group:analysts@example.com"]
    dataset_location      = "US"
    delete_data           = true
  }

  assert {
    condition = jsondecode(google_cloudfunctions2_function.enforcer[0].service_config[0].environment_variables["ENFORCEMENT_POLICY"]) == {
      billing_account_id = "012345-6789AB-CDEF01"
      budgets = {
        "0f2b8f0e-0000-4000-8000-000000000001" = {
          labels   = { env = ["dev", "test"] }
          period   = "quarter"
          projects = ["vm-project-1", "vm-project-2"]
          sources  = { billing = "stop" }
          steps    = [{ priorities = ["low", "medium"], threshold = 1.2 }]
        }
        "3c1a5d9e-0000-4000-8000-000000000002" = {
          period   = { first_day = "2126-11-01", last_day = "2126-12-31" }
          projects = ["vm-project-3"]
        }
        spotkeeper = {
          projects = ["vm-project-1"]
          sources  = { billing = "warn", tracker = "stop" }
          steps    = [{ priorities = ["low"], threshold = 1 }, { priorities = ["medium"], threshold = 1.2 }]
        }
      }
      grace_seconds = 60
      restart       = true
    }
    error_message = "The policy must reach the function, a budget that is made here by its id, another account refused."
  }

  assert {
    condition = alltrue([
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["ALERT_THRESHOLDS"] == "0.5,0.8,1",
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["STOP_THRESHOLDS"] == "1,1.2",
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["HOURLY_BUDGET_USD"] == "2.5",
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["DAILY_BUDGET_USD"] == "60",
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["MONTHLY_BUDGET_USD"] == "1500",
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["PROJECTS"] == "vm-project-1,vm-project-2",
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["BILLING_ACCOUNT_ID"] == "012345-6789AB-CDEF01",
      google_cloudfunctions2_function.enforcer[0].service_config[0].environment_variables["ENFORCEMENT_MODE"] == "enforce",
    ])
    error_message = "Budgets and projects must reach the functions."
  }

  assert {
    condition = alltrue([
      google_billing_budget.made["compute"].amount[0].specified_amount[0].units == "1500",
      google_billing_budget.made["compute"].amount[0].specified_amount[0].nanos == 250000000,
      google_billing_budget.made["compute"].threshold_rules[*].threshold_percent == tolist([0.8, 1.0]),
      google_billing_budget.made["compute"].all_updates_rule[0].pubsub_topic == google_pubsub_topic.budget.id,
      google_billing_budget.made["compute"].all_updates_rule[0].schema_version == "1.0",
      google_billing_budget.made["compute"].budget_filter[0].projects == toset(["projects/123456789012"]),
      google_billing_budget.made["compute"].budget_filter[0].services == tolist(["services/6F81-5844-456A"]),
      google_billing_budget.made["compute"].budget_filter[0].calendar_period == "QUARTER",
      google_billing_budget.made["compute"].budget_filter[0].credit_types_treatment == "INCLUDE_SPECIFIED_CREDITS",
      !contains(google_billing_budget.made["compute"].budget_filter[0].credit_types, "PROMOTION"),
      !contains(google_billing_budget.made["compute"].budget_filter[0].credit_types, "FREE_TIER"),
      contains(google_billing_budget.made["compute"].budget_filter[0].credit_types, "COMMITTED_USAGE_DISCOUNT"),
      google_billing_budget.made["compute"].billing_account == "012345-6789AB-CDEF01",
    ])
    error_message = "The budget must report its shares to the topic."
  }

  assert {
    condition = alltrue([
      toset(keys(google_project_iam_custom_role.tracker_instances)) == toset(["vm-project-1", "vm-project-2"]),
      toset(keys(google_project_iam_custom_role.enforcer_instances)) == toset(["vm-project-1", "vm-project-2", "vm-project-3"]),
      google_project_iam_member.enforcer_instances["vm-project-3"].member == google_service_account.enforcer[0].member,
      google_project_iam_member.tracker_instances["vm-project-1"].member == google_service_account.tracker.member,
      contains(google_project_iam_custom_role.enforcer_instances["vm-project-1"].permissions, "compute.instances.setMetadata"),
      contains(google_project_iam_custom_role.enforcer_instances["vm-project-1"].permissions, "compute.instances.start"),
      contains(google_project_iam_custom_role.tracker_instances["vm-project-1"].permissions, "logging.logEntries.list"),
      !contains(google_project_iam_custom_role.tracker_instances["vm-project-1"].permissions, "cloudasset.assets.exportResource"),
    ])
    error_message = "Rights are given where the VMs are: reading where they are tracked, stopping where the policy says so."
  }

  assert {
    condition = alltrue([
      alltrue([for name in local.expiring_tables : google_bigquery_table.recorded[name].time_partitioning[0].expiration_ms == 401 * 86400000]),
      alltrue([for name in ["tracker_runs", "budget_alerts", "enforcement_actions"] : google_bigquery_table.recorded[name].time_partitioning[0].expiration_ms == null]),
    ])
    error_message = "Cost rows and rollups expire after the days that are set, and records of runs and actions never."
  }

  assert {
    condition = alltrue([
      for column, keys in { team = "squad,team", project_label = "project", experiment = "experiment", cost_center = "cost-center" } :
      strcontains(google_bigquery_table.label_keys.view[0].query, "',${keys},' AS ${column}")
    ])
    error_message = "The view has the keys that are set, in their order, and those of the other columns by default."
  }

  assert {
    condition = alltrue([
      strcontains(google_bigquery_table.view["billing_reconciliation"].view[0].query, "`billing-project.export.gcp_billing_export_resource_v1_012345_6789AB_CDEF01`"),
      google_bigquery_dataset.costs.location == "US",
      google_bigquery_dataset.costs.delete_contents_on_destroy,
      alltrue([for table in google_bigquery_table.recorded : !table.deletion_protection]),
      google_bigquery_dataset_iam_member.analysts["group:analysts@example.com"].role == "roles/bigquery.dataViewer",
    ])
    error_message = "With an export its comparison is made, and data goes when it is said so."
  }

  assert {
    condition = alltrue([
      alltrue([for policy in google_monitoring_alert_policy.measured : length(policy.notification_channels) == 4]),
      alltrue([for policy in google_monitoring_alert_policy.logged : length(policy.notification_channels) == 4]),
      contains(keys(google_monitoring_alert_policy.measured), "budget_spent"),
      contains(keys(google_project_service.used), "billingbudgets.googleapis.com"),
      !contains(keys(google_project_service.used), "cloudasset.googleapis.com"),
    ])
    error_message = "Every channel receives every alert, and the APIs of the options are enabled."
  }
}

run "a_folder_of_projects" {
  command = plan

  override_data {
    target = data.google_billing_account.paying
    values = { currency_code = "EUR" }
  }

  variables {
    folder_id       = "111111111111"
    organization_id = "222222222222"
    projects        = ["vm-project-1"]
    custom_metrics  = false

    # Names that are not those of a budget: said in a warning.
    monthly_budget_usd = 100
    budget_id          = "tracker"
    enforcement_policy = { budgets = { computee = { projects = ["home-project-1"] } } }
    billing_account_id = "012345-6789AB-CDEF01"
    billing_budgets    = { compute = { amount = 100, projects = ["home-project-1"], currency = "EUR", only_compute_engine = false } }
    slack_channel      = "#cloud-costs"
    slack_token        = "token"
  }

  expect_failures = [check.budgets_and_policies]

  assert {
    condition     = local.policies_without_budget == ["computee"] && setsubtract(local.notifying_budgets, ["computee"]) == toset(["compute", "tracker"])
    error_message = "A policy that no budget is of, and a budget without a policy, must be named."
  }

  assert {
    condition = alltrue([
      google_billing_budget.made["compute"].budget_filter[0].services == null,
      google_billing_budget.made["compute"].budget_filter[0].calendar_period == "MONTH",
      google_billing_budget.made["compute"].amount[0].specified_amount[0].currency_code == "EUR",
      google_billing_budget.made["compute"].threshold_rules[*].threshold_percent == tolist([0.5, 0.8, 1.0]),
    ])
    error_message = "A budget may be about all services, in another currency."
  }

  assert {
    condition = alltrue([
      google_cloudfunctions2_function.tracker.service_config[0].environment_variables["PROJECTS"] == "found-project-1,found-project-2,vm-project-1",
      google_folder_iam_member.tracker_instances[0].folder == "folders/111111111111",
      google_organization_iam_custom_role.tracker_instances[0].org_id == "222222222222",
      toset(keys(google_project_iam_custom_role.tracker_instances)) == toset(["vm-project-1"]),
      toset(keys(google_project_iam_custom_role.enforcer_instances)) == toset(["home-project-1"]),
    ])
    error_message = "The tracker reads the folder; the enforcer acts where the policy says, and nowhere else."
  }

  assert {
    condition = alltrue([
      length(google_monitoring_metric_descriptor.tracker) == 0,
      google_project_iam_custom_role.tracker_home.permissions == toset(["bigquery.jobs.create"]),
      toset(keys(google_monitoring_alert_policy.measured)) == toset(["no_budget_notifications", "dead_letters", "no_tracker_runs"]),
      strcontains(google_monitoring_alert_policy.measured["no_tracker_runs"].conditions[0].condition_prometheus_query_language[0].query, "request_count"),
    ])
    error_message = "Without custom metrics the tracker may not write any, and its absence is still detected."
  }
}

run "a_budget_in_another_currency_than_the_account_s_is_refused" {
  command = plan

  variables {
    billing_account_id = "012345-6789AB-CDEF01"
    billing_budgets    = { compute = { amount = 100, projects = ["home-project-1"], currency = "EUR" } }
    enforcement_policy = { budgets = { compute = { projects = ["home-project-1"], currency = "EUR" } } }
  }

  expect_failures = [google_billing_budget.made, check.alerts_have_recipients]
}

run "a_budget_of_a_label_value_without_its_rule_is_refused" {
  command = plan

  variables {
    label_budgets = { cap-vision = { label = "team", value = "vision", hourly_usd = 20 } }
  }

  expect_failures = [google_cloudfunctions2_function.tracker, check.budgets_and_policies, check.alerts_have_recipients]
}

run "a_rule_of_other_vms_than_its_label_value_is_refused" {
  command = plan

  variables {
    label_budgets = { cap-vision = { label = "team", value = "vision", hourly_usd = 20 } }
    enforcement_policy = { budgets = {
      cap-vision = { projects = ["home-project-1"], labels = { team = ["vision", "speech"] } }
    } }
  }

  expect_failures = [google_cloudfunctions2_function.tracker, check.alerts_have_recipients]
}

run "a_budget_of_a_label_value_has_the_steps_of_its_rule" {
  command = plan

  variables {
    label_budgets = {
      cap-speech = { label = "team", value = "speech", daily_usd = 300 }
      cap-vision = { label = "team", value = "vision", hourly_usd = 20.5, monthly_usd = 6000 }
    }
    enforcement_policy = { budgets = {
      cap-speech = { projects = ["home-project-1"], labels = { team = ["speech"] } }
      cap-vision = {
        projects = ["home-project-1"], labels = { team = ["vision"] }, sources = { billing = "warn", tracker = "stop" }
        steps    = [{ threshold = 0.8, priorities = ["low"] }, { threshold = 1.2, priorities = ["medium"] }]
      }
    } }
  }

  expect_failures = [check.alerts_have_recipients]

  assert {
    condition = alltrue([
      jsondecode(google_cloudfunctions2_function.tracker.service_config[0].environment_variables["LABEL_BUDGETS"]) == {
        cap-speech = { daily_usd = 300, label = "team", value = "speech" }
        cap-vision = { hourly_usd = 20.5, label = "team", monthly_usd = 6000, stop_thresholds = [0.8, 1.2], value = "vision" }
      },
      !contains(keys(google_cloudfunctions2_function.tracker.service_config[0].environment_variables), "STOP_THRESHOLDS"),
    ])
    error_message = "The tracker repeats the message of a label's budget at the steps of its rule, and only where it may stop."
  }
}
