# Imports the data that an earlier deployment left behind. Terraform takes import blocks in a root only.

variable "adopt_data" {
  description = "Whether to adopt the dataset and tables of an earlier deployment; set it for one apply only."
  type        = bool
  default     = false
}

import {
  for_each = toset(var.adopt_data ? ["costs"] : [])

  id = "projects/${var.project_id}/datasets/${var.dataset}"
  to = module.spotkeeper.google_bigquery_dataset.costs
}

import {
  for_each = toset([for file in fileset("${path.module}/../../sql/tables", "*.json") : trimsuffix(file, ".json") if var.adopt_data])

  id = "projects/${var.project_id}/datasets/${var.dataset}/tables/${each.value}"
  to = module.spotkeeper.google_bigquery_table.recorded[each.value]
}
