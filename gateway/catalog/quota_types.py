"""Meta's quota in the schema."""

from __future__ import annotations

from datetime import datetime

import strawberry

from gateway.catalog.quotas import Quota
from gateway.graph.budget import Bucket, Level


@strawberry.type(description="One of Meta's quotas, as a share: Meta tells percentages, never numbers of calls.")
class GraphBucket:
    object_meta_id: str = strawberry.field(description="Meta's id of the catalog, Page or app that it belongs to.")
    kind: str = strawberry.field(description="What it counts: `catalog_batch`, `catalog_management`, `pages`, `app`...")
    used_percent: float = strawberry.field(description="How much of it is used up.")
    assumed: bool = strawberry.field(
        description="Whether Meta has said nothing about it within the hour, so that 75 % are assumed."
    )
    as_of: datetime | None = strawberry.field(description="When Meta said so.")
    regain_at: datetime | None = strawberry.field(description="When calls are accepted again, if they are not now.")

    @classmethod
    def of(cls, bucket: Bucket, level: Level) -> GraphBucket:
        return cls(
            object_meta_id=bucket.object_id,
            kind=bucket.kind,
            used_percent=level.percent,
            assumed=level.at is None,
            as_of=level.at,
            regain_at=level.regain_at,
        )


@strawberry.type(description="What a shop has left of Meta's quota, and what it has still to send.")
class GraphBudget:
    buckets: list[GraphBucket] = strawberry.field(description="The quotas that its calls count against.")
    waiting_items: int = strawberry.field(description="Items of its catalog that wait to be sent.")
    waiting_calls: int = strawberry.field(description="Batch calls that they take.")
    drain_seconds: int = strawberry.field(
        description="Seconds until the last of those calls is allowed, by the hourly limit of batch calls."
    )

    @classmethod
    def of(cls, quota: Quota) -> GraphBudget:
        return cls(
            buckets=[GraphBucket.of(bucket, level) for bucket, level in quota.buckets],
            waiting_items=quota.items,
            waiting_calls=quota.calls,
            drain_seconds=quota.drain_s,
        )
