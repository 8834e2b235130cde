"""How far each lane of a shop is behind, and why."""

from __future__ import annotations

from collections.abc import Collection

from gateway.access.models import Caller
from gateway.catalog import store
from gateway.db import Database
from gateway.kit.clock import Clock
from gateway.shops.service import ShopService
from gateway.sync.models import Freshness, Lane, judge
from gateway.sync.service import SyncService


class FreshnessService:
    """Freshness of lanes, from the schedules and the item ledger."""

    def __init__(self, db: Database, clock: Clock, shops: ShopService, sync: SyncService) -> None:
        self._db = db
        self._clock = clock
        self._shops = shops
        self._sync = sync

    async def of_shops(self, caller: Caller, shop_ids: Collection[str]) -> dict[str, list[Freshness]]:
        """Per shop, one entry for each of its lanes."""
        shops = await self._shops.get_many(caller, shop_ids)
        schedules = await self._sync.schedules(list(shops))
        catalogs = {shop.catalog_id for shop in shops.values() if shop.catalog_id}
        pending = await self._db.read(store.oldest_pending, catalogs)
        now = self._clock.now()
        found: dict[str, list[Freshness]] = {shop_id: [] for shop_id in shops}
        for schedule in schedules:
            shop = shops[schedule.shop_id]
            volatile, stable = pending.get(shop.catalog_id or "", (None, None))
            oldest = {Lane.VOLATILE: volatile, Lane.DELTA: stable, Lane.ORDERS: None}[schedule.lane]
            found[schedule.shop_id].append(judge(schedule, oldest, now, shop.linked_at))
        return found
