from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.instances import Shape
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.reference_data import rows
from spotkeeper.pricing.skus import Market, Rate
from tests.unit.price_samples import (
    BELGIUM,
    BOOK,
    IOWA,
    ON_DEMAND,
    PRICED,
    SHAPES,
    SPOT,
    SPOT_RATES,
    rate,
    shape,
    total,
)


@pytest.mark.parametrize(("priced", "parts"), PRICED, ids=lambda value: getattr(value, "machine_type", None))
def test_a_price_is_the_sum_of_all_parts(priced: Shape, parts: list[tuple[str, str]]) -> None:
    price = BOOK.price(priced, IOWA, SPOT)

    assert [(part.rate.component, part.quantity) for part in price.components] == [
        (component, Decimal(quantity)) for component, quantity in parts
    ]
    assert price.usd_per_hour == total(parts)
    assert price.reason == ""


@pytest.mark.parametrize(("priced", "parts"), PRICED, ids=lambda value: getattr(value, "machine_type", None))
def test_without_any_one_of_its_parts_the_whole_price_is_unknown(priced: Shape, parts: list[tuple[str, str]]) -> None:
    for gone, _ in parts:
        price = PriceBook(rate for rate in SPOT_RATES if rate.component != gone).price(priced, IOWA, SPOT)

        assert (price.usd_per_hour, price.components) == (None, ())
        assert price.reason == f"no Spot rate for {gone} in {IOWA}"
        assert price.missing == (gone,)


def test_all_that_is_missing_is_named() -> None:
    price = PriceBook([rate("a2:ram", "0.004", ON_DEMAND)]).price(shape("a2-highgpu-1g"), IOWA, ON_DEMAND)

    assert price.reason == "no on-demand rate for a2:core, gpu:nvidia-tesla-a100 in us-central1"


@pytest.mark.parametrize(
    ("unpriced", "reason"),
    [
        (
            Shape("a4-highgpu-8g-nolssd", Decimal(224), Decimal(3968), "nvidia-b200", 8),
            "a4-highgpu-8g-nolssd: how A4 types other than a4-highgpu-8g are billed is not published",
        ),
        (shape("g2-custom-8-40960"), "g2-custom-8-40960: how G2 with custom memory is billed is not published"),
        (shape("t2d-custom-4-8192"), "no rule for machine type t2d-custom-4-8192"),
        (shape("c3-custom-4-8192"), "no rule for machine type c3-custom-4-8192"),
        (shape("e2-custom-4-8192-ext"), "no rule for machine type e2-custom-4-8192-ext"),
        (shape("a4x-highgpu-4g"), "a4x-highgpu-4g: how A4X is billed apart from reservations is not published"),
        (shape("g4-standard-12", local_ssd_gib=375), "no rule for local SSD of machine type g4-standard-12"),
        (
            shape("z4d-highmem-8-highlssd"),
            "z4d-highmem-8-highlssd: with which of two rates its local SSD is billed is not published",
        ),
        (
            shape("m2-ultramem2x-96"),
            "m2-ultramem2x-96: how this type of persistent memory is billed is not published",
        ),
        (Shape("q9-standard-4", Decimal(4), Decimal(16)), "no rule for machine type q9-standard-4"),
        (Shape("", Decimal(4), Decimal(16)), "no rule for machine type "),
        (Shape("n2-new-4", None, None), "the size of machine type n2-new-4 is not known"),
        (Shape("n2-new-4", Decimal(4), None), "the size of machine type n2-new-4 is not known"),
        (shape("e2-standard-4", local_ssd_gib=375), "no rule for local SSD of machine type e2-standard-4"),
    ],
    ids=lambda value: getattr(value, "machine_type", None),
)
def test_what_has_no_certain_rule_has_no_price_and_says_why(unpriced: Shape, reason: str) -> None:
    price = BOOK.price(unpriced, IOWA, SPOT)

    assert (price.usd_per_hour, price.components, price.reason) == (None, (), reason)


def test_the_gpu_of_a_virtual_workstation_is_priced_as_the_plain_gpu() -> None:
    plain = shape("n1-standard-4", gpu_type="nvidia-tesla-t4", gpu_count=1)
    workstation = replace(plain, gpu_type="nvidia-tesla-t4-vws")

    assert BOOK.price(workstation, IOWA, SPOT) == BOOK.price(plain, IOWA, SPOT)
    assert BOOK.price(plain, IOWA, SPOT).usd_per_hour is not None


