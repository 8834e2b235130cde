"""Cancellations: only open units, by the seller, by the buyer, all or some."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import SandboxWorld, SandboxWorlds
from tests.sandbox.test_order_shipments import DAY, placed
from tests.sandbox.test_order_shipments import shop as shop

REASON = {"reason_code": "OUT_OF_STOCK", "reason_description": "Last mug was broken"}


async def test_some_units_are_cancelled_with_their_reason(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 3, "18.00"), ("mug", 1, "12.00"))
    tee, mug = [line["id"] for line in await order.lines()]

    answer = await order.do("cancellations", cancel_reason=REASON, items=[{"item_id": mug, "quantity": 1}])

    assert answer == {"success": True}
    [cancellation] = await order.edge("cancellations")
    assert cancellation["cancel_reason"] == REASON
    [row] = cancellation["items"]["data"]
    assert (row["id"], row["retailer_id"], row["quantity"]) == (mug, "mug", 1)
    assert [line["status"]["cancelled"] for line in await order.lines()] == [0, 1]
    assert await order.state() == "IN_PROGRESS"
    assert tee != mug


@pytest.mark.parametrize("items", ["null", "[]", None])
async def test_without_items_everything_open_is_cancelled(shop: SandboxWorld, items: str | None) -> None:
    order = await placed(shop, ("tee", 3, "18.00"), ("mug", 1, "12.00"))
    tee, _ = await order.lines()
    await order.ship((tee["id"], 1))
    form = {"idempotency_key": "whole", "cancel_reason[reason_code]": "CUSTOMER_REQUESTED"}

    answer = await shop.send("POST", f"{order.id}/cancellations", data=form | ({"items": items} if items else {}))

    assert answer.json() == {"success": True}
    assert [line["status"]["cancelled"] for line in await order.lines()] == [2, 1]
    assert await order.state() == "COMPLETED"


async def test_an_order_not_yet_acknowledged_stays_created_until_all_is_cancelled(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "18.00"), state="CREATED")
    await order.do("cancellations", items=[{"retailer_id": "tee", "quantity": 1}])
    partly = await order.state()
    await order.do("cancellations")

    assert (partly, await order.state()) == ("CREATED", "COMPLETED")


async def test_nothing_is_cancelled_twice_or_after_shipping(shop: SandboxWorld) -> None:
    cancelled = await placed(shop, ("tee", 1, "18.00"))
    await cancelled.do("cancellations")
    shipped = await placed(shop, ("tee", 1, "18.00"))
    await shipped.ship()
    mixed = await placed(shop, ("tee", 2, "18.00"), ("mug", 1, "12.00"))
    tee, mug = [line["id"] for line in await mixed.lines()]
    await mixed.ship((tee, 2))
    one_line = await mixed.cannot("cancellations", items=[{"item_id": tee, "quantity": 1}])
    too_many = await mixed.cannot("cancellations", items=[{"item_id": mug, "quantity": 2}])
    await mixed.do("cancellations")

    assert await cancelled.cannot("cancellations") == 1818048
    assert await shipped.cannot("cancellations") == 1818050
    assert (one_line, too_many) == (1818215, 1818215)
    assert await mixed.cannot("cancellations") == 1818214


async def test_an_unknown_reason_is_refused(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"))

    assert await order.cannot("cancellations", cancel_reason={"reason_code": "BORED"}) == 100


async def test_an_order_stuck_at_meta_can_be_cancelled_after_a_day(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(shops=[{"orders": 0}], remorseSeconds=10 * DAY)
    order = await placed(world, ("tee", 1, "18.00"), state="FB_PROCESSING")
    early = await order.cannot("cancellations")
    await world.advance(DAY + 1)
    await order.do("cancellations")

    assert early == 100
    assert await order.state() == "COMPLETED"
    await world.advance(10 * DAY)
    assert await order.state() == "COMPLETED"


async def test_a_buyer_cancels_in_the_remorse_window(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "18.00"), state="FB_PROCESSING")
    await order.control(cancel=True)
    await shop.advance(1800)

    assert await order.state() == "COMPLETED"
    [cancellation] = await order.edge("cancellations")
    assert cancellation["cancel_reason"]["reason_code"] == "CUSTOMER_REQUESTED"
