"""A gateway of a test's own: real HTTP, its own database, time that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlmodel import Session, col, select

from gateway.access.models import ALL_SCOPES, Caller, Scope
from gateway.commands.models import OPEN
from gateway.commands.service import no_checkpoint
from gateway.commands.store import DispatchRow
from gateway.jobs import JobQueue, SilentQueue
from gateway.kit.clock import ManualClock
from gateway.kit.ids import node_id
from gateway.kit.vault import Vault
from gateway.services import Services
from gateway.settings import Settings
from gateway.shops.models import Shop
from gateway.sync.models import Lane, SyncRun
from tests.support.secrets import HANDED_OUT
from tests.support.world import World

ENCRYPTION_KEY = Vault.new_key()
POLL_S = 20.0
HOLD_S = 600.0
LEASE_S = 30.0


def settings_for(database_url: str, world: World, data_dir: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": database_url,
        "graph_url": world.url,
        "app_id": world.facts["appId"],
        "app_secret": world.facts["appSecret"],
        "encryption_keys": ENCRYPTION_KEY,
        "production": False,
        "data_dir": data_dir,
        "batch_poll_s": POLL_S,
        "batch_hold_s": HOLD_S,
        "lease_s": LEASE_S,
        **changes,
    }
    return Settings(**values)


def build_services(
    settings: Settings,
    clock: ManualClock,
    *,
    jobs: JobQueue | None = None,
    checkpoint: Callable[[str], None] = no_checkpoint,
) -> Services:
    return Services.build(
        settings, jobs or SilentQueue(), clock=clock, random=lambda: 0.0, sleep=_at_once, checkpoint=checkpoint
    )


async def _at_once(seconds: float) -> None:
    """Retries of the client wait for nothing: a test's time stands still."""
    await asyncio.sleep(0)


