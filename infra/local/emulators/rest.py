"""REST as Google speaks it: the JSON form of errors, partial responses, and calls that go wrong on demand."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from infra.local.emulators.exchanges import RestCall, record_rest
from infra.local.emulators.faults import Kind, Rule
from infra.local.emulators.http_faults import Broken, respond
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import rfc3339

type Mask = dict[str, Mask]
type Handler = Callable[[Call], bytes | Awaitable[bytes]]

STATUSES = {
    400: ("INVALID_ARGUMENT", "invalid"),
    401: ("UNAUTHENTICATED", "authError"),
    403: ("PERMISSION_DENIED", "forbidden"),
    404: ("NOT_FOUND", "notFound"),
    409: ("ABORTED", "conflict"),
    412: ("FAILED_PRECONDITION", "conditionNotMet"),
    429: ("RESOURCE_EXHAUSTED", "rateLimitExceeded"),
    500: ("INTERNAL", "backendError"),
    503: ("UNAVAILABLE", "backendError"),
}
RATE_LIMIT = "rateLimitExceeded"


class ApiError(Exception):
    """An answer in Google's error form."""

    def __init__(
        self, code: int, message: str, reason: str | None = None, details: Sequence[Mapping[str, object]] = ()
    ) -> None:
        """Say which status, why, and under which reason if not the usual one."""
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details

    def body(self) -> bytes:
        """The JSON body."""
        status, reason = STATUSES.get(self.code, ("UNKNOWN", "unknown"))
        domain = "usageLimits" if self.reason == RATE_LIMIT else "global"
        error = {"message": str(self), "domain": domain, "reason": self.reason or reason}
        body = {"code": self.code, "message": str(self), "errors": [error], "status": status}
        if self.details:
            body["details"] = list(self.details)
        return json.dumps({"error": body}).encode()


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a handler needs it; `faults` are those a handler has to act out itself."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]
    body: bytes = b""
    faults: Sequence[Rule] = ()

    def only(self, *known: str) -> None:
        """Refuse query parameters that the emulator does not act on: none is ever ignored."""
        unknown = self.query.keys() - {*known, "$alt", "alt", "prettyPrint", "key", "quotaUser", "$userProject"}
        if unknown:
            message = f"the emulator does not know the query parameter {sorted(unknown)}"
            raise ApiError(400, message, "badRequest")

    def json(self) -> dict[str, Any]:
        """The body, an object; none at all is an empty one."""
        try:
            found = json.loads(self.body) if self.body else {}
        except ValueError as error:
            raise ApiError(400, f"Invalid JSON payload received. {error}", "parseError") from error
        if not isinstance(found, dict):
            raise ApiError(400, "Invalid JSON payload received. An object was expected.", "parseError")
        return found


