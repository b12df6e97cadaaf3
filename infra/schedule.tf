# Seven minutes after each hour: an hour is closed six minutes after its end, when all its points are visible. Between two
# hours, when it is wanted, a check of the budgets.

resource "google_cloud_scheduler_job" "hourly" {
  project          = var.project_id
  name             = "spotkeeper-hourly"
  description      = "Calls track_spot_costs, which records the hours that are due."
  region           = var.region
  schedule         = "7 * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "930s" # longer than the function may take

  # A failed run changes nothing; after five retries, the next hour's run catches up.
  retry_config {
    retry_count          = 5
    min_backoff_duration = "30s"
    max_backoff_duration = "300s"
    max_doublings        = 4
  }

  http_target {
    http_method = "POST"
    uri         = google_cloudfunctions2_function.tracker.service_config[0].uri

    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = google_cloudfunctions2_function.tracker.service_config[0].uri
    }
  }

  depends_on = [google_cloud_run_service_iam_member.scheduler]
}

resource "google_cloud_scheduler_job" "interim" {
  count = var.interim_checks ? 1 : 0

  project          = var.project_id
  name             = "spotkeeper-interim"
  description      = "Calls track_spot_costs, which estimates the budgets that are nearly spent between two hourly runs."
  region           = var.region
  schedule         = "*/5 * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "300s" # the next check begins then

  # The next check comes in five minutes: a failed one is not repeated.
  retry_config {
    retry_count = 0
  }

  http_target {
    http_method = "POST"
    uri         = google_cloudfunctions2_function.tracker.service_config[0].uri
    body        = base64encode(jsonencode({ check = "interim" }))
    headers     = { "Content-Type" = "application/json" }

    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = google_cloudfunctions2_function.tracker.service_config[0].uri
    }
  }

  depends_on = [google_cloud_run_service_iam_member.scheduler]
}

# A 2nd gen function is a Cloud Run service, which checks the caller.
resource "google_cloud_run_service_iam_member" "scheduler" {
  project  = var.project_id
  location = google_cloudfunctions2_function.tracker.location
  service  = google_cloudfunctions2_function.tracker.name
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}
