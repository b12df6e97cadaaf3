# The views, one per file: a SELECT with placeholders.

locals {
  views = {
    for file in fileset("${path.module}/../sql/views", "*.sql") : trimsuffix(file, ".sql") =>
    templatefile("${path.module}/../sql/views/${file}", {
      dataset              = "${var.project_id}.${var.dataset}"
      now                  = "CURRENT_TIMESTAMP()"
      billing_export_table = var.billing_export_table == null ? "" : var.billing_export_table
    })
    # It reads the billing export, and BigQuery refuses a view of a table that does not exist.
    if var.billing_export_table != null || file != "billing_reconciliation.sql"
  }
}

resource "google_bigquery_table" "view" {
  for_each = local.views

  dataset_id  = google_bigquery_dataset.costs.dataset_id
  table_id    = each.key
  description = trimspace(trimprefix(split("\n", each.value)[0], "--"))

  # A view holds no data.
  deletion_protection = false

  view {
    query          = each.value
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.recorded]
}
