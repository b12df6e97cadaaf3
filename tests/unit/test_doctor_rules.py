"""What `doctor` finds when it compares a rule of the policy with its budget."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from spotkeeper.doctor.facts import Budget, LastVerdict, Unlabelled, Unread
from spotkeeper.doctor.findings import Finding
from spotkeeper.doctor.rules import rules
from spotkeeper.enforcement.policies import CustomPeriod
from spotkeeper.periods import PeriodKind
from tests.unit.test_doctor import RECORDS, enforcer, platform, tracker

NOW = datetime(2026, 7, 22, 5, 20, tzinfo=UTC)
BUDGET = Budget("b1", "compute", "topic", (), PeriodKind.MONTH, "USD", ("1",), ("services/6F81-5844-456A",))
TRACKER_STOPS = {"sources": {"billing": "warn", "tracker": "stop"}}
TOPIC = {"BUDGET_TOPIC": "projects/p/topics/t", "BUDGET_ID": "b1"}


def found(
    rule: Mapping[str, object] | None = None,
    budget: Budget | None = BUDGET,
    account: str | None = None,
    variables: Mapping[str, str] | None = None,
    **recorded: object,
) -> list[Finding]:
    """Return the findings about a policy of one rule."""
    policy: dict[str, object] = {"budgets": {"b1": {"projects": ["home-project"], **(rule or {})}}}
    policy |= {"billing_account_id": account} if account else {}
    here = platform(budgets=(budget,) if budget else (), numbers={"home-project": "1"}, billing_account="A")
    records = replace(RECORDS, **recorded)  # type: ignore[arg-type] # as the test has them
    own = tracker(**variables) if variables is not None else None
    return list(rules(here, records, own, enforcer(json.dumps(policy)), NOW))


def problems(*arguments: object, **named: object) -> list[str]:
    return [each.sentence for each in found(*arguments, **named) if each.state == "problem"]  # type: ignore[arg-type]


def test_a_rule_that_fits_its_budget_is_summed_up() -> None:
    result = found(verdicts={"b1": LastVerdict("under_budget", "little", Decimal(5))})

    assert [(each.about, str(each.state), each.sentence) for each in result] == [
        ("rule b1", "ok", "Period month, in USD; billing may stop; last verdict under_budget.")
    ]


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        (replace(BUDGET, period=PeriodKind.YEAR), "Its period is month, but that of the budget is year."),
        (
            replace(BUDGET, period=CustomPeriod(date(2026, 3, 1), date.max)),
            "Its period is month, but that of the budget is 2026-03-01 to no end.",
        ),
        (replace(BUDGET, currency="EUR"), "Its currency is USD, but that of the budget is EUR."),
        (replace(BUDGET, projects=("2",)), "It stops VMs in home-project, whose cost the budget does not count."),
        (
            replace(BUDGET, services=("services/95FF-2EF5-5EA1",)),
            "The budget counts services without Compute Engine, so that stopping VMs does not lower it.",
        ),
        (
            replace(BUDGET, labels={"team": frozenset({"ml"})}),
            "The budget counts only what has the label team=ml, but the rule covers other VMs too.",
        ),
    ],
)
def test_a_budget_that_its_rule_does_not_fit_is_a_problem(budget: Budget, sentence: str) -> None:
    assert problems(budget=budget) == [sentence]


def test_a_budget_of_the_whole_account_or_of_the_rules_own_label_fits() -> None:
    whole = replace(BUDGET, projects=(), services=(), labels={"team": frozenset({"ml"})})

    assert problems({"labels": {"team": ["ml"]}}, whole) == []
    assert problems({"period": "year"}, replace(BUDGET, period=PeriodKind.YEAR)) == []


def test_another_billing_account_is_a_problem() -> None:
    [result] = problems(account="012345-6789AB-CDEF01")

    assert result == "The policy takes messages of billing account 012345-6789AB-CDEF01, but A sends them."


@pytest.mark.parametrize("verdict", ["unknown_budget", "other_currency", "period_mismatch", "malformed"])
def test_a_last_verdict_that_stops_nothing_for_ever_is_a_problem(verdict: str) -> None:
    assert problems(verdicts={"b1": LastVerdict(verdict, "why", None)}) == [
        f"The last message about it was {verdict}: why."
    ]


def test_a_step_that_no_message_of_the_tracker_reaches_is_a_problem() -> None:
    steps = {"steps": [{"threshold": 1, "priorities": ["low"]}, {"threshold": 1.2, "priorities": ["medium"]}]}
    amount = {**TOPIC, "MONTHLY_BUDGET_USD": "10"}

    assert problems(TRACKER_STOPS | steps, variables=amount) == [
        "The tracker repeats no message at 1, 1.2: add the step to STOP_THRESHOLDS."
    ]
    assert problems(TRACKER_STOPS | steps, variables={**amount, "STOP_THRESHOLDS": "1,1.2"}) == []
    assert problems(steps, variables=amount) == []


@pytest.mark.parametrize(
    ("steps", "labels", "sentences"),
    [
        ([1], {"team": ["vision"]}, []),
        (
            [],
            {"team": ["vision"]},
            ["The tracker repeats no message at 1: add the step to stop_thresholds in LABEL_BUDGETS."],
        ),
        (
            [1],
            {"team": ["vision", "speech"]},
            ["The tracker counts VMs with the label team=vision, but the rule covers others: set labels to it."],
        ),
        ([1], {}, ["The tracker counts VMs with the label team=vision, but the rule covers others: set labels to it."]),
    ],
    ids=["fits", "is never repeated", "covers others too", "covers all"],
)
def test_a_rule_is_compared_with_the_budget_of_a_label_value(
    steps: list[int], labels: Mapping[str, object], sentences: list[str]
) -> None:
    cap = {"label": "team", "value": "vision", "hourly_usd": 20, "stop_thresholds": steps}
    variables = {**TOPIC, "BUDGET_ID": "own", "LABEL_BUDGETS": json.dumps({"b1": cap})}

    assert problems({**TRACKER_STOPS, "labels": labels}, None, variables=variables) == sentences


@pytest.mark.parametrize("variables", [TOPIC, {**TOPIC, "BUDGET_ID": "other", "MONTHLY_BUDGET_USD": "10"}])
def test_a_tracker_that_alone_may_stop_and_never_speaks_is_a_problem(variables: dict[str, str]) -> None:
    assert problems(TRACKER_STOPS, variables=variables) == [
        "Only the tracker may stop, and it never speaks of this budget: set BUDGET_ID and an amount."
    ]


def test_a_period_that_is_over_is_a_problem() -> None:
    spring = {"first_day": "2026-03-01", "last_day": "2026-05-31"}
    budget = replace(BUDGET, period=CustomPeriod(date(2026, 3, 1), date(2026, 5, 31)))

    assert problems({"period": spring}, budget) == [
        "Its period ended on 2026-05-31: take it out of the policy, or write its present dates."
    ]


def test_credits_that_cover_the_cost_are_named() -> None:
    covered = {"b1": LastVerdict("under_budget", "nothing", Decimal(0))}
    excluded = replace(BUDGET, counts_credits=False)

    assert "credits lower its cost to nothing" in found(verdicts=covered)[0].sentence
    assert "credits" not in found(budget=excluded, verdicts=covered)[0].sentence


def test_amounts_that_follow_the_period_before_and_budgets_that_do_not_exist_are_named() -> None:
    assert (
        "its amount is what the period before cost"
        in found(budget=replace(BUDGET, last_period_amount=True))[0].sentence
    )
    assert "so nothing is stopped for it" in found(budget=None)[0].sentence


def test_a_project_whose_number_may_not_be_read_is_unknown() -> None:
    here = platform(budgets=(BUDGET,), numbers={"home-project": Unread("no", denied=True), "other-project": "1"})

    result = list(rules(here, RECORDS, None, enforcer(), NOW))

    assert [str(each.state) for each in result if each.about == "rule b1"] == ["unknown", "ok"]


def test_verdicts_that_may_not_be_read_are_unknown() -> None:
    result = found(verdicts=Unread("BigQuery: no", denied=True))

    assert [(each.about, str(each.state)) for each in result] == [("rule b1", "ok"), ("last verdicts", "unknown")]


def test_vms_without_a_priority_label_are_counted() -> None:
    [result] = [each for each in found(unlabelled=Unlabelled(40, 31)) if each.about == "priority labels"]

    assert result.sentence == "31 of 40 Spot VMs of the last day have no label priority and count as low."
    assert [each.about for each in found(unlabelled=Unlabelled(0, 0))] == ["rule b1"]
    unread = found(unlabelled=Unread("BigQuery: no", denied=True))
    assert [str(each.state) for each in unread] == ["ok", "unknown"]
