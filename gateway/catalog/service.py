"""Catalogs: take in what partners want, and let the lanes carry it to Meta.

Source of the lanes' rules: Catalog > "Sync duties" of the Shops integration quality bar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlmodel import Session

from gateway.access.models import Caller, Scope
from gateway.catalog import store
from gateway.catalog.batches import KIND, ItemBatchCourier, batches_since
from gateway.catalog.errors import ItemRefused, NoCatalog
from gateway.catalog.models import Channel, FieldProblem
from gateway.catalog.writing import ItemWrite, Mode, Written, delete_items, write_items
from gateway.commands import store as commands
from gateway.commands.service import CommandService
from gateway.db import Database
from gateway.errors import InvalidInput
from gateway.graph.budget import Priority
from gateway.graph.errors import GraphThrottled
from gateway.kit.clock import Clock
from gateway.kit.digest import digest_of
from gateway.kit.ids import new_id
from gateway.shops.models import Shop
from gateway.shops.service import ShopService
from gateway.sync.models import Lane, Trigger
from gateway.sync.service import SyncService

ITEMS_PER_MUTATION = 1000
VOLATILE_SHARE = 0.2
HOURLY_LOOK_S = 300


@dataclass(frozen=True, slots=True)
class WriteResult:
    """Rows that were written (or were so already), and what was refused."""

    item_ids: list[str]
    refused: list[ItemRefused]
    counts: dict[str, int]


class CatalogService:
    """Desired state of items, and the two lanes that send it."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        shops: ShopService,
        commands: CommandService,
        sync: SyncService,
        *,
        batch_items: int,
        batches_per_hour: int,
    ) -> None:
        self._db = db
        self._clock = clock
        self._shops = shops
        self._commands = commands
        self._sync = sync
        self._batch_items = batch_items
        self._batches_per_hour = batches_per_hour
        commands.register(ItemBatchCourier(clock))
        sync.register(Lane.VOLATILE, self.send_volatile)
        sync.register(Lane.DELTA, self.send_delta)

    # --- desired state -------------------------------------------------------------------------------------------

    async def upsert(
        self,
        caller: Caller,
        shop_id: str,
        writes: Sequence[ItemWrite],
        *,
        key: str | None = None,
        mutation: str = "productsUpsert",
        mode: Mode = "upsert",
        dry_run: bool = False,
    ) -> WriteResult:
        """Write items; each one that cannot be taken is refused with its field and remedy, the others are committed.

        Raises:
            NotFound: no such shop for this caller.
            IdempotencyConflict: *key* stands for other input.
        """
        caller.require(Scope.CATALOG_WRITE)
        shop = await self._shop_with_catalog(caller, shop_id)
        _limit(len(writes))
        payload = [[write.retailer_id, write.values] for write in writes]
        return await self._once(
            shop,
            mutation,
            key,
            payload,
            lambda session: write_items(session, _catalog(shop), writes, self._clock.now(), mode=mode),
            dry_run,
        )

    async def delete(
        self,
        caller: Caller,
        shop_id: str,
        retailer_ids: Sequence[str],
        *,
        key: str | None = None,
        dry_run: bool = False,
    ) -> WriteResult:
        """Remove items here at once, and at Meta with the next delta."""
        caller.require(Scope.CATALOG_WRITE)
        shop = await self._shop_with_catalog(caller, shop_id)
        _limit(len(retailer_ids))
        return await self._once(
            shop,
            "productsDelete",
            key,
            list(retailer_ids),
            lambda session: delete_items(session, _catalog(shop), retailer_ids, self._clock.now()),
            dry_run,
        )

    async def write_batch(self, shop: Shop, writes: Sequence[ItemWrite]) -> Written:
        """One transaction of an import; the caller's rights were checked when it began."""
        return await self._db.write(write_items, _catalog(shop), writes, self._clock.now())

    async def _shop_with_catalog(self, caller: Caller, shop_id: str) -> Shop:
        shop = await self._shops.get(caller, shop_id)
        if shop.catalog_id is None:
            raise NoCatalog(shop.name)
        return shop

    async def _once(
        self,
        shop: Shop,
        mutation: str,
        key: str | None,
        payload: Any,
        work: Callable[[Session], Written],
        dry_run: bool,
    ) -> WriteResult:
        digest = digest_of(payload)

        def decide(session: Session) -> tuple[WriteResult, bool]:
            # The key first: a repeat must get the first outcome, whatever has happened since.
            if (earlier := commands.recall(session, shop.id, mutation, key, digest)) is not None:
                return _recalled(earlier), False
            written = work(session)
            result = WriteResult(written.items, written.refused, counts_of(written))
            commands.remember(session, shop.id, mutation, key, digest, _kept(result), self._clock.now())
            if written.volatile:
                self._sync.request(session, shop.id, Lane.VOLATILE, Trigger.CHANGE)
            return result, written.volatile

        if dry_run:
            result, _ = await self._db.rehearse(decide)
            return WriteResult([], result.refused, result.counts)
        result, ring = await self._db.write(decide)
        if ring:
            await self._sync.ring(shop.id, Lane.VOLATILE)
        return result

    # --- lanes ---------------------------------------------------------------------------------------------------

    async def send_volatile(self, shop_id: str, run_id: str) -> dict[str, int]:
        """Put all due prices, stocks and availabilities into dispatches."""
        return await self._send(shop_id, run_id, Channel.VOLATILE, Priority.VOLATILE)

    async def send_delta(self, shop_id: str, run_id: str) -> dict[str, int]:
        """Put all new, otherwise changed and deleted items into dispatches."""
        return await self._send(shop_id, run_id, Channel.STABLE, Priority.DELTA)

    async def _send(self, shop_id: str, run_id: str, channel: Channel, priority: Priority) -> dict[str, int]:
        shop = await self._shops.get(Caller.system(), shop_id)
        if shop.catalog_id is None:
            return {"items": 0}
        items = 0
        dispatched: list[str] = []
        allowed = await self._allowance(shop, priority)
        while len(dispatched) < allowed:
            claimed = await self._db.write(self._claim, shop, run_id, channel, priority)
            if claimed is None:
                break
            dispatch_id, size = claimed
            items += size
            dispatched.append(dispatch_id)
        await self._commands.ring(dispatched)
        if allowed <= 0 and (await self._db.read(store.count_due, [shop.catalog_id])).get(shop.catalog_id):
            raise GraphThrottled(
                f"{self._batches_per_hour} batch calls an hour are allowed for a catalog, and they are used up",
                bucket="catalog_batch",
                retry_after_s=HOURLY_LOOK_S,
            )
        return {"items": items, "batches": len(dispatched)}

    async def _allowance(self, shop: Shop, priority: Priority) -> int:
        """Batch calls that this lane may still make in this hour; prices and stock find a fifth left for them."""
        since = self._clock.now() - timedelta(hours=1)
        used = await self._db.read(batches_since, _catalog(shop), since)
        share = 1.0 if priority is Priority.VOLATILE else 1 - VOLATILE_SHARE
        return int(self._batches_per_hour * share) - used

    def _claim(
        self, session: Session, shop: Shop, run_id: str, channel: Channel, priority: Priority
    ) -> tuple[str, int] | None:
        dispatch_id = new_id()
        size = store.claim_items(session, _catalog(shop), channel.value, dispatch_id, self._batch_items)
        if size == 0:
            return None
        commands.add_dispatch(
            session,
            dispatch_id=dispatch_id,
            shop_id=shop.id,
            kind=KIND,
            priority=priority,
            now=self._clock.now(),
            details={"catalog": _catalog(shop), "channel": channel.value},
            run_id=run_id,
        )
        return dispatch_id, size


