"""Stop calling what does not answer: a circuit breaker per token and edge.

Five calls in a row that Meta did not answer (faults of its own, no connection, no readable answer) open the circuit;
then nothing is sent for a while, and one call is let through to see.  A refusal is an answer and closes it.  What an
open circuit means for a read is its owner's business: mirrored data is served with its age.
Source: Commerce Platform > best practices (back off, circuit breaker).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.graph.errors import CircuitOpen, GraphError, GraphTransient, GraphUnclear, GraphUnreachable
from gateway.kit.clock import Clock

FAILURES = 5
FIRST_PAUSE_S = 30
LONGEST_PAUSE_S = 300
_CAPACITY = 10_000


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    pause_s: int = FIRST_PAUSE_S
    open_until: datetime | None = None


class Breaker:
    """The circuits of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._circuits: dict[Hashable, _Circuit] = {}

    def check(self, key: Hashable) -> None:
        """Raises:
        CircuitOpen: nothing may be sent yet; nothing was.
        """
        circuit = self._circuits.get(key)
        if circuit is None or circuit.open_until is None:
            return
        left_s = (circuit.open_until - self._clock.now()).total_seconds()
        if left_s > 0:
            raise CircuitOpen(
                "Meta did not answer several calls like this one; it is left alone for a moment",
                retry_after_s=int(left_s) + 1,
            )
        # Half open: this call goes through, and others wait for what becomes of it.
        circuit.open_until = self._clock.now() + timedelta(seconds=circuit.pause_s)

    def note(self, key: Hashable, error: GraphError | None) -> None:
        """What became of a call that was let through."""
        if not isinstance(error, GraphTransient | GraphUnreachable | GraphUnclear):
            self._circuits.pop(key, None)
            return
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.failures += 1
        if circuit.failures < FAILURES:
            return
        circuit.open_until = self._clock.now() + timedelta(seconds=circuit.pause_s)
        circuit.pause_s = min(circuit.pause_s * 2, LONGEST_PAUSE_S)
        while len(self._circuits) > _CAPACITY:
            del self._circuits[next(iter(self._circuits))]
