"""Places where a machine type could run: order, ranks, and the cost of an hour of useful work."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.advice.placements import Advice, GoogleRate, InUse, OwnRecord, Place, Scope, advise, useful_hour_cost
from spotkeeper.cli.advise_screen import advice_lines

HERE = "us-central1"
WEEK = InUse("n2-standard-8", HERE, Decimal(168))


def place(scope: Scope, price: str, region: str = HERE, *, rate: str = "", own: OwnRecord | None = None) -> Place:
    google = GoogleRate(Decimal(rate), 30) if rate else None
    return Place(
        scope,
        WEEK.machine_type,
        region,
        "",
        Decimal(8),
        Decimal(32),
        Decimal(price),
        google=google,
        own=own,
    )


def regions(advice: Advice) -> list[str]:
    return [each.place.region for each in advice.places]


@pytest.mark.parametrize(
    ("own", "checkpoint_hours", "cost"),
    [
        (None, "1", None),
        (OwnRecord(0, Decimal("99.9")), "1", None),
        (OwnRecord(9, Decimal("99.9")), "1", None),
        (OwnRecord(0, Decimal(100)), "1", "0.2"),
        (OwnRecord(10, Decimal(100)), "1", "0.21"),
        (OwnRecord(10, Decimal(100)), "4", "0.24"),
    ],
)
def test_useful_work_costs_what_is_repeated_after_each_preemption(
    own: OwnRecord | None, checkpoint_hours: str, cost: str | None
) -> None:
    expected = None if cost is None else Decimal(cost)

    assert useful_hour_cost(Decimal("0.2"), own, Decimal(checkpoint_hours)) == expected


def test_a_scope_is_ordered_by_useful_work_only_where_it_is_known_of_all_places() -> None:
    often, seldom = OwnRecord(100, Decimal(100)), OwnRecord(0, Decimal(100))
    here = place(Scope.HERE, "0.2")
    cheap, safe = (
        place(Scope.NEAR, "0.10", "us-east1", own=often),
        place(Scope.NEAR, "0.12", "us-east4", own=seldom),
    )
    unknown = place(Scope.NEAR, "0.11", "us-west1")

    assert regions(advise(WEEK, [cheap, here, safe], Decimal(1))) == [HERE, "us-east4", "us-east1"]
    assert regions(advise(WEEK, [cheap, unknown, here, safe], Decimal(1))) == [HERE, "us-east1", "us-west1", "us-east4"]


def test_the_lowest_of_google_s_rates_is_first_and_equal_rates_have_one_rank() -> None:
    places = [
        place(Scope.HERE, "0.2", rate="0.5"),
        place(Scope.NEAR, "0.1", "us-east1", rate="0.1"),
        place(Scope.NEAR, "0.11", "us-east4", rate="0.1"),
        place(Scope.NEAR, "0.12", "us-west1"),
    ]

    assert [each.google_rank for each in advise(WEEK, places, Decimal(1)).places] == [3, 1, 1, None]


def test_google_s_rate_changes_neither_order_nor_cost() -> None:
    plain = [place(Scope.HERE, "0.2"), place(Scope.NEAR, "0.1", "us-east1"), place(Scope.NEAR, "0.11", "us-east4")]
    rated = [place(each.scope, str(each.spot_price), each.region, rate="1") for each in plain]

    assert regions(advise(WEEK, rated, Decimal(1))) == regions(advise(WEEK, plain, Decimal(1)))
    assert {each.useful_hour_cost for each in advise(WEEK, rated, Decimal(1)).places} == {None}


def test_savings_are_of_the_price_and_of_the_vm_hours_of_the_last_week() -> None:
    near = place(Scope.NEAR, "0.15", "us-east1")
    advice = advise(WEEK, [place(Scope.HERE, "0.2"), near], Decimal(1))

    assert advice.savings_percent(near) == 25
    assert advice.monthly_savings(near, 730) == Decimal("36.5")


def test_a_useful_hour_is_shown_from_100_vm_hours_on() -> None:
    here = place(Scope.HERE, "0.2", own=OwnRecord(10, Decimal(100)))
    near = place(Scope.NEAR, "0.15", "us-east1", own=OwnRecord(0, Decimal("99.9")))
    never = place(Scope.FAR, "0.1", "europe-west1")

    _, _, *cells = advice_lines([advise(WEEK, [here, near, never], Decimal(1))], {}, 60)

    assert cells[1].endswith("10 in 100 h  0.2100")
    assert cells[2].endswith("0 in 100 h")
    assert cells[3].endswith("none ran")


@given(
    st.decimals("0.001", 10, places=6),
    st.integers(0, 1000),
    st.decimals(100, 10_000, places=2),
    st.decimals("0.01", 24, places=2),
)
def test_useful_work_never_costs_less_than_the_price_nor_less_with_more_preemptions(
    price: Decimal, preemptions: int, hours: Decimal, interval: Decimal
) -> None:
    less = useful_hour_cost(price, OwnRecord(preemptions, hours), interval)
    more = useful_hour_cost(price, OwnRecord(preemptions + 1, hours), interval)

    assert less is not None
    assert more is not None
    assert price <= less <= more
