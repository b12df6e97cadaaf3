from decimal import Decimal

import pytest

from spotkeeper.errors import SettingsError
from spotkeeper.periods import PeriodKind
from spotkeeper.settings import Clock, TrackerSettings


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
            "CALL_PATIENCE_SECONDS": "5",
            "CLOCK": "schedule",
            "HOURLY_BUDGET_USD": "2.50",
            "DAILY_BUDGET_USD": "50",
            "MONTHLY_BUDGET_USD": "1000",
            "ALERT_THRESHOLDS": "1.0,0.9",
            "BUDGET_TOPIC": "projects/my-project-1/topics/budget",
            "BUDGET_ID": "b-1",
            "BILLING_ACCOUNT_ID": "000000-AAAAAA-111111",
            "BUDGET_DISPLAY_NAME": "Spot fleet",
            "COMPUTE_ENDPOINT": "http://127.0.0.1:8080",
        }
    )

    assert settings.projects == ("team-a-prod", "team-b-prod")
    assert (settings.dataset, settings.catch_up_hours, settings.price_refresh_hours) == ("costs", 12, 24)
    assert (settings.asset_history, settings.custom_metrics, settings.call_patience_seconds) == (True, False, 5)
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


def test_an_empty_variable_is_as_good_as_none() -> None:
    settings = TrackerSettings.from_mapping({"PROJECT_ID": "my-project-1", "PROJECTS": "", "DAILY_BUDGET_USD": " "})

    assert settings == TrackerSettings.from_mapping({"PROJECT_ID": "my-project-1"})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PROJECT_ID", "My Project", "PROJECT_ID is 'My Project', but must be a project id"),
        ("PROJECTS", "team-a-prod;team-b-prod", "PROJECTS is 'team-a-prod;team-b-prod'"),
        ("DATASET", "cost-tracking", "DATASET is 'cost-tracking', but must be letters"),
        ("CATCH_UP_HOURS", "a day", "CATCH_UP_HOURS is 'a day', but must be a whole number from 0 to 168"),
        ("CATCH_UP_HOURS", "169", "CATCH_UP_HOURS is '169'"),
        ("CATCH_UP_HOURS", "-1", "CATCH_UP_HOURS is '-1'"),
        ("PRICE_REFRESH_HOURS", "0", "PRICE_REFRESH_HOURS is '0', but must be a whole number from 1 to 168"),
        ("ASSET_HISTORY", "yes", "ASSET_HISTORY is 'yes', but must be true or false"),
        ("CLOCK", "mine", "CLOCK is 'mine', but must be system or schedule"),
        ("DAILY_BUDGET_USD", "0", "DAILY_BUDGET_USD is '0', but must be an amount above 0"),
        ("DAILY_BUDGET_USD", "NaN", "DAILY_BUDGET_USD is 'NaN'"),
        ("MONTHLY_BUDGET_USD", "$100", "MONTHLY_BUDGET_USD is '$100'"),
        ("ALERT_THRESHOLDS", "80", "ALERT_THRESHOLDS is '80', but must be shares of the budget"),
        ("ALERT_THRESHOLDS", "0.5,", "ALERT_THRESHOLDS is '0.5,'"),
        ("ALERT_THRESHOLDS", "0", "ALERT_THRESHOLDS is '0'"),
        ("BUDGET_TOPIC", "budget", "BUDGET_TOPIC is 'budget', but must be projects/PROJECT/topics/TOPIC"),
        ("BUDGET_ID", "b-1", "BUDGET_ID is set without BUDGET_TOPIC"),
        ("BIGQUERY_ENDPOINT", "not an address", "BIGQUERY_ENDPOINT is 'not an address'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_it_should_be(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        TrackerSettings.from_mapping({"PROJECT_ID": "my-project-1", name: value})

    assert told in str(refusal.value)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as refusal:
        TrackerSettings.from_mapping({"CLOCK": "mine", "DATASET": "a b"})

    assert all(name in str(refusal.value) for name in ("PROJECT_ID is not set", "CLOCK", "DATASET"))
