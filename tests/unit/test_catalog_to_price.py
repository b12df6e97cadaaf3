"""From SKUs to prices: what must hold for every machine type whatever the catalog."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from spotkeeper.instances import Shape
from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.machine_types import known_machine_types, sizes
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.reference_data import rows
from spotkeeper.pricing.skus import Market, RateUnit, Sku
from tests.unit.sku_samples import AMERICAS, IOWA, SPOT, priced, sku_of

CUSTOM = ("custom-4-8192", "n2-custom-2-20480-ext", "n2d-custom-8-16384", "e2-custom-small-2048", "n4-custom-4-8192")


def shapes() -> list[Shape]:
    """Every machine type that we know, and some custom ones."""
    found = [(name, size) for name in (*known_machine_types(), *CUSTOM) if (size := sizes(name))]
    return [
        Shape(name, size.vcpus, size.memory_gib, size.gpu_type, size.gpu_count, size.local_ssd_gib)
        for name, size in found
    ]


@cache
def catalog() -> tuple[Sku, ...]:
    """One Spot SKU of every component, each at a price of its own."""
    wordings = {row["component"]: row for row in rows("components")}
    return tuple(
        replace(
            sku_of(RateUnit(row["unit"]), f"Spot Preemptible {row['wording']} running in Iowa"),
            sku_id=f"{number:04}",
            usage_type="Preemptible",
            tiers=priced(f"0.0{number:03}"),
        )
        for number, row in enumerate(wordings.values(), start=1)
    )


SHAPES = shapes()
FEWER = settings(max_examples=settings().max_examples // 5)  # each example prices every machine type


def prices(skus: Sequence[Sku], region: str = IOWA) -> dict[str, Decimal | None]:
    book = PriceBook(read_catalog(skus).rates)
    return {shape.machine_type: book.price(shape, region, SPOT).usd_per_hour for shape in SHAPES}


@cache
def all_prices() -> dict[str, Decimal | None]:
    return prices(catalog())


def test_with_every_component_sold_all_types_have_a_price_but_those_of_no_certain_rule() -> None:
    unpriced = {name.split("-")[0] for name, usd in all_prices().items() if usd is None}

    assert unpriced == {"a4x", "z4d"}


@FEWER
@given(st.permutations(range(len(catalog()))))
def test_no_order_of_skus_changes_any_price(order: list[int]) -> None:
    assert prices([catalog()[index] for index in order]) == all_prices()


ODD_SKUS = st.builds(
    lambda sku, tiers, usage_type, regions, unit: replace(
        sku, tiers=tiers, usage_type=usage_type, service_regions=regions, usage_unit=unit
    ),
    st.sampled_from(catalog()),
    st.lists(
        st.tuples(
            st.sampled_from([Decimal(0), Decimal(30)]),
            st.decimals(-1, 1, places=9, allow_nan=False) | st.just(Decimal(0)),
        ),
        max_size=2,
    ).map(tuple),
    st.sampled_from(["OnDemand", "Preemptible", "Commit1Yr"]),
    st.sampled_from([(), (IOWA,), AMERICAS]),
    st.sampled_from(["h", "GiBy.h", "GBy.h", "GiBy.mo", "mo"]),
)


@FEWER
@given(st.lists(ODD_SKUS, max_size=30))
def test_no_catalog_whatever_makes_a_price_of_nothing_or_less(skus: list[Sku]) -> None:
    book = PriceBook(read_catalog([*skus, *catalog()[::2]]).rates)

    found = [
        book.price(shape, region, market).usd_per_hour for shape in SHAPES for region in AMERICAS for market in Market
    ]

    assert [usd for usd in found if usd is not None and usd <= 0] == []
