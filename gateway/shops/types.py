"""Shops in the schema.  The domains above add their own fields to ``Shop`` in ``gateway.schema``."""

from __future__ import annotations

from datetime import datetime

import strawberry

from gateway.api.enums import expose
from gateway.api.node import Node
from gateway.shops.models import CheckoutType
from gateway.shops.models import Shop as ShopModel

expose(
    CheckoutType,
    "Where a shop's buyers pay.",
    ONSITE_CHECKOUT="On Facebook and Instagram; the shop has orders to manage.",
    OFFSITE_IAB_CHECKOUT="On the seller's site, in the app's own browser.",
    OFFSITE_LINK="On the seller's site.",
    CONTACT_MERCHANT="By message with the seller.",
    UNKNOWN="Meta says something that this version does not know; see `rawCheckoutType`.",
)


@strawberry.type(description="A linked shop: a commerce account at Meta with its catalog.")
class ShopFields(Node):
    model: strawberry.Private[ShopModel]

    @strawberry.field(description="Its name.")
    def name(self) -> str:
        return self.model.name

    @strawberry.field(description="Meta's id of the commerce account.")
    def meta_id(self) -> str:
        return self.model.meta_id

    @strawberry.field(description="Meta's id of the Page behind it.")
    def page_meta_id(self) -> str | None:
        return self.model.page_id

    @strawberry.field(description="Meta's id of its catalog; null when none is connected.")
    def catalog_meta_id(self) -> str | None:
        return self.model.catalog_id

    @strawberry.field(description="Where its buyers pay.")
    def checkout_type(self) -> CheckoutType:
        return self.model.checkout

    @strawberry.field(description="The same in Meta's own spelling.")
    def raw_checkout_type(self) -> str | None:
        return self.model.raw_cta

    @strawberry.field(description="Whether it has orders to manage.")
    def has_orders(self) -> bool:
        return self.model.has_orders

    @strawberry.field(description="When it was linked.")
    def linked_at(self) -> datetime:
        return self.model.linked_at
