"""Terraform sets what the functions read: every setting, every field of the policy, every table, view and metric."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, override

import pytest

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.blockers import Blocker
from spotkeeper.enforcement.policies import REMOVED, RENAMED, Policy
from spotkeeper.enforcement.recording import AWAITING_APPROVAL, RECORDS_UNAVAILABLE
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.errors import SettingsError
from spotkeeper.tracking.capacity import PRICE_DIFFERS, PRICE_ROSE
from spotkeeper.tracking.settings import TrackerSettings
from tests.infra.terraform_files import (
    INFRA,
    ROOT,
    local_values,
    object_fields,
    parsed,
    variables,
    whole_text,
)

SQL = ROOT / "sql"
TABLES = sorted((SQL / "tables").glob("*.json"))
VIEWS = sorted((SQL / "views").glob("*.sql"))
FUNCTIONS = {"tracker_settings": TrackerSettings, "enforcer_settings": EnforcerSettings}

LOCAL_ONLY = {
    "CLOCK": "the present is the schedule's only when a recorded fleet is played again",
    "BIGQUERY_ENDPOINT": "the local stack",
    "COMPUTE_ENDPOINT": "the local stack",
    "MONITORING_ENDPOINT": "the local stack",
    "BILLING_ENDPOINT": "the local stack",
    "ASSETS_ENDPOINT": "the local stack",
    "LOGGING_ENDPOINT": "the local stack",
    "RESOURCE_MANAGER_ENDPOINT": "the local stack",
}
"""Settings that a deployment must not have, and what they are for."""

MADE_HERE = {
    "BUDGET_TOPIC": "Terraform makes the topic",
    "STOP_THRESHOLDS": "Terraform takes the steps of the policy",
    "EVENTS_TOPIC": "Terraform makes the topic with publish_events",
    "APPROVALS_SUBSCRIPTION": "Terraform makes the subscription where there are approvers",
}
"""Settings that are no variable, and why."""


class Recorder(Mapping[str, str]):
    """Variables that are all unset, and remember which were asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    @override
    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(())

    @override
    def __len__(self) -> int:
        return 0


def read_by(settings: type[TrackerSettings | EnforcerSettings]) -> set[str]:
    recorder = Recorder()
    with pytest.raises(SettingsError):
        settings.from_mapping(recorder)
    return recorder.asked


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_given_every_setting_it_reads_and_no_other(name: str) -> None:
    given = set(local_values()[name])

    assert given == read_by(FUNCTIONS[name]) - LOCAL_ONLY.keys()


def test_every_setting_that_is_left_out_exists_and_is_left_out() -> None:
    read = read_by(TrackerSettings) | read_by(EnforcerSettings)

    assert LOCAL_ONLY.keys() <= read
    assert [name for name in LOCAL_ONLY if re.search(rf"\b{name}\b", whole_text())] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_variable_has_the_name_of_its_setting(name: str) -> None:
    settings = set(local_values()[name]) - MADE_HERE.keys()

    assert sorted(setting for setting in settings if setting.lower() not in variables()) == []
    assert sorted(setting for setting in settings if f"var.{setting.lower()}" not in whole_text()) == []


def test_a_variable_has_the_default_of_its_setting() -> None:
    home = {"PROJECT_ID": "home-project-1"}
    policy = json.dumps({"budgets": {"b": {"projects": ["home-project-1"]}}})
    tracker = TrackerSettings.from_mapping(home)
    enforcer = EnforcerSettings.from_mapping(
        {**home, "ENFORCEMENT_MODE": "dry_run", "ENFORCEMENT_POLICY": policy},
    )
    expected = {
        "alert_thresholds": [float(share) for share in tracker.budgets.thresholds],
        "asset_history": tracker.asset_history,
        "audit_log_history": tracker.audit_log_history,
        "budget_covers": tracker.budgets.covers,
        "budget_display_name": tracker.budgets.display_name,
        "budget_id": tracker.budgets.budget_id,
        "retry_timeout_seconds": tracker.retry_timeout_seconds,
        "capacity_history": tracker.capacity_history,
        "capacity_history_calls": tracker.capacity_history_calls,
        "contract_prices": tracker.contract_prices,
        "catch_up_hours": tracker.catch_up_hours,
        "custom_metrics": tracker.custom_metrics,
        "interim_checks": tracker.interim_checks,
        "interim_check_share": float(tracker.interim_check_share),
        "dataset": tracker.dataset,
        "price_refresh_hours": tracker.price_refresh_hours,
        "price_rise_alert_percent": tracker.price_rise_alert_percent,
        "record_creators": tracker.record_creators,
    }

    assert {name: _plain(variables()[name]["default"]) for name in expected} == expected
    assert enforcer.retry_timeout_seconds == tracker.retry_timeout_seconds


def test_what_the_operator_must_decide_has_no_default() -> None:
    without = {name for name, body in variables().items() if "default" not in body}

    assert without == {"project_id", "region"}


def test_nothing_can_be_stopped_unless_the_operator_says_so() -> None:
    assert variables()["enforcement_mode"]["default"] == "off"


def test_variables_are_in_order_and_each_says_what_it_is() -> None:
    in_their_file = [name for name in variables() if name != "enforcement_policy"]
    assert in_their_file == sorted(in_their_file)
    for name, body in variables().items():
        assert re.fullmatch(r"[A-Z].+\.", body["description"]), name
        assert "type" in body, name
        for validation in body.get("validation", []):
            assert re.search(r"[.)]$", validation["error_message"]), name


def test_every_variable_is_used() -> None:
    assert [name for name in variables() if not re.search(rf"\bvar\.{name}\b", whole_text())] == []


