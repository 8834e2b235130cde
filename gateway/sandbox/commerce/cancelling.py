"""Cancellations by the seller, by the buyer, and by Meta when an order was not shipped in time.

Source: orders.md sections 3, 11 and 18; promotions.md section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox import ids, item_store, params
from gateway.sandbox.commerce import order_desk
from gateway.sandbox.commerce.accounts import MANAGE_ORDERS
from gateway.sandbox.commerce.captures import shown_allocations
from gateway.sandbox.commerce.order_desk import Order, refusal
from gateway.sandbox.errors import invalid
from gateway.sandbox.order_book import CREATED, HELD, IN_PROGRESS
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Node, Schema, Write
from gateway.sandbox.world import World

REASONS = ("CUSTOMER_REQUESTED", "OUT_OF_STOCK", "INVALID_ADDRESS", "SUSPICIOUS_ORDER", "CANCEL_REASON_OTHER")
DAY = 86_400.0
GRACE_SECONDS = DAY
"""How long after the end of the ship-by day Meta waits before it cancels; Meta does not say."""


def cancel(
    world: World, order: Order, units: Mapping[str, int], reason: Mapping[str, str], at: float, *, restock: bool = False
) -> str:
    """Take open units out of the order; their part of order-level discounts is lost with them."""
    items = []
    for line in order.lines:
        count = units.get(line.id, 0)
        if count == 0:
            continue
        used = line.allocate(count)
        line.open -= count
        line.cancelled += count
        row: dict[str, Any] = {
            "id": line.id,
            "product_id": line.product_id,
            "retailer_id": line.retailer_id,
            "quantity": count,
        }
        items.append(row | ({"promotion_allocations": shown_allocations(order, used)} if used else {}))
        if restock:
            _restock(world, order.account["catalog"], line.retailer_id, count)
    cancellation = world.new_id(ids.CANCELLATION)
    doc = {"items": {"data": items}, "cancel_reason": dict(reason) or None}
    world.add_node(cancellation, "cancellation", order.id, doc, at)
    return cancellation


def cancel_all(world: World, order: Order, code: str, text: str, at: float) -> None:
    """Close every open unit and write the order back."""
    units = {line.id: line.open for line in order.lines if line.open}
    if units:
        cancel(world, order, units, {"reason_code": code, "reason_description": text}, at)
    order_desk.save(world, order, at)


def _restock(world: World, catalog: str, retailer_id: str, count: int) -> None:
    item = item_store.by_retailer_id(world, catalog, retailer_id)
    stock = None if item is None else item.fields.get("quantity_to_sell_on_facebook")
    if item is None or not isinstance(stock, int):
        return
    doc = item.fields | {"quantity_to_sell_on_facebook": stock + count}
    item_store.save(world, catalog, {item.retailer_id: doc}, {item.retailer_id: item}, world.now())


def cancel_overdue(world: World) -> None:
    """Units that were not shipped by their day are cancelled by Meta, each order at its own moment.

    Done before orders are read or written, which is the only time anybody can tell.
    """
    last_day = datetime.fromtimestamp(world.now() - GRACE_SECONDS, UTC).date().isoformat()
    sql = (
        "SELECT id FROM orders WHERE open > 0 AND json_extract(doc, '$.ship_by_date') < ? AND state IN (?, ?) "
        "ORDER BY json_extract(doc, '$.ship_by_date'), id"
    )
    for row in world.db.execute(sql, (last_day, CREATED, IN_PROGRESS)).fetchall():
        order = order_desk.take(world, row["id"])
        midnight = datetime.fromisoformat(order.doc["ship_by_date"]).replace(tzinfo=UTC).timestamp() + DAY
        text = "Not shipped by the ship-by date"
        cancel_all(world, order, "CANCEL_REASON_OTHER", text, midnight + GRACE_SECONDS)


def _create(call: Call, node: Node) -> dict[str, Any]:
    given = call.params
    order = order_desk.take_for_write(call.world, node.id, call.now)
    check_can_cancel(order, call.now)
    reason = sent_reason(given, "cancel_reason", REASONS)
    rows = params.objects(given, "items")
    units = {line.id: line.open for line in order.lines if line.open}
    if rows is not None:
        units = order_desk.named_units(order, rows)
    cancel(call.world, order, units, reason, call.now, restock=params.boolean(given, "restock_items", False))
    order_desk.save(call.world, order, call.now)
    return {"success": True}


def check_can_cancel(order: Order, now: float) -> None:
    """Open units can be cancelled once Meta's own checks are over, or have hung for a day.

    Raises:
        GraphError: nothing is open, or the order is held.
    """
    if order.open == 0:
        if order.fulfilled and order.cancelled:
            raise refusal(1818214)
        raise refusal(1818050 if order.fulfilled else 1818048)
    if order.state == HELD and now - order.created <= DAY:
        raise invalid(f"An order in state {HELD} cannot be canceled in its first 24 hours")


def sent_reason(given: Params, name: str, codes: tuple[str, ...]) -> dict[str, str]:
    """A reason with code and text, both optional.

    Raises:
        GraphError: the code is unknown.
    """
    value = params.structure(given, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"Param {name} must be an object")
    reason = {}
    code = params.choices(value, "reason_code", codes)
    if code:
        reason["reason_code"] = code[0]
    text = params.text(value, "reason_description")
    return reason | ({"reason_description": text} if text else {})


def install(schema: Schema) -> None:
    known = ("cancel_reason", "restock_items", "items")
    schema.add(
        Write("POST", "CommerceOrder", "cancellations", _create, known, MANAGE_ORDERS, keyed=True, withdrawn=True)
    )
