"""Discounts on orders, to the cent: every worked case of the documentation, from checkout to refund."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.commerce import order_money
from tests.sandbox.conftest import SandboxWorld
from tests.sandbox.test_order_shipments import Desk, placed
from tests.sandbox.test_order_shipments import shop as shop

FREE = {"price": "0.00"}
ORDER_LEVEL = {"kind": "order", "amount": "1.00", "code": "spring1", "offerId": "SPRING1", "title": "$1.00 off"}
PROMOTIONS = (
    "promotion_details"
    "{promotion_id,applied_amount,sponsor,target_granularity,applied_after_tax,retailer_id,coupon_code}"
)


def cents(money: dict[str, str]) -> int:
    assert money["currency"] == "USD"
    whole, _, rest = money["amount"].partition(".")
    return int(whole) * 100 + int(rest)


async def estimate(order: Desk) -> dict[str, Any]:
    details: dict[str, Any] = (await order.read("estimated_payment_details"))["estimated_payment_details"]
    return details


async def captured(order: Desk) -> list[tuple[int, int, int]]:
    """Items, tax and total of each payment."""
    rows = await order.edge("payments")
    return [(cents(row["subtotal"]["items"]), cents(row["tax"]), cents(row["total_amount"])) for row in rows]


async def allocations(order: Desk, edge: str) -> list[list[int]]:
    """What each record uses up of discounts on the order, line by line."""
    found = []
    for record in await order.edge(edge, "items{id,promotion_allocations,quantity}"):
        rows = record["items"]["data"]
        found.append([cents(part["allocation_amount"]) for row in rows for part in row["promotion_allocations"]])
    return found


async def refundable(order: Desk) -> list[int]:
    rows = await order.lines("amount_available_for_refund")
    return [cents(row["amount_available_for_refund"]) for row in rows]


async def refunds(order: Desk) -> list[dict[str, str]]:
    rows = await order.edge("refunds", "refund_amount{subtotal,shipping,tax,total,amount,currency}")
    return [row["refund_amount"] for row in rows]


async def test_an_item_level_discount_lowers_the_unit_price(shop: SandboxWorld) -> None:
    discount = {"kind": "item", "amount": "5.00"}
    order = await placed(shop, ("tee", 3, "25.00"), discounts=[discount], taxPercent="10", shipping=FREE)
    [line] = await order.lines(f"quantity,price_per_unit,tax_details,{PROMOTIONS}")
    await order.ship((line["id"], 1))
    await order.do("refunds", reason_code="WRONG_ITEM", items=[{"item_id": line["id"], "item_refund_quantity": 1}])

    [row] = line["promotion_details"]["data"]
    assert (cents(line["price_per_unit"]), cents(row["applied_amount"])) == (2000, 1500)
    assert (row["target_granularity"], row["sponsor"], row["applied_after_tax"]) == ("item_level", "merchant", False)
    details = await estimate(order)
    assert [cents(details[name]) for name in ("tax", "total_amount")] == [600, 6600]
    assert cents(details["subtotal"]["items"]) == 6000
    assert await captured(order) == [(2000, 200, 2200)]
    assert await allocations_are_absent(order)
    [refund] = await refunds(order)
    assert (refund["subtotal"], refund["tax"], refund["total"]) == ("20.00", "-2.00", "22.00")


async def allocations_are_absent(order: Desk) -> bool:
    [payment] = await order.edge("payments", "items{id,promotion_allocations}")
    return all(not row["promotion_allocations"] for row in payment["items"]["data"])


async def test_a_percentage_of_an_awkward_price_is_rounded_half_up(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "19.99"), discounts=[{"kind": "item", "percent": "15"}])

    [line] = await order.lines(f"price_per_unit,{PROMOTIONS}")

    assert cents(line["price_per_unit"]) == 1699
    assert cents(line["promotion_details"]["data"][0]["applied_amount"]) == 600


async def test_an_order_level_discount_is_used_up_by_floor_of_the_running_total(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 3, "10.00"), discounts=[ORDER_LEVEL], taxPercent="10", shipping=FREE)
    [line] = await order.lines(f"price_per_unit,tax_details,{PROMOTIONS}")
    for _ in range(3):
        await order.ship((line["id"], 1))

    [row] = line["promotion_details"]["data"]
    assert (cents(line["price_per_unit"]), cents(row["applied_amount"])) == (1000, 100)
    assert (row["target_granularity"], row["retailer_id"], row["coupon_code"]) == ("order_level", "SPRING1", "spring1")
    assert cents((await estimate(order))["tax"]) == 290
    assert await allocations(order, "payments") == [[33], [33], [34]]
    assert [items for items, _, _ in await captured(order)] == [967, 967, 966]
    assert sum(tax for _, tax, _ in await captured(order)) == 290


async def test_one_parcel_uses_the_whole_share(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 3, "10.00"), discounts=[ORDER_LEVEL])
    await order.ship()

    assert await allocations(order, "payments") == [[100]]


async def test_a_cancellation_loses_its_part_of_the_discount(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 3, "10.00"), discounts=[ORDER_LEVEL], shipping=FREE)
    [line] = await order.lines()
    await order.ship((line["id"], 1))
    await order.do("cancellations", items=[{"item_id": line["id"], "quantity": 1}])
    await order.ship()

    assert await allocations(order, "payments") == [[33], [34]]
    assert await allocations(order, "cancellations") == [[33]]
    assert sum(items for items, _, _ in await captured(order)) == 1933
    [cancellation] = await order.edge("cancellations")
    assert "promotion_allocations" not in cancellation["items"]["data"][0]


async def test_the_documented_sample_comes_out_to_the_cent(shop: SandboxWorld) -> None:
    discount = {"kind": "order", "amount": "1.01", "code": "order", "offerId": "1.01 off order"}
    lines = (("a", 2, "0.78"), ("b", 1, "1.32"))
    order = await placed(shop, *lines, discounts=[discount], taxPercent="10.25", shipping=FREE)
    a, b = await order.lines(PROMOTIONS)
    await order.ship((a["id"], 1), (b["id"], 1))
    await order.do("cancellations")

    shares = [cents(line["promotion_details"]["data"][0]["applied_amount"]) for line in (a, b)]
    [whole] = await order.edge("promotion_details")
    assert (shares, cents(whole["applied_amount"])) == ([54, 47], 101)
    assert await allocations(order, "payments") == [[27, 47]]
    assert await allocations(order, "cancellations") == [[27]]
    assert await refundable(order) == [51, 85]
    assert await captured(order) == [(136, 14, 150)]


async def test_free_shipping_is_on_the_order_and_on_no_line(shop: SandboxWorld) -> None:
    discount = {"kind": "shipping", "title": "Free shipping", "code": "freeship"}
    order = await placed(shop, ("tee", 1, "10.00"), discounts=[discount], shipping={"price": "6.00"})
    found = await order.read(
        "selected_shipping_option,promotion_details,estimated_payment_details,items{promotion_details}"
    )
    await order.ship()
    too_much = await order.cannot(
        "refunds", reason_code="WRONG_ITEM", shipping={"shipping_refund": {"amount": "0.01", "currency": "USD"}}
    )

    option = found["selected_shipping_option"]
    assert (cents(option["price"]), cents(option["calculated_tax"])) == (0, 0)
    assert option["promotion_details"] == found["promotion_details"]
    [row] = found["promotion_details"]["data"]
    assert (cents(row["applied_amount"]), row["target_granularity"], row["sponsor"]) == (600, "item_level", "merchant")
    assert cents(found["estimated_payment_details"]["subtotal"]["shipping"]) == 0
    assert "promotion_details" not in found["items"]["data"][0]
    assert too_much == 2382022


async def test_buy_x_get_y_is_a_line_of_its_own_named_by_item_id(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"), discounts=[{"kind": "buyXGetY", "lines": [0]}], shipping=FREE)
    paid, free = await order.lines(f"retailer_id,product_id,quantity,price_per_unit,{PROMOTIONS}")
    by_name = await order.cannot("shipments", items=[{"retailer_id": "tee", "quantity": 1}])
    await order.ship((paid["id"], 1), (free["id"], 1))
    nothing = await order.cannot(
        "refunds", reason_code="WRONG_ITEM", items=[{"item_id": free["id"], "item_refund_quantity": 1}]
    )

    assert (paid["retailer_id"], paid["product_id"]) == (free["retailer_id"], free["product_id"])
    assert (cents(paid["price_per_unit"]), cents(free["price_per_unit"])) == (1800, 0)
    assert "promotion_details" not in paid
    [row] = free["promotion_details"]["data"]
    assert (cents(row["applied_amount"]), row["target_granularity"]) == (1800, "item_level")
    assert (by_name, nothing) == (100, 2382030)


async def test_the_second_kind_of_buy_x_get_y_halves_the_price(shop: SandboxWorld) -> None:
    discount = {"kind": "buyXGetY", "lines": [0], "percent": "50"}
    order = await placed(shop, ("tee", 2, "18.00"), discounts=[discount])
    paid, half = await order.lines(f"quantity,price_per_unit,{PROMOTIONS}")

    assert [(line["quantity"], cents(line["price_per_unit"])) for line in (paid, half)] == [(2, 1800), (1, 900)]
    assert cents(half["promotion_details"]["data"][0]["applied_amount"]) == 900


async def test_cancelling_the_paid_line_does_not_price_the_free_one(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"), discounts=[{"kind": "buyXGetY", "lines": [0]}], shipping=FREE)
    paid, _ = await order.lines()
    await order.do("cancellations", items=[{"item_id": paid["id"], "quantity": 1}])
    await order.ship()

    assert await captured(order) == [(0, 0, 0)]


async def test_meta_pays_its_discount_to_the_seller_and_takes_its_part_of_a_refund_back(shop: SandboxWorld) -> None:
    discount = {"kind": "meta", "amount": "5.00", "code": "ignored"}
    order = await placed(shop, ("tee", 1, "20.00"), discounts=[discount], taxPercent="10", shipping=FREE)
    [line] = await order.lines(f"price_per_unit,{PROMOTIONS}")
    await order.ship()
    available = await refundable(order)
    half = {"item_id": line["id"], "item_refund_amount": {"amount": "10.00", "currency": "USD"}}
    await order.do("refunds", reason_code="DAMAGED_GOODS", items=[half])

    [row] = line["promotion_details"]["data"]
    assert (row["sponsor"], row["applied_after_tax"], "retailer_id" in row) == ("facebook", True, False)
    details = await estimate(order)
    names = ("tax", "total_amount", "buyer_paid_amount", "facebook_paid_amount")
    assert [cents(details[name]) for name in names] == [200, 2200, 1700, 500]
    assert await captured(order) == [(2000, 200, 1700)]
    assert available == [2000]
    [payment] = await order.edge("payments")
    sale, _ = payment["transaction_details"]["data"]
    assert (sale["processing_fee"]["amount"], sale["net_payment_amount"]["amount"]) == ("-1.00", "19.00")
    assert (await refunds(order))[0]["total"] == "11.00"
    [split] = (await shop.control("GET", f"orders/{order.id}"))["refunds"]
    assert (split["buyer"], split["meta"]) == ("8.50", "2.50")
    values = [(row["reason"], row["value"]["amount"]) for row in await order.edge("promotions")]
    assert values == [("FLAT_BUYER_DISCOUNT", "5.00"), ("FLAT_BUYER_DISCOUNT", "-2.50")]


async def test_both_sponsors_on_one_line(shop: SandboxWorld) -> None:
    discounts = [{"kind": "order", "amount": "2.00"}, {"kind": "meta", "amount": "3.00"}]
    order = await placed(shop, ("tee", 1, "20.00"), discounts=discounts, taxPercent="10", shipping=FREE)
    [line] = await order.lines(PROMOTIONS)
    details = await estimate(order)
    await order.ship()

    assert [row["sponsor"] for row in line["promotion_details"]["data"]] == ["merchant", "facebook"]
    names = ("tax", "total_amount", "buyer_paid_amount", "facebook_paid_amount")
    assert [cents(details[name]) for name in names] == [180, 1980, 1680, 300]
    assert await captured(order) == [(1800, 180, 1680)]
    assert await refundable(order) == [1800]


async def test_no_parcel_is_charged_below_zero_when_both_sponsors_round_up(shop: SandboxWorld) -> None:
    discounts = [{"kind": "order", "amount": "0.49"}, {"kind": "meta", "amount": "0.50"}]
    order = await placed(shop, ("pin", 3, "0.33"), discounts=discounts, taxPercent="0", shipping=FREE)
    [line] = await order.lines()
    for _ in range(3):
        await order.ship((line["id"], 1))

    assert await allocations(order, "payments") == [[16, 16], [16, 17], [17, 17]]
    assert [total for _, _, total in await captured(order)] == [1, 0, 0]


async def test_what_can_be_refunded_is_net_of_the_discounts_used_up(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 3, "10.00"), discounts=[ORDER_LEVEL], shipping=FREE)
    [line] = await order.lines()
    await order.ship((line["id"], 1))
    await order.ship((line["id"], 1))
    before = await refundable(order)
    by_units = await order.cannot(
        "refunds", reason_code="WRONG_ITEM", items=[{"item_id": line["id"], "item_refund_quantity": 1}]
    )
    amount = {"item_id": line["id"], "item_refund_amount": {"amount": "9.67", "currency": "USD"}}
    await order.do("refunds", reason_code="WRONG_ITEM", items=[amount])
    after = await refundable(order)
    too_much = await order.cannot(
        "refunds",
        reason_code="WRONG_ITEM",
        items=[{"item_id": line["id"], "item_refund_amount": {"amount": "9.68", "currency": "USD"}}],
    )

    assert (before, after) == ([1934], [967])
    assert (by_units, too_much) == (100, 2382023)


async def test_every_kind_of_discount_in_one_order_adds_up(shop: SandboxWorld) -> None:
    discounts = [
        {"kind": "item", "percent": "10", "lines": [0]},
        {"kind": "order", "percent": "7"},
        {"kind": "shipping"},
        {"kind": "buyXGetY", "lines": [1]},
        {"kind": "meta", "amount": "3.33"},
    ]
    lines = (("tee", 3, "19.99"), ("mug", 2, "7.77"), ("cap", 1, "0.01"))
    order = await placed(shop, *lines, discounts=discounts, taxPercent="8.25")
    details = await estimate(order)
    rows = await order.edge("promotion_details")
    for _ in range(3):
        units = [(line["id"], 1) for line in await order.lines() if line["status"]["in_progress"]]
        await order.ship(*units)

    assert len(rows) == 5
    assert cents(details["buyer_paid_amount"]) == sum(total for _, _, total in await captured(order))
    assert cents(details["subtotal"]["items"]) == sum(items for items, _, _ in await captured(order))
    assert cents(details["facebook_paid_amount"]) == 333
    assert sum(await refundable(order)) == cents(details["subtotal"]["items"])
    await order.do("refunds", reason_code="REFUND_REASON_OTHER")
    [refund] = await refunds(order)
    assert refund["total"] == details["total_amount"]["amount"]
    assert sum(await refundable(order)) == 0


@pytest.mark.parametrize(
    "discount",
    [
        {"kind": "coupon", "amount": "1.00"},
        {"kind": "order"},
        {"kind": "order", "amount": "1.00", "percent": "5"},
        {"kind": "order", "percent": "101"},
        {"kind": "item", "amount": "1.001"},
        {"kind": "item", "amount": "1.00", "lines": [7]},
        {"kind": "buyXGetY"},
        {"kind": "order", "amount": "1.00", "colour": "red"},
    ],
)
async def test_an_impossible_discount_is_refused(shop: SandboxWorld, discount: dict[str, Any]) -> None:
    body = {"shop": shop.cms, "discounts": [discount]}
    body["lines"] = [{"retailerId": "tee", "quantity": 1, "price": "10.00"}]
    headers = {"Authorization": f"Bearer {shop.token}"}

    answer = await shop.http.post("/_sandbox/orders", json=body, headers=headers)

    assert answer.status_code == 400


@given(st.integers(0, 10_000), st.lists(st.integers(0, 5_000), min_size=1, max_size=6))
def test_shares_add_up_and_never_exceed_their_lines(discount: int, values: list[int]) -> None:
    shares = order_money.split(discount, values)

    assert sum(shares) == min(discount, sum(values))
    assert all(0 <= share <= value for share, value in zip(shares, values, strict=True))


def test_cents_left_over_never_make_a_line_negative() -> None:
    assert order_money.split(25_000, [5_000, 5_000, 5_000, 5_000, 5_000, 1]) == [4_999, 5_000, 5_000, 5_000, 5_000, 1]


@given(st.integers(0, 9_999), st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_allocations_of_all_events_use_exactly_the_share(share: int, events: list[int]) -> None:
    quantity, done, used = sum(events), 0, 0
    for units in events:
        done += units
        amount = order_money.allocation(share, quantity, done, used)
        assert amount >= 0
        used += amount

    assert used == share
