"""Payments: what the buyer is charged when a parcel leaves, and what of it went back.

Source: payments.md sections 2, 3, 9 and 10; promotions.md sections 5, 6.6 and 8.  A payment belongs to one shipment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.sandbox import ledger
from gateway.sandbox.clock import iso_order
from gateway.sandbox.commerce import order_money
from gateway.sandbox.commerce.order_desk import META, Order
from gateway.sandbox.world import World

PAYMENT, REIMBURSEMENT = "86", "87"
FLAT_DISCOUNT = "FLAT_BUYER_DISCOUNT"


def capture(
    world: World, order: Order, units: Mapping[str, int], shipment: str, external_id: str | None, at: float
) -> dict[str, int]:
    """Charge for a parcel before its units are counted as fulfilled; returns the tax of each line."""
    taxes: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    items = meta = 0
    for line in order.lines:
        count = units.get(line.id, 0)
        if count == 0:
            continue
        used = line.allocate(count)
        base = line.price * count - sum(amount for row, amount in used if not row["after_tax"])
        paid_by_meta = sum(amount for row, amount in used if row["sponsor"] == META)
        taxes[line.id] = order_money.added_tax(line.captured, base, order.tax_rate)
        line.add("captured_minor", base)
        line.add("captured_tax_minor", taxes[line.id])
        items, meta = items + base, meta + paid_by_meta
        rows.append({"id": line.id, "quantity": count, "promotion_allocations": shown_allocations(order, used)})
    shipping, shipping_tax = _capture_shipping(order, sum(units.values()))
    tax = sum(taxes.values()) + shipping_tax
    # Two shares rounded apart can come to a cent more than the parcel costs: that cent waits for the next one.
    due = meta + order.minor("meta_waiting_minor")
    meta = min(due, items + shipping + tax)
    order.doc["meta_waiting_minor"] = due - meta
    total = items + shipping + tax - meta
    order.add("paid_minor", total)
    order.add("meta_paid_minor", meta)
    failed = bool(order.doc.get("capture_fails"))
    payment = world.new_id(PAYMENT)
    gross = items + shipping
    parcel = {"id": shipment} | ({"external_shipment_id": external_id} if external_id else {})
    world.add_node(
        payment,
        "payment",
        order.id,
        {
            "subtotal": {"items": order.money(items), "shipping": order.money(shipping)},
            "tax": order.money(tax),
            "tax_remitted": _remitted(order),
            "total_amount": order.money(total),
            "shipments": {"data": [parcel]},
            "items": {"data": rows},
            "transaction_details": None if failed else {"data": [_sale(order, gross, tax, at)]},
            "captured_at": at + float(order.doc.get("capture_seconds", 0)),
            "minor": {"items": items, "shipping": shipping, "tax": tax, "meta": meta, "left": total + meta},
        },
        at,
    )
    if meta and not failed:
        reimburse(world, order, meta, at)
    return taxes


def shown_allocations(order: Order, used: list[tuple[dict[str, Any], int]]) -> list[dict[str, Any]]:
    return [{"promotion_id": row["promotion_id"], "allocation_amount": order.money(amount)} for row, amount in used]


def reimburse(world: World, order: Order, amount: int, at: float) -> None:
    """Meta pays its part of a discount to the seller, or takes it back when the amount is negative."""
    doc = {"reason": FLAT_DISCOUNT, "value": signed(order, amount), "minor": amount}
    world.add_node(world.new_id(REIMBURSEMENT), "reimbursement", order.id, doc, at)


def _capture_shipping(order: Order, units: int) -> tuple[int, int]:
    """The part of the shipping price, and its tax, that falls on a parcel of so many units."""
    before = order.minor("shipped_units")
    order.add("shipped_units", units)
    price, extra = order.minor("shipping_minor"), order.minor("shipping_extra_minor")
    base = int(order.doc.get("shipping_base_minor", price))
    ordered = sum(line.quantity for line in order.lines)
    so_far, earlier = (order_money.shipping_so_far(price, base, extra, n, ordered) for n in (before + units, before))
    charged = so_far - earlier
    tax = order_money.added_tax(order.minor("shipping_captured_minor"), charged, order.tax_rate)
    order.add("shipping_captured_minor", charged)
    order.add("shipping_tax_captured_minor", tax)
    return charged, tax


def _remitted(order: Order) -> bool:
    return bool(ledger.terms(order.account)["taxRemitted"])


def _sale(order: Order, gross: int, tax: int, at: float) -> dict[str, Any]:
    """The seller gets what was charged, Meta's part of a discount included, less remitted tax and fee."""
    fee = ledger.fee_of(order.account, gross)
    net = gross + (0 if _remitted(order) else tax) - fee
    return {
        "transaction_type": ledger.SALE,
        "transaction_date": iso_order(at),
        "processing_fee": signed(order, -fee),
        "net_payment_amount": signed(order, net),
        "tax_rate": rate_text(order.tax_rate),
    }


def rate_text(basis_points: int) -> str:
    whole, rest = divmod(basis_points, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + "%"


def signed(order: Order, amount: int) -> dict[str, str]:
    value = order.money(abs(amount))
    return value if amount >= 0 else value | {"amount": f"-{value['amount']}"}


def give_back(world: World, order: Order, total: int, tax: int, at: float) -> None:
    """Note a refund under the payments that have money left, oldest first."""
    rest, rest_tax = total, tax
    for payment in world.nodes_of("payment", order.id):
        minor = payment["minor"]
        amount = min(rest, minor["left"])
        if amount <= 0 or not payment["transaction_details"]:
            continue
        part_of_tax = rest_tax if amount == rest else order_money.part(rest_tax, amount, rest)
        fee = ledger.fee_of(order.account, max(amount - part_of_tax, 0))
        row = {
            "transaction_type": ledger.REFUND,
            "transaction_date": iso_order(at),
            "processing_fee": signed(order, fee),
            "net_payment_amount": signed(order, fee - amount + (part_of_tax if _remitted(order) else 0)),
        }
        world.change_node(
            payment["id"],
            transaction_details={"data": [*payment["transaction_details"]["data"], row]},
            minor=minor | {"left": minor["left"] - amount},
        )
        rest, rest_tax = rest - amount, rest_tax - part_of_tax
