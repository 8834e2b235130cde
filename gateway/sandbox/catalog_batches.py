"""`items_batch`: taken at once, carried out later, all in no particular order.

Source: catalog.md sections 2, 3, 12 and 14.  Nothing is visible before the batch has finished in virtual time.
"""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox import item_rules, item_store
from gateway.sandbox.item_fields import LONGEST_ID
from gateway.sandbox.schema import Call
from gateway.sandbox.storage import one
from gateway.sandbox.world import World

METHODS = ("CREATE", "UPDATE", "DELETE")
SAMPLE = 10
"""Errors and warnings named in a status answer; the totals tell the rest."""
_DISPATCHED, _STARTED = 0.1, 0.25
_DUE = "SELECT * FROM batches WHERE done = 0 AND finishes <= ? ORDER BY finishes, seq LIMIT 1"

ITEMS, LOCALIZED = "items", "localized"
Runner = Callable[[World, sqlite3.Row], dict[str, Any] | None]
RUNNERS: dict[str, Runner] = {}
"""How each kind of work is carried out when its time has come: the result to keep, or None when the runner has set
the row to a later moment (a schedule does)."""


def post(call: Call, catalog: str, records: list[dict[str, Any]], *, upsert: bool) -> dict[str, Any]:
    """Take a batch: its handle, and what can already be said about single records."""
    remarks: list[dict[str, Any]] = []
    work: list[list[Any]] = []
    for line, record in enumerate(records, start=1):
        errors, warnings, retailer_id = first_look(record)
        if errors or warnings:
            remark: dict[str, Any] = {"retailer_id": retailer_id}
            if errors:
                remark["errors"] = [{"message": message} for message in errors]
            if warnings:
                remark["warnings"] = [{"message": message} for message in warnings]
            remarks.append(remark)
        if not errors:
            work.append([line, str(record["method"]).upper(), retailer_id, record["data"]])
    handles = [take(call, catalog, work, upsert=upsert)] if work else []
    return {"handles": handles, "validation_status": remarks}


def first_look(record: dict[str, Any]) -> tuple[list[str], list[str], str]:
    data = record.get("data")
    if not isinstance(data, dict):
        return ["A required field is missing: A request needs data."], [], ""
    retailer_id = data.get("id")
    shown = str(retailer_id) if isinstance(retailer_id, (str, int)) and not isinstance(retailer_id, bool) else ""
    errors = []
    if not shown:
        errors.append("A required field is missing: Give a value for id.")
    if len(shown) > LONGEST_ID:
        errors.append(f"Invalid value: id may have at most {LONGEST_ID} characters.")
    if str(record.get("method") or "").upper() not in METHODS:
        errors.append(f"Invalid value: method has to be one of: {', '.join(METHODS)}.")
    return errors, item_rules.unrecognised(shown, data), shown


def take(call: Call, catalog: str, work: list[list[Any]], *, upsert: bool, kind: str = ITEMS) -> str:
    """Put records of the form `[line, method, retailer id, data]` in the queue; the handle asks for them later."""
    ids = [record[2] for record in work]
    finishes = call.now + call.world.config.batch_seconds
    return enqueue(call.world, catalog, work, ids, (call.now, finishes), kind=kind, upsert=upsert, script=call.script)


def enqueue(
    world: World,
    catalog: str,
    work: Any,
    retailer_ids: list[str],
    times: tuple[float, float],
    *,
    kind: str = ITEMS,
    handle: str | None = None,
    upsert: bool = True,
    script: dict[str, Any] | None = None,
) -> str:
    """Work for later: *times* are its start and its end.  Batches and feed runs share one queue, so that the sandbox
    can tell which of them held the same items at the same time."""
    row = one(world.db, "SELECT COALESCE(MAX(seq), 0) + 1 AS seq FROM batches")
    assert row is not None
    if handle is None:
        digest = hashlib.sha512(f"{world.number} {world.config.seed} {row['seq']}".encode()).digest()
        handle = "Ac" + urlsafe_b64encode(digest).decode().rstrip("=")
    times_named = Counter(retailer_ids)
    unfinished: set[str] = set()
    if retailer_ids:
        sql = "SELECT retailer_ids FROM batches WHERE catalog = ? AND done = 0"
        for other in world.db.execute(sql, (catalog,)):
            unfinished.update(json.loads(other["retailer_ids"]))
    world.db.execute(
        "INSERT INTO batches VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, '{}')",
        (
            row["seq"],
            handle,
            catalog,
            *times,
            len(retailer_ids),
            upsert,
            json.dumps(work),
            json.dumps(retailer_ids),
            json.dumps(sorted(unfinished & times_named.keys())),
            json.dumps(sorted(name for name, count in times_named.items() if count > 1)),
            json.dumps(script or {}),
        ),
    )
    if kind != ITEMS:
        world.db.execute("INSERT INTO catalog_work VALUES (?, ?, '{}')", (handle, kind))
    return handle


def finish_batch(world: World, handle: str) -> None:
    """Carry out *handle* and whatever else is due, in the order of time.

    Work can make new work that is due as well (a feed's schedule starts an upload), so the queue is asked again
    after every step.
    """
    while (batch := one(world.db, _DUE, world.now())) is not None:
        found = one(world.db, "SELECT kind FROM catalog_work WHERE handle = ?", batch["handle"])
        result = RUNNERS[ITEMS if found is None else found["kind"]](world, batch)
        if result is not None:
            world.db.execute(
                "UPDATE batches SET done = 1, work = '[]', result = ? WHERE handle = ?",
                (json.dumps(result), batch["handle"]),
            )


