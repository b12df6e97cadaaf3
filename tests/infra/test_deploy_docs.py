"""Commands in the documentation, the outputs and the alerts are ones that gcloud has, and say what Terraform does."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.tracking.settings import TrackerSettings
from tests.infra.terraform_files import INFRA, ROOT, leaves, local_values, outputs, resource
from tests.infra.test_settings_contract import LOCAL_ONLY, read_by
from tests.sql.cases import queries, views_read

DOCS = ROOT / "docs"
BY_HAND = DOCS / "without-terraform.md"
WITH_COMMANDS = [
    DOCS / "deploy.md",
    DOCS / "commands.md",
    BY_HAND,
    DOCS / "security.md",
    INFRA / "outputs.tf",
    INFRA / "alerts.tf",
]
GCLOUD = shutil.which("gcloud")

needs_gcloud = pytest.mark.skipif(GCLOUD is None, reason="NO COMMAND IS COMPARED WITH GCLOUD: it is not installed")


def commands(path: Path) -> list[str]:
    """Return what follows each `gcloud` in a file, up to the end of the command."""
    text = path.read_text().replace("\\\n", " ")
    text = re.sub(r"\$\((?!gcloud)[^()]*\)|\$\{[^}]*}", "X", text)
    return [command.strip() for command in re.findall(r"gcloud ([a-z][^\n;|)&`]*)", text)]


@cache
def tree() -> Mapping[str, Any]:
    """Return gcloud's own table of its commands and flags, from which it completes lines."""
    table = Path(str(GCLOUD)).resolve().parents[1] / "data" / "cli" / "gcloud_completions.py"
    if not table.is_file():
        pytest.skip(f"NO COMMAND IS COMPARED WITH GCLOUD: there is no {table}")
    spec = importlib.util.spec_from_file_location("gcloud_completions", table)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Mapping[str, Any] = module.STATIC_COMPLETION_CLI_TREE
    return found


def unknown(command: str) -> list[str]:
    """Return what gcloud does not know of a command: its name, or flags."""
    node, allowed = tree(), set(tree()["flags"])
    for word in command.split():
        if word not in node["commands"]:
            break
        node = node["commands"][word]
    if node["commands"]:
        return [f"no command: {command}"]
    allowed |= set(node["flags"])
    allowed |= {f"--no-{name[2:]}" for name, kind in node["flags"].items() if kind == "bool"}
    return sorted(set(re.findall(r"(?<=\s)--[a-z][a-z0-9-]*", command)) - allowed)


@needs_gcloud
def test_gcloud_has_every_command_and_flag_that_is_written() -> None:
    written = {path.name: commands(path) for path in WITH_COMMANDS}
    odd = {
        f"{name}: {command}": problems
        for name, found in written.items()
        for command in found
        if (problems := unknown(command))
    }

    assert [name for name, found in written.items() if not found] == []
    assert odd == {}


@needs_gcloud
def test_a_flag_that_gcloud_does_not_have_is_seen() -> None:
    assert unknown("pubsub topics create name --message-retention-duration 7d --retry") == ["--retry"]
    assert unknown("pubsub topics invent name") == ["no command: pubsub topics invent name"]


@needs_gcloud
def test_gcloud_takes_the_shares_of_a_budget_from_one() -> None:
    process = subprocess.run(  # noqa: S603 (gcloud, as it was found)
        [str(GCLOUD), "billing", "budgets", "create", "--help"], capture_output=True, text=True, check=True
    ).stdout
    [written] = [command for command in commands(BY_HAND) if command.startswith("billing budgets create")]

    assert "--threshold-rule=percent=0.50" in process
    assert re.findall(r"--threshold-rule percent=(\S+)", written) == ["0.5", "0.8", "1.0"]
    assert "--notifications-rule-pubsub-topic" in written


def test_the_roles_made_by_hand_are_those_that_terraform_makes() -> None:
    made = {
        name: permissions.split(",")
        for name, permissions in re.findall(
            r"roles create spotkeeper(\w+) .*?--permissions (\S+)", "\n".join(commands(BY_HAND))
        )
    }
    lists = local_values()

    assert made == {
        "TrackerInstances": [*lists["asset_history_permissions"], *lists["tracker_instance_permissions"]],
        "EnforcerInstances": lists["enforcer_instance_permissions"],
        "TrackerHome": [*lists["tracker_home_permissions"], *lists["metrics_permissions"]],
        "EnforcerHome": lists["enforcer_home_permissions"],
        "Records": lists["records_permissions"],
        "Staging": lists["staging_permissions"],
        "Alerts": lists["alert_permissions"],
    }


