"""gRPC services built by hand: the client libraries bring the messages, but no server side."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message

from infra.local.emulators.faults import Kind, Rule
from infra.local.emulators.state import CloudState

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
GARBAGE = b"\xff\xff\xff\xff not a message"

type Handler = Callable[[Any, list[Rule]], Message]


class CallError(Exception):
    """A call that is refused: the HTTP status that stands for the gRPC code, and why."""

    def __init__(self, status: int, message: str) -> None:
        """Say which status and why."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class GrpcMethod:
    """One method: its messages, what answers it, and the project a request is about."""

    request: Any
    response: Any
    handler: Handler
    project: Callable[[Any], str]


def service(
    state: CloudState, short_name: str, full_name: str, methods: Mapping[str, GrpcMethod]
) -> "grpc.GenericRpcHandler[Any, Any]":
    """Make a service that counts its calls and goes wrong when a rule says so."""
    return grpc.method_handlers_generic_handler(
        full_name,
        {
            name: grpc.unary_unary_rpc_method_handler(
                _answering(state, short_name, name, method),
                request_deserializer=method.request.FromString,
                response_serializer=bytes,
            )
            for name, method in methods.items()
        },
    )


def _answering(
    state: CloudState, service_name: str, name: str, method: GrpcMethod
) -> Callable[[Any, grpc.ServicerContext], bytes]:
    def answer(request: Any, context: grpc.ServicerContext) -> bytes:  # noqa: ANN401 (a message of any kind)
        state.requests[service_name, name] += 1
        due = state.faults.due(service_name, name, method.project(request))
        for rule in due:
            if rule.kind is Kind.SLOW:
                time.sleep(rule.seconds)
            elif rule.kind is Kind.STATUS:
                _abort(context, rule.status, f"{service_name}.{name} fails on demand")
            elif rule.kind is Kind.RESET:
                _abort(context, 503, "recvmsg:Connection reset by peer")
            elif rule.kind in (Kind.TRUNCATED, Kind.WRONG_JSON):
                return GARBAGE
            elif rule.kind is Kind.EMPTY:
                return b""
        try:
            return method.handler(request, due).SerializeToString()
        except CallError as error:
            _abort(context, error.status, str(error))

    return answer


def _abort(context: grpc.ServicerContext, status: int, message: str) -> NoReturn:
    context.abort(CODES[status], message)
    raise AssertionError(message)
