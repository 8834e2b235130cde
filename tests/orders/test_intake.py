"""Orders on their way in: every page, every item, nothing twice, nothing missed."""

from __future__ import annotations

from collections.abc import Callable

from gateway.access.models import Caller
from gateway.catalog.feeds import FeedOptions
from gateway.dev import SAMPLE_CURRENCY, SAMPLE_LINKS, sample_file
from gateway.graph.errors import CircuitOpen
from gateway.orders.service import LiveOrders, Source
from gateway.sync.models import Lane
from tests.support.gateway import ORDERS, UPSERT, Gateway, product
from tests.support.world import World

ORDER_LIST = "*/commerce_orders"


async def take_in(gateway: Gateway) -> dict[str, int]:
    return (await gateway.run_lane(Lane.ORDERS)).counts


async def test_orders_come_in_with_their_items_and_money(gateway: Gateway) -> None:
    mugs = {"retailerId": "MUG", "quantity": 2, "price": "12.00"}
    tee = {"retailerId": "TEE", "quantity": 1, "price": "30.00"}
    [placed] = gateway.world.place_orders(1, lines=[mugs, tee])

    await take_in(gateway)

    found = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]
    order = next(node for node in found["nodes"] if node["metaId"] == placed)
    assert order["state"] == "AWAITING_ACKNOWLEDGEMENT"
    lines = {item["retailerId"]: item for item in order["items"]}
    assert (lines["MUG"]["quantity"], lines["MUG"]["unitPrice"]) == (2, {"amount": "12.00"})
    assert (lines["TEE"]["quantity"], lines["TEE"]["unitPrice"]) == (1, {"amount": "30.00"})
    assert order["total"]["currencyCode"] == "USD"


async def test_every_page_is_read_and_a_second_run_changes_nothing(gateway: Gateway) -> None:
    gateway.world.place_orders(60)

    first = await take_in(gateway)
    gateway.world.forget_calls()
    second = await take_in(gateway)

    found = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]
    assert first["created"] == found["totalCount"] == len({node["metaId"] for node in found["nodes"]})
    assert first["created"] >= 60
    assert (second["created"], second["updated"]) == (0, 0)


async def test_short_and_empty_pages_end_nothing(worlds: Callable[..., World], gateway: Gateway) -> None:
    world = worlds(pageLimitShort=True)
    world.place_orders(30)
    shop = await gateway.services.shops.link(Caller.system(), world.onsite["metaId"], world.onsite["accessToken"])

    run = await gateway.run_lane(Lane.ORDERS, shop)

    assert run.counts["created"] >= 30


async def test_a_change_at_meta_is_read_with_the_next_run_from_the_cursor(gateway: Gateway) -> None:
    await take_in(gateway)
    gateway.world.forget_calls()
    gateway.world.advance(3600)
    placed = gateway.world.place_orders(1)

    counts = await take_in(gateway)

    call = gateway.world.calls("GET", ORDER_LIST)[0]
    assert "updated_after" in call["params"]
    assert counts["created"] == 1
    held = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]["nodes"]
    assert placed[0] in {node["metaId"] for node in held}


async def test_a_held_order_becomes_final_by_itself(gateway: Gateway) -> None:
    [placed] = gateway.world.place_orders(1, state="FB_PROCESSING")

    async def state() -> str:
        await take_in(gateway)
        nodes = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]["nodes"]
        found: str = next(node["state"] for node in nodes if node["metaId"] == placed)
        return found

    assert await state() == "HELD_BY_META"
    gateway.world.advance(3600)
    assert await state() == "AWAITING_ACKNOWLEDGEMENT"


async def test_a_failing_page_moves_no_cursor_and_loses_no_order(gateway: Gateway) -> None:
    gateway.world.place_orders(60)
    gateway.world.fault("error", path=ORDER_LIST, code=190, subcode=467, after=1, message="gone")

    failed = await gateway.run_lane(Lane.ORDERS)
    assert failed.error is not None
    assert failed.error["code"] == "TOKEN_INVALID"
    await take_in(gateway)

    found = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]
    assert found["totalCount"] >= 60


