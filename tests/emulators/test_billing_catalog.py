"""The price catalog's emulator, as Google's client library sees it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import billing_v1

from infra.local.emulators.cloud import Cloud
from infra.local.emulators.faults import Kind, Rule

SERVICE = "services/6F81-5844-456A"
ANYBODY = AnonymousCredentials()  # as google-auth ships it


@pytest.fixture
def catalog(cloud: Cloud) -> Iterator[billing_v1.CloudCatalogClient]:
    with billing_v1.CloudCatalogClient(
        transport="rest", credentials=ANYBODY, client_options={"api_endpoint": cloud.rest_url}
    ) as client:
        yield client


def prices(client: billing_v1.CloudCatalogClient, **more: object) -> dict[str, Decimal]:
    """The last tier's price of every SKU that has a description of its own."""
    skus = client.list_skus(request={"parent": SERVICE, **more})
    return {sku.description: price(sku) for sku in skus}


def price(sku: billing_v1.Sku) -> Decimal:
    """A SKU's last tier in its currency."""
    money = sku.pricing_info[0].pricing_expression.tiered_rates[-1].unit_price
    return Decimal(money.units) + Decimal(money.nanos) / 1_000_000_000


def test_every_sku_is_listed_once_over_all_pages(catalog: billing_v1.CloudCatalogClient) -> None:
    pages = list(catalog.list_skus(request={"parent": SERVICE, "page_size": 500}).pages)
    ids = [sku.sku_id for page in pages for sku in page.skus]
    assert len(pages) > 2
    assert {len(page.skus) for page in pages[:-1]} == {500}
    assert len(ids) == len(set(ids))
    assert set(ids) == {sku.sku_id for sku in catalog.list_skus(parent=SERVICE)}


def test_a_sku_has_the_real_catalogs_shape(cloud: Cloud) -> None:
    skus = requests.get(f"{cloud.rest_url}/v1/{SERVICE}/skus", timeout=5).json()["skus"]
    (core,) = [sku for sku in skus if sku["skuId"] == "A03E-E620-7389"]
    assert core == {
        "name": "services/6F81-5844-456A/skus/A03E-E620-7389",
        "skuId": "A03E-E620-7389",
        "description": "N2D AMD Instance Core running in Americas",
        "category": {
            "serviceDisplayName": "Compute Engine",
            "resourceFamily": "Compute",
            "resourceGroup": "CPU",
            "usageType": "OnDemand",
        },
        "serviceRegions": ["us-central1", "us-east1", "us-west1"],
        "pricingInfo": [
            {
                "summary": "",
                "pricingExpression": {
                    "usageUnit": "h",
                    "displayQuantity": 1,
                    "tieredRates": [
                        {
                            "startUsageAmount": 0.0,
                            "unitPrice": {"currencyCode": "USD", "units": "0", "nanos": 27502000},
                        }
                    ],
                    "usageUnitDescription": "hour",
                    "baseUnit": "s",
                    "baseUnitDescription": "second",
                    "baseUnitConversionFactor": 3600.0,
                },
                "currencyConversionRate": 1.0,
                "effectiveTime": "2026-07-21T00:00:00.000Z",
            }
        ],
        "serviceProviderName": "Google",
        "geoTaxonomy": {"type": "MULTI_REGIONAL", "regions": ["us-central1", "us-east1", "us-west1"]},
    }


def test_prices_add_up_to_what_google_published(catalog: billing_v1.CloudCatalogClient) -> None:
    """Whole machine types of 2026-07-30, of one-ratio and of solved families, Spot and on demand."""
    found = prices(catalog)

    def machine(words: str, place: str, vcpus: int, memory_gib: Decimal | int) -> Decimal:
        core, ram = (found[f"{words} {part} running in {place}"] for part in ("Core", "Ram"))
        return core * vcpus + ram * memory_gib

    spot = "Spot Preemptible"
    a100 = found["Nvidia Tesla A100 GPU attached to Spot Preemptible VMs running in Americas"]
    l4 = found["Nvidia L4 GPU running in Netherlands"]
    assert machine(f"{spot} N2 Instance", "South Carolina", 8, 32) == Decimal("0.18424")
    assert machine("N1 Predefined Instance", "EMEA", 8, 30) == Decimal("0.418014")
    assert machine(f"{spot} Compute optimized", "Taiwan", 16, 64) == Decimal("0.29152")
    assert machine(f"{spot} A2 Instance", "Americas", 12, 85) + a100 == Decimal("1.92802")
    assert machine("G2 Instance", "Netherlands", 8, 32) + l4 == Decimal("0.897201806")
    assert found["Spot Preemptible Micro Instance with burstable CPU running in Americas"] == Decimal("0.000684")
    gigabytes = 30 * Decimal("1.073741824")
    assert round(machine("C4 Instance", "Iowa", 8, gigabytes), 7) == Decimal("0.3953400")


