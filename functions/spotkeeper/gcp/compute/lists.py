"""Lists of Compute Engine over all zones, page by page."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.http_calls import PlainCalls, Turning
from spotkeeper.ports import Report

HOST = "compute.googleapis.com"

PROJECTS = "/compute/v1/projects"

ITEMS_PER_PAGE = 500
"""The most that aggregatedList gives."""

type Json = dict[str, Any]

_HARMLESS_WARNINGS = {"NO_RESULTS_ON_PAGE", ""}


def compute_calls(endpoint: str | None, patience: timedelta) -> PlainCalls:
    """Return the way to Compute Engine, or to a server that speaks its protocol."""
    return PlainCalls("Compute Engine", HOST, endpoint, patience)


class AggregatedList:
    """A list over all zones of a project, in JSON; raises UnavailableError.

    https://cloud.google.com/compute/docs/reference/rest/v1/instances/aggregatedList
    """

    collection = ""
    kind = ""

    def __init__(self, calls: PlainCalls, fields: str) -> None:
        """Prepare to read some fields of what is listed."""
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
        """Yield all that is listed, for a query with more parameters; a zone that does not answer is reported.

        Every page says that it is one: an answer that does not is no list of nothing.
        """
        query = {**self.query, **more}
        turned = Turning("Compute Engine")
        while True:
            page = self._calls.call("GET", f"{PROJECTS}/{project_id}/aggregated/{self.collection}", query=query)
            if page.get("kind") != self.kind:
                message = f"Compute Engine: {str(page)[:200]} was answered where a {self.kind} was promised"
                raise UnavailableError(message)
            scopes = list(_expected(page.get("items", {}), dict).values())
            _report_missing(page, scopes, report)
            for scope in scopes:
                for item in _expected(_expected(scope, dict).get(self.collection, []), list):
                    yield _expected(item, dict)
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = turned.to(_expected(page["nextPageToken"], str))


class InstanceList(AggregatedList):
    """The instances of a project."""

    collection = "instances"
    kind = "compute#instanceAggregatedList"


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
    """Report what a page of an aggregated list says is not in it."""
    for scope in _expected(page.get("unreachables", []), list):
        report(f"Compute Engine: {last_part(str(scope))} does not answer")
    for part in (page, *scopes):
        warning = _expected(part, dict).get("warning")
        if warning and str(_expected(warning, dict).get("code", "")) not in _HARMLESS_WARNINGS:
            report(f"Compute Engine: {warning.get('code')}: {warning.get('message', '')}")


def _expected[Kind](value: object, kind: type[Kind]) -> Kind:
    """Return a part of an answer that is of the promised kind."""
    if not isinstance(value, kind):
        message = f"Compute Engine: {str(value)[:200]!r} was answered where a {kind.__name__} was promised"
        raise UnavailableError(message)
    return value


@contextmanager
def read_as_expected(what: str = "an answer") -> Iterator[None]:
    """Take what does not fit into a description for a service that is out of order."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        message = f"Compute Engine: {what} is of another form than promised: {type(error).__name__}: {error}"
        raise UnavailableError(message) from error
