"""The tables of settings in the documents have the settings and the defaults of the code."""

import json
import re

from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.tracking.settings import TrackerSettings
from tests.docs.references import ROOT
from tests.infra.test_settings_contract import LOCAL_ONLY, read_by

PROJECT = "home-project-1"
POLICY = json.dumps({"budgets": {"b": {"projects": [PROJECT]}}})


def table(document: str, heading: str) -> dict[str, str]:
    """Return the defaults by name in a table; the names of one cell have a value each, or share one."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8").partition(f"| {heading} | default | meaning |\n")[2]
    found: dict[str, str] = {}
    for row in text.partition("\n\n")[0].splitlines()[1:]:
        _, names, values, *_ = row.split("|")
        listed = re.findall(r"`(\w+)`", names)
        defaults = [value.strip(" `") for value in (values.split(", ") if len(listed) > 1 else [values])]
        found |= dict(zip(listed, defaults * len(listed) if len(defaults) == 1 else defaults, strict=False))
    return found


def written(value: object) -> str:
    """Return a default as the documents write it."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value) or "empty"


def test_the_settings_of_the_tracker_are_those_of_its_page() -> None:
    page = table("tracker.md", "variable")
    settings = TrackerSettings.from_mapping({"PROJECT_ID": PROJECT})
    budgets = settings.budgets
    code = {
        "PROJECT_ID": "required",
        "PROJECTS": "PROJECT_ID",
        "DATASET": settings.dataset,
        "DATASET_LOCATION": written(settings.dataset_location),
        "BUDGET_COVERS": budgets.covers,
        "ALERT_THRESHOLDS": ",".join(map(str, budgets.thresholds)),
        "STOP_THRESHOLDS": written(budgets.stop_thresholds or None),
        "DAILY_BUDGET_HOUR_SHARE": str(budgets.hour_share),
        "DAILY_BUDGET_PROJECTION_SHARE": str(budgets.projection_share),
        "LABEL_BUDGETS": written(budgets.labels or None),
        "BUDGET_TOPIC": written(budgets.topic),
        "BUDGET_ID": budgets.budget_id,
        "BILLING_ACCOUNT_ID": written(budgets.billing_account_id),
        "BUDGET_DISPLAY_NAME": budgets.display_name,
        "PRICE_REFRESH_HOURS": written(settings.price_refresh_hours),
        "CATCH_UP_HOURS": written(settings.catch_up_hours),
        "ASSET_HISTORY": written(settings.asset_history),
        "AUDIT_LOG_HISTORY": written(settings.audit_log_history),
        "CAPACITY_HISTORY": written(settings.capacity_history),
        "CAPACITY_HISTORY_CALLS": written(settings.capacity_history_calls),
        "PRICE_RISE_ALERT_PERCENT": written(settings.price_rise_alert_percent),
        "RECORD_CREATORS": written(settings.record_creators),
        "CONTRACT_PRICES": written(settings.contract_prices),
        "INTERIM_CHECKS": written(settings.interim_checks),
        "INTERIM_CHECK_SHARE": str(settings.interim_check_share),
        "CUSTOM_METRICS": written(settings.custom_metrics),
        "RETRY_TIMEOUT_SECONDS": written(settings.retry_timeout_seconds),
        "CLOCK": settings.clock,
    }

    assert {name: default for name, default in page.items() if not name.endswith(("_", "_USD", "_ENDPOINT"))} == code
    assert {name for name in read_by(TrackerSettings) if not name.endswith(("_USD", "_ENDPOINT"))} == code.keys()


def test_the_settings_of_the_enforcer_are_those_of_the_page_of_its_policy() -> None:
    required = {"PROJECT_ID": PROJECT, "ENFORCEMENT_MODE": "dry_run", "ENFORCEMENT_POLICY": POLICY}
    settings = EnforcerSettings.from_mapping(required)

    assert table("policy.md", "variable") == {
        **dict.fromkeys(required, "required"),
        "DATASET": settings.dataset,
        "DATASET_LOCATION": written(settings.dataset_location),
        "APPROVALS_SUBSCRIPTION": written(settings.approvals_subscription),
        "EVENTS_TOPIC": written(settings.events_topic),
        "RETRY_TIMEOUT_SECONDS": written(settings.retry_timeout_seconds),
    }
    assert {name for name in read_by(EnforcerSettings) if name not in LOCAL_ONLY} == {
        *required,
        "APPROVALS_SUBSCRIPTION",
        "EVENTS_TOPIC",
        "DATASET",
        "DATASET_LOCATION",
        "RETRY_TIMEOUT_SECONDS",
    }


def test_the_fields_of_the_policy_are_those_of_its_page() -> None:
    page = table("policy.md", "field")
    policy = Policy.from_json(POLICY)
    rule = policy.budgets["b"]
    [step] = rule.steps
    responses = {str(source): str(response) for source, response in rule.responses.items()}
    code = {
        "budgets": "required",
        "steps": f"{' and '.join(step.priorities)} at {step.threshold:.1f}",
        "sources": ", ".join(f"{source} {response}s" for source, response in responses.items()),
        "max_stops_per_alert": written(rule.caps.per_alert),
        "max_stops_per_day": written(rule.caps.per_day),
        "max_fleet_share": f"{rule.caps.fleet_share:.1f}",
        "priority_label": policy.priority_label,
        "unlabelled_priority": str(policy.unlabelled_priority),
        "protect_label": policy.protect_label,
        "minimum_age_minutes": written(policy.minimum_age_minutes),
        "snooze_until": written(policy.snooze_until),
        "restart": written(policy.restart),
        "grace_seconds": written(policy.grace_seconds),
        "max_message_age_minutes": written(policy.max_message_age_minutes),
        "max_stops_per_day_total": written(policy.max_stops_per_day_total),
        "min_share_of_tracker_cost": written(policy.min_share_of_tracker_cost),
        "spare_local_ssd": written(policy.spare_local_ssd),
        "burst": written(policy.burst),
        "freeze_groups": written(policy.freeze_groups),
        "approval_minutes": written(policy.approval_minutes),
        "execute_unapproved": written(policy.execute_unapproved),
        "billing_account_id": written(policy.billing_account_id),
    }

    assert page == code
