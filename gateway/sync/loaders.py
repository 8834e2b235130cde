"""Loaders over sync runs."""

from __future__ import annotations

from strawberry.dataloader import DataLoader

from gateway.access.models import Caller
from gateway.db import Database
from gateway.sync import store
from gateway.sync.models import SyncRun


def run_loader(db: Database, caller: Caller) -> DataLoader[str, SyncRun | None]:
    """Runs by our id; those of foreign shops are absent."""

    async def load(keys: list[str]) -> list[SyncRun | None]:
        rows = {row.id: row.to_model() for row in await db.read(store.get_runs, keys, caller.shops)}
        return [rows.get(key) for key in keys]

    return DataLoader(load_fn=load)
