"""The items of a catalog: found by Meta's id or the seller's, written one by one or thousands at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from gateway.sandbox import ids
from gateway.sandbox import item_fields as names
from gateway.sandbox.schema import Node
from gateway.sandbox.storage import chunks, marks, one
from gateway.sandbox.world import World

FETCH_SECONDS = 30.0
"""Virtual time until Meta has fetched a picture."""
REJECT_WORD = "simulate-reject"
"""A title that holds this word does not pass the policy review."""


@dataclass
class Item:
    id: str
    catalog: str
    retailer_id: str
    group_id: str | None
    fields: dict[str, Any]
    created: float
    updated: float
    fetched_at: float
    reviewed_at: float
    verdict: str
    """What the review says once it is over."""


def _item(row: sqlite3.Row) -> Item:
    return Item(
        row["id"],
        row["catalog"],
        row["retailer_id"],
        row["group_id"],
        json.loads(row["doc"]),
        row["created"],
        row["updated"],
        row["fetched_at"],
        row["reviewed_at"],
        row["verdict"],
    )


def node_of(item: Item) -> Node:
    return Node("ProductItem", item.id, {"item": item}, item.catalog, item.catalog)


def node_of_row(row: sqlite3.Row) -> Node:
    return node_of(_item(row))


def by_id(world: World, item_id: str) -> Item | None:
    row = one(world.db, "SELECT * FROM items WHERE id = ?", item_id)
    return None if row is None else _item(row)


def by_retailer_id(world: World, catalog: str, retailer_id: str) -> Item | None:
    row = one(world.db, "SELECT * FROM items WHERE catalog = ? AND retailer_id = ?", catalog, retailer_id)
    return None if row is None else _item(row)


def by_retailer_ids(world: World, catalog: str, retailer_ids: list[str]) -> dict[str, Item]:
    found: dict[str, Item] = {}
    for part in chunks(retailer_ids):
        sql = f"SELECT * FROM items WHERE catalog = ? AND retailer_id IN ({marks(len(part))})"
        for row in world.db.execute(sql, [catalog, *part]):
            found[row["retailer_id"]] = _item(row)
    return found


def reserve(world: World, catalog: str, retailer_id: str) -> str:
    """Meta's id for a retailer id: the item's own, or the one it will get when it is made."""
    row = one(
        world.db,
        "SELECT id FROM items WHERE catalog = ? AND retailer_id = ? "
        "UNION ALL SELECT id FROM reserved WHERE catalog = ? AND retailer_id = ?",
        *(catalog, retailer_id, catalog, retailer_id),
    )
    if row is not None:
        return str(row["id"])
    item_id = world.new_id(ids.ITEM)
    world.db.execute("INSERT INTO reserved VALUES (?, ?, ?)", (catalog, retailer_id, item_id))
    return item_id


def _take_ids(world: World, catalog: str, retailer_ids: list[str]) -> dict[str, str]:
    """Ids for new items: those reserved for them first."""
    taken: dict[str, str] = {}
    for part in chunks(retailer_ids):
        sql = f"SELECT retailer_id, id FROM reserved WHERE catalog = ? AND retailer_id IN ({marks(len(part))})"
        taken |= {row["retailer_id"]: row["id"] for row in world.db.execute(sql, [catalog, *part])}
    world.db.executemany(
        "DELETE FROM reserved WHERE catalog = ? AND retailer_id = ?", [(catalog, name) for name in taken]
    )
    rest = [name for name in retailer_ids if name not in taken]
    return taken | dict(zip(rest, world.new_ids(ids.ITEM, len(rest)), strict=True)) if rest else taken


def _groups(world: World, catalog: str, wanted: Iterable[str]) -> dict[str, str]:
    """Ids of the groups that items name; a group comes into being when the first item names it."""
    found: dict[str, str] = {}
    retailer_ids = sorted(set(wanted))
    for part in chunks(retailer_ids):
        sql = f"SELECT retailer_id, id FROM groups WHERE catalog = ? AND retailer_id IN ({marks(len(part))})"
        found |= {row["retailer_id"]: row["id"] for row in world.db.execute(sql, [catalog, *part])}
    new = [name for name in retailer_ids if name not in found]
    if new:
        made = dict(zip(new, world.new_ids(ids.GROUP, len(new)), strict=True))
        world.db.executemany("INSERT INTO groups VALUES (?, ?, ?, '{}')", [(made[name], catalog, name) for name in new])
        found |= made
    return found


def save(world: World, catalog: str, changes: Mapping[str, dict[str, Any]], old: Mapping[str, Item], at: float) -> None:
    """Store whole documents by retailer id; *old* holds those that exist already."""
    new_ids = _take_ids(world, catalog, [name for name in changes if name not in old])
    groups = _groups(
        world, catalog, (str(doc["item_group_id"]) for doc in changes.values() if doc.get("item_group_id"))
    )
    rules = world.db.execute("SELECT pattern, outcome FROM image_rules ORDER BY pattern").fetchall()
    rows = []
    for retailer_id, doc in changes.items():
        before = old.get(retailer_id)
        group_id = groups.get(str(doc.get("item_group_id") or ""))
        fetched, reviewed, verdict = at + FETCH_SECONDS, at + world.config.review_seconds, _verdict(doc)
        item_id, created = new_ids.get(retailer_id, ""), at
        if before is not None:
            item_id, created = before.id, before.created
            _keep(doc, before.fields, ("_appealed", "_appeal_outcome"))
            if _same(doc, before.fields, names.PICTURES):
                fetched = before.fetched_at
                _keep(doc, before.fields, ("_image_failure",))
            if _same(doc, before.fields, names.REVIEWED):
                reviewed, verdict = before.reviewed_at, before.verdict
                _keep(doc, before.fields, _REVIEW_MARKS)
            else:
                # A changed item is judged anew; what was said of the old one is over.
                for name in _REVIEW_MARKS:
                    if doc.get(name) == before.fields.get(name):
                        doc.pop(name, None)
        if before is None or fetched != before.fetched_at:
            _meet_rules(doc, rules)
        rows.append((item_id, catalog, retailer_id, group_id, json.dumps(doc), created, at, fetched, reviewed, verdict))
    world.db.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


_REVIEW_MARKS = ("_rejection_reasons", "_rejected_channels", "_policy_url")


def _verdict(doc: Mapping[str, Any]) -> str:
    return "rejected" if REJECT_WORD in str(doc.get("title") or "").lower() else "approved"


def _same(doc: Mapping[str, Any], before: Mapping[str, Any], fields: Iterable[str]) -> bool:
    return all(doc.get(name) == before.get(name) for name in fields)


def _keep(doc: dict[str, Any], before: Mapping[str, Any], marks_of_meta: Iterable[str]) -> None:
    """Meta's own marks survive a full replacement of the seller's fields."""
    for name in marks_of_meta:
        if name in before:
            doc.setdefault(name, before[name])


def _meet_rules(doc: dict[str, Any], rules: Iterable[sqlite3.Row]) -> None:
    doc.pop("_image_failure", None)
    address = _picture_of(doc) or ""
    for rule in rules:
        if fnmatchcase(address, rule["pattern"]):
            doc["_image_failure"] = rule["outcome"]


def delete(world: World, catalog: str, retailer_ids: Iterable[str]) -> int:
    """Remove items with what hangs on them; those that are not there are no trouble."""
    gone = [(catalog, name) for name in retailer_ids]
    before = world.db.total_changes
    world.db.executemany("DELETE FROM items WHERE catalog = ? AND retailer_id = ?", gone)
    deleted = world.db.total_changes - before
    for table in ("feed_items", "overrides"):
        world.db.executemany(f"DELETE FROM {table} WHERE catalog = ? AND retailer_id = ?", gone)
    return deleted


def count(world: World, catalog: str) -> int:
    row = one(world.db, "SELECT COUNT(*) AS n FROM items WHERE catalog = ?", catalog)
    assert row is not None
    return int(row["n"])


def review_status(item: Item, now: float) -> str:
    return item.verdict if item.reviewed_at <= now else "pending"


def fetch_status(item: Item, now: float) -> str:
    """Pictures are never really fetched: a host under `.invalid` fails, and what a script says; every other works."""
    if item.fetched_at > now:
        return "NO_STATUS"
    return "FETCHED" if failure_of(item) in (None, "low_resolution") else "FETCH_FAILED"


def failure_of(item: Item) -> str | None:
    """What is wrong with the main picture, once somebody looks."""
    scripted = item.fields.get("_image_failure")
    if scripted is not None:
        return str(scripted)
    address = picture(item) or ""
    if (urlsplit(address).hostname or "").endswith(".invalid"):
        return "failed"
    return "low_resolution" if "lowres" in address else None


def picture(item: Item) -> str | None:
    """The main picture: with `image` there, `image_link` counts for nothing."""
    return _picture_of(item.fields)


def _picture_of(fields: Mapping[str, Any]) -> str | None:
    images = fields.get("image")
    if isinstance(images, list) and images:
        return str(images[0].get("url"))
    link = fields.get("image_link")
    return None if link is None else str(link)


def more_pictures(item: Item) -> list[str]:
    images = item.fields.get("image")
    if isinstance(images, list) and images:
        return [str(image.get("url")) for image in images[1:]]
    links = item.fields.get("additional_image_link") or []
    return [str(link) for link in (links if isinstance(links, list) else str(links).split(","))]
