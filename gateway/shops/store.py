"""Shops at rest.  The token is sealed; only ``ShopService.graph_of`` opens it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from gateway.db import UtcDateTime
from gateway.shops.models import CheckoutType, Shop


class ShopRow(SQLModel, table=True):
    __tablename__ = "shops"

    id: str = Field(primary_key=True)
    name: str
    meta_id: str = Field(unique=True)
    page_id: str | None = None
    catalog_id: str | None = Field(default=None, index=True)  # Meta's id; two shops may share a catalog
    checkout: str
    raw_cta: str | None = None
    sealed_token: str
    linked_at: datetime = Field(sa_type=UtcDateTime)

    def to_model(self) -> Shop:
        return Shop(
            self.id,
            self.name,
            self.meta_id,
            self.page_id,
            self.catalog_id,
            CheckoutType(self.checkout),
            self.raw_cta,
            self.linked_at,
        )


def granted(shops: frozenset[str] | None) -> sa.ColumnElement[bool]:
    """The condition that keeps a caller to its own shops."""
    return sa.true() if shops is None else col(ShopRow.id).in_(shops)


def get_many(session: Session, ids: Collection[str], shops: frozenset[str] | None) -> Sequence[ShopRow]:
    return session.exec(select(ShopRow).where(col(ShopRow.id).in_(ids), granted(shops))).all()


def find_by_meta_id(session: Session, meta_id: str) -> ShopRow | None:
    return session.exec(select(ShopRow).where(ShopRow.meta_id == meta_id)).one_or_none()
