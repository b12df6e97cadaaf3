"""The Pricing API: what a billing account pays for SKUs by its contract.

The right to ask is `billing.billingAccountPrices.list` on the billing account:
https://cloud.google.com/iam/docs/roles-permissions/billing
"""

import logging
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.http_calls import HttpCalls, PageTokens, parse_each
from spotkeeper.logs import log_event
from spotkeeper.pricing.contract_prices import ContractPrice, contract_price_from_json, sku_of
from spotkeeper.pricing.skus import Rate

PRICES_PER_PAGE = 5_000
READ_DEADLINE = timedelta(seconds=90)
"""After so long no further page is asked for: the run has its usage to read in the same 15 minutes."""

HOST = "cloudbilling.googleapis.com"
_SERVICE = "Cloud Billing Pricing API"
_LONGEST_RETRY = timedelta(seconds=10)
"""A call that fails is due again in the next run."""


def prices_path(billing_account_id: str) -> str:
    """Return the path of the list of all prices of an account."""
    return f"/v2beta/billingAccounts/{billing_account_id}/skus/-/prices"


class BillingPrices:
    """Reads the contract prices of one billing account, in the currency of the account."""

    def __init__(
        self,
        billing_account_id: str,
        endpoint: str | None,
        retry_timeout: timedelta,
        deadline: timedelta = READ_DEADLINE,
    ) -> None:
        """Prepare to ask; nothing is called."""
        self._path = prices_path(billing_account_id)
        self._calls = HttpCalls(_SERVICE, HOST, endpoint, min(retry_timeout, _LONGEST_RETRY))
        self._deadline = deadline.total_seconds()

    def read(self, rates: Mapping[str, Rate]) -> Mapping[str, ContractPrice]:
        """Return the prices of the SKUs of these list rates by their ids; raises UnavailableError unless all are read.

        Of two prices of one SKU the higher counts, so that no cost is understated.
        """
        found: dict[str, ContractPrice] = {}
        for page in self._pages():
            for sku_id, resource in _named(page):
                if sku_id in rates:
                    price = contract_price_from_json(resource, rates[sku_id])
                    found[sku_id] = max(found.get(sku_id, price), price, key=lambda each: each.amount or 0)
        return found

    def _pages(self) -> Iterator[dict[str, Any]]:
        begun, tokens, query = time.monotonic(), PageTokens(_SERVICE), {"pageSize": str(PRICES_PER_PAGE)}
        while True:
            page = self._calls.call("GET", self._path, query=query)
            if not page.get("nextPageToken") and not _prices_of(page):
                page = self._calls.call("GET", self._path, query=query)  # An account has prices, and so a last page.
            yield page
            token = page.get("nextPageToken", "")
            if not token:
                return
            query["pageToken"] = tokens.follow(str(token))
            if time.monotonic() - begun > self._deadline:
                message = f"{_SERVICE}: not all pages were read within {self._deadline:.0f} s"
                raise UnavailableError(message)


def _prices_of(page: Mapping[str, Any]) -> list[Any]:
    prices = page.get("billingAccountPrices", [])
    if not isinstance(prices, list):
        message = f"{_SERVICE}: billingAccountPrices is not a list"
        raise UnavailableError(message)
    return prices


def _named(page: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the prices of a page with the ids of their SKUs; those without one are skipped, as far as they are few."""
    return parse_each(
        _prices_of(page), _with_sku, lambda detail: log_event("contract price skipped", logging.WARNING, detail=detail)
    )


def _with_sku(resource: Any) -> tuple[str, Mapping[str, object]]:  # noqa: ANN401 (any JSON)
    try:
        return sku_of(resource), resource
    except ValueError as problem:
        message = f"{_SERVICE}: a price is malformed: {problem}"
        raise UnavailableError(message) from problem
