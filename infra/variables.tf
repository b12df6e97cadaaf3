# A variable that is a setting of a function has its name in lower case; docs/tracker.md and docs/policy.md describe
# each. The policy is in policy.tf.

variable "alert_thresholds" {
  description = "Shares of a budget at which the tracker alerts, once per period each; 1.0 is the whole budget."
  type        = list(number)
  default     = [0.5, 0.8, 1.0]

  validation {
    condition     = length(var.alert_thresholds) > 0 && alltrue([for share in var.alert_thresholds : share >= 0.000000001 && share <= 10])
    error_message = "A threshold is a share of the budget, above 0 and at most 10: for 80 % write 0.8."
  }
}

variable "analysts" {
  description = "Who may read the dataset, as IAM members such as group:analysts@example.com."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.analysts : can(regex("^(user|group|serviceAccount|domain):.+", member))])
    error_message = "Name each reader as an IAM member, such as group:analysts@example.com; allUsers and allAuthenticatedUsers are refused."
  }
}

variable "approvers" {
  description = "Who may approve plans, undo stops and thaw groups, as IAM members such as group:oncall@example.com; required in the mode approve. The enforcer may then start VMs."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.approvers : can(regex("^(user|group|serviceAccount|domain):.+", member))])
    error_message = "Name each approver as an IAM member, such as group:oncall@example.com; allUsers and allAuthenticatedUsers are refused."
  }

  validation {
    condition     = var.enforcement_mode != "approve" || length(var.approvers) > 0
    error_message = "Name at least one approver: in the mode approve no plan is executed without one."
  }
}

variable "asset_history" {
  description = "Whether the tracker asks Cloud Asset Inventory for VMs that started and ended between two scans. It needs a wide permission; without it most VMs that live less than an hour have no cost."
  type        = bool
  default     = true
}

variable "audit_log_history" {
  description = "Whether the tracker asks the audit log for VMs that Cloud Asset Inventory does not know yet, and for preemptions of hours that it reads late. It lets the tracker read the logs of each project."
  type        = bool
  default     = false
}

variable "billing_account_id" {
  description = "The billing account that pays for the VMs; the enforcer then refuses notifications of any other one."
  type        = string
  default     = null

  validation {
    condition     = var.billing_account_id == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account_id))
    error_message = "Write the id as `gcloud billing accounts list` shows it, such as 012345-6789AB-CDEF01."
  }

  validation {
    condition     = var.billing_account_id != null || length(var.billing_budgets) == 0
    error_message = "billing_budgets are created in a billing account: set billing_account_id too."
  }
}

variable "billing_budgets" {
  description = "Cloud Billing budgets to create, by name; a policy budget of the same name applies to it."
  type = map(object({
    amount              = number
    currency            = optional(string, "USD")
    projects            = list(string)
    thresholds          = optional(list(number), [0.5, 0.8, 1.0])
    calendar_period     = optional(string, "MONTH")
    only_compute_engine = optional(bool, true)
  }))
  default = {}

  validation {
    condition     = alltrue([for budget in values(var.billing_budgets) : alltrue([for share in budget.thresholds : share > 0 && share <= 10])])
    error_message = "A threshold is a share of the budget, above 0 and at most 10: for 80 % write 0.8."
  }

  validation {
    condition     = alltrue([for budget in values(var.billing_budgets) : budget.amount > 0])
    error_message = "A budget needs an amount above 0, in the currency of the billing account."
  }

  validation {
    condition     = alltrue([for budget in values(var.billing_budgets) : contains(["MONTH", "QUARTER", "YEAR"], budget.calendar_period)])
    error_message = "calendar_period is MONTH, QUARTER or YEAR."
  }

  validation {
    condition     = alltrue([for budget in values(var.billing_budgets) : length(budget.projects) > 0])
    error_message = "Name the projects of each budget; without projects it would cover the whole billing account."
  }
}

variable "billing_export_table" {
  description = "The detailed usage cost export as PROJECT.DATASET.TABLE, the table that Cloud Billing writes and no copy of it (a copy has no _PARTITIONTIME), for the view billing_reconciliation; null creates no such view."
  type        = string
  default     = null

  validation {
    condition     = var.billing_export_table == null || can(regex("^[a-z][-a-z0-9.:]*\\.[A-Za-z0-9_]+\\.gcp_billing_export_resource_v1_[A-Za-z0-9_]+$", var.billing_export_table))
    error_message = "Write PROJECT.DATASET.gcp_billing_export_resource_v1_ACCOUNT: only the detailed export names the VM."
  }
}

