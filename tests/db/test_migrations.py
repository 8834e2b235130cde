"""Migrations: they build what the models say, and go down as well as up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

import gateway.access.store
import gateway.catalog.store
import gateway.commands.store
import gateway.orders.store
import gateway.shops.store
import gateway.sync.store  # noqa: F401  (each brings its tables)
from gateway.db import Database
from tests.support.servers import Databases


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Database]:
    db = Database(databases.empty_sqlite() if request.param == "sqlite" else databases.empty_postgresql())
    yield db
    db.close()


def tables(db: Database) -> dict[str, Any]:
    """All that the database itself says about its tables."""
    inspector = sa.inspect(db.engine)
    return {
        table: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)},
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted(str(unique["column_names"]) for unique in inspector.get_unique_constraints(table)),
            sorted(
                str((index["name"], index["column_names"], index["unique"])) for index in inspector.get_indexes(table)
            ),
            sorted(str(key["constrained_columns"]) for key in inspector.get_foreign_keys(table)),
        )
        for table in inspector.get_table_names()
    }


def test_up_down_and_up_again_leave_the_same_tables(empty: Database) -> None:
    empty.migrate()
    first = tables(empty)
    assert first.keys() == SQLModel.metadata.tables.keys() | {"alembic_version"}

    empty.unmigrate()
    assert tables(empty).keys() == {"alembic_version"}

    empty.migrate()
    assert tables(empty) == first


def test_migrations_and_models_agree(empty: Database) -> None:
    empty.migrate()

    with empty.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, SQLModel.metadata)

    assert differences == []


def test_a_difference_would_be_noticed(empty: Database) -> None:
    """The test above can fail."""
    empty.migrate()
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE api_keys ADD COLUMN surprise INTEGER")

    with empty.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)

    assert [difference[0] for difference in differences] == ["remove_column"]


def test_the_revision_is_known_before_and_after(empty: Database) -> None:
    before, newest = empty.revisions()
    assert before is None
    assert newest is not None

    empty.migrate()
    assert empty.revisions() == (newest, newest)

    empty.migrate()  # once more changes nothing
    assert empty.revisions() == (newest, newest)
