"""Whatever Terraform accepts, the functions start with: their settings for odd values of every variable.

Terraform itself works out the settings, from the locals of the module; what Google would answer with is put in by hand.
"""

import json
import random
import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.errors import SettingsError
from spotkeeper.tracking.settings import TrackerSettings
from tests.infra.terraform_files import INFRA
from tests.infra.test_refusals import ACCOUNT, BUDGET, LEAST, OF_TEAM, RULE, Values, policy, refusals, run_terraform
from tests.infra.test_terraform import needs_terraform

SEED, RANDOM_CASES = 7, 10
ABSENT = object()
UUID = "0f2b8f0e-0000-4000-8000-000000000001"
FRACTION = "${1500 / 30.4}"
ODD: Mapping[str, Sequence[object]] = {
    "alert_thresholds": [[0.5], ["${1 / 3}", 1], [10], [1, 1], [0.000001], [1, 0.5]],
    "audit_log_history": [True],
    "billing_account_id": [None, "ABCDEF-012345-6789AB"],
    "billing_budgets": [{"spotkeeper": {**BUDGET, "amount": FRACTION}}, {"é": {**BUDGET, "thresholds": ["${1 / 3}"]}}],
    "budget_covers": ["compute"],
    "budget_display_name": ["", "Ünïcode, with a comma", "x" * 200],
    "budget_id": ["a", "0-_", UUID],
    "capacity_history": [True],
    "capacity_history_calls": [1, 1000],
    "price_rise_alert_percent": [1, 1000],
    "record_creators": [True],
    "catch_up_hours": [1, 168],
    "contract_prices": [False, True],
    "partition_expiration_days": [401, None],
    "daily_budget_hour_share": ["${1 / 24}", 10, 0.0000001],
    "daily_budget_projection_share": ["${1 / 3}", 10],
    "daily_budget_usd": [FRACTION, 0.000000001, 1e12, 1e-12],
    "dataset": ["_", "A1_" * 10],
    "dataset_location": ["EU", "us-central1"],
    "hourly_budget_usd": ["${1 / 3}", 1e6],
    "interim_checks": [True],
    "interim_check_share": [0.000000001, "${2 / 3}", 1],
    "label_budgets": [
        {"cap": {"label": "team", "value": "équipe-1", "hourly_usd": "${1 / 3}"}},
        {"0_-": {"label": "team", "value": "a" * 63, "daily_usd": 1e-9, "monthly_usd": 1e12}},
    ],
    "monthly_budget_usd": ["${10000 / 7}", 99999999999],
    "price_refresh_hours": [1, 168],
    "project_id": ["a23456", "example.com:project-1", "a" * 30],
    "projects": [["b23456", "a23456", "a23456"], ["example.com:project-1"], ["a" * 30]],
    "region": ["us-central1", "northamerica-northeast2", "u-germany-northeast1"],
    "retry_timeout_seconds": [0, 300],
    "enforcement_policy": [
        {"budgets": {"spotkeeper": RULE, "cap": {**RULE, **OF_TEAM, "labels": {"team": ["équipe-1"]}}}},
        {"budgets": {"spotkeeper": RULE, "0_-": {**RULE, "labels": {"team": ["a" * 63]}}}},
        policy({"max_fleet_share": "${1 / 3}"}),
        policy(max_fleet_share=0.00001),
        policy(steps=[{"threshold": "${1 / 3}", "priorities": ["low"]}]),
        policy(min_share_of_tracker_cost="${1 / 7}"),
        policy({"labels": {"team": []}}),
        policy({"labels": {"team": [""]}}),
        policy({"projects": ["example.com:project-1"]}),
        policy({"projects": ["home-project-1", "home-project-1"]}),
        policy(approval_minutes=10, execute_unapproved=True),
        policy(snooze_until="2026-12-01T08:00:00+01:00"),
        policy({"period": "day"}, sources={"tracker": "stop"}),
        policy(
            sources={"tracker": "stop", "billing": "stop"}, steps=[{"threshold": "${2 / 3}", "priorities": ["low"]}]
        ),
        policy(priority_label="priorité"),
    ],
}
"""Values at the edge of what makes sense, of every variable that becomes a setting; `${…}` is a calculation."""

