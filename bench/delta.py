"""What a delta costs beside a full sync: 1,000 changes in catalogs of different sizes.

Local CPU only: claiming items into dispatches and building what is sent.  Sending is Meta's business, and is the same
for the same number of batches.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import Session

from gateway.catalog.batches import ItemBatchCourier
from gateway.catalog.models import Channel
from gateway.catalog.store import ItemRow, claim_items
from gateway.catalog.writing import ItemWrite, write_items
from gateway.commands.store import DispatchRow
from gateway.db import Database
from gateway.kit.clock import SystemClock
from gateway.kit.ids import new_id

CATALOG = "110200300400504"
CHANGES = 1000
BATCH = 3000
SIZES = (10_000, 100_000)


def _write(number: int, title: str) -> ItemWrite:
    values = {
        "title": title,
        "description": "A stoneware mug, glazed, dishwasher safe, 350 ml.",
        "availability": "in stock",
        "price": "14.50 USD",
        "quantity": 5,
        "link": f"https://shop.example.com/p/{number}",
        "imageLink": f"https://cdn.example.com/{number}.jpg",
        "brand": "Kiln",
    }
    return ItemWrite(f"SKU-{number:07}", values)


def _send_all(db: Database, courier: ItemBatchCourier) -> tuple[int, int]:
    """Claim and build until nothing is due; returns (items, batches)."""
    items = batches = 0

    def step(session: Session) -> int:
        dispatch = DispatchRow(
            id=new_id(), shop_id="s", kind=courier.kind, priority="DELTA", state="WAITING", meta_key="k",
            created_at=SystemClock().now(), due_at=SystemClock().now(),
            details={"catalog": CATALOG, "channel": Channel.STABLE.value},
        )  # fmt: skip
        size = claim_items(session, CATALOG, Channel.STABLE.value, dispatch.id, BATCH)
        if size:
            session.add(dispatch)
            courier.load(session, dispatch)
            # As if it had been confirmed.
            session.execute(
                sa.update(ItemRow).where(ItemRow.dispatch_id == dispatch.id).values(dispatch_id=None, live=True)  # type: ignore[arg-type]
            )
        return size

    while size := db.write_now(step):
        items += size
        batches += 1
    return items, batches


def measure(size: int) -> tuple[float, float]:
    """CPU seconds of (a full sync, a delta of 1,000 changes) at *size* items."""
    courier = ItemBatchCourier(SystemClock())
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{Path(folder) / 'bench.sqlite3'}")
        db.migrate()
        for start in range(0, size, 1000):
            rows = [_write(number, "Stoneware mug") for number in range(start, start + 1000)]
            db.write_now(write_items, CATALOG, rows, SystemClock().now())
        started = time.process_time()
        full, _ = _send_all(db, courier)
        full_s = time.process_time() - started
        step = size // CHANGES
        changed = [_write(number * step, "Stoneware mug, new glaze") for number in range(CHANGES)]
        db.write_now(write_items, CATALOG, changed, SystemClock().now())
        started = time.process_time()
        sent, batches = _send_all(db, courier)
        delta_s = time.process_time() - started
        again, _ = _send_all(db, courier)
        assert (full, sent, batches, again) == (size, CHANGES, 1, 0)
        db.close()
    return full_s, delta_s


async def main() -> None:
    """Print the ratios."""
    print(f"delta of {CHANGES} changes, SQLite; CPU of claiming and building")
    deltas: dict[int, float] = {}
    for size in SIZES:
        full_s, delta_s = await asyncio.to_thread(measure, size)
        deltas[size] = delta_s
        print(
            f"  {size:>9,} items: delta / full = {delta_s / full_s:.4f}   (full {full_s:.2f} s, delta {delta_s:.3f} s)"
        )
    small, large = SIZES
    print(f"  delta at {large:,} / delta at {small:,} = {deltas[large] / deltas[small]:.2f}")
