# What the enforcer may do. Its function checks the policy once more when it starts; here it is refused before anything is made.

variable "enforcement_policy" {
  description = "What the enforcer may do, for each budget by its id or by its name in billing_budgets. What is left out has the default in docs/enforcer.md."
  type = object({
    billing_account_id  = optional(string)
    grace_seconds       = optional(number)
    max_fleet_share     = optional(number)
    max_stops_per_alert = optional(number)
    max_stops_per_day   = optional(number)
    minimum_age_minutes = optional(number)
    priority_label      = optional(string)
    protect_label       = optional(string)
    restart             = optional(bool)
    snooze_until        = optional(string)
    sources             = optional(map(string))
    steps = optional(list(object({
      threshold  = number
      priorities = list(string)
    })))
    unlabelled_priority = optional(string)
    # Names of earlier versions, refused below: Terraform drops an attribute that the type does not name.
    most_share_of_fleet  = optional(number)
    most_stops_per_alert = optional(number)
    most_stops_per_day   = optional(number)
    signals              = optional(map(string))
    without_records      = optional(string)
    budgets = map(object({
      currency            = optional(string)
      labels              = optional(map(list(string)))
      max_fleet_share     = optional(number)
      max_stops_per_alert = optional(number)
      max_stops_per_day   = optional(number)
      period              = optional(string)
      projects            = list(string)
      sources             = optional(map(string))
      # As above.
      most_share_of_fleet  = optional(number)
      most_stops_per_alert = optional(number)
      most_stops_per_day   = optional(number)
      signals              = optional(map(string))
      steps = optional(list(object({
        threshold  = number
        priorities = list(string)
      })))
    }))
  })
  nullable = false

  validation {
    condition     = length(var.enforcement_policy.budgets) > 0
    error_message = "Name at least one budget by its id, or by its name in billing_budgets."
  }

  validation {
    condition     = alltrue([for rule in values(var.enforcement_policy.budgets) : length(rule.projects) > 0])
    error_message = "Name the projects that each budget covers: nothing is stopped outside of them."
  }

  validation {
    condition = alltrue([
      for project in flatten([for rule in values(var.enforcement_policy.budgets) : rule.projects]) :
      can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", project))
    ])
    error_message = "Write the projects of a policy by their ids such as my-project-1, not by names and not by numbers."
  }

  validation {
    condition = alltrue([
      for caps in concat([var.enforcement_policy], values(var.enforcement_policy.budgets)) : alltrue([
        for stops in [coalesce(caps.max_stops_per_alert, 3), coalesce(caps.max_stops_per_day, 30)] :
        stops >= 1 && stops <= 1000 && floor(stops) == stops
      ])
    ])
    error_message = "max_stops_per_alert and max_stops_per_day are whole numbers from 1 to 1000; to stop nothing, set enforcement_mode to dry_run."
  }

  validation {
    condition = alltrue([
      for caps in concat([var.enforcement_policy], values(var.enforcement_policy.budgets)) :
      coalesce(caps.max_fleet_share, 1) > 0 && coalesce(caps.max_fleet_share, 1) <= 1
    ])
    error_message = "max_fleet_share is a share above 0 and at most 1: for 50 % write 0.5."
  }

  validation {
    condition = alltrue([
      for limit, value in { 300 = coalesce(var.enforcement_policy.grace_seconds, 0), 10080 = coalesce(var.enforcement_policy.minimum_age_minutes, 0) } :
      value >= 0 && value <= tonumber(limit) && floor(value) == value
    ])
    error_message = "grace_seconds is a whole number from 0 to 300, minimum_age_minutes one from 0 to 10080."
  }

  validation {
    condition     = contains(["low", "medium", "high"], coalesce(var.enforcement_policy.unlabelled_priority, "low"))
    error_message = "unlabelled_priority is low, medium or high."
  }

  validation {
    condition     = can(timeadd(coalesce(var.enforcement_policy.snooze_until, "2026-12-01T08:00:00Z"), "0s"))
    error_message = "Write snooze_until as a time such as 2026-12-01T08:00:00Z."
  }

  validation {
    condition = alltrue([
      for step in flatten(concat(
        [coalesce(var.enforcement_policy.steps, [])],
        [for rule in values(var.enforcement_policy.budgets) : coalesce(rule.steps, [])],
      )) : step.threshold > 0 && step.threshold <= 10
    ])
    error_message = "A threshold is a share of the budget, above 0 and at most 10: for 80 % write 0.8."
  }

  validation {
    condition = alltrue([
      for step in flatten(concat(
        [coalesce(var.enforcement_policy.steps, [])],
        [for rule in values(var.enforcement_policy.budgets) : coalesce(rule.steps, [])],
      )) : length(step.priorities) > 0 && alltrue([for priority in step.priorities : contains(["low", "medium", "high"], priority)])
    ])
    error_message = "The priorities of a step are low, medium or high."
  }

  validation {
    condition = alltrue([
      for rule in values(var.enforcement_policy.budgets) :
      contains(["month", "quarter", "year"], coalesce(rule.period, "month")) || (
        can(regex("^[0-9-]{10}/[0-9-]{10}$", rule.period)) &&
        try(timecmp("${split("/", rule.period)[0]}T00:00:00Z", "${split("/", rule.period)[1]}T00:00:00Z") <= 0, false)
      )
    ])
    error_message = "period is month, quarter, year, or the first and last day such as 2026-11-01/2026-12-31."
  }

  validation {
    condition = alltrue([
      for key, budget in var.billing_budgets :
      coalesce(try(var.enforcement_policy.budgets[key].period, null), "month") == lower(budget.calendar_period)
      if contains(keys(var.enforcement_policy.budgets), key)
    ])
    error_message = "A budget and its policy have one period: where billing_budgets says calendar_period = \"QUARTER\", write period = \"quarter\" here."
  }

  validation {
    condition = alltrue([
      for key, budget in var.billing_budgets :
      coalesce(try(var.enforcement_policy.budgets[key].currency, null), "USD") == budget.currency
      if contains(keys(var.enforcement_policy.budgets), key)
    ])
    error_message = "A budget and its policy have one currency: write the one of billing_budgets here too."
  }

  validation {
    condition = alltrue([
      for key, budget in var.billing_budgets :
      length(setsubtract(var.enforcement_policy.budgets[key].projects, budget.projects)) == 0
      if contains(keys(var.enforcement_policy.budgets), key)
    ])
    error_message = "A policy may stop VMs only in projects whose cost its budget counts: name them in billing_budgets too."
  }

  validation {
    condition     = var.enforcement_policy.without_records == null
    error_message = "without_records is removed: the enforcer waits for BigQuery."
  }

  validation {
    condition = alltrue([
      for rule in concat([var.enforcement_policy], values(var.enforcement_policy.budgets)) :
      rule.most_share_of_fleet == null && rule.most_stops_per_alert == null && rule.most_stops_per_day == null && rule.signals == null
    ])
    error_message = "Renamed: most_share_of_fleet to max_fleet_share, most_stops_per_alert to max_stops_per_alert, most_stops_per_day to max_stops_per_day, signals to sources."
  }

  validation {
    condition = alltrue([
      for sources in concat(
        [coalesce(var.enforcement_policy.sources, {})],
        [for rule in values(var.enforcement_policy.budgets) : coalesce(rule.sources, {})],
      ) : alltrue([for source, response in sources : contains(["billing", "tracker"], source) && contains(["stop", "warn"], response)])
    ])
    error_message = "sources says for billing and tracker whether they stop or warn, such as { billing = \"stop\", tracker = \"warn\" }."
  }
}