variable "budget_covers" {
  description = "The cost that the tracker's budgets are compared with: total (compute, licenses, addresses, disks and bandwidth of Spot VMs, disks and reserved addresses also while no VM runs with them) or compute."
  type        = string
  default     = "total"
  nullable    = false

  validation {
    condition     = contains(["compute", "total"], var.budget_covers)
    error_message = "Set budget_covers to total, or to compute for budgets that are of the machine types alone."
  }
}

variable "budget_display_name" {
  description = "The budget name that the tracker's alerts carry."
  type        = string
  default     = "spotkeeper"
}

variable "budget_id" {
  description = "The budget id that the tracker's alerts carry; a policy budget with this id makes the enforcer act on them."
  type        = string
  default     = "spotkeeper"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{0,99}$", var.budget_id))
    error_message = "budget_id has lowercase letters, digits, - and _ only, such as spotkeeper or the id of a budget of Cloud Billing."
  }
}

variable "budget_publisher" {
  description = "The account under which Cloud Billing publishes notifications; null grants no right on the topic."
  type        = string
  default     = "serviceAccount:billing-budget-alert@system.gserviceaccount.com"

  validation {
    condition     = var.budget_publisher == null || can(regex("^serviceAccount:.+@.+", var.budget_publisher))
    error_message = "Only a service account may publish budget notifications: a message can stop VMs."
  }
}

variable "capacity_history" {
  description = "Whether the tracker reads Google's own history of Spot prices and preemptions once a day, and compares its prices with those of the catalog. The API is in preview; no hour is incomplete because of it."
  type        = bool
  default     = false
}

variable "capacity_history_calls" {
  description = "How many calls the tracker makes for that history each day: what costs most first, the rest in rotation."
  type        = number
  default     = 50

  validation {
    condition     = var.capacity_history_calls >= 1 && var.capacity_history_calls <= 1000 && floor(var.capacity_history_calls) == var.capacity_history_calls
    error_message = "capacity_history_calls must be a whole number from 1 to 1000; capacity_history = false makes none."
  }
}

variable "catch_up_hours" {
  description = "How many hours back the tracker records missed and incomplete hours; at least one, because every hour is read twice."
  type        = number
  default     = 48

  validation {
    condition     = var.catch_up_hours >= 1 && var.catch_up_hours <= 168 && floor(var.catch_up_hours) == var.catch_up_hours
    error_message = "Set catch_up_hours to a whole number from 1 to 168."
  }
}

variable "contract_prices" {
  description = "Whether the tracker also reads what billing_account_id pays by its contract, from Google's Pricing API, and records costs at these prices beside list prices. Who administers the billing account has to allow it: output allow_contract_prices. No hour is incomplete because of it."
  type        = bool
  default     = false

  validation {
    condition     = !var.contract_prices || var.billing_account_id != null
    error_message = "contract_prices are those of a billing account: set billing_account_id too."
  }
}

variable "custom_metrics" {
  description = "Whether the tracker writes custom metrics to Cloud Monitoring; the dashboard and most alerts need them."
  type        = bool
  default     = true
}

variable "custom_role_suffix" {
  description = "The end of the ids of all custom roles, such as 2: Google blocks the ids of deleted roles until day 37."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[A-Za-z0-9_.]{0,30}$", var.custom_role_suffix))
    error_message = "custom_role_suffix has letters, digits, _ and . only, and 30 characters at most."
  }
}

variable "daily_budget_hour_share" {
  description = "The share of daily_budget_usd that one hour may cost before it is alerted on; null for a 24th."
  type        = number
  default     = null

  validation {
    condition     = try(var.daily_budget_hour_share >= 0.000000001 && var.daily_budget_hour_share <= 10, true)
    error_message = "Set daily_budget_hour_share to a share of the day's budget, above 0 and at most 10: for 10 % write 0.1."
  }
}

