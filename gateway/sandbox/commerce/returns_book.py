"""Returns of a world: asked for by buyers or entered by sellers, approved, refused, refunded, closed.

Source: orders.md section 13.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from gateway.sandbox.commerce.order_desk import Order
from gateway.sandbox.errors import invalid
from gateway.sandbox.storage import one
from gateway.sandbox.world import World

RETURN = "83"
REQUESTED, APPROVED, DISAPPROVED, REFUNDED, CLOSED = STATUSES = (
    "REQUESTED", "APPROVED", "DISAPPROVED", "REFUNDED", "MERCHANT_MARKED_COMPLETED",
)  # fmt: skip
NEXT = {REQUESTED: (APPROVED, DISAPPROVED), APPROVED: (CLOSED,)}
"""Where a seller can take a return; a refund that names it takes it from approved to refunded."""


def enter(
    world: World,
    order: Order,
    units: Mapping[str, int],
    reasons: Mapping[str, str],
    at: float,
    *,
    message: str | None = None,
    merchant_return_id: str | None = None,
    status: str = REQUESTED,
) -> str:
    """A new return of shipped units.

    Raises:
        GraphError: more units than were shipped and are not in another return.
    """
    asked: dict[str, int] = {}
    for row in of_order(world, order.id):
        if row["status"] != DISAPPROVED:
            for line_id, count in json.loads(row["doc"])["units"].items():
                asked[line_id] = asked.get(line_id, 0) + count
    for line in order.lines:
        if asked.get(line.id, 0) + units.get(line.id, 0) > line.fulfilled:
            raise invalid(f"Param items: {line.id} has fewer shipped units left to return")
    return_id = world.new_id(RETURN)
    doc = {"units": dict(units), "reasons": dict(reasons), "message": message, "merchant_return_id": merchant_return_id}
    values = (return_id, order.id, order.account["id"], status, at, json.dumps(doc))
    world.db.execute("INSERT INTO returns VALUES (?, ?, ?, ?, ?, ?)", values)
    return return_id


def find(world: World, return_id: str) -> sqlite3.Row | None:
    return one(world.db, "SELECT * FROM returns WHERE id = ?", return_id)


def of_order(world: World, order_id: str) -> list[sqlite3.Row]:
    return world.db.execute("SELECT * FROM returns WHERE order_id = ? ORDER BY id", (order_id,)).fetchall()


def decide(world: World, return_id: str, status: str, **changes: Any) -> None:
    """Set the status, and what the seller said with it."""
    row = find(world, return_id)
    assert row is not None
    doc = json.loads(row["doc"]) | {name: value for name, value in changes.items() if value is not None}
    world.db.execute("UPDATE returns SET status = ?, doc = ? WHERE id = ?", (status, json.dumps(doc), return_id))


def refundable_return(world: World, order_id: str, return_id: str) -> None:
    """Check that a refund may name this return.

    Raises:
        GraphError: it is of another order, or its status does not allow it.
    """
    row = find(world, return_id)
    if row is None or row["order_id"] != order_id:
        raise invalid(f"Param return_id: {return_id} is no return of this order")
    if row["status"] != APPROVED:
        raise invalid(f"A return in status {row['status']} cannot be refunded")


def mark_refunded(world: World, return_id: str) -> None:
    decide(world, return_id, REFUNDED)
