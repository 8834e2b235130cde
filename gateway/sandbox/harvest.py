"""From the payments on orders to the ledger: every capture and refund becomes a transaction, once.

Source: payments.md section 3.  The rows of `transaction_details` are taken as they stand on the order, so both reports
agree to the cent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.sandbox import ledger
from gateway.sandbox.money import to_minor
from gateway.sandbox.world import World

_FROM = "FROM nodes JOIN orders ON orders.id = nodes.owner WHERE nodes.type = 'payment' AND orders.cms = ?"
_PAYMENTS = f"SELECT nodes.id, nodes.owner, nodes.doc, nodes.created {_FROM} ORDER BY nodes.created, nodes.id"
_STATE = f"SELECT COUNT(*), TOTAL(LENGTH(nodes.doc)) {_FROM}"
"""Payments only ever grow, so their number and length tell whether there is something new."""


def collect(world: World, account: Mapping[str, Any]) -> None:
    """Enter what the orders of a shop captured and gave back since the last look."""
    state = list(world.db.execute(_STATE, (account["id"],)).fetchone())
    if account.get("harvested") == state:
        return
    for row in world.db.execute(_PAYMENTS, (account["id"],)).fetchall():
        payment = json.loads(row["doc"])
        details, items = payment.get("transaction_details") or {}, payment.get("items") or {}
        units = {item["id"]: int(item["quantity"]) for item in items.get("data") or []}
        for position, entry in enumerate(details.get("data") or []):
            source = f"{row['id']}:{position}"
            if not ledger.known(world, source):
                _enter(world, account, row["owner"], entry, source, float(row["created"]), units)
    world.change_node(account["id"], harvested=state)


def _enter(
    world: World,
    account: Mapping[str, Any],
    order_id: str,
    entry: Mapping[str, Any],
    source: str,
    created: float,
    units: Mapping[str, int],
) -> None:
    ledger.record(
        world,
        account,
        str(entry["transaction_type"]),
        _minor(entry.get("net_payment_amount"), account["currency"]),
        fee=_minor(entry.get("processing_fee"), account["currency"]),
        order_id=order_id,
        at=_moment(entry.get("transaction_date"), created),
        source=source,
        doc=ledger.document(world, order_id, units or None),
    )


def _minor(money: Any, currency: str) -> int:
    return 0 if not isinstance(money, dict) else to_minor(money["amount"], currency) or 0


def _moment(value: Any, default: float) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else default