@dataclass(frozen=True, slots=True)
class Method:
    """One method of one service: counts its calls and lets them go wrong when a rule says so.

    Calls that are meant to change something are kept, those that are refused or go wrong too.
    """

    state: CloudState
    service: str
    name: str
    handler: Handler = field(repr=False)
    changes: bool = False

    async def answer(self, request: Request) -> Response:
        """Answer one HTTP request."""
        path = {key: str(value) for key, value in request.path_params.items()}
        self.state.requests[self.service, self.name] += 1
        place, instance = path.get("zone", path.get("region", "")), self._instance_name(path)
        due = self.state.faults.due(self.service, self.name, path.get("project", ""), place, instance)
        lists = {key: request.query_params.getlist(key) for key in request.query_params}
        call = Call(path, self._limited(request.query_params), lists, await request.body(), due)
        kept = self._kept(call)
        if self.changes and self.state.on_change is not None:
            await asyncio.to_thread(self.state.on_change, f"{request.url.path}?{request.url.query}", call.body)
        response = await respond(request, self.state.faults, due, lambda: self._recorded(request, call))
        kept["status"] = None if isinstance(response, Broken) else response.status_code
        return response

    async def _recorded(self, request: Request, call: Call) -> Response:
        response = await self._answer(call)
        exchanged = RestCall(self.service, request.method, request.url.path, call.lists, call.body)
        record_rest(exchanged, response.status_code, bytes(response.body))
        return response

    async def _answer(self, call: Call) -> Response:
        try:
            for rule in call.faults:
                if rule.kind is Kind.STATUS:
                    raise self._on_demand(rule, call)
            return _json(await self._handled(call))
        except ApiError as error:
            return _json(error.body(), error.code)

    def _limited(self, query: Mapping[str, str]) -> dict[str, str]:
        """The query, with smaller pages where they are limited."""
        limit = self.state.faults.page_limits.get((self.service, self.name))
        name = {"catalog": "pageSize", "pricing": "pageSize", "compute": "maxResults"}.get(self.service)
        return {**query, name: str(limit)} if limit and name else dict(query)

    async def _handled(self, call: Call) -> bytes:
        answer = self.handler(call)
        return answer if isinstance(answer, bytes) else await answer

    def _instance_name(self, path: Mapping[str, str]) -> str:
        """The name of the VM that a path names, whether by its name or by its id."""
        name = path.get("instance", "")
        found = self.state.fleet.by_id(int(name)) if name.isdecimal() else None
        return found.name if found else name

    def _on_demand(self, rule: Rule, call: Call) -> ApiError:
        """The refusal a rule asks for; Compute Engine says which quota is used up, with 403 or 429."""
        if self.service == "compute" and (rule.status == HTTPStatus.TOO_MANY_REQUESTS or rule.reason == RATE_LIMIT):
            project = self.state.fleet.project(call.path.get("project", ""))
            return _quota_exceeded(rule.status, project.number if project else "0")
        return ApiError(rule.status, rule.message or f"{self.service}.{self.name} fails on demand", rule.reason or None)

    def _kept(self, call: Call) -> dict[str, object]:
        described: dict[str, object] = {
            "service": self.service,
            "method": self.name,
            "at": rfc3339(self.state.clock.now),
            **call.path,
            **({"instance": self._instance_name(call.path)} if "instance" in call.path else {}),
            "query": dict(call.query),
            "request_id": call.query.get("requestId"),
            "body": call.body.decode(errors="replace"),
        }
        if self.changes:
            self.state.calls.append(described)
        return described


def _quota_exceeded(status: int, project_number: str) -> ApiError:
    message = (
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'compute.googleapis.com' "
        f"for consumer 'project_number:{project_number}'."
    )
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {
            "consumer": f"projects/{project_number}",
            "quota_limit": "defaultPerMinutePerProject",
            "quota_limit_value": "1500",
            "quota_location": "global",
            "quota_metric": "compute.googleapis.com/default",
            "service": "compute.googleapis.com",
        },
    }
    return ApiError(status, message, RATE_LIMIT, [info])


def mask(text: str) -> Mask:
    """Read a partial-response selector: `items/*/instances(id,labels),nextPageToken`."""
    tokens = re.findall(r"[A-Za-z0-9_\-*]+|[/(),]", text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        message = f"Invalid field selection {text}"
        raise ApiError(400, message, "invalidParameter")
    tree: Mask = {}
    try:
        _selections(tokens, tree)
    except IndexError:
        tokens = ["?"]
    if tokens:
        message = f"Invalid field selection {text}"
        raise ApiError(400, message, "invalidParameter")
    return tree


def select(value: Any, wanted: Mask) -> Any:  # noqa: ANN401 (any JSON)
    """Keep the wanted parts of a JSON value; what is empty then is left out."""
    if not wanted:
        return value
    if isinstance(value, list):
        return [select(item, wanted) for item in value]
    if not isinstance(value, dict):
        return value
    if "*" in wanted:
        kept = {key: select(item, wanted["*"]) for key, item in value.items()}
    else:
        kept = {key: select(value[key], inner) for key, inner in wanted.items() if key in value}
    return {key: item for key, item in kept.items() if item not in ({}, [])}


def _selections(tokens: list[str], tree: Mask) -> None:
    while True:
        branch = tree.setdefault(_name(tokens), {})
        while tokens and tokens[0] == "/":
            tokens.pop(0)
            branch = branch.setdefault(_name(tokens), {})
        if tokens and tokens[0] == "(":
            tokens.pop(0)
            _selections(tokens, branch)
            if tokens.pop(0) != ")":
                raise IndexError
        if not tokens or tokens[0] != ",":
            return
        tokens.pop(0)


def _name(tokens: list[str]) -> str:
    name = tokens.pop(0)
    if name in "/(),":
        raise IndexError
    return name


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json; charset=UTF-8")