def test_a_price_is_of_one_market_and_one_region() -> None:
    book = PriceBook([*SPOT_RATES, *(replace(each, market=ON_DEMAND, usd=each.usd * 4) for each in SPOT_RATES)])
    n2 = shape("n2-standard-4")

    assert book.price(n2, IOWA, ON_DEMAND).usd_per_hour == Decimal("0.184") * 4
    assert book.price(n2, IOWA, SPOT).usd_per_hour == Decimal("0.184")
    assert book.price(n2, BELGIUM, SPOT).reason == "no Spot rate for n2:core, n2:ram in europe-west1"


def test_the_nominal_memory_of_an_odd_type_and_that_of_the_api_differ_by_less_than_a_ten_thousandth() -> None:
    nominal = shape("n1-highcpu-2")
    of_the_api = replace(nominal, memory_gib=Decimal(1843) / 1024)

    prices = [BOOK.price(each, IOWA, SPOT).usd_per_hour for each in (nominal, of_the_api)]

    assert prices[0] != prices[1]
    assert [float(price) for price in prices if price] == pytest.approx([float(prices[0] or 0)] * 2, rel=1e-4)


def test_an_unknown_family_is_not_priced_as_a_known_one_that_begins_alike() -> None:
    unknown = [Shape(name, Decimal(4), Decimal(16)) for name in ("n2x-standard-4", "n20-standard-4", "c4x-standard-4")]

    assert [BOOK.price(each, IOWA, SPOT).usd_per_hour for each in unknown] == [None, None, None]


def test_a4_as_spot_costs_what_google_publishes_for_iowa() -> None:
    assert BOOK.price(shape("a4-highgpu-8g"), IOWA, SPOT).usd_per_hour == Decimal("39.6336")


def test_a_fraction_of_a_g4_costs_what_google_publishes_for_iowa() -> None:
    usd = [BOOK.price(shape(f"g4-standard-{size}"), IOWA, SPOT).usd_per_hour for size in (6, 12, 24)]

    assert usd == [Decimal("0.64688"), Decimal("1.29376"), Decimal("2.58752")]


@pytest.mark.parametrize(
    ("rates", "machine_type", "sold"),
    [
        (["n2:core"], "n2-standard-4", True),
        (["n2:ram"], "n2-standard-4", True),
        (["n2-custom:core"], "n2-standard-4", False),
        (["n2:core"], "q9-standard-4", False),
        (["local-ssd"], "c3-standard-4-lssd", False),
        (["a2:core"], "a2-highgpu-1g", False),
        (["gpu:nvidia-tesla-a100"], "a2-highgpu-1g", False),
        (["a2:core", "gpu:nvidia-tesla-a100"], "a2-highgpu-1g", True),
        (["m1:core", "m1:ram"], "m2-ultramem-208", False),
        (["m2-premium:core"], "m2-ultramem-208", True),
        (["a4:gpu-slice"], "a4-highgpu-8g", True),
        (["f1-micro:instance"], "f1-micro", True),
    ],
)
def test_a_type_is_sold_where_something_is_that_only_its_family_is_made_of(
    rates: list[str], machine_type: str, *, sold: bool
) -> None:
    book = PriceBook(rate(component, "0.03") for component in rates)

    assert book.sells(shape(machine_type), IOWA, SPOT) is sold
    assert not book.sells(shape(machine_type), BELGIUM, SPOT)
    assert not book.sells(shape(machine_type), IOWA, ON_DEMAND)
    assert book.regions == {IOWA}


@pytest.mark.parametrize("machine_type", ["a2-highgpu-1g", "a3-highgpu-8g", "a4-highgpu-8g", "g2-standard-4"])
def test_a_type_that_always_has_gpus_has_no_price_without_them(machine_type: str) -> None:
    price = BOOK.price(replace(shape(machine_type), gpu_type=None, gpu_count=0), IOWA, SPOT)

    assert price.usd_per_hour is None
    assert price.reason == f"the GPUs or the local SSD of machine type {machine_type} are not known"


@pytest.mark.parametrize(
    "odd",
    [
        {"vcpus": Decimal(0)},
        {"vcpus": Decimal(-4)},
        {"vcpus": Decimal("NaN")},
        {"vcpus": Decimal("Infinity")},
        {"memory_gib": Decimal(0)},
        {"memory_gib": Decimal(-16)},
        {"gpu_type": "nvidia-tesla-t4", "gpu_count": -1},
        {"local_ssd_gib": -375},
    ],
    ids=str,
)
def test_no_odd_shape_has_a_price(odd: dict[str, Any]) -> None:
    assert BOOK.price(replace(shape("n1-standard-4"), **odd), IOWA, SPOT).usd_per_hour is None