variable "daily_budget_projection_share" {
  description = "The share of daily_budget_usd that a day may be projected to cost before it is alerted on; null for all of it."
  type        = number
  default     = null

  validation {
    condition     = try(var.daily_budget_projection_share >= 0.000000001 && var.daily_budget_projection_share <= 10, true)
    error_message = "Set daily_budget_projection_share to a share of the day's budget, above 0 and at most 10: for 120 % write 1.2."
  }
}

variable "daily_budget_usd" {
  description = "What all tracked Spot VMs may cost on a day of Cloud Billing (Los Angeles); null for no limit."
  type        = number
  default     = null

  validation {
    condition     = try(var.daily_budget_usd >= 0.000000001, true)
    error_message = "Set daily_budget_usd to an amount above 0, or leave it out."
  }
}

variable "dataset" {
  description = "The name of the BigQuery dataset to create."
  type        = string
  default     = "cost_tracking"

  validation {
    condition     = can(regex("^[A-Za-z0-9_]+$", var.dataset)) && length(var.dataset) <= 1024
    error_message = "A dataset name has letters, digits and underscores only, such as cost_tracking."
  }
}

variable "dataset_location" {
  description = "The location of the dataset; the region when null. With a billing export it must be the export's location."
  type        = string
  default     = null
}

variable "delete_data" {
  description = "Whether terraform destroy may delete the dataset with everything in it; apply it before you destroy."
  type        = bool
  default     = false
}

variable "enforcement_mode" {
  description = "Whether VMs are stopped: off deploys the tracker alone, without any right to stop; dry_run plans and records; approve stops them once somebody approves a plan; enforce stops them."
  type        = string
  default     = "off"
  nullable    = false

  validation {
    condition     = contains(["off", "dry_run", "approve", "enforce"], var.enforcement_mode)
    error_message = "Set enforcement_mode to off for the tracker alone, to dry_run, or to approve or enforce after a week of plans that you approve of."
  }
}

variable "expect_budget_notifications" {
  description = "Whether to raise an alert when no budget notification arrives for a day; Cloud Billing sends some every hour."
  type        = bool
  default     = true
}

variable "folder_id" {
  description = "A folder whose direct child projects are tracked too; the tracker then gets its role on the folder."
  type        = string
  default     = null

  validation {
    condition     = var.folder_id == null || can(regex("^[0-9]+$", var.folder_id))
    error_message = "Write the folder's number only, as `gcloud resource-manager folders list` shows it."
  }

  validation {
    condition     = var.folder_id == null || var.organization_id != null
    error_message = "A role that holds in a folder belongs to the organization: set organization_id too."
  }
}

variable "hourly_budget_usd" {
  description = "What all tracked Spot VMs may cost in an hour; null for no limit."
  type        = number
  default     = null

  validation {
    condition     = try(var.hourly_budget_usd >= 0.000000001, true)
    error_message = "Set hourly_budget_usd to an amount above 0, or leave it out."
  }
}

variable "interim_check_share" {
  description = "The share of a budget of a day or a month from which on interim_checks list the running VMs: 0.9 is 90 %."
  type        = number
  default     = 0.9

  validation {
    condition     = try(var.interim_check_share >= 0.000000001 && var.interim_check_share <= 1, false)
    error_message = "Set interim_check_share to a share above 0 and at most 1: 0.9 is 90 %."
  }
}

variable "interim_checks" {
  description = "Whether the tracker is also called every five minutes: near a budget it estimates what the running VMs have cost since the last recorded hour, and alerts before the next one. docs/deploy.md has its cost."
  type        = bool
  default     = false
  nullable    = false
}

