# The policy of the enforcer. The function validates it again when it starts; here an error shows before anything is created.

variable "enforcement_policy" {
  description = "What the enforcer may stop, by budget: its id, or its name in billing_budgets; required unless enforcement_mode is off. Fields that are left out have the defaults in docs/policy.md."
  type = object({
    approval_minutes          = optional(number)
    billing_account_id        = optional(string)
    burst                     = optional(bool)
    execute_unapproved        = optional(bool)
    freeze_groups             = optional(number)
    grace_seconds             = optional(number)
    max_fleet_share           = optional(number)
    max_message_age_minutes   = optional(number)
    max_stops_per_alert       = optional(number)
    max_stops_per_day         = optional(number)
    max_stops_per_day_total   = optional(number)
    min_share_of_tracker_cost = optional(number)
    minimum_age_minutes       = optional(number)
    priority_label            = optional(string)
    protect_label             = optional(string)
    restart                   = optional(bool)
    snooze_until              = optional(string)
    spare_local_ssd           = optional(bool)
    sources                   = optional(map(string))
    steps = optional(list(object({
      threshold  = number
      priorities = list(string)
    })))
    unlabelled_priority = optional(string)
    # Former names, refused below: Terraform silently drops an attribute that the type does not name.
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
      # Former names, as above.
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
  default  = { budgets = {} }
  nullable = false

  validation {
    condition     = var.enforcement_mode == "off" || length(var.enforcement_policy.budgets) > 0
    error_message = "Name at least one budget by its id, or by its name in billing_budgets; or set enforcement_mode to off, which deploys no enforcer."
  }

  validation {
    condition     = alltrue([for rule in values(var.enforcement_policy.budgets) : length(rule.projects) > 0])
    error_message = "Name the projects of each budget: nothing is stopped outside of them."
  }

  validation {
    condition = alltrue([
      for project in flatten([for rule in values(var.enforcement_policy.budgets) : rule.projects]) :
      can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", project))
    ])
    error_message = "Name the projects of a policy by id, such as my-project-1, not by name or number."
  }

  validation {
    condition = alltrue([
      for caps in concat([var.enforcement_policy], values(var.enforcement_policy.budgets)) : alltrue([
        for stops in [coalesce(caps.max_stops_per_alert, 3), coalesce(caps.max_stops_per_day, 30)] :
        stops >= 1 && stops <= 1000 && floor(stops) == stops
      ])
    ])
    error_message = "max_stops_per_alert and max_stops_per_day must be whole numbers from 1 to 1000; to stop nothing, set enforcement_mode to dry_run."
  }

  validation {
    condition = alltrue([
      for caps in concat([var.enforcement_policy], values(var.enforcement_policy.budgets)) :
      coalesce(caps.max_fleet_share, 1) >= 0.00001 && coalesce(caps.max_fleet_share, 1) <= 1
    ])
    error_message = "max_fleet_share must be a share from 0.00001 (one VM of 100,000) to 1: for 50 % write 0.5."
  }

  validation {
    condition = alltrue([
      for limit, value in { 300 = coalesce(var.enforcement_policy.grace_seconds, 0), 10080 = coalesce(var.enforcement_policy.minimum_age_minutes, 0) } :
      value >= 0 && value <= tonumber(limit) && floor(value) == value
    ])
    error_message = "grace_seconds must be a whole number from 0 to 300, minimum_age_minutes one from 0 to 10080."
  }

  validation {
    condition = alltrue([
      for name, limits in {
        approval_minutes        = [10, 4320, coalesce(var.enforcement_policy.approval_minutes, 240)]
        max_message_age_minutes = [10, 10080, coalesce(var.enforcement_policy.max_message_age_minutes, 120)]
        max_stops_per_day_total = [1, 10000, coalesce(var.enforcement_policy.max_stops_per_day_total, 50)]
      } : limits[2] >= limits[0] && limits[2] <= limits[1] && floor(limits[2]) == limits[2]
    ])
    error_message = "max_message_age_minutes must be a whole number from 10 to 10080, max_stops_per_day_total one from 1 to 10000, approval_minutes one from 10 to 4320."
  }

  validation {
    condition = (
      coalesce(var.enforcement_policy.min_share_of_tracker_cost, 0.1) >= 0 &&
      coalesce(var.enforcement_policy.min_share_of_tracker_cost, 0.1) <= 1
    )
    error_message = "min_share_of_tracker_cost must be a share from 0 to 1: for 10 % write 0.1."
  }

  validation {
    condition     = contains(["low", "medium", "high"], coalesce(var.enforcement_policy.unlabelled_priority, "low"))
    error_message = "unlabelled_priority must be low, medium or high."
  }

  validation {
    condition     = can(timeadd(coalesce(var.enforcement_policy.snooze_until, "2026-12-01T08:00:00Z"), "0s"))
    error_message = "Write snooze_until as a time such as 2026-12-01T08:00:00Z."
  }

  validation {
    condition     = coalesce(var.enforcement_policy.freeze_groups, 1) > 0 && coalesce(var.enforcement_policy.freeze_groups, 1) <= 2
    error_message = "freeze_groups must be a share of the budget, above 0 and at most 2: for 90 % write 0.9."
  }

  validation {
    condition = alltrue([
      for step in flatten(concat(
        [coalesce(var.enforcement_policy.steps, [])],
        [for rule in values(var.enforcement_policy.budgets) : coalesce(rule.steps, [])],
      )) : step.threshold > 0 && step.threshold <= 2
    ])
    error_message = "The threshold of a step must be a share of the budget, above 0 and at most 2: for 80 % write 0.8."
  }

  validation {
    condition = alltrue([
      for step in flatten(concat(
        [coalesce(var.enforcement_policy.steps, [])],
        [for rule in values(var.enforcement_policy.budgets) : coalesce(rule.steps, [])],
      )) : length(step.priorities) > 0 && alltrue([for priority in step.priorities : contains(["low", "medium", "high"], priority)])
    ])
    error_message = "The priorities of a step must be low, medium or high."
  }

  # The steps up to a threshold must allow low, then medium, then high, and each step adds a priority.
  validation {
    condition = alltrue(flatten([
      for rule in concat([var.enforcement_policy], values(var.enforcement_policy.budgets)) : [
        for step in coalesce(rule.steps, []) : (
          length([for other in rule.steps : other if other.threshold == step.threshold]) == 1 &&
          contains(
            ["low", "low,medium", "high,low,medium"],
            join(",", sort(distinct(flatten([for other in rule.steps : other.priorities if other.threshold <= step.threshold]))))
          ) &&
          length(setsubtract(step.priorities, flatten([for other in rule.steps : other.priorities if other.threshold < step.threshold]))) > 0
        )
      ]
    ]))
    error_message = "Every threshold must occur once, every step must add a priority to those of the lower steps, and low comes before medium, medium before high."
  }

  validation {
    condition = alltrue([
      for rule in values(var.enforcement_policy.budgets) : alltrue([
        for step in try(coalescelist(coalesce(rule.steps, []), coalesce(var.enforcement_policy.steps, [])), []) :
        step.threshold >= 1 || coalesce(rule.currency, "USD") == "USD"
      ])
    ])
    error_message = "Steps below 1.0 use a forecast in USD: a budget in another currency must have steps from 1.0 on."
  }

  validation {
    condition = alltrue([
      for rule in values(var.enforcement_policy.budgets) : can(regex("^[A-Z]{3}$", coalesce(rule.currency, "USD")))
    ])
    error_message = "currency must be the three-letter code of the budget's currency, such as USD."
  }

  validation {
    condition = alltrue([
      for key in keys(var.enforcement_policy.budgets) : (
        contains(keys(var.billing_budgets), key) ||
        can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", key)) ||
        can(regex("^[a-z0-9][a-z0-9_-]{0,99}$", key)) && !can(regex("^([0-9a-f]{8}-.*|[0-9a-f]{32})$", key))
      )
    ])
    error_message = "A policy must name a budget by its id such as 11111111-2222-3333-4444-555555555555 (not by display name or resource name), by its name in billing_budgets, or by the tracker's budget_id."
  }

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", coalesce(var.enforcement_policy.billing_account_id, "012345-6789AB-CDEF01")))
    error_message = "Write the policy's billing_account_id without billingAccounts/ and in upper case, such as 012345-6789AB-CDEF01."
  }

  # https://cloud.google.com/resource-manager/docs/labels-overview#requirements
  validation {
    condition = alltrue([
      for key in concat(
        [coalesce(var.enforcement_policy.priority_label, "priority"), coalesce(var.enforcement_policy.protect_label, "spotkeeper-protect")],
        flatten([for rule in values(var.enforcement_policy.budgets) : keys(coalesce(rule.labels, {}))]),
      ) : can(regex("^[\\p{Ll}\\p{Lo}][\\p{Ll}\\p{Lo}\\p{N}_-]{0,62}$", key))
    ])
    error_message = "Not a valid label key: it must have lowercase letters, digits, - and _ only, begin with a letter, and have at most 63 characters."
  }

  validation {
    condition = alltrue([
      for value in flatten([for rule in values(var.enforcement_policy.budgets) : values(coalesce(rule.labels, {}))]) :
      can(regex("^[\\p{Ll}\\p{Lo}\\p{N}_-]{1,63}$", value))
      ]) && alltrue([
      for choices in flatten([for rule in values(var.enforcement_policy.budgets) : [for key, choices in coalesce(rule.labels, {}) : length(choices)]]) : choices > 0
    ])
    error_message = "Not a valid label value: it must have 1 to 63 lowercase letters, digits, - and _."
  }

  validation {
    condition = alltrue([
      for rule in values(var.enforcement_policy.budgets) : anytrue([
        for value in lookup(coalesce(rule.labels, {}), coalesce(var.enforcement_policy.priority_label, "priority"), ["low"]) : contains(
          flatten(coalescelist(
            [for step in coalesce(rule.steps, []) : step.priorities],
            [for step in coalesce(var.enforcement_policy.steps, []) : step.priorities],
            [["low"]],
          )),
          contains(["low", "medium"], value) ? value : "high",
        )
        ]) && anytrue([
        for value in lookup(coalesce(rule.labels, {}), coalesce(var.enforcement_policy.protect_label, "spotkeeper-protect"), ["false"]) :
        can(regex("^(false|no|off|[0-9].*)$", value))
      ])
    ])
    error_message = "The labels of a budget must leave something to stop: a priority that one of its steps stops, and no label that protects every VM."
  }

  validation {
    condition     = coalesce(var.enforcement_policy.priority_label, "priority") != coalesce(var.enforcement_policy.protect_label, "spotkeeper-protect")
    error_message = "priority_label and protect_label must differ."
  }

  validation {
    condition = alltrue([
      for rule in values(var.enforcement_policy.budgets) : contains(values(merge(
        { billing = "stop", tracker = "warn" }, coalesce(var.enforcement_policy.sources, {}), coalesce(rule.sources, {}),
      )), "stop")
    ])
    error_message = "At least one source of each budget must stop: for plans without stops, set enforcement_mode to dry_run."
  }

  # The tracker sends alerts under budget_id, for budgets with an amount, and under the ids of label_budgets.
  validation {
    condition = alltrue([
      for key, rule in var.enforcement_policy.budgets : (
        key == var.budget_id &&
        anytrue([for amount in [var.hourly_budget_usd, var.daily_budget_usd, var.monthly_budget_usd] : amount != null])
        ) || contains(keys(var.label_budgets), key) || (
        lookup(coalesce(rule.sources, {}), "tracker", "warn") != "stop" &&
        lookup(merge(coalesce(var.enforcement_policy.sources, {}), coalesce(rule.sources, {})), "billing", "stop") == "stop"
      )
    ])
    error_message = "The tracker sends no alerts for this budget, so tracker = \"stop\" would stop nothing: name it in label_budgets, or set budget_id to its id and one of hourly_budget_usd, daily_budget_usd and monthly_budget_usd, or set billing = \"stop\"."
  }

  validation {
    condition = alltrue([
      for rule in values(var.enforcement_policy.budgets) : coalesce(rule.currency, "USD") == "USD" ||
      lookup(merge(coalesce(var.enforcement_policy.sources, {}), coalesce(rule.sources, {})), "billing", "stop") == "stop"
    ])
    error_message = "The tracker reports in USD: where only it may stop, a budget in another currency would never reach a step."
  }

  # A month of tolerance: a budget that has just ended should not block other changes.
  validation {
    condition = alltrue([
      for rule in values(var.enforcement_policy.budgets) :
      try(timecmp(timeadd("${split("/", rule.period)[1]}T00:00:00Z", "744h"), plantimestamp()) > 0, true)
    ])
    error_message = "The period of a budget ended more than a month ago, so nothing would be stopped: remove the budget from the policy, or correct the dates."
  }

  validation {
    condition = alltrue([
      for rule in values(var.enforcement_policy.budgets) :
      contains(["month", "quarter", "year"], coalesce(rule.period, "month")) || (
        can(regex("^[0-9-]{10}/[0-9-]{10}$", rule.period)) &&
        try(timecmp("${split("/", rule.period)[0]}T00:00:00Z", "${split("/", rule.period)[1]}T00:00:00Z") <= 0, false)
      )
    ])
    error_message = "period must be month, quarter, year, or the first and last day such as 2026-11-01/2026-12-31."
  }

  validation {
    condition = alltrue([
      for key, budget in var.billing_budgets :
      coalesce(try(var.enforcement_policy.budgets[key].period, null), "month") == lower(budget.calendar_period)
      if contains(keys(var.enforcement_policy.budgets), key)
    ])
    error_message = "The period of a policy must be its budget's: with calendar_period = \"QUARTER\" in billing_budgets, write period = \"quarter\" here."
  }

  validation {
    condition = alltrue([
      for key, budget in var.billing_budgets :
      coalesce(try(var.enforcement_policy.budgets[key].currency, null), "USD") == budget.currency
      if contains(keys(var.enforcement_policy.budgets), key)
    ])
    error_message = "The currency of a policy must be its budget's: write the one of billing_budgets here too."
  }

  validation {
    condition = alltrue([
      for key, budget in var.billing_budgets :
      length(setsubtract(var.enforcement_policy.budgets[key].projects, budget.projects)) == 0
      if contains(keys(var.enforcement_policy.budgets), key)
    ])
    error_message = "A policy may stop VMs only in projects of its budget: name them in billing_budgets too."
  }

  validation {
    condition     = var.enforcement_policy.without_records == null
    error_message = "without_records was removed: the enforcer waits for BigQuery."
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
    error_message = "sources must set billing and tracker to stop or warn, such as { billing = \"stop\", tracker = \"warn\" }."
  }
}
