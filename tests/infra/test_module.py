"""infra/ is a module that any configuration can use, and infra/root the one that `make deploy` applies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.infra.terraform_files import DEPLOYED, FILES, INFRA, ROOT, outputs, parsed, resources, variables

ROOT_FILES = sorted(DEPLOYED.glob("*.tf"))
OWN_VARIABLES = {"adopt_data"}
"""Variables of the root alone: only a root can import."""


def blocks(kind: str) -> list[Mapping[str, Any]]:
    """Return all blocks of a kind in the root, such as `module`."""
    return [found for path in ROOT_FILES for found in parsed(path).get(kind, [])]


def test_the_module_leaves_provider_backend_and_imports_to_its_caller() -> None:
    in_module = {
        f"{path.name}: {block}"
        for path in FILES
        for block, bodies in parsed(path).items()
        if block in {"provider", "import", "moved"}
        or (block == "terraform" and any("backend" in each for each in bodies))
    }

    [requirements] = parsed(INFRA / "versions.tf")["terraform"]
    assert in_module == set()
    assert set(requirements["required_providers"][0]) == {"archive", "google"}


def test_the_root_passes_every_variable_to_the_module() -> None:
    [module] = blocks("module")
    call = {name: value for name, value in module["spotkeeper"].items() if name != "source"}

    assert module["spotkeeper"]["source"] == "../"
    assert call == {name: f"${{var.{name}}}" for name in variables()}
    assert {name for found in blocks("variable") for name in found} == set(variables()) | OWN_VARIABLES


@pytest.mark.parametrize("name", ["variables.tf", "policy.tf", "versions.tf"])
def test_the_root_has_the_variables_and_versions_of_the_module_by_a_link(name: str) -> None:
    assert (DEPLOYED / name).readlink() == Path("..") / name


def test_the_root_has_every_output_of_the_module() -> None:
    found = {name: body for output in blocks("output") for name, body in output.items()}

    assert found == {
        name: {"description": body["description"], "value": f"${{module.spotkeeper.{name}}}"}
        for name, body in outputs().items()
    }


def test_every_resource_of_the_module_has_its_move_from_the_former_root() -> None:
    addresses = [f"{block.kind}.{block.name}" for block in resources()]

    assert [(moved["from"], moved["to"]) for moved in blocks("moved")] == [
        (f"${{{address}}}", f"${{module.spotkeeper.{address}}}") for address in sorted(addresses)
    ]


def test_the_tables_that_are_adopted_are_those_of_the_module() -> None:
    [dataset, tables] = [each["to"] for each in blocks("import")]

    assert dataset == "${module.spotkeeper.google_bigquery_dataset.costs}"
    assert tables == "${module.spotkeeper.google_bigquery_table.recorded[each.value]}"
    assert 'fileset("${path.module}/../../sql/tables", "*.json")' in (DEPLOYED / "adopt.tf").read_text()
    assert (DEPLOYED / ".." / ".." / "sql" / "tables").resolve() == ROOT / "sql" / "tables"


def test_a_resource_names_its_project_and_labels_whatever_the_provider_of_the_caller_has() -> None:
    of_project = {
        "google_bigquery_dataset",
        "google_bigquery_dataset_iam_member",
        "google_bigquery_table",
        "google_cloud_run_service_iam_member",
        "google_cloud_scheduler_job",
        "google_cloudfunctions2_function",
        "google_logging_metric",
        "google_monitoring_alert_policy",
        "google_monitoring_dashboard",
        "google_monitoring_metric_descriptor",
        "google_monitoring_notification_channel",
        "google_project_iam_custom_role",
        "google_project_iam_member",
        "google_project_service",
        "google_pubsub_subscription",
        "google_pubsub_subscription_iam_member",
        "google_pubsub_topic",
        "google_pubsub_topic_iam_member",
        "google_service_account",
        "google_storage_bucket",
    }
    elsewhere = {
        "google_billing_budget",
        "google_folder_iam_member",
        "google_organization_iam_custom_role",
        "google_service_account_iam_member",
        "google_storage_bucket_object",
    }
    labelled = {
        "google_bigquery_dataset",
        "google_bigquery_table",
        "google_cloudfunctions2_function",
        "google_pubsub_subscription",
        "google_pubsub_topic",
        "google_storage_bucket",
    }

    assert {block.kind for block in resources()} == of_project | elsewhere
    assert [block for block in resources() if block.kind in of_project and "project" not in block.body] == []
    assert [
        block for block in resources() if block.kind in labelled and block.body.get("labels") != "${var.labels}"
    ] == []
