"""A migrated database with its threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.db import Database


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A database of the test's own, of each kind in turn."""
    db = Database(database_url)
    yield db
    db.close()
