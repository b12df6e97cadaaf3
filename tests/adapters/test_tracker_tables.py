"""The tracker's tables in BigQuery: one story for every statement, compared with the tables in memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import pytest
from google.cloud import bigquery

from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.cli.main import main
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.rollups import ROLLUPS, Rollups
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.periods import HOUR, PeriodKind, budget_periods
from spotkeeper.pricing.attached_prices import NOTHING_ATTACHED, AttachedPrice, AttachedPrices, AttachedStatus
from spotkeeper.pricing.contract_history import DatedContractPrice
from spotkeeper.pricing.contract_prices import ContractPrice
from spotkeeper.pricing.families import components_of
from spotkeeper.pricing.price_book import DatedRate, InstancePrice, PriceStatus
from spotkeeper.pricing.price_history import UncertainPrice
from spotkeeper.pricing.price_list import MachineTypePrice
from spotkeeper.pricing.skus import Market, RateUnit
from spotkeeper.tracking.alerts import Alert, AlertKind, HourSpend
from spotkeeper.tracking.billing import Billed
from spotkeeper.tracking.costs import Usage, cost_row, hourly_rates
from spotkeeper.tracking.creators import Creation, CreatorSource
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.ports import InventoryReader, Ledger, Record
from spotkeeper.tracking.preemptions import Preemption
from spotkeeper.tracking.run_summary import Completeness, Gap, HourReading, HourRun, ProjectHour
from spotkeeper.tracking.settings import Budgets, Covers, LabelBudget
from spotkeeper.tracking.uptime import Uptime
from tests.adapters.conftest import new_dataset
from tests.sql.cases import SQL, rendered
from tests.unit.tracker_fakes import LARGE, RATES, SMALL, at
from tests.unit.tracker_ledger import FakeLedger

LARGEST_ID = "18446744073709551615"
TEAMS = (
    LabelBudget("cap-vision", "team", "vision", {PeriodKind.HOUR: Decimal(20), PeriodKind.DAY: Decimal("1.5")}),
    LabelBudget("cap-speech", "team", "speech", {PeriodKind.DAY: Decimal(2)}, (Decimal(1),)),
)
BUDGETS = Budgets(amounts_usd={PeriodKind.DAY: Decimal("1.5")}, display_name="Spot fleet", labels=TEAMS)
PERIODS = budget_periods(at(1))
RETRY_TIMEOUT = timedelta(seconds=5)
NOTHING = AttachedPrices(*(NOTHING_ATTACHED,) * 4)
FIXED = ContractPrice("spot-e2:core", RateUnit.VCPU_HOUR, Decimal("0.019"), origin="fixed-discount")
UNPRICED = ContractPrice("spot-e2:ram", RateUnit.GIB_HOUR, None, "EUR", by_month=True, reason="tiers")


class Both(Ledger, InventoryReader, Protocol):
    """Either of the two implementations."""


type Answers = dict[str, object]
type Rows = list[tuple[object, ...]]


@pytest.fixture
def dataset(stack: Stack) -> Iterator[str]:
    with new_dataset(stack, "tracker_tables") as name:
        yield name


@pytest.fixture
def tables(stack: Stack, dataset: str) -> TrackerTables:
    return TrackerTables(Jobs(HOME_PROJECT, dataset, stack.settings["BIGQUERY_ENDPOINT"], RETRY_TIMEOUT))


def instance(name: str, number: str, team: str | None = "vision", shape: Shape = SMALL) -> Instance:
    labels = (("team", team),) if team is not None else ()
    return Instance(InstanceKey(HOME_PROJECT, "us-central1-a", number), name, ProvisioningModel.SPOT, shape, labels)


def cost(
    one: Instance, hour: datetime, seconds: float = 3600, spot: str | None = "0.08", end: datetime | None = None
) -> Record:
    return cost_of(Usage(one, hour, end or hour + HOUR, seconds), spot, NOTHING)


def cost_of(usage: Usage, spot: str | None, attached: AttachedPrices) -> Record:
    price = None if spot is None else Decimal(spot)
    status = PriceStatus.UNKNOWN if price is None else PriceStatus.EXACT
    reason = "no rate for e2:core" if price is None else ""
    known = InstancePrice(price, Decimal("0.2"), status, at(0, 30), reason)
    return cost_row(usage, Billed(usage.seconds, usage.seconds), hourly_rates(known, attached))


WORKER, GIANT, UNKNOWN = instance("worker", "1"), instance("giant", LARGEST_ID), instance("unknown", "3", None)


def preemption(one: Instance, moment: datetime, operation: str) -> Preemption:
    return Preemption(one.key, one.name, operation, f"systemevent-{operation}", moment)


def creation(one: Instance, moment: datetime, who: str, source: CreatorSource = CreatorSource.OPERATION) -> Creation:
    return Creation(one.key, one.name, moment, who, source)


def hour_run(run_id: str, hour: datetime, *gaps: Gap, projects: frozenset[str] = frozenset({HOME_PROJECT})) -> HourRun:
    run = HourRun(
        run_id,
        hour,
        hour + HOUR,
        provisional=hour == at(0),
        prices_as_of=at(0, 30),
        contract_prices_as_of=at(0, 29),
        projects=projects,
        gaps=list(gaps),
    )
    run.unresolved.append(Uptime(UNKNOWN.key, "stranger", hour, 60.0))
    run.duration = timedelta(seconds=1.5)
    return run


def known(hour: datetime, state: Completeness, unresolved_hours: str = "0") -> ProjectHour:
    return ProjectHour(HOME_PROJECT, hour, state, int(Decimal(unresolved_hours) > 0), Decimal(unresolved_hours))


def story(ledger: Both) -> Answers:
    """Record five runs, and return what every reading verb and every commit answered."""
    answers: Answers = {"before": ledger.hour_states(at(-9))}
    with ledger.stage("first", at(1, 7)) as stage:
        for record in (
            cost(WORKER, at(0)),
            cost(GIANT, at(0), 1234.5),
            cost(UNKNOWN, at(0), spot=None),
            Observation(WORKER, at(1, 7), at(1, 7)),
            Observation(GIANT, at(1, 7), at(1, 7), at(0, 20), at(0, 19)),
            *(DatedRate(each, at(0)) for each in RATES),
            DatedContractPrice(FIXED, at(0)),
            DatedContractPrice(UNPRICED, at(0)),
            *components_of(SMALL),
            MachineTypePrice(SMALL, "us-central1", "x86_64", dict.fromkeys(Market, Decimal("0.08")), at(1, 7)),
            preemption(GIANT, at(0, 59), "op-1"),
            preemption(UNKNOWN, at(0, 58), "op-2"),
            creation(WORKER, at(0, 1), "dana@example.com"),
            creation(WORKER, at(0, 1), "dana@example.com"),  # the list named it twice
            HourReading(HOME_PROJECT, at(0)),
            known(at(0), Completeness.PROVISIONAL, "0.5"),
            hour_run("first", at(0)),
        ):
            stage.add(record)
        spends, _ = answers["first spends"] = stage.commit([at(0)], PERIODS, BUDGETS)
        day = next(spend for spend in spends if spend.period.kind is PeriodKind.DAY)
        alert = Alert(
            day.period,
            day.cost_usd,
            Decimal("1.5"),
            (Decimal("0.5"), Decimal("0.8")),
            unseen_share=day.unseen_share,
            counts_from=at(0),
        )
        of_team = replace(alert, label_budget="cap-vision")
        answers["reserved first"] = sorted(stage.reserve([alert, of_team]), key=lambda each: each.label_budget)
        stage.close({"message-1": alert, "message-team": of_team}, [], BUDGETS)
    with ledger.stage("second", at(2, 7)) as stage:
        relabelled = instance("giant", LARGEST_ID, "speech")
        for record in (
            cost(WORKER, at(0), 600, end=at(0, 10)),  # in part: the other rows of the hour stay
            cost(instance("worker", "1", shape=LARGE), at(0, 10), 1200, end=at(1)),
            cost(relabelled, at(1)),
            Observation(WORKER, at(2, 7), at(2, 7)),
            Observation(relabelled, at(2, 7), at(2, 7), at(1, 40), at(0, 19)),
            Observation(UNKNOWN, at(0, 10), at(0, 58)),  # from asset history: it names the machine type of op-2
            Observation(UNKNOWN, at(0, 10), at(0, 40)),  # the same version, of which the history was asked twice
            DatedRate(RATES[0], at(0), at(2)),
            DatedContractPrice(FIXED, at(0), at(1)),
            DatedContractPrice(replace(FIXED, amount=Decimal("0.5"), origin="fixed-price"), at(1)),
            UncertainPrice("e2:core", "us-central1", at(0), at(1)),
            UncertainPrice("e2:ram", "us-central1", at(0), at(1)),
            replace(preemption(GIANT, at(0, 59), "op-1"), operation_id="systemevent-op-1"),  # from the log
            creation(WORKER, at(-1, 59), "eve@example.com", CreatorSource.AUDIT_LOG),  # of the day before, and known
            creation(GIANT, at(0, 19), "42@cloudservices.gserviceaccount.com", CreatorSource.AUDIT_LOG),
            *components_of(SMALL),
            HourReading(HOME_PROJECT, at(1)),
            known(at(0), Completeness.INCOMPLETE, "0.25"),  # in part: it knows of no less than the first run
            known(at(1), Completeness.COMPLETE, "0.016666667"),
            known(at(-1), Completeness.FINAL),
            hour_run("second", at(0), Gap("monitoring", "403", HOME_PROJECT), projects=frozenset()),
            hour_run("second", at(-1), Gap("catch-up", "not read", HOME_PROJECT, final=True), projects=frozenset()),
            hour_run("second", at(1)),
        ):
            stage.add(record)
        answers["second spends"] = stage.commit([at(-1), at(0), at(1)], PERIODS, BUDGETS)
        pace = replace(alert, thresholds=(Decimal("0.1"),), kind=AlertKind.PACE)
        answers["reserved second"] = stage.reserve([alert, of_team, pace])  # and not sent
        stage.close({}, [Gap("metrics", "503")], BUDGETS)
    for run_id in ("third", "fourth"):
        with ledger.stage(run_id, at(3, 7)) as stage:
            stage.add(cost(WORKER, at(1, 20), 2400, end=at(2)))  # read in full: the giant's row of hour 1 goes
            stage.add(Observation(WORKER, at(1, 50), at(1, 50)))  # older than the latest: ignored
            stage.add(HourReading(HOME_PROJECT, at(1)))
            stage.add(UncertainPrice("e2:ram", "us-east1", at(0), at(2)))  # another region, and another component
            stage.add(UncertainPrice("n2:ram", "us-central1", at(0), at(2)))
            stage.add(known(at(1), Completeness.INCOMPLETE))  # does not override a complete reading
            stage.add(hour_run(run_id, at(1)))
            answers[f"{run_id} spends"] = stage.commit([at(1)], PERIODS, BUDGETS)
            raised = replace(alert, budget_usd=Decimal(2), thresholds=(Decimal("0.5"),))
            again = replace(alert, cost_usd=Decimal(9), repeated=True)
            team_again = replace(of_team, cost_usd=Decimal(9), repeated=True)
            for number in range(2):
                answers[f"reserved {run_id} {number}"] = sorted(
                    stage.reserve([raised, again, team_again]),
                    key=lambda each: (each.kind, each.repeated, each.label_budget),
                )
            for _ in range(2):
                stage.close({"message-2": pace, "message-3": again, "message-1": alert}, [], BUDGETS)
    with ledger.stage("fifth", at(3, 8)) as stage:
        stage.add(cost(WORKER, at(1)))  # in part, and no other machine from 01:20 on: that row goes
        stage.add(hour_run("fifth", at(1), Gap("monitoring", "403", HOME_PROJECT), projects=frozenset()))
        answers["fifth spends"] = stage.commit([at(1)], PERIODS, BUDGETS)
        stage.close({}, [], BUDGETS)
    answers |= _taken_over(ledger, replace(raised, budget_usd=Decimal(3)), again)
    answers["states"] = ledger.hour_states(at(-9))
    answers["later states"] = ledger.hour_states(at(1))
    answers["rates"] = sorted(ledger.rates(at(0)), key=lambda each: each.rate.sku_id)
    prices = ledger.known_prices(at(0), recorded=True, contract=True)
    answers["rates beside prices"] = sorted(prices.rates, key=lambda each: each.rate.sku_id), prices.recorded
    answers["contract prices"] = sorted(prices.contract, key=lambda each: (each.price.sku_id, each.valid_from))
    answers["later rates"] = sorted(ledger.rates(at(2)), key=lambda each: each.rate.sku_id)
    for hour in range(-1, 4):
        for project_id, compare in ledger.comparisons([HOME_PROJECT, "other"], at(hour)):
            compared = {each.name: compare(each) for each in (WORKER, GIANT, relabelled, UNKNOWN)}
            answers[f"{project_id} since {hour}"] = compared
    answers["of"] = _in_order(ledger.observations_of([GIANT.key, UNKNOWN.key], at(0)))
    return answers


def _taken_over(ledger: Both, alert: Alert, repeated: Alert) -> Answers:
    """Reserve an alert and end, while another run is beside and after it."""
    answers: Answers = {}
    with ledger.stage("sixth", at(3, 7) + timedelta(minutes=14)) as stage:
        stage.add(known(at(1), Completeness.COMPLETE))
        stage.commit([at(1)], PERIODS, BUDGETS)
        answers["reserved sixth"] = stage.reserve([alert, repeated])
    with ledger.stage("seventh", at(3, 7) + timedelta(minutes=28)) as stage:
        stage.add(known(at(1), Completeness.COMPLETE))
        answers["seventh spends"] = stage.commit([at(1)], PERIODS, BUDGETS)
        answers["reserved seventh"] = stage.reserve([alert])
    with ledger.stage("eighth", at(3, 7) + timedelta(minutes=29)) as stage:
        stage.add(known(at(1), Completeness.COMPLETE))
        answers["eighth spends"] = stage.commit([at(1)], PERIODS, BUDGETS)
        answers["reserved eighth"] = stage.reserve([])
    return answers


def _in_order(observations: Iterator[Observation]) -> list[Observation]:
    return sorted(observations, key=lambda each: (each.instance.key, each.first_seen))


STORED = {
    "costs": """
        SELECT usage_start_time, usage_end_time, instance_id, instance_name, machine_type, uptime_hours, billed_hours,
          spot_price, ondemand_price, cost, ondemand_cost, price_status, price_reason, price_as_of, labels, run_id
        FROM spot_vm_costs WHERE usage_start_time >= '2026-07-01' ORDER BY usage_start_time, instance_id""",
    "inventory": """
        SELECT instance_id, first_seen, last_seen, machine_type, vcpus, memory_gib, gpu_type, gpu_count,
          local_ssd_gib, labels, started_at, created_at
        FROM vm_inventory WHERE last_seen >= '2026-07-01' ORDER BY instance_id, first_seen""",
    "components": "SELECT machine_type, component, quantity FROM shape_components ORDER BY component",
    "price list": "SELECT machine_type, region, architecture, spot_price, as_of FROM machine_type_prices",
    "preemptions": """
        SELECT operation_id, instance_id, preempted_at, machine_type
        FROM spot_preemptions WHERE preempted_at >= '2026-07-01' ORDER BY operation_id""",
    "creators": """
        SELECT instance_id, instance_name, created_at, created_by, created_by_source
        FROM vm_creators WHERE created_at >= '2026-07-01' ORDER BY instance_id""",
    "project hours": """
        SELECT hour, project_id, state, unresolved, unresolved_hours, run_id
        FROM project_hours WHERE hour >= '2026-07-01' ORDER BY hour""",
    "runs": """
        SELECT run_id, hour, provisional, complete, projects, prices_as_of, unresolved, unresolved_instances, gaps,
          duration_seconds
        FROM tracker_runs WHERE hour >= '2026-07-01' ORDER BY run_id, hour""",
    "alerts": """
        SELECT period, period_start, kind, threshold, budget, cost, unseen_share, counts_from, reserved_until,
          message_id, sent_at, repeated_at, run_id, label_budget
        FROM budget_alerts WHERE period_start >= '2026-07-01' ORDER BY budget, threshold, label_budget""",
    "budgets": "SELECT period, budget, budget_id, label_key, label_value FROM budgets ORDER BY budget_id, period",
}


def stored(stack: Stack, dataset: str) -> dict[str, Rows]:
    """Return the rows of BigQuery's tables."""
    configuration = bigquery.QueryJobConfig(default_dataset=f"{HOME_PROJECT}.{dataset}")
    client = stack.client()
    return {
        name: [tuple(map(_plain, row.values())) for row in client.query(statement, job_config=configuration).result()]
        for name, statement in STORED.items()
    }