async def test_a_change_that_meta_shows_late_is_not_missed(gateway: Gateway) -> None:
    await take_in(gateway)
    gateway.world.advance(3600)
    gateway.world.fault("late_visibility", path=ORDER_LIST, seconds=120, times=0)
    [late] = gateway.world.place_orders(1)
    gateway.world.advance(60)
    assert (await take_in(gateway))["created"] == 0
    gateway.world.advance(61)

    assert (await take_in(gateway))["created"] == 1

    nodes = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]["nodes"]
    assert late in {node["metaId"] for node in nodes}


async def test_mirrored_orders_with_products_cost_no_graph_call(gateway: Gateway) -> None:
    await gateway.run(UPSERT, input={"shopId": gateway.shop_id, "products": [product("MUG")]})
    gateway.world.place_orders(1, lines=[{"retailerId": "MUG", "quantity": 1, "price": "12.00"}])
    await take_in(gateway)
    gateway.world.forget_calls()

    result = await gateway.run(ORDERS, shopId=gateway.shop_id)

    titles = [item["product"] for node in result.data["orders"]["nodes"] for item in node["items"]]
    assert {"title": "Item MUG", "syncState": "PENDING"} in titles
    assert result.graph_calls == 0
    assert gateway.world.calls() == []


async def test_a_live_page_of_orders_with_items_is_one_call_and_one_per_fifty_products(gateway: Gateway) -> None:
    with sample_file().open("rb") as stream:
        options = FeedOptions(currency=SAMPLE_CURRENCY, link_template=SAMPLE_LINKS)
        await gateway.services.imports.run(Caller.system(), gateway.onsite.id, stream, options, "apparel.csv")
    await gateway.sync(Lane.DELTA)
    gateway.world.place_orders(25)
    gateway.world.forget_calls()

    live = await gateway.services.orders.read_live(Caller.system(), gateway.onsite.id, 25)

    orders = live.documents
    assert live.source is Source.LIVE
    assert len(orders) == 25
    assert all(order["items"] for order in orders)
    assert all(item["product"]["name"] for order in orders for item in order["items"])
    listed, products = gateway.world.calls()
    assert listed["path"].endswith("commerce_orders")
    assert "ids" in products["params"]


async def test_while_meta_does_not_answer_the_mirror_does_and_says_how_old_it_is(gateway: Gateway) -> None:
    gateway.world.place_orders(3)
    await take_in(gateway)
    read_at = gateway.clock.now()
    gateway.world.fault("http", path=ORDER_LIST, status=503, body="<html>", contentType="text/html", times=0)
    gateway.clock.advance(600)

    async def read() -> LiveOrders:
        return await gateway.services.orders.read_live(Caller.system(), gateway.onsite.id, 25)

    stale = await read()
    assert (stale.source, stale.as_of) == (Source.STORE, read_at)
    assert len(stale.documents) == 9
    # The circuit opens, and Meta is left alone.
    while not isinstance((await read()).reason, CircuitOpen):
        pass
    gateway.world.forget_calls()
    assert (await read()).source is Source.STORE
    assert gateway.world.calls() == []

    gateway.world.clear_faults()
    gateway.clock.advance(60)
    assert (await read()).source is Source.LIVE


async def test_an_offsite_shop_has_no_orders_lane_and_says_so(gateway: Gateway) -> None:
    result = await gateway.run(
        """mutation($input: CatalogSyncRunInput!) {
          catalogSyncRun(input: $input) { runs { id } userErrors { code field fix } }
        }""",
        input={"shopId": gateway.offsite_id, "lanes": ["ORDERS"]},
    )

    [error] = result.user_errors
    assert error["field"] == ["lanes"]
    assert "onsite checkout" in error["fix"]
