"""The Pricing API's emulator, and what reads contract prices from it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
import requests

from infra.local.emulators.catalog import Json
from infra.local.emulators.cloud import Cloud
from infra.local.emulators.contract import ACCOUNT, Contract, Term
from infra.local.emulators.faults import Kind, Rule
from infra.local.emulators.permissions import Denial
from infra.local.emulators.pricing_api import PERMISSION
from infra.local.fleet.clock import parse
from spotkeeper.cli.main import main
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.billing_catalog import BillingCatalog
from spotkeeper.gcp.billing_prices import BillingPrices
from spotkeeper.pricing.contract_prices import contract_rates
from spotkeeper.pricing.skus import Rate

NO_RETRY = timedelta(0)


def answer(cloud: Cloud, path: str = f"billingAccounts/{ACCOUNT}/skus/-/prices", **query: object) -> requests.Response:
    return requests.get(f"{cloud.rest_url}/v2beta/{path}", params=query, timeout=5)  # type: ignore[arg-type]  # any


def reader(cloud: Cloud, account: str = ACCOUNT, **more: Any) -> BillingPrices:  # noqa: ANN401 (options)
    return BillingPrices(account, cloud.rest_url, NO_RETRY, **more)


@pytest.fixture
def rates(cloud: Cloud) -> dict[str, Rate]:
    reading = BillingCatalog(cloud.rest_url, NO_RETRY).read()
    return contract_rates((*reading.rates, *reading.attachments.rates))


def test_a_price_has_the_form_of_the_reference(cloud: Cloud) -> None:
    price = answer(cloud).json()["billingAccountPrices"][0]

    assert price.keys() == {"name", "currencyCode", "valueType", "priceReason", "rate"}
    assert price["rate"].keys() == {"tiers", "unitInfo", "aggregationInfo"}


def test_every_price_is_listed_once_over_all_pages(cloud: Cloud) -> None:
    names, token = [], ""
    while True:
        page = answer(cloud, pageSize=500, pageToken=token).json()
        names += [each["name"] for each in page["billingAccountPrices"]]
        if not (token := page.get("nextPageToken", "")):
            break

    assert len(answer(cloud).json()["billingAccountPrices"]) == 50
    assert len(names) == len(set(names)) > 500


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("billingAccounts/my-account/skus/-/prices", {}, HTTPStatus.BAD_REQUEST),
        ("billingAccounts/012345-6789ab-cdef01/skus/-/prices", {}, HTTPStatus.BAD_REQUEST),
        ("billingAccounts/000000-000000-000000/skus/-/prices", {}, HTTPStatus.FORBIDDEN),
        (f"billingAccounts/{ACCOUNT}/skus/NONE/prices", {}, HTTPStatus.NOT_FOUND),
        (f"billingAccounts/{ACCOUNT}/skus/-/prices", {"pageSize": 5001}, HTTPStatus.BAD_REQUEST),
        (f"billingAccounts/{ACCOUNT}/skus/-/prices", {"pageSize": -1}, HTTPStatus.BAD_REQUEST),
        (f"billingAccounts/{ACCOUNT}/skus/-/prices", {"pageToken": "x"}, HTTPStatus.BAD_REQUEST),
        (f"billingAccounts/{ACCOUNT}/skus/-/prices", {"currencyCode": "XXX"}, HTTPStatus.BAD_REQUEST),
        (f"billingAccounts/{ACCOUNT}/skus/-/prices", {"filter": "x"}, HTTPStatus.BAD_REQUEST),
    ],
)
def test_what_google_refuses_is_refused(cloud: Cloud, path: str, query: dict[str, object], status: HTTPStatus) -> None:
    assert answer(cloud, path, **query).status_code == status


def test_without_the_right_the_answer_is_403(cloud: Cloud, rates: dict[str, Rate]) -> None:
    cloud.state.permissions.denials = (Denial(project=ACCOUNT, denied=(PERMISSION,)),)

    with pytest.raises(UnavailableError, match=r"Cloud Billing Pricing API: 403 .*does not have permission"):
        reader(cloud).read(rates)


def test_the_contract_prices_of_all_skus_that_spot_vms_are_billed_by_are_read(
    cloud: Cloud, rates: dict[str, Rate]
) -> None:
    found = reader(cloud).read(rates)

    assert found.keys() == rates.keys()
    by_discount = {"floating-discount": Decimal("0.95"), "default-price": Decimal(1)}
    for sku_id, price in found.items():
        special = any(words in rates[sku_id].description for words in ("N2D", "PD Capacity"))
        if not special:
            assert price.amount is not None
            assert abs(price.amount - rates[sku_id].usd * by_discount[price.origin]) < Decimal("1e-9")


def test_a_term_that_begins_changes_the_price_from_then_on(cloud: Cloud, rates: dict[str, Rate]) -> None:
    n2d = next(sku_id for sku_id, rate in rates.items() if rate.description.startswith("Spot Preemptible N2D"))

    def share(at: str) -> Decimal:
        cloud.state.clock.now = parse(at)
        amount = reader(cloud).read(rates)[n2d].amount
        assert amount is not None
        return round(amount / rates[n2d].usd, 3)

    assert [share("2026-07-21T12:00:00Z"), share("2026-07-22T08:00:00Z")] == [Decimal("0.875"), Decimal("0.8")]


def test_an_account_in_another_currency_answers_in_it(cloud: Cloud, rates: dict[str, Rate]) -> None:
    cloud.state.contract = replace(cloud.state.contract, currency="EUR")

    assert {price.currency for price in reader(cloud).read(rates).values()} == {"EUR"}


@pytest.mark.parametrize(
    "kind",
    [Kind.STATUS, Kind.RESET, Kind.TRUNCATED, Kind.NOT_JSON, Kind.NO_BODY, Kind.PAGE_AGAIN],
)
def test_a_list_that_is_not_read_in_full_is_no_reading(cloud: Cloud, rates: dict[str, Rate], kind: Kind) -> None:
    cloud.state.faults.replace((Rule("pricing", kind),))

    with pytest.raises(UnavailableError):
        reader(cloud).read(rates)


def test_no_page_is_asked_for_after_the_deadline(cloud: Cloud, rates: dict[str, Rate]) -> None:
    cloud.state.faults.page_limits["pricing", "skus.prices.list"] = 100

    with pytest.raises(UnavailableError, match="not all pages were read within 0 s"):
        reader(cloud, deadline=timedelta(0)).read(rates)
    assert cloud.state.requests["pricing", "skus.prices.list"] == 1


class Twice(Contract):
    """A list that has every price twice, the second time at half of the list price."""

    def prices(self, at: datetime, currency: str | None = None) -> Iterator[Json]:
        """Yield the prices of the contract, and then others."""
        yield from Contract.prices(self, at, currency)
        yield from Contract(terms=(Term("", Decimal(50)),)).prices(at, currency)


def test_of_two_prices_of_one_sku_the_higher_counts(cloud: Cloud, rates: dict[str, Rate]) -> None:
    once = reader(cloud).read(rates)
    cloud.state.contract = Twice()

    assert reader(cloud).read(rates) == once


def test_the_price_of_a_machine_type_is_shown_by_the_contract_beside_the_list_price(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_ENDPOINT", cloud.rest_url)
    asked = ["price", "n2-standard-8", "--region", "us-central1", "--disk", "pd-balanced=100", "--contract", ACCOUNT]

    assert main(asked) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert main([*asked, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)

    [listed] = [line for line in lines if line[:1] == ["Spot"] and line[1] != "by" and line[-1] == "exact"]
    [agreed] = [line for line in lines if line[:3] == ["Spot", "by", "contract"]]
    assert Decimal(agreed[3]) == Decimal(listed[1]) * Decimal("0.95")
    assert found["contract"]["n2-standard-8"] == {"per_hour": agreed[3], "reason": ""}
    assert found["contract"]["disk"].keys() == {"per_hour", "reason"}


def test_an_account_that_may_not_be_read_or_is_none_is_named(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_ENDPOINT", cloud.rest_url)
    asked = ["price", "n2-standard-8", "--region", "us-central1", "--contract"]

    assert main([*asked, "000000-000000-000000"]) == 2
    assert "The caller does not have permission" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*asked, "my-account"])
    assert "must be a billing account id" in capsys.readouterr().err