variable "label_budgets" {
  description = "What the VMs with one value of a label of label_keys may cost, in USD by the tracker's figures, by the id that its alerts carry: an hourly cap, amounts for a day and a month. A budget of enforcement_policy with this id makes the enforcer act on them."
  type = map(object({
    label       = string
    value       = string
    hourly_usd  = optional(number)
    daily_usd   = optional(number)
    monthly_usd = optional(number)
  }))
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for key in keys(var.label_budgets) : key != var.budget_id && !contains(keys(var.billing_budgets), key) &&
      can(regex("^[a-z0-9][a-z0-9_-]{0,99}$", key)) && !can(regex("^([0-9a-f]{8}-.*|[0-9a-f]{32})$", key))
    ])
    error_message = "Give each of label_budgets an id of its own in lowercase letters, digits, - and _, such as cap-vision: not budget_id, nor a name in billing_budgets, nor a UUID."
  }

  validation {
    condition     = alltrue([for budget in values(var.label_budgets) : contains(flatten(values(var.label_keys)), budget.label)])
    error_message = "The label of label_budgets must be one of label_keys, such as ${join(", ", flatten(values(var.label_keys)))}: the cost of an hour is summed by these labels alone."
  }

  # https://cloud.google.com/resource-manager/docs/labels-overview#requirements
  validation {
    condition     = alltrue([for budget in values(var.label_budgets) : can(regex("^[\\p{Ll}\\p{Lo}\\p{N}_-]{1,63}$", budget.value))])
    error_message = "The value of label_budgets must be a label value that a VM can have: 1 to 63 lowercase letters, digits, - and _."
  }

  validation {
    condition = length(var.label_budgets) <= 200 && (
      length(distinct([for budget in values(var.label_budgets) : "${budget.label}=${budget.value}"])) == length(var.label_budgets)
    )
    error_message = "Give each label value one entry in label_budgets, with all of its amounts, and at most 200 values."
  }

  validation {
    condition = alltrue([
      for budget in values(var.label_budgets) : anytrue([for amount in [budget.hourly_usd, budget.daily_usd, budget.monthly_usd] : amount != null]) &&
      alltrue([for amount in [budget.hourly_usd, budget.daily_usd, budget.monthly_usd] : try(amount >= 0.000000001, true)])
    ])
    error_message = "Set hourly_usd, daily_usd or monthly_usd of each of label_budgets to an amount above 0."
  }
}

variable "label_keys" {
  description = "The keys of the labels that your VMs have for the columns team, project_label, experiment and cost_center: of several keys, the first that a VM has with a value counts. After a change, run spotkeeper rebuild-rollups."
  type = object({
    team          = optional(list(string), ["team"])
    project_label = optional(list(string), ["project"])
    experiment    = optional(list(string), ["experiment"])
    cost_center   = optional(list(string), ["cost_center"])
  })
  default  = {}
  nullable = false

  # https://cloud.google.com/compute/docs/labeling-resources#requirements
  validation {
    condition = alltrue([
      for key in flatten(values(var.label_keys)) : can(regex("^[\\p{Ll}\\p{Lo}][\\p{Ll}\\p{Lo}\\p{N}_-]{0,62}$", key))
    ])
    error_message = "No label can have the key ${join(" or ", [for key in flatten(values(var.label_keys)) : try("'${key}'", "null") if !can(regex("^[\\p{Ll}\\p{Lo}][\\p{Ll}\\p{Lo}\\p{N}_-]{0,62}$", key))])}: a key is 1 to 63 lowercase letters, digits, hyphens and underscores, and begins with a letter."
  }

  validation {
    condition     = alltrue([for keys in values(var.label_keys) : length(keys) > 0 && length(distinct(keys)) == length(keys)])
    error_message = "Name at least one key for ${join(", ", [for column, keys in var.label_keys : column if length(keys) == 0 || length(distinct(keys)) != length(keys)])}, and each one once; without such a label, leave the column out."
  }
}

variable "labels" {
  description = "Labels on every resource that can have labels."
  type        = map(string)
  default     = { app = "spotkeeper" }
}

variable "monthly_budget_usd" {
  description = "What all tracked Spot VMs may cost in a month of Cloud Billing (Los Angeles); null for no limit."
  type        = number
  default     = null

  validation {
    condition     = try(var.monthly_budget_usd >= 0.000000001, true)
    error_message = "Set monthly_budget_usd to an amount above 0, or leave it out."
  }
}

variable "notification_emails" {
  description = "E-mail addresses that receive alerts."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.notification_emails : can(regex("^[^@\\s]+@[^@\\s]+$", address))])
    error_message = "Write each as an e-mail address such as oncall@example.com."
  }
}

variable "organization_id" {
  description = "The number of the organization; needed with folder_id only."
  type        = string
  default     = null

  validation {
    condition     = var.organization_id == null || can(regex("^[0-9]+$", var.organization_id))
    error_message = "Write the organization's number only, as `gcloud organizations list` shows it."
  }
}

