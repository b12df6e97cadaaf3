# The views, one per file: a SELECT with placeholders, and each column with its type and description in a comment.

locals {
  views = {
    for file in fileset("${path.module}/../sql/views", "*.sql") : trimsuffix(file, ".sql") =>
    templatefile("${path.module}/../sql/views/${file}", {
      dataset              = "${var.project_id}.${var.dataset}"
      now                  = "CURRENT_TIMESTAMP()"
      billing_account      = var.billing_account_id == null ? "" : var.billing_account_id
      billing_export_table = var.billing_export_table == null ? "" : var.billing_export_table
      team_keys            = join(",", var.label_keys.team)
      project_label_keys   = join(",", var.label_keys.project_label)
      experiment_keys      = join(",", var.label_keys.experiment)
      cost_center_keys     = join(",", var.label_keys.cost_center)
    })
    # It reads the billing export, and BigQuery refuses a view of a table that does not exist.
    if var.billing_export_table != null || file != "billing_reconciliation.sql"
  }

  view_schemas = {
    for name, query in local.views : name => jsonencode([
      for column in regexall("(?m)(\\w+),?  -- ([A-Z]+): (.+)$", query) :
      { name = column[0], type = column[1], mode = "NULLABLE", description = column[2] }
    ])
  }

  # They have to exist before the views that read them.
  shared_views = toset([
    for name in keys(local.views) : name
    if name != "label_keys" && anytrue([for query in values(local.views) : strcontains(query, "`${var.project_id}.${var.dataset}.${name}`")])
  ])
}

# Shared views read it too.
resource "google_bigquery_table" "label_keys" {
  project     = var.project_id
  dataset_id  = google_bigquery_dataset.costs.dataset_id
  table_id    = "label_keys"
  description = trimspace(trimprefix(split("\n", local.views["label_keys"])[0], "--"))
  schema      = local.view_schemas["label_keys"]
  labels      = var.labels

  # A view holds no data.
  deletion_protection = false

  view {
    query          = local.views["label_keys"]
    use_legacy_sql = false
  }
}

resource "google_bigquery_table" "shared_view" {
  for_each = local.shared_views

  project     = var.project_id
  dataset_id  = google_bigquery_dataset.costs.dataset_id
  table_id    = each.key
  description = trimspace(trimprefix(split("\n", local.views[each.key])[0], "--"))
  labels      = var.labels

  # BigQuery takes the columns from the query; the provider adds their descriptions once the view exists.
  schema = local.view_schemas[each.key]

  # A view holds no data.
  deletion_protection = false

  view {
    query          = local.views[each.key]
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.recorded, google_bigquery_table.label_keys]
}

resource "google_bigquery_table" "view" {
  for_each = { for name, query in local.views : name => query if name != "label_keys" && !contains(local.shared_views, name) }

  project     = var.project_id
  dataset_id  = google_bigquery_dataset.costs.dataset_id
  table_id    = each.key
  description = trimspace(trimprefix(split("\n", each.value)[0], "--"))
  schema      = local.view_schemas[each.key]
  labels      = var.labels

  # A view holds no data.
  deletion_protection = false

  view {
    query          = each.value
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.recorded, google_bigquery_table.shared_view]
}
