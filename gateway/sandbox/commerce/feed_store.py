"""The web server of the sandbox's sellers: files that feeds fetch by URL.

The sandbox never reaches out to the network.  What a feed's `url` names has to lie here, under
`/_sandbox/files/{world}/{name}`; every other address cannot be fetched.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from gateway.sandbox.storage import one
from gateway.sandbox.world import World

PREFIX = "/_sandbox/files/"


@dataclass(frozen=True)
class StoredFile:
    name: str
    content: bytes
    type: str
    status: int
    """200, or the answer that this file gives instead of itself."""
    username: str | None
    password: str | None


def put(world: World, name: str, content: bytes, doc: dict[str, Any]) -> None:
    sql = "INSERT OR REPLACE INTO feed_files VALUES (?, ?, ?)"
    world.db.execute(sql, (name, json.dumps(doc), content))


def drop(world: World, name: str) -> bool:
    return world.db.execute("DELETE FROM feed_files WHERE name = ?", (name,)).rowcount > 0


def get(world: World, name: str) -> StoredFile | None:
    row = one(world.db, "SELECT * FROM feed_files WHERE name = ?", name)
    if row is None:
        return None
    doc = json.loads(row["doc"])
    kind, status = str(doc.get("type") or "application/octet-stream"), int(doc.get("status") or 200)
    return StoredFile(name, bytes(row["content"]), kind, status, doc.get("username"), doc.get("password"))


def fetch(world: World, url: str, username: str | None, password: str | None) -> StoredFile | str:
    """The file behind a URL, or why it cannot be had."""
    try:
        path = unquote(urlsplit(url).path)
    except ValueError:
        return "The address is not a URL."
    own = f"{PREFIX}{world.id}/"
    found = get(world, path.removeprefix(own)) if path.startswith(own) else None
    if found is None:
        return "The address could not be reached."
    if found.status != 200:
        return f"The server answered with the status {found.status}."
    if (found.username or found.password) and (found.username, found.password) != (username, password):
        return "The server answered with the status 401."
    return found
