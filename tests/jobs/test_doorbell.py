"""The doorbell: it rings when it can, and holds nobody up when it cannot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.embedded import embedded_redis
from gateway.jobs import CARRY_DISPATCH, QUEUE, RUN_LANE, Job, JobQueue, SilentQueue, decode, encode

LANE = Job(RUN_LANE, ("shop1", "volatile"))
DISPATCH = Job(CARRY_DISPATCH, ("d1",))


class Time:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.unix = 1_000_000.0

    def __call__(self) -> float:
        return self.unix


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
async def queue(own_redis_url: str, now: Time) -> AsyncIterator[JobQueue]:
    queue = JobQueue(own_redis_url, now=now)
    yield queue
    await queue.aclose()


async def waiting(redis: Redis) -> list[tuple[str, list[str]]]:
    """(name, arguments) of the jobs in the queue, oldest first."""
    jobs = [json.loads(await redis.get(b"arq:job:" + key)) for key in await redis.zrange(QUEUE, 0, -1)]
    return [(job["f"], job["a"]) for job in jobs]


async def test_jobs_are_enqueued_as_json(queue: JobQueue, redis: Redis) -> None:
    assert await queue.ring([LANE, DISPATCH]) == 2

    assert sorted(await waiting(redis)) == [("carry_dispatch", ["d1"]), ("run_lane", ["shop1", "volatile"])]


async def test_twins_are_one_while_the_first_waits(queue: JobQueue, redis: Redis) -> None:
    assert await queue.ring([LANE, LANE]) == 1
    assert await queue.ring([LANE, DISPATCH]) == 1

    assert len(await waiting(redis)) == 2


async def test_two_processes_ring_once(queue: JobQueue, redis: Redis, own_redis_url: str, now: Time) -> None:
    other = JobQueue(own_redis_url, now=now)

    assert [await queue.ring([LANE]), await other.ring([LANE])] == [1, 0]

    assert await waiting(redis) == [("run_lane", ["shop1", "volatile"])]
    await other.aclose()


async def test_other_arguments_are_no_twin(queue: JobQueue) -> None:
    others = [Job(RUN_LANE, ("shop1", "delta")), Job(RUN_LANE, ("shop2", "volatile")), Job(CARRY_DISPATCH, ("shop1",))]

    assert await queue.ring([LANE, *others]) == 4


async def test_a_job_whose_worker_died_does_not_block_its_successor_for_long(
    queue: JobQueue, redis: Redis, now: Time
) -> None:
    await queue.ring([LANE])
    [key] = await redis.zrange(QUEUE, 0, -1)
    await redis.set(b"arq:in-progress:" + key, "1")  # what a killed worker leaves behind
    await redis.zrem(QUEUE, key)

    now.unix += 10

    assert await queue.ring([LANE]) == 1


async def test_an_emptied_redis_is_rung_again(queue: JobQueue, redis: Redis) -> None:
    await queue.ring([LANE])
    await redis.flushall()
    assert await waiting(redis) == []

    assert await queue.ring([LANE]) == 1

    assert len(await waiting(redis)) == 1


async def test_a_redis_that_dropped_our_connection_is_rung_again(queue: JobQueue, redis: Redis) -> None:
    await queue.ring([LANE])
    await redis.client_kill_filter(_type="normal", skipme=True)

    assert await queue.ring([DISPATCH]) == 1


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "unix:///nonexistent/redis.sock"])
async def test_a_redis_that_is_away_costs_a_warning_and_nothing_else(url: str) -> None:
    queue = JobQueue(url)

    with capture_logs() as logs:
        assert await queue.ring([LANE]) == 0
        assert not await queue.ping()

    assert [entry["log_level"] for entry in logs] == ["warning"]
    await queue.aclose()


async def test_a_redis_that_goes_away_later_costs_a_warning_too() -> None:
    with embedded_redis() as url:
        queue = JobQueue(url)
        assert await queue.ring([LANE]) == 1
        assert await queue.ping()

    with capture_logs() as logs:
        assert await queue.ring([DISPATCH]) == 0

    assert len(logs) == 1
    assert not await queue.ping()
    await queue.aclose()


async def test_a_redis_that_refuses_to_write_costs_a_warning_too(queue: JobQueue, redis: Redis) -> None:
    await redis.config_set("maxmemory", "1")

    with capture_logs() as logs:
        assert await queue.ring([LANE]) == 0

    assert "maxmemory" in logs[0]["error"]


async def test_a_closed_queue_connects_anew(queue: JobQueue) -> None:
    await queue.ring([LANE])
    await queue.aclose()

    assert await queue.ring([DISPATCH]) == 1


async def test_a_silent_queue_rings_nobody() -> None:
    queue = SilentQueue()

    assert await queue.ring([LANE]) == 0
    assert not await queue.ping()


def test_what_is_encoded_is_plain_json(tmp_path: Path) -> None:
    job = {"f": "run_lane", "a": ["é", None, 1], "k": {"amount": Decimal("1.50")}}

    assert json.loads(encode(job)) == {"f": "run_lane", "a": ["é", None, 1], "k": {"amount": "1.50"}}
    assert decode(encode({"a": [1]})) == {"a": [1]}
    with pytest.raises(ValueError):
        decode(b"\x80\x04\x95pickle")


async def test_a_redis_that_never_answers_does_not_hold_anybody_up() -> None:
    guests: list[asyncio.StreamWriter] = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        guests.append(writer)
        await reader.read()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    queue = JobQueue(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert await asyncio.wait_for(queue.ring([Job(RUN_LANE, ("shop1", "delta"))]), 15) == 0

    await queue.aclose()
    server.close()
    for writer in guests:
        writer.close()
        await writer.wait_closed()