def differing_rollups(stack: Stack, dataset: str) -> list[dict[str, object]]:
    """Return what the check of the rollups finds the day after the story."""
    check = rendered(SQL / "checks" / "rollups_equal_rows.sql", at(24).isoformat(), dataset)
    return [dict(row) for row in stack.client().query_and_wait(check)]


def _plain(value: object) -> object:
    """Return the records of a repeated column as tuples."""
    if isinstance(value, list):
        return [tuple(each.values()) if isinstance(each, dict) else each for each in value]
    return value


def remembered(ledger: FakeLedger) -> dict[str, Rows]:
    """Return the same rows of the tables in memory."""
    tables = ledger.tables
    return {
        "costs": [
            (
                row.start,
                row.end,
                key.instance_id,
                row.instance.name,
                row.instance.shape.machine_type,
                row.uptime_hours,
                row.billed_hours,
                row.price.spot,
                row.price.ondemand,
                row.cost,
                row.ondemand_cost,
                row.price.status,
                row.price.reason or None,
                row.price.as_of,
                list(row.instance.labels),
                tables.written_by[start, key],
            )
            for (start, key), row in sorted(tables.costs.items(), key=lambda each: each[0])
        ],
        "inventory": [
            (
                each.instance.key.instance_id,
                each.first_seen,
                each.last_seen,
                *astuple(each.instance.shape),
                list(each.instance.labels),
                each.started,
                each.created,
            )
            for each in _in_order(iter(tables.inventory))
        ],
        "components": sorted((place[0], place[4], quantity) for place, quantity in tables.components.items()),
        "price list": [
            (each.shape.machine_type, each.region, each.architecture, each.prices[Market.SPOT], each.as_of)
            for each in tables.price_list
        ],
        "preemptions": [
            (each.operation_id, each.key.instance_id, each.preempted_at, machine_type)
            for each, machine_type in sorted(tables.preemptions.values(), key=lambda each: each[0].operation_id)
        ],
        "creators": [
            (key.instance_id, each.instance_name, each.created_at, each.created_by, each.source)
            for key, each in sorted(tables.creators.items(), key=lambda known: known[0].instance_id)
        ],
        "project hours": [
            (hour, project_id, each.state, each.unresolved, each.unresolved_hours, run_id)
            for (hour, project_id), (each, run_id) in sorted(tables.project_hours.items())
        ],
        "runs": [
            (
                run.run_id,
                run.hour,
                run.provisional,
                run.complete,
                sorted(run.projects),
                run.prices_as_of,
                1,
                [(*each.key, each.instance_name, Decimal("0.016666667")) for each in run.unresolved],
                [(gap.source, gap.project_id, gap.detail, gap.final) for gap in run.gaps],
                Decimal("1.5"),
            )
            for _, run in sorted(tables.runs.items())
        ],
        "alerts": [
            (
                period.kind,
                period.start,
                notified.kind,
                notified.threshold,
                notified.budget_usd,
                known.alert.cost_usd,
                known.alert.unseen_share,
                known.alert.counts_from,
                known.until,
                known.message_id,
                known.sent_at,
                known.repeated_at,
                known.run_id,
                notified.label_budget or None,
            )
            for (period, notified), known in sorted(
                tables.alerts.items(),
                key=lambda each: (each[0][1].budget_usd, each[0][1].threshold, each[0][1].label_budget),
            )
        ],
        "budgets": [
            (period, amount, budget_id, *(name.split("=") if name else (None, None)))
            for (budget_id, period), (amount, name) in sorted(tables.budgets.items())
        ],
    }


