"""How much of Meta's quota a shop has left, and when what waits will be through."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from gateway.access.models import Caller
from gateway.catalog import store
from gateway.db import Database
from gateway.graph.budget import Bucket, Budget, Level
from gateway.shops.models import Shop
from gateway.shops.service import ShopService


@dataclass(frozen=True, slots=True)
class Quota:
    """The buckets of a shop, and its backlog: items that wait, the calls they take, and the time those take."""

    buckets: list[tuple[Bucket, Level]]
    items: int
    calls: int
    drain_s: int


class QuotaService:
    """Reads budgets and backlogs."""

    def __init__(
        self,
        db: Database,
        shops: ShopService,
        budget: Budget,
        *,
        app_id: str,
        batch_items: int,
        batches_per_hour: int,
    ) -> None:
        self._db = db
        self._shops = shops
        self._budget = budget
        self._app_id = app_id
        self._batch_items = batch_items
        self._batches_per_hour = batches_per_hour

    async def of_shops(self, caller: Caller, shop_ids: Collection[str]) -> dict[str, Quota]:
        """Per shop, its buckets and its backlog."""
        shops = await self._shops.get_many(caller, shop_ids)
        buckets = {shop.id: self._buckets(shop) for shop in shops.values()}
        levels = await self._budget.levels(bucket for own in buckets.values() for bucket in own)
        due = await self._db.read(store.count_due, {shop.catalog_id for shop in shops.values() if shop.catalog_id})
        found = {}
        for shop in shops.values():
            items = due.get(shop.catalog_id or "", 0)
            calls = math.ceil(items / self._batch_items)
            # Calls beyond this hour's allowance wait for the next one.
            drain_s = (calls - 1) // self._batches_per_hour * 3600 if calls else 0
            found[shop.id] = Quota([(bucket, levels[bucket]) for bucket in buckets[shop.id]], items, calls, drain_s)
        return found

    def _buckets(self, shop: Shop) -> list[Bucket]:
        buckets = [Bucket(self._app_id, "app")]
        if shop.catalog_id:
            buckets += [Bucket(shop.catalog_id, "catalog_batch"), Bucket(shop.catalog_id, "catalog_management")]
        if shop.has_orders:
            buckets.append(Bucket(shop.page_id or shop.meta_id, "pages"))
        return buckets
