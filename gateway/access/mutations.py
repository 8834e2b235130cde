"""Mutations on API keys."""

from __future__ import annotations

from typing import Annotated

import strawberry

from gateway.access.models import Scope
from gateway.access.types import ApiKey
from gateway.api.mutations import Payload, mutation
from gateway.context import Context
from gateway.kit.ids import key_of


@strawberry.input(description="A key to make. It can hold no more than the key that makes it.")
class ApiKeyCreateInput:
    name: str = strawberry.field(description="Name it after the app that will use it.")
    scopes: list[Scope] = strawberry.field(description="What it may do; at least one.")
    shop_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="The shops that it is granted; every shop when left out."
    )


@strawberry.type(description="The new key.")
class ApiKeyCreatePayload(Payload):
    api_key: ApiKey | None = strawberry.field(default=None, description="The key.")
    secret: str | None = strawberry.field(
        default=None, description="What to send as `Authorization: Bearer ...`. Shown this once, and not kept."
    )


@strawberry.input(description="A key to make useless.")
class ApiKeyRevokeInput:
    id: strawberry.ID = strawberry.field(description="The key.")


@strawberry.type(description="The key that was made useless.")
class ApiKeyRevokePayload(Payload):
    api_key: ApiKey | None = strawberry.field(default=None, description="The key.")


@strawberry.type
class AccessMutation:
    @mutation(ApiKeyCreatePayload, Scope.KEYS_WRITE, "Make an API key.")
    async def api_key_create(
        self,
        info: strawberry.Info[Context, None],
        input: Annotated[ApiKeyCreateInput, strawberry.argument(description="What it shall hold.")],
    ) -> ApiKeyCreatePayload | None:
        shops = None if input.shop_ids is None else [key_of(shop_id, "Shop") for shop_id in input.shop_ids]
        key, secret = await info.context.services.access.create_key(
            info.context.caller, input.name, input.scopes, shops
        )
        return ApiKeyCreatePayload(api_key=ApiKey.of(key), secret=secret)

    @mutation(ApiKeyRevokePayload, Scope.KEYS_WRITE, "Make an API key useless from now on.")
    async def api_key_revoke(
        self,
        info: strawberry.Info[Context, None],
        input: Annotated[ApiKeyRevokeInput, strawberry.argument(description="Which key.")],
    ) -> ApiKeyRevokePayload | None:
        key = await info.context.services.access.revoke_key(info.context.caller, key_of(input.id, "ApiKey"))
        return ApiKeyRevokePayload(api_key=ApiKey.of(key))
