import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from spotkeeper.enforcement.policies import (
    Caps,
    CustomPeriod,
    Policy,
    Priority,
    Response,
    Source,
    Step,
)
from spotkeeper.errors import SettingsError
from spotkeeper.periods import PeriodKind
from spotkeeper.values import shown
from tests.unit.enforcer_samples import BUDGET_ID, HIGH, LOW, MEDIUM, PROJECT, at, labelled, rule, vm

UUID_ADVICE = ": write 11111111-2222-3333-4444-555555555555"
LEAST: dict[str, Any] = {"budgets": {BUDGET_ID: {"projects": [PROJECT]}}}


def read(**changes: object) -> Policy:
    """The least policy there can be, with these fields as well."""
    return Policy.from_json(json.dumps(LEAST | changes))


def read_rule(**changes: object) -> Policy:
    """A policy whose only budget has these fields as well."""
    return read(budgets={BUDGET_ID: {"projects": [PROJECT], **changes}})


def refusal(written: Mapping[str, object] | str) -> str:
    text = written if isinstance(written, str) else json.dumps(written)
    with pytest.raises(SettingsError) as refused:
        Policy.from_json(text)
    return str(refused.value)


def test_what_a_policy_does_not_say_is_as_careful_as_can_be() -> None:
    policy = read()
    rule = policy.budgets[BUDGET_ID]

    assert rule.budget_id == BUDGET_ID
    assert (rule.projects, rule.labels, rule.currency, rule.period) == ((PROJECT,), {}, "USD", PeriodKind.MONTH)
    assert rule.steps == (Step(Decimal(1), frozenset({Priority.LOW})),)
    assert rule.caps == Caps(per_alert=3, per_day=30, fleet_share=Decimal(1))
    assert rule.responses == {Source.BILLING: Response.STOP, Source.TRACKER: Response.WARN}
    assert (policy.priority_label, policy.unlabelled_priority) == ("priority", LOW)
    assert (policy.protect_label, policy.minimum_age_minutes) == ("spotkeeper-protect", 0)
    assert (policy.max_message_age_minutes, policy.max_stops_per_day_total) == (120, 50)
    assert (policy.min_share_of_tracker_cost, policy.spare_local_ssd) == (Decimal("0.1"), False)
    assert (policy.snooze_until, policy.restart, policy.grace_seconds) == (None, False, 0)
    assert policy.billing_account_id is None


def test_every_field_is_read() -> None:
    policy = read(
        budgets={
            BUDGET_ID: {
                "projects": ["team-b-prod", "team-a-prod", "team-b-prod"],
                "labels": {"team": ["ml", "web"], "env": "dev"},
                "currency": "EUR",
                "period": "quarter",
                "steps": [
                    {"threshold": 1.2, "priorities": ["high", "medium", "low"]},
                    {"threshold": 1, "priorities": ["low"]},
                ],
                "max_stops_per_alert": 5,
                "max_stops_per_day": 1000,
                "max_fleet_share": 0.25,
                "sources": {"billing": "stop", "tracker": "stop"},
            }
        },
        billing_account_id="000000-AAAAAA-111111",
        priority_label="importance",
        unlabelled_priority="high",
        protect_label="keep",
        minimum_age_minutes=10080,
        snooze_until="2026-07-22T02:00:00+02:00",
        restart=True,
        grace_seconds=300,
        freeze_groups=0.9,
    )
    rule = policy.budgets[BUDGET_ID]

    assert rule.projects == ("team-a-prod", "team-b-prod")
    assert rule.labels == {"team": frozenset({"ml", "web"}), "env": frozenset({"dev"})}
    assert (rule.currency, rule.period) == ("EUR", PeriodKind.QUARTER)
    assert rule.steps == (
        Step(Decimal(1), frozenset({LOW})),
        Step(Decimal("1.2"), frozenset({LOW, MEDIUM, HIGH})),
    )
    assert rule.caps == Caps(5, 1000, Decimal("0.25"))
    assert rule.responses == {Source.BILLING: Response.STOP, Source.TRACKER: Response.STOP}
    assert policy.billing_account_id == "000000-AAAAAA-111111"
    assert (policy.priority_label, policy.unlabelled_priority, policy.protect_label) == ("importance", HIGH, "keep")
    assert (policy.minimum_age_minutes, policy.grace_seconds, policy.restart) == (10080, 300, True)
    assert policy.snooze_until == at("2026-07-22T00:00:00")
    assert policy.freeze_groups == Decimal("0.9")