variable "pagerduty_service_key" {
  description = "The integration key of a PagerDuty service that receives alerts."
  type        = string
  default     = null
  sensitive   = true
}

variable "partition_expiration_days" {
  description = "After how many days BigQuery deletes cost rows, what they are computed from, and rollups; null keeps them. Records of runs, budgets, notifications and actions always stay."
  type        = number
  default     = null

  validation {
    condition     = var.partition_expiration_days == null ? true : var.partition_expiration_days >= 401 && floor(var.partition_expiration_days) == var.partition_expiration_days
    error_message = "Set partition_expiration_days to a whole number of at least 401, or null: views read 400 days, and this month with the 12 before it."
  }
}

variable "price_refresh_hours" {
  description = "Maximum age of the price catalog, in hours."
  type        = number
  default     = 6

  validation {
    condition     = var.price_refresh_hours >= 1 && var.price_refresh_hours <= 168 && floor(var.price_refresh_hours) == var.price_refresh_hours
    error_message = "Set price_refresh_hours to a whole number from 1 to 168."
  }
}

variable "price_rise_alert_percent" {
  description = "By how many percent the Spot price of a machine type in use may rise in 30 days before it is notified; it takes capacity_history."
  type        = number
  default     = 10

  validation {
    condition     = var.price_rise_alert_percent >= 1 && var.price_rise_alert_percent <= 1000 && floor(var.price_rise_alert_percent) == var.price_rise_alert_percent
    error_message = "price_rise_alert_percent must be a whole number of percent from 1 to 1000."
  }
}

variable "project_id" {
  description = "The project that spotkeeper is deployed to: functions, dataset, topic, alerts."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "Write the project's id such as my-project-1, not its name and not its number."
  }
}

variable "projects" {
  description = "The projects whose VMs are tracked; only project_id when this is empty and there is no folder."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for project in var.projects : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", project))])
    error_message = "Write each project's id such as my-project-1, not its name and not its number."
  }
}

variable "publish_events" {
  description = "Whether the enforcer publishes what it plans and does to the topic spotkeeper-events; docs/events.md has a subscriber."
  type        = bool
  default     = false
}

variable "record_creators" {
  description = "Whether the tracker records who created VMs, by the e-mail address that Compute Engine's operations name, for the view unattributed_creators: personal data that all readers of the dataset see."
  type        = bool
  default     = false
}

variable "region" {
  description = "The region of the functions and the scheduler, such as us-central1; VMs are tracked wherever they are."
  type        = string

  validation {
    condition     = can(regex("^([a-z]+-)?[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Write a region such as us-central1, not a zone."
  }
}

variable "retry_timeout_seconds" {
  description = "How long a failing call to Google Cloud is retried, in seconds."
  type        = number
  default     = 60

  validation {
    condition     = var.retry_timeout_seconds >= 0 && var.retry_timeout_seconds <= 300 && floor(var.retry_timeout_seconds) == var.retry_timeout_seconds
    error_message = "Set retry_timeout_seconds to a whole number from 0 to 300."
  }
}

variable "slack_channel" {
  description = "The Slack channel that receives alerts, such as #cloud-costs; needs slack_token."
  type        = string
  default     = null

  validation {
    condition     = var.slack_channel == null || var.slack_token != null
    error_message = "Cloud Monitoring needs a token to post to Slack: set slack_token too (docs/deploy.md says how to get one)."
  }
}

variable "slack_token" {
  description = "The token of Cloud Monitoring's Slack app for that workspace."
  type        = string
  default     = null
  sensitive   = true
}

variable "unpriced_share_limit" {
  description = "An alert is raised when more than this share of a day's cost rows has no price."
  type        = number
  default     = 0.02

  validation {
    condition     = var.unpriced_share_limit >= 0 && var.unpriced_share_limit < 1
    error_message = "Set unpriced_share_limit to a share from 0 to below 1: for 2 % write 0.02."
  }
}

variable "unresolved_share_limit" {
  description = "An alert is raised when VMs that no source could identify have more than this share of a day's uptime."
  type        = number
  default     = 0.05

  validation {
    condition     = var.unresolved_share_limit >= 0 && var.unresolved_share_limit < 1
    error_message = "Set unresolved_share_limit to a share from 0 to below 1: for 5 % write 0.05."
  }
}
