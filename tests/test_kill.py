"""Real worker processes, real SIGKILL: whoever comes next finishes the work, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlmodel import Session, select

from gateway.access.models import Caller
from gateway.catalog.writing import ItemWrite
from gateway.commands.store import DispatchRow
from gateway.jobs import JobQueue
from gateway.kit.clock import SystemClock
from gateway.orders.models import Acknowledgement
from gateway.orders.store import OrderRow
from gateway.services import Services
from gateway.sync.models import Lane
from tests.support.gateway import settings_for
from tests.support.servers import PYTHON
from tests.support.world import World

PATIENCE_S = 40.0
PACE = {"batch_poll_s": 0.3, "batch_hold_s": 2.5, "lease_s": 1.2, "tick_s": 0.2, "worker_poll_s": 0.01}
ITEMS = [f"A{n}" for n in range(20)]


class Stage:
    """One database, one world on the real clock, and workers that come and go."""

    def __init__(self, services: Services, world: World, redis_url: str) -> None:
        self.services = services
        self.world = world
        self.redis = Redis.from_url(redis_url)
        settings = services.settings
        self._env = {
            **os.environ,
            "GATEWAY_DATABASE_URL": settings.database_url.get_secret_value(),
            "GATEWAY_REDIS_URL": redis_url,
            "GATEWAY_GRAPH_URL": world.url,
            "GATEWAY_APP_ID": world.facts["appId"],
            "GATEWAY_APP_SECRET": world.facts["appSecret"],
            "GATEWAY_ENCRYPTION_KEYS": settings.encryption_keys.get_secret_value(),
            **{f"GATEWAY_{name.upper()}": str(value) for name, value in PACE.items()},
        }
        self.shop_id = ""

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process of its own, killed at the end if it still lives."""
        process = subprocess.Popen(
            [PYTHON, "-m", "gateway", "worker"], env=self._env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    async def until(self, happened: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = happened()
            found = await found if asyncio.iscoroutine(found) else found
            if found:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"{what} did not happen; dispatches: {await self.dispatches()}")

    async def dispatches(self) -> list[tuple[str, str]]:
        def load(session: Session) -> list[tuple[str, str]]:
            return [(row.kind, row.state) for row in session.exec(select(DispatchRow)).all()]

        return await self.services.db.read(load)

    async def has_dispatch(self, *states: str) -> bool:
        return any(state in states for _, state in await self.dispatches())

    async def all_confirmed(self) -> bool:
        from gateway.catalog.store import ItemRow

        def load(session: Session) -> list[str]:
            return [row.state for row in session.exec(select(ItemRow)).all()]

        states = await self.services.db.read(load)
        return len(states) == len(ITEMS) and set(states) == {"CONFIRMED"}

    async def write_items(self) -> None:
        values = {
            "title": "An item", "description": "For a test.", "price": "12.50 USD", "availability": "in stock",
            "link": "https://shop.example.com/p", "imageLink": "https://cdn.example.com/p.jpg", "brand": "Example",
        }  # fmt: skip
        writes = [ItemWrite(item, values) for item in ITEMS]
        await self.services.catalog.upsert(Caller.system(), self.shop_id, writes)
        await self.services.sync.request_runs(self.shop_id, [Lane.DELTA])


@pytest.fixture
async def stage(
    database_url: str, worlds: Callable[..., World], redis_url: str, tmp_path: Path
) -> AsyncIterator[Stage]:
    world = worlds(clock={"kind": "real"}, batchSeconds=1)
    settings = settings_for(database_url, world, tmp_path, **PACE)
    services = Services.build(settings, JobQueue(redis_url), clock=SystemClock(), random=lambda: 1.0)
    stage = Stage(services, world, redis_url)
    stage.redis.flushall()
    facts = world.onsite
    shop = await services.shops.link(Caller.system(), facts["metaId"], facts["accessToken"])
    stage.shop_id = shop.id
    yield stage
    await services.aclose()
    stage.redis.close()


@pytest.mark.parametrize(
    ("path", "kind", "state"),
    [
        ("*/items_batch", "hang_before", "SENDING"),
        ("*/items_batch", "hang_after", "SENDING"),
        ("*/check_batch_request_status", "hang_before", "AWAITING"),
    ],
    ids=["before Meta took the batch", "after Meta took the batch", "while its handle is looked at"],
)
async def test_a_killed_worker_is_followed_by_another(stage: Stage, path: str, kind: str, state: str) -> None:
    stage.world.fault(kind, path=path, seconds=PATIENCE_S)
    await stage.write_items()

    with stage.worker() as first:
        await stage.until(lambda: stage.has_dispatch(state), f"a dispatch that is {state}")
        await stage.until(lambda: bool(_held(stage, path, kind)), "the call that hangs")
        first.kill()
        first.wait()
    stage.world.clear_faults()
    with stage.worker():
        await stage.until(stage.all_confirmed, "confirmation of all items")

    assert set(stage.world.items()) == set(ITEMS)
    for batch in stage.world.batches():
        assert batch["overlapping"] == []
        assert batch["duplicates"] == []
    assert not await stage.has_dispatch("WAITING", "SENDING", "HELD", "AWAITING")


def _held(stage: Stage, path: str, kind: str) -> list[dict[str, Any]]:
    """Whether the call has come as far as the fault lets it."""
    if kind == "hang_after":
        return stage.world.batches()
    return [fault for fault in stage.world._do("GET", "faults")["faults"] if fault["fired"]]


async def test_an_emptied_redis_loses_no_work(stage: Stage) -> None:
    await stage.write_items()
    assert stage.redis.keys("*")

    stage.redis.flushall()
    with stage.worker():
        await stage.until(lambda: stage.has_dispatch("AWAITING", "DONE"), "the first batch")
        stage.redis.flushall()
        await stage.until(stage.all_confirmed, "confirmation of all items")

    assert set(stage.world.items()) == set(ITEMS)


async def test_an_acknowledgement_survives_the_death_of_the_web_process(stage: Stage) -> None:
    """The request was committed and the process died before it sent: a worker sends it, once."""
    await stage.services.sync.request_runs(stage.shop_id, [Lane.ORDERS])
    await stage.services.sync.run(stage.shop_id, Lane.ORDERS)

    def waiting(session: Session) -> list[str]:
        rows = session.exec(select(OrderRow)).all()
        return [row.id for row in rows if row.state == "AWAITING_ACKNOWLEDGEMENT"]

    ids = await stage.services.db.read(waiting)
    wishes = [Acknowledgement(order_id, f"SO-{n}") for n, order_id in enumerate(ids)]
    await stage.services.orders.request_acknowledgement(Caller.system(), stage.shop_id, wishes, "k1")
    stage.world.forget_calls()

    with stage.worker():

        async def done() -> bool:
            return not await stage.services.db.read(waiting)

        await stage.until(done, "acknowledgement")

    result = await stage.services.orders.acknowledge(Caller.system(), stage.shop_id, wishes, "k1")
    assert ids
    assert {command.state for command in result.commands} == {"CONFIRMED"}
    assert len(stage.world.calls("POST", "*/acknowledge_orders")) == 1
