from collections.abc import Mapping
from decimal import Decimal

import pytest

from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.settings import EnforcerSettings, Mode
from spotkeeper.errors import SettingsError
from spotkeeper.periods import PeriodKind
from spotkeeper.settings import Clock, Endpoints
from spotkeeper.tracking.settings import TrackerSettings


def test_only_the_project_must_be_set() -> None:
    settings = TrackerSettings.from_mapping({"PROJECT_ID": "my-project-1"})

    assert settings.projects == ("my-project-1",)
    assert settings.dataset == "cost_tracking"
    assert settings.clock is Clock.SYSTEM
    assert settings.budgets.amounts_usd == {}
    assert settings.budgets.thresholds == (Decimal("0.5"), Decimal("0.8"), Decimal("1.0"))


def test_every_setting_is_read() -> None:
    settings = TrackerSettings.from_mapping(
        {
            "PROJECT_ID": "my-project-1",
            "PROJECTS": "team-b-prod, team-a-prod,team-b-prod",
            "DATASET": "costs",
            "CATCH_UP_HOURS": "12",
            "PRICE_REFRESH_HOURS": "24",
            "ASSET_HISTORY": "true",
            "CUSTOM_METRICS": "false",
            "INTERIM_CHECKS": "true",
            "INTERIM_CHECK_SHARE": "0.75",
            "RETRY_TIMEOUT_SECONDS": "5",
            "CLOCK": "schedule",
            "HOURLY_BUDGET_USD": "2.50",
            "DAILY_BUDGET_USD": "50",
            "MONTHLY_BUDGET_USD": "1000",
            "ALERT_THRESHOLDS": "1.0,0.9",
            "BUDGET_TOPIC": "projects/my-project-1/topics/budget",
            "BUDGET_ID": "b-1",
            "BILLING_ACCOUNT_ID": "000000-AAAAAA-111111",
            "BUDGET_DISPLAY_NAME": "Spot fleet",
            "CONTRACT_PRICES": "true",
            "COMPUTE_ENDPOINT": "http://127.0.0.1:8080",
        }
    )

    assert settings.projects == ("team-a-prod", "team-b-prod")
    assert (settings.dataset, settings.catch_up_hours, settings.price_refresh_hours) == ("costs", 12, 24)
    assert (settings.asset_history, settings.custom_metrics, settings.retry_timeout_seconds) == (True, False, 5)
    assert (settings.interim_checks, settings.interim_check_share) == (True, Decimal("0.75"))
    assert settings.clock is Clock.SCHEDULE
    assert settings.budgets.amounts_usd == {
        PeriodKind.HOUR: Decimal("2.50"),
        PeriodKind.DAY: Decimal(50),
        PeriodKind.MONTH: Decimal(1000),
    }
    assert settings.budgets.thresholds == (Decimal("0.9"), Decimal("1.0"))
    assert settings.budgets.topic == "projects/my-project-1/topics/budget"
    assert (settings.budgets.budget_id, settings.budgets.display_name) == ("b-1", "Spot fleet")
    assert settings.endpoints.compute == "http://127.0.0.1:8080"
    assert settings.endpoints.bigquery is None
    assert settings.contract_prices


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"CONTRACT_PRICES": "true"}, "CONTRACT_PRICES is true without BILLING_ACCOUNT_ID: say whose contract it is"),
        ({"CONTRACT_PRICES": "012345-6789AB-CDEF01"}, "CONTRACT_PRICES is"),
        (
            {"CONTRACT_PRICES": "true", "BILLING_ACCOUNT_ID": "billingAccounts/012345-6789AB-CDEF01"},
            "BILLING_ACCOUNT_ID is",
        ),
    ],
)
def test_contract_prices_without_the_account_whose_they_are_are_refused(
    variables: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        TrackerSettings.from_mapping({"PROJECT_ID": "my-project-1", **variables})

    assert message in str(refused.value)


UUID = "11111111-2222-3333-4444-555555555555"
TEAM = '{"cap-vision": {"label": "team", "value": "vision", "hourly_usd": 20, "stop_thresholds": [1.0, 0.8]}}'


def with_labels(text: str, **others: str) -> dict[str, str]:
    return {
        "PROJECT_ID": "my-project-1",
        "BUDGET_TOPIC": "projects/my-project-1/topics/b",
        "LABEL_BUDGETS": text,
        **others,
    }


def test_a_budget_of_a_label_value_has_the_id_the_amounts_and_the_stop_thresholds_of_its_own() -> None:
    budgets = TrackerSettings.from_mapping(with_labels(TEAM, DAILY_BUDGET_USD="50", STOP_THRESHOLDS="1.1")).budgets

    [(own, all_vms), (label, of_team)] = budgets.each()
    assert (own, all_vms.amounts_usd, all_vms.stop_thresholds) == (
        None,
        {PeriodKind.DAY: Decimal(50)},
        (Decimal("1.1"),),
    )
    assert label is not None
    assert (label.name, of_team.amounts_usd, of_team.stop_thresholds) == (
        "team=vision",
        {PeriodKind.HOUR: Decimal(20)},
        (Decimal("0.8"), Decimal(1)),
    )
    assert (of_team.budget_id, of_team.display_name) == ("cap-vision", "spotkeeper: team=vision")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TEAM.replace("vision", "Vision!"),
            'LABEL_BUDGETS: it has "cap-Vision!", but each name must be an id of its own',
        ),
        (
            TEAM.replace("cap-vision", UUID),
            f'it has "{UUID}", but each name must be an id of its own such as cap-vision',
        ),
        (TEAM.replace('"vision"', '"Vision"'), 'cap-vision.value is "Vision", but must be a label value'),
        (TEAM.replace('"vision"', '""'), 'cap-vision.value is "", but must be a label value such as vision: instances'),
        (
            TEAM.replace('"team"', '"Team"'),
            'cap-vision.label is "Team", but must be a label key',
        ),
        (TEAM.replace("20", "0"), "cap-vision.hourly_usd is 0, but must be an amount above 0"),
        (TEAM.replace("0.8", "80"), "cap-vision.stop_thresholds is [1.0, 80], but must be a list, each item a share"),
        (
            TEAM.replace("hourly_usd", "hourly"),
            "cap-vision has no amount: set one of hourly_usd, daily_usd, monthly_usd",
        ),
        (
            TEAM.replace("hourly_usd", "hourly"),
            "cap-vision.hourly is not a field: here it takes daily_usd, hourly_usd,",
        ),
        (TEAM.replace("cap-vision", "spotkeeper"), "spotkeeper is BUDGET_ID: give the budget of team=vision an id of"),
        (f"{TEAM[:-1]}, {TEAM.replace('cap', 'second')[1:]}", "cap-vision and second-vision are both of team=vision"),
        ("[]", "LABEL_BUDGETS: it is [], but must be a JSON object"),
    ],
)
def test_a_budget_of_a_label_value_that_cannot_be_right_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        TrackerSettings.from_mapping(with_labels(text))

    assert message in str(refused.value)


