"""Catalog queries."""

from __future__ import annotations

from typing import Annotated

import strawberry

from gateway.access.models import Scope
from gateway.api.mutations import root_field
from gateway.api.paging import AFTER, FIRST, Connection, connection, page_request
from gateway.catalog import reading
from gateway.catalog.models import ItemState
from gateway.catalog.reading import ItemFilter
from gateway.catalog.store import ItemRow
from gateway.catalog.types import Product
from gateway.context import Context
from gateway.db import Slice
from gateway.errors import InvalidInput
from gateway.kit.ids import key_of
from gateway.shops.models import Shop


@strawberry.input(description="Narrows a list of products. What is left out does not narrow; an empty list finds none.")
class ProductFilter:
    sync_state: list[ItemState] | None = strawberry.field(
        default=None, description="Only products in one of these states."
    )
    retailer_id: list[str] | None = strawberry.field(default=None, description="Only products with one of these ids.")
    group_id: str | None = strawberry.field(default=None, description="Only variants of this group.")

    def to_model(self) -> ItemFilter:
        return ItemFilter(
            None if self.sync_state is None else tuple(self.sync_state),
            None if self.retailer_id is None else tuple(self.retailer_id),
            self.group_id,
        )


async def products_of(
    context: Context, shop: Shop, first: int | None, after: str | None, filter_: ProductFilter | None
) -> Connection[Product]:
    """The products of a shop's catalog as a connection; an empty one for a shop without a catalog."""
    narrowed = filter_.to_model() if filter_ else ItemFilter()
    bound = [shop.catalog_id, narrowed.document()]
    page = page_request(first, after, bound)
    db, catalog_id = context.services.db, shop.catalog_id

    async def total() -> int:
        return 0 if catalog_id is None else await db.read(reading.count_items, catalog_id, narrowed)

    if catalog_id is None:
        rows: Slice[ItemRow] = Slice([], False)
    else:
        rows = await db.read(reading.page_items, catalog_id, narrowed, page)
    return connection(page, rows, node=Product.of, keys=lambda row: (row.id,), filter_=bound, total=total)


async def load_product(context: Context, key: str) -> Product | None:
    """A product by our id, if one of the caller's shops has its catalog."""
    row = await context.items.load(key)
    if row is None:
        return None
    return Product.of(row) if await context.catalogs.load(row.catalog_id) else None


@strawberry.type
class CatalogQuery:
    @root_field(Scope.CATALOG_READ, "The products of a shop, in the order in which they were made.")
    async def products(
        self,
        info: strawberry.Info[Context, None],
        shop_id: Annotated[strawberry.ID, strawberry.argument(description="The shop whose catalog is listed.")],
        first: Annotated[int | None, FIRST] = None,
        after: Annotated[str | None, AFTER] = None,
        filter: Annotated[ProductFilter | None, strawberry.argument(description="Narrows the list.")] = None,
    ) -> Connection[Product] | None:
        shop = await info.context.services.shops.get(info.context.caller, key_of(shop_id, "Shop"))
        return await products_of(info.context, shop, first, after, filter)

    @root_field(
        Scope.CATALOG_READ, "One product, by its id, or by a shop and the seller's own id. Null when there is none."
    )
    async def product(
        self,
        info: strawberry.Info[Context, None],
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The product's id.")] = None,
        shop_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The shop, together with `retailerId`.")
        ] = None,
        retailer_id: Annotated[
            str | None, strawberry.argument(description="The seller's own id, together with `shopId`.")
        ] = None,
    ) -> Product | None:
        context = info.context
        if id is not None:
            return await load_product(context, key_of(id, "Product"))
        if shop_id is None or retailer_id is None:
            raise InvalidInput(
                "a product is found by id, or by shopId and retailerId",
                field=("id",),
                fix="Give id, or both shopId and retailerId.",
            )
        shop = await context.shops.load(key_of(shop_id, "Shop"))
        if shop is None or shop.catalog_id is None:
            return None
        row = await context.services.db.read(reading.find_item, shop.catalog_id, retailer_id)
        return None if row is None else Product.of(row)
