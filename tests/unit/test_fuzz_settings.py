"""Whatever an operator writes is read, or refused with the name of what is wrong; so is what labels say."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotkeeper.enforcement.policies import Policy, Priority
from spotkeeper.enforcement.protection import importance, protection
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.errors import SettingsError
from spotkeeper.pricing.machine_types import sizes
from spotkeeper.tracking.settings import TrackerSettings
from tests.unit.any_json import WORDS, any_json, nested, spoilt

NOW = datetime(2026, 7, 21, 14, 7, tzinfo=UTC)
LARGEST_NUMERIC = Decimal(10) ** 29
POLICY = {
    "budgets": {
        "spot": {
            "projects": ["my-project-1"],
            "labels": {"team": ["vision"]},
            "currency": "USD",
            "period": {"first_day": "2026-11-01", "last_day": "2026-12-31"},
            "steps": [{"threshold": 1.0, "priorities": ["low"]}, {"threshold": 1.2, "priorities": ["medium"]}],
            "sources": {"billing": "stop"},
            "max_stops_per_alert": 3,
        }
    },
    "steps": [{"threshold": 0.8, "priorities": ["low"]}],
    "sources": {"tracker": "warn"},
    "max_stops_per_day": 30,
    "max_fleet_share": 0.5,
    "priority_label": "priority",
    "unlabelled_priority": "low",
    "protect_label": "spotkeeper-protect",
    "minimum_age_minutes": 10,
    "snooze_until": "2026-07-21T05:00:00Z",
    "restart": True,
    "grace_seconds": 30,
    "freeze_groups": 1.0,
    "billing_account_id": "012345-6789AB-CDEF01",
}
TRACKER = {
    "PROJECT_ID": "my-project-1",
    "PROJECTS": "my-project-1,my-project-2",
    "DATASET": "cost_tracking",
    "CATCH_UP_HOURS": "48",
    "PRICE_REFRESH_HOURS": "6",
    "ASSET_HISTORY": "true",
    "CUSTOM_METRICS": "false",
    "RETRY_TIMEOUT_SECONDS": "60",
    "CLOCK": "schedule",
    "MONTHLY_BUDGET_USD": "250",
    "DAILY_BUDGET_USD": "99.50",
    "HOURLY_BUDGET_USD": "1",
    "ALERT_THRESHOLDS": "0.5,0.8",
    "BUDGET_TOPIC": "projects/p/topics/t",
    "BUDGET_ID": "spotkeeper",
    "BIGQUERY_ENDPOINT": "http://127.0.0.1:9050",
    "COMPUTE_ENDPOINT": "http://127.0.0.1:9051",
}
ENFORCER = {
    "PROJECT_ID": "my-project-1",
    "ENFORCEMENT_MODE": "dry_run",
    "ENFORCEMENT_POLICY": json.dumps(POLICY),
    "CLOCK": "system",
}
VALUES = st.text(max_size=12) | st.sampled_from((*WORDS, ",", "0.5,NaN", "sNaN,1", "1e-30", "1e9999999", "²", "٣"))


def check_policy(text: str) -> None:
    """Read a policy as the function does when it starts; one that is read can be used."""
    with suppress(SettingsError):
        policy = Policy.from_json(text)
        assert policy.budgets
        for rule in policy.budgets.values():
            assert rule.projects
            assert rule.steps
            assert 0 < min(step.threshold for step in rule.steps) <= max(step.threshold for step in rule.steps) <= 10
            assert rule.caps.per_alert >= 1
            period = rule.period_at(NOW)
            assert period.start < period.end


def test_the_samples_are_read() -> None:
    assert Policy.from_json(json.dumps(POLICY)).budgets
    assert TrackerSettings.from_mapping(TRACKER).budgets.amounts_usd
    assert EnforcerSettings.from_mapping(ENFORCER).policy.grace_seconds == 30


@given(spoilt([POLICY]) | any_json)
def test_a_policy_with_something_wrong_is_read_or_refused(found: Any) -> None:  # noqa: ANN401 (anything is the point)
    check_policy(json.dumps(found[0] if isinstance(found, list) and len(found) == 1 else found))


@given(st.text(max_size=40))
@example('{"budgets": {}, "budgets": {}}')
def test_a_policy_of_any_text_is_refused(text: str) -> None:
    check_policy(text)


@pytest.mark.parametrize("number", ["1e9999999", "-1e9999999", "1" * 4000, "1e999999999999999999999"])
@pytest.mark.parametrize("name", ["grace_seconds", "max_fleet_share", "restart", "steps", "budgets"])
def test_no_number_is_too_large_to_be_refused_by_its_name(name: str, number: str) -> None:
    rest = {key: value for key, value in POLICY.items() if key != name}
    text = f'{json.dumps(rest)[:-1]}, "{name}": {number}}}'

    with pytest.raises(SettingsError, match=f"{name} is |not JSON"):
        Policy.from_json(text)


@pytest.mark.parametrize("depth", [10, 400, 900, 3_000, 4_900, 9_900, 200_000])
@pytest.mark.parametrize("around", ["[]", "{}"])
@pytest.mark.parametrize("name", ["grace_seconds", "steps", "budgets", "currency"])
def test_however_deeply_a_policy_is_nested_it_is_refused(name: str, around: str, depth: int) -> None:
    with pytest.raises(SettingsError):
        Policy.from_json(f'{{"budgets": {{}}, "{name}1": 1, "{name}": {nested(depth, around)}}}')


@given(st.sampled_from(sorted(TRACKER)), VALUES)
def test_tracker_settings_with_one_of_any_text_are_read_or_refused_by_name(name: str, value: str) -> None:
    found = read(TrackerSettings.from_mapping, TRACKER | {name: value}, name)

    if found is not None:
        assert found.projects
        assert all(0 < amount < LARGEST_NUMERIC for amount in found.budgets.amounts_usd.values())
        assert all(amount == round(amount, 9) for amount in found.budgets.amounts_usd.values())
        assert all(0 < share <= 10 and share == round(share, 9) for share in found.budgets.thresholds)
        assert found.budgets.thresholds


@given(st.sampled_from(sorted(ENFORCER)), VALUES)
def test_enforcer_settings_with_one_of_any_text_are_read_or_refused_by_name(name: str, value: str) -> None:
    read(EnforcerSettings.from_mapping, ENFORCER | {name: value}, name)


def read[Settings](
    parse: Callable[[Mapping[str, str]], Settings], found: Mapping[str, str], name: str
) -> Settings | None:
    try:
        return parse(found)
    except SettingsError as error:
        refusal = str(error)
    assert name in refusal
    assert "Exceeds" not in refusal
    return None


LABELS = st.lists(
    st.tuples(
        st.sampled_from(("priority", "spotkeeper-protect", "Priority", "PRIORITY", "x")) | st.text(max_size=6),
        st.sampled_from(
            (
                *WORDS,
                "low",
                "HIGH",
                " medium ",
                "9999-12-31",
                "0001-01-01",
                "".join(map(chr, (*(0x662, 0x660, 0x662, 0x666), 0x2D, *(0x660, 0x661), 0x2D, *(0x660, 0x661)))),
            )
        )
        | st.text(max_size=12),
    ),
    max_size=4,
)


@given(LABELS, st.datetimes(datetime(2000, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 (hypothesis adds the zone)
def test_any_labels_say_how_important_and_whether_protected(labels: list[tuple[str, str]], now: datetime) -> None:
    policy = Policy.from_json(json.dumps(POLICY))

    assert importance(labels, policy).priority in Priority
    reason = protection(labels, policy, now)
    assert reason is None or reason.startswith("protected")


MACHINE_TYPES = st.sampled_from(
    (
        "n2-custom-8-16384",
        "custom-4-8192",
        "e2-custom-small-2048",
        "n2-custom-0-0",
        "custom-999-99999999-ext",
        "custom-٣-4",
    )
)


@given(
    MACHINE_TYPES | st.text(max_size=20) | st.from_regex(r"[a-z0-9]{1,4}-custom-[0-9]{1,9}-[0-9]{1,9}", fullmatch=True)
)
def test_any_name_of_a_machine_type_has_sizes_or_none(name: str) -> None:
    found = sizes(name)

    assert found is None or (found.vcpus > 0 and found.memory_gib > 0)
