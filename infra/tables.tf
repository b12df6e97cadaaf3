# The dataset and its tables, from the files that the tests and the local stack read.
#
# `terraform destroy` does not delete data: with delete_data = false it refuses to delete a table. docs/deploy.md says
# how to remove everything else and keep the data (`make destroy`), and how to deploy on top of it later (adopt_data).

locals {
  tables = {
    for file in fileset("${path.module}/../sql/tables", "*.json") :
    trimsuffix(file, ".json") => jsondecode(file("${path.module}/../sql/tables/${file}"))
  }

  # Rows that grow with the fleet, and their sums. What was decided, notified and read stays: it is small, and a record.
  expiring_tables = [
    "address_costs",
    "daily_costs",
    "daily_vm_costs",
    "disk_costs",
    "hourly_costs",
    "hourly_fleet",
    "hourly_idle_resources",
    "hourly_label_costs",
    "hourly_preemptions",
    "monthly_costs",
    "spot_preemptions",
    "spot_vm_costs",
    "stopped_vm_costs",
    "vm_creators",
    "vm_inventory",
    "work",
  ]
}

resource "google_bigquery_dataset" "costs" {
  project     = var.project_id
  dataset_id  = var.dataset
  description = "Costs of Spot VMs, and the actions taken on budgets: https://cloud.google.com/compute/docs/instances/spot"
  location    = coalesce(var.dataset_location, var.region)
  labels      = var.labels

  # Time travel: a table that was overwritten or deleted by mistake can be restored for a week.
  max_time_travel_hours = "168"

  delete_contents_on_destroy = var.delete_data
  depends_on                 = [google_project_service.used]
}

resource "google_bigquery_table" "recorded" {
  for_each = local.tables

  project                  = var.project_id
  dataset_id               = google_bigquery_dataset.costs.dataset_id
  table_id                 = each.key
  description              = each.value.description
  schema                   = jsonencode(each.value.schema.fields)
  require_partition_filter = try(each.value.requirePartitionFilter, null)
  clustering               = try(each.value.clustering.fields, null)
  deletion_protection      = !var.delete_data
  labels                   = var.labels

  dynamic "time_partitioning" {
    for_each = [for partitioning in [try(each.value.timePartitioning, null)] : partitioning if partitioning != null]

    content {
      type  = time_partitioning.value.type
      field = time_partitioning.value.field

      # Counted from the beginning of a partition, which may be a month.
      expiration_ms = contains(local.expiring_tables, each.key) && var.partition_expiration_days != null ? var.partition_expiration_days * 24 * 60 * 60 * 1000 : null
    }
  }
}

resource "google_bigquery_dataset_iam_member" "analysts" {
  for_each = toset(var.analysts)

  project    = var.project_id
  dataset_id = google_bigquery_dataset.costs.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
}
