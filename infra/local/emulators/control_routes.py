"""How the control interface is spoken to: JSON in, the state or what was asked for out."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

type Action = Callable[[Any], None]


def acting(path: str, answer: Callable[[], object], **actions: Action) -> Route:
    """Something that can be changed, by one action for each HTTP method; what is not understood is refused."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            actions[request.method](json.loads(body) if body else None)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(answer())

    return Route(f"/_control/{path}", endpoint, methods=list(actions))


def reading(path: str, read: Callable[[Mapping[str, str]], object]) -> Route:
    """Something that can be read; the query may select a part."""

    async def endpoint(request: Request) -> Response:
        return JSONResponse(read(request.query_params))

    return Route(f"/_control/{path}", endpoint)
