"""Returns on the Graph surface: of an order, of a shop, one by itself, and what the seller does about it.

Source: orders.md section 13.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.sandbox import params
from gateway.sandbox.commerce import order_desk, returns_book
from gateway.sandbox.commerce.accounts import MANAGE_ORDERS
from gateway.sandbox.commerce.orders import READ_ORDERS, load_order
from gateway.sandbox.commerce.returns_book import APPROVED, CLOSED, REQUESTED, RETURN, STATUSES
from gateway.sandbox.errors import invalid, missing_parameter
from gateway.sandbox.paging import keyset
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Link, Node, NodeType, Reader, Rows, Schema, Window, Write
from gateway.sandbox.storage import one
from gateway.sandbox.usage import PAGES
from gateway.sandbox.world import World

ACCEPT, CLOSE = "ACCEPT_RETURN", "CLOSE_RETURN"
EVENTS = {ACCEPT: (REQUESTED, APPROVED), CLOSE: (APPROVED, CLOSED)}
_ORDER_SHOWN = ("order_status", "created", "last_updated")


def _node(world: World, row: Any) -> Node:
    account = world.find_node(row["cms"], "account")
    assert account is not None
    doc = json.loads(row["doc"]) | {"status": row["status"], "order": row["order_id"], "created": row["created"]}
    return Node("CommerceReturn", row["id"], doc, row["cms"], account["page"])


def load_return(world: World, node_id: str) -> Node | None:
    row = returns_book.find(world, node_id)
    return None if row is None else _node(world, row)


def _pairs(name: str) -> Reader:
    """Maps by line id come as lists of pairs."""

    def read(call: Call, node: Node, given: Params) -> list[dict[str, Any]] | None:
        return [{"key": key, "value": value} for key, value in node.doc[name].items()] or None

    return read


FIELDS: dict[str, Reader] = {
    "return_status": lambda call, node, given: node.doc["status"],
    "return_message": lambda call, node, given: node.doc["message"],
    "merchant_return_id": lambda call, node, given: node.doc["merchant_return_id"],
    "item_return_quantities": _pairs("units"),
    "item_return_reasons": _pairs("reasons"),
    "order": lambda call, node, given: Link(load_order(call.world, node.doc["order"]), _ORDER_SHOWN),
}


def _returns(call: Call, node: Node, given: Params, window: Window) -> Rows:
    where, values = ["order_id = ?" if node.type == "CommerceOrder" else "cms = ?"], [node.id]
    statuses = params.choices(given, "statuses", STATUSES)
    if statuses:
        where.append(f"status IN ({','.join('?' * len(statuses))})")
        values += statuses
    if params.given(given, "merchant_return_id"):
        where.append("json_extract(doc, '$.merchant_return_id') = ?")
        values.append(params.text(given, "merchant_return_id") or "")
    bounds: list[Any] = [*values]
    if node.type != "CommerceOrder":
        for name, sign in (("start_time_created", ">="), ("end_time_created", "<=")):
            moment = params.moment(given, name)
            if moment is not None:
                where.append(f"CAST(created AS INTEGER) {sign} ?")
                bounds.append(moment)

    def total() -> int:
        row = one(call.world.db, f"SELECT COUNT(*) AS n FROM returns WHERE {' AND '.join(where)}", *bounds)
        assert row is not None
        return int(row["n"])

    def build(row: Any) -> tuple[list[Any], Node]:
        return [row["id"]], _node(call.world, row)

    return Rows(keyset(call.world, "SELECT * FROM returns", where, bounds, [("id", True)], window, build), total)


def _create(call: Call, node: Node) -> dict[str, Any]:
    """A seller enters a return that did not come through Meta."""
    given = call.params
    order = order_desk.take_for_write(call.world, node.id, call.now)
    rows = params.objects(given, "items")
    if rows is None:
        raise missing_parameter("items")
    units: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for sent in rows:
        line = order_desk.named_line(order, sent)
        units[line.id] = units.get(line.id, 0) + order_desk.required_count(sent, "quantity")
        reason = params.text(sent, "reason")
        if reason:
            reasons[line.id] = reason
    status = params.choices(given, "return_status", STATUSES)
    update = params.structure(given, "update")
    if update is not None and not isinstance(update, dict):
        raise invalid("Param update must be an object")
    return_id = returns_book.enter(
        call.world,
        order,
        units,
        reasons,
        call.now,
        message=params.text(given, "return_message"),
        merchant_return_id=params.text(given, "merchant_return_id"),
        status=status[0] if status else REQUESTED,
    )
    if update:
        _apply(call.world, return_id, update)
    order_desk.save(call.world, order, call.now)
    return {"id": return_id}


def _update(call: Call, node: Node) -> dict[str, Any]:
    _apply(call.world, node.id, call.params)
    return {"success": True}


def _apply(world: World, return_id: str, given: Params) -> None:
    """Accept what was requested, or close what was accepted.

    Raises:
        GraphError: the event is unknown, or does not fit the status.
    """
    events = params.choices(given, "update_event", EVENTS)
    if not events:
        raise missing_parameter("update_event")
    row = returns_book.find(world, return_id)
    assert row is not None
    before, after = EVENTS[events[0]]
    if row["status"] != before:
        raise invalid(f"{events[0]} does not fit a return in status {row['status']}")
    labels = params.objects(given, "return_shipping_labels")
    for label in labels or []:
        params.required_text(label, "carrier")
    merchant_return_id = params.text(given, "merchant_return_id")
    notes = params.text(given, "notes")
    returns_book.decide(world, return_id, after, merchant_return_id=merchant_return_id, notes=notes, labels=labels)


def install(schema: Schema) -> None:
    defaults = ("return_status",)
    schema.add_type(RETURN, NodeType("CommerceReturn", load_return, FIELDS, defaults, PAGES, READ_ORDERS))
    words = ("statuses", "merchant_return_id")
    times = ("start_time_created", "end_time_created")
    schema.add(
        Edge("CommerceOrder", "returns", "CommerceReturn", _returns, words, scope=READ_ORDERS),
        Edge("CommerceMerchantSettings", "returns", "CommerceReturn", _returns, (*words, *times), scope=READ_ORDERS),
        Write(
            "POST", "CommerceOrder", "returns", _create,
            ("items", "merchant_return_id", "return_message", "update", "return_status", "idempotency_key"),
            MANAGE_ORDERS, withdrawn=True,
        ),
        Write(
            "POST", "CommerceReturn", "update_return", _update,
            ("update_event", "notes", "merchant_return_id", "return_shipping_labels", "idempotency_key"),
            MANAGE_ORDERS, withdrawn=True,
        ),
    )  # fmt: skip
