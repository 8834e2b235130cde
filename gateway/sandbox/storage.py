"""The tables of one world.

Each world has a SQLite database of its own.  Without a directory it is SQLite's unnamed temporary database: kept in
memory while small, spilled to an unlinked file when a million items no longer fit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS serials (kind TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
    token TEXT PRIMARY KEY, kind TEXT NOT NULL, object_id TEXT NOT NULL, user_id TEXT NOT NULL, scopes TEXT NOT NULL,
    targets TEXT, issued_at REAL NOT NULL, expires_at REAL NOT NULL, dead_subcode INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS codes (
    code TEXT PRIMARY KEY, token TEXT NOT NULL, redirect_uri TEXT NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nodes (
    id TEXT PRIMARY KEY, type TEXT NOT NULL, owner TEXT NOT NULL, doc TEXT NOT NULL,
    created REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nodes_of_owner ON nodes (type, owner, id);
CREATE TABLE IF NOT EXISTS items (
    id TEXT PRIMARY KEY, catalog TEXT NOT NULL, retailer_id TEXT NOT NULL, group_id TEXT, doc TEXT NOT NULL,
    created REAL NOT NULL, updated REAL NOT NULL, fetched_at REAL NOT NULL, reviewed_at REAL NOT NULL,
    verdict TEXT NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS items_by_retailer ON items (catalog, retailer_id);
CREATE INDEX IF NOT EXISTS items_of_catalog ON items (catalog, id);
CREATE INDEX IF NOT EXISTS items_of_group ON items (group_id, id) WHERE group_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS reserved (
    catalog TEXT NOT NULL, retailer_id TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (catalog, retailer_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS groups (
    id TEXT PRIMARY KEY, catalog TEXT NOT NULL, retailer_id TEXT NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS groups_by_retailer ON groups (catalog, retailer_id);
CREATE INDEX IF NOT EXISTS groups_of_catalog ON groups (catalog, id);
CREATE TABLE IF NOT EXISTS batches (
    seq INTEGER PRIMARY KEY, handle TEXT NOT NULL UNIQUE, catalog TEXT NOT NULL, posted REAL NOT NULL,
    finishes REAL NOT NULL, done INTEGER NOT NULL, size INTEGER NOT NULL, upsert INTEGER NOT NULL,
    work TEXT NOT NULL, retailer_ids TEXT NOT NULL, overlapping TEXT NOT NULL, duplicates TEXT NOT NULL,
    script TEXT NOT NULL, result TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS batches_due ON batches (finishes) WHERE done = 0;
CREATE INDEX IF NOT EXISTS batches_of_catalog ON batches (catalog, seq);
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, cms TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
    release_at REAL, open INTEGER NOT NULL, fulfilled INTEGER NOT NULL, cancelled INTEGER NOT NULL,
    refunds INTEGER NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS orders_of_shop ON orders (cms, created, id);
CREATE INDEX IF NOT EXISTS orders_due ON orders (release_at) WHERE release_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS order_lines (
    id TEXT PRIMARY KEY, order_id TEXT NOT NULL, position INTEGER NOT NULL, retailer_id TEXT NOT NULL,
    product_id TEXT NOT NULL, quantity INTEGER NOT NULL, open INTEGER NOT NULL, fulfilled INTEGER NOT NULL,
    cancelled INTEGER NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS lines_of_order ON order_lines (order_id, position);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    at REAL NOT NULL) WITHOUT ROWID;
-- orders: returns, and what is open by its ship-by day
CREATE TABLE IF NOT EXISTS returns (
    id TEXT PRIMARY KEY, order_id TEXT NOT NULL, cms TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL,
    doc TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS returns_of_order ON returns (order_id, id);
CREATE INDEX IF NOT EXISTS returns_of_shop ON returns (cms, id);
CREATE INDEX IF NOT EXISTS orders_by_ship_day ON orders (json_extract(doc, '$.ship_by_date'), id) WHERE open > 0;
-- catalogs: localized values, feeds, diagnostics
CREATE TABLE IF NOT EXISTS catalog_work (
    handle TEXT PRIMARY KEY, kind TEXT NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS overrides (
    catalog TEXT NOT NULL, retailer_id TEXT NOT NULL, type TEXT NOT NULL, value TEXT NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY (catalog, retailer_id, type, value)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feed_items (
    catalog TEXT NOT NULL, retailer_id TEXT NOT NULL, feed TEXT NOT NULL,
    PRIMARY KEY (catalog, retailer_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_of_feed ON feed_items (feed, retailer_id);
CREATE TABLE IF NOT EXISTS feed_files (
    name TEXT PRIMARY KEY, doc TEXT NOT NULL, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upload_issues (
    upload TEXT NOT NULL, seq INTEGER NOT NULL, line INTEGER NOT NULL, retailer_id TEXT NOT NULL,
    severity TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (upload, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS image_rules (pattern TEXT PRIMARY KEY, outcome TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS catalog_notes (
    catalog TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY (catalog, kind, key)) WITHOUT ROWID;
-- marketing and money: transactions, payouts, pixel events, offers, conversations, tagged media
CREATE TABLE IF NOT EXISTS transactions (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, order_id TEXT, kind TEXT NOT NULL, at REAL NOT NULL,
    currency TEXT NOT NULL, fee INTEGER NOT NULL, net INTEGER NOT NULL, payout TEXT, stamped REAL,
    source TEXT UNIQUE, doc TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS transactions_of_shop ON transactions (account, at, id);
CREATE INDEX IF NOT EXISTS transactions_of_order ON transactions (order_id, at) WHERE order_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS payouts (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, at REAL NOT NULL, currency TEXT NOT NULL, amount INTEGER NOT NULL,
    reference TEXT NOT NULL UNIQUE, transfer TEXT NOT NULL, status TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payouts_of_shop ON payouts (account, at, id);
CREATE TABLE IF NOT EXISTS pixel_events (
    seq INTEGER PRIMARY KEY, pixel TEXT NOT NULL, received REAL NOT NULL, at REAL NOT NULL, name TEXT NOT NULL,
    event_id TEXT, channel TEXT NOT NULL, agent TEXT NOT NULL, test_code TEXT, kept INTEGER NOT NULL,
    fbp TEXT, external TEXT, doc TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_id ON pixel_events (pixel, name, event_id, received);
CREATE INDEX IF NOT EXISTS events_by_time ON pixel_events (pixel, at, seq);
CREATE TABLE IF NOT EXISTS offers (
    id TEXT PRIMARY KEY, catalog TEXT NOT NULL, offer_id TEXT NOT NULL, origin TEXT NOT NULL,
    doc TEXT NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS offers_by_retailer ON offers (catalog, offer_id);
CREATE TABLE IF NOT EXISTS threads (
    id TEXT PRIMARY KEY, page TEXT NOT NULL, platform TEXT NOT NULL, person TEXT NOT NULL, updated REAL NOT NULL,
    last_inbound REAL, unread INTEGER NOT NULL, UNIQUE (page, person)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS threads_of_page ON threads (page, platform, updated, id);
CREATE TABLE IF NOT EXISTS thread_messages (
    id TEXT PRIMARY KEY, thread TEXT NOT NULL, at REAL NOT NULL, sender TEXT NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS messages_of_thread ON thread_messages (thread, at, id);
CREATE TABLE IF NOT EXISTS media (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, at REAL NOT NULL, tagged INTEGER NOT NULL,
    doc TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS media_of_account ON media (account, at, id);
CREATE TABLE IF NOT EXISTS hooks (
    object TEXT PRIMARY KEY, callback_url TEXT NOT NULL, verify_token TEXT NOT NULL, fields TEXT NOT NULL,
    include_values INTEGER NOT NULL, active INTEGER NOT NULL, failing_since REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hook_events (
    seq INTEGER PRIMARY KEY, object TEXT NOT NULL, entry TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL,
    at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS hook_events_by_time ON hook_events (at);
CREATE TABLE IF NOT EXISTS hook_posts (
    seq INTEGER PRIMARY KEY, object TEXT NOT NULL, url TEXT NOT NULL, body BLOB NOT NULL, first REAL NOT NULL,
    due REAL NOT NULL, tries INTEGER NOT NULL, answers TEXT NOT NULL, done TEXT);
CREATE INDEX IF NOT EXISTS hook_posts_due ON hook_posts (due, seq) WHERE done IS NULL;
CREATE TABLE IF NOT EXISTS installs (
    external_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, at REAL NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, length INTEGER NOT NULL, kind TEXT NOT NULL, content BLOB NOT NULL
    ) WITHOUT ROWID;
"""
TABLES = "meta serials tokens codes nodes items reserved groups batches orders order_lines idempotency".split()
TABLES += "returns".split()
TABLES += "catalog_work overrides feed_items feed_files upload_issues image_rules catalog_notes".split()
TABLES += "transactions payouts pixel_events offers threads thread_messages media".split()
TABLES += "hooks hook_events hook_posts installs uploads".split()


def connect(path: Path | None) -> sqlite3.Connection:
    """Open (and create) a world's database."""
    db = sqlite3.connect("" if path is None else str(path), isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    # A lost sandbox is started again from its seed: speed counts more than surviving a power cut.
    db.execute("PRAGMA synchronous = OFF")
    db.execute(f"PRAGMA journal_mode = {'MEMORY' if path is None else 'WAL'}")
    db.execute("PRAGMA cache_size = -16000")
    db.executescript(SCHEMA)
    return db


def wipe(db: sqlite3.Connection) -> None:
    """Forget everything but the world's own settings."""
    for table in TABLES:
        if table != "meta":
            db.execute(f"DELETE FROM {table}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; inside an open transaction a savepoint, so that a part can fail alone."""
    nested = db.in_transaction
    db.execute("SAVEPOINT part" if nested else "BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK TO part" if nested else "ROLLBACK")
        if nested:
            db.execute("RELEASE part")
        raise
    db.execute("RELEASE part" if nested else "COMMIT")


def one(db: sqlite3.Connection, sql: str, *args: Any) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(sql, args).fetchone()
    return row


def chunks(values: list[str], size: int = 500) -> Iterator[list[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def marks(count: int) -> str:
    return ",".join("?" * count)
