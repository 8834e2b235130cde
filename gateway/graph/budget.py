"""Meta's quota as a resource that is shared: by priority, by all processes, and known before it is spent.

Usage headers say how full a bucket is: per object and kind (a Page's calls, a catalog's batches), and per app.  Every
process writes what it was told to one store in Redis and reads it before it calls.  Each priority may fill a bucket up
to a mark of its own, so that when quota gets short the less urgent work stops first and the rest is left for orders.
What is not known, or was told too long ago, is assumed to be three quarters used; Redis lost is nothing lost.
Source: Graph API > Rate limiting (headers, business use cases; calls made while throttled lengthen the block).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.graph.errors import GraphThrottled
from gateway.graph.usage import Seen, UsageBook
from gateway.kit.clock import Clock

log = structlog.get_logger("gateway.graph")

ASSUMED_PERCENT = 75.0
# Quotas roll over an hour; what was told longer ago says nothing about now.
TOLD_FOR = timedelta(hours=1)
PAUSE_S = 60
_KEY = "gateway:graph-usage"
_PATIENCE_S = 1.0


class Priority(StrEnum):
    """Who goes first when quota is short; the order of the members is the order of service."""

    INTERACTIVE = "INTERACTIVE"
    ACKNOWLEDGE = "ACKNOWLEDGE"
    FULFIL = "FULFIL"
    VOLATILE = "VOLATILE"
    ORDERS = "ORDERS"
    LIVE_READ = "LIVE_READ"
    PROMOTIONS = "PROMOTIONS"
    DELTA = "DELTA"
    DIAGNOSTICS = "DIAGNOSTICS"
    FULL = "FULL"


# Up to which percentage each may fill a bucket.  All are above what is assumed of an unknown one, or nobody would ever
# make the call that learns how full it is.
CEILINGS: Mapping[Priority, float] = {
    Priority.INTERACTIVE: 100,
    Priority.ACKNOWLEDGE: 98,
    Priority.FULFIL: 96,
    Priority.VOLATILE: 94,
    Priority.ORDERS: 92,
    Priority.LIVE_READ: 90,
    Priority.PROMOTIONS: 88,
    Priority.DELTA: 86,
    Priority.DIAGNOSTICS: 82,
    Priority.FULL: 80,
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A quota: of which object, and of which kind (an open string, as Meta's ``type``)."""

    object_id: str
    kind: str

    def __str__(self) -> str:
        return f"{self.object_id}:{self.kind}"


@dataclass(frozen=True, slots=True)
class Level:
    """How full a bucket is; ``at`` is ``None`` when nobody was told and it is assumed."""

    percent: float
    at: datetime | None = None
    regain_at: datetime | None = None


class LevelStore(Protocol):
    """Where the levels are shared."""

    async def load(self, buckets: Sequence[Bucket]) -> dict[Bucket, Level]: ...

    async def save(self, levels: Mapping[Bucket, Level]) -> None: ...

    async def aclose(self) -> None: ...


class LocalLevels:
    """Levels of this process alone."""

    def __init__(self) -> None:
        self._levels: dict[Bucket, Level] = {}

    async def load(self, buckets: Sequence[Bucket]) -> dict[Bucket, Level]:
        return {bucket: self._levels[bucket] for bucket in buckets if bucket in self._levels}

    async def save(self, levels: Mapping[Bucket, Level]) -> None:
        self._levels.update(levels)

    async def aclose(self) -> None:
        """Nothing to close."""


class RedisLevels:
    """Levels shared by all processes; while Redis is away, those of this process."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(url)
        self._own = LocalLevels()

    async def load(self, buckets: Sequence[Bucket]) -> dict[Bucket, Level]:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                rows = await self._redis.hmget(_KEY, [str(bucket) for bucket in buckets])  # type: ignore[misc]
        except (RedisError, OSError, TimeoutError) as exc:
            log.warning("graph.budget_unshared", error=type(exc).__name__)
            return await self._own.load(buckets)
        return {bucket: _decode(row) for bucket, row in zip(buckets, rows, strict=True) if row is not None}

    async def save(self, levels: Mapping[Bucket, Level]) -> None:
        await self._own.save(levels)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                mapping = {str(bucket): _encode(level) for bucket, level in levels.items()}
                await self._redis.hset(_KEY, mapping=mapping)  # type: ignore[misc]
        except (RedisError, OSError, TimeoutError) as exc:
            log.warning("graph.budget_unshared", error=type(exc).__name__)

    async def aclose(self) -> None:
        await self._redis.aclose()


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: which bucket is too full for this priority, and when to look again."""

    bucket: Bucket
    level: Level
    seconds: int


class Budget:
    """Decides who may call."""

    def __init__(self, book: UsageBook, store: LevelStore, clock: Clock) -> None:
        self._book = book
        self._store = store
        self._clock = clock

    async def admit(self, priority: Priority, buckets: Iterable[Bucket]) -> Wait | None:
        """``None`` when a call on these buckets may be made at this priority, else how long to wait."""
        waits: list[Wait] = []
        for bucket, level in (await self.levels(buckets)).items():
            seconds = self._wait_s(priority, level)
            if seconds:
                waits.append(Wait(bucket, level, seconds))
        return max(waits, key=lambda wait: wait.seconds, default=None)

    async def require(self, priority: Priority, buckets: Iterable[Bucket]) -> None:
        """Raises:
        GraphThrottled: quota is too short for this priority; nothing was sent.
        """
        wait = await self.admit(priority, buckets)
        if wait is not None:
            raise GraphThrottled(
                f"Meta's quota {wait.bucket.kind} is {wait.level.percent:.0f} % used; {priority.value} has to wait",
                bucket=wait.bucket.kind,
                retry_after_s=wait.seconds,
            )

    async def levels(self, buckets: Iterable[Bucket]) -> dict[Bucket, Level]:
        """How full each bucket is, as far as anybody was told."""
        await self._share()
        wanted = list(dict.fromkeys(buckets))
        known = await self._store.load(wanted) if wanted else {}
        now = self._clock.now()
        fresh = {bucket: level for bucket, level in known.items() if level.at and now - level.at <= TOLD_FOR}
        return {bucket: fresh.get(bucket, Level(ASSUMED_PERCENT)) for bucket in wanted}

    async def aclose(self) -> None:
        await self._store.aclose()

    def _wait_s(self, priority: Priority, level: Level) -> int:
        left_s = 0.0
        if level.regain_at is not None:
            left_s = (level.regain_at - self._clock.now()).total_seconds()
        if left_s > 0:
            return math.ceil(left_s)
        if level.percent >= 100 and level.regain_at is not None:
            return 0  # the block is over; the next call tells how full the bucket is
        return PAUSE_S if level.percent >= CEILINGS[priority] else 0

    async def _share(self) -> None:
        told = self._book.drain()
        if told:
            await self._store.save({Bucket(seen.usage.object_id, seen.usage.type): _level(seen) for seen in told})


def _level(seen: Seen) -> Level:
    wait_s = seen.usage.wait_s
    return Level(seen.usage.percent, seen.at, seen.at + timedelta(seconds=wait_s) if wait_s else None)


def _encode(level: Level) -> bytes:
    assert level.at is not None
    regain = level.regain_at.timestamp() if level.regain_at else None
    return orjson.dumps([level.percent, level.at.timestamp(), regain])


def _decode(row: bytes) -> Level:
    percent, at, regain = orjson.loads(row)
    return Level(
        percent, datetime.fromtimestamp(at, UTC), None if regain is None else datetime.fromtimestamp(regain, UTC)
    )
