"""Commands, dispatches and client keys at rest.

A dispatch is claimed by one conditional ``UPDATE ... RETURNING``, on SQLite and on PostgreSQL alike; whoever got the
row back holds the lease.  What a holder writes afterwards is fenced by its lease, so that one that was presumed dead
and comes back changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Index, Session, SQLModel, UniqueConstraint, col, select

from gateway.commands.models import OPEN, Command, CommandState, DispatchState, IdempotencyConflict
from gateway.db import UtcDateTime
from gateway.errors import InvalidInput
from gateway.graph.budget import Priority
from gateway.kit.ids import new_id


class CommandRow(SQLModel, table=True):
    __tablename__ = "commands"
    __table_args__ = (
        Index("ix_commands_shop", "shop_id", "requested_at", "id"),
        Index("ix_commands_target", "target_id", "kind"),
    )

    id: str = Field(primary_key=True)
    shop_id: str
    kind: str
    target_id: str
    payload: dict[str, Any] = Field(sa_type=sa.JSON)
    client_key: str | None = None
    state: str
    outcome: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON)
    error: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON)
    requested_by: str
    requested_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = 0
    dispatch_id: str | None = Field(default=None, index=True)

    def to_model(self) -> Command:
        return Command(
            self.id,
            self.shop_id,
            self.kind,
            self.target_id,
            self.payload,
            self.client_key,
            CommandState(self.state),
            self.outcome,
            self.error,
            self.requested_by,
            self.requested_at,
            self.finished_at,
            self.attempts,
            self.dispatch_id,
        )


class DispatchRow(SQLModel, table=True):
    __tablename__ = "dispatches"
    __table_args__ = (
        Index("ix_dispatches_due", "state", "due_at"),
        Index("ix_dispatches_run", "run_id"),
    )

    id: str = Field(primary_key=True)
    shop_id: str = Field(index=True)
    kind: str
    priority: str
    state: str
    meta_key: str  # the idempotency key that Meta sees, where the edge takes one
    details: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    run_id: str | None = None
    handle: str | None = None
    attempts: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime = Field(sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease_owner: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    answer: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON)
    error: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON)
    graph_calls: int = 0


class ClientKeyRow(SQLModel, table=True):
    """The first use of a client key: what was asked, and what was answered."""

    __tablename__ = "client_keys"
    __table_args__ = (UniqueConstraint("shop_id", "mutation", "key"),)

    id: str = Field(primary_key=True)
    shop_id: str
    mutation: str
    key: str
    digest: str
    result: dict[str, Any] = Field(sa_type=sa.JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)


KEY_LIMIT = 100


def check_key(key: str) -> None:
    """Raises:
    InvalidInput: *key* has not 1 to 100 characters.
    """
    if not 1 <= len(key) <= KEY_LIMIT:
        raise InvalidInput(
            f"an idempotency key has 1 to {KEY_LIMIT} characters",
            field=("idempotencyKey",),
            fix="Make a UUID for each new intent, and repeat it when you try again.",
        )


def recall(session: Session, shop_id: str, mutation: str, key: str | None, digest: str) -> dict[str, Any] | None:
    """What the first use of *key* came to; ``None`` when it is new.

    Raises:
        IdempotencyConflict: the key stands for another payload.
    """
    if key is None:
        return None
    row = session.exec(
        select(ClientKeyRow).where(
            ClientKeyRow.shop_id == shop_id, ClientKeyRow.mutation == mutation, ClientKeyRow.key == key
        )
    ).one_or_none()
    if row is None:
        return None
    if row.digest != digest:
        raise IdempotencyConflict(key)
    return row.result


def remember(
    session: Session, shop_id: str, mutation: str, key: str | None, digest: str, result: dict[str, Any], now: datetime
) -> None:
    """Keep *result* for the next use of *key*, in the transaction of the change itself."""
    if key is not None:
        session.add(
            ClientKeyRow(
                id=new_id(),
                shop_id=shop_id,
                mutation=mutation,
                key=key,
                digest=digest,
                result=result,
                created_at=now,
            )
        )
        # Now, so that a twin that committed meanwhile is met here and not at the end of the transaction.
        session.flush()


def add_command(
    session: Session,
    *,
    shop_id: str,
    kind: str,
    target_id: str,
    payload: dict[str, Any],
    client_key: str | None,
    requested_by: str,
    now: datetime,
) -> CommandRow:
    row = CommandRow(
        id=new_id(),
        shop_id=shop_id,
        kind=kind,
        target_id=target_id,
        payload=payload,
        client_key=client_key,
        state=CommandState.REQUESTED,
        requested_by=requested_by,
        requested_at=now,
    )
    session.add(row)
    return row


def add_dispatch(
    session: Session,
    *,
    shop_id: str,
    kind: str,
    priority: Priority,
    now: datetime,
    details: dict[str, Any] | None = None,
    run_id: str | None = None,
    dispatch_id: str | None = None,
) -> DispatchRow:
    row = DispatchRow(
        id=dispatch_id or new_id(),
        shop_id=shop_id,
        kind=kind,
        priority=priority,
        state=DispatchState.WAITING,
        meta_key=new_id(),
        details=details or {},
        run_id=run_id,
        created_at=now,
        due_at=now,
    )
    session.add(row)
    session.flush()
    return row


def assign(session: Session, commands: Collection[str], dispatch_id: str) -> None:
    """Let one dispatch carry these commands."""
    session.execute(
        sa.update(CommandRow)
        .where(col(CommandRow.id).in_(commands))
        .values(dispatch_id=dispatch_id, attempts=CommandRow.attempts + 1)
    )


def claim(session: Session, dispatch_id: str, owner: str, now: datetime, lease: timedelta) -> DispatchRow | None:
    """Take the lease of a dispatch that is due and free; ``None`` when somebody else has it or it is not due."""
    claimed = session.execute(
        sa.update(DispatchRow)
        .where(
            col(DispatchRow.id) == dispatch_id,
            col(DispatchRow.state).in_(OPEN),
            col(DispatchRow.due_at) <= now,
            sa.or_(col(DispatchRow.lease_until).is_(None), col(DispatchRow.lease_until) < now),
        )
        .values(lease_owner=owner, lease_until=now + lease)
        .returning(col(DispatchRow.id))
    ).scalar_one_or_none()
    return None if claimed is None else session.get_one(DispatchRow, dispatch_id)


def renew(session: Session, dispatch_id: str, owner: str, until: datetime) -> bool:
    """Prolong the lease; false when it is no longer ours."""
    result = session.execute(
        sa.update(DispatchRow)
        .where(col(DispatchRow.id) == dispatch_id, col(DispatchRow.lease_owner) == owner)
        .values(lease_until=until)
        .returning(col(DispatchRow.id))
    )
    return result.scalar_one_or_none() is not None


def held_by(session: Session, dispatch_id: str, owner: str) -> DispatchRow | None:
    """The dispatch, locked, if *owner* still holds it: the fence before every booking."""
    return session.exec(
        select(DispatchRow)
        .where(DispatchRow.id == dispatch_id, DispatchRow.lease_owner == owner)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def release(dispatch: DispatchRow) -> None:
    dispatch.lease_owner = None
    dispatch.lease_until = None


def due_dispatches(session: Session, now: datetime, limit: int) -> Sequence[str]:
    """Ids of dispatches that somebody should carry on: most urgent first, and shop by shop within one urgency, so that
    the many of one shop do not keep the few of another waiting."""
    rank = sa.case({priority.value: n for n, priority in enumerate(Priority)}, value=DispatchRow.priority)
    turn = sa.func.row_number().over(
        partition_by=(col(DispatchRow.priority), col(DispatchRow.shop_id)), order_by=col(DispatchRow.due_at)
    )
    return session.exec(
        select(DispatchRow.id)
        .where(
            col(DispatchRow.state).in_(OPEN),
            DispatchRow.due_at <= now,
            sa.or_(col(DispatchRow.lease_until).is_(None), col(DispatchRow.lease_until) < now),
        )
        .order_by(rank, turn, col(DispatchRow.due_at))
        .limit(limit)
    ).all()


def commands_of(session: Session, dispatch_id: str) -> Sequence[CommandRow]:
    return session.exec(
        select(CommandRow).where(CommandRow.dispatch_id == dispatch_id).order_by(col(CommandRow.id))
    ).all()


def open_commands(session: Session, kind: str, targets: Collection[str]) -> dict[str, CommandRow]:
    """Commands of this kind that are under way, by target."""
    rows = session.exec(
        select(CommandRow).where(
            col(CommandRow.target_id).in_(targets),
            CommandRow.kind == kind,
            col(CommandRow.state).in_([CommandState.REQUESTED, CommandState.SENT]),
        )
    ).all()
    return {row.target_id: row for row in rows}


def finish_command(
    row: CommandRow,
    state: CommandState,
    now: datetime,
    *,
    outcome: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
) -> None:
    row.state = state
    row.outcome = outcome
    row.error = error
    row.finished_at = now


def get_commands(session: Session, ids: Collection[str], shops: frozenset[str] | None) -> Sequence[CommandRow]:
    query = select(CommandRow).where(col(CommandRow.id).in_(ids))
    if shops is not None:
        query = query.where(col(CommandRow.shop_id).in_(shops))
    return session.exec(query).all()
