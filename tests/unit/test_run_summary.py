from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.pricing.attached_prices import NOTHING_ATTACHED, AttachedPrices
from spotkeeper.pricing.price_book import InstancePrice, PriceStatus
from spotkeeper.tracking.billing import Billed
from spotkeeper.tracking.costs import CostRow, Usage, cost_row, hourly_rates
from spotkeeper.tracking.run_summary import Gap, HourRun, Summary, Unpriced
from spotkeeper.tracking.uptime import Uptime

HOUR = datetime(2026, 7, 21, 5, tzinfo=UTC)
NOW = HOUR + timedelta(hours=1, minutes=7)
KEY = InstanceKey("blue", "us-central1-a", "17000000000000000001")
PROJECTS = frozenset({"blue", "green", "red"})
UNPRICED = Unpriced("n9-standard-4", "us-central1", "no rule for machine type n9-standard-4")
NOTHING = AttachedPrices(*(NOTHING_ATTACHED,) * 4)


def row(machine_type: str, price: str | None, ondemand: str | None, status: PriceStatus = PriceStatus.EXACT) -> CostRow:
    shape = Shape(machine_type, Decimal(4), Decimal(16))
    instance = Instance(KEY, "worker-1", ProvisioningModel.SPOT, shape)
    spot, on_demand = (None if amount is None else Decimal(amount) for amount in (price, ondemand))
    reason = "" if spot is not None else UNPRICED.reason
    usage = Usage(instance, HOUR, HOUR + timedelta(hours=1), 3600.0)
    known = InstancePrice(spot, on_demand, status, NOW, reason)
    return cost_row(usage, Billed(3600.0, 3600.0), hourly_rates(known, NOTHING))


def run(*rows: CostRow, gaps: tuple[Gap, ...] = (), hour: datetime = HOUR) -> HourRun:
    found = HourRun("run1", hour, NOW, gaps=list(gaps))
    for each in rows:
        found.count(each)
    return found


@pytest.mark.parametrize(
    ("gaps", "recorded"),
    [
        ((), {"blue", "green", "red"}),
        ((Gap("monitoring", "403", "green"),), {"blue", "red"}),
        ((Gap("monitoring", "403", "green"), Gap("compute", "503", "red")), {"blue"}),
        ((Gap("monitoring", "403", "green"), Gap("compute", "503", "green")), {"blue", "red"}),
        ((Gap("monitoring", "403", "yellow"),), {"blue", "green", "red"}),
        ((Gap("billing catalog", "503"),), set()),
        ((Gap("monitoring", "403", "green"), Gap("billing catalog", "503")), set()),
    ],
)
def test_a_project_is_recorded_in_full_when_neither_it_nor_all_projects_have_a_gap(
    gaps: tuple[Gap, ...], recorded: set[str]
) -> None:
    found = run(gaps=gaps)

    assert found.without_gaps(PROJECTS) == recorded
    assert found.complete == (not gaps)


def test_no_project_is_recorded_that_was_not_requested() -> None:
    assert run().without_gaps(frozenset()) == frozenset()


def test_an_hour_sums_its_rows() -> None:
    stale = row("n2-standard-4", "0.01", None, PriceStatus.STALE)
    unknown = row("n9-standard-4", None, "0.5", PriceStatus.UNKNOWN)
    found = run(row("n2-standard-4", "0.056", "0.184"), stale, unknown, unknown)

    assert (found.rows, found.cost, found.ondemand_cost) == (4, Decimal("0.066"), Decimal("1.184"))
    assert found.statuses == {PriceStatus.EXACT: 1, PriceStatus.STALE: 1, PriceStatus.UNKNOWN: 2}
    assert found.unpriced == {UNPRICED: 2}


def test_a_row_that_costs_nothing_is_not_one_whose_cost_is_unknown() -> None:
    assert run(row("n2-standard-4", "0", "0")).unpriced == Counter()


def test_a_summary_sums_its_hours() -> None:
    unknown = row("n9-standard-4", None, None, PriceStatus.UNKNOWN)
    first = run(row("n2-standard-4", "0.056", "0.184"), unknown)
    second = run(row("n2-standard-4", "0.01", "0.03"), unknown, unknown, hour=HOUR + timedelta(hours=1))
    strangers = [Uptime(KEY, f"stranger-{number}", HOUR, 60.0) for number in range(3)]
    first.unresolved.append(strangers[0])
    second.unresolved.extend(strangers[1:])

    summary = Summary("run1", (first, second))

    assert (summary.rows, summary.cost, summary.ondemand_cost) == (5, Decimal("0.066"), Decimal("0.214"))
    assert summary.unpriced == {UNPRICED: 3}
    assert summary.statuses == {PriceStatus.EXACT: 2, PriceStatus.UNKNOWN: 3}
    assert summary.unresolved == strangers
    assert summary.complete


def test_a_summary_is_complete_when_every_hour_is() -> None:
    assert not Summary("run1", (run(), run(gaps=(Gap("compute", "503", "red"),)))).complete


def test_a_gap_that_several_hours_share_is_listed_once_in_the_order_met() -> None:
    catalog, compute, alerts = Gap("billing catalog", "503"), Gap("compute", "503", "red"), Gap("alerts", "503")

    summary = Summary("run1", (run(gaps=(compute, catalog)), run(gaps=(catalog, alerts)), run(gaps=(compute,))))

    assert summary.gaps == [compute, catalog, alerts]


def test_a_run_that_found_nothing_to_do_is_complete_and_sums_to_nothing() -> None:
    summary = Summary("run1")

    assert (summary.complete, summary.rows) == (True, 0)
    assert (summary.cost, summary.ondemand_cost) == (Decimal(0), Decimal(0))
    assert (summary.unresolved, summary.gaps, summary.unpriced, summary.statuses) == ([], [], Counter(), Counter())
