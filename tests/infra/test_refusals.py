"""What the variables refuse, and with which sentence. They are tried alone, for which Terraform needs no provider."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from spotkeeper.enforcement.policies import Policy
from spotkeeper.errors import SettingsError
from tests.infra.terraform_files import INFRA, parsed, variables
from tests.infra.test_terraform import QUIET, TERRAFORM, needs_terraform

type Values = Mapping[str, Any]

RULE = {"projects": ["home-project-1"]}
LEAST: Values = {
    "project_id": "home-project-1",
    "region": "us-central1",
    "enforcement_mode": "dry_run",
    "enforcement_policy": {"budgets": {"spotkeeper": RULE}},
}
ACCOUNT = {"billing_account_id": "012345-6789AB-CDEF01"}
BUDGET = {"amount": 100, "projects": ["home-project-1"]}


def policy(rule: Values | None = None, **shared: object) -> Values:
    """Return a policy with one budget of which something is said, or with something that is said for all."""
    return {"budgets": {"spotkeeper": {**RULE, **(rule or {})}}, **shared}


REFUSED_POLICIES: Sequence[Values] = [
    {"budgets": {}},
    policy({"projects": []}),
    policy({"projects": ["123456789012"]}),
    policy({"steps": [{"threshold": 80, "priorities": ["low"]}]}),
    policy(steps=[{"threshold": 0, "priorities": ["low"]}]),
    policy({"steps": [{"threshold": 1, "priorities": []}]}),
    policy(steps=[{"threshold": 1, "priorities": ["urgent"]}]),
    policy({"period": "2026-11"}),
    policy({"period": "2026-12-31/2026-11-01"}),
    policy({"period": "2026-11-31/2026-12-31"}),
    policy(without_records="act"),
    policy({"most_stops_per_alert": 1}),
    policy(signals={"tracker": "stop"}),
    policy({"sources": {"guess": "stop"}}),
    policy(sources={"billing": "kill"}),
    policy({"max_stops_per_alert": 0}),
    policy(max_stops_per_day=2.5),
    policy({"max_stops_per_day": 1001}),
    policy(max_fleet_share=50),
    policy({"max_fleet_share": 0}),
    policy(grace_seconds=301),
    policy(minimum_age_minutes=-1),
    policy(max_message_age_minutes=9),
    policy(max_stops_per_day_total=0),
    policy(min_share_of_tracker_cost=10),
    policy(unlabelled_priority="none"),
    policy(snooze_until="next week"),
    policy(steps=[{"threshold": 2.1, "priorities": ["low"]}]),
    policy(steps=[{"threshold": 1, "priorities": ["low"]}, {"threshold": 1, "priorities": ["medium"]}]),
    policy({"steps": [{"threshold": 1, "priorities": ["medium"]}]}),
    policy({"steps": [{"threshold": 1, "priorities": ["low", "medium"]}, {"threshold": 1.5, "priorities": ["low"]}]}),
    policy({"currency": "EUR"}, steps=[{"threshold": 0.8, "priorities": ["low"]}]),
    policy({"currency": "eur"}),
    {"budgets": {"My budget": RULE}},
    {"budgets": {"11111111-2222-3333-4444-55555555555": RULE}},
    {"budgets": {"billingAccounts/012345-6789AB-CDEF01/budgets/11111111-2222-3333-4444-555555555555": RULE}},
    policy(billing_account_id="billingAccounts/01ABCD-23EF45-678901"),
    policy(priority_label="Priority"),
    policy({"labels": {"1st": ["x"]}}),
    policy({"labels": {"team": ["ML"]}}),
    policy(protect_label="keep", priority_label="keep"),
    policy({"sources": {"billing": "warn"}}),
    policy({"max_fleet_share": 0.000001}),
]
"""What is wrong with a policy by itself: the function refuses it too, but only when it starts."""

ONLY_TRACKER = policy(sources={"billing": "warn", "tracker": "stop"})

REFUSED: Mapping[str, Sequence[object]] = {
    "alert_thresholds": [[80], [], [0]],
    "analysts": [["allAuthenticatedUsers"], ["someone@example.com"]],
    "billing_account_id": ["my account", "012345-6789ab-cdef01"],
    "billing_export_table": ["billing-project.export.gcp_billing_export_v1_012345_6789AB_CDEF01", "export"],
    "budget_publisher": ["allUsers", "user:someone@example.com"],
    "catch_up_hours": [169, 1.5],
    "dataset": ["cost-tracking", "x" * 1025],
    "enforcement_mode": ["on", "Enforce"],
    "enforcement_policy": REFUSED_POLICIES,
    "folder_id": ["folders/1"],
    "notification_emails": [["oncall"]],
    "price_refresh_hours": [0, 169],
    "project_id": ["My Project", "123456789012"],
    "projects": [["123456789012"]],
    "region": ["us-central1-a", "US"],
    "unpriced_share_limit": [2, -0.1],
}

REFUSED_TOGETHER: Sequence[tuple[str, Values]] = [
    ("budget_id", {"budget_id": "My budget"}),
    ("budget_id", {"budget_id": "Spotkeeper"}),
    ("daily_budget_usd", {"daily_budget_usd": 0}),
    ("hourly_budget_usd", {"hourly_budget_usd": -1}),
    ("monthly_budget_usd", {"monthly_budget_usd": 0}),
    ("billing_budgets", {"billing_budgets": {"compute": {**BUDGET, "thresholds": [80]}}}),
    ("billing_budgets", {"billing_budgets": {"compute": {**BUDGET, "amount": 0}}}),
    ("billing_budgets", {"billing_budgets": {"compute": {**BUDGET, "calendar_period": "WEEK"}}}),
    ("billing_budgets", {"billing_budgets": {"compute": {**BUDGET, "projects": []}}}),
    ("retry_timeout_seconds", {"retry_timeout_seconds": -1}),
    ("retry_timeout_seconds", {"retry_timeout_seconds": 0.5}),
    ("organization_id", {"organization_id": "example.com"}),
    ("billing_account_id", {"billing_account_id": None, "billing_budgets": {"compute": BUDGET}}),
    ("folder_id", {"folder_id": "111111111111"}),
    ("slack_channel", {"slack_channel": "#cloud-costs"}),
    ("enforcement_policy", {"enforcement_policy": policy({"period": "2025-11-01/2025-11-30"})}),
    ("enforcement_policy", {"enforcement_policy": policy({"sources": {"tracker": "stop"}})}),
    ("enforcement_policy", {"enforcement_policy": ONLY_TRACKER, "budget_id": "other", "daily_budget_usd": 1}),
    ("enforcement_policy", {"billing_budgets": {"spotkeeper": {**BUDGET, "calendar_period": "QUARTER"}}}),
    ("enforcement_policy", {"billing_budgets": {"spotkeeper": {**BUDGET, "currency": "EUR"}}}),
    ("enforcement_policy", {"billing_budgets": {"spotkeeper": {**BUDGET, "projects": ["other-project-1"]}}}),
]
"""What is wrong with one variable because of another, or with one that others are compared with."""

ACCEPTED: Sequence[Values] = [
    LEAST,
    {"retry_timeout_seconds": 300, "alert_thresholds": [10], "catch_up_hours": 0},
    {"retry_timeout_seconds": 0, "unpriced_share_limit": 0},
    {"enforcement_mode": "enforce", "projects": ["vm-project-1"], "budget_publisher": None, "catch_up_hours": 168},
    {"folder_id": "1", "organization_id": "2", "slack_channel": "#costs", "slack_token": "t", "daily_budget_usd": 0.01},
    {"enforcement_policy": policy(grace_seconds=300, max_stops_per_alert=1000, max_fleet_share=1)},
    {"enforcement_policy": policy({"period": "2126-11-01/2126-11-01"}, snooze_until="2026-12-01T08:00:00Z")},
    {"enforcement_policy": policy(steps=[{"threshold": 2, "priorities": ["low", "medium", "high"]}])},
    {"enforcement_policy": ONLY_TRACKER, "hourly_budget_usd": 1},
    {"enforcement_policy": policy(sources={"tracker": "stop"})},
    {"enforcement_policy": {"budgets": {"My budget": RULE}}, "billing_budgets": {"My budget": BUDGET}, **ACCOUNT},
    {"enforcement_policy": policy({"labels": {"équipe": ["données-1"]}, "max_fleet_share": 0.00001})},
    {
        "billing_account_id": "012345-6789AB-CDEF01",
        "billing_budgets": {"spotkeeper": {**BUDGET, "calendar_period": "YEAR", "currency": "EUR"}},
        "enforcement_policy": policy({"period": "year", "currency": "EUR"}),
    },
    {"billing_export_table": "p-1.export.gcp_billing_export_resource_v1_012345_6789AB_CDEF01"},
]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root of the variables and of what they refuse, and nothing else."""
    root = tmp_path_factory.mktemp("variables")
    for name in ("variables.tf", "policy.tf"):
        shutil.copy(INFRA / name, root)
    shutil.copytree(INFRA / "tests", root / "tests", ignore=shutil.ignore_patterns("deployment*"))
    for path in (root / "tests").iterdir():
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not line.startswith("mock_provider")))
    _run(root, "init", "-backend=false", "-input=false")
    return root