def test_prices_over_a_dollar_and_below_nothing_use_both_fields(cloud: Cloud) -> None:
    skus = requests.get(f"{cloud.rest_url}/v1/{SERVICE}/skus", timeout=5).json()["skus"]
    money = {
        sku["description"]: sku["pricingInfo"][0]["pricingExpression"]["tieredRates"][-1]["unitPrice"] for sku in skus
    }
    assert money["Nvidia Tesla A100 GPU running in Americas"] == {
        "currencyCode": "USD",
        "units": "2",
        "nanos": 933908000,
    }
    assert money["Micro Instance with burstable CPU free tier discount"]["nanos"] == -5500000


@pytest.mark.parametrize(
    ("now", "iowa", "netherlands"),
    [
        (datetime(2026, 7, 22, 6, 59, 59, tzinfo=UTC), "0.01363", "0.01332"),
        (datetime(2026, 7, 22, 7, tzinfo=UTC), "0.01499", "0.01265"),
    ],
)
def test_n2_spot_prices_change_at_midnight_in_los_angeles(
    cloud: Cloud, catalog: billing_v1.CloudCatalogClient, now: datetime, iowa: str, netherlands: str
) -> None:
    cloud.state.clock.now = now
    found = prices(catalog)
    assert found["Spot Preemptible N2 Instance Core running in Iowa"] == Decimal(iowa)
    assert found["Spot Preemptible N2 Instance Core running in Netherlands"] == Decimal(netherlands)
    assert found["N2 Instance Core running in Iowa"] == Decimal("0.031611")


def test_the_catalog_holds_what_a_reader_has_to_step_over(catalog: billing_v1.CloudCatalogClient) -> None:
    skus = list(catalog.list_skus(parent=SERVICE))
    usage_types = {sku.category.usage_type for sku in skus}
    units = {sku.pricing_info[0].pricing_expression.usage_unit for sku in skus}
    assert usage_types == {"OnDemand", "Preemptible", "Commit1Yr", "Commit3Yr"}
    assert {"h", "GiBy.h", "GBy.h", "GiBy.mo"} <= units
    for words in ("Sole Tenancy", "Reserved", "Custom", "Licensing Fee", "free tier"):
        assert any(words in sku.description for sku in skus), words
    assert not any("N9" in sku.description for sku in skus)


def test_other_currencies_are_converted(catalog: billing_v1.CloudCatalogClient) -> None:
    (sku,) = [
        sku
        for sku in catalog.list_skus(request={"parent": SERVICE, "currency_code": "IDR"})
        if sku.sku_id == "A03E-E620-7389"
    ]
    assert sku.pricing_info[0].pricing_expression.tiered_rates[0].unit_price.currency_code == "IDR"
    assert sku.pricing_info[0].currency_conversion_rate == 16_350
    assert price(sku) == Decimal("0.027502") * 16_350


@pytest.mark.parametrize(
    "wanted", [{"page_size": 5001}, {"page_size": -1}, {"page_token": "made up"}, {"currency_code": "XYZ"}]
)
def test_a_list_that_the_real_one_refuses_is_an_invalid_argument(
    catalog: billing_v1.CloudCatalogClient, wanted: dict[str, Any]
) -> None:
    with pytest.raises(exceptions.BadRequest):
        catalog.list_skus(request={"parent": SERVICE, **wanted})


def test_an_unknown_service_is_not_found(catalog: billing_v1.CloudCatalogClient) -> None:
    with pytest.raises(exceptions.NotFound):
        catalog.list_skus(parent="services/0000-0000-0000")


def test_the_catalog_can_be_out_of_order(cloud: Cloud, catalog: billing_v1.CloudCatalogClient) -> None:
    cloud.state.faults.replace([Rule("catalog", Kind.STATUS, status=503)])
    with pytest.raises(exceptions.ServiceUnavailable):
        catalog.list_skus(request={"parent": SERVICE}, retry=None)
