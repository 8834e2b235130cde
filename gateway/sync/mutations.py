"""Mutations over lanes."""

from __future__ import annotations

from typing import Annotated

import strawberry

from gateway.access.models import Scope
from gateway.api.mutations import Payload, mutation
from gateway.context import Context
from gateway.kit.ids import key_of
from gateway.sync.models import Lane
from gateway.sync.types import SyncRun


@strawberry.input(description="Which lanes of a shop to run now.")
class CatalogSyncRunInput:
    shop_id: strawberry.ID = strawberry.field(description="The shop.")
    lanes: list[Lane] = strawberry.field(
        default_factory=lambda: [Lane.DELTA, Lane.VOLATILE], description="DELTA and VOLATILE by default."
    )


@strawberry.type(description="The runs that were asked for.")
class CatalogSyncRunPayload(Payload):
    runs: list[SyncRun] = strawberry.field(
        default_factory=list, description="One per lane; read them again with `node` until they have ended."
    )


@strawberry.type
class SyncMutation:
    @mutation(
        CatalogSyncRunPayload,
        Scope.SYNC_WRITE,
        "Run lanes of a shop now, rather than when they are due. Returns at once; the runs tell how far they are.",
    )
    async def catalog_sync_run(
        self,
        info: strawberry.Info[Context, None],
        input: Annotated[CatalogSyncRunInput, strawberry.argument(description="What to run.")],
    ) -> CatalogSyncRunPayload | None:
        services = info.context.services
        shop = await services.shops.get(info.context.caller, key_of(input.shop_id, "Shop"))
        runs = await services.sync.request_runs(shop.id, list(dict.fromkeys(input.lanes)))
        return CatalogSyncRunPayload(runs=[SyncRun.of(run) for run in runs])