def test_a_run_without_alerts_gaps_and_budgets_is_recorded_as_complete(
    stack: Stack, dataset: str, tables: TrackerTables, empty_arrays: str
) -> None:
    """Whatever BigQuery makes of an empty array: a run that is never recorded sends its alerts every hour."""
    for run_id, gaps in ((f"quiet_{empty_arrays}", []), (f"gap_{empty_arrays}", [Gap("metrics", "503")])):
        with tables.stage(run_id, at(1, 7)) as stage:
            stage.add(hour_run(run_id, at(0)))
            stage.commit([at(0)], PERIODS, Budgets())
            assert stage.reserve([]) == []
            stage.close({}, gaps, Budgets())

    configuration = bigquery.QueryJobConfig(default_dataset=f"{HOME_PROJECT}.{dataset}")
    statement = "SELECT run_id, complete, gaps FROM tracker_runs WHERE hour >= '2026-07-01' ORDER BY run_id"
    rows = stack.client().query(statement, job_config=configuration).result()
    assert [(row.run_id, row.complete, [gap["source"] for gap in row.gaps]) for row in rows] == [
        (f"gap_{empty_arrays}", False, ["metrics"]),
        (f"quiet_{empty_arrays}", True, []),
    ]
    assert list(tables.comparisons([], at(0))) == []
    assert list(tables.observations_of([], at(0))) == []


