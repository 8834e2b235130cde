"""Items at rest, with the ledger of what Meta knows of each.

``desired_version`` is the catalog's ``seq`` at the item's last change; ``sent``, ``accepted`` and ``confirmed`` are
the versions that went out, were taken and are live.  ``volatile_due`` and ``stable_due`` mark what a lane has to send:
a lane reads an index range of marks, so its cost follows the number of changes and not the size of the catalog.  A
mark is cleared in the transaction that puts the item into a dispatch, and set again when the dispatch came to nothing;
there is no cursor that could pass a change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Index, Session, SQLModel, UniqueConstraint, col, select

from gateway.catalog.models import STABLE, VOLATILE, Document, fingerprint
from gateway.db import UtcDateTime, upsert

_BIG = sa.BigInteger
_IDS_AT_ONCE = 500


class CatalogRow(SQLModel, table=True):
    """A catalog and its change counter."""

    __tablename__ = "catalogs"

    id: str = Field(primary_key=True)  # Meta's id
    seq: int = Field(default=0, sa_type=_BIG)


class ItemRow(SQLModel, table=True):
    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("catalog_id", "retailer_id"),
        Index(
            "ix_items_volatile_due",
            "catalog_id",
            "volatile_due",
            sqlite_where=sa.text("volatile_due IS NOT NULL"),
            postgresql_where=sa.text("volatile_due IS NOT NULL"),
        ),
        Index(
            "ix_items_stable_due",
            "catalog_id",
            "stable_due",
            sqlite_where=sa.text("stable_due IS NOT NULL"),
            postgresql_where=sa.text("stable_due IS NOT NULL"),
        ),
        Index(
            "ix_items_dispatch",
            "dispatch_id",
            sqlite_where=sa.text("dispatch_id IS NOT NULL"),
            postgresql_where=sa.text("dispatch_id IS NOT NULL"),
        ),
        Index("ix_items_group", "catalog_id", "group_id"),
        Index("ix_items_source", "catalog_id", "source_key"),
        Index("ix_items_state", "catalog_id", "state"),
        Index(
            "ix_items_volatile_since",
            "catalog_id",
            "volatile_since",
            sqlite_where=sa.text("volatile_since IS NOT NULL"),
            postgresql_where=sa.text("volatile_since IS NOT NULL"),
        ),
        Index(
            "ix_items_stable_since",
            "catalog_id",
            "stable_since",
            sqlite_where=sa.text("stable_since IS NOT NULL"),
            postgresql_where=sa.text("stable_since IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    catalog_id: str
    retailer_id: str
    source_key: str | None = None  # what the item is called where it came from; its retailer id stays when that does
    group_id: str | None = None
    document: dict[str, Any] = Field(sa_type=sa.JSON)
    stable_print: str
    volatile_print: str
    deleted: bool = False
    state: str
    desired_version: int = Field(sa_type=_BIG)
    sent_version: int = Field(default=0, sa_type=_BIG)
    accepted_version: int = Field(default=0, sa_type=_BIG)
    confirmed_version: int = Field(default=0, sa_type=_BIG)
    volatile_due: int | None = Field(default=None, sa_type=_BIG)
    stable_due: int | None = Field(default=None, sa_type=_BIG)
    volatile_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    stable_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    dispatch_id: str | None = None
    live: bool = False  # Meta has confirmed the item at least once, and no delete since
    sent_fields: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    error: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON)
    warnings: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ImportRow(SQLModel, table=True):
    """One import: what it read and which rows it refused."""

    __tablename__ = "imports"
    __table_args__ = (Index("ix_imports_shop", "shop_id", "started_at"),)

    id: str = Field(primary_key=True)
    shop_id: str
    source: str
    state: str
    started_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    counts: dict[str, int] = Field(default_factory=dict, sa_type=sa.JSON)
    refused: list[dict[str, Any]] = Field(default_factory=list, sa_type=sa.JSON)
    error: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON)


def next_seq(session: Session, catalog_id: str) -> int:
    """The next number of the catalog's counter, held to the commit: versions appear in their order."""
    statement = upsert(session, CatalogRow).values(id=catalog_id, seq=1)
    return int(
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["id"],
                set_={"seq": CatalogRow.__table__.c.seq + 1},  # type: ignore[attr-defined]
            ).returning(CatalogRow.__table__.c.seq)  # type: ignore[attr-defined]
        ).scalar_one()
    )


def load_items(session: Session, catalog_id: str, retailer_ids: Collection[str]) -> dict[str, ItemRow]:
    """Items by retailer id, tombstones included, locked against writers beside us."""
    rows = session.exec(
        select(ItemRow)
        .where(ItemRow.catalog_id == catalog_id, col(ItemRow.retailer_id).in_(retailer_ids))
        .with_for_update()
    ).all()
    return {row.retailer_id: row for row in rows}


