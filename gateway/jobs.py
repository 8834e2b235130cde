"""The doorbell: tell the workers, over arq on Redis, that something is due.

Redis holds no truth.  Every job names work that the database knows about, and each worker looks there by itself every
second, so an emptied Redis, or one that is away, costs a moment and nothing else.  A ring that fails is logged and
forgotten.  Jobs are JSON (arq would pickle), and no result is kept (a kept one blocks the next job of its id).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.exceptions import RedisError

log = structlog.get_logger("gateway.jobs")

QUEUE = "gateway:jobs"
_TWINS_WITHIN_S = 10
# A server that takes the connection and says nothing must not hold up a mutation.
_PATIENCE_S = 2.0
RUN_LANE = "run_lane"
CARRY_DISPATCH = "carry_dispatch"


def encode(value: Any) -> bytes:
    return orjson.dumps(value, default=str)


def decode(value: bytes) -> Any:
    return orjson.loads(value)


def redis_settings(url: str) -> RedisSettings:
    """arq's settings for a URL, short in its patience: a doorbell must not hold up a mutation."""
    settings = RedisSettings.from_dsn(url)
    settings.conn_timeout = 2
    settings.conn_retries = 1
    settings.conn_retry_delay = 0
    return settings


@dataclass(frozen=True, slots=True)
class Job:
    """A job by name and arguments."""

    name: str
    args: tuple[str, ...]


class JobQueue:
    """Rings the workers; never raises because of Redis."""

    def __init__(self, url: str, *, now: Callable[[], float] = time.time) -> None:
        self._settings = redis_settings(url)
        self._now = now
        self._pool: ArqRedis | None = None
        self._lock = asyncio.Lock()

    async def ring(self, jobs: Iterable[Job]) -> int:
        """Enqueue *jobs*; returns how many were new.  Zero also when Redis is away."""
        rung = 0
        try:
            async with asyncio.timeout(_PATIENCE_S):
                pool = await self._connected()
                for job in jobs:
                    # Twins are one while a job waits or runs.  Not for longer than a moment, though: arq keeps the
                    # mark of a running job for an hour after its worker was killed, and would refuse its successor.
                    key = ":".join((job.name, *job.args, str(int(self._now() / _TWINS_WITHIN_S))))
                    rung += await pool.enqueue_job(job.name, *job.args, _job_id=key) is not None
        except (RedisError, OSError, TimeoutError) as exc:
            log.warning("the doorbell is out of order; workers will find the work by themselves", error=str(exc))
        return rung

    async def ping(self) -> bool:
        """Whether Redis answers."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return bool(await (await self._connected()).ping())
        except (RedisError, OSError, TimeoutError):
            return False

    async def _connected(self) -> ArqRedis:
        async with self._lock:
            if self._pool is None:
                self._pool = await create_pool(
                    self._settings,
                    default_queue_name=QUEUE,
                    job_serializer=encode,
                    job_deserializer=decode,
                )
            return self._pool

    async def aclose(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None


class SilentQueue(JobQueue):
    """No doorbell at all: for the command line, and for callers that run the work themselves."""

    def __init__(self) -> None:
        super().__init__("redis://127.0.0.1:1")

    async def ring(self, jobs: Iterable[Job]) -> int:
        return 0