@pytest.mark.usefixtures("null_arrays")
def test_the_tables_in_bigquery_answer_and_hold_what_those_in_memory_do(
    stack: Stack, dataset: str, tables: TrackerTables
) -> None:
    memory = FakeLedger()

    assert story(tables) == story(memory)
    expected = remembered(memory)
    assert stored(stack, dataset) == expected
    assert differing_rollups(stack, dataset) == []
    assert {name: len(rows) for name, rows in expected.items()} == {
        "costs": 5,
        "inventory": 4,
        "components": 2,
        "price list": 1,
        "preemptions": 2,
        "creators": 2,
        "project hours": 3,
        "runs": 7,
        "alerts": 7,
        "budgets": 4,
    }


def test_an_instance_that_was_not_observed_for_a_week_starts_a_row_and_is_not_read(tables: TrackerTables) -> None:
    ledgers: dict[str, Both] = {"tables": tables, "memory": FakeLedger()}
    for ledger in ledgers.values():
        for run_id, hour, times in (("old", at(-171), (at(-170), at(-168))), ("new", at(0), (at(1, 7), at(1, 7)))):
            with ledger.stage(run_id, at(1, 7)) as stage:
                for observed, seen in zip((WORKER, GIANT), times, strict=True):
                    stage.add(Observation(observed, seen, seen))
                stage.add(hour_run(run_id, hour))
                stage.commit([hour], PERIODS, Budgets())

    first_seen = {
        (name, hour): [
            (each.instance.name, each.first_seen)
            for each in _in_order(ledger.observations_of([WORKER.key, GIANT.key], at(hour)))
        ]
        for name, ledger in ledgers.items()
        for hour in (0, -3)
    }
    worker, giant = ("worker", at(1, 7)), ("giant", at(-168))

    assert first_seen["tables", 0] == first_seen["memory", 0] == [worker, giant]
    assert first_seen["tables", -3] == first_seen["memory", -3] == [("worker", at(-170)), worker, giant]


