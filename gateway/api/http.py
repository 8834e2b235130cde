"""``/graphql`` over HTTP: who asks is settled before anything is read, and no body is larger than it may be.

Keys come in the ``Authorization`` header only.  There are no cookies, so a browser on another site can send nothing
that counts, multipart uploads included.
"""

from __future__ import annotations

from typing import Any

import orjson
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL

from gateway.access.models import Caller
from gateway.context import Context
from gateway.graphiql.page import graphiql_page
from gateway.schema import build_schema
from gateway.services import Services

UNAUTHENTICATED = {
    "errors": [
        {
            "message": "there is no valid API key with this request",
            "extensions": {
                "code": "UNAUTHENTICATED",
                "retryable": False,
                "fix": "Send `Authorization: Bearer <key>`; `commerce-gateway keys create` makes a key.",
            },
        }
    ]
}


class Json(Response):
    """A JSON answer, encoded by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class GraphQLApp(GraphQL[Context, None]):
    """Strawberry's view with our context, our page and our JSON."""

    def __init__(self, services: Services) -> None:
        production = services.settings.production
        super().__init__(
            build_schema(introspection=not production),
            graphql_ide=None if production else "graphiql",
            allow_queries_via_get=True,
            multipart_uploads_enabled=True,
        )
        self._services = services

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        return Context(self._services, request.scope["caller"])

    async def render_graphql_ide(self, request: Request | WebSocket) -> Response:
        return HTMLResponse(graphiql_page(self._services.settings.data_dir))

    def parse_json(self, data: str | bytes) -> Any:
        """What a client sent, as JSON that we can work with; everything else is a bad request."""
        try:
            value = orjson.loads(data)
        except ValueError as exc:
            raise HTTPException(400, "The body is no JSON in UTF-8") from exc
        if not isinstance(value, dict | list):
            raise HTTPException(400, "The body is no JSON object")
        return value

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)


class Guard:
    """Authenticates callers and bounds bodies, in front of the GraphQL view."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        caller = await self._caller(request)
        if caller is None and not self._wants_page(request):
            response = Json(UNAUTHENTICATED, 401, {"WWW-Authenticate": 'Bearer realm="commerce-gateway"'})
            await response(scope, receive, send)
            return
        scope["caller"] = caller
        settings = self._services.settings
        upload = request.headers.get("content-type", "").startswith("multipart/form-data")
        limit = settings.import_limit_bytes if upload else settings.request_limit_bytes
        said = request.headers.get("content-length", "")
        if said.isdigit() and int(said) > limit:
            await _too_large(limit)(scope, receive, send)
            return
        await self._bounded(scope, receive, send, limit)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        """Count a body that did not say how long it is, and stop reading when it is too long."""
        taken = 0
        started = False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooLarge:
            if not started:
                await _too_large(limit)(scope, receive, send)

    async def _caller(self, request: Request) -> Caller | None:
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret:
            return None
        return await self._services.access.authenticate(secret.strip())

    def _wants_page(self, request: Request) -> bool:
        """A person's browser asks for the GraphiQL page, which shows nothing without a key."""
        return (
            not self._services.settings.production
            and request.method == "GET"
            and "query" not in request.query_params
            and "text/html" in request.headers.get("accept", "")
        )


class _TooLarge(Exception):
    pass


def _too_large(limit: int) -> Response:
    return Json(
        {
            "errors": [
                {
                    "message": f"the request's body is larger than {limit} bytes",
                    "extensions": {
                        "code": "INVALID_INPUT",
                        "retryable": False,
                        "fix": "Send fewer objects per request; send product files as multipart uploads.",
                    },
                }
            ]
        },
        413,
    )
