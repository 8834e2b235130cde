"""A Redis of the test's own, for tests that empty or stop it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from gateway.embedded import embedded_redis


@pytest.fixture
def own_redis_url() -> Iterator[str]:
    with embedded_redis() as url:
        yield url


@pytest.fixture
async def redis(own_redis_url: str) -> AsyncIterator[Redis]:
    """A plain client, to look at what the gateway left there."""
    async with Redis.from_url(own_redis_url) as client:
        yield client
