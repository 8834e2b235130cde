"""Order Snapshot: totals per line, from which Meta works out what changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld
from tests.sandbox.test_order_discounts import refundable, refunds
from tests.sandbox.test_order_shipments import Desk, placed, tracked
from tests.sandbox.test_order_shipments import shop as shop


def entry(line: str, fulfilled: int, cancelled: int, refunded: int, **more: Any) -> dict[str, Any]:
    quantities = {"fulfill_quantity": fulfilled, "cancel_quantity": cancelled, "refund_quantity": refunded}
    return {"item_id": line} | quantities | more


async def snap(order: Desk, *items: dict[str, Any], reference: str = "SO-1") -> Any:
    path = f"{order.id}/item_updates"
    return await order.world.post(path, merchant_order_reference=reference, items=list(items))


async def test_snapshots_ship_cancel_and_refund_the_difference(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 4, "10.00"), state="CREATED")
    [tee] = [line["id"] for line in await order.lines()]

    first = await snap(order, entry(tee, 1, 0, 0, tracking_info=[tracked("1Z1")]))
    await snap(order, entry(tee, 2, 1, 0, tracking_info=[tracked("1Z1"), tracked("1Z2")]))
    same = await snap(order, entry(tee, 2, 1, 0, tracking_info=[tracked("1Z1"), tracked("1Z2")]))
    await snap(order, entry(tee, 2, 1, 1, tracking_info=[tracked("1Z3")]))

    assert first == same == {"success": True}
    found = await order.read("merchant_order_id,order_status")
    assert (found["merchant_order_id"], found["order_status"]["state"]) == ("SO-1", "COMPLETED")
    [line] = await order.lines()
    assert line["status"] == {"in_progress": 0, "fulfilled": 3, "cancelled": 1}
    numbers = [row["tracking_info"]["tracking_number"] for row in await order.edge("shipments")]
    assert numbers == ["1Z1", "1Z2", "1Z3"]
    assert [row["subtotal"] for row in await refunds(order)] == ["10.00"]
    assert len(await order.edge("cancellations")) == 1


async def test_lines_with_one_tracking_number_travel_together(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "10.00"), ("mug", 1, "5.00"), ("cap", 1, "4.00"))
    tee, mug, cap = [line["id"] for line in await order.lines()]
    box = [tracked("1Z1")]
    await snap(
        order,
        entry(tee, 1, 0, 0, tracking_info=box),
        entry(mug, 1, 0, 0, tracking_info=box),
        entry(cap, 1, 0, 0, tracking_info=[tracked("1Z2")]),
    )

    parcels = await order.edge("shipments")
    assert [[row["id"] for row in parcel["items"]["data"]] for parcel in parcels] == [[tee, mug], [cap]]


async def test_a_discounted_line_is_refunded_by_its_average_unit(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 3, "10.00"), discounts=[{"kind": "order", "amount": "1.00"}])
    [tee] = [line["id"] for line in await order.lines()]
    await snap(order, entry(tee, 3, 0, 0))
    await snap(order, entry(tee, 2, 0, 1))

    assert [row["subtotal"] for row in await refunds(order)] == ["9.67"]
    assert await refundable(order) == [1933]


@pytest.mark.parametrize(
    ("before", "after", "number"),
    [
        ((1, 0, 0), (0, 1, 0), 1818050),
        ((1, 0, 0), (0, 0, 0), 1818215),
        ((0, 1, 0), (0, 0, 1), 1818105),
        ((0, 1, 0), (2, 0, 0), 1818111),
        ((0, 0, 0), (2, 1, 0), 100),
    ],
)
async def test_what_is_final_cannot_be_taken_back(
    shop: SandboxWorld, before: tuple[int, int, int], after: tuple[int, int, int], number: int
) -> None:
    order = await placed(shop, ("tee", 2, "10.00"))
    [tee] = [line["id"] for line in await order.lines()]
    await snap(order, entry(tee, *before))
    kept = await order.lines()

    refused = await order.cannot("item_updates", merchant_order_reference="SO-1", items=[entry(tee, *after)])

    assert refused == number
    assert await order.lines() == kept


async def test_a_snapshot_needs_its_reference_and_all_three_totals(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "10.00"))
    [tee] = [line["id"] for line in await order.lines()]
    await snap(order, entry(tee, 1, 0, 0))

    refused = [
        await order.cannot("item_updates", items=[entry(tee, 1, 0, 0)]),
        await order.cannot("item_updates", merchant_order_reference="SO-2", items=[entry(tee, 1, 0, 0)]),
        await order.cannot("item_updates", merchant_order_reference="SO-1"),
        await order.cannot("item_updates", merchant_order_reference="SO-1", items=[{"item_id": tee}]),
    ]

    assert refused == [100] * 4
