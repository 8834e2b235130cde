"""One world: a business with its own ids, state, clock, call log, faults and budgets.

Nothing is shared with other worlds, so each test (or each partner) can have one and break it.
"""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox import ids
from gateway.sandbox.calllog import CallLog
from gateway.sandbox.clock import VirtualClock
from gateway.sandbox.faults import Faults
from gateway.sandbox.settings import SandboxSettings
from gateway.sandbox.storage import one, transaction
from gateway.sandbox.usage import Usage

MODES = ("documented", "current-spec")


@dataclass(frozen=True)
class WorldConfig:
    """What a world was created with; `reset` starts from it again."""

    name: str = "Sandbox business"
    seed: int = 1
    mode: str = "documented"
    batch_seconds: float = 120.0
    review_seconds: float = 900.0
    remorse_seconds: float = 1800.0
    short_pages: bool = False
    statuses: str = "graph"
    """Which HTTP statuses errors have: as observed, or as in Meta's OpenAPI file."""
    limits: dict[str, int] = field(default_factory=dict)
    shops: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class HookRules:
    """How a world delivers its webhooks; changed by control."""

    batch: int = 1
    """Most updates in one notification."""
    delay: float = 0.0
    """Virtual seconds from an event to its notification."""
    duplicates: int = 0
    """How often each notification comes again."""
    reorder: bool = False
    timeout: float = 5.0
    """Real seconds that a callback has to answer."""


@dataclass
class World:
    number: int
    config: WorldConfig
    settings: SandboxSettings
    db: sqlite3.Connection
    clock: VirtualClock
    usage: Usage
    log: CallLog = field(default_factory=CallLog)
    faults: Faults = field(default_factory=Faults)
    hook_rules: HookRules = field(default_factory=HookRules)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.config.seed)

    @property
    def id(self) -> str:
        return f"world-{self.number}"

    @property
    def business_id(self) -> str:
        return ids.compose(ids.BUSINESS, self.number, 1)

    @property
    def system_user_id(self) -> str:
        return ids.compose(ids.SYSTEM_USER, self.number, 1)

    def now(self) -> float:
        return self.clock.timestamp()

    def transaction(self) -> AbstractContextManager[None]:
        return transaction(self.db)

    def new_ids(self, kind: str, count: int) -> list[str]:
        """The next *count* ids of a kind, in rising order."""
        row = one(
            self.db,
            "INSERT INTO serials (kind, last) VALUES (?, ?) "
            "ON CONFLICT (kind) DO UPDATE SET last = last + excluded.last RETURNING last",
            kind,
            count,
        )
        assert row is not None
        last: int = row["last"]
        return [ids.compose(kind, self.number, serial) for serial in range(last - count + 1, last + 1)]

    def new_id(self, kind: str) -> str:
        return self.new_ids(kind, 1)[0]

    # Small nodes (business, Page, commerce account, catalog, set, ...) share one table.

    def add_node(self, node_id: str, kind: str, owner: str, doc: dict[str, Any], at: float | None = None) -> None:
        created = self.now() if at is None else at
        self.db.execute("INSERT INTO nodes VALUES (?, ?, ?, ?, ?)", (node_id, kind, owner, json.dumps(doc), created))

    def find_node(self, node_id: str, kind: str) -> dict[str, Any] | None:
        """The node's document with its `id`, `owner` and `created`."""
        row = one(self.db, "SELECT * FROM nodes WHERE id = ? AND type = ?", node_id, kind)
        return None if row is None else _document(row)

    def nodes_of(self, kind: str, owner: str) -> list[dict[str, Any]]:
        rows = self.db.execute("SELECT * FROM nodes WHERE type = ? AND owner = ? ORDER BY id", (kind, owner))
        return [_document(row) for row in rows]

    def change_node(self, node_id: str, **changes: Any) -> None:
        row = one(self.db, "SELECT doc FROM nodes WHERE id = ?", node_id)
        assert row is not None
        doc = json.loads(row["doc"]) | changes
        self.db.execute("UPDATE nodes SET doc = ? WHERE id = ?", (json.dumps(doc), node_id))

    def drop_node(self, node_id: str) -> None:
        self.db.execute("DELETE FROM nodes WHERE id = ?", (node_id,))

    def accounts(self) -> list[dict[str, Any]]:
        return self.nodes_of("account", self.business_id)


def _document(row: sqlite3.Row) -> dict[str, Any]:
    doc: dict[str, Any] = json.loads(row["doc"])
    return doc | {"id": row["id"], "owner": row["owner"], "created": row["created"]}
