"""Loaders over orders."""

from __future__ import annotations

from strawberry.dataloader import DataLoader

from gateway.access.models import Caller
from gateway.db import Database
from gateway.orders import store
from gateway.orders.store import OrderRow


def order_loader(db: Database, caller: Caller) -> DataLoader[str, OrderRow | None]:
    """Orders by our id; those of foreign shops are absent."""

    async def load(keys: list[str]) -> list[OrderRow | None]:
        rows = {row.id: row for row in await db.read(store.get_many, keys, caller.shops)}
        return [rows.get(key) for key in keys]

    return DataLoader(load_fn=load)
