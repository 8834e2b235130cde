"""Refunds: of everything, of units, of amounts before tax, of shipping; always out of what was charged.

Source: orders.md section 12, promotions.md sections 6.6 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox import params
from gateway.sandbox.commerce import captures, order_desk, order_money
from gateway.sandbox.commerce.accounts import MANAGE_ORDERS
from gateway.sandbox.commerce.order_desk import MERCHANT, Line, Order, refusal
from gateway.sandbox.commerce.returns_book import mark_refunded, refundable_return
from gateway.sandbox.errors import invalid, missing_parameter
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Node, Schema, Write
from gateway.sandbox.world import World

REFUND = "82"
META_REASON = "FACEBOOK_INITIATED"
REASONS = (
    "BUYERS_REMORSE", "DAMAGED_GOODS", "NOT_AS_DESCRIBED", "QUALITY_ISSUE", "WRONG_ITEM", "REFUND_REASON_OTHER",
    META_REASON, "REFUND_FOR_RETURN", "REFUND_COMPROMISED", "REFUND_SFI_FAKE", "REFUND_SFI_REAL",
)  # fmt: skip
PARAMS = ("reason_code", "reason_text", "items", "shipping", "deductions", "adjustment_amount", "return_id")


@dataclass
class Part:
    """What of one line is given back; *units* only where it was asked for by quantity."""

    line: Line
    amount: int
    units: int | None = None


@dataclass
class Wanted:
    reason: dict[str, str]
    parts: list[Part] = field(default_factory=list)
    shipping: int = 0
    deductions: int = 0
    adjustment: int = 0


def check_charged(world: World, order: Order, now: float) -> None:
    """Money can only go back once it came.

    Raises:
        GraphError: the order was cancelled, never charged, or its charge is not finished.
    """
    if order.open == 0 and order.fulfilled == 0:
        raise refusal(1818105)
    if order.fulfilled == 0 or order.doc.get("capture_fails"):
        raise refusal(1818107)
    if any(payment["captured_at"] > now for payment in world.nodes_of("payment", order.id)):
        raise refusal(2361076)


def everything(order: Order, reason: dict[str, str]) -> Wanted:
    """All that was charged and not given back yet, shipping included."""
    parts = [Part(line, line.refundable) for line in order.lines if line.refundable]
    return Wanted(reason, parts, shipping_left(order))


def shipping_left(order: Order) -> int:
    return order.minor("shipping_captured_minor") - order.minor("shipping_refunded_minor")


def units_part(line: Line, units: int) -> Part:
    """Whole units at their discounted price.

    Raises:
        GraphError: so many were not shipped, or are refunded already.
    """
    left = line.fulfilled - line.minor("refunded_units")
    if line.fulfilled and (left == 0 or (line.price and line.refundable == 0)):
        raise refusal(2382319)
    if units > left or line.price * units > line.refundable:
        raise refusal(2382023)
    return Part(line, line.price * units, units)


def give(world: World, order: Order, wanted: Wanted, at: float) -> str:
    """Carry a refund out: Meta adds the tax in proportion, buyer and Meta get back what each had paid.

    Raises:
        GraphError: more than is left, or nothing.
    """
    if wanted.shipping > shipping_left(order):
        raise refusal(2382022)
    subtotal = tax = 0
    items = []
    for part in wanted.parts:
        line = part.line
        if part.amount > line.refundable:
            raise refusal(2382023)
        tax += _give_tax(line, part.amount)
        line.add("refunded_minor", part.amount)
        line.add("refunded_units", part.units or 0)
        subtotal += part.amount
        row: dict[str, Any] = {"id": line.id, "product_id": line.product_id, "retailer_id": line.retailer_id}
        row["refund_subtotal"] = order.money(part.amount)
        items.append(row if part.units is None else row | {"quantity": part.units})
    tax += _give_shipping(order, wanted.shipping)
    total = subtotal + wanted.shipping + tax - wanted.deductions + wanted.adjustment
    if total <= 0:
        raise refusal(2382030)
    paid, meta_paid = order.minor("paid_minor"), order.minor("meta_paid_minor")
    if total > paid + meta_paid - order.minor("refunded_minor"):
        raise refusal(2382023)
    to_buyer = order_money.buyer_part(total, paid, meta_paid)
    order.add("refunded_minor", total)
    order.refunds += 1
    refund = world.new_id(REFUND)
    amounts = {"subtotal": subtotal, "shipping": wanted.shipping, "tax": -tax, "total": total, "amount": total}
    doc = {
        "items": {"data": items},
        "refund_reason": wanted.reason,
        "refund_amount": {name: captures.signed(order, minor)["amount"] for name, minor in amounts.items()}
        | {"currency": order.currency},
        "minor": amounts | {"buyer": to_buyer, "meta": total - to_buyer},
    }
    world.add_node(refund, "refund", order.id, doc, at)
    captures.give_back(world, order, total, tax, at)
    if total > to_buyer:
        captures.reimburse(world, order, to_buyer - total, at)
    return refund


def _give_tax(line: Line, amount: int) -> int:
    """The tax that goes back with an amount, so that with the last cent all of it has."""
    target = order_money.part(line.minor("captured_tax_minor"), line.minor("refunded_minor") + amount, line.captured)
    tax = max(target - line.minor("refunded_tax_minor"), 0)
    line.add("refunded_tax_minor", tax)
    return tax


def _give_shipping(order: Order, amount: int) -> int:
    refunded = order.minor("shipping_refunded_minor") + amount
    charged = order.minor("shipping_captured_minor")
    target = order_money.part(order.minor("shipping_tax_captured_minor"), refunded, charged)
    tax = max(target - order.minor("shipping_tax_refunded_minor"), 0)
    order.add("shipping_refunded_minor", amount)
    order.add("shipping_tax_refunded_minor", tax)
    return tax


def _create(call: Call, node: Node) -> dict[str, Any]:
    given, world = call.params, call.world
    order = order_desk.take_for_write(world, node.id, call.now)
    codes = params.choices(given, "reason_code", REASONS)
    if not codes:
        raise missing_parameter("reason_code")
    reason = {"reason_code": codes[0]}
    text = params.text(given, "reason_text")
    check_charged(world, order, call.now)
    return_id = params.text(given, "return_id") if params.given(given, "return_id") else None
    if return_id is not None:
        refundable_return(world, order.id, return_id)
    parts = ("items", "shipping", "adjustment_amount")
    wanted = Wanted(reason) if any(params.given(given, name) for name in parts) else everything(order, reason)
    if text:
        reason["reason_description"] = text
    wanted.parts += _parts(order, params.objects(given, "items") or [])
    wanted.shipping += sent_shipping(order, given)
    wanted.deductions = sent_deductions(order, given)
    wanted.adjustment = order_desk.sent_money(order, given, "adjustment_amount") or 0
    if not any((wanted.parts, wanted.shipping, wanted.adjustment)):
        raise refusal(2382030 if params.given(given, "shipping") or order.refunds == 0 else 2382319)
    give(world, order, wanted, call.now)
    if return_id is not None:
        mark_refunded(world, return_id)
    order_desk.save(world, order, call.now)
    return {"success": True}


def _parts(order: Order, rows: list[Params]) -> list[Part]:
    """The entries of `items`, each by quantity or by amount."""
    parts: list[Part] = []
    spread = any(row["sponsor"] == MERCHANT for line in order.lines for row in line.spread)
    for sent in rows:
        line = order_desk.named_line(order, sent, unknown=2382021)
        if any(part.line is line for part in parts):
            raise invalid(f"Param items: {line.id} is there twice")
        by_units, by_amount = (params.given(sent, name) for name in ("item_refund_quantity", "item_refund_amount"))
        if by_units == by_amount:
            raise invalid("Each of items must have exactly one of item_refund_quantity and item_refund_amount")
        if by_units:
            if spread:
                raise invalid("Orders with order-level discounts are refunded by item_refund_amount only")
            parts.append(units_part(line, order_desk.required_count(sent, "item_refund_quantity")))
            continue
        amount = order_desk.sent_money(order, sent, "item_refund_amount") or 0
        if amount and line.captured and line.refundable == 0:
            raise refusal(2382319)
        parts.append(Part(line, amount))
    return parts


def sent_shipping(order: Order, given: Params) -> int:
    """`shipping{shipping_refund}`, which is nested twice.

    Raises:
        GraphError: the inner part is missing.
    """
    value = params.structure(given, "shipping")
    if value is None:
        return 0
    if not isinstance(value, dict) or not params.given(value, "shipping_refund"):
        raise missing_parameter("shipping[shipping_refund]")
    return order_desk.sent_money(order, value, "shipping_refund") or 0


def sent_deductions(order: Order, given: Params) -> int:
    total = 0
    for row in params.objects(given, "deductions") or []:
        if not params.choices(row, "deduction_type", ("RETURN_SHIPPING",)):
            raise missing_parameter("deductions[deduction_type]")
        amount = order_desk.sent_money(order, row, "deduction_amount")
        if amount is None:
            raise missing_parameter("deductions[deduction_amount]")
        total += amount
    return total


def install(schema: Schema) -> None:
    schema.add(Write("POST", "CommerceOrder", "refunds", _create, PARAMS, MANAGE_ORDERS, keyed=True, withdrawn=True))
