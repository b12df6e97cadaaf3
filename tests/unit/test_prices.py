from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.instances import Shape
from spotkeeper.machine_types import sizes
from spotkeeper.prices import PriceBook
from spotkeeper.skus import Market, Rate, RateUnit
from spotkeeper.tables import rows

SPOT, ON_DEMAND = Market.SPOT, Market.ON_DEMAND
IOWA, BELGIUM = "us-central1", "europe-west1"


def rate(component: str, usd: str, market: Market = SPOT, region: str = IOWA) -> Rate:
    kind = component.rpartition(":")[2]
    unit = {"core": RateUnit.VCPU_HOUR, "instance": RateUnit.INSTANCE_HOUR}.get(kind, RateUnit.GIB_HOUR)
    return Rate(component, market, region, f"{component} {market} {region}", component, unit, Decimal(usd))


USD = {
    "n1:core": "0.031",
    "n1:ram": "0.0042",
    "n1-custom:core": "0.033",
    "n1-custom:ram": "0.0044",
    "n1-custom:ram-extended": "0.0095",
    "n2:core": "0.03",
    "n2:ram": "0.004",
    "n2-custom:core": "0.032",
    "n2-custom:ram": "0.0041",
    "n2-custom:ram-extended": "0.0096",
    "n2d-custom:core": "0.028",
    "n2d-custom:ram": "0.0038",
    "n2d-custom:ram-extended": "0.0083",
    "e2:core": "0.02",
    "e2:ram": "0.003",
    "e2-custom:core": "0.021",
    "e2-custom:ram": "0.0031",
    "n4-custom:core": "0.034",
    "n4-custom:ram": "0.0039",
    "n4-custom:ram-extended": "0.0097",
    "f1-micro:instance": "0.0076",
    "g1-small:instance": "0.0257",
    "c3:core": "0.034",
    "c3:ram": "0.0039",
    "c4:core": "0.035",
    "c4:ram": "0.004",
    "m1:core": "0.0348",
    "m1:ram": "0.0051",
    "m2-premium:core": "0.005",
    "m2-premium:ram": "0.0007",
    "m4:core": "0.03",
    "m4:ram": "0.0037",
    "m4-ultramem-224:core": "0.04",
    "m4-ultramem-224:ram": "0.005",
    "z3:core": "0.05",
    "z3:ram": "0.006",
    "a2:core": "0.0316",
    "a2:ram": "0.00424",
    "a3:core": "0.029",
    "a3:ram": "0.0025",
    "a3plus:core": "0.0291",
    "a3plus:ram": "0.0026",
    "g2:core": "0.025",
    "g2:ram": "0.0029",
    "g4:core": "0.0489",
    "g4:ram": "0.0055",
    "gpu:nvidia-tesla-t4": "0.35",
    "gpu:nvidia-l4": "0.56",
    "gpu:nvidia-tesla-a100": "2.93",
    "gpu:nvidia-a100-80gb": "3.93",
    "gpu:nvidia-h100-80gb": "9.8",
    "gpu:nvidia-h100-mega-80gb": "9.9",
    "gpu:nvidia-rtx-pro-6000": "1.15",
    "local-ssd": "0.0001",
    "c4:local-ssd": "0.0002",
    "g4:local-ssd": "0.0003",
    "a4:gpu-slice": "4.9542",
    "z3:local-ssd": "0.0009",
}
SPOT_RATES = [rate(component, usd) for component, usd in USD.items()]
BOOK = PriceBook(SPOT_RATES)


def shape(
    machine_type: str, *, gpu_type: str | None = None, gpu_count: int = 0, local_ssd_gib: int | None = None
) -> Shape:
    """A machine type as it comes, or with what is attached to it."""
    size = sizes(machine_type)
    if size is None:
        return Shape(machine_type, None, None)
    return Shape(
        machine_type,
        size.vcpus,
        size.memory_gib,
        gpu_type or size.gpu_type,
        gpu_count or size.gpu_count,
        size.local_ssd_gib if local_ssd_gib is None else local_ssd_gib,
    )


