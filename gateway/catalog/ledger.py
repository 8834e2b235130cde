"""The item ledger: how items move through a dispatch, set by set.

Every function is one or two statements over all items of a dispatch, so that a batch of 3,000 costs what one does.
An item's state follows from its marks: what is due again is ``PENDING``, whatever became of the version before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from gateway.catalog.models import Channel, ItemState
from gateway.catalog.store import ItemRow

_CHUNK = 500

_due_again = sa.or_(col(ItemRow.volatile_due).is_not(None), col(ItemRow.stable_due).is_not(None))


def mark_sent(session: Session, dispatch_id: str, channel: Channel) -> None:
    """The items go out as they stand now: clear what the batch carries off."""
    values: dict[str, Any] = {"state": ItemState.SENT.value, "volatile_due": None}
    if channel is Channel.STABLE:
        values |= {"stable_due": None, "sent_version": ItemRow.desired_version}
    else:
        # A patch does not carry stable changes that wait beside it.
        values["sent_version"] = sa.case(
            (col(ItemRow.stable_due).is_(None), ItemRow.desired_version), else_=ItemRow.sent_version
        )
    session.execute(sa.update(ItemRow).where(col(ItemRow.dispatch_id) == dispatch_id).values(values))


def mark_accepted(session: Session, dispatch_id: str) -> None:
    """Meta gave a handle: a receipt, not a result."""
    session.execute(
        sa.update(ItemRow)
        .where(col(ItemRow.dispatch_id) == dispatch_id)
        .values(
            state=ItemState.ACCEPTED.value,
            accepted_version=ItemRow.sent_version,
        )
    )


def _of(dispatch_id: str, retailer_ids: Collection[str]) -> sa.ColumnElement[bool]:
    return sa.and_(col(ItemRow.dispatch_id) == dispatch_id, col(ItemRow.retailer_id).in_(retailer_ids))


def _chunks(values: Collection[str]) -> Sequence[list[str]]:
    listed = sorted(values)
    return [listed[n : n + _CHUNK] for n in range(0, len(listed), _CHUNK)]


def _waiting_since(channel: Channel) -> dict[str, Any]:
    """Lag counts from the change that came while the batch was under way, if one did."""
    values = {"volatile_since": sa.case((col(ItemRow.volatile_due).is_not(None), ItemRow.changed_at), else_=None)}
    if channel is Channel.STABLE:
        values["stable_since"] = sa.case((col(ItemRow.stable_due).is_not(None), ItemRow.changed_at), else_=None)
    return values


def reject(session: Session, dispatch_id: str, channel: Channel, errors: Mapping[str, dict[str, Any]]) -> None:
    """Meta refused these items, each for its reason; one that was changed meanwhile gets another chance."""
    for retailer_id, error in errors.items():
        session.execute(
            sa.update(ItemRow)
            .where(_of(dispatch_id, [retailer_id]))
            .values(
                state=sa.case((_due_again, ItemState.PENDING.value), else_=ItemState.REJECTED.value),
                error=error,
                dispatch_id=None,
                **_waiting_since(channel),
            )
        )


def confirm(session: Session, dispatch_id: str, channel: Channel, deletes: Collection[str], now: datetime) -> int:
    """All items still in the dispatch are live as they were sent, or gone if that was what was sent."""
    for chunk in _chunks(deletes):
        gone = sa.and_(_of(dispatch_id, chunk), col(ItemRow.deleted), col(ItemRow.stable_due).is_(None))
        session.execute(sa.delete(ItemRow).where(gone))
        # The rest was wanted again while the delete was under way: to be made anew.
        session.execute(
            sa.update(ItemRow)
            .where(_of(dispatch_id, chunk))
            .values(
                live=False,
                sent_fields=[],
                dispatch_id=None,
                state=ItemState.PENDING.value,
                confirmed_version=ItemRow.sent_version,
            )
        )
    result = session.execute(
        sa.update(ItemRow)
        .where(col(ItemRow.dispatch_id) == dispatch_id)
        .values(
            live=True,
            state=sa.case((_due_again, ItemState.PENDING.value), else_=ItemState.CONFIRMED.value),
            confirmed_version=ItemRow.sent_version,
            confirmed_at=now,
            error=None,
            dispatch_id=None,
            **_waiting_since(channel),
        )
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def requeue(session: Session, dispatch_id: str, channel: Channel) -> int:
    """The batch came to nothing: everything it carried is due again, at the item's newest version."""
    values: dict[str, Any] = {
        "state": ItemState.PENDING.value,
        "dispatch_id": None,
        "volatile_due": sa.func.coalesce(col(ItemRow.volatile_due), col(ItemRow.desired_version)),
    }
    if channel is Channel.STABLE:
        values["stable_due"] = sa.func.coalesce(col(ItemRow.stable_due), col(ItemRow.desired_version))
    result = session.execute(sa.update(ItemRow).where(col(ItemRow.dispatch_id) == dispatch_id).values(values))
    return int(result.rowcount)  # type: ignore[attr-defined]


def hand_over(session: Session, dispatch_id: str, retailer_ids: Collection[str], heir: str) -> None:
    """Let another dispatch carry these items."""
    for chunk in _chunks(retailer_ids):
        session.execute(sa.update(ItemRow).where(_of(dispatch_id, chunk)).values(dispatch_id=heir))


def warn(session: Session, dispatch_id: str, warnings: Mapping[str, list[str]]) -> None:
    """Keep what Meta remarked about items that it took."""
    for retailer_id, messages in warnings.items():
        session.execute(sa.update(ItemRow).where(_of(dispatch_id, [retailer_id])).values(warnings=messages))
