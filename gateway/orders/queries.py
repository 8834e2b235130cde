"""Order queries."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from sqlmodel import col, select

from gateway.access.models import Scope
from gateway.api.mutations import root_field
from gateway.api.paging import AFTER, FIRST, Connection, connection, page_request
from gateway.context import Context
from gateway.db import count, keyset
from gateway.errors import InvalidInput
from gateway.kit.ids import key_of
from gateway.orders.models import OrderState
from gateway.orders.store import OrderRow
from gateway.orders.types import Order


@strawberry.input(description="Narrows a list of orders. What is left out does not narrow; an empty list finds none.")
class OrderFilter:
    shop_id: strawberry.ID | None = strawberry.field(default=None, description="Only orders of this shop.")
    state: list[OrderState] | None = strawberry.field(default=None, description="Only orders in one of these states.")


async def orders_of(
    context: Context, first: int | None, after: str | None, shop_key: str | None, states: list[OrderState] | None
) -> Connection[Order]:
    """Orders of the caller's shops as a connection, newest first, from the mirror: no Graph call."""
    query: Any = select(OrderRow)
    if context.caller.shops is not None:
        query = query.where(col(OrderRow.shop_id).in_(context.caller.shops))
    if shop_key is not None:
        query = query.where(OrderRow.shop_id == shop_key)
    if states is not None:
        query = query.where(col(OrderRow.state).in_([state.value for state in states]))
    bound = ["orders", shop_key, states]
    page = page_request(first, after, bound)
    db = context.services.db
    rows = await db.read(keyset, query, [col(OrderRow.created_at), col(OrderRow.id)], page, descending=True)
    return connection(
        page,
        rows,
        node=Order.of,
        keys=lambda row: (row.created_at, row.id),
        filter_=bound,
        total=lambda: db.read(count, query),
    )


@strawberry.type
class OrderQuery:
    @root_field(Scope.ORDERS_READ, "Orders of the caller's shops, newest first, from the mirror: no Graph call.")
    async def orders(
        self,
        info: strawberry.Info[Context, None],
        filter: Annotated[OrderFilter | None, strawberry.argument(description="Narrows the list.")] = None,
        first: Annotated[int | None, FIRST] = None,
        after: Annotated[str | None, AFTER] = None,
    ) -> Connection[Order] | None:
        wanted = filter or OrderFilter()
        shop_key = None
        if wanted.shop_id is not None:
            shop = await info.context.services.shops.get(info.context.caller, key_of(wanted.shop_id, "Shop"))
            shop_key = shop.id
        return await orders_of(info.context, first, after, shop_key, wanted.state)

    @root_field(
        Scope.ORDERS_READ, "One order, by one of its ids or by the seller's own order number. Null when there is none."
    )
    async def order(
        self,
        info: strawberry.Info[Context, None],
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The order's id.")] = None,
        meta_id: Annotated[str | None, strawberry.argument(description="Meta's id of the order.")] = None,
        merchant_order_reference: Annotated[
            str | None, strawberry.argument(description="The seller's own order number; the newest with it is given.")
        ] = None,
    ) -> Order | None:
        context = info.context
        if sum(key is not None for key in (id, meta_id, merchant_order_reference)) != 1:
            raise InvalidInput(
                "an order is found by one of id, metaId and merchantOrderReference",
                field=("id",),
                fix="Give exactly one of them.",
            )
        if id is not None:
            row = await context.orders.load(key_of(id, "Order"))
        else:
            row = await context.services.orders.find(
                context.caller, meta_id=meta_id, reference=merchant_order_reference
            )
        return None if row is None else Order.of(row)