def test_what_is_said_for_all_budgets_holds_where_one_does_not_say_otherwise() -> None:
    policy = read(
        steps=[{"threshold": 0.5, "priorities": ["low"]}],
        max_stops_per_alert=7,
        max_stops_per_day=8,
        sources={"tracker": "stop"},
        budgets={
            "plain": {"projects": [PROJECT]},
            "own": {"projects": [PROJECT], "max_stops_per_alert": 1, "sources": {"tracker": "warn"}},
        },
    )
    plain, own = policy.budgets["plain"], policy.budgets["own"]

    assert plain.steps == own.steps == (Step(Decimal("0.5"), frozenset({LOW})),)
    assert (plain.caps, own.caps) == (Caps(7, 8), Caps(1, 8))
    assert plain.responses == {Source.BILLING: Response.STOP, Source.TRACKER: Response.STOP}
    assert own.responses == {Source.BILLING: Response.STOP, Source.TRACKER: Response.WARN}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("steps", [], "steps is [], but must be a list such as"),
        ("steps", 0.8, "steps is 0.8, but must be a list such as"),
        ("steps", [{"share": 1.0}], "but must be a list such as"),
        ("steps", [{"threshold": 1.0, "priorities": ["low"], "more": 1}], "but must be a list such as"),
        ("steps", [{"threshold": 1.0, "priorities": ["lowest"]}], "but must be low or medium or high"),
        ("steps", [{"threshold": 1.0, "priorities": []}], "but must be a list of at least one name"),
        ("steps", [{"threshold": 80, "priorities": ["low"]}], "where 1.0 is all of it: write 0.8"),
        ("steps", [{"threshold": 2.01, "priorities": ["low"]}], "up to 2, where 1.0 is all of it: write 0.0201"),
        ("steps", [{"threshold": 0, "priorities": ["low"]}], "each threshold is a share above 0"),
        ("steps", [{"threshold": -1, "priorities": ["low"]}], "each threshold is a share above 0"),
        ("steps", [{"threshold": "1.0", "priorities": ["low"]}], "each threshold is a share above 0"),
        ("steps", [{"threshold": True, "priorities": ["low"]}], "each threshold is a share above 0"),
        (
            "steps",
            [{"threshold": 1, "priorities": ["low"]}] * 2,
            "but must be a list in which every threshold is named once",
        ),
        ("max_stops_per_alert", 0, "max_stops_per_alert is 0, but must be a whole number from 1 to 1000"),
        ("max_stops_per_alert", 1001, "max_stops_per_alert is 1001"),
        ("max_stops_per_alert", 2.5, "max_stops_per_alert is 2.5"),
        ("max_stops_per_alert", "3", 'max_stops_per_alert is "3"'),
        ("max_stops_per_alert", True, "max_stops_per_alert is true"),
        ("max_stops_per_alert", None, "max_stops_per_alert is null"),
        ("max_stops_per_day", 0, "max_stops_per_day is 0, but must be a whole number from 1 to 1000"),
        ("max_fleet_share", 80, "max_fleet_share is 80, but must be a share above 0 and up to 1"),
        ("max_fleet_share", 80, "write 0.8"),
        ("max_fleet_share", 0, "max_fleet_share is 0"),
        ("max_fleet_share", 101, "max_fleet_share is 101"),
        ("sources", {"billing": "halt"}, 'sources.billing is "halt", but must be stop or warn'),
        ("sources", {"alarm": "stop"}, "sources.alarm is not a field: here it takes billing, tracker"),
        (
            "priority_label",
            "Priority",
            'priority_label is "Priority", but must be a label key such as priority: lowercase letters',
        ),
        ("priority_label", "", 'priority_label is ""'),
        (
            "protect_label",
            "KEEP",
            'protect_label is "KEEP", but must be a label key such as priority: lowercase letters',
        ),
        ("unlabelled_priority", "none", "unlabelled_priority is"),
        ("minimum_age_minutes", -1, "minimum_age_minutes is -1, but must be a whole number from 0 to 10080"),
        ("minimum_age_minutes", 10081, "minimum_age_minutes is 10081"),
        ("max_message_age_minutes", 9, "max_message_age_minutes is 9, but must be a whole number from 10 to 10080"),
        ("max_stops_per_day_total", 0, "max_stops_per_day_total is 0, but must be a whole number from 1 to 10000"),
        ("min_share_of_tracker_cost", 10, "min_share_of_tracker_cost is 10, but must be a number from 0 to 1"),
        ("burst", "yes", 'burst is "yes", but must be true or false'),
        ("spare_local_ssd", "yes", 'spare_local_ssd is "yes", but must be true or false'),
        ("freeze_groups", 2.5, "freeze_groups is 2.5, but must be"),
        ("freeze_groups", True, "freeze_groups is true, but must be a share above 0 and up to 2"),
        ("grace_seconds", 301, "grace_seconds is 301, but must be a whole number from 0 to 300"),
        ("snooze_until", "tomorrow", "but must be a time such as 2026-07-21T05:00:00Z"),
        ("snooze_until", "2026-07-21", "but must be a time such as"),
        (
            "snooze_until",
            20260721,
            "snooze_until is 20260721, but must be a time such as",
        ),
        ("restart", "yes", 'restart is "yes", but must be true or false'),
        ("without_records", "refuse", "without_records was removed: the enforcer waits for BigQuery"),
        ("most_stops_per_alert", 3, "most_stops_per_alert was renamed: use max_stops_per_alert"),
        ("most_stops_per_day", 3, "most_stops_per_day was renamed: use max_stops_per_day"),
        ("most_share_of_fleet", 1, "most_share_of_fleet was renamed: use max_fleet_share"),
        ("signals", {}, "signals was renamed: use sources"),
        ("steps", [{"share": 1, "priorities": ["low"]}], "instead of share, write threshold"),
        (
            "steps",
            [{"threshold": 0.8, "priorities": ["medium"]}, {"threshold": 1, "priorities": ["low"]}],
            "must be steps in order of priority: at 0.8, low is not allowed yet",
        ),
        ("steps", [{"threshold": 1, "priorities": ["low", "high"]}], "at 1, medium is not allowed yet"),
        (
            "steps",
            [{"threshold": 1, "priorities": ["low", "medium"]}, {"threshold": 1.2, "priorities": ["low"]}],
            "must be steps that each allow another priority: at 1.2, none is added",
        ),
        ("max_fleet_share", 0.000009, "must be a share of at least 0.00001, which is one instance of 100,000"),
        (
            "sources",
            {"billing": "warn"},
            "but must be stop for one source at least: for plans without stops, set ENFORCEMENT_MODE to dry_run",
        ),
        ("protect_label", "priority", 'protect_label is "priority", but must be another label than priority_label'),
        ("priority_label", "x" * 64, "a letter first, at most 63"),
        ("priority_label", "1st", "a letter first"),
        ("protect_label", "keep it", "must be a label key such as priority"),
        ("billing_account_id", "", "billing_account_id is"),
        (
            "billing_account_id",
            "billingAccounts/01ABCD-23EF45-678901",
            "must be a billing account id such as 012345-6789AB-CDEF01: write 01ABCD-23EF45-678901",
        ),
        ("billing_account_id", "01abcd-23ef45-678901", "write 01ABCD-23EF45-678901"),
        ("billing_account_id", "My Billing Account", "must be a billing account id such as 012345-6789AB-CDEF01"),
        ("budgets", [], "budgets is [], but must be an object"),
        ("budgets", {}, "budgets is empty, but must name at least one budget"),
        ("budgets", {"b": []}, "budgets.b is [], but must be an object"),
        ("mode", "enforce", "mode is not a field: here it takes approval_minutes, billing_account_id,"),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_what_it_should_be(field: str, value: object, message: str) -> None:
    said = refusal(LEAST | {field: value})

    assert any(each in said for each in message.split("|"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("projects", [], "budgets.budget-1.projects is [], but must be a list of at least one name"),
        ("projects", ["123456"], "but must be a list of project ids such as my-project-1 (not numbers, not names)"),
        ("projects", "team-a-prod", "budgets.budget-1.projects is"),
        ("projects", [1], "but must be a list of at least one name"),
        ("labels", {"team": []}, "budgets.budget-1.labels.team is [], but must be a list of at least one name"),
        ("labels", {"team": 3}, "budgets.budget-1.labels.team is 3"),
        ("labels", ["team"], "budgets.budget-1.labels is"),
        ("labels", {"Team": ["ml"]}, 'budgets.budget-1.labels has "Team", but each name must be a label key'),
        ("labels", {"team": ["ML"]}, 'budgets.budget-1.labels.team is ["ML"], but must be a label value such as dev'),
        ("labels", {"team": ["x" * 64]}, "at most 63"),
        ("currency", "usd", "but must be a currency code such as USD"),
        ("currency", "US", "but must be a currency code such as USD"),
        ("period", "week", 'but must be month, quarter, year or {"first_day"'),
        ("period", "day", "but must be month, quarter, year or"),
        ("period", "custom", "but must be month, quarter, year or"),
        ("period", {"first_day": "2026-11-01"}, "but must be month, quarter, year or"),
        ("period", {"first_day": "2026-11-02", "last_day": "2026-11-01"}, "but must be month, quarter, year or"),
        ("period", {"first_day": "2026-02-30", "last_day": "2026-11-01"}, "but must be month, quarter, year or"),
        ("period", {"first_day": 1, "last_day": 2}, "but must be month, quarter, year or"),
        ("steps", [{"threshold": 90, "priorities": ["low"]}], "write 0.9"),
        ("signals", {}, "budgets.budget-1.signals was renamed: use budgets.budget-1.sources"),
        ("without_records", "act", "budgets.budget-1.without_records is not a field"),
        ("max_stops_per_day", 0, "budgets.budget-1.max_stops_per_day is 0"),
        ("sources", {"tracker": 1}, "budgets.budget-1.sources.tracker is 1"),
        ("project", PROJECT, "budgets.budget-1.project is not a field: here it takes currency, labels,"),
    ],
)
def test_a_wrong_field_of_a_budget_is_named_with_its_path(field: str, value: object, message: str) -> None:
    assert message in refusal({"budgets": {BUDGET_ID: {"projects": [PROJECT], field: value}}})


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("My budget", ""),
        ("Spotkeeper", ": write spotkeeper"),
        ("billingAccounts/012345-6789AB-CDEF01/budgets/11111111-2222-3333-4444-555555555555", UUID_ADVICE),
        ("11111111-2222-3333-4444-55555555555A", ": write 11111111-2222-3333-4444-55555555555a"),
        ("11111111-2222-3333-4444-55555555555", ""),
        ("11111111222233334444555555555555", ""),
        ("", ""),
    ],
)
def test_what_cannot_be_the_id_of_a_budget_is_refused(name: str, advice: str) -> None:
    message = refusal({"budgets": {name: {"projects": [PROJECT]}}})

    assert message == (
        f"budgets has {shown(name)}, but each name must be the id of a budget: 11111111-2222-3333-4444-555555555555 of "
        f"Cloud Billing, or the tracker's BUDGET_ID in lowercase letters, digits, - and _{advice}"
    )