@pytest.mark.parametrize("usd", ["0", "-0.0055", "NaN", "Infinity"])
def test_a_stored_rate_of_nothing_is_no_rate(usd: str) -> None:
    book = PriceBook([rate("n2:core", usd), rate("n2:ram", "0.004")])

    assert book.price(shape("n2-standard-4"), IOWA, SPOT).reason == f"no Spot rate for n2:core in {IOWA}"


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_rates_for_one_component_the_dearer_counts_in_any_order(order: int) -> None:
    two = [rate("n2:core", "0.03"), replace(rate("n2:core", "0.05"), sku_id="other")]
    book = PriceBook([*two[::order], rate("n2:ram", "0.004")])

    assert book.price(shape("n2-standard-4"), IOWA, SPOT).usd_per_hour == Decimal("0.264")


ANY_AMOUNT = st.decimals().filter(lambda amount: not amount.is_snan()) | st.none()


@given(
    st.sampled_from([row["machine_type"] for row in rows("machine_types")]),
    ANY_AMOUNT,
    ANY_AMOUNT,
    st.integers(-2, 20),
    st.integers(-375, 36_000),
)
def test_no_shape_whatever_costs_nothing_or_less(
    machine_type: str, vcpus: Decimal | None, memory_gib: Decimal | None, gpu_count: int, local_ssd_gib: int
) -> None:
    odd = Shape(machine_type, vcpus, memory_gib, "nvidia-l4" if gpu_count else None, gpu_count, local_ssd_gib)

    usd = BOOK.price(odd, IOWA, SPOT).usd_per_hour

    assert usd is None or usd > 0


def test_every_component_that_a_family_is_billed_for_has_a_wording() -> None:
    worded = {row["component"] for row in rows("components")}
    columns = ("core", "ram", "flat", "extended", "local_ssd", "per_gpu")
    billed = {row[column] for row in rows("families") for column in columns if row[column]}
    premiums = {f"{row['premium']}:{kind}" for row in rows("families") if row["premium"] for kind in ("core", "ram")}

    assert (billed | premiums) - worded == set()


def test_every_known_gap_is_of_a_component_and_says_why() -> None:
    worded = {row["component"] for row in rows("components")}
    odd = [
        row
        for row in rows("gaps")
        if row["component"] not in worded or row["market"] not in {"", *Market} or not row["reason"]
    ]

    assert odd == []


def test_every_known_machine_type_has_a_rule() -> None:
    no_rates = PriceBook([])
    reasons = [no_rates.price(shape(row["machine_type"]), IOWA, SPOT).reason for row in rows("machine_types")]

    assert [reason for reason in reasons if reason.startswith("no rule")] == []


@given(st.sampled_from(SPOT_RATES), st.permutations(SHAPES))
def test_a_rate_that_is_gone_takes_the_prices_that_need_it_and_changes_no_other(
    gone: Rate, shapes: list[Shape]
) -> None:
    book = PriceBook(rate for rate in SPOT_RATES if rate is not gone)

    for each in shapes:
        before, after = BOOK.price(each, IOWA, SPOT), book.price(each, IOWA, SPOT)
        needed = gone.component in {part.rate.component for part in before.components}
        assert after.usd_per_hour == (None if needed else before.usd_per_hour)


@given(
    st.sampled_from(["n2-custom", "n2d-custom", "n4-custom", "custom"]),
    st.integers(1, 64),
    st.integers(1, 4096),
)
def test_extended_memory_is_exactly_what_exceeds_the_limit(family: str, vcpus: int, quarters: int) -> None:
    limit = Decimal("6.5") if family == "custom" else Decimal(8)
    memory_gib = Decimal(quarters) / 4

    parts = BOOK.price(shape(f"{family}-{vcpus}-{quarters * 256}-ext"), IOWA, SPOT).components

    quantities = {part.rate.component.rpartition(":")[2]: part.quantity for part in parts}
    assert quantities["ram"] + quantities.get("ram-extended", Decimal(0)) == memory_gib
    assert quantities.get("ram-extended", Decimal(0)) == max(memory_gib - limit * vcpus, Decimal(0))
