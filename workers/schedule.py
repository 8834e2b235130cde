"""The tick: every second each worker looks what is due in the database and rings for it.

arq's own cron is not used: it does not catch up, and it lives in Redis.  Looking is cheap (two indexed reads), and
ringing twice is harmless, since a job claims its work in the database before it does any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.jobs import CARRY_DISPATCH, RUN_LANE, Job
from gateway.services import Services

log = structlog.get_logger("gateway.worker")


async def sweep(services: Services) -> int:
    """Ring for everything that is due; returns how many jobs were new."""
    lanes = [Job(RUN_LANE, (shop_id, lane.value)) for shop_id, lane in await services.sync.due()]
    dispatches = [Job(CARRY_DISPATCH, (dispatch_id,)) for dispatch_id in await services.commands.due()]
    jobs = dispatches + lanes
    return await services.jobs.ring(jobs) if jobs else 0


async def tick(services: Services, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Sweep for ever, once every ``tick_s``."""
    while True:
        try:
            await sweep(services)
        except Exception:
            log.exception("the sweep met a fault; it goes on")
        await sleep(services.settings.tick_s)
