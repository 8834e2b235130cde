"""Equal reads in flight are one call: the first asker makes it, the others wait for the same result.

Nobody's cancellation harms the others; the call itself is given up when nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

import orjson


class _Flight:
    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.waiters = 0


class Flights:
    """The reads in flight, by what makes two of them equal."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}

    async def share(self, key: Hashable, call: Callable[[], Awaitable[Any]]) -> Any:
        """The JSON that *call* returns, or that the call of the same *key* in flight is about to return."""
        flight = self._flights.get(key)
        first = flight is None
        if flight is None:
            flight = _Flight(asyncio.ensure_future(_run(call)))
            self._flights[key] = flight
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiters += 1
        try:
            value = await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                self._forget(key, flight.task)
                flight.task.cancel()
        # The others get copies: what one of them changes must not change under the rest.
        return value if first else orjson.loads(orjson.dumps(value))

    def _landed(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        self._forget(key, task)
        if not task.cancelled():
            task.exception()  # looked at, so that a failure nobody waited for is not reported as forgotten

    def _forget(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]

    async def aclose(self) -> None:
        """Give up everything in flight."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()
