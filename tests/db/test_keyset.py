"""Pages by key: rows that come and go between two pages neither repeat nor hide a row that stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from gateway.catalog.store import ImportRow
from gateway.db import Database, PageRequest, Slice, count, keyset

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEYS = (col(ImportRow.started_at), col(ImportRow.id))


def row(number: int, minute: int, shop_id: str = "s") -> ImportRow:
    moment = NOON + timedelta(minutes=minute, microseconds=minute)
    return ImportRow(id=f"{number:04}", shop_id=shop_id, source="x", state="x", started_at=moment, seen_at=moment)


def place(row: ImportRow) -> tuple[Any, ...]:
    return row.started_at, row.id


def page(session: Session, first: int, after: tuple[Any, ...] | None, *, descending: bool) -> Slice[ImportRow]:
    query = select(ImportRow).where(ImportRow.shop_id == "s")
    return keyset(session, query, KEYS, PageRequest(first, after), descending=descending)


def walk(db: Database, first: int, *, descending: bool, meanwhile: Callable[[], None]) -> list[str]:
    """The ids of all pages, while *meanwhile* happens between them."""
    seen: list[str] = []
    after = None
    for _ in range(1000):
        found = db.read_now(page, first, after, descending=descending)
        assert len(found.rows) <= first
        seen += [row.id for row in found.rows]
        if not found.has_next:
            return seen
        after = place(found.rows[-1])
        meanwhile()
    raise AssertionError("the pages have no end")


@pytest.fixture
def filled(db: Database) -> Database:
    """Forty rows of our shop, many of the same moment, and some of another shop between them."""

    def fill(session: Session) -> None:
        session.add_all(row(2 * number, number % 7) for number in range(40))
        session.add_all(row(1000 + number, number, "other") for number in range(10))

    db.write_now(fill)
    return db


@pytest.mark.parametrize("descending", [False, True])
def test_pages_are_the_whole_list_in_order(filled: Database, descending: bool) -> None:
    rows = filled.read_now(lambda session: session.exec(select(ImportRow).where(ImportRow.shop_id == "s")).all())
    expected = [row.id for row in sorted(rows, key=place, reverse=descending)]

    for first in (1, 3, 39, 40, 41):
        assert walk(filled, first, descending=descending, meanwhile=lambda: None) == expected


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_rows_that_come_and_go_between_pages_do_not_move_the_others(
    filled: Database, seed: int, descending: bool
) -> None:
    random = Random(seed)
    numbers = iter(random.sample(range(1, 200, 2), 100))
    stay = set(random.sample([f"{2 * number:04}" for number in range(40)], 25))

    def come_and_go(session: Session) -> None:
        session.add_all(row(next(numbers), random.randrange(-1, 9)) for _ in range(random.randrange(3)))
        mine = session.exec(select(ImportRow).where(ImportRow.shop_id == "s")).all()
        going = sorted((row for row in mine if row.id not in stay), key=place)
        for gone in random.sample(going, min(len(going), random.randrange(4))):
            session.delete(gone)

    seen = walk(filled, 4, descending=descending, meanwhile=lambda: filled.write_now(come_and_go))

    assert len(seen) == len(set(seen))
    assert stay <= set(seen)


def test_the_row_that_a_cursor_names_may_be_gone(filled: Database) -> None:
    before = filled.read_now(page, 40, None, descending=False).rows

    def drop(session: Session) -> None:
        session.delete(session.get(ImportRow, before[9].id))

    filled.write_now(drop)

    after = filled.read_now(page, 3, place(before[9]), descending=False)
    assert [row.id for row in after.rows] == [row.id for row in before[10:13]]


def test_the_last_page_says_that_it_is_the_last(filled: Database) -> None:
    everything = filled.read_now(page, 40, None, descending=False)
    assert not everything.has_next

    beyond = filled.read_now(page, 5, place(everything.rows[-1]), descending=False)
    assert (beyond.rows, beyond.has_next) == ([], False)


def test_counting_takes_the_filter_and_not_the_order(filled: Database) -> None:
    query = select(ImportRow).where(ImportRow.shop_id == "other").order_by(sa.desc("started_at"))

    assert filled.read_now(count, query) == 10
