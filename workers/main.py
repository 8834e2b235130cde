"""The worker process: arq for the jobs, and a tick that finds them."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Any

import structlog
from arq.worker import Worker, func
from redis.exceptions import RedisError

from gateway.jobs import CARRY_DISPATCH, QUEUE, RUN_LANE, JobQueue, decode, encode, redis_settings
from gateway.services import Services
from gateway.settings import Settings
from workers.commands import carry_dispatch
from workers.context import JobContext
from workers.schedule import tick
from workers.sync import run_lane

log = structlog.get_logger("gateway.worker")

_RESTART_PAUSE_S = 1.0
JOB_TIMEOUT_S = 3600


def build_worker(services: Services, redis_url: str) -> Worker:
    """An arq worker over *services*; whoever runs it closes them."""
    settings = services.settings

    async def startup(ctx: JobContext) -> None:
        ctx["services"] = services
        ctx["tick"] = asyncio.create_task(tick(services))

    async def shutdown(ctx: JobContext) -> None:
        ctx["tick"].cancel()
        with suppress(asyncio.CancelledError):
            await ctx["tick"]

    options: dict[str, Any] = {
        "functions": [
            func(run_lane, name=RUN_LANE, keep_result=0, max_tries=1),
            func(carry_dispatch, name=CARRY_DISPATCH, keep_result=0, max_tries=1),
        ],
        "queue_name": QUEUE,
        "redis_settings": redis_settings(redis_url),
        "on_startup": startup,
        "on_shutdown": shutdown,
        "job_serializer": encode,
        "job_deserializer": decode,
        # A kept result would refuse the next job of the same id.
        "keep_result": 0,
        "max_jobs": settings.worker_jobs,
        "poll_delay": settings.worker_poll_s,
        "job_timeout": JOB_TIMEOUT_S,
        "handle_signals": False,
        "health_check_key": f"gateway:worker:{settings.worker_name}:{os.getpid()}",
        "health_check_interval": 30,
        "log_results": False,
    }
    return Worker(**options)


async def run_worker(settings: Settings, redis_url: str, *, stop: asyncio.Event | None = None) -> None:
    """Work until *stop* is set; a lost Redis ends an arq worker, so it is started again."""
    services = Services.build(settings, JobQueue(redis_url))
    ended = asyncio.create_task((stop or asyncio.Event()).wait())
    try:
        while not ended.done():
            worker = build_worker(services, redis_url)
            running = asyncio.create_task(worker.async_run())
            await asyncio.wait([running, ended], return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                running.cancel()
            try:
                await running
            except asyncio.CancelledError:
                pass
            except (RedisError, OSError) as exc:
                log.warning("the worker lost Redis and starts again", error=str(exc))
            with suppress(RedisError, OSError):
                await worker.close()
            if not ended.done():
                await asyncio.wait([ended], timeout=_RESTART_PAUSE_S)
    finally:
        ended.cancel()
        await services.aclose()
