"""Webhooks on their way: the handshake with a callback, and the delivery of what is due.

Deliveries run in a task of their own for each world, so that neither a slow callback nor a dead one holds up a Graph
call.  Only addresses of this machine are ever called (`hooks.loopback`).
"""

from __future__ import annotations

import asyncio
import sqlite3
import ssl
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from gateway.sandbox import hooks
from gateway.sandbox.world import World

LONGEST_NAP = 600.0
_AGENT = {"User-Agent": "facebookexternalua"}


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def open_client(seconds: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=seconds, trust_env=False, follow_redirects=False, verify=_tls(), headers=_AGENT)


async def fetch(client: httpx.AsyncClient, method: str, url: str, **options: Any) -> tuple[int | str, str]:
    """The status and the beginning of the body, or the name of what went wrong."""
    try:
        async with client.stream(method, url, **options) as answer:
            start = b""
            async for chunk in answer.aiter_bytes():
                start += chunk
                if len(start) > 4096:
                    break
            return answer.status_code, start.decode("utf-8", "replace")
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return type(problem).__name__, ""


async def verify(url: str, token: str, challenge: str, seconds: float) -> str | None:
    """Ask a callback to prove itself; None when it did, else what it did instead."""
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
    async with open_client(seconds) as client:
        outcome, body = await fetch(client, "GET", str(httpx.URL(url).copy_merge_params(query)))
    if outcome != 200:
        return f"HTTP Status Code = {outcome}" if isinstance(outcome, int) else str(outcome)
    return None if body == challenge else "the challenge did not come back"


@dataclass
class _Round:
    """The deliveries of one world."""

    loop: asyncio.AbstractEventLoop
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Courier:
    """Takes what is due to the callbacks of each world."""

    def __init__(self) -> None:
        self._rounds: dict[int, _Round] = {}

    def wake(self, world: World) -> None:
        """Something may have become due: look, without waiting for it."""
        if hooks.next_moment(world) is None:
            return
        turn = self._round(world)
        turn.bell.set()
        if turn.task is None or turn.task.done():
            turn.task = turn.loop.create_task(self._serve(world, turn))

    async def flush(self, world: World) -> None:
        """Return when everything that is due by now was tried."""
        turn = self._round(world)
        async with turn.lock:
            await _deliver(world)

    async def close(self) -> None:
        tasks = [turn.task for turn in self._rounds.values() if turn.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._rounds.clear()

    def _round(self, world: World) -> _Round:
        loop = asyncio.get_running_loop()
        turn = self._rounds.get(world.number)
        if turn is None or turn.loop is not loop:
            turn = self._rounds[world.number] = _Round(loop)
        return turn

    @staticmethod
    async def _serve(world: World, turn: _Round) -> None:
        """Deliver until nothing is due; with a clock that runs by itself, wait for what will be."""
        try:
            while True:
                turn.bell.clear()
                async with turn.lock:
                    await _deliver(world)
                nap = _real_seconds(world)
                if nap is None:
                    return
                try:
                    await asyncio.wait_for(turn.bell.wait(), nap)
                except TimeoutError:
                    continue
        except sqlite3.ProgrammingError:
            return  # the world ended meanwhile, and its database was closed


def _real_seconds(world: World) -> float | None:
    """How long until the next notification is due, in real time; None when waiting cannot bring it nearer."""
    moment = hooks.next_moment(world)
    if moment is None or world.clock.kind == "frozen":
        return None
    factor = world.clock.factor if world.clock.kind == "scaled" else 1.0
    if factor <= 0:
        return None
    return min(max((moment - world.now()) / factor, 0.01), LONGEST_NAP)


async def _deliver(world: World) -> None:
    with world.transaction():
        hooks.collect(world)
    if hooks.due_post(world) is None:
        return
    async with open_client(world.hook_rules.timeout) as client:
        while (post := hooks.due_post(world)) is not None:
            headers = {"Content-Type": "application/json", **hooks.signatures(world.settings.app_secret, post["body"])}
            outcome, _ = await fetch(client, "POST", post["url"], content=post["body"], headers=headers)
            with world.transaction():
                hooks.record(world, post, outcome)
                hooks.collect(world)
