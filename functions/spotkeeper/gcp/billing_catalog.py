"""The Cloud Billing Catalog: list prices of Compute Engine."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from google.cloud import billing_v1

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, is_local, retry, translate_errors
from spotkeeper.gcp.http_calls import PageTokens
from spotkeeper.gcp.protobufs import RawMessage
from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.skus import CatalogReading, ForeignCurrencyError, Sku, money

COMPUTE_ENGINE = "services/6F81-5844-456A"
SKUS_PER_PAGE = 5_000

_SERVICE = "Cloud Billing Catalog"


class BillingCatalog:
    """Reads all SKUs of Compute Engine, in US dollars."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._client = billing_v1.CloudCatalogClient(
            credentials=credentials(endpoint),
            transport="rest" if is_local(endpoint) else None,
            client_options=client_options(endpoint),
        )
        self._retry = retry(retry_timeout)

    def read(self) -> CatalogReading:
        """Return all rates; raises UnavailableError when a page is missing or the prices are not in US dollars."""
        with translate_errors(_SERVICE):
            try:
                return read_catalog(sku for page in self._pages() for sku in skus_of(page))
            except ForeignCurrencyError as error:
                raise UnavailableError(str(error)) from error

    def pages_as_json(self) -> Iterator[str]:
        """Yield every page as the API's JSON, each on one line; raises UnavailableError when one is missing."""
        with translate_errors(_SERVICE):
            for page in self._pages():
                form = billing_v1.ListSkusResponse.to_dict(
                    page, preserving_proto_field_name=False, use_integers_for_enums=False
                )
                yield json.dumps(form, ensure_ascii=False, separators=(",", ":"))

    def _pages(self) -> Iterator[billing_v1.ListSkusResponse]:
        request = billing_v1.ListSkusRequest(parent=COMPUTE_ENGINE, currency_code="USD", page_size=SKUS_PER_PAGE)
        page_tokens = PageTokens(_SERVICE)
        while True:
            page = self._page(request)
            if not page.next_page_token and not billing_v1.ListSkusResponse.pb(page).skus:
                page = self._page(request)  # A page that a token announced should not be empty.
            yield page
            if not page.next_page_token:
                return
            request.page_token = page_tokens.follow(page.next_page_token)

    def _page(self, request: billing_v1.ListSkusRequest) -> billing_v1.ListSkusResponse:
        pages: Iterator[billing_v1.ListSkusResponse] = self._client.list_skus(
            request=request, retry=self._retry, timeout=TIMEOUT
        ).pages
        return next(pages)


def skus_of(page: billing_v1.ListSkusResponse) -> Iterator[Sku]:
    """Yield the SKUs of a page from its raw protobufs: proto-plus wrappers take ten times as long."""
    for sku in billing_v1.ListSkusResponse.pb(page).skus:
        yield _to_sku(sku)


def _to_sku(sku: RawMessage) -> Sku:
    """Return the SKU as a value; its last pricing info is the current one."""
    expression = sku.pricing_info[-1].pricing_expression if sku.pricing_info else None
    rates = expression.tiered_rates if expression else ()
    return Sku(
        sku_id=sku.sku_id,
        description=sku.description,
        resource_family=sku.category.resource_family,
        resource_group=sku.category.resource_group,
        usage_type=sku.category.usage_type,
        service_regions=tuple(sku.service_regions),
        usage_unit=expression.usage_unit if expression else "",
        currency=rates[0].unit_price.currency_code if rates else "",
        tiers=tuple(
            (Decimal(repr(rate.start_usage_amount)), money(rate.unit_price.units, rate.unit_price.nanos))
            for rate in rates
        ),
    )