def counts_of(written: Written) -> dict[str, int]:
    return {
        "created": written.created,
        "updated": written.updated,
        "unchanged": written.unchanged,
        "deleted": written.deleted,
        "refused": len({(refusal.retailer_id, refusal.index, refusal.line) for refusal in written.refused}),
    }


def _catalog(shop: Shop) -> str:
    assert shop.catalog_id is not None
    return shop.catalog_id


def _limit(count: int) -> None:
    if count > ITEMS_PER_MUTATION:
        raise InvalidInput(
            f"{count} items in one request, at most {ITEMS_PER_MUTATION} are allowed",
            field=("items",),
            fix="Send several requests, or use catalogImportRun.",
        )


def _kept(result: WriteResult) -> dict[str, Any]:
    return {
        "items": result.item_ids,
        "counts": result.counts,
        "refused": [
            {
                "retailerId": refusal.retailer_id,
                "index": refusal.index,
                "code": refusal.code,
                "field": refusal.field[-1],
                "message": refusal.message,
                "fix": refusal.fix,
            }
            for refusal in result.refused
        ],
    }


def _recalled(kept: dict[str, Any]) -> WriteResult:
    refused = [
        ItemRefused(
            entry["retailerId"],
            FieldProblem(entry["code"], entry["field"], entry["message"], entry["fix"]),
            index=entry["index"],
        )
        for entry in kept["refused"]
    ]
    return WriteResult(kept["items"], refused, kept["counts"])
