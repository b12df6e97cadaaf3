# The permissions of each role. tests/infra/test_permissions.py derives them from the calls that the code makes.

locals {
  tracker_instance_permissions = [
    "compute.addresses.list",
    "compute.disks.list",
    "compute.globalOperations.list",
    "compute.instances.list",
    "compute.machineTypes.get",
    "monitoring.timeSeries.list",
  ]

  # Wide: it lets read the state and history of every resource in the project, and there is no permission for VMs alone.
  asset_history_permissions = ["cloudasset.assets.exportResource"]

  # Wide: it lets read every log of the project except data access logs. The role Logs Viewer holds more: sinks,
  # exclusions, views. https://cloud.google.com/logging/docs/access-control
  audit_log_permissions = ["logging.logEntries.list"]

  # A member of a managed instance group is stopped through its group.
  enforcer_instance_permissions = [
    "compute.instanceGroupManagers.update",
    "compute.instances.get",
    "compute.instances.list",
    "compute.instances.stop",
    "compute.machineTypes.get",
    "compute.regionOperations.get",
    "compute.regionOperations.list",
    "compute.zoneOperations.get",
    "compute.zoneOperations.list",
  ]

  # Only where the policy restarts what it stopped, or somebody may undo stops.
  restart_permissions = ["compute.instances.start"]

  # A startup script is metadata too, so this permission allows running code on a VM: only with a grace period.
  warning_permissions = ["compute.instances.setMetadata"]

  # Only with freeze_groups: an autoscaler is switched off and back to the mode that it had.
  freeze_permissions = [
    "compute.autoscalers.get",
    "compute.autoscalers.list",
    "compute.autoscalers.update",
  ]

  # Google's own history of Spot prices and preemptions, over all of Google Cloud.
  capacity_history_permissions = ["compute.advice.capacityHistory"]

  tracker_home_permissions  = ["bigquery.jobs.create"]
  metrics_permissions       = ["monitoring.timeSeries.create"]
  enforcer_home_permissions = ["bigquery.jobs.create"]
  records_permissions = [
    "bigquery.datasets.get",
    "bigquery.tables.create",
    "bigquery.tables.get",
    "bigquery.tables.getData",
    "bigquery.tables.update",
    "bigquery.tables.updateData",
  ]
  staging_permissions = ["bigquery.tables.delete"]
  alert_permissions   = ["pubsub.topics.publish"]
}
