"""Units of work: all of a write or nothing, and nothing of a read."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, select

from gateway.access.store import ApiKeyRow
from gateway.catalog.store import CatalogRow, ImportRow, next_seq
from gateway.db import Database, UtcDateTime, count
from tests.support.servers import Databases

NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)


def add_catalog(session: Session, catalog_id: str) -> None:
    session.add(CatalogRow(id=catalog_id))
    session.flush()


def catalogs(session: Session) -> set[str]:
    return {row.id for row in session.exec(select(CatalogRow)).all()}


# --- write and read ------------------------------------------------------------------------------------------------


async def test_a_write_is_there_for_the_next_read(db: Database) -> None:
    await db.write(add_catalog, "c1")

    assert await db.read(catalogs) == {"c1"}


async def test_an_exception_rolls_all_of_a_write_back(db: Database) -> None:
    def half(session: Session) -> None:
        add_catalog(session, "c1")
        raise LookupError("half-way")

    with pytest.raises(LookupError, match="half-way"):
        await db.write(half)

    assert await db.read(catalogs) == set()


async def test_a_read_never_commits(db: Database) -> None:
    def sneak(session: Session) -> set[str]:
        add_catalog(session, "c1")
        return catalogs(session)

    assert await db.read(sneak) == {"c1"}  # it sees its own row, and nobody ever will again

    assert await db.read(catalogs) == set()


async def test_rows_keep_their_values_after_the_transaction(db: Database) -> None:
    def add(session: Session) -> CatalogRow:
        row = CatalogRow(id="c1", seq=7)
        session.add(row)
        return row

    row = await db.write(add)

    assert (row.id, row.seq) == ("c1", 7)


async def test_a_reader_does_not_wait_for_a_writer_and_does_not_see_its_half(db: Database) -> None:
    written, may_commit = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        add_catalog(session, "c1")
        written.set()
        assert may_commit.wait(20)

    writer = asyncio.create_task(db.write(slow))
    assert await asyncio.to_thread(written.wait, 20)

    assert await asyncio.wait_for(db.read(catalogs), 20) == set()

    may_commit.set()
    await writer
    assert await db.read(catalogs) == {"c1"}


async def test_on_sqlite_writers_that_look_first_wait_their_turn(databases: Databases) -> None:
    # A deferred transaction would find the database locked when it comes to its write.
    db = Database(databases.sqlite())
    await db.write(add_catalog, "c1")

    def look_and_add(session: Session) -> None:
        row = session.get_one(CatalogRow, "c1")
        row.seq += 1

    def many() -> None:
        for _ in range(25):
            db.write_now(look_and_add)

    await asyncio.gather(db.in_thread(many), db.in_thread(many))

    assert (await db.read(lambda session: session.get_one(CatalogRow, "c1"))).seq == 50
    db.close()


# --- twins ---------------------------------------------------------------------------------------------------------


async def test_a_unit_that_met_its_twin_looks_once_more(db: Database) -> None:
    looks: list[set[str]] = []

    def find_or_add(session: Session) -> None:
        looks.append(catalogs(session) if looks else set())  # the first look came before the twin's commit
        if "c1" not in looks[-1]:
            add_catalog(session, "c1")

    await db.write(add_catalog, "c1")

    await db.write(find_or_add)

    assert looks == [set(), {"c1"}]


async def test_a_row_that_stays_impossible_is_tried_twice_and_no_more(db: Database) -> None:
    tries: list[str] = []

    def insist(session: Session) -> None:
        tries.append("c1")
        add_catalog(session, "c2")
        add_catalog(session, "c1")

    await db.write(add_catalog, "c1")

    with pytest.raises(sa.exc.IntegrityError):
        await db.write(insist)

    assert len(tries) == 2
    assert await db.read(catalogs) == {"c1"}


# --- times ---------------------------------------------------------------------------------------------------------


def key_made_at(moment: datetime) -> ApiKeyRow:
    return ApiKeyRow(id="k1", name="k", hint="mcg_", hash="0", scopes=[], created_at=moment, created_by="test")


async def test_times_come_back_aware_in_utc_with_their_microseconds(db: Database) -> None:
    paris = NOON.astimezone(timezone(timedelta(hours=1)))

    await db.write(lambda session: session.add(key_made_at(paris)))

    row = await db.read(lambda session: session.get(ApiKeyRow, "k1"))
    assert row is not None
    assert row.created_at == NOON
    assert row.created_at.tzinfo is UTC
    assert row.revoked_at is None


async def test_a_naive_time_is_refused(db: Database) -> None:
    naive = NOON.replace(tzinfo=None)

    with pytest.raises(sa.exc.StatementError, match="naive"):
        await db.write(lambda session: session.add(key_made_at(naive)))

    with pytest.raises(sa.exc.StatementError, match="naive"):
        await db.read(lambda session: session.exec(select(ApiKeyRow).where(ApiKeyRow.created_at < naive)).all())


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.timezones()))  # noqa: DTZ001
def test_any_aware_time_is_the_same_moment_afterwards(moment: datetime) -> None:
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        stored = UtcDateTime().process_bind_param(moment, dialect)

        # Compared in UTC: between two local times that a clock change repeats, == is no help.
        assert UtcDateTime().process_result_value(stored, dialect) == moment.astimezone(UTC)


# --- the order of changes ------------------------------------------------------------------------------------------


async def test_versions_of_a_catalog_become_visible_in_their_order(db: Database) -> None:
    """Who holds number n sees the n-1 changes before it; a reader that remembers n has missed none."""

    def change(session: Session) -> tuple[int, int]:
        seq = next_seq(session, "c1")
        session.add(
            ImportRow(id=f"{seq}", shop_id="s", source="x", state="x", started_at=NOON, seen_at=NOON, counts={})
        )
        session.flush()
        return seq, count(session, select(ImportRow))

    def changes() -> list[tuple[int, int]]:
        return [db.write_now(change) for _ in range(25)]

    one, other = await asyncio.gather(db.in_thread(changes), db.in_thread(changes))

    assert sorted(one + other) == [(n, n) for n in range(1, 51)]
    assert one == sorted(one)
    assert other == sorted(other)


async def test_a_change_that_is_rolled_back_leaves_no_gap(db: Database) -> None:
    def fail(session: Session) -> None:
        assert next_seq(session, "c1") == 2
        raise LookupError

    assert await db.write(next_seq, "c1") == 1
    with pytest.raises(LookupError):
        await db.write(fail)

    assert await db.write(next_seq, "c1") == 2
    assert await db.write(next_seq, "c2") == 1


def test_a_second_writer_gets_its_number_only_after_the_first_committed(databases: Databases) -> None:
    db = Database(databases.postgresql())
    numbered, may_commit = threading.Event(), threading.Event()
    commits: list[int] = []

    def slow(session: Session) -> int:
        seq = next_seq(session, "c1")
        numbered.set()
        assert may_commit.wait(20)
        return seq

    def quick(session: Session) -> int:
        return next_seq(session, "c1")

    def somebody_waits(session: Session) -> bool:
        # Not a matter of luck: PostgreSQL says when a lock is waited for.
        lock = "wait_event_type = 'Lock' AND datname = current_database()"
        return bool(session.execute(sa.text(f"SELECT 1 FROM pg_stat_activity WHERE {lock}")).all())

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: commits.append(db.write_now(slow)))
        assert numbered.wait(20)
        second = threads.submit(lambda: commits.append(db.write_now(quick)))
        deadline = time.monotonic() + 20
        while not db.read_now(somebody_waits):
            assert time.monotonic() < deadline, "the second writer did not wait"
            time.sleep(0.01)
        assert commits == []

        may_commit.set()
        first.result(20)
        second.result(20)

    assert commits == [1, 2]
    db.close()


def test_a_read_is_one_consistent_view(database_url: str) -> None:
    db = Database(database_url)

    def look_twice(session: Session) -> tuple[int, int]:
        before = count(session, select(CatalogRow))
        other = threading.Thread(target=db.write_now, args=(lambda session: session.add(CatalogRow(id="c1")),))
        other.start()
        other.join(20)
        return before, count(session, select(CatalogRow))

    assert db.read_now(look_twice) == (0, 0)
    db.close()
