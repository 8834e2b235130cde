"""Fixtures that everything shares: servers once a session, a world and a gateway for each test."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from gateway.access.models import ALL_SCOPES, Caller
from gateway.app import create_app
from gateway.embedded import embedded_redis
from gateway.kit.clock import ManualClock
from gateway.kit.log import configure_logging
from gateway.sandbox import SandboxSettings
from gateway.sandbox import create_app as create_sandbox
from gateway.serving import bind, running
from tests.support.gateway import Gateway, build_services, settings_for
from tests.support.secrets import HANDED_OUT, found_in
from tests.support.servers import Databases, served
from tests.support.world import World


@pytest.fixture(scope="session", autouse=True)
def suite_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Everything that the gateway logs during the whole suite, as it would in production; no secret may be in it."""
    path = tmp_path_factory.mktemp("log") / "suite.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        configure_logging(json=True, stream=stream)
        yield path
        stream.flush()
        found = found_in(path.read_text(encoding="utf-8"))
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()
    assert not found, f"secrets got into the log: {sorted(secret[:6] for secret in found)}"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[str]:
    """The address of a sandbox."""
    with served(create_sandbox(SandboxSettings())) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis server."""
    with embedded_redis() as url:
        yield url


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    made = Databases(tmp_path_factory.mktemp("databases"))
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, databases: Databases) -> str:
    """A migrated database of the test's own, of each kind in turn."""
    return databases.sqlite() if request.param == "sqlite" else databases.postgresql()


@pytest.fixture
def worlds(sandbox: str) -> Iterator[Callable[..., World]]:
    """Makes worlds."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        made.append(World.create(sandbox, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(worlds: Callable[..., World]) -> World:
    """A world with two shops, one with onsite checkout, and time that stands still."""
    return worlds()


@pytest.fixture
async def gateway(database_url: str, world: World, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with both shops of the world linked."""
    clock = ManualClock()
    services = build_services(settings_for(database_url, world, tmp_path), clock)
    listener = bind("127.0.0.1", 0)
    async with (
        running(create_app(services), listener) as url,
        httpx.AsyncClient(timeout=30, trust_env=False) as http,
    ):
        _, key = await services.access.create_key(Caller.system(), "test", ALL_SCOPES, None)
        HANDED_OUT.add(key)
        gateway = Gateway(url, services, clock, world, key, http)
        await gateway.link()
        yield gateway
    listener.close()
