"""A healthy deployment as Terraform leaves it, in the shapes in which Google's services answer."""

import copy
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from infra.local.fleet.clock import rfc3339

NUMBER = "481516234200"
ACCOUNT = "012345-6789AB-CDEF01"
BUDGET_ID = "11111111-2222-3333-4444-555555555555"

type Resources = dict[str, dict[str, Any]]

ROLES: Mapping[str, Sequence[str]] = {
    "spotkeeperTrackerInstances": [
        "cloudasset.assets.exportResource",
        "compute.addresses.list",
        "compute.disks.list",
        "compute.globalOperations.list",
        "compute.instances.list",
        "compute.machineTypes.get",
        "monitoring.timeSeries.list",
    ],
    "spotkeeperEnforcerInstances": [
        "compute.instanceGroupManagers.update",
        "compute.instances.get",
        "compute.instances.list",
        "compute.instances.stop",
        "compute.machineTypes.get",
        "compute.regionOperations.get",
        "compute.regionOperations.list",
        "compute.zoneOperations.get",
        "compute.zoneOperations.list",
    ],
    "spotkeeperTrackerHome": ["bigquery.jobs.create", "monitoring.timeSeries.create"],
    "spotkeeperEnforcerHome": ["bigquery.jobs.create"],
    "spotkeeperRecords": [
        "bigquery.datasets.get",
        "bigquery.tables.create",
        "bigquery.tables.get",
        "bigquery.tables.getData",
        "bigquery.tables.update",
        "bigquery.tables.updateData",
    ],
    "spotkeeperStaging": ["bigquery.tables.delete"],
    "spotkeeperAlerts": ["pubsub.topics.publish"],
}
ACCOUNTS = ("tracker", "enforcer", "scheduler", "delivery", "builder")


def healthy(project: str, region: str, dataset: str, now: datetime) -> Resources:
    """Return a deployment as Terraform leaves it, after its first hours."""
    emails = {name: f"spotkeeper-{name}@{project}.iam.gserviceaccount.com" for name in ACCOUNTS}
    members = {name: f"serviceAccount:{email}" for name, email in emails.items()}
    topic = f"projects/{project}/topics/spotkeeper-budget"
    uris = {name: f"https://{name}-abcdefghij-uc.a.run.app" for name in ("track-spot-costs", "enforce-budget-limit")}
    found: Resources = {
        "policy": {"version": 3, "etag": "BwYxyzAAAAA=", "bindings": _bindings(project, dataset, members)},
        "billingInfo": {
            "name": f"projects/{project}/billingInfo",
            "projectId": project,
            "billingAccountName": f"billingAccounts/{ACCOUNT}",
            "billingEnabled": True,
        },
        "budgets": {"budgets": [_budget(topic, project)]},
        "waiting": {"messages": 0},
        "failed publishes": {},
        "topics/spotkeeper-budget:policy": _granted(
            ("roles/pubsub.publisher", "serviceAccount:billing-budget-alert@system.gserviceaccount.com"),
            (f"projects/{project}/roles/spotkeeperAlerts", members["tracker"]),
        ),
        "subscriptions/spotkeeper-enforcer": _subscription(project, topic, uris["enforce-budget-limit"], emails),
        "services/track-spot-costs:policy": _granted(("roles/run.invoker", members["scheduler"])),
        "services/enforce-budget-limit:policy": _granted(("roles/run.invoker", members["delivery"])),
        "functions/track-spot-costs": _function(
            project,
            region,
            ("track-spot-costs", "track_spot_costs", emails["tracker"]),
            uris["track-spot-costs"],
            {
                "PROJECT_ID": project,
                "DATASET": dataset,
                "BUDGET_TOPIC": topic,
                "BUDGET_ID": "spotkeeper",
                "BILLING_ACCOUNT_ID": ACCOUNT,
            },
        ),
        "functions/enforce-budget-limit": _function(
            project,
            region,
            ("enforce-budget-limit", "enforce_budget_limit", emails["enforcer"]),
            uris["enforce-budget-limit"],
            {
                "PROJECT_ID": project,
                "DATASET": dataset,
                "ENFORCEMENT_MODE": "dry_run",
                "ENFORCEMENT_POLICY": json.dumps(
                    {"billing_account_id": ACCOUNT, "budgets": {BUDGET_ID: {"projects": [project]}}}
                ),
            },
        ),
        "jobs/spotkeeper-hourly": _job(project, region, uris["track-spot-costs"], emails["scheduler"], now),
    }
    for role, permissions in ROLES.items():
        found[f"roles/{role}"] = {
            "name": f"projects/{project}/roles/{role}",
            "title": role,
            "includedPermissions": list(permissions),
            "stage": "GA",
            "etag": "BwYxyzAAAAA=",
        }
    return copy.deepcopy(found)


