"""The Pricing API's REST service: `billingAccounts.skus.prices.list`."""

import functools
import json
import re

from starlette.routing import Route

from infra.local.emulators.catalog import CURRENCIES
from infra.local.emulators.rest import ApiError, Call, Method
from infra.local.emulators.state import CloudState

DEFAULT_PAGE, LARGEST_PAGE = 50, 5000
PERMISSION = "billing.billingAccountPrices.list"
_ACCOUNT = re.compile(r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}")
_TOKEN = re.compile(r"prices-([0-9]+)")


def routes(state: CloudState) -> list[Route]:
    """The paths it answers."""
    method = Method(state, "pricing", "skus.prices.list", functools.partial(_list, state))
    return [Route("/v2beta/billingAccounts/{account}/skus/{sku}/prices", method.answer)]


def _list(state: CloudState, call: Call) -> bytes:
    call.only("pageSize", "pageToken", "currencyCode")
    account, sku = call.path["account"], call.path["sku"]
    if not _ACCOUNT.fullmatch(account):
        raise ApiError(400, f"Invalid billing account: billingAccounts/{account}")
    if account != state.contract.account or not state.permissions.allow(PERMISSION, account):
        raise ApiError(403, "The caller does not have permission")
    currency = call.query.get("currencyCode", state.contract.currency)
    if currency not in CURRENCIES:
        raise ApiError(400, f"Invalid currency code: {currency}")
    prices = [
        each
        for each in state.contract.prices(state.clock.now, currency)
        if sku == "-" or str(each["name"]).endswith(f"/skus/{sku}/price")
    ]
    if not prices:
        raise ApiError(404, f"SKU not found: {sku}")
    start, size = _offset(call), _size(call)
    page: dict[str, object] = {"billingAccountPrices": prices[start : start + size]}
    if start + size < len(prices):
        page["nextPageToken"] = f"prices-{start + size}"
    return json.dumps(page).encode()


def _size(call: Call) -> int:
    written = call.query.get("pageSize", "0")
    size = int(written) if written.lstrip("-").isdecimal() else -1
    if not 0 <= size <= LARGEST_PAGE:
        raise ApiError(400, f"page_size must be from 0 to {LARGEST_PAGE}: {written}")
    return size or DEFAULT_PAGE


def _offset(call: Call) -> int:
    token = call.query.get("pageToken", "")
    found = _TOKEN.fullmatch(token)
    if token and not found:
        raise ApiError(400, f"Invalid page token: {token}")
    return int(found[1]) if found else 0