def _run_items(world: World, batch: sqlite3.Row) -> dict[str, Any]:
    return run_records(world, batch, _apply_items)


def run_records(
    world: World,
    batch: sqlite3.Row,
    apply: Callable[[World, sqlite3.Row, list[list[Any]], Remarks], None],
) -> dict[str, Any]:
    """Carry records out: shuffled, and of two records with one id a random one."""
    script = json.loads(batch["script"])
    failed = script.get("kind") == "batch_error"
    chance = random.Random(f"{world.config.seed} {batch['handle']}")
    work: list[list[Any]] = json.loads(batch["work"])
    chance.shuffle(work)
    # An unexpected fault half way: some of the records got through.
    work = work[: round(len(work) * (0.5 if failed else 1.0))]
    remarks = Remarks()
    # What comes after the data makes two records of one item different ones (the language of a localized record).
    chosen = {(record[2], *record[4:]): record for record in work}
    apply(world, batch, remarks.without(list(chosen.values()), script), remarks)
    return remarks.result() | {"status": "error" if failed else "finished"}


@dataclass
class Remarks:
    """What is said about records while they are carried out."""

    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)

    def error(self, line: int, retailer_id: str, messages: Iterable[str]) -> None:
        self.errors += [{"line": line, "id": retailer_id, "message": message} for message in messages]

    def warn(self, line: int, retailer_id: str, messages: Iterable[str]) -> None:
        self.warnings += [{"line": line, "id": retailer_id, "message": message} for message in messages]

    def without(self, records: list[list[Any]], script: dict[str, Any]) -> list[list[Any]]:
        """The records that a fault script lets through."""
        rejected = {str(name) for name in script.get("ids", [])} if script.get("kind") == "reject_items" else set()
        message = script.get("message") or "Invalid value: The item was refused."
        for record in records:
            if record[2] in rejected:
                self.error(record[0], record[2], [message])
        return [record for record in records if record[2] not in rejected]

    def result(self) -> dict[str, Any]:
        return {
            "errors": self.errors[:SAMPLE],
            "errors_total_count": len(self.errors),
            "warnings": self.warnings[:SAMPLE],
            "warnings_total_count": len(self.warnings),
            "invalid": [error["id"] for error in self.errors],
        }


def _apply_items(world: World, batch: sqlite3.Row, records: list[list[Any]], remarks: Remarks) -> None:
    catalog = batch["catalog"]
    old = item_store.by_retailer_ids(world, catalog, [record[2] for record in records])
    changes: dict[str, dict[str, Any]] = {}
    gone: list[str] = []
    for line, method, retailer_id, data in records:
        if method == "DELETE":
            gone.append(retailer_id)
            continue
        before = old.get(retailer_id)
        complaints, doc = new_document(method, data, before, upsert=bool(batch["upsert"]))
        remarks.error(line, retailer_id, complaints)
        if not complaints:
            changes[retailer_id] = doc
            remarks.warn(line, retailer_id, item_rules.warnings_in(data, before is None))
    item_store.save(world, catalog, changes, old, batch["finishes"])
    item_store.delete(world, catalog, gone)


def new_document(
    method: str, data: dict[str, Any], before: item_store.Item | None, *, upsert: bool
) -> tuple[list[str], dict[str, Any]]:
    if before is None and method == "UPDATE" and not upsert:
        return ["Invalid value: There is no item with this id, and allow_upsert is off."], {}
    sent_errors = item_rules.errors_in(data)
    if sent_errors:
        missing = item_rules.missing(data) if before is None or method == "CREATE" else []
        return sent_errors + missing, {}
    # A CREATE for an item that is there is a full update: what it does not bring is gone.
    base = {} if before is None or method == "CREATE" else before.fields
    doc = item_rules.merged(base, item_rules.stored(data))
    if before is None and doc.get("visibility") is None and doc.get("status") is None:
        doc["status"] = "active"
    return item_rules.missing(doc) + item_rules.errors_in(doc), doc


def state_of(batch: sqlite3.Row, now: float) -> str:
    if batch["done"]:
        return str(json.loads(batch["result"])["status"])
    whole = batch["finishes"] - batch["posted"]
    passed = (now - batch["posted"]) / whole if whole else 1.0
    if passed < _DISPATCHED:
        return "scheduled"
    return "dispatched" if passed < _STARTED else "started"


def find(world: World, catalog: str, handle: str) -> sqlite3.Row | None:
    """The batch behind a handle; runs of feeds have none that a client could ask with."""
    kept = "SELECT handle FROM catalog_work WHERE kind <> 'localized'"
    sql = f"SELECT * FROM batches WHERE handle = ? AND catalog = ? AND handle NOT IN ({kept})"
    return one(world.db, sql, handle, catalog)


def status_row(batch: sqlite3.Row, now: float, *, with_ids: bool) -> dict[str, Any]:
    """The one element that a status read answers with."""
    result = json.loads(batch["result"]) if batch["done"] else {}
    return {
        "handle": batch["handle"],
        "status": state_of(batch, now),
        "errors_total_count": result.get("errors_total_count", 0),
        "errors": result.get("errors", []),
        "warnings_total_count": result.get("warnings_total_count", 0),
        "warnings": result.get("warnings", []),
        "ids_of_invalid_requests": result.get("invalid", []) if with_ids else [],
    }


RUNNERS[ITEMS] = _run_items
