"""Orders at rest: Meta's state of them, as documents, with the columns that filters and sorting need."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Index, Session, SQLModel, col, select

from gateway.db import UtcDateTime, upsert
from gateway.kit.ids import new_id


class OrderRow(SQLModel, table=True):
    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_created", "shop_id", "created_at", "id"),
        Index("ix_orders_state", "shop_id", "state"),
        Index("ix_orders_reference", "reference"),
    )

    id: str = Field(primary_key=True)
    shop_id: str
    meta_id: str = Field(unique=True)
    state: str
    reference: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    document: dict[str, Any] = Field(sa_type=sa.JSON)
    read_at: datetime = Field(sa_type=UtcDateTime)


def save_page(session: Session, shop_id: str, documents: Sequence[dict[str, Any]], now: datetime) -> dict[str, int]:
    """Take in a page of orders: one row per Meta order, an older reading never over a newer one."""
    counts = {"orders": len(documents), "created": 0, "updated": 0}
    known = {
        row.meta_id: row.document
        for row in session.exec(
            select(OrderRow).where(col(OrderRow.meta_id).in_([document["metaId"] for document in documents]))
        ).all()
    }
    table = OrderRow.__table__.c  # type: ignore[attr-defined]
    for document in documents:
        before = known.get(document["metaId"])
        if before is None:
            counts["created"] += 1
        elif before == document:
            continue
        else:
            counts["updated"] += 1
        statement = upsert(session, OrderRow).values(
            id=new_id(),
            shop_id=shop_id,
            meta_id=document["metaId"],
            state=document["state"],
            reference=document["merchantOrderReference"],
            created_at=datetime.fromisoformat(document["createdAt"]),
            updated_at=datetime.fromisoformat(document["updatedAt"]),
            document=document,
            read_at=now,
        )
        new = statement.excluded
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["meta_id"],
                set_={
                    "state": new.state,
                    "reference": new.reference,
                    "updated_at": new.updated_at,
                    "document": new.document,
                    "read_at": new.read_at,
                },
                where=table.updated_at <= new.updated_at,
            )
        )
    return counts


def load_orders(session: Session, shop_id: str, ids: Collection[str], *, lock: bool = False) -> dict[str, OrderRow]:
    query = select(OrderRow).where(OrderRow.shop_id == shop_id, col(OrderRow.id).in_(ids))
    if lock:
        query = query.order_by(col(OrderRow.id)).with_for_update()
    return {row.id: row for row in session.exec(query).all()}


def newest(session: Session, shop_id: str, limit: int) -> Sequence[OrderRow]:
    """The newest orders of a shop."""
    query = select(OrderRow).where(OrderRow.shop_id == shop_id)
    return session.exec(query.order_by(sa.desc(col(OrderRow.created_at)), col(OrderRow.id)).limit(limit)).all()


def get_many(session: Session, ids: Collection[str], shops: frozenset[str] | None) -> Sequence[OrderRow]:
    query = select(OrderRow).where(col(OrderRow.id).in_(ids))
    if shops is not None:
        query = query.where(col(OrderRow.shop_id).in_(shops))
    return session.exec(query).all()


def find(
    session: Session, shops: frozenset[str] | None, *, meta_id: str | None = None, reference: str | None = None
) -> OrderRow | None:
    """The order with Meta's id, or the newest one with the merchant's reference."""
    query = select(OrderRow)
    if shops is not None:
        query = query.where(col(OrderRow.shop_id).in_(shops))
    if meta_id is not None:
        query = query.where(OrderRow.meta_id == meta_id)
    if reference is not None:
        query = query.where(OrderRow.reference == reference)
    return session.exec(query.order_by(sa.desc(col(OrderRow.created_at))).limit(1)).one_or_none()
