"""The database: one short synchronous transaction per unit of work, run in a thread.

A unit of work is a plain function that takes a ``Session`` first.  ``write`` commits it or rolls it back; ``read``
never commits.  No session is shared and none is open while we wait for Meta.  SQLite runs in WAL mode with
``BEGIN IMMEDIATE`` for writers (a deferred one would fail half-way when another writer came first); PostgreSQL goes
through psycopg 3.  Statements that differ between the two are avoided; what remains is in ``upsert``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import orjson
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlmodel import Session

from gateway.errors import InvalidInput

P = ParamSpec("P")
T = TypeVar("T")

_MIGRATIONS = Path(__file__).parent / "migrations"


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware UTC time, the same on both databases (SQLite would hand back a naive one)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time was given to the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def database_url(text: str) -> sa.URL:
    """The URL with the driver that we use: psycopg 3 for PostgreSQL."""
    url = sa.make_url(text)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    return url


class Database:
    """An engine, the threads that use it, and the two ways to use it."""

    def __init__(self, url: str, *, threads: int = 8) -> None:
        self.url = database_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {}
        if self.is_sqlite:
            if self.url.database:
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            options["connect_args"] = {"timeout": 30, "check_same_thread": False}
        else:
            options["pool_pre_ping"] = True
        self.engine = sa.create_engine(
            self.url,
            pool_size=threads + 2,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            **options,
        )
        if self.is_sqlite:
            _tune_sqlite(self.engine)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="db")

    async def write(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *work* in a transaction of its own and commit; an exception rolls it back."""
        return await self.in_thread(partial(self.write_now, work, *args, **kwargs))

    async def read(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *work* on a consistent view; nothing is written."""
        return await self.in_thread(partial(self.read_now, work, *args, **kwargs))

    async def rehearse(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *work* as ``write`` would, and take everything back: what a dry run does."""
        return await self.in_thread(partial(self._rehearsed, work, *args, **kwargs))

    def _rehearsed(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._session(writes=True) as session:
            try:
                return work(session, *args, **kwargs)
            except sa.exc.DataError as exc:
                raise _unkeepable(exc) from exc
            finally:
                session.rollback()

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run anything that talks to the database in one of its threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def write_now(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``write`` for callers that are already in a thread."""
        try:
            return self._committed(work, *args, **kwargs)
        except sa.exc.DataError as exc:
            raise _unkeepable(exc) from exc
        except sa.exc.IntegrityError:
            # A twin wrote the same unique row a moment before us; looking again finds it.
            return self._committed(work, *args, **kwargs)

    def _committed(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._session(writes=True) as session:
            result = work(session, *args, **kwargs)
            session.commit()
            return result

    def read_now(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``read`` for callers that are already in a thread."""
        try:
            with self._session(writes=False) as session:
                return work(session, *args, **kwargs)
        except sa.exc.DataError as exc:
            raise _unkeepable(exc) from exc

    @contextmanager
    def _session(self, *, writes: bool) -> Iterator[Session]:
        options: dict[str, Any] = {"writes": writes}
        if not writes and not self.is_sqlite:
            # Two statements of one read must not see two states of the world.
            options["isolation_level"] = "REPEATABLE READ"
        engine = self.engine.execution_options(**options)
        # Rows are handed out of the transaction, so they keep their values after the commit.
        with Session(engine, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """End the threads and drop the connections."""
        self._threads.shutdown(wait=True)
        self.engine.dispose()

    # --- migrations ----------------------------------------------------------------------------------------------

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema up to *revision*."""
        command.upgrade(self._alembic(), revision)

    def unmigrate(self, revision: str = "base") -> None:
        """Take the schema down to *revision*."""
        command.downgrade(self._alembic(), revision)

    def revisions(self) -> tuple[str | None, str | None]:
        """(revision of the database, newest revision of the code)."""
        with self.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        return current, ScriptDirectory.from_config(self._alembic()).get_current_head()

    def _alembic(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["engine"] = self.engine
        return config


def _unkeepable(error: sa.exc.DataError) -> InvalidInput:
    """PostgreSQL keeps no NUL character in a text, and no number beyond its column."""
    return InvalidInput(
        "the input holds a value that cannot be kept, such as a NUL character in a text",
        fix="Remove characters that cannot be printed.",
    )


def _tune_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # Leave BEGIN to us: the driver would start a deferred transaction, and only before some statements.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "cache_size=-32000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page of a list: at most *first* rows after the key *after* (the sort values and the id of a row)."""

    first: int
    after: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """Rows of one page, and whether more follow."""

    rows: list[T]
    has_next: bool


def keyset(session: Session, query: Any, keys: Sequence[Any], page: PageRequest, *, descending: bool) -> Slice[Any]:
    """A page of *query*, sorted by *keys* (unique together).  A row's place does not depend on rows that come or go."""
    if page.after is not None:
        row, after = (
            sa.tuple_(*keys),
            sa.tuple_(*(sa.bindparam(None, v, k.type) for k, v in zip(keys, page.after, strict=True))),
        )
        query = query.where(row < after if descending else row > after)
    order = [sa.desc(key) if descending else sa.asc(key) for key in keys]
    rows = list(session.exec(query.order_by(*order).limit(page.first + 1)).all())
    return Slice(rows[: page.first], len(rows) > page.first)


def count(session: Session, query: Any) -> int:
    """How many rows *query* has."""
    return int(session.execute(sa.select(sa.func.count()).select_from(query.order_by(None).subquery())).scalar_one())


def upsert(session: Session, table: type[Any]) -> sqlite.Insert | postgresql.Insert:
    """An ``INSERT`` of the database's own dialect, the one that knows ``on_conflict_do_update``."""
    assert session.bind is not None
    if session.bind.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
