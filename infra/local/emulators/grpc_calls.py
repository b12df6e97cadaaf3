"""gRPC services built by hand: the client libraries bring the messages, but no server side."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message

from infra.local.emulators.exchanges import record_grpc
from infra.local.emulators.faults import NO_ANSWER_SECONDS, Kind, Rule
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
                _answering(state, short_name, f"{full_name}/{name}", method),
                request_deserializer=method.request.FromString,
                response_serializer=bytes,
            )
            for name, method in methods.items()
        },
    )


def _answering(
    state: CloudState, service_name: str, full_name: str, method: GrpcMethod
) -> Callable[[Any, grpc.ServicerContext], bytes]:
    name = full_name.rpartition("/")[2]

    def answer(request: Any, context: grpc.ServicerContext) -> bytes:  # noqa: ANN401 (a message of any kind)
        state.requests[service_name, name] += 1
        due = state.faults.due(service_name, name, method.project(request))
        if (unheard := _unheard(state, f"{service_name}.{name}", due, context)) is not None:
            return unheard
        if limit := state.faults.page_limits.get((service_name, name)):
            request.page_size = limit
        try:
            answered = method.handler(request, due).SerializeToString()
        except CallError as error:
            _abort(context, error.status, str(error))
        record_grpc(full_name, request, method.response.DESCRIPTOR.full_name, answered)
        return _spoilt(state, due, answered)

    return answer


def _abort(context: grpc.ServicerContext, status: int, message: str) -> NoReturn:
    context.abort(CODES[status], message)
    raise AssertionError(message)


def _unheard(state: CloudState, name: str, due: Sequence[Rule], context: grpc.ServicerContext) -> bytes | None:
    """Return what is answered without asking the service; None when it is to be asked."""
    for rule in due:
        match rule.kind:
            case Kind.STATUS:
                _abort(context, rule.status, f"{name}: {CODES[rule.status].name} on demand")
            case Kind.RESET:
                state.relay.reset()
                return b""
            case Kind.NO_ANSWER:
                hung_up = threading.Event()
                context.add_callback(hung_up.set)
                hung_up.wait(NO_ANSWER_SECONDS)
                return b""
            case Kind.NOT_JSON | Kind.WRONG_JSON:
                return GARBAGE
            case Kind.EMPTY | Kind.NO_BODY:
                return b""
    return None


def _spoilt(state: CloudState, due: Sequence[Rule], answered: bytes) -> bytes:
    """Return an answer late, or break the connection instead of passing it on, or in the middle of it."""
    for rule in due:
        if rule.kind is Kind.SLOW:
            time.sleep(rule.seconds)
        elif rule.kind is Kind.LOST:
            state.relay.reset()
        elif rule.kind is Kind.TRUNCATED:
            state.relay.cut_after(len(answered) // 2)
    return answered
