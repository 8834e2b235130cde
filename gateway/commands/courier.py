"""What a domain says about one kind of dispatch: how to read it, send it, and book what came of it.

The service (``service.py``) owns leases, retries and time; a courier owns meaning.  All its bookings run inside the
service's transaction, fenced by the lease, so each of them happens once or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlmodel import Session

from gateway.commands.store import DispatchRow
from gateway.graph.budget import Bucket
from gateway.graph.client import GraphSession
from gateway.graph.errors import GraphError


@dataclass(frozen=True, slots=True)
class Sent:
    """Meta's answer to the call.  With a ``handle`` it is only a receipt, and the handle is polled to its end."""

    answer: dict[str, Any]
    handle: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What one settled dispatch adds to the run it belongs to: counts, and the error that ended it, if one did.

    ``again_after_s`` asks for the lane to run again, where something has to be sent once more.
    """

    counts: dict[str, int] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    again_after_s: float | None = None


class Courier(Protocol):
    """One kind of dispatch."""

    kind: str
    #: The edge takes Meta's idempotency key: after a lost answer the same call is made again under the same key.
    #: Without one, a lost answer holds the dispatch until Meta must be done, and then ``lost`` books it.
    keyed: bool

    def buckets(self, dispatch: DispatchRow) -> list[Bucket]:
        """The quotas that its next call counts against."""
        ...

    def load(self, session: Session, dispatch: DispatchRow) -> Any | None:
        """What is to be sent, as it stands now; ``None`` when nothing is left to send."""
        ...

    async def send(self, graph: GraphSession, dispatch: DispatchRow, parcel: Any) -> Sent:
        """Make the one Graph call."""
        ...

    async def poll(self, graph: GraphSession, dispatch: DispatchRow) -> dict[str, Any] | None:
        """The final answer behind the handle; ``None`` while Meta is still working."""
        ...

    def receipt(self, session: Session, dispatch: DispatchRow) -> None:
        """Book that Meta gave a handle (already in ``dispatch.handle``)."""
        ...

    def settle(self, session: Session, dispatch: DispatchRow, answer: dict[str, Any]) -> Tally:
        """Book the final answer."""
        ...

    def refuse(self, session: Session, dispatch: DispatchRow, error: GraphError) -> Tally:
        """Book that Meta refused the call, in code: it had no effect."""
        ...

    def lost(self, session: Session, dispatch: DispatchRow) -> Tally:
        """Book that nobody will ever know what came of the call."""
        ...
