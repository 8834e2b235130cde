"""``simulate``: days of work in minutes, in one process, on virtual time.

Shops with catalogs and buyers, all lanes on their schedules, prices and stock that change, and a storm in which Meta
refuses every batch.  At the end everything that was wanted must be at Meta, and every order here: what is missing is
counted as lost work, and none is what there may be.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from sqlmodel import Session, col

from gateway.access.models import Caller
from gateway.catalog.models import money_of
from gateway.catalog.store import ItemRow
from gateway.catalog.writing import ItemWrite
from gateway.commands.models import OPEN
from gateway.commands.store import DispatchRow
from gateway.graph.meter import Meter, metered
from gateway.jobs import SilentQueue
from gateway.kit.clock import ManualClock
from gateway.kit.vault import Vault
from gateway.orders import edges as order_edges
from gateway.orders.store import OrderRow
from gateway.sandbox import SandboxSettings, create_app
from gateway.services import Services
from gateway.settings import Settings
from gateway.shops.models import Shop
from gateway.sync.models import PACES, FreshnessState, Lane
from gateway.sync.store import ScheduleRow

START = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
TICK_S = 60.0
CHANGES_EVERY_S = 600
LOOK_EVERY_S = 300
WRITE_AT_ONCE = 1000
STORM_HOURS = 0.5


@dataclass(frozen=True)
class Plan:
    """What is simulated; the same seed gives the same day."""

    hours: float
    shops: int
    items: int
    seed: int


@dataclass
class Outcome:
    """What the days came to."""

    calls: Counter[str] = field(default_factory=Counter)
    graph_calls: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    worst_lag_s: dict[Lane, int] = field(default_factory=dict)
    breaches: Counter[str] = field(default_factory=Counter)
    fullest: dict[str, float] = field(default_factory=dict)
    changes: int = 0
    orders: int = 0
    lost: list[str] = field(default_factory=list)


class Simulation:
    """One sandbox world, one gateway, and time that is moved."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._say = say
        self._random = random.Random(plan.seed)
        self._clock = ManualClock(START)
        self._outcome = Outcome()
        self._written = 0

    async def run(self) -> Outcome:
        """Simulate the plan."""
        app = create_app(SandboxSettings())
        transport = httpx.ASGITransport(app=app)
        with tempfile.TemporaryDirectory(prefix="simulate-") as folder:
            async with (
                httpx.AsyncClient(transport=transport, base_url="http://sandbox") as self._meta,
                httpx.AsyncClient(transport=transport, base_url="http://sandbox", timeout=None) as graph,
            ):
                await self._make_world()
                settings = Settings(
                    database_url=f"sqlite:///{Path(folder) / 'gateway.sqlite3'}",
                    graph_url="http://sandbox",
                    app_id=self._world["appId"],
                    app_secret=self._world["appSecret"],
                    encryption_keys=Vault.new_key(),
                )
                self._services = Services.build(
                    settings, SilentQueue(), clock=self._clock, random=self._random.random, http=graph
                )
                self._services.db.migrate()
                try:
                    with metered() as meter:
                        await self._live()
                    self._account(meter)
                    await self._look_for_losses()
                finally:
                    await self._services.aclose()
        return self._outcome

    # --- the world -----------------------------------------------------------------------------------------------

    async def _make_world(self) -> None:
        shops = [
            {
                "name": f"Shop {number}",
                "cta": "ONSITE_CHECKOUT" if number % 2 == 0 else "OFFSITE_IAB_CHECKOUT",
                "currency": "USD",
                "orders": 0,
            }
            for number in range(self._plan.shops)
        ]
        body = {"seed": self._plan.seed, "clock": {"kind": "frozen", "start": START.isoformat()}, "shops": shops}
        answer = await self._meta.post("/_sandbox/worlds", json=body)
        answer.raise_for_status()
        self._world: dict[str, Any] = answer.json()
        self._meta.headers["Authorization"] = f"Bearer {self._world['accessToken']}"

    async def _control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = await self._meta.request(method, f"/_sandbox/{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def _advance(self, seconds: float) -> None:
        self._clock.advance(seconds)
        await self._control("POST", "clock/advance", {"seconds": seconds})

    # --- the days ------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        shops = [await self._link(facts) for facts in self._world["shops"]]
        for number, shop in enumerate(shops):
            self._say(f"writing the catalog of shop {number + 1} of {len(shops)}")
            await self._stock(shop)
        end = START + timedelta(hours=self._plan.hours)
        storm_from = START + timedelta(hours=self._plan.hours / 3)
        storm_to = storm_from + timedelta(hours=min(STORM_HOURS, self._plan.hours / 6))
        change_at = look_at = START
        storm = False
        while (now := self._clock.now()) < end:
            if not storm and storm_from <= now < storm_to:
                fault = {"kind": "throttle", "path": "*/items_batch", "code": 80014, "minutes": 5, "times": 0}
                await self._control("POST", "faults", fault)
                storm = True
            if storm and now >= storm_to:
                await self._control("DELETE", "faults")
                storm = False
            if now >= change_at:
                await self._change(shops)
                change_at = now + timedelta(seconds=CHANGES_EVERY_S)
            await self._work()
            if now >= look_at:
                await self._look(shops)
                look_at = now + timedelta(seconds=LOOK_EVERY_S)
                hours = (now - START).total_seconds() / 3600
                self._say(f"hour {hours:.1f} of {self._plan.hours:g}{', in the storm' if storm else ''}")
            await self._advance(await self._next_step())
        self._say("letting everything come to its end")
        await self._settle(shops)

    async def _link(self, facts: dict[str, Any]) -> Shop:
        return await self._services.shops.link(Caller.system(), facts["metaId"], facts["accessToken"])

    async def _stock(self, shop: Shop) -> None:
        for start in range(0, self._plan.items, WRITE_AT_ONCE):
            numbers = range(start, min(start + WRITE_AT_ONCE, self._plan.items))
            await self._services.catalog.upsert(Caller.system(), shop.id, [self._item(number) for number in numbers])

    def _item(self, number: int) -> ItemWrite:
        values: dict[str, object] = {
            "title": f"Mug {number}",
            "description": "Glazed stoneware, dishwasher safe.",
            "availability": "in stock",
            "price": f"{self._random.randrange(500, 9000) / 100:.2f} USD",
            "quantity": self._random.randrange(1, 50),
            "link": f"https://shop.example.com/p/{number}",
            "imageLink": f"https://cdn.example.com/{number}.jpg",
            "brand": "Kiln",
        }
        return ItemWrite(f"SKU-{number:06}", values)

    async def _change(self, shops: list[Shop]) -> None:
        """Prices and stock move, something is renamed, buyers buy."""
        for shop in shops:
            some = self._random.sample(range(self._plan.items), k=min(self._plan.items, 20))
            writes = [
                ItemWrite(
                    f"SKU-{number:06}",
                    {
                        "price": f"{self._random.randrange(500, 9000) / 100:.2f} USD",
                        "quantity": self._random.randrange(0, 50),
                    },
                )
                for number in some
            ]
            renamed = self._random.randrange(self._plan.items)
            self._written += 1
            writes.append(ItemWrite(f"SKU-{renamed:06}", {"description": f"Version {self._written}."}))
            unique = {write.retailer_id: write for write in writes}
            result = await self._services.catalog.upsert(Caller.system(), shop.id, list(unique.values()))
            self._outcome.changes += result.counts["updated"]
            if shop.has_orders and self._random.random() < 0.5:
                body = {"shop": shop.meta_id, "count": self._random.randrange(1, 4)}
                placed = await self._control("POST", "orders", body)
                self._outcome.orders += len(placed["orders"])

    async def _work(self) -> None:
        """What the workers would do at this moment."""
        for shop_id, lane in await self._services.sync.due():
            if await self._services.sync.run(shop_id, lane) is not None:
                self._outcome.runs[lane.value] += 1
        while due := await self._services.commands.due():
            for dispatch_id in due:
                await self._services.commands.carry(dispatch_id)

    async def _next_step(self) -> float:
        """Seconds until something is due, and never more than a minute."""

        def load(session: Session) -> list[datetime | None]:
            lanes = sa.select(sa.func.min(ScheduleRow.next_at))
            dispatches = sa.select(sa.func.min(DispatchRow.due_at)).where(col(DispatchRow.state).in_(OPEN))
            return [session.execute(lanes).scalar(), session.execute(dispatches).scalar()]

        moments = [moment for moment in await self._services.db.read(load) if moment is not None]
        soonest = min(moments, default=self._clock.now())
        return min(max((soonest - self._clock.now()).total_seconds(), 1.0), TICK_S)

    async def _look(self, shops: list[Shop]) -> None:
        ids = [shop.id for shop in shops]
        for entries in (await self._services.freshness.of_shops(Caller.system(), ids)).values():
            for entry in entries:
                worst = self._outcome.worst_lag_s.get(entry.lane, 0)
                self._outcome.worst_lag_s[entry.lane] = max(worst, entry.lag_s)
                if entry.state is FreshnessState.BREACHED:
                    self._outcome.breaches[entry.lane.value] += 1
        for quota in (await self._services.quotas.of_shops(Caller.system(), ids)).values():
            for bucket, level in quota.buckets:
                if level.at is not None:
                    fullest = self._outcome.fullest.get(bucket.kind, 0.0)
                    self._outcome.fullest[bucket.kind] = max(fullest, level.percent)

    async def _settle(self, shops: list[Shop]) -> None:
        """Time goes on, and nothing changes any more, until nothing waits."""
        await self._control("POST", "clock/advance", {"seconds": 0})
        deadline = self._clock.now() + timedelta(hours=6)
        while self._clock.now() < deadline:
            await self._work()
            waiting = sum(
                quota.items
                for quota in (
                    await self._services.quotas.of_shops(Caller.system(), [shop.id for shop in shops])
                ).values()
            )

            def is_open(session: Session) -> int:
                query = sa.select(sa.func.count()).select_from(DispatchRow)
                return int(session.execute(query.where(col(DispatchRow.state).in_(OPEN))).scalar_one())

            if not waiting and not await self._services.db.read(is_open):
                break
            await self._advance(await self._next_step())
        # One more round of reading, for the orders that were held.
        await self._advance(PACES[Lane.ORDERS].every_s * 8)
        await self._work()

    # --- what came of it -----------------------------------------------------------------------------------------

    def _account(self, meter: Meter) -> None:
        self._outcome.graph_calls = meter.graph_calls
        self._outcome.calls = Counter(f"{method} {path}" for method, path in meter.log)

    async def _look_for_losses(self) -> None:
        for facts in self._world["shops"]:
            shop = await self._services.shops.find_by_meta_id(Caller.system(), facts["metaId"])
            assert shop is not None
            await self._compare_catalog(shop)
            if shop.has_orders:
                await self._compare_orders(shop)

    async def _compare_catalog(self, shop: Shop) -> None:
        found = await self._control("GET", f"items?catalog={shop.catalog_id}&limit={self._plan.items}")
        at_meta = {row["id"]: row for row in found["items"]}

        def load(session: Session) -> list[Any]:
            columns = (col(ItemRow.retailer_id), col(ItemRow.state), col(ItemRow.document))
            return list(session.execute(sa.select(*columns).where(col(ItemRow.catalog_id) == shop.catalog_id)).all())

        for retailer_id, state, document in await self._services.db.read(load):
            live = at_meta.get(retailer_id)
            if state != "CONFIRMED" or live is None:
                self._outcome.lost.append(f"{shop.name}: {retailer_id} is {state}, at Meta: {live is not None}")
            elif live["price"] != str(money_of(document["price"])) or live["description"] != document["description"]:
                self._outcome.lost.append(f"{shop.name}: {retailer_id} is older at Meta than here")

    async def _compare_orders(self, shop: Shop) -> None:
        graph = await self._services.shops.graph_of(shop.id)
        ids: set[str] = set()
        async for page in order_edges.iter_orders(graph, shop.meta_id, None):
            ids |= {document["metaId"] for document in page}

        def load(session: Session) -> set[str]:
            rows = session.execute(sa.select(col(OrderRow.meta_id)).where(col(OrderRow.shop_id) == shop.id)).all()
            return {row[0] for row in rows}

        missing = ids - await self._services.db.read(load)
        self._outcome.lost += [f"{shop.name}: order {meta_id} was not taken in" for meta_id in sorted(missing)]
