"""Alembic's entry: migrate with the engine that ``gateway.db`` hands over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import gateway.access.store
import gateway.catalog.store
import gateway.commands.store
import gateway.orders.store
import gateway.shops.store
import gateway.sync.store  # noqa: F401  (each brings its tables)
from gateway.db import Database
from gateway.settings import Settings

engine = context.config.attributes.get("engine") or Database(Settings().database_url.get_secret_value()).engine

with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=SQLModel.metadata, render_as_batch=connection.dialect.name == "sqlite"
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