def test_the_policy_variable_has_the_fields_of_the_policy() -> None:
    nonsense = {"nonsense": 1, "budgets": {"b": {"projects": ["home-project-1"], "nonsense": 1}}}
    with pytest.raises(SettingsError) as refused:
        Policy.from_json(json.dumps(nonsense))
    listed = re.findall(r"here it takes ([a-z_, ]+)", str(refused.value))
    of_budget, of_policy = (set(names.split(", ")) for names in sorted(listed, key=len))

    fields = object_fields(str(variables()["enforcement_policy"]["type"]))
    of_a_budget = set(object_fields(fields["budgets"]))

    assert set(fields) == of_policy | RENAMED.keys() | REMOVED.keys()
    assert of_a_budget == of_budget | RENAMED.keys()


def test_the_example_sets_every_variable_and_its_policy_is_accepted() -> None:
    example = parsed(INFRA / "example.tfvars")

    assert set(example) == set(variables())
    policy = Policy.from_json(json.dumps(example["enforcement_policy"]))
    assert {*example["billing_budgets"], *example["label_budgets"], example["budget_id"]} == set(policy.budgets)


def test_all_that_a_table_file_says_is_deployed() -> None:
    tables = {path.stem: json.loads(path.read_text()) for path in TABLES}

    assert {name: unread for name, table in tables.items() if (unread := _not_deployed(table))} == {}


def test_a_view_has_only_placeholders_that_are_filled() -> None:
    views = {path.stem: path.read_text() for path in VIEWS}
    placeholders = {"dataset", "now", "billing_account", "billing_export_table"}
    placeholders |= {f"{column}_keys" for column in ("team", "project_label", "experiment", "cost_center")}

    assert [name for name, text in views.items() if set(re.findall(r"\$\{([^}]*)}", text)) - placeholders] == []
    assert [name for name, text in views.items() if "%{" in text] == []
    assert [name for name, text in views.items() if "${billing_export_table}" in text] == ["billing_reconciliation"]


def test_a_view_reads_tables_and_shared_views_and_begins_with_its_description() -> None:
    """Terraform makes label_keys first and then the views that others read, so these can read no other view."""
    views = {path.stem: path.read_text() for path in VIEWS}
    before = {*(path.stem for path in TABLES), "label_keys"}
    reads = {name: set(re.findall(r"\$\{dataset}\.(\w+)", text)) - before for name, text in views.items()}
    shared = {source for sources in reads.values() for source in sources}

    assert shared <= views.keys()
    assert {name: reads[name] for name in shared if reads[name]} == {}
    assert [name for name, text in views.items() if not text.startswith("-- ")] == []


def test_every_metric_that_the_tracker_writes_is_declared_and_no_other() -> None:
    tree = ast.parse((ROOT / "functions" / "spotkeeper" / "gcp" / "alert_channel.py").read_text())
    [writer] = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "write_metrics"]
    figures = [node.elts for node in ast.walk(writer) if isinstance(node, ast.Tuple) and len(node.elts) == 3]
    written = {
        name.value: "period" in ast.unparse(labels)
        for name, labels, _ in figures
        if isinstance(name, ast.Constant) and isinstance(labels, ast.Dict)
    }

    assert {name: metric["by_period"] for name, metric in _metrics().items()} == written


def test_alerts_on_logs_ask_for_events_that_the_functions_log() -> None:
    verdicts = {f"budget notification: {name}" for name in VerdictName}
    events = {*(f"instance {event}" for event in ActionEvent), *verdicts, *map(str, Blocker)}
    events |= {RECORDS_UNAVAILABLE, PRICE_DIFFERS, PRICE_ROSE, AWAITING_APPROVAL}
    asked = re.findall(r'jsonPayload\.message(=~?)\\?"([^"\\]+)', (INFRA / "alerts.tf").read_text())

    patterns = [text if operator == "=~" else f"^{re.escape(text)}$" for operator, text in asked]
    found = [sorted(event for event in events if re.search(pattern, event)) for pattern in patterns]
    assert found == [
        ["budget notification: nearing_budget", "budget notification: over_budget"],
        [
            "budget notification: malformed",
            "budget notification: other_currency",
            "budget notification: period_mismatch",
            "budget notification: unknown_budget",
            "budget notification: unusable_amount",
        ],
        [PRICE_DIFFERS],
        [PRICE_ROSE],
        sorted(Blocker),
        [RECORDS_UNAVAILABLE],
        ["instance restarted", "instance stopped"],
        [AWAITING_APPROVAL],
    ]


def _not_deployed(table: Mapping[str, Any]) -> list[str]:
    """Return what a table file says and infra/tables.tf does not read."""
    partitioning = table.get("timePartitioning", {})
    return [
        *(table.keys() - {"description", "schema", "timePartitioning", "requirePartitionFilter", "clustering"}),
        *(partitioning.keys() - {"type", "field"}),
        *({partitioning.get("type", "DAY")} - {"HOUR", "DAY", "MONTH", "YEAR"}),
        *(table.get("clustering", {}).keys() - {"fields"}),
        *(table["schema"].keys() ^ {"fields"}),
    ]


def _metrics() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = local_values()["metrics"]
    return {name: {key: _plain(value) for key, value in metric.items()} for name, metric in found.items()}


def _plain(value: object) -> object:
    """A literal as the parser gives it: words such as true may come as text."""
    return {"true": True, "false": False, "${true}": True, "${false}": False}.get(str(value), value)


def test_the_metric_on_the_log_counts_the_event_of_an_enforcer_that_waits_for_bigquery() -> None:
    assert f'jsonPayload.message=\\"{RECORDS_UNAVAILABLE}\\"' in (INFRA / "metrics.tf").read_text()