def test_budgets_of_label_values_need_a_topic_for_their_alerts() -> None:
    with pytest.raises(SettingsError, match="LABEL_BUDGETS is set without BUDGET_TOPIC"):
        TrackerSettings.from_mapping(with_labels(TEAM, BUDGET_TOPIC=""))


def test_an_empty_variable_is_as_good_as_none() -> None:
    settings = TrackerSettings.from_mapping({"PROJECT_ID": "my-project-1", "PROJECTS": "", "DAILY_BUDGET_USD": " "})

    assert settings == TrackerSettings.from_mapping({"PROJECT_ID": "my-project-1"})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PROJECT_ID", "My Project", 'PROJECT_ID is "My Project", but must be a project id'),
        ("PROJECTS", "team-a-prod;team-b-prod", 'PROJECTS is "team-a-prod;team-b-prod"'),
        ("DATASET", "cost-tracking", 'DATASET is "cost-tracking", but must be letters'),
        ("CATCH_UP_HOURS", "a day", 'CATCH_UP_HOURS is "a day", but must be a whole number from 1 to 168'),
        ("CATCH_UP_HOURS", "169", 'CATCH_UP_HOURS is "169"'),
        ("CATCH_UP_HOURS", "0", 'CATCH_UP_HOURS is "0"'),
        ("PRICE_REFRESH_HOURS", "0", 'PRICE_REFRESH_HOURS is "0", but must be a whole number from 1 to 168'),
        ("ASSET_HISTORY", "yes", 'ASSET_HISTORY is "yes", but must be true or false'),
        ("CLOCK", "mine", 'CLOCK is "mine", but must be system or schedule'),
        ("DAILY_BUDGET_USD", "0", 'DAILY_BUDGET_USD is "0", but must be an amount above 0'),
        ("DAILY_BUDGET_USD", "NaN", 'DAILY_BUDGET_USD is "NaN"'),
        ("MONTHLY_BUDGET_USD", "$100", 'MONTHLY_BUDGET_USD is "$100"'),
        ("BUDGET_COVERS", "all", 'BUDGET_COVERS is "all", but must be total or compute'),
        ("BUDGET_COVERS", "TOTAL", 'BUDGET_COVERS is "TOTAL"'),
        ("ALERT_THRESHOLDS", "80", 'ALERT_THRESHOLDS is "80", but must be shares of the budget'),
        ("ALERT_THRESHOLDS", "0.5,", 'ALERT_THRESHOLDS is "0.5,"'),
        ("ALERT_THRESHOLDS", "0", 'ALERT_THRESHOLDS is "0"'),
        ("BUDGET_TOPIC", "budget", 'BUDGET_TOPIC is "budget", but must be projects/PROJECT/topics/TOPIC'),
        ("BUDGET_ID", "b-1", "BUDGET_ID is set without BUDGET_TOPIC"),
        ("BIGQUERY_ENDPOINT", "not an address", 'BIGQUERY_ENDPOINT is "not an address"'),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_it_should_be(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        TrackerSettings.from_mapping({"PROJECT_ID": "my-project-1", name: value})

    assert message in str(refusal.value)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as refusal:
        TrackerSettings.from_mapping({"CLOCK": "mine", "DATASET": "a b"})

    assert all(name in str(refusal.value) for name in ("PROJECT_ID is not set", "CLOCK", "DATASET"))


POLICY = '{"budgets": {"budget-1": {"projects": ["team-a-prod"]}}}'
TRACKER: Mapping[str, str] = {"PROJECT_ID": "my-project-1"}
ENFORCER: Mapping[str, str] = {
    "PROJECT_ID": "my-project-1",
    "ENFORCEMENT_MODE": "dry_run",
    "ENFORCEMENT_POLICY": POLICY,
}


def test_the_enforcer_must_be_given_its_project_its_mode_and_its_policy() -> None:
    settings = EnforcerSettings.from_mapping(ENFORCER)

    assert (settings.project_id, settings.mode, settings.dataset) == ("my-project-1", Mode.DRY_RUN, "cost_tracking")
    assert settings.policy == Policy.from_json(POLICY)
    assert settings.retry_timeout_seconds == 60
    assert (settings.clock, settings.endpoints) == (Clock.SYSTEM, Endpoints())


def test_every_setting_of_the_enforcer_is_read() -> None:
    settings = EnforcerSettings.from_mapping(
        {
            **ENFORCER,
            "ENFORCEMENT_MODE": "enforce",
            "DATASET": "costs",
            "RETRY_TIMEOUT_SECONDS": "0",
            "CLOCK": "schedule",
            "RESOURCE_MANAGER_ENDPOINT": "http://127.0.0.1:8080",
        }
    )

    assert (settings.mode, settings.dataset, settings.clock) == (Mode.ENFORCE, "costs", Clock.SCHEDULE)
    assert settings.retry_timeout_seconds == 0
    assert settings.endpoints == Endpoints(resource_manager="http://127.0.0.1:8080")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PROJECT_ID", "", "PROJECT_ID is not set"),
        ("ENFORCEMENT_MODE", "", "ENFORCEMENT_MODE is not set"),
        ("ENFORCEMENT_MODE", "on", 'ENFORCEMENT_MODE is "on", but must be dry_run or approve or enforce'),
        ("ENFORCEMENT_MODE", "ENFORCE", 'ENFORCEMENT_MODE is "ENFORCE", but must be dry_run or approve or enforce'),
        ("ENFORCEMENT_POLICY", "", "ENFORCEMENT_POLICY is not set"),
        ("ENFORCEMENT_POLICY", "low", "ENFORCEMENT_POLICY: it is not JSON"),
        ("ENFORCEMENT_POLICY", "[]", "ENFORCEMENT_POLICY: it is [], but must be a JSON object"),
        ("ENFORCEMENT_POLICY", "{}", "ENFORCEMENT_POLICY: budgets is empty"),
        ("ENFORCEMENT_POLICY", '{"grace_seconds": 1e999999}', "grace_seconds is 1E+999999"),
        ("CLOCK", "mine", 'CLOCK is "mine", but must be system or schedule'),
        ("RESOURCE_MANAGER_ENDPOINT", "not an address", 'RESOURCE_MANAGER_ENDPOINT is "not an address"'),
    ],
)
def test_a_wrong_setting_of_the_enforcer_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        EnforcerSettings.from_mapping({**ENFORCER, name: value})

    assert message in str(refusal.value)