FROM_GOOGLE = {
    "google_pubsub_topic.budget.id": '"projects/home-project-1/topics/spotkeeper-budget"',
    "google_pubsub_topic.events[0].id": '"projects/home-project-1/topics/spotkeeper-events"',
    "google_bigquery_dataset.costs.location": "coalesce(var.dataset_location, var.region)",
    "google_billing_budget.made[key].name": f'"billingAccounts/A/budgets/{UUID}"',
    "local.projects": "(length(var.projects) == 0 ? [var.project_id] : var.projects)",
}
OUTPUTS = """
output "settings" {
  value = { tracker = local.tracker_environment, enforcer = local.enforcer_environment }
}
"""


def cases() -> list[Values]:
    """Return rounds with an odd value of as many variables as still have one, and random combinations."""
    drawn = random.Random(SEED)  # noqa: S311 (cases, not secrets)
    rounds = [
        {name: value for name, value in zip(ODD, values, strict=True) if value is not ABSENT}
        for values in zip_longest(*ODD.values(), fillvalue=ABSENT)
    ]
    together = [
        {name: drawn.choice(ODD[name]) for name in drawn.sample(sorted(ODD), drawn.randint(2, 6))}
        for _ in range(RANDOM_CASES)
    ]
    return [*rounds, *together]


@needs_terraform
def test_the_functions_start_with_whatever_terraform_accepts(tmp_path: Path) -> None:
    tried = cases()
    accepted = _accepted(tmp_path, tried)

    found = _settings(tmp_path / "settings", accepted)

    assert sum(map(len, accepted)) > sum(map(len, tried)) * 0.7
    assert [problem for case, each in zip(accepted, found, strict=True) if (problem := _problem(case, each))] == []


def _accepted(root: Path, tried: Sequence[Values]) -> list[Values]:
    """Return the cases without what is refused, also of what Terraform judges only once others are valid."""
    left = [dict(case) for case in tried]
    for number in range(3):
        refused = refusals(root / f"refusals_{number}", left)
        left = [
            {name: value for name, value in case.items() if name not in messages}
            for case, messages in zip(left, refused, strict=True)
        ]
        if not any(refused):
            return list(left)
    pytest.fail(f"still refused: {refused}")


def _problem(case: Values, settings: Mapping[str, Mapping[str, str]]) -> str:
    """Say why a function does not start; nothing when both do."""
    for name, start in (("tracker", TrackerSettings.from_mapping), ("enforcer", EnforcerSettings.from_mapping)):
        try:
            start(settings[name])
        except SettingsError as error:
            return f"{name} with {case}: {error}"
    return ""


def _settings(root: Path, accepted: Sequence[Values]) -> list[Mapping[str, Mapping[str, str]]]:
    """Return the environments of both functions in each case, from one plan."""
    module = root / "module"
    module.mkdir(parents=True)
    for name in ("variables.tf", "policy.tf"):
        shutil.copy(INFRA / name, module)
    text = "".join((INFRA / f"{name}.tf").read_text().partition("\nresource ")[0] for name in ("tracker", "enforcer"))
    for reference, value in FROM_GOOGLE.items():
        text = text.replace(reference, value)
    (module / "settings.tf").write_text(text + OUTPUTS)
    calls = {f"case_{at}": {"source": "./module", **LEAST, **ACCOUNT, **case} for at, case in enumerate(accepted)}
    outputs = {name: {"value": f"${{module.{name}.settings}}", "sensitive": True} for name in calls}
    (root / "main.tf.json").write_text(json.dumps({"module": calls, "output": outputs}))
    run_terraform(root, "init", "-backend=false", "-input=false")
    failed = run_terraform(root, "plan", "-input=false", "-no-color", "-out=plan")
    assert (root / "plan").exists(), failed
    planned: dict[str, Any] = json.loads(run_terraform(root, "show", "-json", "plan"))["planned_values"]["outputs"]
    return [planned[name]["value"] for name in calls]


def test_every_variable_that_becomes_a_setting_is_tried() -> None:
    text = "".join((INFRA / f"{name}.tf").read_text().partition("\nresource ")[0] for name in ("tracker", "enforcer"))
    tried = {name for case in cases() for name in case} | {
        "approvers",
        "asset_history",
        "custom_metrics",
        "publish_events",
    }
    tried.add("enforcement_mode")

    assert set(re.findall(r"\bvar\.(\w+)", text)) <= tried