def total(parts: Iterable[tuple[str, str]]) -> Decimal:
    return sum((Decimal(USD[component]) * Decimal(quantity) for component, quantity in parts), Decimal(0))


PRICED = [
    (shape("n2-standard-4"), [("n2:core", "4"), ("n2:ram", "16")]),
    (shape("n1-highcpu-2"), [("n1:core", "2"), ("n1:ram", "1.8")]),
    (shape("c3-standard-8"), [("c3:core", "8"), ("c3:ram", "32")]),
    # custom types
    (shape("custom-4-8192"), [("n1-custom:core", "4"), ("n1-custom:ram", "8")]),
    (shape("n1-custom-4-8192"), [("n1-custom:core", "4"), ("n1-custom:ram", "8")]),
    (shape("n2-custom-6-10240"), [("n2-custom:core", "6"), ("n2-custom:ram", "10")]),
    (shape("n2d-custom-8-2304"), [("n2d-custom:core", "8"), ("n2d-custom:ram", "2.25")]),
    (shape("e2-custom-2-4096"), [("e2-custom:core", "2"), ("e2-custom:ram", "4")]),
    (shape("n4-custom-4-9216"), [("n4-custom:core", "4"), ("n4-custom:ram", "9")]),
    # extended memory, at its limit and beyond
    (shape("n2-custom-2-16384-ext"), [("n2-custom:core", "2"), ("n2-custom:ram", "16")]),
    (
        shape("n2-custom-2-16640-ext"),
        [("n2-custom:core", "2"), ("n2-custom:ram", "16"), ("n2-custom:ram-extended", "0.25")],
    ),
    (
        shape("n2d-custom-2-20480-ext"),
        [("n2d-custom:core", "2"), ("n2d-custom:ram", "16"), ("n2d-custom:ram-extended", "4")],
    ),
    (
        shape("n4-custom-2-20480-ext"),
        [("n4-custom:core", "2"), ("n4-custom:ram", "16"), ("n4-custom:ram-extended", "4")],
    ),
    (
        shape("n1-custom-1-7680-ext"),
        [("n1-custom:core", "1"), ("n1-custom:ram", "6.5"), ("n1-custom:ram-extended", "1")],
    ),
    (shape("custom-2-13312-ext"), [("n1-custom:core", "2"), ("n1-custom:ram", "13")]),
    (
        shape("custom-1-7680-ext"),
        [("n1-custom:core", "1"), ("n1-custom:ram", "6.5"), ("n1-custom:ram-extended", "1")],
    ),
    # shared cores
    (shape("e2-micro"), [("e2:core", "0.25"), ("e2:ram", "1")]),
    (shape("e2-small"), [("e2:core", "0.5"), ("e2:ram", "2")]),
    (shape("e2-medium"), [("e2:core", "1"), ("e2:ram", "4")]),
    (shape("e2-custom-small-2048"), [("e2-custom:core", "0.5"), ("e2-custom:ram", "2")]),
    (shape("f1-micro"), [("f1-micro:instance", "1")]),
    (shape("g1-small"), [("g1-small:instance", "1")]),
    # attached GPUs and local SSD
    (
        shape("n1-standard-8", gpu_type="nvidia-tesla-t4", gpu_count=2),
        [("n1:core", "8"), ("n1:ram", "30"), ("gpu:nvidia-tesla-t4", "2")],
    ),
    (
        shape("custom-4-8192", gpu_type="nvidia-tesla-t4", gpu_count=1, local_ssd_gib=375),
        [("n1-custom:core", "4"), ("n1-custom:ram", "8"), ("gpu:nvidia-tesla-t4", "1"), ("local-ssd", "375")],
    ),
    (shape("n2-standard-4", local_ssd_gib=750), [("n2:core", "4"), ("n2:ram", "16"), ("local-ssd", "750")]),
    (
        shape("g2-standard-4", local_ssd_gib=375),
        [("g2:core", "4"), ("g2:ram", "16"), ("gpu:nvidia-l4", "1"), ("local-ssd", "375")],
    ),
    # bundled GPUs and local SSD
    (shape("g2-standard-48"), [("g2:core", "48"), ("g2:ram", "192"), ("gpu:nvidia-l4", "4")]),
    (shape("g4-standard-96"), [("g4:core", "96"), ("g4:ram", "360"), ("gpu:nvidia-rtx-pro-6000", "2")]),
    (shape("a4-highgpu-8g"), [("a4:gpu-slice", "8")]),
    (
        shape("g4-standard-48", local_ssd_gib=1500),
        [("g4:core", "48"), ("g4:ram", "180"), ("gpu:nvidia-rtx-pro-6000", "1"), ("g4:local-ssd", "1500")],
    ),
    (shape("a2-megagpu-16g"), [("a2:core", "96"), ("a2:ram", "1360"), ("gpu:nvidia-tesla-a100", "16")]),
    (
        shape("a2-ultragpu-2g"),
        [("a2:core", "24"), ("a2:ram", "340"), ("gpu:nvidia-a100-80gb", "2"), ("local-ssd", "750")],
    ),
    (
        shape("a3-highgpu-1g"),
        [("a3:core", "26"), ("a3:ram", "234"), ("gpu:nvidia-h100-80gb", "1"), ("local-ssd", "750")],
    ),
    (
        shape("a3-megagpu-8g"),
        [("a3plus:core", "208"), ("a3plus:ram", "1872"), ("gpu:nvidia-h100-mega-80gb", "8"), ("local-ssd", "6000")],
    ),
    (shape("c3-standard-8-lssd"), [("c3:core", "8"), ("c3:ram", "32"), ("local-ssd", "750")]),
    (shape("c4-standard-8-lssd"), [("c4:core", "8"), ("c4:ram", "30"), ("c4:local-ssd", "375")]),
    (shape("z3-highmem-8-highlssd"), [("z3:core", "8"), ("z3:ram", "64"), ("local-ssd", "3000")]),
    # memory-optimized types
    (shape("m1-ultramem-40"), [("m1:core", "40"), ("m1:ram", "961")]),
    (shape("n1-ultramem-40"), [("m1:core", "40"), ("m1:ram", "961")]),
    (
        shape("m2-ultramem-208"),
        [("m1:core", "208"), ("m1:ram", "5888"), ("m2-premium:core", "208"), ("m2-premium:ram", "5888")],
    ),
    (shape("m4-megamem-28"), [("m4:core", "28"), ("m4:ram", "372")]),
    (shape("m4-ultramem-224"), [("m4-ultramem-224:core", "224"), ("m4-ultramem-224:ram", "5952")]),
]
SHAPES = [priced for priced, _ in PRICED]


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
        (shape("g4-standard-12"), "g4-standard-12: how a fraction of a GPU is billed is not published"),
        (
            shape("m2-ultramem2x-96"),
            "m2-ultramem2x-96: how this type of persistent memory is billed is not published",
        ),
        (Shape("q9-standard-4", Decimal(4), Decimal(16)), "no rule for machine type q9-standard-4"),
        (Shape("", Decimal(4), Decimal(16)), "no rule for machine type "),
        (Shape("n2-new-4", None, None), "the size of machine type n2-new-4 is not known"),
        (Shape("n2-new-4", Decimal(4), None), "the size of machine type n2-new-4 is not known"),
        (shape("e2-standard-4", local_ssd_gib=375), "no rule for local SSD of machine type e2-standard-4"),
        (
            shape("n1-standard-4", gpu_type="nvidia-tesla-t4-vws", gpu_count=1),
            "no Spot rate for gpu:nvidia-tesla-t4-vws in us-central1",
        ),
    ],
    ids=lambda value: getattr(value, "machine_type", None),
)
def test_what_has_no_certain_rule_has_no_price_and_says_why(unpriced: Shape, reason: str) -> None:
    price = BOOK.price(unpriced, IOWA, SPOT)

    assert (price.usd_per_hour, price.components, price.reason) == (None, (), reason)


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
