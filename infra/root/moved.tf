# infra/ was once the root itself. A state of that time keeps its resources, under their present addresses.

moved {
  from = google_bigquery_dataset.costs
  to   = module.spotkeeper.google_bigquery_dataset.costs
}

moved {
  from = google_bigquery_dataset_iam_member.analysts
  to   = module.spotkeeper.google_bigquery_dataset_iam_member.analysts
}

moved {
  from = google_bigquery_dataset_iam_member.records
  to   = module.spotkeeper.google_bigquery_dataset_iam_member.records
}

moved {
  from = google_bigquery_table.label_keys
  to   = module.spotkeeper.google_bigquery_table.label_keys
}

moved {
  from = google_bigquery_table.recorded
  to   = module.spotkeeper.google_bigquery_table.recorded
}

moved {
  from = google_bigquery_table.shared_view
  to   = module.spotkeeper.google_bigquery_table.shared_view
}

moved {
  from = google_bigquery_table.view
  to   = module.spotkeeper.google_bigquery_table.view
}

moved {
  from = google_billing_budget.made
  to   = module.spotkeeper.google_billing_budget.made
}

moved {
  from = google_cloud_run_service_iam_member.delivery
  to   = module.spotkeeper.google_cloud_run_service_iam_member.delivery
}

moved {
  from = google_cloud_run_service_iam_member.scheduler
  to   = module.spotkeeper.google_cloud_run_service_iam_member.scheduler
}

moved {
  from = google_cloud_scheduler_job.hourly
  to   = module.spotkeeper.google_cloud_scheduler_job.hourly
}

moved {
  from = google_cloud_scheduler_job.interim
  to   = module.spotkeeper.google_cloud_scheduler_job.interim
}

moved {
  from = google_cloudfunctions2_function.enforcer
  to   = module.spotkeeper.google_cloudfunctions2_function.enforcer
}

moved {
  from = google_cloudfunctions2_function.tracker
  to   = module.spotkeeper.google_cloudfunctions2_function.tracker
}

moved {
  from = google_folder_iam_member.tracker_instances
  to   = module.spotkeeper.google_folder_iam_member.tracker_instances
}

moved {
  from = google_logging_metric.prices_that_differ
  to   = module.spotkeeper.google_logging_metric.prices_that_differ
}

moved {
  from = google_logging_metric.records_unavailable
  to   = module.spotkeeper.google_logging_metric.records_unavailable
}

moved {
  from = google_monitoring_alert_policy.logged
  to   = module.spotkeeper.google_monitoring_alert_policy.logged
}

moved {
  from = google_monitoring_alert_policy.measured
  to   = module.spotkeeper.google_monitoring_alert_policy.measured
}

moved {
  from = google_monitoring_dashboard.overview
  to   = module.spotkeeper.google_monitoring_dashboard.overview
}

moved {
  from = google_monitoring_metric_descriptor.tracker
  to   = module.spotkeeper.google_monitoring_metric_descriptor.tracker
}

moved {
  from = google_monitoring_notification_channel.email
  to   = module.spotkeeper.google_monitoring_notification_channel.email
}

moved {
  from = google_monitoring_notification_channel.pagerduty
  to   = module.spotkeeper.google_monitoring_notification_channel.pagerduty
}

moved {
  from = google_monitoring_notification_channel.slack
  to   = module.spotkeeper.google_monitoring_notification_channel.slack
}

moved {
  from = google_organization_iam_custom_role.tracker_instances
  to   = module.spotkeeper.google_organization_iam_custom_role.tracker_instances
}

moved {
  from = google_project_iam_custom_role.alerts
  to   = module.spotkeeper.google_project_iam_custom_role.alerts
}

moved {
  from = google_project_iam_custom_role.enforcer_home
  to   = module.spotkeeper.google_project_iam_custom_role.enforcer_home
}

moved {
  from = google_project_iam_custom_role.enforcer_instances
  to   = module.spotkeeper.google_project_iam_custom_role.enforcer_instances
}

moved {
  from = google_project_iam_custom_role.records
  to   = module.spotkeeper.google_project_iam_custom_role.records
}

moved {
  from = google_project_iam_custom_role.staging
  to   = module.spotkeeper.google_project_iam_custom_role.staging
}

