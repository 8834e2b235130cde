"""Single reads that are asked for in the same moment become one call: ``ids=``, fifty to a request.

Whoever needs one object says so; whoever needs fifty says so fifty times, and nobody has to collect ids by hand.
Reads are put together per set of fields, once round of the event loop, and answered one by one.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.graph.client import GraphSession

_Waiting = dict[str, list[asyncio.Future[dict[str, Any] | None]]]


class Gather:
    """Gathers reads of nodes on one session."""

    def __init__(self, session: GraphSession) -> None:
        self._session = session
        self._waiting: dict[str, _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def node(self, node_id: str, fields: str) -> dict[str, Any] | None:
        """The object, or ``None`` when it is unknown to this token.

        Raises:
            GraphError: what became of the call that it was read with.
        """
        loop = asyncio.get_running_loop()
        if fields not in self._waiting:
            self._waiting[fields] = {}
            # After everything that is ready to run now has had its turn to ask.
            loop.call_soon(self._start, fields)
        future: asyncio.Future[dict[str, Any] | None] = loop.create_future()
        self._waiting[fields].setdefault(node_id, []).append(future)
        return await future

    def _start(self, fields: str) -> None:
        task = asyncio.get_running_loop().create_task(self._read(fields, self._waiting.pop(fields)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, fields: str, waiting: _Waiting) -> None:
        try:
            found = await self._session.get_many(list(waiting), fields=fields)
        except BaseException as exc:
            _settle(waiting, error=exc)
            if not isinstance(exc, Exception):
                raise
        else:
            _settle(waiting, found=found)


def _settle(
    waiting: _Waiting, *, found: dict[str, dict[str, Any]] | None = None, error: BaseException | None = None
) -> None:
    for node_id, futures in waiting.items():
        for future in futures:
            if future.done():
                continue  # whoever asked has gone
            if error is None:
                future.set_result((found or {}).get(node_id))
            else:
                future.set_exception(error)