@pytest.mark.parametrize("name", ["11111111-2222-3333-4444-55555555555a", "spotkeeper", "deadbeef", "b_1-x"])
def test_the_ids_of_cloud_billing_and_of_the_tracker_are_read(name: str) -> None:
    assert name in Policy.from_json(json.dumps({"budgets": {name: {"projects": [PROJECT]}}})).budgets


def test_below_the_budget_only_a_budget_in_usd_can_be_forecast() -> None:
    early = [{"threshold": 0.8, "priorities": ["low"]}, {"threshold": 1, "priorities": ["medium"]}]
    message = refusal({"steps": early, "budgets": {BUDGET_ID: {"projects": [PROJECT], "currency": "EUR"}}})

    assert message == (
        "budgets.budget-1.steps is 0.8, but must be thresholds of 1 or more in EUR: below the budget a forecast "
        "decides, and prices are in USD"
    )
    assert read(steps=early).budgets[BUDGET_ID].steps[0].threshold == Decimal("0.8")


@pytest.mark.parametrize("labels", [{"équipe": ["données-1"]}, {"team": ["1_2-3"]}, {"日本": ["語"]}])
def test_labels_of_any_script_without_capitals_are_read(labels: dict[str, list[str]]) -> None:
    assert read_rule(labels=labels).budgets[BUDGET_ID].labels.keys() == labels.keys()