def test_the_rollups_of_a_month_whose_cost_rows_have_expired_are_not_written_anew(
    stack: Stack, dataset: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = stack.client()
    rollups = Rollups(Jobs(HOME_PROJECT, dataset, stack.settings["BIGQUERY_ENDPOINT"], RETRY_TIMEOUT))
    unlimited = rollups.first_day(at(0))
    table = client.get_table(f"{HOME_PROJECT}.{dataset}.spot_vm_costs")
    table.time_partitioning.expiration_ms = 400 * 86_400_000
    client.update_table(table, ["time_partitioning"])
    monkeypatch.setenv("BIGQUERY_ENDPOINT", stack.settings["BIGQUERY_ENDPOINT"])
    days = ["--from", "2020-01-01", "--to", "2020-01-31"]

    code = main(["rebuild-rollups", "--project", HOME_PROJECT, "--dataset", dataset, *days])

    # 400 days before are in June, which is not whole any more; the first day of July begins in it.
    assert (unlimited, rollups.first_day(at(0))) == (None, date(2025, 7, 2))
    assert code == 2
    assert "cost rows of an earlier month have expired" in capsys.readouterr().err


def test_a_table_without_its_partitions_is_replaced_by_one_with_all_of_its_rows(
    stack: Stack,
    dataset: str,
    tables: TrackerTables,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, table = stack.client(), f"{HOME_PROJECT}.{dataset}.vm_inventory"
    with tables.stage("before", at(1, 7)) as stage:
        stage.add(Observation(WORKER, at(1, 7), at(1, 7)))
        stage.add(Observation(GIANT, at(-900), at(-900)))
        stage.commit([at(0)], PERIODS, Budgets())
    rows = inventory_rows(client, table)
    # As an earlier deployment left it, without a column that was added since.
    client.query_and_wait(
        f"CREATE TABLE `{table}_old` AS SELECT * EXCEPT (tier_1) FROM `{table}` WHERE last_seen IS NOT NULL"
    )
    client.delete_table(table)
    client.query_and_wait(f"ALTER TABLE `{table}_old` RENAME TO vm_inventory")
    monkeypatch.setenv("BIGQUERY_ENDPOINT", stack.settings["BIGQUERY_ENDPOINT"])
    command = ["partition-tables", "--project", HOME_PROJECT, "--dataset", dataset]

    codes = [main(command)]
    replaced = client.get_table(table)
    codes.append(main(command))
    # Interrupted after the first step: the next one continues.
    client.delete_table(table)
    codes.append(main(command))

    assert codes == [0, 0, 0]
    assert inventory_rows(client, table) == inventory_rows(client, f"{table}_unpartitioned") == rows
    assert (replaced.time_partitioning.field, replaced.require_partition_filter) == ("last_seen", True)
    done = "vm_inventory: 2 rows, partitioned by last_seen; vm_inventory_unpartitioned keeps them as they were"
    assert capsys.readouterr().out.splitlines() == [done, "every table has its partitions", done]

    # Interrupted, and the table created anew by a deployment: its rows are still in the other one.
    client.query_and_wait(f"DELETE FROM `{table}` WHERE last_seen IS NOT NULL")

    assert main(command) == 2
    assert "vm_inventory has 0 rows and vm_inventory_unpartitioned 2: it was created anew" in capsys.readouterr().err


def inventory_rows(client: bigquery.Client, table: str) -> list[tuple[object, ...]]:
    """Return the key, times and fingerprint of every observation."""
    columns = "project_id, zone, instance_id, first_seen, last_seen, fingerprint, labels"
    rows = client.query_and_wait(f"SELECT {columns} FROM `{table}` WHERE last_seen IS NOT NULL ORDER BY instance_id")
    return [row.values() for row in rows]


def test_the_spend_is_that_of_the_cost_that_budgets_cover(stack: Stack, dataset: str, tables: TrackerTables) -> None:
    licensed = AttachedPrices(AttachedPrice(Decimal(2), AttachedStatus.EXACT), *(NOTHING_ATTACHED,) * 3)
    unknown = AttachedPrices(
        AttachedPrice(None, AttachedStatus.UNKNOWN, "no SKU"),
        AttachedPrice(Decimal("0.5"), AttachedStatus.EXACT),
        *(NOTHING_ATTACHED,) * 2,
    )

    def spend_of_hour(run_id: str, covers: Covers) -> HourSpend:
        with tables.stage(run_id, at(1, 7)) as stage:
            stage.add(cost_of(Usage(WORKER, at(0), at(1), 3600), "0.08", licensed))
            stage.add(cost_of(Usage(GIANT, at(0), at(1), 1800), "0.08", unknown))
            stage.add(cost_of(Usage(UNKNOWN, at(0), at(1), 3600), None, licensed))
            run = hour_run(run_id, at(0))
            run.rows = 3
            stage.add(run)
            spends, _ = stage.commit([at(0)], [PERIODS[1]], replace(BUDGETS, covers=covers))
            stage.close({}, [], replace(BUDGETS, covers=covers))
        [hour], [of_vision], of_speech = (spend.hours for spend in spends)
        # What is not known of UNKNOWN is no part of a team's cost; it has no label.
        assert (of_vision, of_speech) == (
            hour._replace(
                uptime_hours=Decimal("1.5"),
                unpriced_hours=Decimal(0),
                cost_usd=hour.cost_usd - (2 if covers is Covers.TOTAL else 0),
            ),
            (),
        )
        return hour

    table = f"{HOME_PROJECT}.{dataset}"
    compute = spend_of_hour("compute", Covers.COMPUTE)
    total = spend_of_hour("total", Covers.TOTAL)
    [budget, *_] = stack.client().query_and_wait(f"SELECT covers FROM `{table}.budgets`")
    # A row of before anything attached was recorded.
    stack.client().query_and_wait(
        f"UPDATE `{table}.spot_vm_costs` SET known_cost = NULL, total_cost = NULL "
        f"WHERE instance_id = '1' AND usage_start_time >= TIMESTAMP '{at(0).isoformat()}'"
    )
    with tables.stage("later", at(2, 7)) as stage:
        spends, _ = stage.commit([at(1)], [PERIODS[1]], BUDGETS)
    # As after an upgrade that adds rollups: a run of another day does not write those of this one.
    stack.client().query_and_wait(f"DELETE FROM `{table}.hourly_costs` WHERE usage_hour >= '2026-07-01'")
    with tables.stage("upgraded", at(25, 7)) as stage:
        without_rollups, _ = stage.commit([at(24)], [PERIODS[1]], BUDGETS)

    hour = HourSpend(at(0), Decimal("0.12"), Decimal("2.5"), unpriced_hours=Decimal(1))
    assert compute == hour
    assert total == hour._replace(cost_usd=Decimal("4.37"), partial_hours=Decimal("0.5"))
    assert spends[0].hours == (
        hour._replace(cost_usd=Decimal("2.37"), partial_hours=Decimal("0.5"), compute_only_hours=Decimal(1)),
    )
    assert without_rollups == spends
    assert budget.covers == "total"


def test_the_spend_of_a_label_is_that_of_the_vms_that_carry_it_summed_by_it_or_not(
    stack: Stack, dataset: str, tables: TrackerTables
) -> None:
    run, same_value, host = (
        LabelBudget(f"cap-{key}", key, value, {PeriodKind.DAY: Decimal(9)})
        for key, value in (("experiment", "run-7"), ("team", "run-7"), ("host", "a"))
    )
    worker = WORKER._replace(labels=(("experiment", "run-7"), ("host", "a"), ("team", "vision")))
    giant = GIANT._replace(labels=(("experiment", "run-8"), ("team", "run-7")))

    def spent(run_id: str, *labels: LabelBudget) -> list[Decimal]:
        with tables.stage(run_id, at(1, 7)) as stage:
            stage.add(cost(worker, at(0), 3600))
            stage.add(cost(giant, at(0), 1800))
            recorded = hour_run(run_id, at(0))
            recorded.rows = 2
            stage.add(recorded)
            spends, _ = stage.commit([at(0)], [PERIODS[1]], replace(BUDGETS, labels=labels))
            stage.close({}, [], replace(BUDGETS, labels=labels))
        return [spend.cost_usd for spend in spends]

    by_rollup = spent("rolled", run, same_value)
    # label_keys does not name it, so that the rows are read.
    by_rows = spent("unrolled", run, same_value, host)

    whole, of_worker, of_giant = by_rollup
    assert (of_worker, of_giant) == (Decimal("0.08"), Decimal("0.04"))
    assert whole == of_worker + of_giant
    assert by_rows == [*by_rollup, of_worker]
    labels = "SELECT DISTINCT label_key FROM `{}` WHERE usage_hour >= '2026-07-01' ORDER BY label_key"
    found = stack.client().query_and_wait(labels.format(f"{HOME_PROJECT}.{dataset}.hourly_label_costs"))
    assert [row["label_key"] for row in found] == ["cost_center", "experiment", "project", "team"]


def test_transactions_at_the_same_time_leave_what_one_leaves(stack: Stack, dataset: str, tables: TrackerTables) -> None:
    """The row that every transaction updates serializes them; reading the states of the hours creates it."""

    def record(number: int) -> None:
        tables.hour_states(at(-9))
        with tables.stage(f"parallel{number}", at(1, 7)) as stage:
            for one in (WORKER, GIANT):
                stage.add(cost(one, at(0)))
                stage.add(Observation(one, at(1, 7), at(1, 7)))
            stage.add(preemption(GIANT, at(0, 59), "op-1"))
            stage.add(creation(GIANT, at(0, 19), f"{number}@example.com"))
            stage.add(HourReading(HOME_PROJECT, at(0)))
            stage.add(known(at(0), Completeness.PROVISIONAL))
            stage.add(hour_run(f"parallel{number}", at(0)))
            spends, _ = stage.commit([at(0)], PERIODS, Budgets())
            mine = stage.reserve([Alert(PERIODS[1], spends[1].cost_usd, Decimal(1), (Decimal("0.5"),))])
            stage.close({f"message {number}": alert for alert in mine}, [], BUDGETS)
            sent.extend(mine)

    sent: list[Alert] = []
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, range(4)))

    assert len(sent) == 1
    assert differing_rollups(stack, dataset) == []
    found = stored(stack, dataset)
    assert {name: len(rows) for name, rows in found.items()} == {
        "costs": 2,
        "inventory": 2,
        "components": 0,
        "price list": 0,
        "preemptions": 1,
        "creators": 1,
        "project hours": 1,
        "runs": 4,
        "alerts": 1,
        "budgets": 4,
    }
    assert [
        table.table_id for table in stack.client().list_tables(dataset) if table.table_id.startswith("staging")
    ] == []