def test_all_wrong_settings_of_the_enforcer_are_named_at_once_those_within_the_policy_too() -> None:
    policy = '{"max_stops_per_alert": 0, "steps": [{"threshold": 80, "priorities": ["low"]}]}'
    with pytest.raises(SettingsError) as refusal:
        EnforcerSettings.from_mapping({"ENFORCEMENT_POLICY": policy, "CLOCK": "mine"})

    named = ("PROJECT_ID is not set", "ENFORCEMENT_MODE is not set", "CLOCK", "max_stops_per_alert is 0", "write 0.8")
    assert all(fault in str(refusal.value) for fault in named)
    assert "budgets is empty" in str(refusal.value)


@pytest.mark.parametrize(
    ("endpoints", "said"),
    [
        ({}, "CLOCK is schedule, but no endpoint is set"),
        ({"COMPUTE_ENDPOINT": "compute.example.com"}, "COMPUTE_ENDPOINT is not on this machine"),
        (
            {"BIGQUERY_ENDPOINT": "http://127.0.0.1:9050", "COMPUTE_ENDPOINT": "https://127.0.0.1.example.com"},
            "CLOCK is schedule, but COMPUTE_ENDPOINT is not on this machine",
        ),
    ],
)
def test_a_replay_is_refused_unless_every_endpoint_is_local(endpoints: Mapping[str, str], said: str) -> None:
    for read, variables in ((TrackerSettings.from_mapping, TRACKER), (EnforcerSettings.from_mapping, ENFORCER)):
        with pytest.raises(SettingsError, match=said):
            read({**variables, "CLOCK": "schedule", **endpoints})


@pytest.mark.parametrize("host", ["127.0.0.1", "https://127.0.0.1", "127.8.8.8:80"])
def test_a_replay_takes_the_addresses_of_this_machine(host: str) -> None:
    settings = TrackerSettings.from_mapping({**TRACKER, "CLOCK": "schedule", "BIGQUERY_ENDPOINT": host})

    assert settings.clock is Clock.SCHEDULE


def test_a_setting_with_an_old_name_is_refused_with_the_new_one() -> None:
    for read, variables in ((TrackerSettings.from_mapping, TRACKER), (EnforcerSettings.from_mapping, ENFORCER)):
        with pytest.raises(SettingsError, match="CALL_PATIENCE_SECONDS was renamed: use RETRY_TIMEOUT_SECONDS"):
            read({**variables, "CALL_PATIENCE_SECONDS": "60"})


def test_a_setting_that_was_removed_is_refused_with_the_reason() -> None:
    with pytest.raises(SettingsError, match="PARALLEL_STOPS was removed: it is fixed"):
        TrackerSettings.from_mapping({**TRACKER, "PARALLEL_STOPS": "32"})
