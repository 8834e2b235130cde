"""Loaders over commands."""

from __future__ import annotations

from strawberry.dataloader import DataLoader

from gateway.access.models import Caller
from gateway.commands import store
from gateway.commands.models import Command
from gateway.db import Database


def command_loader(db: Database, caller: Caller) -> DataLoader[str, Command | None]:
    """Commands by our id; those of foreign shops are absent."""

    async def load(keys: list[str]) -> list[Command | None]:
        rows = {row.id: row.to_model() for row in await db.read(store.get_commands, keys, caller.shops)}
        return [rows.get(key) for key in keys]

    return DataLoader(load_fn=load)
