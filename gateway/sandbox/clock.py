"""The clock of a world: it follows real time, stands still, or runs at another speed, and can be moved forward.

Everything that takes time at Meta (batches, reviews, held orders, usage windows, token life) reads this clock,
so a test advances it instead of waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

KINDS = ("real", "frozen", "scaled")


@dataclass
class VirtualClock:
    """Virtual Unix seconds out of a real clock."""

    real: Callable[[], datetime]
    kind: str = "real"
    start: float = 0.0
    """Virtual time at the moment *anchor* of real time."""
    anchor: float = 0.0
    factor: float = 1.0
    offset: float = 0.0
    """Seconds added by hand, all together."""

    @classmethod
    def begin(
        cls, real: Callable[[], datetime], kind: str = "real", start: datetime | None = None, factor: float = 1.0
    ) -> VirtualClock:
        anchor = real().timestamp()
        first = anchor if start is None else start.timestamp()
        return cls(real, kind, first, anchor, factor)

    def timestamp(self) -> float:
        if self.kind == "frozen":
            return self.start + self.offset
        elapsed = self.real().timestamp() - self.anchor
        if self.kind == "scaled":
            elapsed *= self.factor
        return self.start + elapsed + self.offset

    def advance(self, seconds: float) -> None:
        self.offset += seconds


def iso_order(timestamp: float) -> str:
    """The form of commerce orders: `2026-03-04T17:20:05+00:00`."""
    return datetime.fromtimestamp(int(timestamp), UTC).isoformat()


def iso_node(timestamp: float) -> str:
    """The form of most other nodes: `2026-03-04T17:20:05+0000`."""
    return datetime.fromtimestamp(int(timestamp), UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
