"""Real pages of the catalog, read as a person reads them."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.skus import ForeignCurrencyError, Sku, sku_from_json
from tests.unit.sku_samples import AMERICAS, IOWA

CATALOG = Path(__file__).parents[2].parent / "shared" / "data" / "catalog"
real_catalog = pytest.mark.skipif(
    not CATALOG.is_dir(), reason=f"THE REAL CATALOG PAGES ARE NOT READ: there is no {CATALOG}"
)

N4_PAGE = [
    ("n4a-custom:core", "on_demand", IOWA, "0.027783"),
    ("n4a-custom:ram", "on_demand", IOWA, "0.003161"),
    ("n4a:core", "on_demand", IOWA, "0.02646"),
    ("n4a:core", "spot", IOWA, "0.01055"),
    ("n4a:ram", "on_demand", IOWA, "0.00301"),
    ("n4a:ram", "spot", IOWA, "0.001201"),
    ("n4d-custom:core", "on_demand", IOWA, "0.030566"),
    ("n4d-custom:ram", "on_demand", IOWA, "0.003476"),
    ("n4d:core", "on_demand", IOWA, "0.02911"),
    ("n4d:core", "spot", IOWA, "0.01553"),
    ("n4d:ram", "on_demand", IOWA, "0.00331"),
    ("n4d:ram", "spot", IOWA, "0.001767"),
]
FIXINVENTORY_PAGE = [
    *(("a2:core", "on_demand", region, "0.031611") for region in AMERICAS),
    *(("a2:ram", "on_demand", region, "0.004237") for region in AMERICAS),
    ("c2d:core", "on_demand", "europe-west3", "0.038088"),
    ("c2d:ram", "on_demand", "europe-west3", "0.0051"),
    *(("f1-micro:instance", "on_demand", region, "0.0076") for region in AMERICAS),
    *(("n2d:core", "on_demand", region, "0.027502") for region in AMERICAS),
    *(("n2d:ram", "on_demand", region, "0.003686") for region in AMERICAS),
    ("t2d:core", "on_demand", "europe-west3", "0.035435"),
    ("t2d:ram", "on_demand", "europe-west3", "0.004748"),
]
OPENCOST_PAGE_IN_USD = [
    *(("a2:core", "on_demand", region, "0.031611") for region in AMERICAS),
    *(("a2:ram", "on_demand", region, "0.004237") for region in AMERICAS),
    *(("gpu:nvidia-tesla-a100", "on_demand", region, "2.933908") for region in AMERICAS),
]


def real_skus(name: str) -> list[Sku]:
    page = json.loads((CATALOG / name).read_text(encoding="utf-8"))
    return [sku_from_json(each) for each in page["skus"]]


def as_read(skus: list[Sku]) -> list[tuple[str, str, str, Decimal]]:
    reading = read_catalog(skus)
    assert (reading.unmatched, reading.duplicates) == ((), ())
    return [(rate.component, rate.market.value, rate.region, rate.usd) for rate in reading.rates]


@real_catalog
@pytest.mark.parametrize(
    ("name", "expected"),
    [("opencost_n4_skus.json", N4_PAGE), ("fixinventory_skus.json", FIXINVENTORY_PAGE)],
    ids=["N4A and N4D in Iowa", "a mixture of 2023"],
)
def test_a_real_page_is_read_as_a_person_reads_it(name: str, expected: list[tuple[str, str, str, str]]) -> None:
    assert as_read(real_skus(name)) == [(*key, Decimal(usd)) for *key, usd in expected]


@real_catalog
def test_a_real_page_with_prices_in_rupiah_is_refused() -> None:
    with pytest.raises(ForeignCurrencyError, match=r"4756-01E4-0F32 .*Singapore.*'IDR'"):
        read_catalog(real_skus("opencost_skus.json"))


@real_catalog
def test_the_dollar_part_of_that_page_is_read_as_a_person_reads_it() -> None:
    in_dollars = [sku for sku in real_skus("opencost_skus.json") if sku.currency == "USD"]

    assert as_read(in_dollars) == [(*key, Decimal(usd)) for *key, usd in OPENCOST_PAGE_IN_USD]
