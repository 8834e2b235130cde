"""A partner's callback on this machine, and what it takes to have webhooks sent to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.sandbox import SandboxSettings
from tests.sandbox.conftest import SECRET, SandboxWorld

APP_ID = SandboxSettings().app_id
APP = f"{APP_ID}|{SECRET}"


@dataclass
class Receiver:
    """A partner's callback on this machine; answers `statuses` one after the other, then 200."""

    url: str = ""
    verify_token: str = "open-sesame"
    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    challenges: list[dict[str, list[str]]] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    def values(self) -> list[Any]:
        """Every value told, in the order of arrival."""
        return [
            change["value"] for event in self.events for entry in event["entry"] for change in entry.get("changes", [])
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            kept.challenges.append(query)
            known = query["hub.verify_token"] == [kept.verify_token]
            self._answer(200 if known else 403, query["hub.challenge"][0] if known else "")

        def do_POST(self) -> None:
            kept.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            kept.headers.append(dict(self.headers))
            self._answer(kept.statuses.pop(0) if kept.statuses else 200, "")

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the test reads what arrived."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield kept
    server.shutdown()
    server.server_close()
    thread.join()


async def on_app(world: SandboxWorld, method: str, **body: Any) -> Any:
    """A call about the subscriptions of the app, in this world."""
    headers = {"X-Sandbox-World": world.card["world"], "Authorization": f"Bearer {APP}"}
    path = f"/v25.0/{APP_ID}/subscriptions"
    answer = await world.http.request(method, path, headers=headers, json=body or None)
    return answer.json()


async def subscribe(world: SandboxWorld, receiver: Receiver, kind: str = "page", **more: Any) -> Any:
    """Subscribe the app, and for Pages the shop's Page as well."""
    fields = {"page": ["products", "feed"], "user": ["fbe_install"]}.get(kind, ["business_integration_install"])
    body = {"object": kind, "callback_url": receiver.url, "verify_token": receiver.verify_token, "fields": fields}
    answer = await on_app(world, "POST", **body | {"include_values": True} | more)
    if kind == "page":
        token, page = world.shop["accessToken"], world.shop["pageId"]
        await world.post(f"{page}/subscribed_apps", token, subscribed_fields="products,feed")
    return answer


async def flush(world: SandboxWorld) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.control("POST", "webhooks/flush"))["deliveries"]
    return found
