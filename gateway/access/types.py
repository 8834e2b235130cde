"""Callers and keys in the schema."""

from __future__ import annotations

from datetime import datetime

import strawberry

from gateway.access.models import Caller, Scope
from gateway.access.service import ApiKey as ApiKeyModel
from gateway.api.enums import expose
from gateway.api.node import Node
from gateway.kit.ids import node_id

expose(
    Scope,
    "What a key may do.",
    SHOPS_READ="See shops and their freshness (`shops:read`).",
    CATALOG_READ="See products and imports (`catalog:read`).",
    CATALOG_WRITE="Write products, prices, stock, and import files (`catalog:write`).",
    ORDERS_READ="See orders (`orders:read`).",
    ORDERS_WRITE="Acknowledge orders (`orders:write`).",
    SYNC_READ="See sync runs (`sync:read`).",
    SYNC_WRITE="Start sync runs (`sync:write`).",
    COMMANDS_READ="See commands (`commands:read`).",
    KEYS_WRITE="Make and revoke keys (`keys:write`).",
)


@strawberry.type(description="Who is asking: the key behind this request.")
class Viewer:
    model: strawberry.Private[Caller]

    @strawberry.field(description="The name of the key.")
    def name(self) -> str:
        return self.model.name

    @strawberry.field(description="What the key may do.")
    def scopes(self) -> list[Scope]:
        return sorted(self.model.scopes)

    @strawberry.field(description="Whether the key is granted every shop, also those to come.")
    def all_shops(self) -> bool:
        return self.model.shops is None


@strawberry.type(description="An API key, without its secret.")
class ApiKey(Node):
    model: strawberry.Private[ApiKeyModel]

    @classmethod
    def of(cls, model: ApiKeyModel) -> ApiKey:
        return cls(key=model.id, model=model)

    @strawberry.field(description="Its name.")
    def name(self) -> str:
        return self.model.name

    @strawberry.field(description="Its first characters, to tell keys apart.")
    def hint(self) -> str:
        return self.model.hint

    @strawberry.field(description="What it may do.")
    def scopes(self) -> list[Scope]:
        return list(self.model.scopes)

    @strawberry.field(description="The shops that it is granted; null for every shop.")
    def shop_ids(self) -> list[strawberry.ID] | None:
        if self.model.shops is None:
            return None
        return [strawberry.ID(node_id("Shop", shop)) for shop in self.model.shops]

    @strawberry.field(description="When it was made.")
    def created_at(self) -> datetime:
        return self.model.created_at

    @strawberry.field(description="When it was made useless; null while it works.")
    def revoked_at(self) -> datetime | None:
        return self.model.revoked_at