def ids_by_source(session: Session, catalog_id: str, source_keys: Collection[str]) -> dict[str, str]:
    """The retailer ids that items of these sources got at their first import."""
    rows = session.execute(
        sa.select(col(ItemRow.source_key), col(ItemRow.retailer_id)).where(
            col(ItemRow.catalog_id) == catalog_id,
            col(ItemRow.source_key).in_(source_keys),
            sa.not_(col(ItemRow.deleted)),
        )
    ).all()
    return {str(source_key): retailer_id for source_key, retailer_id in rows}


def prints(document: Document) -> tuple[str, str]:
    """(fingerprint of the stable fields, fingerprint of the volatile ones)."""
    return fingerprint(document, STABLE), fingerprint(document, VOLATILE)


def claim_items(session: Session, catalog_id: str, channel: str, dispatch_id: str, limit: int) -> int:
    """Put up to *limit* due items that are in no other dispatch into this one; returns how many.

    The volatile lane leaves items alone that Meta does not have yet: a patch for an unknown id would be refused, and
    the delta lane sends the whole item, price included.
    """
    mark = ItemRow.volatile_due if channel == "volatile" else ItemRow.stable_due
    due = (
        sa.select(col(ItemRow.id))
        .where(
            col(ItemRow.catalog_id) == catalog_id,
            col(mark).is_not(None),
            col(ItemRow.dispatch_id).is_(None),
        )
        .order_by(col(mark))
        .limit(limit)
    )
    if channel == "volatile":
        due = due.where(col(ItemRow.live), sa.not_(col(ItemRow.deleted)))
    if session.get_bind().dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    # Two statements: PostgreSQL may run a limited subquery of an UPDATE more than once, and claim more than the limit.
    ids = list(session.execute(due).scalars())
    for start in range(0, len(ids), _IDS_AT_ONCE):
        part = ids[start : start + _IDS_AT_ONCE]
        session.execute(sa.update(ItemRow).where(col(ItemRow.id).in_(part)).values(dispatch_id=dispatch_id))
    return len(ids)


def count_due(session: Session, catalog_ids: Collection[str]) -> dict[str, int]:
    """Per catalog, the items that wait to be sent."""
    due = sa.or_(col(ItemRow.volatile_due).is_not(None), col(ItemRow.stable_due).is_not(None))
    rows = session.execute(
        sa.select(col(ItemRow.catalog_id), sa.func.count())
        .where(col(ItemRow.catalog_id).in_(catalog_ids), due)
        .group_by(col(ItemRow.catalog_id))
    ).all()
    return {row[0]: row[1] for row in rows}


def oldest_pending(
    session: Session, catalog_ids: Collection[str]
) -> dict[str, tuple[datetime | None, datetime | None]]:
    """Per catalog: since when the oldest unconfirmed volatile, and stable, change waits."""
    rows = session.execute(
        sa.select(
            col(ItemRow.catalog_id), sa.func.min(col(ItemRow.volatile_since)), sa.func.min(col(ItemRow.stable_since))
        )
        .where(
            col(ItemRow.catalog_id).in_(catalog_ids),
            sa.or_(col(ItemRow.volatile_since).is_not(None), col(ItemRow.stable_since).is_not(None)),
        )
        .group_by(col(ItemRow.catalog_id))
    ).all()
    return {catalog_id: (volatile, stable) for catalog_id, volatile, stable in rows}


def by_retailer_ids(session: Session, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], ItemRow]:
    """Items by (catalog, retailer id), tombstones left out."""
    wanted: dict[str, list[str]] = {}
    for catalog_id, retailer_id in keys:
        wanted.setdefault(catalog_id, []).append(retailer_id)
    found: dict[tuple[str, str], ItemRow] = {}
    for catalog_id, retailer_ids in wanted.items():
        rows = session.exec(
            select(ItemRow).where(
                ItemRow.catalog_id == catalog_id,
                col(ItemRow.retailer_id).in_(retailer_ids),
                sa.not_(col(ItemRow.deleted)),
            )
        ).all()
        found.update({(row.catalog_id, row.retailer_id): row for row in rows})
    return found


def by_groups(session: Session, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[ItemRow]]:
    """The items of each (catalog, group), by retailer id, tombstones left out."""
    wanted: dict[str, list[str]] = {}
    for catalog_id, group_id in keys:
        wanted.setdefault(catalog_id, []).append(group_id)
    found: dict[tuple[str, str], list[ItemRow]] = {}
    for catalog_id, group_ids in wanted.items():
        rows = session.exec(
            select(ItemRow)
            .where(
                ItemRow.catalog_id == catalog_id, col(ItemRow.group_id).in_(group_ids), sa.not_(col(ItemRow.deleted))
            )
            .order_by(col(ItemRow.retailer_id))
        ).all()
        for row in rows:
            found.setdefault((row.catalog_id, row.group_id or ""), []).append(row)
    return found


def get_many(session: Session, ids: Collection[str]) -> Sequence[ItemRow]:
    return session.exec(select(ItemRow).where(col(ItemRow.id).in_(ids), sa.not_(col(ItemRow.deleted)))).all()
