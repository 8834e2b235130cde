"""Loaders over shops."""

from __future__ import annotations

from strawberry.dataloader import DataLoader

from gateway.access.models import Caller
from gateway.shops.models import Shop
from gateway.shops.service import ShopService


def shop_loader(shops: ShopService, caller: Caller) -> DataLoader[str, Shop | None]:
    """Shops by our id; foreign ones are absent."""

    async def load(keys: list[str]) -> list[Shop | None]:
        found = await shops.get_many(caller, keys)
        return [found.get(key) for key in keys]

    return DataLoader(load_fn=load)


def catalog_loader(shops: ShopService, caller: Caller) -> DataLoader[str, bool]:
    """Whether a catalog (by Meta's id) belongs to a shop of the caller's."""

    async def load(keys: list[str]) -> list[bool]:
        granted = await shops.granted_catalogs(caller, keys)
        return [key in granted for key in keys]

    return DataLoader(load_fn=load)
