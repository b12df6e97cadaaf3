"""What Compute Engine's lists have in common: page sizes, page tokens, masks, scopes and their warnings."""

import base64
import binascii
import functools
import json
from collections.abc import Collection, Sequence

from infra.local.emulators.compute.access import VISIBLE_ZONES
from infra.local.emulators.compute.resources import ROOT
from infra.local.emulators.rest import ApiError, Mask, mask
from infra.local.fleet.fleet import Project

LARGEST_PAGE = 500
TOP_FIELDS = frozenset({"kind", "id", "items", "nextPageToken", "selfLink", "unreachables", "warning"})
ZONAL_SCOPES = tuple(f"zones/{zone}" for zone in VISIBLE_ZONES)
REGIONAL_SCOPES = tuple(f"regions/{name}" for name in sorted({zone.rpartition("-")[0] for zone in VISIBLE_ZONES}))

type Json = dict[str, object]


def page_size(text: str) -> int:
    """How many a page may have at most; more than 500 is refused."""
    size = int(text) if text.isdecimal() else -1
    if not 0 <= size <= LARGEST_PAGE:
        message = f"Invalid value for field 'maxResults': '{text}'. Must be less than or equal to {LARGEST_PAGE}"
        raise ApiError(400, message)
    return size or LARGEST_PAGE


def token(place: Sequence[str]) -> str:
    """The page token for what comes after a place in the list."""
    return base64.urlsafe_b64encode(json.dumps(list(place)).encode()).decode()


def place(text: str) -> tuple[str, str]:
    """The place in the list that a page token names; the beginning when there is none."""
    if not text:
        return ("", "")
    try:
        scope, name = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, binascii.Error) as error:
        raise ApiError(400, f"Invalid value for field 'pageToken': '{text}'.") from error
    return str(scope), str(name)


@functools.lru_cache(maxsize=32)
def aggregated_mask(text: str, collection: str, fields: frozenset[str]) -> Mask:
    """The mask of an aggregated list; a field that it does not have is refused, as the real one does."""
    wanted = mask(text) if text else {}
    unknown = wanted.keys() - TOP_FIELDS - {"*"}
    inner = wanted.get("items", {}).get("*", {})
    unknown |= inner.keys() - {collection, "warning", "*"}
    unknown |= inner.get(collection, {}).keys() - fields - {"*"}
    if unknown:
        raise ApiError(400, f"Invalid field selection {min(unknown)}", "invalidParameter")
    return wanted


def envelope(  # noqa: PLR0913 (a page has this many parts)
    kind: str,
    collection: str,
    project: Project,
    *,
    filled: Collection[str],
    unreachable: frozenset[str],
    next_token: str,
    scopes: Sequence[str] = ZONAL_SCOPES,
) -> Json:
    """An aggregated list with an empty place for each scope that has something, and a warning for each other."""
    page: Json = {
        "kind": kind,
        "id": f"projects/{project.project_id}/aggregated/{collection}",
        "items": {scope: _scope(scope, collection, filled, unreachable) for scope in scopes},
        "selfLink": f"{ROOT}/projects/{project.project_id}/aggregated/{collection}",
    }
    if next_token:
        page["nextPageToken"] = next_token
    if unreachable:
        page["unreachables"] = [f"projects/{project.project_id}/zones/{zone}" for zone in sorted(unreachable)]
        page["warning"] = _warning("UNREACHABLE", "Some zones could not be reached.", sorted(unreachable))
    return page


def items_of(page: Json) -> Json:
    """The scopes of a page by their name."""
    items = page["items"]
    return items if isinstance(items, dict) else {}


def _scope(scope: str, collection: str, filled: Collection[str], unreachable: frozenset[str]) -> Json:
    zone = scope.rpartition("/")[2]
    if zone in unreachable:
        return {"warning": _warning("UNREACHABLE", f"The zone '{zone}' could not be reached.", [zone])}
    if scope in filled:
        return {collection: []}
    message = f"There are no results for scope '{scope}' on this page."
    return {"warning": _warning("NO_RESULTS_ON_PAGE", message, [scope])}


def _warning(code: str, message: str, scopes: list[str]) -> Json:
    return {"code": code, "message": message, "data": [{"key": "scope", "value": scope} for scope in scopes]}
