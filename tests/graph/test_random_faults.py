"""Whatever goes wrong on the way, a read ends in the right answer or in a typed error, not in a wrong one or a hang."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.graph.batching import BatchCall
from gateway.graph.client import Graph, GraphSession
from gateway.graph.errors import GraphError
from gateway.graph.settings import GraphSettings
from gateway.kit.clock import SystemClock
from tests.support.world import World

FAULTS: list[dict[str, Any]] = [
    {"kind": "error", "code": 1, "message": "An unknown error occurred", "status": 500},
    {"kind": "error", "code": 2, "message": "Service temporarily unavailable", "status": 500},
    {"kind": "error", "code": 100, "message": "(#100) Invalid parameter"},
    {"kind": "error", "code": 190, "subcode": 463, "message": "Session has expired"},
    {"kind": "http", "status": 503, "body": "<html>Service Unavailable</html>", "contentType": "text/html"},
    {"kind": "empty"},
    {"kind": "truncate"},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "throttle", "code": 80001, "minutes": 2},
    {"kind": "latency", "seconds": 0.01},
]
SEEDS = range(40)


@pytest.fixture
async def session(world: World) -> AsyncIterator[GraphSession]:
    settings = GraphSettings(
        base_url=world.url, app_id=world.facts["appId"], app_secret=world.facts["appSecret"], retry_budget_min=1000
    )

    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    graph = Graph(settings, clock=SystemClock(), sleep=at_once)
    yield graph.session(world.onsite["accessToken"])
    await graph.aclose()


async def reads(session: GraphSession, shop: str, ids: list[str]) -> dict[str, Callable[[], Awaitable[Any]]]:
    fields = "id,order_status,items{id,quantity,price_per_unit}"
    states = {"state": "FB_PROCESSING,CREATED,IN_PROGRESS,COMPLETED"}

    async def pages() -> list[str]:
        found: list[str] = []
        async for page in session.pages(f"{shop}/commerce_orders", fields="id", params=states, limit=7):
            found += [row["id"] for row in page.data]
        return found

    async def batch() -> list[Any]:
        results = await session.batch([BatchCall("GET", one, {"fields": fields}) for one in ids[:5]])
        return [result.unwrap() for result in results]

    return {
        "node": lambda: session.get(ids[0], fields=fields),
        "pages": pages,
        "many": lambda: session.get_many(ids[:9], fields=fields),
        "batch": batch,
    }


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_read_ends_in_the_right_answer_or_in_a_typed_error(
    world: World, session: GraphSession, seed: int
) -> None:
    chance = random.Random(seed)
    shop = world.onsite["metaId"]
    ids = world.place_orders(20)
    calls = await reads(session, shop, ids)
    name = chance.choice(list(calls))
    right = await calls[name]()
    before = asyncio.all_tasks()
    for _ in range(chance.randrange(1, 4)):
        fault = chance.choice(FAULTS)
        world.fault(path="*", times=chance.randrange(1, 4), after=chance.randrange(3), **fault)

    outcome: Any
    try:
        outcome = await asyncio.wait_for(calls[name](), 20)
    except GraphError as error:
        outcome = error

    assert outcome == right or (isinstance(outcome, GraphError) and outcome.code and outcome.fix)
    assert any(fault["seen"] for fault in world._do("GET", "faults")["faults"])
    world.clear_faults()
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}
