"""Jobs that run lanes."""

from __future__ import annotations

from gateway.sync.models import Lane
from workers.context import JobContext, services


async def run_lane(ctx: JobContext, shop_id: str, lane: str) -> bool:
    """Run a lane of a shop if it is due; true when this job did it."""
    return await services(ctx).sync.run(shop_id, Lane(lane)) is not None
