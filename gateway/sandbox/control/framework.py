"""What control endpoints share: reading JSON, finding the world by its token, answering with a plain error."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.sandbox.dispatch import Office
from gateway.sandbox.faults import BadFault
from gateway.sandbox.settle import settle
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest

Body = dict[str, Any]
Handler = Callable[[World, Request, Body], Any]


class NotFound(Exception):
    """A control request names something that the world does not have."""


async def read_body(request: Request) -> Body:
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise BadRequest("the body is not JSON") from exc
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def refused(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)


def guarded(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Turn what is wrong with a request into an answer."""

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except NotFound as exc:
            return refused(404, str(exc))
        except (BadRequest, BadFault, ValueError, TypeError) as exc:
            return refused(400, str(exc))
        except KeyError as exc:
            return refused(400, f"{exc.args[0]} is missing")

    return endpoint


def world_of(office: Office, request: Request) -> World | None:
    """The world that the bearer token belongs to."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return office.worlds.of_token(token.strip()) if scheme.lower() == "bearer" else None


def in_world(office: Office, path: str, methods: Mapping[str, tuple[Handler, int]]) -> Route:
    """A route whose handlers get the world that the bearer token belongs to, brought up to its clock."""

    async def answer(request: Request) -> Response:
        world = world_of(office, request)
        if world is None:
            return refused(401, "a token of a world is needed: Authorization: Bearer ...")
        body = await read_body(request)
        handler, status = methods[request.method]
        settle(world)
        with world.transaction():
            result = handler(world, request, body)
        office.courier.wake(world)
        return JSONResponse(result, status)

    return Route(path, guarded(answer), methods=list(methods))


def only(body: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse keys nobody reads: a misspelt option would silently change a test."""
    unknown = set(body) - set(known)
    if unknown:
        raise BadRequest(f"unknown keys: {', '.join(sorted(unknown))}")


def number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name)
    return default if value in (None, "") else int(str(value))
