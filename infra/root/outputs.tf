# The outputs of the module.

output "check_wiring" {
  description = "Checks the deployment (APIs, permissions, topic, first data, last run) and prints a fix for each problem."
  value       = module.spotkeeper.check_wiring
}

output "dashboard" {
  description = "The URL of the dashboard."
  value       = module.spotkeeper.dashboard
}

output "interim_check_now" {
  description = "Checks the budgets now; null without interim_checks."
  value       = module.spotkeeper.interim_check_now
}

output "looker_studio" {
  description = "The URL that makes a report of Looker Studio with a data source for each view of docs/looker-studio.md."
  value       = module.spotkeeper.looker_studio
}

output "run_now" {
  description = "Runs the tracker now; otherwise it runs at minute 7 of each hour."
  value       = module.spotkeeper.run_now
}

output "see_costs" {
  description = "Shows what the tracked VMs cost today."
  value       = module.spotkeeper.see_costs
}

output "see_plans" {
  description = "Shows what the enforcer planned and did, with its reasons."
  value       = module.spotkeeper.see_plans
}

output "see_runs" {
  description = "Shows the log of the tracker."
  value       = module.spotkeeper.see_runs
}

output "connect_a_budget" {
  description = "Connects an existing budget to the enforcer; its id goes into enforcement_policy.budgets."
  value       = module.spotkeeper.connect_a_budget
}

output "allow_contract_prices" {
  description = "Lets the tracker read the prices of the billing account; for who administers it. Needed for contract_prices = true only."
  value       = module.spotkeeper.allow_contract_prices
}

output "budget_ids" {
  description = "The ids of the created budgets, by their names."
  value       = module.spotkeeper.budget_ids
}

output "next_step" {
  description = "The next steps after this apply."
  value       = module.spotkeeper.next_step
}

output "tracker_service_account" {
  description = "The service account that reads usage, for grants made elsewhere."
  value       = module.spotkeeper.tracker_service_account
}

output "enforcer_service_account" {
  description = "The service account that stops VMs, for grants made elsewhere; null in mode off."
  value       = module.spotkeeper.enforcer_service_account
}

output "project_id" {
  description = "The project of this state; `make deploy` refuses another one."
  value       = module.spotkeeper.project_id
}

output "deletes_data" {
  description = "Whether `make destroy` deletes the data too."
  value       = module.spotkeeper.deletes_data
}
