"""Single reads of the same moment are one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.graph.client import Graph
from gateway.graph.errors import TokenInvalid
from gateway.graph.gather import Gather
from gateway.graph.settings import GraphSettings
from gateway.kit.clock import SystemClock
from tests.support.world import World

FIELDS = "id,order_status"


@pytest.fixture
async def gather(world: World) -> AsyncIterator[Gather]:
    settings = GraphSettings(base_url=world.url, app_id=world.facts["appId"], app_secret=world.facts["appSecret"])
    graph = Graph(settings, clock=SystemClock())
    yield Gather(graph.session(world.onsite["accessToken"]))
    await graph.aclose()


async def test_sixty_reads_are_two_calls_and_each_gets_its_own(world: World, gather: Gather) -> None:
    ids = world.place_orders(60)
    world.forget_calls()

    found = await asyncio.gather(*(gather.node(one, FIELDS) for one in ids))

    assert [order["id"] for order in found if order] == ids
    assert len(world.calls("GET")) == 2


async def test_equal_reads_share_and_other_fields_are_asked_for_apart(world: World, gather: Gather) -> None:
    [one] = world.place_orders(1)
    world.forget_calls()

    found = await asyncio.gather(gather.node(one, FIELDS), gather.node(one, FIELDS), gather.node(one, "id,channel"))

    assert found[0] == found[1]
    assert found[2] is not None
    assert set(found[2]) == {"id", "channel"}
    assert len(world.calls("GET")) == 2


async def test_an_unknown_object_is_none_and_takes_nobody_with_it(world: World, gather: Gather) -> None:
    [one] = world.place_orders(1)

    known, unknown = await asyncio.gather(gather.node(one, FIELDS), gather.node("9000099999999999", FIELDS))

    assert known is not None
    assert unknown is None


async def test_an_error_reaches_all_who_asked(world: World, gather: Gather) -> None:
    ids = world.place_orders(3)
    world.revoke(world.onsite["accessToken"])

    found = await asyncio.gather(*(gather.node(one, FIELDS) for one in ids), return_exceptions=True)

    assert {type(error) for error in found} == {TokenInvalid}


async def test_one_who_gives_up_disturbs_nobody(world: World, gather: Gather) -> None:
    one, other = world.place_orders(2)
    leaver = asyncio.create_task(gather.node(one, FIELDS))
    stayer = asyncio.create_task(gather.node(other, FIELDS))
    await asyncio.sleep(0)

    leaver.cancel()

    assert (await stayer or {})["id"] == other
