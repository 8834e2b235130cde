"""Acknowledging: once, whatever happens on the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.graph.auth import appsecret_proof
from gateway.sync.models import Lane
from tests.support.gateway import ACKNOWLEDGE, ORDERS, Gateway, Result

EDGE = "*/acknowledge_orders"


async def open_orders(gateway: Gateway) -> list[dict[str, Any]]:
    await gateway.run_lane(Lane.ORDERS)
    nodes = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]["nodes"]
    return [node for node in nodes if node["state"] == "AWAITING_ACKNOWLEDGEMENT"]


def wishes(gateway: Gateway, orders: list[dict[str, Any]], /, key: str = "k1", **changes: Any) -> dict[str, Any]:
    rows = [{"id": order["id"], "merchantOrderReference": f"SO-{n}"} for n, order in enumerate(orders)]
    return {"shopId": gateway.shop_id, "idempotencyKey": key, "orders": rows, **changes}


async def acknowledge(gateway: Gateway, input: dict[str, Any]) -> Result:
    return await gateway.run(ACKNOWLEDGE, input=input)


def at_meta(gateway: Gateway, meta_id: str) -> dict[str, Any]:
    token = gateway.world.onsite["accessToken"]
    found: dict[str, Any] = gateway.world.graph(
        meta_id,
        token,
        appsecret_proof=appsecret_proof(token, gateway.world.facts["appSecret"]),
        fields="order_status,merchant_order_id",
    )
    return found


async def test_many_orders_go_in_one_call_under_the_sellers_numbers(gateway: Gateway) -> None:
    orders = await open_orders(gateway)
    gateway.world.forget_calls()

    result = await acknowledge(gateway, wishes(gateway, orders))

    assert len(orders) > 1
    assert result.user_errors == []
    assert {command["state"] for command in result.payload["commands"]} == {"CONFIRMED"}
    assert {order["state"] for order in result.payload["orders"]} == {"IN_PROGRESS"}
    assert len(gateway.world.calls("POST", EDGE)) == 1
    assert at_meta(gateway, orders[0]["metaId"])["merchant_order_id"] == "SO-0"


async def test_a_repeat_under_the_same_key_gets_the_first_outcome_without_a_call(gateway: Gateway) -> None:
    orders = await open_orders(gateway)
    first = await acknowledge(gateway, wishes(gateway, orders))
    gateway.world.forget_calls()

    second = await acknowledge(gateway, wishes(gateway, orders))

    assert second.payload["commands"] == first.payload["commands"]
    assert gateway.world.calls() == []


async def test_the_same_key_with_other_input_is_refused(gateway: Gateway) -> None:
    orders = await open_orders(gateway)
    await acknowledge(gateway, wishes(gateway, orders[:1]))

    result = await acknowledge(gateway, wishes(gateway, orders[:2]))

    assert result.user_errors[0]["code"] == "IDEMPOTENCY_CONFLICT"
    assert at_meta(gateway, orders[1]["metaId"])["order_status"]["state"] == "CREATED"


async def test_twins_at_the_same_moment_make_one_call(gateway: Gateway) -> None:
    orders = await open_orders(gateway)
    gateway.world.forget_calls()

    results = await asyncio.gather(*(acknowledge(gateway, wishes(gateway, orders)) for _ in range(5)))

    first, *others = [result.payload["commands"] for result in results]
    assert all(commands == first for commands in others)
    assert {command["state"] for command in first} == {"CONFIRMED"}
    assert len(gateway.world.calls("POST", EDGE)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_after"},
        {"kind": "drop_before"},
        {"kind": "truncate"},
        {"kind": "empty"},
        {"kind": "http", "status": 502, "body": "<html>Bad Gateway</html>", "contentType": "text/html"},
        {"kind": "error", "code": 2, "message": "Service temporarily unavailable", "status": 500},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_a_lost_answer_is_asked_for_again_under_the_same_key(gateway: Gateway, fault: dict[str, Any]) -> None:
    orders = await open_orders(gateway)
    # More often than the client itself repeats the call.
    gateway.world.fault(path=EDGE, times=1, **fault)

    result = await acknowledge(gateway, wishes(gateway, orders))
    gateway.clock.advance(3600)
    await gateway.carry_due()

    again = await acknowledge(gateway, wishes(gateway, orders))
    assert {command["state"] for command in again.payload["commands"]} == {"CONFIRMED"}
    assert result.user_errors == []
    keys = {call["params"]["idempotency_key"] for call in gateway.world.calls("POST", EDGE)}
    assert len(keys) == 1
    assert at_meta(gateway, orders[0]["metaId"])["order_status"]["state"] == "IN_PROGRESS"


async def test_an_order_that_meta_holds_is_refused_with_the_time_to_wait(gateway: Gateway) -> None:
    gateway.world.place_orders(1, state="FB_PROCESSING")
    await gateway.run_lane(Lane.ORDERS)
    nodes = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]["nodes"]
    held = [node for node in nodes if node["state"] == "HELD_BY_META"]
    gateway.world.forget_calls()

    result = await acknowledge(gateway, wishes(gateway, held[:1]))

    [error] = result.user_errors
    assert (error["code"], error["retryable"], error["retryAfter"]) == ("ORDER_HELD_BY_META", True, 600)
    assert error["field"] == ["orders", "0", "id"]
    assert gateway.world.calls() == []


async def test_an_order_that_was_cancelled_meanwhile_fails_alone(gateway: Gateway) -> None:
    orders = await open_orders(gateway)
    gateway.world._do("POST", f"orders/{orders[0]['metaId']}", json={"cancel": True})

    result = await acknowledge(gateway, wishes(gateway, orders))

    [error] = result.user_errors
    assert error["code"] == "ORDER_NOT_ACKNOWLEDGEABLE"
    assert error["upstream"]["code"] == 2361009
    states = [command["state"] for command in result.payload["commands"]]
    assert states.count("CONFIRMED") == len(orders) - 1


async def test_an_order_acknowledged_elsewhere_under_our_number_counts_as_done(gateway: Gateway) -> None:
    orders = await open_orders(gateway)
    graph = await gateway.services.shops.graph_of(gateway.onsite.id)
    await graph.post(
        f"{orders[0]['metaId']}/acknowledge_order", {"idempotency_key": "other", "merchant_order_reference": "SO-0"}
    )

    result = await acknowledge(gateway, wishes(gateway, orders[:1]))

    assert result.user_errors == []
    assert result.payload["commands"][0]["state"] == "CONFIRMED"


async def test_an_acknowledged_order_keeps_its_number(gateway: Gateway) -> None:
    orders = await open_orders(gateway)
    await acknowledge(gateway, wishes(gateway, orders[:1]))
    other = wishes(gateway, orders[:1], key="k2")
    other["orders"][0]["merchantOrderReference"] = "SO-other"

    result = await acknowledge(gateway, other)

    assert result.user_errors[0]["code"] == "ORDER_REFERENCE_TAKEN"
    assert at_meta(gateway, orders[0]["metaId"])["merchant_order_id"] == "SO-0"


async def test_a_dry_run_sends_and_keeps_nothing(gateway: Gateway) -> None:
    orders = await open_orders(gateway)
    gateway.world.forget_calls()

    result = await acknowledge(gateway, wishes(gateway, orders, dryRun=True))
    assert result.user_errors == []
    assert gateway.world.calls() == []

    real = await acknowledge(gateway, wishes(gateway, orders))
    assert {command["state"] for command in real.payload["commands"]} == {"CONFIRMED"}


async def test_an_offsite_shop_says_that_it_has_no_orders(gateway: Gateway) -> None:
    orders = await open_orders(gateway)

    result = await acknowledge(gateway, wishes(gateway, orders, shopId=gateway.offsite_id))

    assert result.user_errors[0]["code"] == "CAPABILITY_MISSING"


async def test_an_order_of_another_shop_is_not_found(gateway: Gateway) -> None:
    unknown = [{"id": "T3JkZXI6MDAwMA"}]

    result = await acknowledge(gateway, {"shopId": gateway.shop_id, "idempotencyKey": "k", "orders": unknown})

    assert result.user_errors[0]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"idempotencyKey": ""}, ["idempotencyKey"]),
        ({"orders": []}, ["orders"]),
    ],
)
async def test_input_that_cannot_be_meant_is_refused(
    gateway: Gateway, changes: dict[str, Any], field: list[str]
) -> None:
    orders = await open_orders(gateway)

    result = await acknowledge(gateway, wishes(gateway, orders, **changes))

    [error] = result.user_errors
    assert error["field"] == field
    assert error["fix"]


async def test_an_order_that_is_busy_goes_again_under_a_new_key(gateway: Gateway) -> None:
    orders = await open_orders(gateway)
    gateway.world.fault("error", path=EDGE, code=100, subcode=2361050, message="Concurrent Order Modification")
    gateway.world.forget_calls()

    first = await acknowledge(gateway, wishes(gateway, orders))
    gateway.clock.advance(60)
    await gateway.settle()
    again = await acknowledge(gateway, wishes(gateway, orders))

    assert {command["state"] for command in first.payload["commands"]} == {"SENT"}
    assert {command["state"] for command in again.payload["commands"]} == {"CONFIRMED"}
    keys = [call["params"]["idempotency_key"] for call in gateway.world.calls("POST", EDGE)]
    assert len(keys) == len(set(keys)) == 2


async def test_a_key_is_not_used_again_when_meta_may_have_forgotten_it(gateway: Gateway) -> None:
    """The day that Meta keeps a key counts from the first sending, however often a later one had to wait."""
    orders = await open_orders(gateway)
    gateway.world.fault("drop_after", path=EDGE, times=5)
    first = await acknowledge(gateway, wishes(gateway, orders[:1]))
    assert {command["state"] for command in first.payload["commands"]} == {"SENT"}
    gateway.clock.advance(20 * 3600)
    gateway.world.fault("throttle", path=EDGE, code=80001, minutes=5)
    await gateway.carry_due()
    gateway.world.forget_calls()

    gateway.clock.advance(5 * 3600)
    await gateway.carry_due()

    again = await acknowledge(gateway, wishes(gateway, orders[:1]))
    assert gateway.world.calls("POST", EDGE) == []
    assert {command["state"] for command in again.payload["commands"]} == {"UNKNOWN"}
    assert again.user_errors[0]["code"] == "META_OUTCOME_UNKNOWN"
