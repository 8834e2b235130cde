"""Loaders over items: one query for all that a level of an answer needs."""

from __future__ import annotations

from strawberry.dataloader import DataLoader

from gateway.catalog import store
from gateway.catalog.store import ItemRow
from gateway.db import Database


def item_loader(db: Database) -> DataLoader[str, ItemRow | None]:
    """Items by our id."""

    async def load(keys: list[str]) -> list[ItemRow | None]:
        rows = {row.id: row for row in await db.read(store.get_many, keys)}
        return [rows.get(key) for key in keys]

    return DataLoader(load_fn=load)


def items_by_retailer_id_loader(db: Database) -> DataLoader[tuple[str, str], ItemRow | None]:
    """Items by (catalog, retailer id)."""

    async def load(keys: list[tuple[str, str]]) -> list[ItemRow | None]:
        rows = await db.read(store.by_retailer_ids, keys)
        return [rows.get(key) for key in keys]

    return DataLoader(load_fn=load)


def group_loader(db: Database) -> DataLoader[tuple[str, str], list[ItemRow]]:
    """The items of a (catalog, group)."""

    async def load(keys: list[tuple[str, str]]) -> list[list[ItemRow]]:
        rows = await db.read(store.by_groups, keys)
        return [rows.get(key, []) for key in keys]

    return DataLoader(load_fn=load)