def test_a_budget_must_name_its_projects() -> None:
    assert "budgets.budget-1.projects is missing" in refusal({"budgets": {BUDGET_ID: {}}})


def test_all_problems_are_named_at_once_a_missing_budget_too() -> None:
    wrong = {"max_stops_per_alert": 0, "restart": 1, "grace": 5, "billing_account_id": "x", "protect_label": "Keep"}
    message = refusal(wrong)

    assert all(
        problem in message
        for problem in (
            "max_stops_per_alert is 0",
            'billing_account_id is "x"',
            'protect_label is "Keep"',
            "restart is 1",
            "grace is not a field",
            "budgets is empty, but must name at least one budget by its id",
        )
    )


def test_budgets_of_the_wrong_type_are_not_called_empty_as_well() -> None:
    assert refusal({"budgets": [1]}) == "budgets is [1], but must be an object"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it is [], but must be a JSON object"),
        ("null", "it is null, but must be a JSON object"),
        ('{"restart": true, "restart": false}', 'it is not JSON: duplicate key "restart"'),
        ('{"grace_seconds": 1e99999999999999999999}', "it is not JSON"),
        ('{"grace_seconds": 1e999999}', "grace_seconds is 1E+999999, but must be a whole number"),
        ('{"grace_seconds": -1e999999}', "grace_seconds is -1E+999999"),
        ('{"grace_seconds": 1e-999999}', "grace_seconds is 1E-999999, but must be a whole number"),
        ('{"grace_seconds": [1.5, 2, 1e400]}', "grace_seconds is [1.5, 2, 1E+400], but must be"),
        ('{"grace_seconds": NaN}', "it is not JSON: NaN is not a number"),
        (f'{{"grace_seconds": {"9" * 10_000}}}', "grace_seconds is 99999"),
        ('{"steps": [{"threshold": NaN, "priorities": ["low"]}]}', "it is not JSON: NaN"),
        ('{"steps": [{"threshold": Infinity, "priorities": ["low"]}]}', "it is not JSON: Infinity"),
    ],
)
def test_a_policy_that_no_person_would_write_is_refused_like_any_other(written: str, message: str) -> None:
    assert message in refusal(written)


