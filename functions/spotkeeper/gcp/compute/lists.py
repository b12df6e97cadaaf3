"""Lists of Compute Engine over all zones, page by page."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.http_calls import CallError, HttpCalls, PageTokens
from spotkeeper.logs import log_event
from spotkeeper.ports import Report

HOST = "compute.googleapis.com"

PROJECTS = "/compute/v1/projects"

ITEMS_PER_PAGE = 500
"""The largest page size of aggregatedList."""

type Json = dict[str, Any]

PARSE_ERRORS = (KeyError, TypeError, AttributeError, ValueError, ArithmeticError)
"""Raised when a resource lacks a required field or holds an unexpected value."""

_HARMLESS_WARNINGS = {"NO_RESULTS_ON_PAGE", ""}


def compute_calls(endpoint: str | None, retry_timeout: timedelta) -> HttpCalls:
    """Return the caller of Compute Engine, or of the endpoint when one is set."""
    return HttpCalls("Compute Engine", HOST, endpoint, retry_timeout)


class AggregatedList:
    """A list over all zones of a project, in JSON; raises UnavailableError.

    https://cloud.google.com/compute/docs/reference/rest/v1/instances/aggregatedList
    """

    collection = ""
    kind = ""

    def __init__(self, calls: HttpCalls, fields: str) -> None:
        """Request only these fields of each item."""
        self._calls = calls
        self.query = {
            "maxResults": str(ITEMS_PER_PAGE),
            "returnPartialSuccess": "true",
            "fields": (
                "kind,nextPageToken,unreachables,warning(code,message),items/*/warning(code,message),"
                f"items/*/{self.collection}({fields})"
            ),
        }

    def items(self, project_id: str, report: Report, **more: str) -> Iterator[Json]:
        """Yield all items, with more query parameters; a zone that does not answer is reported.

        A project in which the Compute Engine API is not enabled has none. A response without the kind of the list is
        refused: it must not count as an empty list.
        """
        return (item for _, item in self.items_by_scope(project_id, report, **more))

    def items_by_scope(self, project_id: str, report: Report, **more: str) -> Iterator[tuple[str, Json]]:
        """Yield what `items` does, each with where it is: `zones/us-central1-a`, `regions/us-central1` or `global`."""
        query = {**self.query, **more}
        page_tokens = PageTokens("Compute Engine")
        while True:
            try:
                page = self._calls.call("GET", f"{PROJECTS}/{project_id}/aggregated/{self.collection}", query=query)
            except CallError as error:
                if error.disabled_service != HOST:
                    raise
                log_event("Compute Engine is not enabled", project_id=project_id, list=self.collection)
                return
            if page.get("kind") != self.kind:
                message = f"Compute Engine: unexpected response: {str(page)[:200]} is not a {self.kind}"
                raise UnavailableError(message)
            token = page.get("nextPageToken")
            _report_missing(page, _expected(page.get("items", {}), dict).values(), report)
            yield from self._items(page.pop("items", {}))  # It is forgotten before the next page is read.
            if not token:
                return
            query["pageToken"] = page_tokens.follow(_expected(token, str))

    def _items(self, scopes: Mapping[str, object]) -> Iterator[tuple[str, Json]]:
        for name, scope in scopes.items():
            for item in _expected(_expected(scope, dict).get(self.collection, []), list):
                yield name, item if isinstance(item, dict) else _expected(item, dict)


class InstanceList(AggregatedList):
    """The instances of a project."""

    collection = "instances"
    kind = "compute#instanceAggregatedList"


class DiskList(AggregatedList):
    """The disks of a project, zonal and regional.

    https://cloud.google.com/compute/docs/reference/rest/v1/disks/aggregatedList
    """

    collection = "disks"
    kind = "compute#diskAggregatedList"


class AddressList(AggregatedList):
    """The reserved addresses of a project, regional and global.

    https://cloud.google.com/compute/docs/reference/rest/v1/addresses/aggregatedList
    """

    collection = "addresses"
    kind = "compute#addressAggregatedList"


class AutoscalerList(AggregatedList):
    """The autoscalers of a project, zonal and regional.

    https://cloud.google.com/compute/docs/reference/rest/v1/autoscalers/aggregatedList
    """

    collection = "autoscalers"
    kind = "compute#autoscalerAggregatedList"


class OperationList(AggregatedList):
    """The operations of a project, zonal, regional and global.

    https://cloud.google.com/compute/docs/reference/rest/v1/globalOperations/aggregatedList
    """

    collection = "operations"
    kind = "compute#operationAggregatedList"


def last_part(url: str) -> str:
    """Return the name at the end of a resource's URL."""
    return url.rpartition("/")[2]


def _report_missing(page: Json, scopes: Iterable[Json], report: Report) -> None:
    """Report the zones and warnings that a page of an aggregated list names as missing."""
    for scope in _expected(page.get("unreachables", []), list):
        report(f"Compute Engine: {last_part(str(scope))} does not answer")
    for part in (page, *scopes):
        warning = _expected(part, dict).get("warning")
        if warning and str(_expected(warning, dict).get("code", "")) not in _HARMLESS_WARNINGS:
            report(f"Compute Engine: {warning.get('code')}: {warning.get('message', '')}")


def _expected[Kind](value: object, kind: type[Kind]) -> Kind:
    """Return a part of a response, checked to be of the expected type."""
    if not isinstance(value, kind):
        message = f"Compute Engine: unexpected response: {str(value)[:200]!r} is not a {kind.__name__}"
        raise UnavailableError(message)
    return value


@contextmanager
def translate_parse_errors(what: str = "response", service: str = "Compute Engine") -> Iterator[None]:
    """Translate the errors of parsing one resource into an UnavailableError that names it."""
    try:
        yield
    except PARSE_ERRORS as error:
        raise unexpected(error, what, service) from error


def unexpected(error: Exception, what: str, service: str = "Compute Engine") -> UnavailableError:
    """Return the UnavailableError for one of PARSE_ERRORS that parsing this resource raised."""
    detail = f"a field must be {error}" if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return UnavailableError(f"{service}: unexpected response: {what}: {detail}")
