"""Quota is shared by priority and by process, and known before it is spent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from gateway.graph.budget import (
    ASSUMED_PERCENT,
    CEILINGS,
    PAUSE_S,
    Bucket,
    Budget,
    LocalLevels,
    Priority,
    RedisLevels,
)
from gateway.graph.errors import GraphThrottled
from gateway.graph.usage import Usage, UsageBook
from gateway.kit.clock import ManualClock

BATCHES = Bucket("110200300400504", "catalog_batch")


class Process:
    """One process's view of the shared levels."""

    def __init__(self, clock: ManualClock, url: str | None = None) -> None:
        self.clock = clock
        self.book = UsageBook()
        self.budget = Budget(self.book, LocalLevels() if url is None else RedisLevels(url), clock)

    def told(self, percent: float, wait_s: int = 0) -> None:
        usage = Usage(BATCHES.object_id, BATCHES.kind, percent, wait_s)
        self.book.record([usage], self.clock.now())

    async def who_may(self) -> set[Priority]:
        return {priority for priority in Priority if await self.budget.admit(priority, [BATCHES]) is None}


def test_the_order_of_the_priorities_is_the_order_of_their_ceilings() -> None:
    ceilings = [CEILINGS[priority] for priority in Priority]

    assert ceilings == sorted(ceilings, reverse=True)
    assert len(set(ceilings)) == len(ceilings)


async def test_an_unknown_bucket_is_assumed_to_be_three_quarters_used_and_shuts_nobody_out() -> None:
    process = Process(ManualClock())

    levels = await process.budget.levels([BATCHES])

    assert (levels[BATCHES].percent, levels[BATCHES].at) == (ASSUMED_PERCENT, None)
    assert await process.who_may() == set(Priority)


@pytest.mark.parametrize("percent", [79, 80, 85, 87, 93, 97, 99])
async def test_the_fuller_it_gets_the_fewer_may_call(percent: int) -> None:
    process = Process(ManualClock())
    process.told(percent)

    assert await process.who_may() == {priority for priority in Priority if CEILINGS[priority] > percent}


async def test_a_block_lasts_as_long_as_meta_says_for_everybody() -> None:
    process = Process(ManualClock())
    process.told(100, wait_s=420)

    wait = await process.budget.admit(Priority.INTERACTIVE, [BATCHES])
    assert wait is not None
    assert wait.seconds == 420
    process.clock.advance(421)

    assert await process.who_may() == set(Priority)


async def test_what_was_told_more_than_an_hour_ago_says_nothing() -> None:
    process = Process(ManualClock())
    process.told(99)
    assert await process.who_may() == {Priority.INTERACTIVE}

    process.clock.advance(timedelta(hours=1, seconds=1).total_seconds())

    assert await process.who_may() == set(Priority)


async def test_a_refusal_names_the_bucket_and_the_wait() -> None:
    process = Process(ManualClock())
    process.told(90)

    with pytest.raises(GraphThrottled, match="90 %") as caught:
        await process.budget.require(Priority.DELTA, [BATCHES])

    assert (caught.value.bucket, caught.value.retry_after_s) == ("catalog_batch", PAUSE_S)


async def test_processes_share_what_one_of_them_was_told(redis_url: str) -> None:
    Redis.from_url(redis_url).flushall()
    clock = ManualClock()
    one, other = Process(clock, redis_url), Process(clock, redis_url)
    one.told(95)
    await one.budget.admit(Priority.FULL, [BATCHES])

    assert Priority.VOLATILE not in await other.who_may()
    assert Priority.ACKNOWLEDGE in await other.who_may()

    for process in (one, other):
        await process.budget.aclose()


async def test_an_emptied_redis_is_an_unknown_bucket(redis_url: str) -> None:
    process = Process(ManualClock(), redis_url)
    process.told(99)
    assert await process.who_may() == {Priority.INTERACTIVE}

    Redis.from_url(redis_url).flushall()

    assert await process.who_may() == set(Priority)
    await process.budget.aclose()


async def test_without_redis_a_process_goes_by_what_it_was_told_itself() -> None:
    process = Process(ManualClock(), "redis://127.0.0.1:1")
    process.told(99)

    assert await process.who_may() == {Priority.INTERACTIVE}
    await process.budget.aclose()
