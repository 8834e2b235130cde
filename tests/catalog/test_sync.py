"""Items on their way to Meta: what is sent, what its answer means, and what survives which fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.access.models import Caller
from gateway.catalog.batches import KIND
from gateway.graph.auth import appsecret_proof
from gateway.sync.models import Lane, RunState
from tests.support.gateway import (
    HOLD_S,
    INVENTORY,
    POLL_S,
    PRICES,
    UPSERT,
    Gateway,
    build_services,
    product,
    settings_for,
)

BATCH = "*/items_batch"
STATUS = "*/check_batch_request_status"


async def upsert(gateway: Gateway, *products: dict[str, Any]) -> None:
    result = await gateway.run(UPSERT, input={"shopId": gateway.shop_id, "products": list(products)})
    assert result.user_errors == []


def records(gateway: Gateway) -> list[dict[str, Any]]:
    """The records of the last item batch, as Meta got them."""
    requests = gateway.world.calls("POST", BATCH)[-1]["params"]["requests"]
    found: list[dict[str, Any]] = requests
    return found


async def test_a_new_item_is_pending_until_meta_has_finished_its_batch(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))
    assert (await gateway.products())["A"]["syncState"] == "PENDING"

    await gateway.run_lane(Lane.DELTA)
    await gateway.carry_due()

    assert (await gateway.products())["A"]["syncState"] == "ACCEPTED"
    assert gateway.world.items() == {}

    await gateway.settle()

    found = (await gateway.products())["A"]
    assert found["syncState"] == "CONFIRMED"
    assert found["explain"]["live"] is True
    assert found["versions"]["confirmed"] == found["versions"]["desired"]
    assert set(gateway.world.items()) == {"A"}


async def test_a_confirmed_catalog_has_nothing_to_send(gateway: Gateway) -> None:
    await upsert(gateway, product("A"), product("B"))
    await gateway.sync()
    gateway.world.forget_calls()

    await upsert(gateway, product("A"), product("B"))
    await gateway.sync()

    assert gateway.world.calls() == []


async def test_a_price_goes_out_as_a_patch_and_leaves_the_rest_alone(gateway: Gateway) -> None:
    await upsert(gateway, product("A"), product("B"))
    await gateway.sync()

    await gateway.run(
        PRICES,
        input={
            "shopId": gateway.shop_id,
            "idempotencyKey": "k1",
            "items": [{"retailerId": "A", "price": {"amount": "9.99", "currencyCode": "USD"}}],
        },
    )
    await gateway.sync(Lane.VOLATILE)

    [record] = records(gateway)
    assert record["data"]["id"] == "A"
    assert record["data"]["price"] == "9.99 USD"
    assert set(record["data"]) <= {"id", "price", "availability", "quantity_to_sell_on_facebook", "sale_price"}
    [live] = gateway.world.graph(
        f"{gateway.onsite.catalog_id}/products",
        gateway.world.onsite["accessToken"],
        appsecret_proof=appsecret_proof(gateway.world.onsite["accessToken"], gateway.world.facts["appSecret"]),
        filter='{"retailer_id":{"eq":"A"}}',
        fields="price,name",
    )["data"]
    assert (live["price"], live["name"]) == ("$9.99", "Item A")


async def test_a_change_of_stock_makes_the_volatile_lane_due_at_once(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))
    await gateway.sync()
    gateway.clock.advance(1)
    assert (gateway.onsite.id, Lane.VOLATILE) not in await gateway.services.sync.due()

    stock = {"shopId": gateway.shop_id, "idempotencyKey": "k1", "items": [{"retailerId": "A", "quantity": 0}]}
    result = await gateway.run(INVENTORY, input=stock)

    assert result.payload["products"][0]["availability"] == "OUT_OF_STOCK"
    assert (gateway.onsite.id, Lane.VOLATILE) in await gateway.services.sync.due()


async def test_a_patch_is_not_sent_for_an_item_that_meta_does_not_have(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))

    await gateway.sync(Lane.VOLATILE)

    assert gateway.world.calls("POST", BATCH) == []


async def test_ending_a_sale_empties_the_sale_price_at_meta(gateway: Gateway) -> None:
    sale = {"amount": "9.00", "currencyCode": "USD"}
    await upsert(gateway, product("A", salePrice=sale))
    await gateway.sync()

    await upsert(gateway, {"retailerId": "A", "salePrice": None})
    await gateway.sync(Lane.VOLATILE)

    assert records(gateway)[0]["data"]["sale_price"] == ""
    assert (await gateway.products())["A"]["salePrice"] is None


async def test_an_item_that_meta_refuses_says_why_and_goes_again_when_it_is_mended(gateway: Gateway) -> None:
    await upsert(gateway, product("A"), product("B"))
    gateway.world.fault("reject_items", path=BATCH, ids=["A"], message="URL Incorrectly Formatted: Mend the URL.")

    await gateway.sync()

    found = await gateway.products()
    assert found["B"]["syncState"] == "CONFIRMED"
    assert found["A"]["syncState"] == "REJECTED"
    assert found["A"]["syncError"]["code"] == "META_REJECTED_ITEM"
    assert "URL Incorrectly Formatted" in found["A"]["syncError"]["message"]
    assert "http(s)" in found["A"]["syncError"]["fix"]
    assert found["A"]["explain"]["firstBroken"]["step"] == "META"

    gateway.world.clear_faults()
    await upsert(gateway, {"retailerId": "A", "link": "https://shop.example.com/better"})
    await gateway.sync()

    assert (await gateway.products())["A"]["syncState"] == "CONFIRMED"


async def test_a_deleted_item_is_gone_here_at_once_and_at_meta_after_the_delta(gateway: Gateway) -> None:
    await upsert(gateway, product("A"), product("B"))
    await gateway.sync()

    await gateway.services.catalog.delete(Caller.system(), gateway.onsite.id, ["A"])
    assert set(await gateway.products()) == {"B"}
    assert set(gateway.world.items()) == {"A", "B"}
    await gateway.sync()

    assert set(gateway.world.items()) == {"B"}


async def test_an_item_that_comes_back_while_its_delete_is_under_way_is_made_anew(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))
    await gateway.sync()
    await gateway.services.catalog.delete(Caller.system(), gateway.onsite.id, ["A"])
    await gateway.run_lane(Lane.DELTA)
    await gateway.carry_due()

    await upsert(gateway, product("A", title="Back again"))
    await gateway.settle()
    await gateway.sync()

    assert (await gateway.products())["A"]["syncState"] == "CONFIRMED"
    assert gateway.world.items()["A"]["title"] == "Back again"


async def test_a_change_during_a_batch_waits_for_it_and_then_goes_out(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))
    await gateway.run_lane(Lane.DELTA)
    await gateway.carry_due()

    await upsert(gateway, product("A", title="Newer"))
    await gateway.run_lane(Lane.DELTA)
    await gateway.carry_due()
    assert len(gateway.world.calls("POST", BATCH)) == 1
    await gateway.settle()
    assert (await gateway.products())["A"]["syncState"] == "PENDING"
    await gateway.sync()

    assert (await gateway.products())["A"]["syncState"] == "CONFIRMED"
    assert gateway.world.items()["A"]["title"] == "Newer"
    for batch in gateway.world.batches():
        assert batch["overlapping"] == []
        assert batch["duplicates"] == []


async def test_items_go_in_batches_of_the_set_size(gateway: Gateway, tmp_path: Path) -> None:
    await upsert(gateway, *(product(f"A{n}") for n in range(5)))
    url = gateway.services.settings.database_url.get_secret_value()
    worker = build_services(settings_for(url, gateway.world, tmp_path, batch_items=2), gateway.clock)

    await worker.sync.request_runs(gateway.onsite.id, [Lane.DELTA])
    await worker.sync.run(gateway.onsite.id, Lane.DELTA)
    await gateway.settle()
    await worker.aclose()

    assert sorted(batch["size"] for batch in gateway.world.batches()) == [1, 2, 2]
    assert all(item["syncState"] == "CONFIRMED" for item in (await gateway.products()).values())


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error", "code": 1, "message": "An unknown error has occurred.", "status": 500},
        {"kind": "http", "status": 503, "body": "<html>Service Unavailable</html>", "contentType": "text/html"},
        {"kind": "empty"},
        {"kind": "truncate"},
        {"kind": "drop_after"},
        {"kind": "drop_before"},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_an_unreadable_answer_holds_the_items_until_meta_must_be_done(
    gateway: Gateway, fault: dict[str, Any]
) -> None:
    await upsert(gateway, product("A"))
    gateway.world.fault(path=BATCH, method="POST", **fault)

    await gateway.run_lane(Lane.DELTA)
    await gateway.carry_due()

    # The batch may be at Meta: nothing is sent again before it must have ended.
    [(kind, state, _)] = await gateway.open_dispatches()
    assert (kind, state) == (KIND, "HELD")
    gateway.clock.advance(HOLD_S / 2)
    await gateway.carry_due()
    assert len(gateway.world.calls("POST", BATCH)) == 1

    gateway.clock.advance(HOLD_S)
    gateway.world.advance(HOLD_S)
    await gateway.carry_due()
    await gateway.sync()

    assert (await gateway.products())["A"]["syncState"] == "CONFIRMED"
    assert len(gateway.world.calls("POST", BATCH)) == 2


async def test_a_throttled_batch_waits_as_long_as_meta_asks(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))
    gateway.world.fault("throttle", path=BATCH, code=80014, minutes=7)

    await gateway.run_lane(Lane.DELTA)
    await gateway.carry_due()
    gateway.clock.advance(6 * 60)
    assert await gateway.carry_due() == 0
    gateway.clock.advance(61)
    await gateway.settle()

    assert (await gateway.products())["A"]["syncState"] == "CONFIRMED"


async def test_a_lane_that_waits_for_quota_says_so(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))
    gateway.world.fault("throttle", path=BATCH, code=80014, minutes=7)
    await gateway.run_lane(Lane.DELTA)
    await gateway.carry_due()

    async def cause() -> str | None:
        query = "query($id: ID!) { shop(id: $id) { freshness { lane cause } } }"
        entries = (await gateway.run(query, id=gateway.shop_id)).data["shop"]["freshness"]
        return next(entry["cause"] for entry in entries if entry["lane"] == "DELTA")

    assert await cause() == "THROTTLED"
    gateway.clock.advance(8 * 60)
    await gateway.settle()
    assert await cause() is None


async def test_a_dead_token_stops_the_lane_with_its_cause_and_loses_nothing(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))
    gateway.world.revoke(gateway.world.onsite["accessToken"])

    run = await gateway.run_lane(Lane.DELTA)
    await gateway.carry_due()

    result = await gateway.run(
        "query($id: ID!) { shop(id: $id) { freshness { lane cause } } "
        "syncRuns(first: 1) { nodes { state error { code fix } } } }",
        id=gateway.shop_id,
    )
    causes = {entry["lane"]: entry["cause"] for entry in result.data["shop"]["freshness"]}
    assert causes["DELTA"] == "TOKEN"
    [shown] = result.data["syncRuns"]["nodes"]
    assert shown["state"] == RunState.FAILED
    assert shown["error"]["code"] == "TOKEN_INVALID"
    assert run.lane is Lane.DELTA
    assert (await gateway.products())["A"]["syncState"] == "PENDING"
    assert await gateway.open_dispatches() == []


async def test_one_poison_record_does_not_take_the_others_with_it(gateway: Gateway) -> None:
    await upsert(gateway, *(product(f"A{n}") for n in range(4)))
    # Meta refuses any call that is not small, until only single items are left.
    gateway.world.fault("error", path=BATCH, code=100, message="(#100) Param requests[2] is invalid", times=3)

    await gateway.sync(Lane.DELTA)

    states = [item["syncState"] for item in (await gateway.products()).values()]
    assert states.count("CONFIRMED") + states.count("REJECTED") == 4
    assert states.count("CONFIRMED") >= 2


async def test_a_batch_that_breaks_at_meta_is_sent_again(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))
    gateway.world.fault("batch_error", path=BATCH)

    await gateway.run_lane(Lane.DELTA)
    await gateway.settle()
    assert (await gateway.products())["A"]["syncState"] == "PENDING"
    await gateway.sync()

    assert (await gateway.products())["A"]["syncState"] == "CONFIRMED"


async def test_a_failing_look_at_a_handle_is_repeated(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))
    gateway.world.fault("throttle", path=STATUS, code=80009, minutes=3)

    await gateway.sync()

    assert (await gateway.products())["A"]["syncState"] == "CONFIRMED"
    assert len(gateway.world.calls("POST", BATCH)) == 1


async def test_a_run_tells_what_became_of_its_items(gateway: Gateway) -> None:
    await upsert(gateway, product("A"), product("B"), product("C"))
    gateway.world.fault("reject_items", path=BATCH, ids=["B"], message="Descriptions are missing: Add one.")

    run = await gateway.run_lane(Lane.DELTA)
    assert run.state is RunState.WAITING_FOR_META
    await gateway.settle()

    result = await gateway.run(
        "{ syncRuns(first: 1, filter: {lane: [DELTA]}) { nodes { state graphCalls counts { name value } } } }"
    )
    [shown] = result.data["syncRuns"]["nodes"]
    counts = {count["name"]: count["value"] for count in shown["counts"]}
    assert shown["state"] == "SUCCEEDED"
    assert (counts["items"], counts["confirmed"], counts["rejected"]) == (3, 2, 1)
    assert shown["graphCalls"] == 1 + len(gateway.world.calls("GET", STATUS))


async def test_freshness_is_the_age_of_the_oldest_unconfirmed_change(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))
    gateway.clock.advance(40 * 60)

    async def delta() -> dict[str, Any]:
        query = "query($id: ID!) { shop(id: $id) { freshness { lane lagSeconds targetSeconds state cause } } }"
        entries = (await gateway.run(query, id=gateway.shop_id)).data["shop"]["freshness"]
        found: dict[str, Any] = next(entry for entry in entries if entry["lane"] == "DELTA")
        return found

    before = await delta()
    assert before["lagSeconds"] == 40 * 60
    assert before["targetSeconds"] == 60 * 60
    gateway.clock.advance(25 * 60)
    assert (await delta())["state"] == "BREACHED"
    assert (await delta())["cause"] == "QUEUE"

    await gateway.sync()

    after = await delta()
    assert (after["state"], after["cause"]) == ("OK", None)
    assert after["lagSeconds"] < POLL_S * 10