def test_the_rollups_equal_the_rows_after_runs_in_any_order(
    stack: Stack,
    dataset: str,
    tables: TrackerTables,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A later hour first, a backfill across midnight, rows that vanish or are corrected, and a late preemption."""

    def record(number: int, hours: list[datetime], *records: Record) -> list[dict[str, object]]:
        tables.hour_states(at(-99))
        with tables.stage(f"order{number}", at(9, number)) as stage:
            for record in (*records, *(HourReading(HOME_PROJECT, hour) for hour in hours)):
                stage.add(record)
            stage.commit(hours, PERIODS, Budgets())
        return differing_rollups(stack, dataset)

    def rolled() -> dict[str, Rows]:
        """Return the rows of all rollups."""
        client = stack.client()
        found = {name: client.query_and_wait(f"SELECT * FROM `{dataset}.{name}`") for name in ROLLUPS}
        return {name: sorted((row.values() for row in rows), key=repr) for name, rows in found.items()}

    differing = [
        record(1, [at(2)], cost(WORKER, at(2)), cost(GIANT, at(2)), known(at(2), Completeness.COMPLETE, "0.5")),
        # Billing days, and months of them, begin within a UTC day.
        record(2, [at(-1), at(0)], cost(WORKER, at(-1)), cost(UNKNOWN, at(0), spot=None), cost(GIANT, at(0))),
        record(3, [at(2)], cost(WORKER, at(2), 1800)),
        record(4, [at(2)], cost(WORKER, at(2), 1800), preemption(WORKER, at(0, 30), "op-0")),
        record(5, [at(-1)], preemption(WORKER, at(-1, 20), "op-1"), preemption(GIANT, at(1, 5), "op-2")),
    ]
    before = rolled()
    client = stack.client()
    # As after an upgrade: the rows are there, and no rollup.
    for name in ROLLUPS:
        client.query_and_wait(f"DELETE FROM `{dataset}.{name}` WHERE TRUE")
    emptied = differing_rollups(stack, dataset)
    monkeypatch.setenv("BIGQUERY_ENDPOINT", stack.settings["BIGQUERY_ENDPOINT"])
    days = ["--from", at(-1).date().isoformat(), "--to", at(0).date().isoformat()]
    code = main(["rebuild-rollups", "--project", HOME_PROJECT, "--dataset", dataset, *days])

    assert differing == [[]] * 5
    assert {row["rollup_name"] for row in emptied} == set(ROLLUPS) - {"stopped_vm_costs", "hourly_idle_resources"}
    assert (code, capsys.readouterr().out) == (0, f"rollups written up to {at(0).date()}\n")
    assert rolled() == before
    assert differing_rollups(stack, dataset) == []
