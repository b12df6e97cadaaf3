"""What the interim check reads and reserves in BigQuery: one story, compared with the tables in memory."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.gcp.bigquery.interim_tables import InterimTables
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.periods import PeriodKind, budget_period, budget_periods
from spotkeeper.pricing.price_book import DatedRate
from spotkeeper.tracking.alerts import Alert, withdrawals
from spotkeeper.tracking.interim import InterimLedger
from spotkeeper.tracking.ports import Ledger
from spotkeeper.tracking.run_summary import Completeness, HourReading
from spotkeeper.tracking.standings import Standing
from tests.adapters.conftest import new_dataset
from tests.adapters.test_tracker_tables import BUDGETS, RETRY_TIMEOUT, WORKER, cost, hour_run, known
from tests.unit.tracker_fakes import RATES, at
from tests.unit.tracker_ledger import FakeLedger

DAY = budget_period(PeriodKind.DAY, at(1))

RECORDED = ("recorded", "withdrawn too early", "withdrawn", "after")

type Answers = dict[str, object]


@pytest.fixture
def dataset(stack: Stack) -> Iterator[str]:
    with new_dataset(stack, "interim_tables") as name:
        yield name


def story(ledger: Ledger, interim: InterimLedger) -> Answers:
    """Record an hour, notify an estimate beside another check, and withdraw it by the hours that follow."""
    answers: Answers = {"before": interim.standings()}
    answers["recorded"] = record(ledger, interim, "interimfirst", at(0))
    answers["rates"] = sorted(interim.rates(at(0)), key=lambda each: each.rate.sku_id)
    spends, unsent = interim.spends(at(1, 20), [DAY], BUDGETS)
    answers["spends"] = spends, unsent
    estimate = Alert(DAY, Decimal("0.8"), Decimal("1.5"), (Decimal("0.5"),), estimated_at=at(1, 20))
    answers["reserved"] = interim.reserve("check-1", at(1, 20), [estimate])
    answers["reserved by another"] = interim.reserve("check-2", at(1, 20), [replace(estimate, cost_usd=Decimal(1))])
    interim.confirm("check-2", at(1, 20), {})
    interim.confirm("check-1", at(1, 20), {"message-1": estimate})
    answers["notified"] = interim.spends(at(1, 25), [DAY], BUDGETS)
    answers["reserved again"] = interim.reserve("check-3", at(1, 25), [estimate])
    unsent_alert = replace(estimate, thresholds=(Decimal("0.8"),))
    answers["not sent"] = interim.reserve("check-4", at(1, 30), [unsent_alert])
    answers["taken over"] = interim.spends(at(1, 45), [DAY], BUDGETS)[1], interim.reserve("check-5", at(1, 45), [])
    interim.confirm("check-5", at(1, 45), {"message-2": unsent_alert})
    answers["withdrawn too early"] = record(ledger, interim, "interimsecond", at(1))
    answers["withdrawn"] = record(ledger, interim, "interimthird", at(2))
    answers["after"] = record(ledger, interim, "interimfourth", at(3))
    answers["notified anew"] = interim.reserve("check-6", at(4, 20), [replace(estimate, estimated_at=at(4, 20))])
    return answers


def record(ledger: Ledger, interim: InterimLedger, run_id: str, hour: datetime) -> Answers:
    """Record an hour that costs 0.08 USD, and withdraw what it contradicts."""
    now = hour.replace(hour=hour.hour + 1, minute=7)
    with ledger.stage(run_id, now) as stage:
        stage.add(cost(WORKER, hour))
        for rate in RATES:
            stage.add(DatedRate(rate, at(0)))
        stage.add(HourReading(HOME_PROJECT, hour))
        stage.add(known(hour, Completeness.COMPLETE))
        stage.add(hour_run(run_id, hour))
        spends, unsent = stage.commit([hour], budget_periods(hour), BUDGETS)
        withdrawn = withdrawals(spends, BUDGETS)
        stage.close({f"message-{run_id}": alert for alert in withdrawn}, [], BUDGETS)
    standings = sorted(interim.standings(), key=lambda each: each.budget_id)
    return {"spends": spends, "unsent": unsent, "withdrawn": withdrawn, "standings": standings}


def test_the_tables_in_bigquery_answer_what_those_in_memory_do(stack: Stack, dataset: str) -> None:
    jobs = Jobs(HOME_PROJECT, dataset, stack.settings["BIGQUERY_ENDPOINT"], RETRY_TIMEOUT)
    memory = FakeLedger()

    answers, expected = story(TrackerTables(jobs), InterimTables(jobs)), story(memory, memory)

    assert answers == expected
    assert [alert.thresholds for alert in withdrawn(answers)] == [(Decimal("0.5"), Decimal("0.8"))]
    assert [next_threshold(answers[name]) for name in RECORDED] == [
        Decimal("0.5"),
        Decimal(1),
        Decimal("0.5"),
        Decimal("0.5"),
    ]
    [again] = alerts(answers["notified anew"])
    assert (again.thresholds, again.estimated_at) == ((Decimal("0.5"),), at(4, 20))


def withdrawn(answers: Answers) -> list[Alert]:
    found = [answers[name] for name in RECORDED]
    return [alert for each in found if isinstance(each, dict) for alert in alerts(each["withdrawn"])]


def alerts(found: object) -> list[Alert]:
    assert isinstance(found, list)
    return found


def next_threshold(found: object) -> Decimal | None:
    assert isinstance(found, dict)
    [of_all] = [each for each in found["standings"] if each.budget_id == BUDGETS.budget_id]
    standing: Standing = of_all
    return standing.next_threshold
