"""Counts what a piece of work costs at Meta: ``with metered() as meter: ...``.

Tasks started inside count into the same meter; meters nest, and each counts everything inside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_ID = re.compile(r"(?:[a-z]+[:_])?\d{2,}(?::[\w=-]+)?|upload:.+")


@dataclass(slots=True, eq=False)
class Meter:
    """Calls made so far, retries included."""

    http_calls: int = 0
    graph_calls: int = 0
    """What Meta counts against its quotas: every slot of a batch and every id of a multi-get is one."""
    log: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) of each HTTP call, with ``{id}`` in the place of ids."""


_active: ContextVar[tuple[Meter, ...]] = ContextVar("gateway_graph_meters", default=())


@contextmanager
def metered() -> Iterator[Meter]:
    """Count all calls made inside the block."""
    meter = Meter()
    token = _active.set((*_active.get(), meter))
    try:
        yield meter
    finally:
        _active.reset(token)


def count(method: str, path: str, cost: int) -> None:
    """Note one HTTP call that Meta counts as *cost* calls."""
    meters = _active.get()
    if not meters:
        return
    entry = (method, without_ids(path))
    for meter in meters:
        meter.http_calls += 1
        meter.graph_calls += cost
        meter.log.append(entry)


def without_ids(path: str) -> str:
    """``900/commerce_orders`` as ``/{id}/commerce_orders``: what a call was, not whose."""
    return "/" + "/".join("{id}" if _ID.fullmatch(part) else part for part in path.strip("/").split("/"))
