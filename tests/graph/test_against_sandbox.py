"""The client against the sandbox, which was written from Meta's documentation and not from this client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from gateway.graph import BatchCall, F, Graph, GraphSession, GraphSettings
from gateway.graph.errors import GraphNotFound, GraphRejected, GraphThrottled, GraphUnclear, TokenInvalid
from gateway.kit.clock import ManualClock
from gateway.sandbox import create_app

ORDER_FIELDS = F("id", "order_status", items=F("id", "retailer_id", "quantity").with_(limit=10))
ALL_STATES = {"state": ["FB_PROCESSING", "CREATED", "IN_PROGRESS", "COMPLETED"]}


@pytest.fixture(scope="module")
def sandbox_url() -> Iterator[str]:
    config = uvicorn.Config(create_app(), port=0, log_config=None, ws="none", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join()


@dataclass
class World:
    """A business of the test's own."""

    url: str
    facts: dict[str, Any]
    control: httpx.AsyncClient
    graph: Graph

    @property
    def shop(self) -> dict[str, Any]:
        shop: dict[str, Any] = self.facts["shops"][0]
        return shop

    @property
    def session(self) -> GraphSession:
        return self.graph.session(self.shop["accessToken"])

    async def fault(self, **fault: Any) -> None:
        answer = await self.control.post("/_sandbox/faults", json=fault)
        assert answer.status_code == 201, answer.text

    async def calls(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.control.get("/_sandbox/calls", params=query)
        calls: list[dict[str, Any]] = answer.json()["calls"]
        return calls

    async def place_orders(self, count: int) -> list[str]:
        body = {"shop": self.shop["metaId"], "count": count, "state": "CREATED"}
        answer = await self.control.post("/_sandbox/orders", json=body)
        assert answer.status_code == 201, answer.text
        return [order["id"] for order in answer.json()["orders"]]


async def no_sleep(_seconds: float) -> None:
    """Time passes in no time."""


async def make_world(url: str, **settings: Any) -> tuple[World, httpx.AsyncClient]:
    control = httpx.AsyncClient(base_url=url, trust_env=False)
    facts = (await control.post("/_sandbox/worlds", json=settings)).json()
    control.headers["Authorization"] = f"Bearer {facts['accessToken']}"
    graph_settings = GraphSettings(base_url=url, app_id=facts["appId"], app_secret=facts["appSecret"])
    graph = Graph(graph_settings, clock=ManualClock(), sleep=no_sleep, random=lambda: 0.0)
    return World(url, facts, control, graph), control


@pytest.fixture
async def world(sandbox_url: str) -> AsyncIterator[World]:
    world, control = await make_world(sandbox_url)
    yield world
    await world.graph.aclose()
    await control.delete("/_sandbox/world")
    await control.aclose()


@pytest.fixture
async def patchy_world(sandbox_url: str) -> AsyncIterator[World]:
    """One whose lists come in short and empty pages."""
    world, control = await make_world(sandbox_url, pageLimitShort=True)
    yield world
    await world.graph.aclose()
    await control.delete("/_sandbox/world")
    await control.aclose()


async def read_order_ids(world: World, limit: int) -> list[str]:
    edge = f"{world.shop['metaId']}/commerce_orders"
    pages = world.session.pages(edge, fields=ORDER_FIELDS, params=ALL_STATES, limit=limit)
    return [row["id"] async for page in pages for row in page.data]


@pytest.mark.parametrize("limit", [2, 25])
async def test_all_orders_are_read_once_whatever_the_page_size(world: World, limit: int) -> None:
    placed = await world.place_orders(30)

    ids = await read_order_ids(world, limit)

    assert set(placed) < set(ids)
    assert len(ids) == len(set(ids)) == 36  # and the six that the shop starts with


async def test_short_and_empty_pages_lose_no_order(patchy_world: World) -> None:
    placed = await patchy_world.place_orders(30)

    ids = await read_order_ids(patchy_world, 5)

    assert set(placed) < set(ids)
    assert len(ids) == len(set(ids)) == 36


async def test_a_page_of_orders_with_their_items_is_one_call(world: World) -> None:
    edge = f"{world.shop['metaId']}/commerce_orders"

    page = await world.session.get(edge, fields=ORDER_FIELDS, params=ALL_STATES)

    assert all(order["items"]["data"][0]["retailer_id"] for order in page["data"])
    assert len(await world.calls()) == 1


async def test_many_orders_are_read_by_id_and_unknown_ones_are_absent(world: World) -> None:
    placed = await world.place_orders(60)

    found = await world.session.get_many([*placed, "1234567890"], fields="id,order_status")

    assert set(found) == set(placed)
    assert found[placed[0]]["order_status"] == {"state": "CREATED"}


async def test_an_order_of_another_world_is_not_found(world: World, patchy_world: World) -> None:
    [foreign] = await patchy_world.place_orders(1)

    with pytest.raises(GraphNotFound):
        await world.session.get(foreign)


async def test_a_null_slot_of_a_batch_is_read_again(world: World) -> None:
    placed = await world.place_orders(3)
    await world.fault(kind="null_slot", slots=[1])

    results = await world.session.batch([BatchCall("GET", one, {"fields": "id"}) for one in placed])

    assert [result.unwrap()["id"] for result in results] == placed


async def test_a_batch_tells_good_calls_from_bad_ones(world: World) -> None:
    [placed] = await world.place_orders(1)

    good, bad = await world.session.batch([BatchCall("GET", placed), BatchCall("GET", "1234567890")])

    assert good.unwrap()["id"] == placed
    assert isinstance(bad.error, GraphNotFound)


async def test_a_batch_can_act_for_another_shop(world: World) -> None:
    other = world.facts["shops"][1]

    [result] = await world.session.batch([BatchCall("GET", other["metaId"], token=other["accessToken"])])

    assert result.unwrap()["id"] == other["metaId"]


async def test_without_the_proof_nothing_is_answered(world: World) -> None:
    graph = Graph(GraphSettings(base_url=world.url), clock=ManualClock())

    with pytest.raises(GraphRejected) as caught:
        await graph.session(world.shop["accessToken"]).get(world.shop["metaId"])
    await graph.aclose()

    assert caught.value.graph_code == 100
    assert "appsecret_proof" in str(caught.value)


async def test_a_throttled_catalog_says_how_long_to_wait(world: World) -> None:
    await world.fault(kind="throttle", code=80014, minutes=7)

    with pytest.raises(GraphThrottled) as caught:
        await world.session.post_json(f"{world.shop['catalogId']}/items_batch", {"item_type": "PRODUCT_ITEM"})

    assert (caught.value.bucket, caught.value.retry_after_s) == ("catalog_batch", 420)
    assert len(await world.calls()) == 1


async def test_equal_reads_in_flight_arrive_as_one(world: World) -> None:
    await world.fault(kind="latency", seconds=0.2)

    answers = await asyncio.gather(*(world.session.get(world.shop["metaId"]) for _ in range(10)))

    assert len({answer["id"] for answer in answers}) == 1
    assert len(await world.calls()) == 1


@pytest.mark.parametrize("kind", ["drop_after", "empty", "truncate"])
async def test_a_read_survives_a_lost_answer(world: World, kind: str) -> None:
    await world.fault(kind=kind)

    assert (await world.session.get(world.shop["metaId"]))["id"] == world.shop["metaId"]


async def test_an_acknowledgement_whose_answer_is_lost_is_unclear_and_its_key_tells(world: World) -> None:
    [order] = await world.place_orders(1)
    params = {"idempotency_key": "k1", "merchant_order_reference": "A-1"}
    await world.fault(kind="drop_after", path="*/acknowledge_order")

    with pytest.raises(GraphUnclear):
        await world.session.post(f"{order}/acknowledge_order", params)
    again = await world.session.post(f"{order}/acknowledge_order", params, repeatable=True)

    assert again == {"id": order, "state": "IN_PROGRESS"}
    state = await world.session.get(order, fields="order_status")
    assert state["order_status"]["state"] == "IN_PROGRESS"
    effects = [call for call in await world.calls(method="POST") if call["effect"]]
    assert len(effects) == 1


async def test_a_revoked_token_ends_it_at_once(world: World) -> None:
    await world.control.post("/_sandbox/tokens/revoke", json={"token": world.shop["accessToken"]})

    with pytest.raises(TokenInvalid) as caught:
        await world.session.get(world.shop["metaId"])

    assert caught.value.subcode == 467


async def test_the_app_may_look_into_a_token(world: World) -> None:
    answer = await world.graph.app_session().get("debug_token", params={"input_token": world.shop["accessToken"]})

    assert answer["data"]["is_valid"] is True
    assert answer["data"]["app_id"] == world.facts["appId"]