def test_a_long_value_is_shown_by_its_beginning() -> None:
    message = refusal(LEAST | {"restart": "x" * 1000})

    assert f'restart is "{"x" * 78}…, but must be true or false' in message


@pytest.mark.parametrize(
    ("labels", "covered"),
    [
        ({"team": "ml", "env": "dev"}, True),
        ({"team": "web", "env": "dev", "more": "x"}, True),
        ({"team": "ml"}, False),
        ({"team": "ops", "env": "dev"}, False),
        ({"team": "ML", "env": "dev"}, False),
        ({}, False),
    ],
)
def test_a_budget_covers_what_has_every_label_with_one_of_its_values(labels: dict[str, str], covered: bool) -> None:  # noqa: FBT001 (a table's column)
    scope = rule(labels={"team": frozenset({"ml", "web"}), "env": frozenset({"dev"})})

    assert scope.covers(labelled(vm(), **labels).instance) is covered


def test_a_budget_covers_its_projects_only() -> None:
    assert rule().covers(vm().instance)
    assert not rule().covers(vm(project="team-b-prod").instance)


def test_a_budget_of_fixed_dates_lasts_from_the_first_midnight_to_the_last_in_los_angeles() -> None:
    policy = read_rule(period={"first_day": "2026-03-08", "last_day": "2026-11-01"})
    period = policy.budgets[BUDGET_ID].period_at(datetime(2030, 1, 1, tzinfo=UTC))

    assert policy.budgets[BUDGET_ID].period == CustomPeriod(date(2026, 3, 8), date(2026, 11, 1))
    assert period == (PeriodKind.CUSTOM, at("2026-03-08T08:00:00"), at("2026-11-02T08:00:00"))


