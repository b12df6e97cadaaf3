"""How an empty array parameter arrives: as it was sent, or as NULL, which users of BigQuery report.

https://github.com/googleapis/python-bigquery/issues/2325
"""

from collections.abc import Callable
from typing import Any

from local_bigquery.models import QueryParameterType, QueryParameterValue
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.local.bigquery.job_requests import EMPTY_ARRAYS

type Plain = Callable[[QueryParameterType, QueryParameterValue | None], Any]


class EmptyArrays:
    """Delivers empty array parameters in one of two forms."""

    def __init__(self, *, as_null: bool = False) -> None:
        self.as_null = as_null

    def delivering(self, plain: Plain) -> Plain:
        """Return the same reader of parameters, with NULL for an empty array while that is the form."""

        def delivered(parameter_type: QueryParameterType, value: QueryParameterValue | None) -> object:
            if self.as_null and parameter_type.type == "ARRAY" and (value is None or not value.arrayValues):
                return None
            return plain(parameter_type, value)

        return delivered

    def controlled(self, app: ASGIApp) -> ASGIApp:
        """Return the application with a path that changes the form."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["method"] == "PUT" and scope["path"].startswith(EMPTY_ARRAYS):
                self.as_null = scope["path"] == f"{EMPTY_ARRAYS}null"
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            await app(scope, receive, send)

        return serve
