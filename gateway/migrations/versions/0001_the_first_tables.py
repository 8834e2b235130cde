"""The first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.db import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("hint", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("shops", sa.JSON(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    op.create_table(
        "catalogs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "client_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("shop_id", sa.String(), nullable=False),
        sa.Column("mutation", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("shop_id", "mutation", "key"),
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("shop_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target_id", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("client_key", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("dispatch_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("commands", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_commands_dispatch_id"), ["dispatch_id"], unique=False)
        batch_op.create_index("ix_commands_shop", ["shop_id", "requested_at", "id"], unique=False)
        batch_op.create_index("ix_commands_target", ["target_id", "kind"], unique=False)

    op.create_table(
        "cursors",
        sa.Column("shop_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "name"),
    )
    op.create_table(
        "dispatches",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("shop_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("priority", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("meta_key", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("handle", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("graph_calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("dispatches", schema=None) as batch_op:
        batch_op.create_index("ix_dispatches_due", ["state", "due_at"], unique=False)
        batch_op.create_index("ix_dispatches_run", ["run_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_dispatches_shop_id"), ["shop_id"], unique=False)

    op.create_table(
        "imports",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("shop_id", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("refused", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("imports", schema=None) as batch_op:
        batch_op.create_index("ix_imports_shop", ["shop_id", "started_at"], unique=False)

    op.create_table(
        "items",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("catalog_id", sa.String(), nullable=False),
        sa.Column("retailer_id", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=True),
        sa.Column("group_id", sa.String(), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("stable_print", sa.String(), nullable=False),
        sa.Column("volatile_print", sa.String(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("desired_version", sa.BigInteger(), nullable=False),
        sa.Column("sent_version", sa.BigInteger(), nullable=False),
        sa.Column("accepted_version", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_version", sa.BigInteger(), nullable=False),
        sa.Column("volatile_due", sa.BigInteger(), nullable=True),
        sa.Column("stable_due", sa.BigInteger(), nullable=True),
        sa.Column("volatile_since", UtcDateTime(), nullable=True),
        sa.Column("stable_since", UtcDateTime(), nullable=True),
        sa.Column("dispatch_id", sa.String(), nullable=True),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("sent_fields", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("catalog_id", "retailer_id"),
    )
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.create_index(
            "ix_items_dispatch",
            ["dispatch_id"],
            unique=False,
            sqlite_where=sa.text("dispatch_id IS NOT NULL"),
            postgresql_where=sa.text("dispatch_id IS NOT NULL"),
        )
        batch_op.create_index("ix_items_group", ["catalog_id", "group_id"], unique=False)
        batch_op.create_index("ix_items_source", ["catalog_id", "source_key"], unique=False)
        batch_op.create_index(
            "ix_items_stable_due",
            ["catalog_id", "stable_due"],
            unique=False,
            sqlite_where=sa.text("stable_due IS NOT NULL"),
            postgresql_where=sa.text("stable_due IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_items_stable_since",
            ["catalog_id", "stable_since"],
            unique=False,
            sqlite_where=sa.text("stable_since IS NOT NULL"),
            postgresql_where=sa.text("stable_since IS NOT NULL"),
        )
        batch_op.create_index("ix_items_state", ["catalog_id", "state"], unique=False)
        batch_op.create_index(
            "ix_items_volatile_due",
            ["catalog_id", "volatile_due"],
            unique=False,
            sqlite_where=sa.text("volatile_due IS NOT NULL"),
            postgresql_where=sa.text("volatile_due IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_items_volatile_since",
            ["catalog_id", "volatile_since"],
            unique=False,
            sqlite_where=sa.text("volatile_since IS NOT NULL"),
            postgresql_where=sa.text("volatile_since IS NOT NULL"),
        )

    op.create_table(
        "orders",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("shop_id", sa.String(), nullable=False),
        sa.Column("meta_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("meta_id"),
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index("ix_orders_created", ["shop_id", "created_at", "id"], unique=False)
        batch_op.create_index("ix_orders_reference", ["reference"], unique=False)
        batch_op.create_index("ix_orders_state", ["shop_id", "state"], unique=False)

    op.create_table(
        "schedules",
        sa.Column("shop_id", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("every_s", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("last_success_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("shop_id", "lane"),
    )
    with op.batch_alter_table("schedules", schema=None) as batch_op:
        batch_op.create_index("ix_schedules_due", ["paused", "next_at"], unique=False)

    op.create_table(
        "shops",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("meta_id", sa.String(), nullable=False),
        sa.Column("page_id", sa.String(), nullable=True),
        sa.Column("catalog_id", sa.String(), nullable=True),
        sa.Column("checkout", sa.String(), nullable=False),
        sa.Column("raw_cta", sa.String(), nullable=True),
        sa.Column("sealed_token", sa.String(), nullable=False),
        sa.Column("linked_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("meta_id"),
    )
    with op.batch_alter_table("shops", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_shops_catalog_id"), ["catalog_id"], unique=False)

    op.create_table(
        "sync_runs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("shop_id", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("queued_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("graph_calls", sa.Integer(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("sync_runs", schema=None) as batch_op:
        batch_op.create_index("ix_sync_runs_open", ["shop_id", "lane", "state"], unique=False)
        batch_op.create_index("ix_sync_runs_shop", ["shop_id", "queued_at", "id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("sync_runs", schema=None) as batch_op:
        batch_op.drop_index("ix_sync_runs_shop")
        batch_op.drop_index("ix_sync_runs_open")

    op.drop_table("sync_runs")
    with op.batch_alter_table("shops", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_shops_catalog_id"))

    op.drop_table("shops")
    with op.batch_alter_table("schedules", schema=None) as batch_op:
        batch_op.drop_index("ix_schedules_due")

    op.drop_table("schedules")
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.drop_index("ix_orders_state")
        batch_op.drop_index("ix_orders_reference")
        batch_op.drop_index("ix_orders_created")

    op.drop_table("orders")
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_items_volatile_since",
            sqlite_where=sa.text("volatile_since IS NOT NULL"),
            postgresql_where=sa.text("volatile_since IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_items_volatile_due",
            sqlite_where=sa.text("volatile_due IS NOT NULL"),
            postgresql_where=sa.text("volatile_due IS NOT NULL"),
        )
        batch_op.drop_index("ix_items_state")
        batch_op.drop_index(
            "ix_items_stable_since",
            sqlite_where=sa.text("stable_since IS NOT NULL"),
            postgresql_where=sa.text("stable_since IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_items_stable_due",
            sqlite_where=sa.text("stable_due IS NOT NULL"),
            postgresql_where=sa.text("stable_due IS NOT NULL"),
        )
        batch_op.drop_index("ix_items_source")
        batch_op.drop_index("ix_items_group")
        batch_op.drop_index(
            "ix_items_dispatch",
            sqlite_where=sa.text("dispatch_id IS NOT NULL"),
            postgresql_where=sa.text("dispatch_id IS NOT NULL"),
        )

    op.drop_table("items")
    with op.batch_alter_table("imports", schema=None) as batch_op:
        batch_op.drop_index("ix_imports_shop")

    op.drop_table("imports")
    with op.batch_alter_table("dispatches", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dispatches_shop_id"))
        batch_op.drop_index("ix_dispatches_run")
        batch_op.drop_index("ix_dispatches_due")

    op.drop_table("dispatches")
    op.drop_table("cursors")
    with op.batch_alter_table("commands", schema=None) as batch_op:
        batch_op.drop_index("ix_commands_target")
        batch_op.drop_index("ix_commands_shop")
        batch_op.drop_index(batch_op.f("ix_commands_dispatch_id"))

    op.drop_table("commands")
    op.drop_table("client_keys")
    op.drop_table("catalogs")
    op.drop_table("api_keys")