@dataclass
class Result:
    """An answer of the gateway."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        assert not self.errors, self.errors
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def errors(self) -> list[dict[str, Any]]:
        return self.body.get("errors") or []

    @property
    def error_codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.errors]

    @property
    def graph_calls(self) -> int:
        calls: int = self.body["extensions"]["cost"]["graphCalls"]
        return calls

    @property
    def payload(self) -> dict[str, Any]:
        """What the one root field answered."""
        [value] = self.data.values()
        payload: dict[str, Any] = value
        return payload

    @property
    def user_errors(self) -> list[dict[str, Any]]:
        errors: list[dict[str, Any]] = self.payload["userErrors"]
        return errors


@dataclass
class Gateway:
    """The gateway under test."""

    url: str
    services: Services
    clock: ManualClock
    world: World
    key: str
    http: httpx.AsyncClient
    shops: list[Shop] = field(default_factory=list)

    @property
    def onsite(self) -> Shop:
        return next(shop for shop in self.shops if shop.has_orders)

    @property
    def offsite(self) -> Shop:
        return next(shop for shop in self.shops if not shop.has_orders)

    @property
    def shop_id(self) -> str:
        return node_id("Shop", self.onsite.id)

    @property
    def offsite_id(self) -> str:
        return node_id("Shop", self.offsite.id)

    async def run(self, query: str, key: str | None = None, **variables: Any) -> Result:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        body = {"query": query, "variables": variables}
        answer = await self.http.post(f"{self.url}/graphql", json=body, headers=headers)
        return Result(answer.status_code, answer.json())

    async def new_key(self, scopes: Iterable[Scope] = ALL_SCOPES, shops: Iterable[Shop] | None = None) -> str:
        granted = None if shops is None else [shop.id for shop in shops]
        _, secret = await self.services.access.create_key(Caller.system(), "test", set(scopes), granted)
        HANDED_OUT.add(secret)
        return secret

    async def link(self) -> None:
        for facts in self.world.shops:
            self.shops.append(await self.services.shops.link(Caller.system(), facts["metaId"], facts["accessToken"]))
        self.world.forget_calls()

    # --- driving the lanes ---------------------------------------------------------------------------------------

    async def run_lane(self, lane: Lane, shop: Shop | None = None) -> SyncRun:
        """Run a lane now, whatever its schedule says; what it dispatches is not carried yet."""
        shop_id = (shop or self.onsite).id
        await self.services.sync.request_runs(shop_id, [lane])
        run = await self.services.sync.run(shop_id, lane)
        assert run is not None
        return run

    async def carry_due(self) -> int:
        """Carry every dispatch that is due, once."""
        carried = 0
        for dispatch_id in await self.services.commands.due():
            carried += await self.services.commands.carry(dispatch_id)
        return carried

    async def settle(self, rounds: int = 20) -> None:
        """Let time go by, here and at Meta, until no dispatch is open."""
        for _ in range(rounds):
            await self.carry_due()
            if not await self.open_dispatches():
                return
            self.world.advance(POLL_S * 2)
            self.clock.advance(POLL_S * 2)
        raise AssertionError(f"dispatches are still open: {await self.open_dispatches()}")

    async def sync(self, *lanes: Lane, shop: Shop | None = None) -> None:
        """Run lanes and bring everything they send to its end."""
        for lane in lanes or (Lane.DELTA, Lane.VOLATILE):
            await self.run_lane(lane, shop)
            await self.settle()

    async def open_dispatches(self) -> list[tuple[str, str, Any]]:
        def load(session: Session) -> list[tuple[str, str, Any]]:
            rows = session.exec(select(DispatchRow).where(col(DispatchRow.state).in_(OPEN))).all()
            return [(row.kind, row.state, row.error) for row in rows]

        return await self.services.db.read(load)

    async def products(self, shop: Shop | None = None) -> dict[str, dict[str, Any]]:
        """All products by retailer id, through GraphQL."""
        result = await self.run(PRODUCTS, shopId=node_id("Shop", (shop or self.onsite).id))
        return {product["retailerId"]: product for product in result.data["products"]["nodes"]}


PRODUCTS = """
query Products($shopId: ID!) {
  products(shopId: $shopId, first: 100) {
    totalCount
    nodes {
      id retailerId title price { amount currencyCode minorUnits } salePrice { amount } availability quantity
      syncState syncError { code message fix } versions { desired sent accepted confirmed }
      explain { live firstBroken { step } steps { step state } }
    }
  }
}"""
UPSERT = """
mutation Upsert($input: ProductsUpsertInput!) {
  productsUpsert(input: $input) {
    products { id retailerId title price { amount currencyCode } availability quantity syncState }
    counts { created updated unchanged deleted refused }
    userErrors { code message field fix retryable ... on ItemError { retailerId } }
  }
}"""
DELETE = """
mutation Delete($input: ProductsDeleteInput!) {
  productsDelete(input: $input) { counts { deleted refused } userErrors { code field message fix } }
}"""
INVENTORY = """
mutation Stock($input: InventorySetInput!) {
  inventorySet(input: $input) {
    products { retailerId quantity availability syncState } counts { updated unchanged refused }
    userErrors { code message field fix }
  }
}"""
PRICES = """
mutation Prices($input: PricesSetInput!) {
  pricesSet(input: $input) {
    products { retailerId price { amount currencyCode } salePrice { amount } }
    counts { updated unchanged refused } userErrors { code message field fix }
  }
}"""
ORDERS = """
query Orders($shopId: ID!) {
  orders(filter: {shopId: $shopId}, first: 100) {
    totalCount
    nodes {
      id metaId state merchantOrderReference total { amount currencyCode }
      items { retailerId name quantity unitPrice { amount } product { title syncState } }
    }
  }
}"""
ACKNOWLEDGE = """
mutation Acknowledge($input: OrdersAcknowledgeInput!) {
  ordersAcknowledge(input: $input) {
    orders { id metaId state merchantOrderReference }
    commands { id kind state attempts targetId error { code message } }
    userErrors { code message field fix retryable retryAfter upstream { code subcode } }
  }
}"""


def product(retailer_id: str, **changes: Any) -> dict[str, Any]:
    """The input of a whole item; *changes* replace or add."""
    return {
        "retailerId": retailer_id,
        "title": f"Item {retailer_id}",
        "description": "An item for a test.",
        "price": {"amount": "12.50", "currencyCode": "USD"},
        "availability": "IN_STOCK",
        "link": f"https://shop.example.com/p/{retailer_id}",
        "imageLink": f"https://cdn.example.com/{retailer_id}.jpg",
        "brand": "Example",
        "quantity": 5,
        **changes,
    }
