"""Bring a world up to its clock: batches that are due finish, held orders are released, each at its own moment.

Runs before every call, so nothing has to tick in the background.
"""

from __future__ import annotations

from gateway.sandbox.catalog_batches import finish_batch
from gateway.sandbox.order_book import release_order
from gateway.sandbox.world import World

_DUE = (
    "SELECT finishes AS at, 0 AS kind, handle AS id FROM batches WHERE done = 0 AND finishes <= :now "
    "UNION ALL SELECT release_at, 1, id FROM orders WHERE release_at IS NOT NULL AND release_at <= :now "
    "ORDER BY 1, 2, 3"
)


def settle(world: World) -> None:
    """Let everything happen that was due by now, in the order of time."""
    due = world.db.execute(_DUE, {"now": world.now()}).fetchall()
    if not due:
        return
    with world.transaction():
        for row in due:
            if row["kind"] == 0:
                finish_batch(world, row["id"])
            else:
                release_order(world, row["id"], row["at"])