def refusals(root: Path, values: Values) -> dict[str, list[str]]:
    """Return the variables that Terraform refuses, each with its sentences; it quotes the line of the value."""
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in {**LEAST, **values}.items()]
    (root / "terraform.tfvars.json").write_text("{\n" + ",\n".join(lines) + "\n}")
    told = [json.loads(line) for line in _run(root, "plan", "-json", "-input=false").splitlines()]
    found: dict[str, list[str]] = {}
    for each in told:
        if "diagnostic" in each:
            diagnostic = each["diagnostic"]
            name = diagnostic["snippet"]["code"].split('"')[1]
            found.setdefault(name, []).append(diagnostic["detail"].partition("\n\nThis was checked")[0])
    return found


@needs_terraform
def test_each_wrong_value_is_refused_and_every_validation_has_refused_something(alone: Path) -> None:
    said = set[str]()
    rounds = [
        {name: value for name, value in zip(REFUSED, values, strict=True) if value is not None}
        for values in zip_longest(*REFUSED.values())
    ]
    for values in rounds:
        found = refusals(alone, {"billing_account_id": "012345-6789AB-CDEF01", **values})
        assert found.keys() == values.keys()
        said |= {sentence for sentences in found.values() for sentence in sentences}
    for name, together in REFUSED_TOGETHER:
        found = refusals(alone, {"billing_account_id": "012345-6789AB-CDEF01", **together})
        assert found.keys() == {name}, together
        said |= set(found[name])

    assert said == {rule["error_message"] for body in variables().values() for rule in body.get("validation", [])}


@needs_terraform
def test_what_is_just_right_is_accepted(alone: Path) -> None:
    assert [values for values in ACCEPTED if refusals(alone, values)] == []
    assert refusals(alone, parsed(INFRA / "example.tfvars")) == {}


@needs_terraform
def test_the_plans_that_terraform_is_to_refuse_are_refused(alone: Path) -> None:
    (alone / "terraform.tfvars.json").unlink(missing_ok=True)
    told = _run(alone, "test", "-no-color")

    assert told.count("... pass") == 1 + (INFRA / "tests" / "refused.tftest.hcl").read_text().count("\nrun ")
    assert " 0 failed" in told


@pytest.mark.parametrize("refused", REFUSED_POLICIES, ids=str)
def test_a_policy_that_terraform_refuses_would_keep_the_function_from_starting(refused: Values) -> None:
    with pytest.raises(SettingsError):
        Policy.from_json(json.dumps(refused))


def _run(root: Path, *words: str) -> str:
    told = subprocess.run(  # noqa: S603 (Terraform, as it was found)
        [str(TERRAFORM), f"-chdir={root}", *words], capture_output=True, text=True, check=False, env=QUIET
    )
    return told.stdout
