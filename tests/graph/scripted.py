"""A server that says what a test tells it to say, over real HTTP, with all the ways in which a wire can fail."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send


@dataclass
class Answer:
    """One answer; the flags cut it short on the wire."""

    content: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=UTF-8"
    reset: bool = False
    cut: bool = False
    stall: bool = False
    gate: threading.Event | None = None


def says(body: Any, status: int = 200, **headers: str) -> Answer:
    """JSON; a header is written with underscores."""
    return Answer(orjson.dumps(body), status, {name.replace("_", "-"): value for name, value in headers.items()})


def refuses(
    code: int | None, subcode: int | None = None, status: int = 400, message: str = "No", **more: Any
) -> Answer:
    error: dict[str, Any] = {"message": message, "type": "OAuthException", "fbtrace_id": "Atrace", **more}
    if code is not None:
        error["code"] = code
    if subcode is not None:
        error["error_subcode"] = subcode
    return says({"error": error}, status)


HTML = Answer(b"<html><body>Service Unavailable</body></html>", 503, content_type="text/html")
EMPTY = Answer(b"")
TRUNCATED = Answer(b'{"data": [{"id": "1"}, {"i')
RESET = Answer(reset=True)
CUT = Answer(b'{"id": "1", "name": "a long name"}', cut=True)
STALL = Answer(b'{"id": "1", "name": "a long name"}', stall=True)


@dataclass
class Asked:
    """What arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True)) if self.body else {}

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def batch(self) -> Any:
        return orjson.loads(self.form["batch"])


class Script:
    """One test's answers, in order, and what was asked; an answer may be a function of the request."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.asked: list[Asked] = []
        self._answers: deque[Answer | Callable[[Asked], Answer]] = deque()
        self.always: Answer | Callable[[Asked], Answer] | None = None

    def then(self, *answers: Answer | Callable[[Asked], Answer]) -> Script:
        self._answers.extend(answers)
        return self

    def next(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        answer = self._answers.popleft() if self._answers else self.always
        if answer is None:
            return refuses(100, message="nothing scripted")
        return answer(asked) if callable(answer) else answer

    @property
    def unused(self) -> int:
        return len(self._answers)


class ScriptedServer:
    """Runs under uvicorn in a thread; every script has a path of its own."""

    def __init__(self) -> None:
        self._scripts: dict[str, Script] = {}
        self._numbers = itertools.count(1)
        app = Starlette(routes=[Route("/{script}/{path:path}", self._handle, methods=["GET", "POST", "DELETE", "PUT"])])
        config = uvicorn.Config(_cutting(app), port=0, log_config=None, ws="none", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()

    def script(self) -> Script:
        name = f"s{next(self._numbers)}"
        self._scripts[name] = Script(f"http://127.0.0.1:{self.port}/{name}")
        return self._scripts[name]

    async def _handle(self, request: Request) -> Response:
        asked = Asked(
            request.method,
            # The raw path: what was percent-encoded must show.
            request.scope["raw_path"].decode().split("/", 2)[2].split("?")[0],
            dict(request.query_params),
            dict(request.headers),
            await request.body(),
        )
        answer = self._scripts[request.path_params["script"]].next(asked)
        while answer.gate is not None and not answer.gate.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)
        request.scope["answer"] = answer
        return Response(answer.content, answer.status, answer.headers, answer.content_type)


def _cutting(app: Starlette) -> Callable[[Scope, Receive, Send], Any]:
    async def cutting(scope: Scope, receive: Receive, send: Send) -> None:
        transport = send.__self__.transport  # type: ignore[attr-defined]  # uvicorn's cycle: the way to the socket

        async def cut(message: Message) -> None:
            answer: Answer = scope.get("answer") or Answer()
            if answer.reset:
                transport.abort()
            elif message["type"] == "http.response.body" and (answer.cut or answer.stall):
                await send({**message, "body": message["body"][:9], "more_body": True})
                while answer.stall and not transport.is_closing():  # noqa: ASYNC110 - the socket tells nobody
                    await asyncio.sleep(0.01)
                transport.abort()
            else:
                await send(message)

        await app(scope, receive, cut)

    return cutting
