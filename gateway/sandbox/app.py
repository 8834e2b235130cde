"""The sandbox as an ASGI application: control endpoints beside a Graph API that answers on every other path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from gateway.sandbox import batch, dialog
from gateway.sandbox.commerce import build_schema
from gateway.sandbox.control import control_routes
from gateway.sandbox.dispatch import Office, Sleep, perform
from gateway.sandbox.errors import DropConnection, GraphError
from gateway.sandbox.messages import Reply
from gateway.sandbox.settings import SandboxSettings
from gateway.sandbox.tokens import Token
from gateway.sandbox.transport import failed, read_request, write_reply
from gateway.sandbox.world import World
from gateway.sandbox.worlds import Worlds

_TURNS = 5


def utc_now() -> datetime:
    return datetime.now(UTC)


class GraphEndpoint:
    """Every path outside `/_sandbox`."""

    def __init__(self, office: Office) -> None:
        self.office = office

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        office = self.office
        try:
            response = await self._answer(Request(scope, receive))
        except GraphError as error:
            response = failed(office, error)
        except ClientDisconnect:
            return  # nobody is left to answer
        except DropConnection:
            await _cut(scope)
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        office = self.office
        asked = await read_request(request)
        office.requests += 1
        number = office.requests
        if asked.method != "POST" or "batch" not in asked.params:
            return write_reply(office, await perform(office, asked, number), asked)

        async def run(world: World, token: Token) -> Reply:
            return await batch.run(office, asked, number, world, token)

        return write_reply(office, await perform(office, asked, number, runner=run), asked)


async def _cut(scope: Scope) -> None:
    """Close the connection without a byte of an answer.

    A server keeps the socket on the object whose bound method is `send` (uvicorn does, under both of its HTTP
    implementations).  Without one, in process, the caller sees the exception.
    """
    transport = getattr(getattr(scope.get("sandbox.send"), "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the sandbox cut the connection")
    transport.abort()
    # The server hears of the loss in its next turns; answering "nothing was sent" before that would reach the log.
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class SandboxApp(Starlette):
    """Starlette that remembers the server's own `send`, which its middleware would hide."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["sandbox.send"] = send
        await super().__call__(scope, receive, send)


def create_app(
    settings: SandboxSettings = SandboxSettings(),  # noqa: B008 - frozen, so sharing it is safe
    *,
    sleep: Sleep = asyncio.sleep,
    now: Callable[[], datetime] = utc_now,
) -> Starlette:
    """A Graph API that runs anywhere; *sleep* and *now* are the real time its faults and clocks start from."""
    worlds = Worlds(settings, now)
    office = Office(worlds, build_schema(), sleep)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        yield {}
        await office.courier.close()
        worlds.close()

    routes = [
        Mount("/_sandbox", routes=control_routes(office)),
        *dialog.routes(office),
        Route("/{path:path}", GraphEndpoint(office)),
    ]
    return SandboxApp(routes=routes, lifespan=lifespan)
