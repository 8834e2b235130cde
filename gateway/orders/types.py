"""Orders in the schema: fields resolve lazily over the mirrored document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import strawberry

from gateway.api.enums import expose
from gateway.api.node import Node
from gateway.api.scalars import Money
from gateway.catalog.types import Product
from gateway.context import Context
from gateway.kit.ids import node_id
from gateway.orders.models import OrderState
from gateway.orders.store import OrderRow

expose(
    OrderState,
    "How far an order has come. Cancelled and refunded are no states; they show in the items.",
    HELD_BY_META="Meta is checking it, usually for up to 30 minutes. Nothing can be done with it yet.",
    AWAITING_ACKNOWLEDGEMENT="Final; waits for the seller to acknowledge it.",
    IN_PROGRESS="Acknowledged; some unit is neither shipped nor cancelled.",
    COMPLETED="Every unit is shipped or cancelled.",
    UNKNOWN="Meta says something that this version does not know; see `rawState`.",
)


def _field(name: str, description: str, of: Callable[[Any], Any] | None = None) -> Any:
    """A field whose value lives under *name* in the mirrored document."""

    def resolve(root: Any) -> Any:
        value = root.document.get(name)
        return value if of is None or value is None else of(value)

    return strawberry.field(resolver=resolve, description=description)


@strawberry.type(description="A line of an order. One product may stand on several lines.")
class OrderItem:
    document: strawberry.Private[dict[str, Any]]
    catalog_id: strawberry.Private[str | None]

    meta_id: str = _field("metaId", "Meta's id of the line.")
    retailer_id: str | None = _field("retailerId", "The seller's own id of the item.")
    product_meta_id: str | None = _field("productMetaId", "Meta's id of the item.")
    name: str | None = _field("name", "The item's name when it was ordered.")
    quantity: int = _field("quantity", "Units ordered; never reduced.")
    unit_price: Money | None = _field(
        "unitPrice", "Price of one unit, with discounts on single items already taken off.", Money.of
    )
    open_quantity: int | None = _field("open", "Units neither shipped nor cancelled.")
    shipped_quantity: int | None = _field("shipped", "Units shipped.")
    cancelled_quantity: int | None = _field("cancelled", "Units cancelled.")

    @strawberry.field(description="The item as it is in the shop's catalog here; null when it is not there.")
    async def product(self, info: strawberry.Info[Context, None]) -> Product | None:
        retailer_id = self.document.get("retailerId")
        if self.catalog_id is None or retailer_id is None:
            return None
        row = await info.context.items_by_retailer_id.load((self.catalog_id, retailer_id))
        return None if row is None else Product.of(row)


@strawberry.type(description="A buyer's order, mirrored from Meta.")
class Order(Node):
    row: strawberry.Private[OrderRow]
    document: strawberry.Private[dict[str, Any]]

    @classmethod
    def of(cls, row: OrderRow) -> Order:
        return cls(key=row.id, row=row, document=row.document)

    meta_id: str = _field("metaId", "Meta's id of the order.")
    state: OrderState = _field("state", "How far it has come.", OrderState)
    raw_state: str | None = _field("rawState", "The same in Meta's own spelling.")
    merchant_order_reference: str | None = _field(
        "merchantOrderReference", "The seller's own order number, set when it is acknowledged."
    )
    channel: str | None = _field("channel", "Where it was placed: `facebook` or `instagram`.")
    is_test: bool = _field("isTest", "Whether it is a test order.")
    created_at: datetime = _field("createdAt", "When the buyer placed it.", datetime.fromisoformat)
    updated_at: datetime = _field("updatedAt", "When it last changed at Meta.", datetime.fromisoformat)
    ship_by: date | None = _field("shipBy", "The latest day to ship it.", date.fromisoformat)
    items_total: Money | None = _field("itemsTotal", "Estimate for the goods, after the seller's discounts.", Money.of)
    shipping_total: Money | None = _field("shippingTotal", "Estimate for shipping.", Money.of)
    tax_total: Money | None = _field("taxTotal", "Estimated tax.", Money.of)
    total: Money | None = _field("total", "Estimate of everything, as it was when the order was placed.", Money.of)

    @strawberry.field(description="The id of the shop that it was placed in.")
    def shop_id(self) -> strawberry.ID:
        return strawberry.ID(node_id("Shop", self.row.shop_id))

    @strawberry.field(description="Its lines.")
    async def items(self, info: strawberry.Info[Context, None]) -> list[OrderItem]:
        shop = await info.context.shops.load(self.row.shop_id)
        catalog_id = None if shop is None else shop.catalog_id
        return [OrderItem(document=item, catalog_id=catalog_id) for item in self.document["items"]]

    @strawberry.field(description="When the mirror last read a change of it from Meta.")
    def as_of(self) -> datetime:
        return self.row.read_at
