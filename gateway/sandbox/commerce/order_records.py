"""What hangs on an order and is only read: shipments, cancellations, refunds, payments, discounts, reimbursements.

Source: orders.md sections 10 to 12, payments.md section 3, promotions.md sections 2 and 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from gateway.sandbox.commerce import order_desk
from gateway.sandbox.money import from_minor
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, PlainEdge, Reader, Rows, Schema, Window, doc_fields
from gateway.sandbox.usage import PAGES

_WHOLE_AMOUNT = re.compile(r"refund_amount\s*(\{|\.fields\()")


def shown_promotion(row: dict[str, Any], currency: str) -> dict[str, Any]:
    """One `promotion_details` row; what a discount does not have is left out."""
    shown = {
        "promotion_id": row["promotion_id"],
        "retailer_id": row["retailer_id"],
        "campaign_name": row["campaign_name"],
        "coupon_code": row["coupon_code"],
        "applied_amount": from_minor(row["applied"], currency),
        "target_granularity": row["granularity"],
        "sponsor": row["sponsor"],
        "applied_after_tax": row["after_tax"],
    }
    return {name: value for name, value in shown.items() if value is not None}


def summed(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each promotion, its amounts added up."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        before = found.get(row["promotion_id"])
        found[row["promotion_id"]] = row | {"applied": row["applied"] + (before["applied"] if before else 0)}
    return list(found.values())


def _promotions_of_order(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    order = order_desk.take(call.world, node.id)
    rows = [row for line in order.lines for row in line.doc.get("promotions", [])]
    rows += order.doc.get("shipping_promotions", [])
    return [shown_promotion(row, order.currency) for row in summed(rows)]


def _promotions_of_line(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    return [shown_promotion(row, node.doc["currency"]) for row in node.doc.get("promotions", [])]


def _reimbursements(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    docs = call.world.nodes_of("reimbursement", node.id)
    return [{"reason": doc["reason"], "value": doc["value"]} for doc in docs]


def _records(kind: str, type_name: str) -> Callable[[Call, Node, Params, Window], Rows]:
    def rows(call: Call, node: Node, given: Params, window: Window) -> Rows:
        # A payment that is still being captured cannot be seen yet.
        docs = [doc for doc in call.world.nodes_of(kind, node.id) if doc.get("captured_at", 0) <= call.now]
        return listed([Node(type_name, doc["id"], doc, node.asset, node.meter) for doc in docs], window)

    return rows


def _items(call: Call, node: Node, given: Params) -> dict[str, Any]:
    """Lines of a record; allocations of discounts only where they are asked for by name."""
    data: list[dict[str, Any]] = node.doc["items"]["data"]
    if "promotion_allocations" not in str(call.params.get("fields")):
        data = [{key: value for key, value in row.items() if key != "promotion_allocations"} for row in data]
    return {"data": data}


def _refund_amount(call: Call, node: Node, given: Params) -> dict[str, Any]:
    """Amount and currency; the parts of it only where the field is expanded."""
    whole: dict[str, Any] = node.doc["refund_amount"]
    if _WHOLE_AMOUNT.search(str(call.params.get("fields"))):
        return whole
    return {name: whole[name] for name in ("amount", "currency")}


def install(schema: Schema, scope: str) -> None:
    items: dict[str, Reader] = {"items": _items}
    kinds: dict[str, tuple[str, str, dict[str, Reader]]] = {
        "shipments": ("items tracking_info", "external_shipment_id", items),
        "cancellations": ("items cancel_reason", "", items),
        "refunds": ("items refund_amount refund_reason", "", items | {"refund_amount": _refund_amount}),
        "payments": ("subtotal tax tax_remitted total_amount shipments transaction_details", "items", items),
    }
    for edge, (defaults, others, readers) in kinds.items():
        kind = edge.removesuffix("s")
        name = f"CommerceOrder{kind.capitalize()}"
        fields = doc_fields(f"{defaults} {others}") | readers
        # A record is reached through its order only: it has an id, but no address of its own.
        schema.types[name] = NodeType(name, lambda world, _: None, fields, tuple(defaults.split()), PAGES, scope)
        schema.add(Edge("CommerceOrder", edge, name, _records(kind, name), scope=scope))
    schema.add(
        PlainEdge("CommerceOrder", "promotion_details", _promotions_of_order, scope=scope),
        PlainEdge("CommerceOrder", "promotions", _reimbursements, scope=scope),
        PlainEdge("CommerceOrderItem", "promotion_details", _promotions_of_line, scope=scope),
    )
