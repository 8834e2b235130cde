"""Schedules, runs and cursors at rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Index, Session, SQLModel, col, select

from gateway.commands.models import OPEN
from gateway.commands.store import DispatchRow
from gateway.db import UtcDateTime, upsert
from gateway.kit.ids import new_id
from gateway.sync.models import Lane, RunState, Schedule, SyncRun, Trigger


class ScheduleRow(SQLModel, table=True):
    __tablename__ = "schedules"
    __table_args__ = (Index("ix_schedules_due", "paused", "next_at"),)

    shop_id: str = Field(primary_key=True)
    lane: str = Field(primary_key=True)
    every_s: int
    next_at: datetime = Field(sa_type=UtcDateTime)
    paused: bool = False
    lease_owner: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_success_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON)

    def to_model(self) -> Schedule:
        return Schedule(
            self.shop_id,
            Lane(self.lane),
            self.every_s,
            self.next_at,
            self.paused,
            self.last_success_at,
            self.error,
        )


class RunRow(SQLModel, table=True):
    __tablename__ = "sync_runs"
    __table_args__ = (
        Index("ix_sync_runs_shop", "shop_id", "queued_at", "id"),
        Index("ix_sync_runs_open", "shop_id", "lane", "state"),
    )

    id: str = Field(primary_key=True)
    shop_id: str
    lane: str
    state: str
    trigger: str
    queued_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    counts: dict[str, int] = Field(default_factory=dict, sa_type=sa.JSON)
    graph_calls: int = 0
    error: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON)

    def to_model(self) -> SyncRun:
        return SyncRun(
            self.id,
            self.shop_id,
            Lane(self.lane),
            RunState(self.state),
            Trigger(self.trigger),
            self.queued_at,
            self.started_at,
            self.finished_at,
            self.counts,
            self.graph_calls,
            self.error,
        )


class CursorRow(SQLModel, table=True):
    """How far a reading lane has come, in Meta's own time."""

    __tablename__ = "cursors"

    shop_id: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)


def ensure_schedule(session: Session, shop_id: str, lane: Lane, every_s: int, first_at: datetime) -> None:
    session.execute(
        upsert(session, ScheduleRow)
        .values(shop_id=shop_id, lane=lane.value, every_s=every_s, next_at=first_at, paused=False)
        .on_conflict_do_nothing()
    )


def drop_schedule(session: Session, shop_id: str, lane: Lane) -> None:
    session.execute(
        sa.delete(ScheduleRow).where(col(ScheduleRow.shop_id) == shop_id, col(ScheduleRow.lane) == lane.value)
    )


def due_schedules(session: Session, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
    return session.exec(
        select(ScheduleRow.shop_id, ScheduleRow.lane)
        .where(
            sa.not_(col(ScheduleRow.paused)),
            ScheduleRow.next_at <= now,
            sa.or_(col(ScheduleRow.lease_until).is_(None), col(ScheduleRow.lease_until) < now),
        )
        .order_by(col(ScheduleRow.next_at))
        .limit(limit)
    ).all()


def claim_schedule(
    session: Session, shop_id: str, lane: Lane, owner: str, now: datetime, lease: timedelta
) -> ScheduleRow | None:
    """Take a schedule that is due and free."""
    claimed = session.execute(
        sa.update(ScheduleRow)
        .where(
            col(ScheduleRow.shop_id) == shop_id,
            col(ScheduleRow.lane) == lane.value,
            sa.not_(col(ScheduleRow.paused)),
            col(ScheduleRow.next_at) <= now,
            sa.or_(col(ScheduleRow.lease_until).is_(None), col(ScheduleRow.lease_until) < now),
        )
        .values(lease_owner=owner, lease_until=now + lease)
        .returning(col(ScheduleRow.lane))
    ).scalar_one_or_none()
    return None if claimed is None else session.get_one(ScheduleRow, (shop_id, lane.value))


def renew_schedule(session: Session, shop_id: str, lane: Lane, owner: str, until: datetime) -> bool:
    renewed = session.execute(
        sa.update(ScheduleRow)
        .where(
            col(ScheduleRow.shop_id) == shop_id,
            col(ScheduleRow.lane) == lane.value,
            col(ScheduleRow.lease_owner) == owner,
        )
        .values(lease_until=until)
        .returning(col(ScheduleRow.lane))
    ).scalar_one_or_none()
    return renewed is not None


def make_due(session: Session, shop_id: str, lane: Lane, at: datetime) -> None:
    """Let the lane run at *at* if it would come later; one that is running then is followed by another run."""
    session.execute(
        sa.update(ScheduleRow)
        .where(col(ScheduleRow.shop_id) == shop_id, col(ScheduleRow.lane) == lane.value, col(ScheduleRow.next_at) > at)
        .values(next_at=at)
    )


def queue_run(session: Session, shop_id: str, lane: Lane, trigger: Trigger, now: datetime) -> RunRow:
    """The run that waits for this lane: one that is queued already, else a new one."""
    waiting = session.exec(
        select(RunRow)
        .where(RunRow.shop_id == shop_id, RunRow.lane == lane.value, RunRow.state == RunState.QUEUED)
        .order_by(col(RunRow.id))
        .limit(1)
    ).one_or_none()
    if waiting is not None:
        return waiting
    row = RunRow(id=new_id(), shop_id=shop_id, lane=lane.value, state=RunState.QUEUED, trigger=trigger, queued_at=now)
    session.add(row)
    session.flush()
    return row


def interrupted_runs(session: Session, shop_id: str, lane: Lane) -> Sequence[RunRow]:
    """Runs of this lane that a process was in the middle of when it died."""
    return session.exec(
        select(RunRow).where(RunRow.shop_id == shop_id, RunRow.lane == lane.value, RunRow.state == RunState.RUNNING)
    ).all()


def open_dispatches(session: Session, run_id: str) -> int:
    return session.exec(
        select(sa.func.count())
        .select_from(DispatchRow)
        .where(DispatchRow.run_id == run_id, col(DispatchRow.state).in_(OPEN))
    ).one()


def lock_run(session: Session, run_id: str) -> RunRow | None:
    return session.exec(select(RunRow).where(RunRow.id == run_id).with_for_update()).one_or_none()


def get_runs(session: Session, ids: Collection[str], shops: frozenset[str] | None) -> Sequence[RunRow]:
    query = select(RunRow).where(col(RunRow.id).in_(ids))
    if shops is not None:
        query = query.where(col(RunRow.shop_id).in_(shops))
    return session.exec(query).all()


def schedules_of(session: Session, shop_ids: Collection[str]) -> Sequence[ScheduleRow]:
    return session.exec(
        select(ScheduleRow).where(col(ScheduleRow.shop_id).in_(shop_ids)).order_by(col(ScheduleRow.lane))
    ).all()


def get_cursor(session: Session, shop_id: str, name: str) -> datetime | None:
    row = session.get(CursorRow, (shop_id, name))
    return None if row is None else row.at


def move_cursor(session: Session, shop_id: str, name: str, at: datetime) -> None:
    """Move a cursor forward, never back."""
    statement = upsert(session, CursorRow).values(shop_id=shop_id, name=name, at=at)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["shop_id", "name"],
            set_={"at": statement.excluded.at},
            where=CursorRow.__table__.c.at < statement.excluded.at,  # type: ignore[attr-defined]
        )
    )