def test_a_budget_may_be_of_one_day() -> None:
    rule = read_rule(period={"first_day": "2026-11-01", "last_day": "2026-11-01"}).budgets[BUDGET_ID]

    assert rule.period == CustomPeriod(date(2026, 11, 1), date(2026, 11, 1))


def test_a_budget_without_a_last_day_to_speak_of_has_a_period_all_the_same() -> None:
    policy = read_rule(period={"first_day": "0001-01-01", "last_day": "9999-12-31"})
    period = policy.budgets[BUDGET_ID].period_at(at("2026-07-21T00:00:00"))

    assert period.start < at("2026-07-21T00:00:00") < period.end


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        ("month", "2026-07-01T07:00:00", "2026-08-01T07:00:00"),
        ("quarter", "2026-07-01T07:00:00", "2026-10-01T07:00:00"),
        ("year", "2026-01-01T08:00:00", "2027-01-01T08:00:00"),
    ],
)
def test_a_budget_period_is_that_of_the_moment(kind: str, start: str, end: str) -> None:
    period = read_rule(period=kind).budgets[BUDGET_ID].period_at(at("2026-07-21T14:07:00"))

    assert period == (PeriodKind(kind), at(start), at(end))


def test_priorities_rank_from_low_to_high() -> None:
    assert [each.rank for each in (LOW, MEDIUM, HIGH)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("currency", "sources", "refused"),
    [
        ("EUR", {"billing": "warn", "tracker": "stop"}, True),
        ("EUR", {"billing": "stop", "tracker": "stop"}, False),
        ("USD", {"billing": "warn", "tracker": "stop"}, False),
    ],
)
def test_a_budget_whose_steps_no_message_can_reach_is_refused(
    currency: str,
    sources: dict[str, str],
    refused: bool,  # noqa: FBT001 (a table's column)
) -> None:
    text = json.dumps({"budgets": {"b1": {"projects": [PROJECT], "currency": currency, "sources": sources}}})

    if refused:
        with pytest.raises(SettingsError, match='currency is "EUR", but must be USD where only the tracker may stop'):
            Policy.from_json(text)
    else:
        assert Policy.from_json(text).budgets["b1"].currency == currency


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (
            {"priority": ["high", "urgent"]},
            'labels.priority is ["high", "urgent"], but must be a priority that a step stops: low, medium',
        ),
        (
            {"spotkeeper-protect": "true"},
            (
                'labels.spotkeeper-protect is ["true"], but must be left out: '
                "an instance with this label is protected, unless it is 0, false, no, off"
            ),
        ),
    ],
)
def test_a_scope_of_which_nothing_is_ever_stopped_is_refused(labels: dict[str, object], problem: str) -> None:
    steps = [{"threshold": 1, "priorities": ["low"]}, {"threshold": 1.5, "priorities": ["medium"]}]

    assert f"budgets.{BUDGET_ID}.{problem}" in refusal(
        {"budgets": {BUDGET_ID: {"projects": [PROJECT], "labels": labels}}, "steps": steps}
    )


@pytest.mark.parametrize(
    "labels",
    [
        {"priority": ["high", "low"]},
        {"priority": "medium"},
        {"spotkeeper-protect": ["true", "false"]},
        {"spotkeeper-protect": "2026-12-31"},
        {"team": "vision"},
    ],
)
def test_a_scope_by_priority_or_protection_may_be_stopped_in_part(labels: dict[str, object]) -> None:
    steps = [{"threshold": 1, "priorities": ["low", "medium"]}]

    assert read(budgets={BUDGET_ID: {"projects": [PROJECT], "labels": labels, "steps": steps}}).budgets
