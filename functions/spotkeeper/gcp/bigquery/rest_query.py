"""BigQuery by its REST interface: statements of which one value at most is read, without the client library.

https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query
"""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.http_calls import CallError, HttpCalls
from spotkeeper.periods import rfc3339

HOST = "bigquery.googleapis.com"
_WAIT_MILLISECONDS = 50_000
"""How long one call waits for the end of the statement: less than an attempt may take."""

_MOST_WAITS = 6

_SUBQUERY = re.compile(r"\{query (\w+)\}")

WRONG_LOCATION = "was not found in location"
"""What the error says when BigQuery looked for a dataset in another place than where it lies."""


class Scalar(NamedTuple):
    """A parameter of a statement: in the order that the client library takes it."""

    name: str
    kind: str
    value: str | bool | Decimal | datetime | None


class RestQuery:
    """Runs statements in one dataset, at its location; raises UnavailableError.

    Without a location BigQuery chooses one, and is asked for that of the dataset when it chose wrong.
    """

    def __init__(
        self,
        project_id: str,
        dataset: str,
        endpoint: str | None,
        retry_timeout: timedelta,
        location: str | None = None,
    ) -> None:
        self._location = location
        self._calls = HttpCalls("BigQuery", HOST, endpoint, retry_timeout)
        self._project = f"/bigquery/v2/projects/{project_id}"
        self._queries = f"{self._project}/queries"
        self._dataset = {"projectId": project_id, "datasetId": dataset}

    def run(self, *statements: str, parameters: Sequence[Scalar]) -> str | None:
        """Run statements of this package to their end, as one, and return the first value of the last one's first row.

        None if BigQuery returns no row. The statements run once: a repeated call has the id of the first, which
        BigQuery knows for 15 minutes, far longer than calls are repeated.
        """
        statement = " and ".join(statements)
        body = {
            "query": "\n".join(map(statement_text, statements)),
            "useLegacySql": False,
            "parameterMode": "NAMED",
            "queryParameters": [_as_json(each) for each in parameters],
            "defaultDataset": self._dataset,
            "timeoutMs": _WAIT_MILLISECONDS,
        }
        answer = self._start(body)
        for _ in range(_MOST_WAITS):
            if answer.get("jobComplete"):
                return _first_value(answer)
            job = answer.get("jobReference")
            if not isinstance(job, dict) or "jobId" not in job:
                break
            where = {"location": str(job.get("location", "")), "timeoutMs": str(_WAIT_MILLISECONDS), "maxResults": "1"}
            answer = self._calls.call("GET", f"{self._queries}/{job['jobId']}", query=where)
        message = f"BigQuery: the statement {statement} has not ended: {str(answer)[:200]}"
        raise UnavailableError(message)

    def _start(self, body: Mapping[str, object]) -> dict[str, Any]:
        asked = self._location  # Another thread may find the location meanwhile.
        try:
            return self._start_there(body, asked)
        except CallError as error:
            if asked or WRONG_LOCATION not in str(error):
                raise
        self._location = self._location or self._find_location()
        return self._start_there(body, self._location)

    def _find_location(self) -> str:
        dataset = self._calls.call("GET", f"{self._project}/datasets/{self._dataset['datasetId']}")
        return str(dataset.get("location", ""))

    def _start_there(self, body: Mapping[str, object], location: str | None) -> dict[str, Any]:
        place = {"location": location} if location else {}
        return self._calls.call("POST", self._queries, body={**body, **place, "requestId": os.urandom(16).hex()})


def _first_value(answer: Mapping[str, Any]) -> str | None:
    """Return the first value of a result; of several statements, the last one's result is that of all.

    https://cloud.google.com/bigquery/docs/multi-statement-queries#return_the_last_executed_statement
    """
    try:
        value = answer["rows"][0]["f"][0]["v"]
    except (KeyError, IndexError, TypeError):
        return None
    return value if isinstance(value, str) else None


@cache
def statement_text(statement: str) -> str:
    """Return one of the statements of this package; what it has as `{query NAME}` is another one, a subquery of it."""
    text = (files("spotkeeper.gcp.bigquery") / "statements" / f"{statement}.sql").read_text()
    return _SUBQUERY.sub(lambda named: f"(\n{statement_text(named[1])})", text)


def _as_json(parameter: Scalar) -> dict[str, object]:
    return {
        "name": parameter.name,
        "parameterType": {"type": parameter.kind},
        "parameterValue": {"value": _text(parameter.value)},
    }


def _text(value: str | bool | Decimal | datetime | None) -> str | None:  # noqa: FBT001 (a value like the others)
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return rfc3339(value)
        case Decimal():
            return format(value, "f")
        case _:
            return value
