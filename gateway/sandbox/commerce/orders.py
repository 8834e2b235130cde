"""Orders: lists, one order, its lines and records, acknowledgement.

Source: orders.md sections 6 to 9, 16 and 17.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gateway.sandbox import ids, order_book, params
from gateway.sandbox.commerce.accounts import MANAGE_ORDERS
from gateway.sandbox.errors import GraphError, invalid, missing_parameter
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
    row = order_book.find(world, node_id)
    return None if row is None else order_node(world, row)


def _orders(call: Call, node: Node, given: Params, window: Window) -> Rows:
    account = node.doc["account"] if node.type == "Page" else node.id
    states = params.choices(given, "state", STATES) or [CREATED]
    where, values = ["cms = ?", f"state IN ({','.join('?' * len(states))})"], [account, *states]
    where += [FILTERS[name] for name in params.choices(given, "filters", FILTERS)]
    for name, sign in (("updated_after", ">"), ("updated_before", "<")):
        moment = params.moment(given, name)
        if moment is not None:
            where.append(f"CAST(updated AS INTEGER) {sign} ?")
            values.append(moment)

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
    return {
        "name": "Standard",
        "reference_id": "std_profile",
        "handling_time_days": 2,
        "price": _money("shipping_minor")(node),
        "calculated_tax": _money("shipping_tax_minor")(node),
        "estimated_shipping_time": {"min_days": 3, "max_days": 6},
    }


def _payment_details(call: Call, node: Node, given: Params) -> dict[str, Any]:
    doc = node.doc
    total = from_minor(doc["items_minor"] + doc["shipping_minor"] + doc["tax_minor"], doc["currency"])
    return {
        "subtotal": {"items": _money("items_minor")(node), "shipping": _money("shipping_minor")(node)},
        "tax": _money("tax_minor")(node),
        "total_amount": total,
        "tax_remitted": True,
        "facebook_paid_amount": from_minor(0, doc["currency"]),
        "buyer_paid_amount": total,
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
    doc |= {"currency": order.doc["currency"], "created": order.doc["created"]}
    return Node("CommerceOrderItem", row["id"], doc, order.asset, order.meter)


def _load_line(world: World, node_id: str) -> Node | None:
    row = one(world.db, "SELECT * FROM order_lines WHERE id = ?", node_id)
    order = None if row is None else load_order(world, row["order_id"])
    return None if order is None else _line_node(order, row)


def _lines(call: Call, node: Node, given: Params, window: Window) -> Rows:
    return listed([_line_node(node, row) for row in order_book.lines_of(call.world, node.id)], window)


def _tax(call: Call, node: Node, given: Params) -> dict[str, Any]:
    captured = node.doc["tax_minor"] * node.doc["fulfilled"] // node.doc["quantity"]
    return {
        "estimated_tax": from_minor(node.doc["tax_minor"], node.doc["currency"]),
        "captured_tax": {"total_tax": from_minor(captured, node.doc["currency"])},
    }


def _refundable(call: Call, node: Node, given: Params) -> dict[str, str]:
    return from_minor(node.doc["price_minor"] * node.doc["fulfilled"], node.doc["currency"])


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
    "selected_shipping_option": lambda call, node, given: {"name": "Standard", "reference_id": "std_profile"},
    "ship_by": lambda call, node, given: When(node.doc["created"] + 5 * 86_400, order_form=True),
    "promotion_details": lambda call, node, given: None,
}


def _records(kind: str, type_name: str) -> Any:
    """Shipments, cancellations, refunds, payments, returns: records hanging on the order."""

    def rows(call: Call, node: Node, given: Params, window: Window) -> Rows:
        docs = call.world.nodes_of(kind, node.id)
        return listed([Node(type_name, doc["id"], doc, node.asset, node.meter) for doc in docs], window)

    return rows


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
    _install_records(schema)


def _install_records(schema: Schema) -> None:
    kinds = {
        "shipments": ("shipment", "items tracking_info", "external_shipment_id"),
        "cancellations": ("cancellation", "items cancel_reason", ""),
        "refunds": ("refund", "items refund_amount refund_reason", ""),
        "payments": ("payment", "payment_type amount", "transaction_details"),
        "returns": ("return", "return_status", "return_message merchant_return_id"),
        "promotion_details": ("promotion", "applied_amount", "coupon_code target_granularity sponsor campaign_name"),
        "promotions": ("reimbursement", "amount", ""),
    }
    for edge, (kind, defaults, others) in kinds.items():
        type_name = f"CommerceOrder{kind.capitalize()}"
        fields = doc_fields(f"{defaults} {others}")
        loaded = NodeType(type_name, lambda world, node_id: None, fields, tuple(defaults.split()), PAGES, READ_ORDERS)
        schema.types[type_name] = loaded
        schema.add(Edge("CommerceOrder", edge, type_name, _records(kind, type_name), scope=READ_ORDERS))
