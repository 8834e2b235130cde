"""Returns: asked for by buyers, entered by sellers, decided, refunded, listed."""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import SandboxWorld
from tests.sandbox.test_order_shipments import DAY, Desk, placed
from tests.sandbox.test_order_shipments import shop as shop

FIELDS = "return_status,return_message,merchant_return_id,item_return_quantities,item_return_reasons,order"


async def asked(shop: SandboxWorld) -> tuple[Desk, str, str]:
    """A delivered order, its line, and a return that the buyer asked for."""
    order = await placed(shop, ("tee", 2, "18.00"))
    [line] = await order.lines()
    await order.ship()
    wish = {"lines": [{"itemId": line["id"], "quantity": 1, "reason": "too_small"}], "message": "Too small"}
    answer = await order.control(**{"return": wish})
    return order, line["id"], answer["returns"][0]["id"]


async def status(shop: SandboxWorld, return_id: str) -> str:
    return str((await shop.get(return_id))["return_status"])


async def test_a_return_names_its_units_reasons_and_order(shop: SandboxWorld) -> None:
    order, line, return_id = await asked(shop)

    plain, whole = await shop.get(return_id), await shop.get(return_id, fields=FIELDS)

    assert plain == {"id": return_id, "return_status": "REQUESTED"}
    assert whole["return_message"] == "Too small"
    assert whole["item_return_quantities"] == [{"key": line, "value": 1}]
    assert whole["item_return_reasons"] == [{"key": line, "value": "too_small"}]
    assert (whole["order"]["id"], whole["order"]["order_status"]) == (order.id, {"state": "COMPLETED"})


async def test_an_accepted_return_ends_with_its_refund(shop: SandboxWorld) -> None:
    order, line, return_id = await asked(shop)
    refund = {
        "reason_code": "REFUND_FOR_RETURN",
        "items": [{"item_id": line, "item_refund_quantity": 1}],
        "return_id": return_id,
    }
    early = await order.cannot("refunds", **refund)
    label = {"carrier": "UPS", "service_name": "Ground", "tracking_number": "1Z9"}
    accepted = await shop.post(
        f"{return_id}/update_return",
        update_event="ACCEPT_RETURN",
        merchant_return_id="RMA-778",
        return_shipping_labels=[label],
    )
    approved = await status(shop, return_id)
    await order.do("refunds", **refund)

    assert (early, accepted, approved) == (100, {"success": True}, "APPROVED")
    assert await status(shop, return_id) == "REFUNDED"
    assert (await shop.get(return_id, fields="merchant_return_id"))["merchant_return_id"] == "RMA-778"


async def test_events_fit_the_status(shop: SandboxWorld) -> None:
    _, _, return_id = await asked(shop)
    path = f"{return_id}/update_return"

    refused = [
        await shop.refused("POST", path, json=body)
        for body in ({}, {"update_event": "BURN_RETURN"}, {"update_event": "CLOSE_RETURN"})
    ]
    await shop.post(path, update_event="ACCEPT_RETURN")
    again = await shop.refused("POST", path, json={"update_event": "ACCEPT_RETURN"})
    await shop.post(path, update_event="CLOSE_RETURN")

    assert [error["code"] for error in (*refused, again)] == [100] * 4
    assert await status(shop, return_id) == "MERCHANT_MARKED_COMPLETED"


async def test_a_seller_refuses_in_commerce_manager_and_the_buyer_may_ask_again(shop: SandboxWorld) -> None:
    order, line, return_id = await asked(shop)
    await shop.control("POST", f"returns/{return_id}", json={"status": "DISAPPROVED"})
    answer = await order.control(**{"return": {"lines": [{"itemId": line, "quantity": 2}]}})

    assert [row["status"] for row in answer["returns"]] == ["DISAPPROVED", "REQUESTED"]


async def test_a_seller_enters_a_return(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "18.00"))
    items: list[dict[str, Any]] = [{"retailer_id": "tee", "quantity": 1, "reason": "too_small"}]
    unshipped = await shop.refused("POST", f"{order.id}/returns", json={"items": items})
    await order.ship()

    made = await shop.post(f"{order.id}/returns", items=items, return_status="APPROVED", merchant_return_id="R1")
    rest = await shop.refused("POST", f"{order.id}/returns", json={"items": [{"retailer_id": "tee", "quantity": 2}]})

    assert (unshipped["code"], rest["code"]) == (100, 100)
    assert await status(shop, made["id"]) == "APPROVED"
    assert [row["id"] for row in await order.edge("returns")] == [made["id"]]


async def test_returns_of_the_shop_are_filtered_and_paged(shop: SandboxWorld) -> None:
    _, _, first = await asked(shop)
    await shop.advance(DAY)
    _, _, second = await asked(shop)
    await shop.post(f"{second}/update_return", update_event="ACCEPT_RETURN", merchant_return_id="RMA-2")
    path = f"{shop.cms}/returns"

    async def ids(**query: Any) -> list[str]:
        return [row["id"] for row in (await shop.get(path, **query))["data"]]

    page = await shop.get(path, limit=1)
    now = (await shop.control("GET", "clock"))["now"]
    assert [row["id"] for row in page["data"]] == [first]
    assert await ids(limit=1, after=page["paging"]["cursors"]["after"]) == [second]
    assert await ids(statuses="approved,REFUNDED") == [second]
    assert await ids(merchant_return_id="RMA-2") == [second]
    assert await ids(start_time_created=now) == [second]
    assert await ids(end_time_created=now) == [first, second]
    assert (await shop.refused("GET", path, params={"statuses": "LOST"}))["code"] == 100


async def test_a_buyer_can_return_for_thirty_days(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"))
    [line] = await order.lines()
    await order.ship()
    await shop.advance(31 * DAY)
    headers = {"Authorization": f"Bearer {shop.token}"}
    body = {"return": {"lines": [{"itemId": line["id"]}]}}

    answer = await shop.http.post(f"/_sandbox/orders/{order.id}", json=body, headers=headers)

    assert answer.status_code == 400
    assert await order.edge("returns") == []
