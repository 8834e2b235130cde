"""The access service on a database of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.access.service import AccessService
from gateway.db import Database
from gateway.kit.clock import ManualClock
from tests.support.servers import Databases


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def db(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Database]:
    """SQLite, unless a test asks for both kinds."""
    db = Database(databases.postgresql() if getattr(request, "param", "") == "postgresql" else databases.sqlite())
    yield db
    db.close()


@pytest.fixture
def access(db: Database, clock: ManualClock) -> AccessService:
    return AccessService(db, clock)
