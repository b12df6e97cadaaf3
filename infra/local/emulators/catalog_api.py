"""The Cloud Billing Catalog's REST service: `services.skus.list`."""

import functools
import json
from datetime import datetime

from starlette.routing import Route

from infra.local.emulators.catalog import CURRENCIES, SERVICE, catalog_at, published_at, sku_resource
from infra.local.emulators.rest import ApiError, Call, Method
from infra.local.emulators.state import CloudState

LARGEST_PAGE = 5000


def routes(state: CloudState) -> list[Route]:
    """The paths it answers."""
    return [
        Route(
            "/v1/services/{service}/skus", Method(state, "catalog", "skus.list", functools.partial(_list, state)).answer
        )
    ]


def _list(state: CloudState, call: Call) -> bytes:
    call.only("pageSize", "pageToken", "currencyCode")
    service = f"services/{call.path['service']}"
    if service != SERVICE:
        raise ApiError(404, f"Service '{service}' not found.")
    currency = call.query.get("currencyCode", "USD")
    if currency not in CURRENCIES:
        raise ApiError(400, f"Invalid currency code: {currency}")
    size = int(call.query.get("pageSize", "0")) or LARGEST_PAGE
    if not 0 < size <= LARGEST_PAGE:
        raise ApiError(400, f"page_size must be at most {LARGEST_PAGE}: {size}")
    skus = _resources(state.clock.now, currency)
    start = _offset(call.query.get("pageToken", ""))
    more = start + size < len(skus)
    token = f"skus-{start + size}" if more else ""
    return (
        b'{"skus":[' + b",".join(skus[start : start + size]) + b'],"nextPageToken":' + json.dumps(token).encode() + b"}"
    )


def _resources(now: datetime, currency: str) -> tuple[bytes, ...]:
    return _resources_published(published_at(now), currency)


@functools.lru_cache(maxsize=8)
def _resources_published(published: datetime, currency: str) -> tuple[bytes, ...]:
    return tuple(
        json.dumps(sku_resource(sku, published, currency), separators=(",", ":")).encode()
        for sku in catalog_at(published)
    )


def _offset(token: str) -> int:
    if not token:
        return 0
    name, _, number = token.partition("-")
    if name != "skus" or not number.isdecimal():
        raise ApiError(400, f"Invalid page token: {token}")
    return int(number)
