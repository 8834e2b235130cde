"""What a resolver gets: the services, the caller, and loaders that live for one request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from starlette.requests import Request
from strawberry.dataloader import DataLoader

from gateway.access.models import Caller
from gateway.catalog.loaders import group_loader, item_loader, items_by_retailer_id_loader
from gateway.catalog.quotas import Quota
from gateway.catalog.store import ItemRow
from gateway.commands.loaders import command_loader
from gateway.commands.models import Command
from gateway.orders.loaders import order_loader
from gateway.orders.store import OrderRow
from gateway.services import Services
from gateway.shops.loaders import catalog_loader, shop_loader
from gateway.shops.models import Shop
from gateway.sync.loaders import run_loader
from gateway.sync.models import Freshness, SyncRun


@dataclass
class Context:
    """One request."""

    services: Services
    caller: Caller
    request: Request | None = None

    @cached_property
    def shops(self) -> DataLoader[str, Shop | None]:
        return shop_loader(self.services.shops, self.caller)

    @cached_property
    def catalogs(self) -> DataLoader[str, bool]:
        return catalog_loader(self.services.shops, self.caller)

    @cached_property
    def freshness(self) -> DataLoader[str, list[Freshness]]:
        async def load(keys: list[str]) -> list[list[Freshness]]:
            found = await self.services.freshness.of_shops(self.caller, keys)
            return [found.get(key, []) for key in keys]

        return DataLoader(load_fn=load)

    @cached_property
    def quotas(self) -> DataLoader[str, Quota | None]:
        async def load(keys: list[str]) -> list[Quota | None]:
            found = await self.services.quotas.of_shops(self.caller, keys)
            return [found.get(key) for key in keys]

        return DataLoader(load_fn=load)

    @cached_property
    def items(self) -> DataLoader[str, ItemRow | None]:
        return item_loader(self.services.db)

    @cached_property
    def items_by_retailer_id(self) -> DataLoader[tuple[str, str], ItemRow | None]:
        return items_by_retailer_id_loader(self.services.db)

    @cached_property
    def groups(self) -> DataLoader[tuple[str, str], list[ItemRow]]:
        return group_loader(self.services.db)

    @cached_property
    def orders(self) -> DataLoader[str, OrderRow | None]:
        return order_loader(self.services.db, self.caller)

    @cached_property
    def commands(self) -> DataLoader[str, Command | None]:
        return command_loader(self.services.db, self.caller)

    @cached_property
    def runs(self) -> DataLoader[str, SyncRun | None]:
        return run_loader(self.services.db, self.caller)
