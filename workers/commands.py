"""Jobs that carry dispatches."""

from __future__ import annotations

from workers.context import JobContext, services


async def carry_dispatch(ctx: JobContext, dispatch_id: str) -> bool:
    """Do the next step of a dispatch if it is due; true when this job did it."""
    return await services(ctx).commands.carry(dispatch_id)
