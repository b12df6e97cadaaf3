"""What the variables refuse, and with which message: plans of the variables alone, which need no provider."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

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
    """Return a policy with one budget; `rule` sets fields of the budget, `shared` fields of the policy."""
    return {"budgets": {"spotkeeper": {**RULE, **(rule or {})}}, **shared}


NO_BUDGET: Values = {"budgets": {}}

REFUSED_POLICIES: Sequence[Values] = [
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
    policy(freeze_groups=2.5),
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
    policy({"labels": {"rank": ["urgent"]}}, priority_label="rank"),
    policy({"labels": {"spotkeeper-protect": ["true", "demo"]}}),
    policy({"sources": {"billing": "warn"}}),
    policy({"max_fleet_share": 0.000001}),
    policy(approval_minutes=9),
]
"""Policies that are invalid by themselves: the function refuses them too, but only when it starts."""

ONLY_TRACKER = policy(sources={"billing": "warn", "tracker": "stop"})
ONLY_TRACKER_IN_EUR = policy({"currency": "EUR"}, sources={"billing": "warn", "tracker": "stop"})

TEAM = {"label": "team", "value": "vision", "hourly_usd": 20}
OF_TEAM = {"labels": {"team": ["vision"]}, "sources": {"tracker": "stop", "billing": "warn"}}

REFUSED: Mapping[str, Sequence[object]] = {
    "alert_thresholds": [[80], [], [0]],
    "approvers": [["allUsers"]],
    "analysts": [["allAuthenticatedUsers"], ["someone@example.com"]],
    "billing_account_id": ["my account", "012345-6789ab-cdef01"],
    "billing_export_table": ["billing-project.export.gcp_billing_export_v1_012345_6789AB_CDEF01", "export"],
    "budget_covers": ["disks", "Total", None],
    "budget_publisher": ["allUsers", "user:someone@example.com"],
    "capacity_history_calls": [0, 1001, 1.5],
    "price_rise_alert_percent": [0, 1001, 1.5],
    "catch_up_hours": [0, 169, 1.5],
    "partition_expiration_days": [400, 400.5, 0],
    "custom_role_suffix": ["-2", "x" * 31],
    "dataset": ["cost-tracking", "x" * 1025],
    "enforcement_policy": REFUSED_POLICIES,
    "folder_id": ["folders/1"],
    "interim_check_share": [0, 90, 1.01],
    "notification_emails": [["oncall"]],
    "price_refresh_hours": [0, 169],
    "project_id": ["My Project", "123456789012"],
    "projects": [["123456789012"]],
    "region": ["us-central1-a", "US"],
    "retry_timeout_seconds": [-1, 0.5],
    "unpriced_share_limit": [2, -0.1],
    "unresolved_share_limit": [1, -0.1],
}

REFUSED_FIRST: Mapping[str, Sequence[object]] = {
    "billing_budgets": [
        {"compute": {**BUDGET, "thresholds": [80]}},
        {"compute": {**BUDGET, "amount": 0}},
        {"compute": {**BUDGET, "calendar_period": "WEEK"}},
        {"compute": {**BUDGET, "projects": []}},
    ],
    "budget_id": ["My budget", "Spotkeeper"],
    "daily_budget_hour_share": [0, 11],
    "daily_budget_projection_share": [0, 11],
    "daily_budget_usd": [0],
    "enforcement_mode": ["on", "Enforce"],
    "hourly_budget_usd": [-1],
    "label_budgets": [
        *[None] * 4,  # Its validations read those of billing_budgets and budget_id.
        {"spotkeeper": TEAM},
        {"Cap": TEAM},
        {"cap": {**TEAM, "label": "host"}},
        {"cap": {**TEAM, "value": "Vision"}},
        {"cap": TEAM, "second": {**TEAM, "daily_usd": 3}},
        {"cap": {**TEAM, "hourly_usd": 0}},
        {"cap": {**TEAM, "hourly_usd": None}},
    ],
    "label_keys": [{"cost_center": ["Cost-Center"]}, {"team": []}, {"team": ["team", "team"]}, {"experiment": ["a,b"]}],
    "monthly_budget_usd": [0],
    "organization_id": ["example.com"],
}
"""Variables that the validations of others read: Terraform skips those when one of these is invalid."""

REFUSED_TOGETHER: Sequence[tuple[str, Values]] = [
    ("billing_account_id", {"billing_account_id": None, "billing_budgets": {"compute": BUDGET}}),
    ("contract_prices", {"billing_account_id": None, "contract_prices": True}),
    ("enforcement_policy", {"enforcement_policy": NO_BUDGET}),
    ("approvers", {"enforcement_mode": "approve", "approvers": []}),
    ("folder_id", {"folder_id": "111111111111"}),
    ("slack_channel", {"slack_channel": "#cloud-costs"}),
    ("enforcement_policy", {"enforcement_policy": policy({"period": "2025-11-01/2025-11-30"})}),
    ("enforcement_policy", {"enforcement_policy": policy({"sources": {"tracker": "stop"}})}),
    ("enforcement_policy", {"enforcement_policy": ONLY_TRACKER, "budget_id": "other", "daily_budget_usd": 1}),
    ("enforcement_policy", {"enforcement_policy": policy(OF_TEAM), "budget_id": "own"}),
    ("enforcement_policy", {"enforcement_policy": ONLY_TRACKER_IN_EUR, "daily_budget_usd": 1}),
    ("enforcement_policy", {"billing_budgets": {"spotkeeper": {**BUDGET, "calendar_period": "QUARTER"}}}),
    ("enforcement_policy", {"billing_budgets": {"spotkeeper": {**BUDGET, "currency": "EUR"}}}),
    ("enforcement_policy", {"billing_budgets": {"spotkeeper": {**BUDGET, "projects": ["other-project-1"]}}}),
]
"""Values that are invalid together with those of another variable, each with the variable that is refused."""

ACCEPTED: Sequence[Values] = [
    LEAST,
    {"enforcement_mode": "off", "enforcement_policy": NO_BUDGET},
    {"retry_timeout_seconds": 300, "alert_thresholds": [10], "catch_up_hours": 1},
    {"retry_timeout_seconds": 0, "unpriced_share_limit": 0},
    {"enforcement_mode": "enforce", "projects": ["vm-project-1"], "budget_publisher": None, "catch_up_hours": 168},
    {"enforcement_mode": "approve", "approvers": ["group:oncall@example.com"]},
    {"folder_id": "1", "organization_id": "2", "slack_channel": "#costs", "slack_token": "t", "daily_budget_usd": 0.01},
    {"enforcement_policy": policy(grace_seconds=300, max_stops_per_alert=1000, max_fleet_share=1)},
    {"enforcement_policy": policy({"period": "2126-11-01/2126-11-01"}, snooze_until="2026-12-01T08:00:00Z")},
    {"enforcement_policy": policy(steps=[{"threshold": 2, "priorities": ["low", "medium", "high"]}])},
    {"enforcement_policy": ONLY_TRACKER, "hourly_budget_usd": 1},
    {"enforcement_policy": policy(OF_TEAM), "label_budgets": {"spotkeeper": TEAM}, "budget_id": "own"},
    {"enforcement_mode": "off", "enforcement_policy": NO_BUDGET, "label_budgets": {"cap": TEAM}},
    {
        "enforcement_mode": "off",
        "enforcement_policy": NO_BUDGET,
        "label_budgets": {"cap": {**TEAM, "label": "squad"}, "run": {**TEAM, "label": "experiment"}},
        "label_keys": {"team": ["team", "squad"]},
    },
    {"enforcement_policy": policy(sources={"tracker": "stop"})},
    {"enforcement_policy": {"budgets": {"My budget": RULE}}, "billing_budgets": {"My budget": BUDGET}, **ACCOUNT},
    {"enforcement_policy": policy({"labels": {"priority": ["high", "low"], "spotkeeper-protect": ["off", "true"]}})},
    {"enforcement_policy": policy({"labels": {"équipe": ["données-1"]}, "max_fleet_share": 0.00001})},
    {
        "billing_account_id": "012345-6789AB-CDEF01",
        "billing_budgets": {"spotkeeper": {**BUDGET, "calendar_period": "YEAR", "currency": "EUR"}},
        "enforcement_policy": policy({"period": "year", "currency": "EUR"}),
    },
    {"label_keys": {"team": ["équipe", "team_1"], "cost_center": ["cost-center"]}},
    {"billing_export_table": "p-1.export.gcp_billing_export_resource_v1_012345_6789AB_CDEF01"},
]

ROUNDS: Sequence[Values] = [
    {name: value for name, value in zip(refused, values, strict=True) if value is not None}
    for refused in (REFUSED, REFUSED_FIRST)
    for values in zip_longest(*refused.values())
]
"""One invalid value for as many variables as still have one: each is refused by itself."""


@needs_terraform
def test_every_validation_refuses_an_invalid_value_and_no_valid_one(tmp_path: Path) -> None:
    refused_cases = [*ROUNDS, *(values for _, values in REFUSED_TOGETHER)]
    expected = [*(set(values) for values in ROUNDS), *({name} for name, _ in REFUSED_TOGETHER)]

    found = refusals(tmp_path, [*refused_cases, *ACCEPTED, parsed(INFRA / "example.tfvars")])

    messages = {message for refused in found for each in refused.values() for message in each}
    assert [set(refused) for refused in found[: len(expected)]] == expected
    assert found[len(expected) :] == [{}] * (len(ACCEPTED) + 1)
    # What follows is the value that is refused.
    rules = {_fixed_part(rule["error_message"]) for body in variables().values() for rule in body.get("validation", [])}
    assert {next((rule for rule in rules if each.startswith(rule)), each) for each in messages} == rules
    assert any(each.startswith("No label can have the key 'Cost-Center': ") for each in messages)


def test_the_function_refuses_at_its_start_every_policy_that_terraform_refuses() -> None:
    assert [policy for policy in (NO_BUDGET, *REFUSED_POLICIES) if not _refused_by_the_function(policy)] == []


def _fixed_part(message: str) -> str:
    return message.partition("${")[0]


def refusals(root: Path, cases: Sequence[Values]) -> Sequence[Mapping[str, Sequence[str]]]:
    """Return the error messages of each case by variable, from two plans.

    Terraform compares variables with each other only when each is valid by itself: what the first plan accepts is
    planned once more.
    """
    found = _planned(root / "first", cases)
    accepted = [at for at, refused in enumerate(found) if not refused]
    again = _planned(root / "second", [cases[at] for at in accepted])
    return [again[accepted.index(at)] if at in accepted else refused for at, refused in enumerate(found)]


def _planned(root: Path, cases: Sequence[Values]) -> Sequence[Mapping[str, Sequence[str]]]:
    """Return the error messages of one plan in which each case calls a module of the variables."""
    (root / "module").mkdir(parents=True)
    for name in ("variables.tf", "policy.tf"):
        shutil.copy(INFRA / name, root / "module")
    calls = {f"case_{at}": {"source": "./module", **LEAST, **ACCOUNT, **values} for at, values in enumerate(cases)}
    (root / "main.tf.json").write_text(_with_a_line_for_each_value(calls))
    run_terraform(root, "init", "-backend=false", "-input=false")
    found: list[dict[str, list[str]]] = [{} for _ in cases]
    for diagnostic in _diagnostics(run_terraform(root, "plan", "-json", "-input=false")):
        case = diagnostic["snippet"]["context"].removeprefix("module.case_")
        name = diagnostic["snippet"]["code"].split('"')[1]
        found[int(case)].setdefault(name, []).append(diagnostic["detail"].partition("\n\nThis was checked")[0])
    return found


def _refused_by_the_function(refused: Values) -> bool:
    try:
        Policy.from_json(json.dumps(refused))
    except SettingsError:
        return True
    return False


def _with_a_line_for_each_value(calls: Mapping[str, Values]) -> str:
    """Return the calls as Terraform's JSON: an error names its variable only by quoting the line of the value."""
    lines = (
        f"{json.dumps(case)}: {{\n"
        + ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in call.items())
        for case, call in calls.items()
    )
    return '{"module": {' + ",\n".join(f"{line}\n}}" for line in lines) + "}}"


def _diagnostics(output: str) -> Sequence[Mapping[str, Any]]:
    return [line["diagnostic"] for line in map(json.loads, output.splitlines()) if "diagnostic" in line]


def run_terraform(root: Path, *words: str) -> str:
    """Run Terraform in a folder and return what it prints."""
    done = subprocess.run(  # noqa: S603 (Terraform, as it was found)
        [str(TERRAFORM), f"-chdir={root}", *words], capture_output=True, text=True, check=False, env=QUIET
    )
    return done.stdout
