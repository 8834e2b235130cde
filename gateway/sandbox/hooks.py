"""Webhooks before they leave: who subscribed to what, which events wait, which notifications are due.

Source: graph-api.md section 16.  Nobody publishes Meta's retry schedule; `RETRIES` is ours: at once, then with falling
frequency until 36 hours are over.  Everything happens at its own moment of virtual time, so a clock that is moved by
two days sees every attempt of those two days.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway.sandbox.messages import dump
from gateway.sandbox.storage import one
from gateway.sandbox.world import World

HOUR = 3600.0
RETRIES = (0.0, 60.0, 300.0, 900.0, HOUR, 2 * HOUR, 4 * HOUR)
"""Seconds from a failed attempt to the next; the last one repeats."""
GIVEN_UP = 36 * HOUR
DISABLED_AFTER = 7 * 24 * HOUR
MOST_UPDATES = 1000
_PEOPLE = ("user", "permissions")


def loopback(url: str) -> bool:
    """Whether *url* is an HTTP address of this machine: the sandbox calls nothing else."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme in ("http", "https") and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def signatures(secret: str, body: bytes) -> dict[str, str]:
    """The two signature headers over the bytes that are sent."""
    new = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    old = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={new}", "X-Hub-Signature": f"sha1={old}"}


# Subscriptions of the app, one for each type of object.


def subscription(world: World, kind: str) -> sqlite3.Row | None:
    return one(world.db, "SELECT * FROM hooks WHERE object = ?", kind)


def subscriptions(world: World) -> list[sqlite3.Row]:
    return world.db.execute("SELECT * FROM hooks ORDER BY object").fetchall()


def subscribe(world: World, kind: str, url: str, token: str, fields: Iterable[str], with_values: bool) -> None:
    row = (kind, url, token, json.dumps(sorted(set(fields))), int(with_values))
    world.db.execute("INSERT OR REPLACE INTO hooks VALUES (?, ?, ?, ?, ?, 1, NULL)", row)


def unsubscribe(world: World, kind: str | None, fields: Iterable[str]) -> None:
    """Forget *fields* of an object, all of them if none is named, every object if none is."""
    gone = set(fields)
    for row in subscriptions(world):
        if kind is not None and row["object"] != kind:
            continue
        left = [name for name in json.loads(row["fields"]) if name not in gone] if gone else []
        if left:
            world.db.execute("UPDATE hooks SET fields = ? WHERE object = ?", (json.dumps(left), row["object"]))
        else:
            world.db.execute("DELETE FROM hooks WHERE object = ?", (row["object"],))


# Events, and the notifications made of them.


def emit(world: World, kind: str, entry_id: str, field: str, value: Any) -> bool:
    """Something happened; True when somebody will be told."""
    row = subscription(world, kind)
    if row is None or not row["active"] or field not in json.loads(row["fields"]):
        return False
    if kind == "page":
        page = world.find_node(entry_id, "page")
        if page is None or field not in page.get("subscribed_fields", ()):
            return False
    sql = "INSERT INTO hook_events (object, entry, field, value, at) VALUES (?, ?, ?, ?, ?)"
    world.db.execute(sql, (kind, entry_id, field, json.dumps(value), world.now()))
    return True


def next_moment(world: World) -> float | None:
    """When the next notification is due."""
    sql = (
        "SELECT MIN(at) AS at FROM (SELECT MIN(at) + ? AS at FROM hook_events "
        "UNION ALL SELECT MIN(due) FROM hook_posts WHERE done IS NULL)"
    )
    row = one(world.db, sql, world.hook_rules.delay)
    return None if row is None else row["at"]


def collect(world: World) -> None:
    """Make notifications of the events whose time has come."""
    rules = world.hook_rules
    sql = "SELECT * FROM hook_events WHERE at + ? <= ? ORDER BY seq"
    ready: dict[str, list[sqlite3.Row]] = {}
    for row in world.db.execute(sql, (rules.delay, world.now())):
        ready.setdefault(row["object"], []).append(row)
    for kind, events in ready.items():
        world.db.executemany("DELETE FROM hook_events WHERE seq = ?", [(event["seq"],) for event in events])
        hook = subscription(world, kind)
        if hook is None or not hook["active"]:
            continue
        if rules.reorder:
            world.rng.shuffle(events)
        for start in range(0, len(events), rules.batch):
            _queue(world, hook, events[start : start + rules.batch])


def _queue(world: World, hook: sqlite3.Row, events: list[sqlite3.Row]) -> None:
    at = max(event["at"] for event in events) + world.hook_rules.delay
    body = dump(notification(hook, events, at)).encode()
    row = (hook["object"], hook["callback_url"], body, at, at)
    sql = "INSERT INTO hook_posts (object, url, body, first, due, tries, answers) VALUES (?, ?, ?, ?, ?, 0, '[]')"
    for _ in range(1 + world.hook_rules.duplicates):
        world.db.execute(sql, row)


def notification(hook: Mapping[str, Any] | sqlite3.Row, events: Iterable[Any], at: float) -> dict[str, Any]:
    """One body: the updates of each object under an entry of its own; `time` is that of sending."""
    entries: dict[str, dict[str, Any]] = {}
    for event in events:
        entry = entries.get(event["entry"])
        if entry is None:
            person = hook["object"] in _PEOPLE
            named = {"id": "0", "uid": event["entry"]} if person else {"id": event["entry"]}
            entry = entries[event["entry"]] = {**named, "time": int(at)}
        if hook["include_values"]:
            entry.setdefault("changes", []).append({"field": event["field"], "value": json.loads(event["value"])})
        elif event["field"] not in entry.setdefault("changed_fields", []):
            entry["changed_fields"].append(event["field"])
    return {"object": hook["object"], "entry": list(entries.values())}


def due_post(world: World) -> sqlite3.Row | None:
    sql = "SELECT * FROM hook_posts WHERE done IS NULL AND due <= ? ORDER BY due, seq LIMIT 1"
    return one(world.db, sql, world.now())


def record(world: World, post: sqlite3.Row, outcome: int | str) -> None:
    """What came of an attempt: a status, or the name of what went wrong."""
    at: float = post["due"]
    done: str | None
    answers = [*json.loads(post["answers"]), {"at": at, "outcome": outcome}]
    tries = post["tries"] + 1
    if outcome == 200:
        done, due = "delivered", at
        world.db.execute("UPDATE hooks SET failing_since = NULL WHERE object = ?", (post["object"],))
    else:
        due = at + RETRIES[min(tries - 1, len(RETRIES) - 1)]
        done = "dropped" if due > post["first"] + GIVEN_UP else None
        _note_failure(world, post["object"], at)
    sql = "UPDATE hook_posts SET done = ?, due = ?, tries = ?, answers = ? WHERE seq = ?"
    world.db.execute(sql, (done, due, tries, json.dumps(answers), post["seq"]))


def _note_failure(world: World, kind: str, at: float) -> None:
    hook = subscription(world, kind)
    if hook is None:
        return
    since = at if hook["failing_since"] is None else hook["failing_since"]
    active = int(at - since < DISABLED_AFTER)
    world.db.execute("UPDATE hooks SET failing_since = ?, active = ? WHERE object = ?", (since, active, kind))
