"""Conversations between buyers and a Page: who wrote when, which opens the window for answers.

Source: engagement.md section 2.  A person's id is good for one Page and one platform only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from gateway.sandbox.storage import one
from gateway.sandbox.world import World

PERSON, THREAD, MESSAGE, ATTACHMENT, TEMPLATE = "56", "57", "58", "61", "63"
MESSENGER, INSTAGRAM = PLATFORMS = ("messenger", "instagram")
WINDOW, HUMAN_WINDOW = 86_400.0, 7 * 86_400.0
DETAILED = 20
"""Only so many messages of a conversation can be read in full, the newest."""


def add_person(world: World, page: str, name: str, platform: str) -> str:
    person_id = world.new_id(PERSON)
    world.add_node(person_id, "person", page, {"name": name, "platform": platform, "blocked": False})
    return person_id


def person(world: World, page: str, person_id: str) -> dict[str, Any] | None:
    """Somebody this Page may write to: ids of other Pages' visitors mean nothing here."""
    found = world.find_node(person_id, "person")
    return found if found is not None and found["owner"] == page else None


def thread_with(world: World, page: str, person_id: str) -> sqlite3.Row | None:
    return one(world.db, "SELECT * FROM threads WHERE page = ? AND person = ?", page, person_id)


def thread(world: World, thread_id: str) -> sqlite3.Row | None:
    return one(world.db, "SELECT * FROM threads WHERE id = ?", thread_id)


def _opened(world: World, page: str, person_id: str, platform: str) -> sqlite3.Row:
    found = thread_with(world, page, person_id)
    if found is None:
        world.db.execute(
            "INSERT INTO threads VALUES (?, ?, ?, ?, ?, NULL, 0)",
            (world.new_id(THREAD), page, platform, person_id, world.now()),
        )
        found = thread_with(world, page, person_id)
    assert found is not None
    return found


def _say(world: World, row: sqlite3.Row, sender: str, doc: Mapping[str, Any]) -> str:
    message_id = world.new_id(MESSAGE)
    world.db.execute(
        "INSERT INTO thread_messages VALUES (?, ?, ?, ?, ?)",
        (message_id, row["id"], world.now(), sender, json.dumps(doc)),
    )
    world.db.execute("UPDATE threads SET updated = ? WHERE id = ?", (world.now(), row["id"]))
    return message_id


def receive(world: World, page: str, someone: Mapping[str, Any], doc: Mapping[str, Any]) -> dict[str, str]:
    """A buyer writes: the window for answers opens anew."""
    row = _opened(world, page, someone["id"], someone["platform"])
    message_id = _say(world, row, someone["id"], doc)
    world.db.execute("UPDATE threads SET last_inbound = ?, unread = unread + 1 WHERE id = ?", (world.now(), row["id"]))
    return {"conversation": row["id"], "person": someone["id"], "message": message_id}


def answer(world: World, page: str, someone: Mapping[str, Any], doc: Mapping[str, Any]) -> str:
    """The Page writes."""
    return _say(world, _opened(world, page, someone["id"], someone["platform"]), page, doc)


def mark_seen(world: World, page: str, person_id: str) -> None:
    world.db.execute("UPDATE threads SET unread = 0 WHERE page = ? AND person = ?", (page, person_id))


def message(world: World, message_id: str) -> sqlite3.Row | None:
    return one(world.db, "SELECT * FROM thread_messages WHERE id = ?", message_id)


def is_old(world: World, row: sqlite3.Row) -> bool:
    """Whether newer messages have pushed this one out of what can be read."""
    sql = "SELECT COUNT(*) AS n FROM thread_messages WHERE thread = ? AND (at, id) > (?, ?)"
    newer = one(world.db, sql, row["thread"], row["at"], row["id"])
    assert newer is not None
    return int(newer["n"]) >= DETAILED


def count(world: World, thread_id: str) -> int:
    return int(world.db.execute("SELECT COUNT(*) FROM thread_messages WHERE thread = ?", (thread_id,)).fetchone()[0])
