"""Transactions and payouts of a shop, on its Page and on its commerce account alike.  Read-only.

Source: payments.md sections 4 to 6.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.sandbox import harvest, ledger, params
from gateway.sandbox.commerce.orders import load_order
from gateway.sandbox.errors import invalid
from gateway.sandbox.money import from_minor
from gateway.sandbox.paging import keyset
from gateway.sandbox.params import Params
from gateway.sandbox.schema import (
    Call,
    Edge,
    Link,
    Node,
    NodeType,
    PlainEdge,
    Reader,
    Rows,
    Schema,
    When,
    Window,
    doc_fields,
)
from gateway.sandbox.storage import one
from gateway.sandbox.usage import PAGES
from gateway.sandbox.world import World

READ_REPORTS = "commerce_account_read_reports"
TRANSACTION, PAYOUT = "CommerceOrderTransactionDetail", "CommercePayout"


def _account(call: Call, node: Node) -> dict[str, Any]:
    """The shop asked about, with everything paid out that was due."""
    account = call.world.find_node(node.doc["account"] if node.type == "Page" else node.id, "account")
    assert account is not None
    harvest.collect(call.world, account)
    ledger.settle_payouts(call.world, account)
    return account


def _span(given: Params, column: str) -> tuple[list[str], list[Any]]:
    start, end = params.moment(given, "start_time"), params.moment(given, "end_time")
    if start is not None and end is not None and start > end:
        raise invalid("Param start_time must not be later than end_time")
    bounds = ((">=", start), ("<=", end))
    # Times are shown in whole seconds, so they are compared so.
    where = [f"CAST({column} AS INTEGER) {sign} ?" for sign, bound in bounds if bound is not None]
    return where, [bound for _, bound in bounds if bound is not None]


def _rows(
    call: Call, table: str, where: list[str], values: list[Any], rising: bool, window: Window, node: Node, kind: str
) -> Rows:
    def total() -> int:
        row = one(call.world.db, f"SELECT COUNT(*) AS n FROM {table} WHERE {' AND '.join(where)}", *values)
        assert row is not None
        return int(row["n"])

    def build(row: Any) -> tuple[list[Any], Node]:
        return [row["at"], row["id"]], Node(kind, row["id"], dict(row), node.asset, node.meter)

    order = [("at", rising), ("id", rising)]
    return Rows(keyset(call.world, f"SELECT * FROM {table}", where, values, order, window, build), total)


def _transactions(call: Call, node: Node, given: Params, window: Window) -> Rows:
    account = _account(call, node)
    where, values = _span(given, "at")
    where, values = ["account = ?", *where], [account["id"], *values]
    reference = params.text(given, "payout_reference_id")
    if reference:
        where.append("payout IN (SELECT id FROM payouts WHERE account = ? AND reference = ?) AND stamped <= ?")
        values += [account["id"], reference, call.now]
    return _rows(call, "transactions", where, values, True, window, node, TRANSACTION)


def _payouts(call: Call, node: Node, given: Params, window: Window) -> Rows:
    account = _account(call, node)
    where, values = _span(given, "at")
    return _rows(
        call, "payouts", ["account = ?", *where], [account["id"], *values], False, window, node, PAYOUT
    )  # fmt: skip


def _money(name: str) -> Reader:
    return lambda call, node, given: from_minor(node.doc[name], node.doc["currency"])


def _when(name: str) -> Reader:
    return lambda call, node, given: When(node.doc[name], order_form=True)


def _of_payout(name: str) -> Reader:
    """A value of the payout that a transaction belongs to, once the transaction is stamped."""

    def read(call: Call, node: Node, given: Params) -> Any:
        if node.doc["payout"] is None or node.doc["stamped"] > call.now:
            return None
        row = one(call.world.db, f"SELECT {name} AS value FROM payouts WHERE id = ?", node.doc["payout"])
        return None if row is None else row["value"]

    return read


def _transfer(call: Call, node: Node, given: Params) -> Any:
    # Refunds move no money to the seller and show no transfer.
    return None if node.doc["kind"] == ledger.REFUND else _of_payout("transfer")(call, node, given)


def _order(call: Call, node: Node, given: Params) -> Link:
    order_id = node.doc["order_id"]
    order = None if order_id is None else load_order(call.world, order_id)
    return Link(order, ("order_status", "created", "last_updated"))


def _of_order(name: str) -> Reader:
    def read(call: Call, node: Node, given: Params) -> Any:
        order = None if node.doc["order_id"] is None else load_order(call.world, node.doc["order_id"])
        return None if order is None else order.doc[name]

    return read


def _order_created(call: Call, node: Node, given: Params) -> When | None:
    created = _of_order("created")(call, node, given)
    return None if created is None else When(created, order_form=True)


def _details(node: Node) -> dict[str, Any]:
    details: dict[str, Any] = json.loads(node.doc["doc"])
    return details


def _detail(name: str) -> Reader:
    return lambda call, node, given: _details(node).get(name)


def _rate(call: Call, node: Node, given: Params) -> str | None:
    return ";".join(_details(node).get("rates") or []) or None


def _taxes(rows: list[dict[str, Any]], currency: str) -> list[dict[str, Any]]:
    return [
        {name: row[name] for name in ("tax_category", "jurisdiction", "imposition")}
        | {"item_tax_rate": f"{row['percent']}%", "item_tax_amount": from_minor(row["tax"], currency)}
        for row in rows
    ]


def _items(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    currency = node.doc["currency"]
    return [
        {name: item[name] for name in ("id", "product_id", "product_name", "quantity")}
        | {
            "price_per_unit": from_minor(item["price"], currency),
            "tax_details": {"data": _taxes(item["taxes"], currency)},
            "selected_shipping_option": {
                "name": "Standard",
                "estimated_shipping_time": {"min_days": 3, "max_days": 6},
            },
        }
        for item in _details(node).get("items") or []
    ]


def _tax_details(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    items = _details(node).get("items") or []
    return [row for item in items for row in _taxes(item["taxes"], node.doc["currency"])]


def _absent(world: World, node_id: str) -> None:
    """Rows of these edges cannot be read one by one."""
    return


TRANSACTION_FIELDS: dict[str, Reader] = {
    "transaction_type": lambda call, node, given: node.doc["kind"],
    "transaction_date": _when("at"),
    "order_details": _order,
    "transfer_id": _transfer,
    "processing_fee": _money("fee"),
    "net_payment_amount": _money("net"),
    "tax_rate": _rate,
    "payout_reference_id": _of_payout("reference"),
    "order_id": lambda call, node, given: node.doc["order_id"],
    "merchant_order_id": _of_order("reference"),
    "order_created": _order_created,
    "state": _detail("state"),
    "postal_code": _detail("postal_code"),
}
TRANSACTION_DEFAULTS = (
    "transaction_type", "transaction_date", "order_details", "processing_fee", "net_payment_amount", "tax_rate",
)  # fmt: skip


def install(schema: Schema) -> None:
    payout_fields = doc_fields("status") | {
        "amount": _money("amount"),
        "payout_date": _when("at"),
        "payout_reference_id": lambda call, node, given: node.doc["reference"],
        "transfer_id": lambda call, node, given: node.doc["transfer"],
    }
    payout_defaults = ("amount", "payout_date", "payout_reference_id", "status")
    schema.types[PAYOUT] = NodeType(PAYOUT, _absent, payout_fields, payout_defaults, PAGES, READ_REPORTS)
    schema.types[TRANSACTION] = NodeType(
        TRANSACTION, _absent, TRANSACTION_FIELDS, TRANSACTION_DEFAULTS, PAGES, READ_REPORTS
    )
    for owner in ("CommerceMerchantSettings", "Page"):
        span = ("start_time", "end_time")
        filters = ("payout_reference_id", *span)
        schema.add(
            Edge(owner, "commerce_transactions", TRANSACTION, _transactions, filters, scope=READ_REPORTS),
            Edge(owner, "commerce_payouts", PAYOUT, _payouts, span, scope=READ_REPORTS),
        )
    schema.add(PlainEdge(TRANSACTION, "items", _items), PlainEdge(TRANSACTION, "tax_details", _tax_details))