def test_the_metrics_described_by_hand_are_those_that_terraform_describes() -> None:
    made = re.findall(r"^metric (\w+) '?([^'\s]+)'?( period)?$", BY_HAND.read_text(), re.MULTILINE)

    described = {name: (metric["unit"], metric["by_period"]) for name, metric in local_values()["metrics"].items()}
    assert {name: (unit, bool(label)) for name, unit, label in made} == described


def test_the_services_switched_on_by_hand_are_those_that_terraform_switches_on() -> None:
    [enabled] = [command for command in commands(BY_HAND) if command.startswith("services enable")]
    listed = set(re.findall(r"[a-z]+\.googleapis\.com", (INFRA / "services.tf").read_text()))
    assert set(enabled.split()[2:]) == listed


def test_the_settings_given_by_hand_are_settings_and_none_is_missing() -> None:
    text = BY_HAND.read_text()
    [of_tracker] = re.findall(r'--set-env-vars "([^"]+)"', text)
    tracker = set(re.findall(r"(\w+)=", of_tracker))
    enforcer = set(re.findall(r"^([A-Z_]+): ", text, re.MULTILINE))

    assert tracker <= read_by(TrackerSettings) - LOCAL_ONLY.keys()
    assert enforcer == {"PROJECT_ID", "ENFORCEMENT_MODE", "ENFORCEMENT_POLICY"}
    assert enforcer <= read_by(EnforcerSettings)


FUNCTION = {
    "runtime": "runtime",
    "entry-point": "entry_point",
    "memory": "available_memory",
    "cpu": "available_cpu",
    "timeout": "timeout_seconds",
    "max-instances": "max_instance_count",
    "concurrency": "max_instance_request_concurrency",
}
BY_HAND_AND_BY_TERRAFORM = {
    ("subscriptions create spotkeeper-enforcer", "google_pubsub_subscription.enforcer"): {
        "min-retry-delay": "minimum_backoff",
        "max-retry-delay": "maximum_backoff",
        "ack-deadline": "ack_deadline_seconds",
        "max-delivery-attempts": "max_delivery_attempts",
    },
    ("functions deploy track-spot-costs", "google_cloudfunctions2_function.tracker"): FUNCTION,
    ("functions deploy enforce-budget-limit", "google_cloudfunctions2_function.enforcer"): FUNCTION,
    ("scheduler jobs create http spotkeeper-hourly", "google_cloud_scheduler_job.hourly"): {
        "attempt-deadline": "attempt_deadline",
        "max-retry-attempts": "retry_count",
        "min-backoff": "min_backoff_duration",
        "max-backoff": "max_backoff_duration",
        "max-doublings": "max_doublings",
        "http-method": "http_method",
        "time-zone": "time_zone",
    },
    ("scheduler jobs create http spotkeeper-interim", "google_cloud_scheduler_job.interim"): {
        "attempt-deadline": "attempt_deadline",
        "max-retry-attempts": "retry_count",
        "http-method": "http_method",
        "time-zone": "time_zone",
    },
}
"""The commands of docs/without-terraform.md and the resources that are the same: each flag and its attribute."""


def test_what_is_made_by_hand_is_what_terraform_makes() -> None:
    differing = {}
    for (command, address), flags in BY_HAND_AND_BY_TERRAFORM.items():
        [made] = [each for each in commands(BY_HAND) if command in each]
        body = {path.rpartition(".")[2]: value for path, value in leaves(resource(*address.split(".")))}
        for flag, attribute in flags.items():
            by_hand = re.findall(rf"--{flag} (\S+)", made)
            by_terraform = str(body[attribute])
            if [value.removesuffix("s") for value in by_hand] != [by_terraform.removesuffix("s")]:
                differing[f"{command} --{flag}"] = (by_hand, by_terraform)

    assert differing == {}


def test_a_view_is_made_by_hand_after_those_that_it_reads() -> None:
    [named] = re.findall(r"for file in sql/views/\{(\S+),\*}\.sql", BY_HAND.read_text())
    made = [*named.split(","), *(view.stem for view in queries("views"))]

    too_late = {
        (view, read.stem)
        for place, view in enumerate(made)
        for read in views_read(ROOT / "sql" / "views" / f"{view}.sql")
        if read.stem not in made[:place]
    }

    assert too_late == set()


def test_the_outputs_that_the_documentation_names_are_there() -> None:
    text = (DOCS / "deploy.md").read_text()
    named = set(re.findall(r"\b(run_now|see_\w+|connect_a_budget|budget_ids|dashboard)\b", text))

    assert {"run_now", "see_plans", "see_costs", "connect_a_budget"} <= named <= set(outputs())
    assert all(re.fullmatch(r"[A-Z].+\.", body["description"]) for body in outputs().values())