moved {
  from = google_project_iam_custom_role.tracker_home
  to   = module.spotkeeper.google_project_iam_custom_role.tracker_home
}

moved {
  from = google_project_iam_custom_role.tracker_instances
  to   = module.spotkeeper.google_project_iam_custom_role.tracker_instances
}

moved {
  from = google_project_iam_member.builder
  to   = module.spotkeeper.google_project_iam_member.builder
}

moved {
  from = google_project_iam_member.enforcer_home
  to   = module.spotkeeper.google_project_iam_member.enforcer_home
}

moved {
  from = google_project_iam_member.enforcer_instances
  to   = module.spotkeeper.google_project_iam_member.enforcer_instances
}

moved {
  from = google_project_iam_member.staging
  to   = module.spotkeeper.google_project_iam_member.staging
}

moved {
  from = google_project_iam_member.tracker_home
  to   = module.spotkeeper.google_project_iam_member.tracker_home
}

moved {
  from = google_project_iam_member.tracker_instances
  to   = module.spotkeeper.google_project_iam_member.tracker_instances
}

moved {
  from = google_project_service.used
  to   = module.spotkeeper.google_project_service.used
}

moved {
  from = google_pubsub_subscription.approvals
  to   = module.spotkeeper.google_pubsub_subscription.approvals
}

moved {
  from = google_pubsub_subscription.dead_letter
  to   = module.spotkeeper.google_pubsub_subscription.dead_letter
}

moved {
  from = google_pubsub_subscription.enforcer
  to   = module.spotkeeper.google_pubsub_subscription.enforcer
}

moved {
  from = google_pubsub_subscription_iam_member.approvals_dead_letter
  to   = module.spotkeeper.google_pubsub_subscription_iam_member.approvals_dead_letter
}

moved {
  from = google_pubsub_subscription_iam_member.dead_letter
  to   = module.spotkeeper.google_pubsub_subscription_iam_member.dead_letter
}

moved {
  from = google_pubsub_topic.approvals
  to   = module.spotkeeper.google_pubsub_topic.approvals
}

moved {
  from = google_pubsub_topic.budget
  to   = module.spotkeeper.google_pubsub_topic.budget
}

moved {
  from = google_pubsub_topic.dead_letter
  to   = module.spotkeeper.google_pubsub_topic.dead_letter
}

moved {
  from = google_pubsub_topic.events
  to   = module.spotkeeper.google_pubsub_topic.events
}

moved {
  from = google_pubsub_topic_iam_member.approvers
  to   = module.spotkeeper.google_pubsub_topic_iam_member.approvers
}

moved {
  from = google_pubsub_topic_iam_member.cloud_billing
  to   = module.spotkeeper.google_pubsub_topic_iam_member.cloud_billing
}

moved {
  from = google_pubsub_topic_iam_member.dead_letter
  to   = module.spotkeeper.google_pubsub_topic_iam_member.dead_letter
}

moved {
  from = google_pubsub_topic_iam_member.events
  to   = module.spotkeeper.google_pubsub_topic_iam_member.events
}

moved {
  from = google_pubsub_topic_iam_member.tracker_alerts
  to   = module.spotkeeper.google_pubsub_topic_iam_member.tracker_alerts
}

moved {
  from = google_service_account.builder
  to   = module.spotkeeper.google_service_account.builder
}

moved {
  from = google_service_account.delivery
  to   = module.spotkeeper.google_service_account.delivery
}

moved {
  from = google_service_account.enforcer
  to   = module.spotkeeper.google_service_account.enforcer
}

moved {
  from = google_service_account.scheduler
  to   = module.spotkeeper.google_service_account.scheduler
}

moved {
  from = google_service_account.tracker
  to   = module.spotkeeper.google_service_account.tracker
}

moved {
  from = google_service_account_iam_member.delivery_token
  to   = module.spotkeeper.google_service_account_iam_member.delivery_token
}

moved {
  from = google_storage_bucket.source
  to   = module.spotkeeper.google_storage_bucket.source
}

moved {
  from = google_storage_bucket_object.source
  to   = module.spotkeeper.google_storage_bucket_object.source
}
