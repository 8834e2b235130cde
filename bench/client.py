"""CPU per Graph call at 1, 16 and 64 calls in flight, beside plain httpx doing the same, in one run."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Awaitable, Callable

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.graph.client import Graph
from gateway.graph.settings import GraphSettings
from gateway.kit.clock import SystemClock
from gateway.serving import bind

CALLS = 640
ROUNDS = 3
IN_FLIGHT = (1, 16, 64)


def _serve() -> tuple[str, uvicorn.Server]:
    async def answer(request: Request) -> Response:
        return JSONResponse({"id": "1", "name": "x" * 400})

    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=[Route("/{path:path}", answer)]), log_level="error", access_log=False)
    )
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{listener.getsockname()[1]}", server


async def _cpu_us(call: Callable[[int], Awaitable[object]], in_flight: int) -> float:
    """CPU of this thread per call, in microseconds."""
    gate = asyncio.Semaphore(in_flight)

    async def one(number: int) -> None:
        async with gate:
            await call(number)

    await asyncio.gather(*(one(number) for number in range(in_flight)))
    started = time.thread_time()
    await asyncio.gather(*(one(number) for number in range(CALLS)))
    return (time.thread_time() - started) / CALLS * 1e6


async def main() -> None:
    """Print microseconds and ratios."""
    url, server = _serve()
    graph = Graph(GraphSettings(base_url=url, app_id="1", app_secret="s"), clock=SystemClock())
    session = graph.session("EAAbenchmark")
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as plain:

        async def ours(number: int) -> object:
            # Different paths, so that equal reads in flight are not one call.
            return await session.get(f"9{number:06}")

        async def theirs(number: int) -> object:
            return (await plain.get(f"{url}/v25.0/9{number:06}")).json()

        print("CPU per Graph call (proof, retries and accounting on) beside plain httpx, microseconds")
        mine: dict[int, float] = {}
        for in_flight in IN_FLIGHT:
            rounds = [(await _cpu_us(ours, in_flight), await _cpu_us(theirs, in_flight)) for _ in range(ROUNDS)]
            mine[in_flight] = statistics.median(us for us, _ in rounds)
            other = statistics.median(us for _, us in rounds)
            print(f"  {in_flight:>3} in flight: {mine[in_flight]:6.0f} / {other:6.0f} = {mine[in_flight] / other:.2f}")
        print(f"  ours at 64 / ours at 1 = {mine[64] / mine[1]:.2f}")
    await graph.aclose()
    server.should_exit = True
