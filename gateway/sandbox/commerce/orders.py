"""Orders: lists, one order, its lines and records, acknowledgement.

Source: orders.md sections 6 to 9, 16 and 17.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox import ids, order_book, params
from gateway.sandbox.commerce import order_records
from gateway.sandbox.commerce.accounts import MANAGE_ORDERS
from gateway.sandbox.commerce.cancelling import DAY, cancel_overdue
from gateway.sandbox.commerce.order_desk import take_for_write
from gateway.sandbox.commerce.order_records import shown_promotion
from gateway.sandbox.errors import GraphError, invalid, missing_parameter
from gateway.sandbox.ledger import terms
from gateway.sandbox.money import from_minor
from gateway.sandbox.order_book import CREATED, HELD, STATES
from gateway.sandbox.paging import keyset, listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, Reader, Rows, Schema, When, Window, Write, doc_fields
from gateway.sandbox.storage import one
from gateway.sandbox.usage import PAGES
from gateway.sandbox.world import World

READ_ORDERS = "commerce_account_read_orders"
MOST_ACKNOWLEDGED = 100
LARGEST_PAGE = 25
FILTERS = {
    "NO_SHIPMENTS": "open > 0",
    "HAS_FULFILLMENTS": "fulfilled > 0",
    "HAS_CANCELLATIONS": "cancelled > 0",
    "NO_CANCELLATIONS": "cancelled = 0",
    "HAS_REFUNDS": "refunds > 0",
    "NO_REFUNDS": "refunds = 0",
}


def order_node(world: World, row: Any) -> Node:
    account = world.find_node(row["cms"], "account")
    assert account is not None
    doc = json.loads(row["doc"]) | {key: row[key] for key in ("state", "created", "updated", "cms")}
    return Node("CommerceOrder", row["id"], doc, row["cms"], account["page"])


def load_order(world: World, node_id: str) -> Node | None:
    cancel_overdue(world)
    row = order_book.find(world, node_id)
    return None if row is None else order_node(world, row)


def _orders(call: Call, node: Node, given: Params, window: Window) -> Rows:
    cancel_overdue(call.world)
    account = node.doc["account"] if node.type == "Page" else node.id
    states = params.choices(given, "state", STATES) or [CREATED]
    where, values = ["cms = ?", f"state IN ({','.join('?' * len(states))})"], [account, *states]
    where += [FILTERS[name] for name in params.choices(given, "filters", FILTERS)]
    for name, sign in (("updated_after", ">"), ("updated_before", "<")):
        moment = params.moment(given, name)
        if moment is not None:
            where.append(f"CAST(updated AS INTEGER) {sign} ?")
            values.append(moment)

    if call.script.get("kind") == "late_visibility":
        # An index that lags: what changed a moment ago is not listed yet, or still under its former state.
        where.append("updated <= ?")
        values.append(call.now - float(call.script.get("seconds", 60)))

    def total() -> int:
        row = one(call.world.db, f"SELECT COUNT(*) AS n FROM orders WHERE {' AND '.join(where)}", *values)
        assert row is not None
        return int(row["n"])

    def build(row: Any) -> tuple[list[Any], Node]:
        return [row["created"], row["id"]], order_node(call.world, row)

    order = [("created", False), ("id", False)]
    return Rows(keyset(call.world, "SELECT * FROM orders", where, values, order, window, build), total)


def _money(name: str) -> Callable[[Node], dict[str, str]]:
    return lambda node: from_minor(node.doc[name], node.doc["currency"])


def _buyer(call: Call, node: Node, given: Params) -> dict[str, Any] | None:
    if node.doc["state"] == HELD:
        return None
    buyer = node.doc["buyer"]
    name = f"{buyer['first_name']} {buyer['last_name']}"
    return {"name": name, "email": node.doc["mail"], "email_remarketing_option": node.doc["remarketing"]}


def _address(call: Call, node: Node, given: Params) -> dict[str, Any] | None:
    # The address is personal too, and shown no earlier than the buyer's name.
    if node.doc["state"] == HELD:
        return None
    buyer = node.doc["buyer"]
    shown = {key: buyer[key] for key in ("first_name", "last_name", "city", "state", "postal_code", "country")}
    return shown | {"name": f"{buyer['first_name']} {buyer['last_name']}", "street1": buyer["street"]}


def _shipping_option(call: Call, node: Node, given: Params) -> dict[str, Any]:
    doc = node.doc
    option = {
        "name": doc.get("shipping_name", "Standard"),
        "reference_id": "std_profile",
        "handling_time_days": 2,
        "price": _money("shipping_minor")(node),
        "calculated_tax": _money("shipping_tax_captured_minor" if doc.get("shipped_units") else "shipping_tax_minor")(
            node
        ),
        "estimated_shipping_time": {"min_days": 3, "max_days": 6},
    }
    rows = [shown_promotion(row, doc["currency"]) for row in doc.get("shipping_promotions", [])]
    return option | ({"promotion_details": {"data": rows}} if rows else {})


def _payment_details(call: Call, node: Node, given: Params) -> dict[str, Any]:
    doc = node.doc
    total, by_meta = doc["items_minor"] + doc["shipping_minor"] + doc["tax_minor"], int(doc.get("meta_minor", 0))
    return {
        "subtotal": {"items": _money("items_minor")(node), "shipping": _money("shipping_minor")(node)},
        "tax": _money("tax_minor")(node),
        "total_amount": from_minor(total, doc["currency"]),
        "tax_remitted": bool(terms(call.world.find_node(doc["cms"], "account") or {})["taxRemitted"]),
        "facebook_paid_amount": from_minor(by_meta, doc["currency"]),
        "buyer_paid_amount": from_minor(total - by_meta, doc["currency"]),
    }


ORDER_FIELDS: dict[str, Reader] = {
    "order_status": lambda call, node, given: {"state": node.doc["state"]},
    "created": lambda call, node, given: When(node.doc["created"], order_form=True),
    "last_updated": lambda call, node, given: When(node.doc["updated"], order_form=True),
    "ship_by_date": lambda call, node, given: node.doc["ship_by_date"],
    "merchant_order_id": lambda call, node, given: node.doc["reference"],
    "channel": lambda call, node, given: node.doc["channel"],
    "is_test_order": lambda call, node, given: node.doc["is_test"],
    "is_group_buy": lambda call, node, given: False,
    "contains_bopis_items": lambda call, node, given: False,
    "pre_order_details": lambda call, node, given: None,
    "buyer_details": _buyer,
    "shipping_address": _address,
    "selected_shipping_option": _shipping_option,
    "estimated_payment_details": _payment_details,
}


def _line_node(order: Node, row: Any) -> Node:
    doc = json.loads(row["doc"]) | {key: row[key] for key in row.keys() if key != "doc"}  # noqa: SIM118 - a Row
    last_moment = datetime.fromisoformat(order.doc["ship_by_date"]).replace(tzinfo=UTC).timestamp() + DAY - 1
    doc |= {
        "currency": order.doc["currency"],
        "ship_by": last_moment,
        "shipping_name": order.doc.get("shipping_name", "Standard"),
        "capture_fails": order.doc.get("capture_fails", False),
    }
    return Node("CommerceOrderItem", row["id"], doc, order.asset, order.meter)


def _load_line(world: World, node_id: str) -> Node | None:
    row = one(world.db, "SELECT * FROM order_lines WHERE id = ?", node_id)
    order = None if row is None else load_order(world, row["order_id"])
    return None if order is None else _line_node(order, row)


def _lines(call: Call, node: Node, given: Params, window: Window) -> Rows:
    return listed([_line_node(node, row) for row in order_book.lines_of(call.world, node.id)], window)


def _tax(call: Call, node: Node, given: Params) -> dict[str, Any]:
    captured = int(node.doc.get("captured_tax_minor", 0))
    return {
        "estimated_tax": from_minor(node.doc["tax_minor"], node.doc["currency"]),
        "captured_tax": {"total_tax": from_minor(captured, node.doc["currency"])},
    }


def _refundable(call: Call, node: Node, given: Params) -> dict[str, str]:
    left = int(node.doc.get("captured_minor", 0)) - int(node.doc.get("refunded_minor", 0))
    return from_minor(0 if node.doc["capture_fails"] else left, node.doc["currency"])


def _line_shipping(call: Call, node: Node, given: Params) -> dict[str, Any]:
    # What it costs stands on the order: how a price would be divided among lines is not documented.
    return {
        "name": node.doc["shipping_name"],
        "reference_id": "std_profile",
        "handling_time_days": 2,
        "estimated_shipping_time": {"min_days": 3, "max_days": 6},
    }


LINE_FIELDS: dict[str, Reader] = {
    **doc_fields("retailer_id product_id quantity customization"),
    "product_name": lambda call, node, given: node.doc["name"],
    "price_per_unit": lambda call, node, given: from_minor(node.doc["price_minor"], node.doc["currency"]),
    "status": lambda call, node, given: {
        "in_progress": node.doc["open"],
        "fulfilled": node.doc["fulfilled"],
        "cancelled": node.doc["cancelled"],
    },
    "tax_details": _tax,
    "amount_available_for_refund": _refundable,
    "selected_shipping_option": _line_shipping,
    "ship_by": lambda call, node, given: When(node.doc["ship_by"], order_form=True),
}


def _cannot_acknowledge() -> GraphError:
    return GraphError(
        100,
        "Invalid parameter",
        2361009,
        transient=False,
        title="Order Cannot Be Acknowledged",
        user_message="Order cannot be acknowledged.",
    )


def _reference(row: Params) -> str | None:
    return params.text(row, "merchant_order_reference") if params.given(row, "merchant_order_reference") else None


def _acknowledge(call: Call, node: Node) -> dict[str, Any]:
    row = order_book.find(call.world, node.id)
    take_for_write(call.world, node.id, call.now)
    if row is None or row["state"] != CREATED:
        raise _cannot_acknowledge()
    order_book.acknowledge(call.world, row, _reference(call.params), call.now)
    return {"id": node.id, "state": order_book.IN_PROGRESS}


def _acknowledge_many(call: Call, node: Node) -> dict[str, Any]:
    """One answer row per order; some may fail while others succeed."""
    rows = params.objects(call.params, "orders")
    if rows is None:
        raise missing_parameter("orders")
    if len(rows) > MOST_ACKNOWLEDGED:
        raise invalid(f"Param orders must have at most {MOST_ACKNOWLEDGED} elements")
    account = node.doc["account"] if node.type == "Page" else node.id
    return {"orders": [_acknowledge_row(call, account, row) for row in rows]}


def _acknowledge_row(call: Call, account: str, sent: Params) -> dict[str, Any]:
    order_id = params.text(sent, "id") or ""
    row = order_book.find(call.world, order_id)
    if row is None or row["cms"] != account:
        return {"id": order_id, "error": {"error_code": 2361003, "error_message": "Invalid Order ID"}}
    if row["state"] != CREATED:
        error = {"error_code": 2361009, "error_message": "Order cannot be acknowledged."}
        return {"id": order_id, "error": error}
    try:
        take_for_write(call.world, order_id, call.now)
    except GraphError as refused:
        return {"id": order_id, "error": {"error_code": refused.subcode, "error_message": refused.user_message}}
    order_book.acknowledge(call.world, row, _reference(sent), call.now)
    return {"id": order_id, "state": order_book.IN_PROGRESS}


def install(schema: Schema) -> None:
    defaults = ("order_status", "created", "last_updated")
    schema.add_type(ids.ORDER, NodeType("CommerceOrder", load_order, ORDER_FIELDS, defaults, PAGES, READ_ORDERS))
    line_defaults = ("retailer_id", "product_id", "quantity", "price_per_unit")
    schema.add_type(ids.LINE, NodeType("CommerceOrderItem", _load_line, LINE_FIELDS, line_defaults, PAGES, READ_ORDERS))
    list_params = ("state", "filters", "updated_after", "updated_before")
    for owner in ("CommerceMerchantSettings", "Page"):
        schema.add(
            Edge(owner, "commerce_orders", "CommerceOrder", _orders, list_params, LARGEST_PAGE, READ_ORDERS),
            Write(
                "POST", owner, "acknowledge_orders", _acknowledge_many, ("orders",), MANAGE_ORDERS,
                keyed=True, withdrawn=True,
            ),
        )  # fmt: skip
    schema.add(
        Edge("CommerceOrder", "items", "CommerceOrderItem", _lines, scope=READ_ORDERS),
        Write(
            "POST", "CommerceOrder", "acknowledge_order", _acknowledge, ("merchant_order_reference",), MANAGE_ORDERS,
            keyed=True, withdrawn=True,
        ),
    )  # fmt: skip
    order_records.install(schema, READ_ORDERS)
