"""Orders of a world: placed by buyers, released by Meta, acknowledged by the seller, cancelled by either.

Source: orders.md section 3 (states and transitions), 7 and 8 (shapes).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.sandbox import ids
from gateway.sandbox.storage import one
from gateway.sandbox.world import World

HELD, CREATED, IN_PROGRESS, COMPLETED = STATES = ("FB_PROCESSING", "CREATED", "IN_PROGRESS", "COMPLETED")
TAX_PERCENT = 8
SHIPPING_MINOR = 600


@dataclass(frozen=True)
class NewLine:
    retailer_id: str
    product_id: str
    name: str
    quantity: int
    price_minor: int


@dataclass(frozen=True)
class Buyer:
    first_name: str
    last_name: str
    street: str
    city: str
    state: str
    postal_code: str
    country: str


def place(
    world: World,
    account: dict[str, Any],
    lines: Iterable[NewLine],
    buyer: Buyer,
    *,
    state: str = HELD,
    at: float | None = None,
    channel: str = "facebook",
    is_test: bool = False,
) -> str:
    """A buyer checks out; the order waits in remorse unless *state* says it is past that."""
    order_id = world.new_id(ids.ORDER)
    rows = list(lines)
    created = world.now() if at is None else at
    held_until = created + world.config.remorse_seconds
    updated = created if state == HELD else min(held_until, max(world.now(), created))
    items = sum(line.quantity * line.price_minor for line in rows)
    line_taxes = [_percent(line.quantity * line.price_minor) for line in rows]
    doc = {
        "currency": account["currency"],
        "channel": channel,
        "is_test": is_test,
        "buyer": vars(buyer),
        "mail": f"{buyer.first_name[:1]}{buyer.last_name}{order_id[-6:]}".lower() + "@marketplace.facebook.com",
        "remarketing": world.rng.random() < 0.3,
        "ship_by_date": (datetime.fromtimestamp(created, UTC) + timedelta(days=5)).date().isoformat(),
        "items_minor": items,
        "shipping_minor": SHIPPING_MINOR,
        "shipping_tax_minor": _percent(SHIPPING_MINOR),
        "tax_minor": sum(line_taxes) + _percent(SHIPPING_MINOR),
        "reference": None,
    }
    world.db.execute(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?)",
        (
            order_id,
            account["id"],
            state,
            created,
            updated,
            held_until if state == HELD else None,
            sum(line.quantity for line in rows),
            json.dumps(doc),
        ),
    )
    line_ids = world.new_ids(ids.LINE, len(rows))
    world.db.executemany(
        "INSERT INTO order_lines VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?)",
        [
            (
                line_id,
                order_id,
                position,
                line.retailer_id,
                line.product_id,
                line.quantity,
                line.quantity,
                json.dumps({"name": line.name, "price_minor": line.price_minor, "tax_minor": tax}),
            )
            for position, (line_id, line, tax) in enumerate(zip(line_ids, rows, line_taxes, strict=True))
        ],
    )
    return order_id


def _percent(minor: int) -> int:
    return (minor * TAX_PERCENT + 50) // 100


def find(world: World, order_id: str) -> sqlite3.Row | None:
    return one(world.db, "SELECT * FROM orders WHERE id = ?", order_id)


def lines_of(world: World, order_id: str) -> list[sqlite3.Row]:
    return world.db.execute("SELECT * FROM order_lines WHERE order_id = ? ORDER BY position", (order_id,)).fetchall()


def release_order(world: World, order_id: str, at: float) -> None:
    """Checks and remorse are over: wait for the seller's app, or go on without one."""
    row = find(world, order_id)
    assert row is not None
    account = world.find_node(row["cms"], "account")
    state = CREATED if account and account.get("app_associated") else IN_PROGRESS
    move(world, order_id, state, at)


def move(world: World, order_id: str, state: str, at: float) -> None:
    world.db.execute("UPDATE orders SET state = ?, updated = ?, release_at = NULL WHERE id = ?", (state, at, order_id))


def acknowledge(world: World, row: sqlite3.Row, reference: str | None, at: float) -> None:
    """The seller takes the order over; the reference cannot be changed later."""
    doc = json.loads(row["doc"])
    if reference is not None:
        doc["reference"] = reference
    world.db.execute("UPDATE orders SET doc = ? WHERE id = ?", (json.dumps(doc), row["id"]))
    move(world, row["id"], IN_PROGRESS, at)
