"""A list that changes while it is read gives every row that stays exactly once, whatever the size of the pages."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.graph.client import Graph, GraphSession
from gateway.graph.errors import GraphRejected
from gateway.graph.settings import GraphSettings
from gateway.kit.clock import SystemClock
from tests.support.world import World

STABLE = [f"STAY-{number:02}" for number in range(30)]


@pytest.fixture
async def session(world: World) -> AsyncIterator[GraphSession]:
    settings = GraphSettings(base_url=world.url, app_id=world.facts["appId"], app_secret=world.facts["appSecret"])
    graph = Graph(settings, clock=SystemClock())
    yield graph.session(world.onsite["accessToken"])
    await graph.aclose()


async def put(session: GraphSession, world: World, *retailer_ids: str) -> None:
    for retailer_id in retailer_ids:
        await session.post(
            f"{world.onsite['catalogId']}/products",
            {
                "retailer_id": retailer_id, "name": retailer_id, "price": 1250, "currency": "USD",
                "image_url": "https://cdn.example.com/p.jpg", "url": "https://shop.example.com/p", "description": "d",
                "availability": "in stock", "condition": "new", "brand": "b",
            },
        )  # fmt: skip


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 29, 30, 31, 100])
async def test_rows_that_stay_come_exactly_once(world: World, session: GraphSession, limit: int) -> None:
    chance = random.Random(limit)
    others = [f"GO-{number:02}" for number in range(10)]
    await put(session, world, *chance.sample(STABLE + others, 40))
    seen: list[str] = []
    new = 0

    async for page in session.pages(f"{world.onsite['catalogId']}/products", fields="retailer_id", limit=limit):
        seen += [row["retailer_id"] for row in page.data]
        if others and chance.random() < 0.7:
            gone = others.pop()
            world._do("DELETE", "items", params={"catalog": world.onsite["catalogId"], "retailerId": gone})
        if chance.random() < 0.5:
            new += 1
            await put(session, world, f"NEW-{new:02}")

    counts = Counter(seen)
    assert {item: counts[item] for item in STABLE} == dict.fromkeys(STABLE, 1)
    assert max(counts.values()) == 1


async def test_a_cursor_that_expired_is_a_typed_error(world: World, session: GraphSession) -> None:
    await put(session, world, "A", "B", "C")
    world.fault("expired_cursor", path="*/products")

    async def read() -> list[Any]:
        return [page async for page in session.pages(f"{world.onsite['catalogId']}/products", limit=1)]

    with pytest.raises(GraphRejected, match="cursor"):
        await read()
    assert len(await read()) == 3


def test_the_types_of_ids_that_calls_named_can_be_had(world: World) -> None:
    token = world.onsite["accessToken"]
    world.graph(world.onsite["catalogId"], token, appsecret_proof="wrong")

    found = httpx.get(
        f"{world.url}/_sandbox/id-types", headers={"Authorization": f"Bearer {token}"}, trust_env=False
    ).json()

    assert found == {world.onsite["catalogId"]: "ProductCatalog"}
