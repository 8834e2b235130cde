"""One sandbox server for the whole session, on a real socket; a world of its own for each test."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn

from gateway.sandbox import SandboxSettings, create_app

SECRET = SandboxSettings().app_secret


@dataclass
class SandboxServer:
    url: str
    naps: list[float] = field(default_factory=list)
    """Seconds that scripted faults asked to wait: the server only notes them."""


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[SandboxServer]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    running = SandboxServer(f"http://127.0.0.1:{listener.getsockname()[1]}")

    async def nap(seconds: float) -> None:
        running.naps.append(seconds)
        await asyncio.sleep(0)

    server = uvicorn.Server(uvicorn.Config(create_app(sleep=nap), log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield running
    server.should_exit = True
    thread.join(timeout=5)
    listener.close()


def proof(token: str) -> str:
    return hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()


@dataclass
class SandboxWorld:
    """One world as a client sees it."""

    http: httpx.AsyncClient
    card: dict[str, Any]

    @property
    def token(self) -> str:
        return str(self.card["accessToken"])

    @property
    def shop(self) -> dict[str, Any]:
        shop: dict[str, Any] = self.card["shops"][0]
        return shop

    @property
    def catalog(self) -> str:
        return str(self.shop["catalogId"])

    @property
    def cms(self) -> str:
        return str(self.shop["metaId"])

    async def send(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """A Graph call with token and proof in the query."""
        chosen = token or self.token
        query = {"access_token": chosen, "appsecret_proof": proof(chosen)} | (options.pop("params", None) or {})
        return await self.http.request(method, f"/v25.0/{path.lstrip('/')}", params=query, **options)

    async def get(self, path: str, token: str | None = None, **params: Any) -> Any:
        answer = await self.send("GET", path, token, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, token: str | None = None, **body: Any) -> Any:
        answer = await self.send("POST", path, token, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, method: str, path: str, token: str | None = None, **options: Any) -> dict[str, Any]:
        answer = await self.send(method, path, token, **options)
        body = answer.json()
        assert answer.status_code >= 400, body
        assert body["error"]["fbtrace_id"] == answer.headers["x-fb-trace-id"]
        error: dict[str, Any] = body["error"]
        return error | {"status": answer.status_code}

    async def control(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = await self.http.request(method, f"/_sandbox/{path}", headers=headers, **options)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def advance(self, seconds: float) -> None:
        await self.control("POST", "clock/advance", json={"seconds": seconds})

    async def fault(self, **script: Any) -> None:
        await self.control("POST", "faults", json=script)

    async def calls(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.control("GET", "calls", params=query)
        found: list[dict[str, Any]] = answer["calls"]
        return found

    async def write_items(self, *requests: dict[str, Any], **options: Any) -> Any:
        body = {"item_type": "PRODUCT_ITEM", "requests": list(requests)} | options
        return await self.post(f"{self.catalog}/items_batch", **body)

    async def batch_status(self, handle: str, **params: Any) -> dict[str, Any]:
        answer = await self.get(f"{self.catalog}/check_batch_request_status", handle=handle, **params)
        [row] = answer["data"]
        found: dict[str, Any] = row
        return found

    async def items(self) -> dict[str, dict[str, Any]]:
        answer = await self.control("GET", "items", params={"catalog": self.catalog})
        return {item["id"]: item for item in answer["items"]}


def new_item(retailer_id: str, **changes: Any) -> dict[str, Any]:
    """An UPDATE record that is good enough to make a new item."""
    data = {
        "id": retailer_id,
        "title": "Stoneware mug",
        "description": "A glazed mug.",
        "availability": "in stock",
        "condition": "new",
        "price": "14.50 USD",
        "link": f"https://shop.example/{retailer_id}",
        "image_link": f"https://cdn.example/{retailer_id}.jpg",
        "brand": "Kiln",
        "google_product_category": "2169",
    }
    return {"method": "UPDATE", "data": data | changes}


@pytest.fixture
async def sandbox_http(sandbox_server: SandboxServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox_server.url, trust_env=False, timeout=10) as http:
        yield http


@dataclass
class SandboxWorlds:
    http: httpx.AsyncClient
    made: list[SandboxWorld] = field(default_factory=list)

    async def make(self, **body: Any) -> SandboxWorld:
        answer = await self.http.post("/_sandbox/worlds", json={"clock": {"kind": "frozen"}} | body)
        assert answer.status_code == 201, answer.text
        self.made.append(SandboxWorld(self.http, answer.json()))
        return self.made[-1]


@pytest.fixture
async def sandbox_worlds(sandbox_http: httpx.AsyncClient) -> AsyncIterator[SandboxWorlds]:
    """Makes worlds with chosen settings, and ends them."""
    worlds = SandboxWorlds(sandbox_http)
    yield worlds
    for world in worlds.made:
        headers = {"Authorization": f"Bearer {world.token}"}
        await sandbox_http.delete("/_sandbox/world", headers=headers)


@pytest.fixture
async def sandbox_world(sandbox_worlds: SandboxWorlds) -> SandboxWorld:
    """A standard world whose clock only moves when told."""
    return await sandbox_worlds.make()
