"""Order Snapshot: the seller sends how many units of each line were shipped, cancelled and refunded by now, and Meta
works out what changed.

Source: orders.md section 14.  No idempotency key: the last snapshot wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.sandbox import params
from gateway.sandbox.commerce import cancelling, fulfilment, order_desk, order_money, refunding
from gateway.sandbox.commerce.accounts import MANAGE_ORDERS
from gateway.sandbox.commerce.order_desk import Line, Order, refusal
from gateway.sandbox.errors import invalid, missing_parameter
from gateway.sandbox.order_book import COMPLETED, CREATED, HELD, IN_PROGRESS
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Node, Schema, Write
from gateway.sandbox.world import World


@dataclass
class Change:
    """What one entry adds to its line."""

    line: Line
    sent: Params
    ship: int
    cancel: int
    refund: int


def _change(order: Order, sent: Params) -> Change:
    """The difference between an entry and its line; units that were shipped and then refunded count as refunded.

    Raises:
        GraphError: the totals take something back that is final.
    """
    params.required_text(sent, "item_id")
    line = order_desk.named_line(order, {"item_id": sent["item_id"]})
    names = ("fulfill_quantity", "cancel_quantity", "refund_quantity")
    kept, cancelled, refunded = (order_desk.required_count(sent, name, 0) for name in names)
    if kept + cancelled + refunded > line.quantity:
        raise invalid(f"Param items: the quantities of {line.id} are more than {line.quantity}")
    ship, cancel = kept + refunded - line.fulfilled, cancelled - line.cancelled
    refund = refunded - line.minor("refunded_units")
    if ship < 0 or refund < 0:
        raise refusal(1818050 if cancel > 0 else 1818215)
    if cancel < 0:
        raise refusal(1818105 if refund > 0 else 1818111)
    return Change(line, sent, ship, cancel, refund)


def _parcels(world: World, order: Order, changes: list[Change]) -> list[tuple[dict[str, str] | None, dict[str, int]]]:
    """New units by the parcel they are in: one tracking number, one shipment."""
    found: dict[str, tuple[dict[str, str] | None, dict[str, int]]] = {}
    for change in changes:
        if change.ship == 0:
            continue
        fulfilment.check_origin(order, params.structure(change.sent, "fulfillment"))
        rows = [fulfilment.tracking(row) for row in params.objects(change.sent, "tracking_info") or []]
        # The list may repeat parcels of earlier snapshots; the new units are in the newest unknown one.
        fresh = [row for row in rows if row and not fulfilment.number_is_used(world, order.id, row)]
        if rows and not fresh:
            raise refusal(2382045)
        details = fresh[-1] if fresh else None
        number = details["tracking_number"] if details else ""
        found.setdefault(number, (details, {}))[1][change.line.id] = change.ship
    return list(found.values())


def _refund(world: World, order: Order, changes: list[Change], at: float) -> None:
    wanted = refunding.Wanted({"reason_code": "REFUND_REASON_OTHER"})
    for change in changes:
        reason = cancelling.sent_reason(change.sent, "refund_reason", refunding.REASONS)
        wanted.reason |= reason
        wanted.shipping += refunding.sent_shipping(order, {"shipping": change.sent.get("shipping_refund")})
        wanted.deductions += refunding.sent_deductions(order, change.sent)
        if change.refund:
            wanted.parts.append(_part(change.line, change.refund))
    if wanted.parts or wanted.shipping:
        refunding.check_charged(world, order, at)
        refunding.give(world, order, wanted, at)


def _part(line: Line, units: int) -> refunding.Part:
    """Whole units; a discount on the whole order is spread evenly over what was shipped of the line."""
    if not line.spread:
        return refunding.units_part(line, units)
    left = line.fulfilled - line.minor("refunded_units")
    return refunding.Part(line, order_money.part(line.refundable, units, left), units)


def _create(call: Call, node: Node) -> dict[str, Any]:
    given, world = call.params, call.world
    reference = params.required_text(given, "merchant_order_reference")
    rows = params.objects(given, "items")
    if rows is None:
        raise missing_parameter("items")
    order = order_desk.take_for_write(world, node.id, call.now)
    if order.state == HELD:
        raise invalid(f"An order in state {HELD} cannot be changed")
    order.refer(reference)
    if order.state == CREATED:
        order.state = IN_PROGRESS
    changes = [_change(order, sent) for sent in rows]
    if len({change.line.id for change in changes}) < len(changes):
        raise invalid("Param items must name each item once")
    if order.state == COMPLETED and any(change.ship or change.cancel for change in changes):
        raise refusal(1818214)
    for details, units in _parcels(world, order, changes):
        fulfilment.ship(world, order, units, details, call.now)
    for change in changes:
        if change.cancel:
            reason = cancelling.sent_reason(change.sent, "cancel_reason", cancelling.REASONS)
            cancelling.cancel(world, order, {change.line.id: change.cancel}, reason, call.now)
    _refund(world, order, changes, call.now)
    order_desk.save(world, order, call.now)
    return {"success": True}


def install(schema: Schema) -> None:
    known = ("merchant_order_reference", "items", "idempotency_key")
    schema.add(Write("POST", "CommerceOrder", "item_updates", _create, known, MANAGE_ORDERS, withdrawn=True))
