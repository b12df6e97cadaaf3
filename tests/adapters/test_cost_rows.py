"""What BigQuery makes of the staged parts of costs: hours, parts and sums of rows of every kind.

The expected amounts are worked out here from the prices and seconds alone, in fractions.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import floor

import pytest

from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel
from spotkeeper.periods import budget_periods
from spotkeeper.pricing.attached_prices import NOTHING_ATTACHED, AttachedPrice, AttachedPrices, AttachedStatus
from spotkeeper.pricing.contract_amounts import ContractAmount
from spotkeeper.pricing.price_book import InstancePrice, PriceStatus
from spotkeeper.tracking.billing import Billed
from spotkeeper.tracking.costs import Usage, cost_row, hourly_rates
from spotkeeper.tracking.run_summary import HourReading
from spotkeeper.tracking.settings import Budgets
from tests.adapters.conftest import new_dataset
from tests.unit.tracker_fakes import SMALL, at

RAN, BILLED, LICENSED = 1234.567, 2345.0, 3456.25
"""Seconds of uptime, of the machine type and bandwidth, and of licenses."""

SPOT, ONDEMAND = Decimal("0.0472"), Decimal("0.19424")
PRICES = [Decimal("0.123456789"), Decimal("0.0025"), Decimal("0.07"), Decimal("0.11")]
"""Of a license, an address, a disk and bandwidth."""

NOTHING, KNOWN, UNKNOWN, BY_CONTRACT = range(4)
FEWER = Decimal("0.75")
"""What the contract price is of the list price."""

type Kinds = tuple[int, ...]


@pytest.fixture
def dataset(stack: Stack) -> Iterator[str]:
    with new_dataset(stack, "cost_rows") as name:
        yield name


def attached_price(kind: int, usd: Decimal) -> AttachedPrice:
    if kind == NOTHING:
        return NOTHING_ATTACHED
    contract = ContractAmount(usd * FEWER) if kind == BY_CONTRACT else None
    if kind == UNKNOWN:
        return AttachedPrice(None, AttachedStatus.UNKNOWN, "no rule")
    return AttachedPrice(usd, AttachedStatus.EXACT, contract=contract)


def amount(usd: Decimal, seconds: float) -> Decimal:
    """What seconds cost, rounded half up to nine decimals, at a price that is rounded so."""
    price = floor(Fraction(usd) * 10**9 + Fraction(1, 2))
    return Decimal(floor(price * Fraction(repr(seconds)) / 3600 + Fraction(1, 2))).scaleb(-9)


def total(parts: list[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None


def expected(compute: int, attached: Kinds, billed: tuple[float, float]) -> dict[str, Decimal | None]:
    machine, licenses = billed
    seconds = (licenses, RAN, RAN, machine)
    cost = None if compute == UNKNOWN else amount(SPOT, machine)
    parts: list[Decimal | None] = [
        Decimal(0) if kind == NOTHING else None if kind == UNKNOWN else amount(usd, length)
        for kind, usd, length in zip(attached, PRICES, seconds, strict=True)
    ]
    by_contract: list[Decimal | None] = [None] * 5
    if compute == BY_CONTRACT:
        by_contract = [
            amount(SPOT * FEWER, machine),
            *(
                Decimal(0) if kind == NOTHING else amount(usd * FEWER, length) if kind == BY_CONTRACT else None
                for kind, usd, length in zip(attached, PRICES, seconds, strict=True)
            ),
        ]
    names = ("license_cost", "address_cost", "disk_cost", "bandwidth_cost")
    return {
        "uptime_hours": amount(Decimal(1), RAN),
        "billed_hours": amount(Decimal(1), machine),
        "cost": cost,
        "ondemand_cost": amount(ONDEMAND, machine),
        **dict(zip(names, parts, strict=True)),
        "known_cost": sum((part for part in (cost, *parts) if part is not None), Decimal(0)),
        "total_cost": total([cost, *parts]),
        **{f"contract_{name}": part for name, part in zip(("cost", *names), by_contract, strict=True)},
        "contract_total_cost": total(by_contract),
    }


def test_bigquery_adds_the_parts_of_every_kind_of_row_up_and_knows_which_are_not_known(
    stack: Stack, dataset: str
) -> None:
    tables = TrackerTables(Jobs(HOME_PROJECT, dataset, stack.settings["BIGQUERY_ENDPOINT"], timedelta(seconds=5)))
    wanted: dict[str, dict[str, Decimal | None]] = {}
    with tables.stage("run", at(1, 7)) as stage:
        stage.add(HourReading(HOME_PROJECT, at(0)))
        of_parts = product((KNOWN, UNKNOWN, BY_CONTRACT), *((NOTHING, KNOWN, UNKNOWN, BY_CONTRACT),) * 4)
        for number, (compute, *attached) in enumerate(of_parts, 1):
            billed = (BILLED, LICENSED) if number % 3 else (RAN, RAN)
            key = InstanceKey(HOME_PROJECT, "us-central1-a", str(number))
            usage = Usage(Instance(key, f"vm-{number}", ProvisioningModel.SPOT, SMALL), at(0), at(1), RAN)
            price = InstancePrice(
                None if compute == UNKNOWN else SPOT,
                ONDEMAND,
                PriceStatus.UNKNOWN if compute == UNKNOWN else PriceStatus.EXACT,
                at(0),
                contract=ContractAmount(SPOT * FEWER) if compute == BY_CONTRACT else None,
            )
            of_kinds = AttachedPrices(*map(attached_price, attached, PRICES))
            stage.add(cost_row(usage, Billed(*billed), hourly_rates(price, of_kinds)))
            wanted[key.instance_id] = expected(compute, tuple(attached), billed)
        stage.commit([at(0)], budget_periods(at(1)), Budgets())

    statement = f"SELECT * FROM `{HOME_PROJECT}.{dataset}.spot_vm_costs` WHERE usage_start_time >= '2000-01-01'"
    found = {row["instance_id"]: row for row in stack.client().query(statement).result()}

    assert len(found) == 3 * 4**4
    assert {number: {name: found[number][name] for name in row} for number, row in wanted.items()} == wanted
