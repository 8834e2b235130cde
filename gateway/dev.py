"""``commerce-gateway dev``: everything on one machine, with embedded parts.

A sandbox with two shops, SQLite, a Redis of our own, a worker and the gateway, in one process.  Everything starts
fresh each time, since the sandbox's world does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx

from gateway.access.models import ALL_SCOPES, Caller
from gateway.app import create_app
from gateway.embedded import embedded_redis
from gateway.errors import Unavailable
from gateway.graphiql.page import fetch_assets
from gateway.jobs import JobQueue
from gateway.kit.ids import node_id
from gateway.kit.vault import Vault
from gateway.sandbox import SandboxSettings
from gateway.sandbox import create_app as create_sandbox
from gateway.services import Services
from gateway.serving import bind, running
from gateway.settings import Settings
from gateway.shops.models import Shop
from workers.main import run_worker

SAMPLE = "shopify-apparel.csv"
SAMPLE_CURRENCY = "USD"
SAMPLE_LINKS = "https://shop.example.com/products/{handle}"
BATCH_SECONDS = 2
_OWN_FILES = ("gateway.sqlite3", "gateway.sqlite3-wal", "gateway.sqlite3-shm")


@dataclass(frozen=True)
class DevOptions:
    """Where things go.  ``graph_url`` stands between the client and the sandbox, where it is given."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    sandbox_port: int = 9000
    graph_url: str | None = None
    link_shops: bool = True


@dataclass
class Dev:
    """A running development set-up."""

    url: str
    api_key: str
    services: Services
    world: dict[str, Any]
    sandbox_url: str
    shops: list[Shop] = field(default_factory=list)

    @property
    def graphql(self) -> str:
        return f"{self.url}/graphql"

    def describe(self) -> dict[str, Any]:
        """The one line that ``--json`` prints."""
        tokens = {shop["metaId"]: shop["accessToken"] for shop in self.world["shops"]}
        return {
            "graphql": self.graphql,
            "apiKey": self.api_key,
            "sandbox": {
                "url": self.sandbox_url,
                "accessToken": self.world["accessToken"],
                "appId": self.world["appId"],
                "appSecret": self.world["appSecret"],
                "businessId": self.world["businessId"],
            },
            "shops": [
                {
                    "id": node_id("Shop", shop.id),
                    "metaId": shop.meta_id,
                    "pageId": shop.page_id,
                    "catalogId": shop.catalog_id,
                    "cta": shop.raw_cta,
                    "accessToken": tokens[shop.meta_id],
                }
                for shop in self.shops
            ],
        }


def sample_file() -> Path:
    """Shopify's sample export of 22 apparel variants."""
    return Path(str(files("gateway.samples").joinpath(SAMPLE)))


@asynccontextmanager
async def develop(options: DevOptions, say: Callable[[str], None]) -> AsyncIterator[Dev]:
    """Start everything, and stop it in the reverse order.

    Raises:
        Unavailable: a port is in use, or there is no Redis.
    """
    async with AsyncExitStack() as stack:
        data = options.data_dir
        data.mkdir(parents=True, exist_ok=True)
        for name in _OWN_FILES:
            (data / name).unlink(missing_ok=True)
        sandbox_socket = bind(options.host, options.sandbox_port)
        stack.callback(sandbox_socket.close)
        gateway_socket = bind(options.host, options.port)
        stack.callback(gateway_socket.close)
        redis_url = stack.enter_context(embedded_redis())
        say("Redis is up")
        sandbox_settings = SandboxSettings()
        sandbox_url = await stack.enter_async_context(running(create_sandbox(sandbox_settings), sandbox_socket))
        say(f"sandbox is up at {sandbox_url}")
        world = await _world(sandbox_url)
        host, port = gateway_socket.getsockname()[:2]
        settings = Settings(
            database_url=f"sqlite:///{data / 'gateway.sqlite3'}",
            redis_url=redis_url,
            graph_url=options.graph_url or sandbox_url,
            app_id=world["appId"],
            app_secret=world["appSecret"],
            encryption_keys=Vault.new_key(),
            public_url=f"http://{host}:{port}",
            production=False,
            data_dir=data,
            batch_poll_s=0.5,
            batch_hold_s=30,
            tick_s=0.5,
        )
        services = Services.build(settings, JobQueue(redis_url))
        await services.db.in_thread(services.db.migrate)
        say("database is up to date")
        url = await stack.enter_async_context(running(create_app(services), gateway_socket))
        await stack.enter_async_context(_worker(settings, redis_url))
        say("worker is up")
        _, secret = await services.access.create_key(Caller.system(), "dev", ALL_SCOPES, None)
        dev = Dev(url, secret, services, world, sandbox_url)
        if options.link_shops:
            for shop in world["shops"]:
                linked = await services.shops.link(Caller.system(), shop["metaId"], shop["accessToken"])
                dev.shops.append(linked)
                say(f"linked {linked.name} ({linked.raw_cta})")
        yield dev


@asynccontextmanager
async def _worker(settings: Settings, redis_url: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_worker(settings, redis_url, stop=stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _world(sandbox_url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=sandbox_url, trust_env=False) as client:
        answer = await client.post("/_sandbox/worlds", json={"batchSeconds": BATCH_SECONDS, "reviewSeconds": 5})
        if answer.status_code != 201:
            raise Unavailable(f"the sandbox made no world: {answer.text[:200]}")
        world: dict[str, Any] = answer.json()
        return world


async def import_sample(dev: Dev) -> dict[str, int]:
    """Import the sample file into the first shop; the worker brings it to the sandbox."""
    from gateway.catalog.feeds import FeedOptions

    options = FeedOptions(currency=SAMPLE_CURRENCY, link_template=SAMPLE_LINKS)
    stream = await asyncio.to_thread(sample_file().open, "rb")
    done = await dev.services.imports.run(Caller.system(), dev.shops[0].id, stream, options, SAMPLE)
    return done.counts


async def fetch_page_assets(dev: Dev) -> bool:
    """Put GraphiQL's scripts beside the data, where npm is at hand."""
    return await asyncio.to_thread(fetch_assets, dev.services.settings.data_dir)
