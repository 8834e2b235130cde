"""The courier of acknowledgements: up to 100 orders of a shop in one keyed call, settled row by row.

Source: Order Management API > acknowledge many; idempotency (a stored error comes back under the same key, so a
refused row that is worth another try goes with a new key; a lost answer is asked for again under the old one).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlmodel import Session, col, select

from gateway.commands import store as commands
from gateway.commands.courier import Sent, Tally
from gateway.commands.models import CommandState, error_document
from gateway.commands.store import CommandRow, DispatchRow
from gateway.errors import GatewayError, Upstream
from gateway.graph.budget import Bucket, Priority
from gateway.graph.client import GraphSession
from gateway.graph.errors import GraphError
from gateway.kit.clock import Clock
from gateway.orders import edges
from gateway.orders.models import OrderState
from gateway.orders.store import OrderRow

KIND = "orders.acknowledge"
COMMAND = "order.acknowledge"

NOT_ACKNOWLEDGEABLE = 2361009
# Another request is changing the order, or an action is pending: worth another try, under a new key.
_TRY_AGAIN = frozenset({2361050, 2361081})
_TRIES = 5
_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Parcel:
    node_id: str
    orders: list[tuple[str, str | None]]


class AcknowledgeCourier:
    """Sends acknowledgements and books what became of each order."""

    kind = KIND
    keyed = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def buckets(self, dispatch: DispatchRow) -> list[Bucket]:
        return [Bucket(dispatch.details["node"], "pages")]

    def load(self, session: Session, dispatch: DispatchRow) -> Parcel | None:
        # Always the same rows for the same dispatch: another payload under the same key would be refused.
        rows = commands.commands_of(session, dispatch.id)
        for row in rows:
            if row.state == CommandState.REQUESTED:
                row.state = CommandState.SENT
        if not rows:
            return None
        return Parcel(dispatch.details["node"], [(row.payload["metaId"], row.payload.get("reference")) for row in rows])

    async def send(self, graph: GraphSession, dispatch: DispatchRow, parcel: Parcel) -> Sent:
        rows = await edges.acknowledge(graph, parcel.node_id, parcel.orders, dispatch.meta_key)
        refused = [row.meta_id for row in rows if row.code == NOT_ACKNOWLEDGEABLE]
        # Refused because it is done already?  Then the order says so itself, under our own reference.
        now_read = await edges.fetch_acknowledged(graph, refused) if refused else {}
        return Sent(
            {
                "orders": {
                    row.meta_id: {
                        "state": None if row.state is None else row.state.value,
                        "code": row.code,
                        "message": row.message,
                        "found": now_read.get(row.meta_id),
                    }
                    for row in rows
                }
            }
        )

    async def poll(self, graph: GraphSession, dispatch: DispatchRow) -> dict[str, Any] | None:
        raise AssertionError("an acknowledgement has no handle")

    def receipt(self, session: Session, dispatch: DispatchRow) -> None:
        raise AssertionError("an acknowledgement has no handle")

    def settle(self, session: Session, dispatch: DispatchRow, answer: dict[str, Any]) -> Tally:
        now = self._clock.now()
        counts = {"acknowledged": 0, "refused": 0, "again": 0}
        again: list[CommandRow] = []
        for command in commands.commands_of(session, dispatch.id):
            row = answer["orders"].get(command.payload["metaId"])
            reference = command.payload.get("reference")
            if row is None:
                error = error_document(_unanswered())
                commands.finish_command(command, CommandState.UNKNOWN, now, error=error)
                counts["refused"] += 1
            elif row["code"] is None or _is_ours(row["found"], reference):
                commands.finish_command(
                    command, CommandState.CONFIRMED, now, outcome={"state": OrderState.IN_PROGRESS.value}
                )
                _mirror(session, command.target_id, reference)
                counts["acknowledged"] += 1
            elif row["code"] in _TRY_AGAIN and command.attempts < _TRIES:
                again.append(command)
                counts["again"] += 1
            else:
                error = error_document(_refusal(row["code"], row["message"]))
                commands.finish_command(command, CommandState.FAILED, now, error=error)
                counts["refused"] += 1
        self._send_again(session, dispatch, again)
        return Tally(counts)

    def refuse(self, session: Session, dispatch: DispatchRow, error: GraphError) -> Tally:
        rows = commands.commands_of(session, dispatch.id)
        busy = {error.graph_code, error.subcode} & _TRY_AGAIN
        again = [row for row in rows if busy and row.attempts < _TRIES]
        self._send_again(session, dispatch, again)
        for row in rows:
            if row not in again:
                commands.finish_command(row, CommandState.FAILED, self._clock.now(), error=error_document(error))
        return Tally({"refused": len(rows) - len(again), "again": len(again)}, error_document(error))

    def _send_again(self, session: Session, dispatch: DispatchRow, rows: list[CommandRow]) -> None:
        """Let another dispatch carry these commands, under a key of its own: Meta would repeat its refusal."""
        if not rows:
            return
        heir = commands.add_dispatch(
            session,
            shop_id=dispatch.shop_id,
            kind=KIND,
            priority=Priority.ACKNOWLEDGE,
            now=self._clock.now(),
            details={"node": dispatch.details["node"]},
        )
        heir.due_at = self._clock.now() + _PAUSE
        commands.assign(session, [row.id for row in rows], heir.id)

    def lost(self, session: Session, dispatch: DispatchRow) -> Tally:
        rows = commands.commands_of(session, dispatch.id)
        for row in rows:
            commands.finish_command(row, CommandState.UNKNOWN, self._clock.now(), error=error_document(_unanswered()))
        return Tally({"unknown": len(rows)})


def _is_ours(found: dict[str, Any] | None, reference: str | None) -> bool:
    return found is not None and reference is not None and found["acknowledged"] and found["reference"] == reference


def _mirror(session: Session, order_id: str, reference: str | None) -> None:
    """Show the order as it is now, without waiting for the orders lane."""
    row = session.exec(select(OrderRow).where(col(OrderRow.id) == order_id).with_for_update()).one_or_none()
    if row is None or row.state not in (OrderState.AWAITING_ACKNOWLEDGEMENT, OrderState.HELD_BY_META):
        return
    row.state = OrderState.IN_PROGRESS
    row.reference = row.reference or reference
    row.document = {
        **row.document,
        "state": OrderState.IN_PROGRESS.value,
        "rawState": "IN_PROGRESS",
        "merchantOrderReference": row.reference,
    }


class _Refused(GatewayError):
    code = "ORDER_NOT_ACKNOWLEDGEABLE"


class _Unanswered(GatewayError):
    code = "META_OUTCOME_UNKNOWN"


def _refusal(code: int, message: str) -> GatewayError:
    return _Refused(
        f"Meta did not acknowledge the order: {message}",
        fix="Read the order again: it may have been cancelled, or acknowledged elsewhere. Do not fulfil it before.",
        upstream=Upstream(code=code, message=message),
    )


def _unanswered() -> GatewayError:
    return _Unanswered(
        "Meta never said what became of this acknowledgement",
        fix="Look at the order's state after the next orders run; if it still awaits acknowledgement, send it again "
        "with a new idempotency key.",
    )
