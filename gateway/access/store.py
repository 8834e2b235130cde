"""API keys at rest: a hash, never the key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, select

from gateway.db import UtcDateTime


class ApiKeyRow(SQLModel, table=True):
    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    name: str
    hint: str  # the first characters, to tell keys apart in a list
    hash: str = Field(unique=True)
    scopes: list[str] = Field(sa_type=sa.JSON)
    shops: list[str] | None = Field(default=None, sa_type=sa.JSON)  # None: every shop
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


def find_by_hash(session: Session, digest: str) -> ApiKeyRow | None:
    return session.exec(select(ApiKeyRow).where(ApiKeyRow.hash == digest)).one_or_none()


def list_keys(session: Session) -> Sequence[ApiKeyRow]:
    return session.exec(select(ApiKeyRow).order_by(sa.desc("created_at"), sa.desc("id"))).all()
