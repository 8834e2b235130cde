"""Offers of a catalog: they come in files, never one by one.

Source: promotions.md sections 10 and 14.  A feed is strict; the partner feed of Meta's own connectors is not, because
these send what the rules forbid, or their own rules as they are.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.sandbox import offer_rules
from gateway.sandbox.params import read_json
from gateway.sandbox.world import World

OFFER, PARTNER_FILE = "60", "62"
MANUAL, PARTNER = "manual", "partner"
"""Where an offer came from, else the id of its feed: a file only replaces its own."""
FATAL, WARNING = "fatal", "warning"


@dataclass(frozen=True)
class Issue:
    """One line of an upload's error report."""

    row_number: int
    offer_id: str
    severity: str
    summary: str


@dataclass(frozen=True)
class Outcome:
    taken: int
    removed: int
    issues: list[Issue]


class BadFile(ValueError):
    """Nothing can be read from the file."""


def read_rows(content: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Row number (the header is row 1) and the cells by column; CSV, TSV, or a JSON list.

    Raises:
        BadFile: it is empty or none of these.
    """
    text = content.decode("utf-8-sig", "replace")
    if not text.strip():
        raise BadFile("The file is empty.")
    if text.lstrip()[:1] == "[":
        try:
            rows = read_json(text)
        except ValueError as exc:
            raise BadFile("The file is no JSON list.") from exc
        if not all(isinstance(row, dict) for row in rows):
            raise BadFile("Every offer must be an object.")
        return list(enumerate(rows, start=2))
    header = text.lstrip("\r\n").partition("\n")[0]
    mark = "\t" if "\t" in header else ","
    try:
        table = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if any(row)]
    except csv.Error as exc:
        raise BadFile(f"The file cannot be read: {exc}.") from exc
    columns = [name.strip() for name in table[0]]
    return [(number, dict(zip(columns, cells, strict=False))) for number, cells in enumerate(table[1:], start=2)]


def take(
    world: World,
    catalog: str,
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    origin: str = MANUAL,
    replace: bool = True,
) -> Outcome:
    """Put the offers of a file into the catalog; *replace* removes those of the same origin that it does not name."""
    issues: list[Issue] = []
    good: dict[str, dict[str, Any]] = {}
    named: set[str] = set()
    for number, row in rows:
        doc = offer_rules.cleaned(row)
        # One of Meta's connectors sends its own rules, which have an id of another name.
        offer_id = str(doc.get("offer_id") or (doc.get("rule_id") if origin == PARTNER else "") or "")
        wrong = _lenient(offer_id) if origin == PARTNER else offer_rules.problems(doc, world.now())
        issues += [Issue(number, offer_id, FATAL, text) for text in wrong]
        named.add(offer_id)
        if not wrong:
            if offer_id in good:
                issues.append(Issue(number, offer_id, WARNING, "offer_id occurs more than once; the last row is used"))
            good[offer_id] = doc
    if origin != PARTNER:
        issues += _limits(world, catalog, good)
    _save(world, catalog, origin, good)
    removed = drop(world, catalog, origin, named) if replace else 0
    return Outcome(len(good), removed, issues)


def _lenient(offer_id: str) -> list[str]:
    return [] if offer_id else ["A required field is missing: offer_id"]


def _limits(world: World, catalog: str, good: dict[str, dict[str, Any]]) -> list[Issue]:
    """Rows above what may be active at a time; they are taken out of *good*."""
    others = [doc for doc in of_catalog(world, catalog) if doc["offer_id"] not in good]
    active = [doc for doc in others if offer_rules.is_active(doc, world.now())]
    counts = {
        "active automatic offers": (_is_automatic, offer_rules.MOST_AUTOMATIC),
        "active offers with a public code": (_is_public, offer_rules.MOST_PUBLIC),
    }
    issues = []
    for name, (belongs, most) in counts.items():
        used = sum(belongs(doc) for doc in active)
        for offer_id, doc in list(good.items()):
            if not belongs(doc) or not offer_rules.is_active(doc, world.now()):
                continue
            used += 1
            if used > most:
                issues.append(Issue(0, offer_id, FATAL, f"Too many {name}"))
                del good[offer_id]
    return issues


def _is_automatic(doc: Mapping[str, Any]) -> bool:
    return bool(doc.get("application_type") == "AUTOMATIC_AT_CHECKOUT")


def _is_public(doc: Mapping[str, Any]) -> bool:
    return bool(doc.get("public_coupon_code"))


def _save(world: World, catalog: str, origin: str, good: Mapping[str, dict[str, Any]]) -> None:
    sql = (
        "INSERT INTO offers VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (catalog, offer_id) DO UPDATE SET origin = excluded.origin, doc = excluded.doc"
    )
    fresh = world.new_ids(OFFER, len(good)) if good else []
    rows = [(new, catalog, name, origin, json.dumps(doc)) for new, (name, doc) in zip(fresh, good.items(), strict=True)]
    world.db.executemany(sql, rows)


def drop(world: World, catalog: str, origin: str, named: set[str]) -> int:
    sql = "SELECT id, offer_id FROM offers WHERE catalog = ? AND origin = ?"
    gone = [row["id"] for row in world.db.execute(sql, (catalog, origin)) if row["offer_id"] not in named]
    world.db.executemany("DELETE FROM offers WHERE id = ?", [(offer,) for offer in gone])
    return len(gone)


def of_catalog(world: World, catalog: str) -> list[dict[str, Any]]:
    rows = world.db.execute("SELECT * FROM offers WHERE catalog = ? ORDER BY id", (catalog,)).fetchall()
    return [
        json.loads(row["doc"]) | {"id": row["id"], "offer_id": row["offer_id"], "origin": row["origin"]} for row in rows
    ]