def _granted(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {
        "version": 1,
        "etag": "BwYxyzAAAAA=",
        "bindings": [{"role": role, "members": [member]} for role, member in pairs],
    }


def _bindings(project: str, dataset: str, members: Mapping[str, str]) -> list[dict[str, Any]]:
    ours = f"projects/{project}/roles"
    staging = f"projects/{project}/datasets/{dataset}/tables/staging_"
    plain = [
        (f"{ours}/spotkeeperTrackerInstances", members["tracker"]),
        (f"{ours}/spotkeeperTrackerHome", members["tracker"]),
        (f"{ours}/spotkeeperEnforcerInstances", members["enforcer"]),
        (f"{ours}/spotkeeperEnforcerHome", members["enforcer"]),
        *((f"roles/{role}", members["builder"]) for role in ("artifactregistry.writer", "logging.logWriter")),
        ("roles/storage.objectViewer", members["builder"]),
        ("roles/owner", "user:owner@example.com"),
    ]
    condition = {
        "title": "staging tables of spotkeeper",
        "expression": f'resource.name.startsWith("{staging}")',
    }
    both = [members["enforcer"], members["tracker"]]
    return [
        *({"role": role, "members": [member]} for role, member in plain),
        {"role": f"{ours}/spotkeeperStaging", "members": both, "condition": condition},
    ]


def _function(
    project: str, region: str, named: tuple[str, str, str], uri: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    name, entry_point, account = named
    builder = f"spotkeeper-builder@{project}.iam.gserviceaccount.com"
    return {
        "name": f"projects/{project}/locations/{region}/functions/{name}",
        "buildConfig": {
            "build": f"projects/{NUMBER}/locations/{region}/builds/0a1b2c3d",
            "runtime": "python313",
            "entryPoint": entry_point,
            "dockerRegistry": "ARTIFACT_REGISTRY",
            "serviceAccount": f"projects/{project}/serviceAccounts/{builder}",
        },
        "serviceConfig": {
            "service": f"projects/{project}/locations/{region}/services/{name}",
            "timeoutSeconds": 540,
            "environmentVariables": {**environment, "LOG_EXECUTION_ID": "true"},
            "maxInstanceCount": 1 if name == "enforce-budget-limit" else 2,
            "ingressSettings": "ALLOW_INTERNAL_ONLY",
            "uri": uri,
            "serviceAccountEmail": account,
            "availableMemory": "512Mi",
            "allTrafficOnLatestRevision": True,
            "maxInstanceRequestConcurrency": 1,
            "availableCpu": "1",
        },
        "state": "ACTIVE",
        "updateTime": "2026-07-01T09:00:00.123456789Z",
        "environment": "GEN_2",
        "url": f"https://{region}-{project}.cloudfunctions.net/{name}",
    }


def _subscription(project: str, topic: str, uri: str, emails: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": f"projects/{project}/subscriptions/spotkeeper-enforcer",
        "topic": topic,
        "pushConfig": {
            "pushEndpoint": uri,
            "oidcToken": {"serviceAccountEmail": emails["delivery"], "audience": uri},
        },
        "ackDeadlineSeconds": 600,
        "messageRetentionDuration": "604800s",
        "expirationPolicy": {},
        "deadLetterPolicy": {
            "deadLetterTopic": f"projects/{project}/topics/spotkeeper-dead-letter",
            "maxDeliveryAttempts": 50,
        },
        "retryPolicy": {"minimumBackoff": "10s", "maximumBackoff": "600s"},
        "state": "ACTIVE",
    }


def _budget(topic: str, project: str) -> dict[str, Any]:
    return {
        "name": f"billingAccounts/{ACCOUNT}/budgets/{BUDGET_ID}",
        "displayName": "spotkeeper: compute",
        "budgetFilter": {
            "projects": [f"projects/{NUMBER}"],
            "services": ["services/6F81-5844-456A"],
            "creditTypesTreatment": "INCLUDE_ALL_CREDITS",
            "calendarPeriod": "MONTH",
        },
        "amount": {"specifiedAmount": {"currencyCode": "USD", "units": "1500"}},
        "thresholdRules": [{"thresholdPercent": share, "spendBasis": "CURRENT_SPEND"} for share in (0.5, 0.8, 1)],
        "notificationsRule": {"pubsubTopic": topic, "schemaVersion": "1.0"},
        "etag": f"9d3b{len(project)}",
        "ownershipScope": "ALL_USERS",
    }


def _job(project: str, region: str, uri: str, account: str, now: datetime) -> dict[str, Any]:
    last = now.replace(minute=7, second=0, microsecond=0)
    return {
        "name": f"projects/{project}/locations/{region}/jobs/spotkeeper-hourly",
        "description": "Has track_spot_costs record the hours that are due.",
        "httpTarget": {
            "uri": f"{uri}/",
            "httpMethod": "POST",
            "headers": {"User-Agent": "Google-Cloud-Scheduler"},
            "oidcToken": {"serviceAccountEmail": account, "audience": uri},
        },
        "userUpdateTime": "2026-07-01T09:00:00Z",
        "state": "ENABLED",
        "status": {},
        "scheduleTime": rfc3339(last + timedelta(hours=1)),
        "lastAttemptTime": rfc3339(last),
        "retryConfig": {"retryCount": 5, "minBackoffDuration": "30s", "maxBackoffDuration": "300s", "maxDoublings": 4},
        "schedule": "7 * * * *",
        "timeZone": "Etc/UTC",
        "attemptDeadline": "930s",
    }
