"""The schema: the domains' parts put together.  ``Shop`` is a hub; each domain gives it its fields here."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Annotated, Any

import strawberry
from sqlmodel import col, select
from strawberry.extensions import DisableIntrospection, ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

from gateway.access.models import Scope
from gateway.access.mutations import AccessMutation
from gateway.access.types import Viewer
from gateway.api.errors import USER_ERRORS
from gateway.api.execution import Accounting
from gateway.api.mutations import root_field
from gateway.api.node import Node
from gateway.api.paging import AFTER, FIRST, Connection, connection, page_request
from gateway.api.scalars import SCALARS
from gateway.catalog.mutations import CatalogMutation
from gateway.catalog.queries import CatalogQuery, ProductFilter, load_product, products_of
from gateway.catalog.quota_types import GraphBudget
from gateway.catalog.types import CatalogImport, Product
from gateway.commands.types import Command
from gateway.context import Context
from gateway.db import count, keyset
from gateway.errors import InvalidInput, NotFound
from gateway.kit.ids import BadNodeId, key_of, parse_node_id
from gateway.orders.models import OrderState
from gateway.orders.mutations import OrderMutation
from gateway.orders.queries import OrderQuery, orders_of
from gateway.orders.types import Order
from gateway.shops.models import Shop as ShopModel
from gateway.shops.store import ShopRow, granted
from gateway.shops.types import ShopFields
from gateway.sync.mutations import SyncMutation
from gateway.sync.queries import SyncQuery
from gateway.sync.types import Freshness, SyncRun

MAX_NODES = 100


@strawberry.type(description="A linked shop: a commerce account at Meta, its catalog and its orders.")
class Shop(ShopFields):
    @classmethod
    def of(cls, model: ShopModel) -> Shop:
        return cls(key=model.id, model=model)

    @strawberry.field(description="Per lane, how far the shop is behind and why.")
    async def freshness(self, info: strawberry.Info[Context, None]) -> list[Freshness]:
        return [Freshness.of(model) for model in await info.context.freshness.load(self.key)]

    @strawberry.field(description="How much of Meta's quota is left for it, and how much waits to be sent.")
    async def graph_budget(self, info: strawberry.Info[Context, None]) -> GraphBudget | None:
        quota = await info.context.quotas.load(self.key)
        return None if quota is None else GraphBudget.of(quota)

    @strawberry.field(description="Its products. Needs the scope `catalog:read`.")
    async def products(
        self,
        info: strawberry.Info[Context, None],
        first: Annotated[int | None, FIRST] = None,
        after: Annotated[str | None, AFTER] = None,
        filter: Annotated[ProductFilter | None, strawberry.argument(description="Narrows the list.")] = None,
    ) -> Connection[Product] | None:
        info.context.caller.require(Scope.CATALOG_READ)
        return await products_of(info.context, self.model, first, after, filter)

    @strawberry.field(description="Its orders, newest first, from the mirror. Needs the scope `orders:read`.")
    async def orders(
        self,
        info: strawberry.Info[Context, None],
        first: Annotated[int | None, FIRST] = None,
        after: Annotated[str | None, AFTER] = None,
        state: Annotated[
            list[OrderState] | None, strawberry.argument(description="Only orders in one of these states.")
        ] = None,
    ) -> Connection[Order] | None:
        info.context.caller.require(Scope.ORDERS_READ)
        return await orders_of(info.context, first, after, self.key, state)


async def _load(context: Context, id: str) -> Node | None:
    """The object behind a node id, if the caller may see it; ``None`` for everything else that is an id."""
    type_name, key = parse_node_id(id)
    caller = context.caller
    match type_name:
        case "Shop":
            caller.require(Scope.SHOPS_READ)
            shop = await context.shops.load(key)
            return None if shop is None else Shop.of(shop)
        case "Product":
            caller.require(Scope.CATALOG_READ)
            return await load_product(context, key)
        case "Order":
            caller.require(Scope.ORDERS_READ)
            order = await context.orders.load(key)
            return None if order is None else Order.of(order)
        case "Command":
            caller.require(Scope.COMMANDS_READ)
            command = await context.commands.load(key)
            return None if command is None else Command.of(command)
        case "SyncRun":
            caller.require(Scope.SYNC_READ)
            run = await context.runs.load(key)
            return None if run is None else SyncRun.of(run)
        case "CatalogImport":
            try:
                return CatalogImport.of(await context.services.imports.get(caller, key))
            except NotFound:
                return None
        case _:
            raise BadNodeId(f"{id!r} is the id of no type that can be read")


@strawberry.type
class Query(CatalogQuery, OrderQuery, SyncQuery):
    @strawberry.field(description="Any object by its id; null when there is none. Needs the scope of its type.")
    async def node(
        self,
        info: strawberry.Info[Context, None],
        id: Annotated[strawberry.ID, strawberry.argument(description="The object's id.")],
    ) -> Node | None:
        return await _load(info.context, id)

    @strawberry.field(description="Objects by their ids, up to 100, in that order; null in the place of absent ones.")
    async def nodes(
        self,
        info: strawberry.Info[Context, None],
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="The objects' ids.")],
    ) -> list[Node | None]:
        if len(ids) > MAX_NODES:
            raise InvalidInput(
                f"{len(ids)} ids; at most {MAX_NODES} are allowed", field=("ids",), fix="Ask in several requests."
            )
        # Side by side, so that the loaders answer all of one type with one query.
        return list(await asyncio.gather(*(_load(info.context, id) for id in ids)))

    @strawberry.field(description="Who is asking. Needs a valid key and no scope.")
    def viewer(self, info: strawberry.Info[Context, None]) -> Viewer | None:
        return Viewer(model=info.context.caller)

    @root_field(Scope.SHOPS_READ, "The caller's shops, by name.")
    async def shops(
        self,
        info: strawberry.Info[Context, None],
        first: Annotated[int | None, FIRST] = None,
        after: Annotated[str | None, AFTER] = None,
    ) -> Connection[Shop] | None:
        query = select(ShopRow).where(granted(info.context.caller.shops))
        page = page_request(first, after, "shops")
        db = info.context.services.db
        rows = await db.read(keyset, query, [col(ShopRow.name), col(ShopRow.id)], page, descending=False)
        return connection(
            page,
            rows,
            node=lambda row: Shop.of(row.to_model()),
            keys=lambda row: (row.name, row.id),
            filter_="shops",
            total=lambda: db.read(count, query),
        )

    @root_field(Scope.SHOPS_READ, "One shop, by its id or Meta's id of the commerce account. Null when there is none.")
    async def shop(
        self,
        info: strawberry.Info[Context, None],
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The shop's id.")] = None,
        meta_id: Annotated[str | None, strawberry.argument(description="Meta's id of the commerce account.")] = None,
    ) -> Shop | None:
        if (id is None) == (meta_id is None):
            raise InvalidInput("a shop is found by one of id and metaId", field=("id",), fix="Give exactly one.")
        if id is not None:
            model = await info.context.shops.load(key_of(id, "Shop"))
        else:
            model = await info.context.services.shops.find_by_meta_id(info.context.caller, meta_id or "")
        return None if model is None else Shop.of(model)


@strawberry.type
class Mutation(CatalogMutation, OrderMutation, SyncMutation, AccessMutation):
    pass


@lru_cache
def build_schema(*, introspection: bool) -> strawberry.Schema:
    """The schema; in production it does not tell about itself."""
    extensions: list[Any] = [
        lambda: ParserCache(maxsize=500),
        lambda: ValidationCache(maxsize=500),
        Accounting,
    ]
    if not introspection:
        extensions.append(DisableIntrospection)
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        types=[*USER_ERRORS, Shop, Product, Order, Command, SyncRun, CatalogImport],
        config=StrawberryConfig(scalar_map=SCALARS),
        extensions=extensions,
    )


def sdl() -> str:
    """The schema as text, as ``schema.graphql`` holds it."""
    return build_schema(introspection=True).as_str().rstrip() + "\n"
