"""Refunds: only what was charged, with its tax, once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld
from tests.sandbox.test_order_discounts import refundable, refunds
from tests.sandbox.test_order_shipments import Desk, placed
from tests.sandbox.test_order_shipments import shop as shop

WRONG = "WRONG_ITEM"


def usd(amount: Any) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


async def delivered(shop: SandboxWorld, **options: Any) -> tuple[Desk, str, str]:
    """Two tees of 18.00 and a mug of 12.00, all shipped; taxed at 8 %, shipping 6.00."""
    order = await placed(shop, ("tee", 2, "18.00"), ("mug", 1, "12.00"), **options)
    tee, mug = [line["id"] for line in await order.lines()]
    await order.ship()
    return order, tee, mug


async def test_units_amounts_shipping_and_a_deduction_in_one_refund(shop: SandboxWorld) -> None:
    order, tee, mug = await delivered(shop)
    answer = await order.do(
        "refunds",
        reason_code=WRONG,
        reason_text="Sent the wrong size",
        items=[{"item_id": tee, "item_refund_quantity": 1}],
        shipping={"shipping_refund": usd("2.40")},
        deductions=[{"deduction_type": "RETURN_SHIPPING", "deduction_amount": usd("5.50")}],
    )
    await order.do("refunds", reason_code=WRONG, items=[{"item_id": mug, "item_refund_amount": usd(2.5)}])

    assert answer == {"success": True}
    first, second = await refunds(order)
    assert first == {
        "subtotal": "18.00",
        "shipping": "2.40",
        "tax": "-1.63",
        "total": "16.53",
        "amount": "16.53",
        "currency": "USD",
    }
    assert (second["subtotal"], second["tax"], second["total"]) == ("2.50", "-0.20", "2.70")
    assert await refundable(order) == [1800, 950]
    plain, by_amount = await order.edge("refunds")
    assert plain["refund_amount"] == {"amount": "16.53", "currency": "USD"}
    assert plain["refund_reason"]["reason_code"] == WRONG
    assert plain["items"]["data"][0]["quantity"] == 1
    assert "quantity" not in by_amount["items"]["data"][0]
    assert await order.state() == "COMPLETED"


async def test_without_items_all_that_is_left_goes_back(shop: SandboxWorld) -> None:
    order, tee, _ = await delivered(shop)
    await order.do("refunds", reason_code=WRONG, items=[{"item_id": tee, "item_refund_quantity": 1}])
    await order.do("refunds", reason_code="BUYERS_REMORSE")

    first, rest = await refunds(order)
    total = (await order.read("estimated_payment_details"))["estimated_payment_details"]["total_amount"]["amount"]
    assert (rest["subtotal"], rest["shipping"]) == ("30.00", "6.00")
    assert str(Decimal(first["total"]) + Decimal(rest["total"])) == total == "58.32"
    assert await refundable(order) == [0, 0]
    assert await order.cannot("refunds", reason_code=WRONG) == 2382319


async def test_refunds_show_up_in_lists_and_under_the_payment(shop: SandboxWorld) -> None:
    order, tee, _ = await delivered(shop)
    await order.do("refunds", reason_code=WRONG, items=[{"item_id": tee, "item_refund_quantity": 1}])

    listed = await shop.get(f"{shop.cms}/commerce_orders", state="COMPLETED", filters="HAS_REFUNDS")

    [payment] = await order.edge("payments")
    _, refund = payment["transaction_details"]["data"]
    assert [row["id"] for row in listed["data"]] == [order.id]
    assert refund["transaction_type"] == "REFUND"
    assert (refund["processing_fee"]["amount"], refund["net_payment_amount"]["amount"]) == ("0.90", "-17.10")


async def test_open_units_cannot_be_refunded(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "18.00"), ("mug", 1, "12.00"))
    tee, mug = [line["id"] for line in await order.lines()]
    uncharged = await order.cannot("refunds", reason_code=WRONG)
    await order.ship((tee, 1))

    open_line = await order.cannot(
        "refunds", reason_code=WRONG, items=[{"item_id": mug, "item_refund_amount": usd("1.00")}]
    )
    open_unit = await order.cannot("refunds", reason_code=WRONG, items=[{"item_id": tee, "item_refund_quantity": 2}])
    charged = await order.do("refunds", reason_code=WRONG, items=[{"item_id": tee, "item_refund_quantity": 1}])

    assert (uncharged, open_line, open_unit) == (1818107, 2382023, 2382023)
    assert charged == {"success": True}


async def test_a_cancelled_order_cannot_be_refunded(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"))
    await order.do("cancellations")

    assert await order.cannot("refunds", reason_code=WRONG) == 1818105


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({}, 100),
        ({"reason_code": "BORED"}, 100),
        ({"reason_code": WRONG, "items": [{"retailer_id": "hat", "item_refund_quantity": 1}]}, 2382021),
        ({"reason_code": WRONG, "items": [{"retailer_id": "tee"}]}, 100),
        (
            {
                "reason_code": WRONG,
                "items": [{"retailer_id": "tee", "item_refund_quantity": 1, "item_refund_amount": usd("1.00")}],
            },
            100,
        ),
        ({"reason_code": WRONG, "items": [{"retailer_id": "tee", "item_refund_quantity": 3}]}, 2382023),
        ({"reason_code": WRONG, "items": [{"retailer_id": "tee", "item_refund_amount": usd("36.01")}]}, 2382023),
        ({"reason_code": WRONG, "items": [{"retailer_id": "tee", "item_refund_amount": usd("0.00")}]}, 2382030),
        ({"reason_code": WRONG, "items": [{"retailer_id": "tee", "item_refund_amount": usd("-1")}]}, 100),
        ({"reason_code": WRONG, "items": [{"retailer_id": "tee", "item_refund_amount": usd("0.001")}]}, 100),
        (
            {
                "reason_code": WRONG,
                "items": [{"retailer_id": "tee", "item_refund_amount": {"amount": "1", "currency": "EUR"}}],
            },
            100,
        ),
        ({"reason_code": WRONG, "shipping": {"shipping_refund": usd("6.01")}}, 2382022),
        ({"reason_code": WRONG, "shipping": {"amount": "1.00"}}, 100),
        ({"reason_code": WRONG, "adjustment_amount": usd("58.33")}, 2382023),
        ({"reason_code": WRONG, "return_id": "8300000000000001"}, 100),
    ],
)
async def test_a_wrong_refund_gives_nothing_back(shop: SandboxWorld, body: dict[str, Any], number: int) -> None:
    order, _, _ = await delivered(shop)

    assert await order.cannot("refunds", **body) == number
    assert await order.edge("refunds") == []
    assert await refundable(order) == [3600, 1200]


async def test_a_line_is_refunded_once(shop: SandboxWorld) -> None:
    order, _, mug = await delivered(shop)
    row = {"item_id": mug, "item_refund_quantity": 1}
    await order.do("refunds", reason_code=WRONG, items=[row])

    assert await order.cannot("refunds", reason_code=WRONG, items=[row]) == 2382319


async def test_an_adjustment_adds_to_the_total_and_to_no_line(shop: SandboxWorld) -> None:
    order, _, mug = await delivered(shop)
    await order.do(
        "refunds",
        reason_code=WRONG,
        items=[{"item_id": mug, "item_refund_quantity": 1}],
        adjustment_amount=usd("1.50"),
    )

    [refund] = await refunds(order)
    assert (refund["subtotal"], refund["total"]) == ("12.00", "14.46")


async def test_a_refund_waits_for_the_capture(shop: SandboxWorld) -> None:
    order, _, _ = await delivered(shop, captureSeconds=120)
    early = await order.cannot("refunds", reason_code=WRONG)
    unseen = await order.edge("payments")
    await shop.advance(120)

    assert (early, unseen) == (2361076, [])
    assert await order.do("refunds", reason_code=WRONG) == {"success": True}


async def test_a_failed_capture_leaves_nothing_to_refund(shop: SandboxWorld) -> None:
    order, _, _ = await delivered(shop, captureFails=True)

    [payment] = await order.edge("payments")
    assert "transaction_details" not in payment
    assert await refundable(order) == [0, 0]
    assert await order.cannot("refunds", reason_code=WRONG) == 1818107


async def test_a_repeated_refund_is_paid_once(shop: SandboxWorld) -> None:
    order, _, mug = await delivered(shop)
    body: dict[str, Any] = {"idempotency_key": "once", "reason_code": WRONG}
    body |= {"items": [{"item_id": mug, "item_refund_quantity": 1}]}

    answers = [await shop.post(f"{order.id}/refunds", **body) for _ in range(2)]

    assert answers == [{"success": True}] * 2
    assert len(await refunds(order)) == 1


async def test_meta_refunds_after_a_dispute(shop: SandboxWorld) -> None:
    order, tee, _ = await delivered(shop)
    await order.control(refund={"lines": [{"itemId": tee, "amount": "5.00"}]})
    await order.control(refund={})

    rows = await order.edge("refunds", "refund_reason,refund_amount{total}")
    assert [row["refund_reason"]["reason_code"] for row in rows] == ["FACEBOOK_INITIATED"] * 2
    assert [row["refund_amount"]["total"] for row in rows] == ["5.40", "52.92"]
    assert await refundable(order) == [0, 0]
