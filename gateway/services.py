"""The services of a process, put together once; the web process, the workers and the command line use the same.

Nothing here runs by itself.  Time, randomness and the doorbell are handed in.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from gateway.access.service import AccessService
from gateway.catalog.freshness import FreshnessService
from gateway.catalog.importing import ImportService
from gateway.catalog.quotas import QuotaService
from gateway.catalog.service import CatalogService
from gateway.commands.service import CommandService, Pace, no_checkpoint
from gateway.db import Database
from gateway.graph.budget import Budget, LocalLevels, RedisLevels
from gateway.graph.client import Graph, GraphSession
from gateway.jobs import CARRY_DISPATCH, RUN_LANE, Job, JobQueue
from gateway.kit.clock import Clock, SystemClock
from gateway.kit.vault import Vault
from gateway.orders.service import OrderService
from gateway.settings import Settings
from gateway.shops.service import ShopService
from gateway.sync.models import Lane
from gateway.sync.service import SyncService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a resolver or a job may call."""

    settings: Settings
    db: Database
    jobs: JobQueue
    graph: Graph
    access: AccessService
    commands: CommandService
    sync: SyncService
    shops: ShopService
    catalog: CatalogService
    imports: ImportService
    orders: OrderService
    freshness: FreshnessService
    quotas: QuotaService
    budget: Budget

    @classmethod
    def build(
        cls,
        settings: Settings,
        jobs: JobQueue,
        *,
        clock: Clock | None = None,
        random: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        checkpoint: Callable[[str], None] = no_checkpoint,
        http: httpx.AsyncClient | None = None,
    ) -> Services:
        """Put the services together; *http* takes the place of the Graph client's own connections.

        Raises:
            VaultError: GATEWAY_ENCRYPTION_KEYS is missing or wrong.
        """
        clock = clock or SystemClock()
        vault = Vault(settings.encryption_keys.get_secret_value())
        db = Database(settings.database_url.get_secret_value())
        graph = Graph(settings.graph(), clock=clock, http=http, sleep=sleep, random=random)

        async def ring_lane(shop_id: str, lane: Lane) -> None:
            await jobs.ring([Job(RUN_LANE, (shop_id, lane.value))])

        async def ring_dispatch(dispatch_id: str) -> None:
            await jobs.ring([Job(CARRY_DISPATCH, (dispatch_id,))])

        async def graph_of(shop_id: str) -> GraphSession:
            return await shops.graph_of(shop_id)

        sync = SyncService(db, clock, lease_s=settings.lease_s, ring=ring_lane, random=random)
        shops = ShopService(db, clock, graph, vault, sync)
        pace = Pace(
            lease_s=settings.lease_s,
            poll_s=settings.batch_poll_s,
            hold_s=settings.batch_hold_s,
            wait_s=settings.command_wait_s,
        )
        levels = RedisLevels(settings.redis_url.get_secret_value()) if settings.redis_url else LocalLevels()
        budget = Budget(graph.usage, levels, clock)
        commands = CommandService(db, clock, graph_of, pace, budget=budget, ring=ring_dispatch, checkpoint=checkpoint)
        commands.report_to(sync)
        catalog = CatalogService(
            db,
            clock,
            shops,
            commands,
            sync,
            batch_items=settings.batch_items,
            batches_per_hour=settings.catalog_batches_per_hour,
        )
        return cls(
            settings=settings,
            db=db,
            jobs=jobs,
            graph=graph,
            access=AccessService(db, clock),
            commands=commands,
            sync=sync,
            shops=shops,
            catalog=catalog,
            imports=ImportService(db, clock, shops, catalog, sync, wait_s=settings.command_wait_s),
            orders=OrderService(db, clock, shops, commands, sync, budget),
            budget=budget,
            freshness=FreshnessService(db, clock, shops, sync),
            quotas=QuotaService(
                db,
                shops,
                budget,
                app_id=settings.app_id,
                batch_items=settings.batch_items,
                batches_per_hour=settings.catalog_batches_per_hour,
            ),
        )

    async def aclose(self) -> None:
        """Let sends finish, then close what was opened."""
        await self.commands.drain()
        await self.imports.drain()
        await self.graph.aclose()
        await self.budget.aclose()
        await self.jobs.aclose()
        self.db.close()
