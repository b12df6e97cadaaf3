# One archive for both functions: the folder functions/ without caches.

locals {
  source_folder = "${path.module}/../functions"
  all_files     = fileset(local.source_folder, "**")
  source_files = [
    for file in local.all_files : file
    if !endswith(file, ".pyc") && !anytrue([for part in split("/", file) : part == "__pycache__" || startswith(part, ".")])
  ]
}

data "archive_file" "source" {
  type             = "zip"
  source_dir       = local.source_folder
  excludes         = setsubtract(local.all_files, local.source_files)
  output_file_mode = "0644"
  output_path      = "${path.root}/.terraform/spotkeeper-source.zip"
}

resource "google_storage_bucket" "source" {
  project                     = var.project_id
  name                        = "${var.project_id}-spotkeeper-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  labels                      = var.labels

  # Its content can be rebuilt from the repository.
  force_destroy = true

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      num_newer_versions = 5
    }
  }

  depends_on = [google_project_service.used]
}

# The name changes with the content, which makes Cloud Functions rebuild.
resource "google_storage_bucket_object" "source" {
  name   = "functions-${data.archive_file.source.output_sha256}.zip"
  bucket = google_storage_bucket.source.name
  source = data.archive_file.source.output_path
}
