"""Reads of items: filters, pages and look-ups."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from gateway.catalog.models import ItemState
from gateway.catalog.store import ItemRow
from gateway.db import PageRequest, Slice, count, keyset


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """What a list of items is narrowed to; ``None`` does not narrow, an empty list matches nothing."""

    states: tuple[ItemState, ...] | None = None
    retailer_ids: tuple[str, ...] | None = None
    group_id: str | None = None

    def document(self) -> dict[str, Any]:
        """The form that cursors are bound to."""
        return asdict(self)


def _query(catalog_id: str, filter_: ItemFilter) -> Any:
    query = select(ItemRow).where(ItemRow.catalog_id == catalog_id, sa.not_(col(ItemRow.deleted)))
    if filter_.states is not None:
        query = query.where(col(ItemRow.state).in_([state.value for state in filter_.states]))
    if filter_.retailer_ids is not None:
        query = query.where(col(ItemRow.retailer_id).in_(filter_.retailer_ids))
    if filter_.group_id is not None:
        query = query.where(ItemRow.group_id == filter_.group_id)
    return query


def page_items(session: Session, catalog_id: str, filter_: ItemFilter, page: PageRequest) -> Slice[ItemRow]:
    """Items in the order in which they were made."""
    return keyset(session, _query(catalog_id, filter_), [col(ItemRow.id)], page, descending=False)


def count_items(session: Session, catalog_id: str, filter_: ItemFilter) -> int:
    return count(session, _query(catalog_id, filter_))


def find_item(session: Session, catalog_id: str, retailer_id: str) -> ItemRow | None:
    return session.exec(
        select(ItemRow).where(
            ItemRow.catalog_id == catalog_id, ItemRow.retailer_id == retailer_id, sa.not_(col(ItemRow.deleted))
        )
    ).one_or_none()
