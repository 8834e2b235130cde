"""One transaction's worth of item writes: compare, and mark only what changed.

A write takes the catalog's lock, so versions appear in the order of their commits; it takes the next ``seq`` only when
a fingerprint changed, and marks the channel of the fields that did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from gateway.catalog import store
from gateway.catalog.cleaning import check_retailer_id, clean
from gateway.catalog.errors import ItemRefused
from gateway.catalog.models import (
    Availability,
    Document,
    FieldProblem,
    ItemState,
    check,
    merge,
)
from gateway.catalog.store import CatalogRow, ItemRow
from gateway.db import upsert
from gateway.kit.ids import new_id

Mode = Literal["upsert", "update"]


@dataclass(frozen=True, slots=True)
class ItemWrite:
    """Raw values for one item; ``index`` or ``line`` says where they came from.

    ``source_key`` names the item at its source.  An item keeps the retailer id of its first import: a write whose
    source is known goes to that item, whatever id the source gives it today.
    """

    retailer_id: str
    values: Mapping[str, object]
    index: int | None = None
    line: int | None = None
    source_key: str | None = None


@dataclass(slots=True)
class Written:
    """What became of a set of writes."""

    items: list[str] = field(default_factory=list)
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    volatile: bool = False  # something waits for the volatile lane
    refused: list[ItemRefused] = field(default_factory=list)


def lock_catalog(session: Session, catalog_id: str) -> None:
    """Let one writer at a time into a catalog."""
    session.execute(upsert(session, CatalogRow).values(id=catalog_id, seq=0).on_conflict_do_nothing())
    session.exec(select(CatalogRow).where(CatalogRow.id == catalog_id).with_for_update()).one()


def write_items(
    session: Session, catalog_id: str, writes: Sequence[ItemWrite], now: datetime, *, mode: Mode = "upsert"
) -> Written:
    """Apply *writes*; ``update`` refuses items that do not exist.  Refusals are returned, the rest is written."""
    lock_catalog(session, catalog_id)
    writes = _identified(session, catalog_id, writes)
    # An id that is none is refused below; a database might stumble over it.
    ids = {write.retailer_id for write in writes if check_retailer_id(write.retailer_id) is None}
    found = store.load_items(session, catalog_id, ids)
    written = Written()
    changes: list[tuple[ItemRow | None, ItemWrite, Document]] = []
    seen: dict[str, ItemWrite] = {}
    for write in writes:
        problems = _doubled(write, seen) or _id_problem(write)
        seen.setdefault(write.retailer_id, write)
        if problems:
            written.refused += [_refusal(write, problem) for problem in problems]
            continue
        row = found.get(write.retailer_id)
        current = row.document if row is not None and not row.deleted else None
        if current is None and mode == "update":
            written.refused.append(_refusal(write, _unknown(write.retailer_id)))
            continue
        patch, problems = clean(write.values)
        if not problems:
            document = merge(current, _sold_out(patch, current))
            problems = check(document)
        if problems:
            written.refused += [_refusal(write, problem) for problem in problems]
            continue
        changes.append((row, write, document))
    _save(session, catalog_id, changes, now, written)
    return written


def delete_items(session: Session, catalog_id: str, retailer_ids: Sequence[str], now: datetime) -> Written:
    """Turn items into tombstones, which the delta lane carries to Meta; unknown ids are refused."""
    lock_catalog(session, catalog_id)
    found = store.load_items(session, catalog_id, set(retailer_ids))
    written = Written()
    rows: list[ItemRow] = []
    for index, retailer_id in enumerate(dict.fromkeys(retailer_ids)):
        row = found.get(retailer_id)
        if row is None:
            problem = _unknown(retailer_id)
            written.refused.append(ItemRefused(retailer_id, problem, index=index))
        elif not row.deleted:
            rows.append(row)
    if not rows:
        return written
    seq = store.next_seq(session, catalog_id)
    for row in rows:
        row.deleted = True
        row.changed_at = now
        row.desired_version = seq
        row.stable_due = seq
        row.volatile_due = None
        row.volatile_since = None
        row.stable_since = row.stable_since or now
        row.state = ItemState.PENDING
        row.error = None
        written.deleted += 1
    # What Meta never heard of needs no delete there.
    session.flush()
    session.execute(
        sa.delete(ItemRow).where(
            col(ItemRow.catalog_id) == catalog_id,
            col(ItemRow.deleted),
            sa.not_(col(ItemRow.live)),
            col(ItemRow.dispatch_id).is_(None),
            col(ItemRow.sent_version) == 0,
            col(ItemRow.id).in_([row.id for row in rows]),
        )
    )
    return written


def _identified(session: Session, catalog_id: str, writes: Sequence[ItemWrite]) -> Sequence[ItemWrite]:
    keys = {write.source_key for write in writes if write.source_key is not None}
    if not keys:
        return writes
    known = store.ids_by_source(session, catalog_id, keys)
    return [replace(write, retailer_id=known.get(write.source_key or "", write.retailer_id)) for write in writes]


def _save(
    session: Session,
    catalog_id: str,
    changes: Sequence[tuple[ItemRow | None, ItemWrite, Document]],
    now: datetime,
    written: Written,
) -> None:
    seq: int | None = None
    new: list[dict[str, Any]] = []
    for row, write, document in changes:
        stable, volatile = store.prints(document)
        fresh = row is None or row.deleted
        stable_changed = fresh or row is None or row.stable_print != stable
        volatile_changed = fresh or row is None or row.volatile_print != volatile
        if row is not None and not stable_changed and not volatile_changed:
            written.unchanged += 1
            written.items.append(row.id)
            continue
        seq = seq or store.next_seq(session, catalog_id)
        marks: dict[str, Any] = {
            "document": document,
            "group_id": document.get("itemGroupId"),
            "stable_print": stable,
            "volatile_print": volatile,
            "deleted": False,
            "desired_version": seq,
            "changed_at": now,
        }
        if row is None:
            key = new_id()
            new.append(
                {
                    **marks,
                    "id": key,
                    "catalog_id": catalog_id,
                    "retailer_id": write.retailer_id,
                    "source_key": write.source_key,
                    "state": ItemState.PENDING.value,
                    "stable_due": seq,
                    "volatile_due": seq,
                    "stable_since": now,
                    "volatile_since": now,
                    "created_at": now,
                }
            )
            written.created += 1
            written.items.append(key)
            continue
        for name, value in marks.items():
            setattr(row, name, value)
        row.source_key = write.source_key or row.source_key
        # A rejected item is sent whole again: what Meta has of it is not known for certain.
        if stable_changed or row.state == ItemState.REJECTED:
            row.stable_due = seq
            row.stable_since = row.stable_since or now
        if volatile_changed:
            row.volatile_due = seq
            row.volatile_since = row.volatile_since or now
            written.volatile = written.volatile or row.live
        if row.dispatch_id is None:
            row.state = ItemState.PENDING
        row.error = None
        written.created += 1 if fresh else 0
        written.updated += 0 if fresh else 1
        written.items.append(row.id)
    if new:
        session.execute(sa.insert(ItemRow), new)
    session.flush()


def _sold_out(patch: Document, current: Document | None) -> Document:
    """A stock of nothing is not for sale, and stock that returns is; what the caller says himself stands."""
    if "availability" in patch or not isinstance(quantity := patch.get("quantity"), int):
        return patch
    before = (current or {}).get("availability")
    if quantity == 0 and before == Availability.IN_STOCK:
        return {**patch, "availability": Availability.OUT_OF_STOCK.value}
    if quantity > 0 and before == Availability.OUT_OF_STOCK:
        return {**patch, "availability": Availability.IN_STOCK.value}
    return patch


def _refusal(write: ItemWrite, problem: FieldProblem) -> ItemRefused:
    return ItemRefused(write.retailer_id or None, problem, index=write.index, line=write.line)


def _id_problem(write: ItemWrite) -> list[FieldProblem]:
    problem = check_retailer_id(write.retailer_id)
    return [problem] if problem else []


def _doubled(write: ItemWrite, seen: Mapping[str, ItemWrite]) -> list[FieldProblem]:
    first = seen.get(write.retailer_id)
    if first is None:
        return []
    where = f"line {first.line}" if first.line is not None else f"entry {first.index}"
    return [
        FieldProblem(
            "DUPLICATE_RETAILER_ID",
            "retailerId",
            f"{write.retailer_id!r} stands in {where} already",
            "Merge the two into one: Meta takes them in no certain order.",
        )
    ]


def _unknown(retailer_id: str) -> FieldProblem:
    return FieldProblem(
        "PRODUCT_NOT_FOUND",
        "retailerId",
        f"the catalog has no item {retailer_id[:100]!r}",
        "Check the id, or make the item with productsUpsert first.",
    )
