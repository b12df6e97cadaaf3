# Commands for the next steps, and names that other configurations need.

output "check_wiring" {
  description = "Checks the deployment (APIs, permissions, topic, first data, last run) and prints a fix for each problem."
  value       = ".venv/bin/python -m spotkeeper doctor --project ${var.project_id}"
}

output "dashboard" {
  description = "The URL of the dashboard."
  value       = "https://console.cloud.google.com/monitoring/dashboards/builder/${reverse(split("/", google_monitoring_dashboard.overview.id))[0]}?project=${var.project_id}"
}

output "interim_check_now" {
  description = "Checks the budgets now; null without interim_checks."
  value       = one([for job in google_cloud_scheduler_job.interim : "gcloud scheduler jobs run ${job.name} --project ${var.project_id} --location ${var.region}"])
}

output "looker_studio" {
  description = "The URL that makes a report of Looker Studio with a data source for each view of docs/looker-studio.md."
  value       = trimspace(templatefile("${path.module}/../dashboards/looker-studio.tftpl", { project_id = var.project_id, dataset = var.dataset }))
}

output "run_now" {
  description = "Runs the tracker now; otherwise it runs at minute 7 of each hour."
  value       = "gcloud scheduler jobs run ${google_cloud_scheduler_job.hourly.name} --project ${var.project_id} --location ${var.region}"
}

output "see_costs" {
  description = "Shows what the tracked VMs cost today."
  value       = "bq query --project_id ${var.project_id} --use_legacy_sql=false 'SELECT machine_type, SUM(cost) AS cost FROM `${var.project_id}.${google_bigquery_dataset.costs.dataset_id}.spot_vm_costs` WHERE usage_start_time >= TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY) GROUP BY machine_type ORDER BY cost DESC'"
}

output "see_plans" {
  description = "Shows what the enforcer planned and did, with its reasons."
  value       = "bq query --project_id ${var.project_id} --use_legacy_sql=false 'SELECT * FROM `${var.project_id}.${google_bigquery_dataset.costs.dataset_id}.enforcement_log` LIMIT 50'"
}

output "see_runs" {
  description = "Shows the log of the tracker."
  value       = "gcloud functions logs read ${google_cloudfunctions2_function.tracker.name} --project ${var.project_id} --region ${var.region} --limit 20"
}

output "connect_a_budget" {
  description = "Connects an existing budget to the enforcer; its id goes into enforcement_policy.budgets."
  value       = "gcloud billing budgets update BUDGET_ID --billing-account ${coalesce(var.billing_account_id, "BILLING_ACCOUNT_ID")} --notifications-rule-pubsub-topic ${google_pubsub_topic.budget.id}"
}

output "allow_contract_prices" {
  description = "Lets the tracker read the prices of the billing account; for who administers it. Needed for contract_prices = true only."
  value       = "gcloud billing accounts add-iam-policy-binding ${coalesce(var.billing_account_id, "BILLING_ACCOUNT_ID")} --member ${google_service_account.tracker.member} --role roles/billing.viewer"
}

output "budget_ids" {
  description = "The ids of the created budgets, by their names."
  value       = { for name, budget in google_billing_budget.made : name => reverse(split("/", budget.name))[0] }
}

output "next_step" {
  description = "The next steps after this apply."
  value = {
    off     = "Costs are recorded, and nothing can be stopped. To plan stops, set enforcement_mode = \"dry_run\" and enforcement_policy, and apply."
    dry_run = "Nothing is stopped. Read the plans for a week (see_plans); then set enforcement_mode = \"approve\" or \"enforce\" and apply."
    approve = "A plan is executed when somebody approves it: the alert has the command. To hold that, set enforcement_mode = \"dry_run\" and apply."
    enforce = "VMs are stopped by the policy. To hold that, set enforcement_mode = \"dry_run\" and apply."
  }[var.enforcement_mode]
}

output "tracker_service_account" {
  description = "The service account that reads usage, for grants made elsewhere."
  value       = google_service_account.tracker.email
}

output "enforcer_service_account" {
  description = "The service account that stops VMs, for grants made elsewhere; null in mode off."
  value       = one(google_service_account.enforcer[*].email)
}

output "project_id" {
  description = "The project of this state; `make deploy` refuses another one."
  value       = var.project_id
}

output "deletes_data" {
  description = "Whether `make destroy` deletes the data too."
  value       = var.delete_data
}
