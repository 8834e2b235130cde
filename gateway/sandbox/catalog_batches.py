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


def post(call: Call, catalog: str, records: list[dict[str, Any]], *, upsert: bool) -> dict[str, Any]:
    """Take a batch: its handle, and what can already be said about single records."""
    remarks: list[dict[str, Any]] = []
    work: list[list[Any]] = []
    for line, record in enumerate(records, start=1):
        errors, warnings, retailer_id = _first_look(record)
        if errors or warnings:
            remark: dict[str, Any] = {"retailer_id": retailer_id}
            if errors:
                remark["errors"] = [{"message": message} for message in errors]
            if warnings:
                remark["warnings"] = [{"message": message} for message in warnings]
            remarks.append(remark)
        if not errors:
            work.append([line, str(record["method"]).upper(), retailer_id, record["data"]])
    handles = [_keep(call, catalog, work, upsert)] if work else []
    return {"handles": handles, "validation_status": remarks}


def _first_look(record: dict[str, Any]) -> tuple[list[str], list[str], str]:
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


def _keep(call: Call, catalog: str, work: list[list[Any]], upsert: bool) -> str:
    world = call.world
    row = one(world.db, "SELECT COALESCE(MAX(seq), 0) + 1 AS seq FROM batches")
    assert row is not None
    digest = hashlib.sha512(f"{world.number} {world.config.seed} {row['seq']}".encode()).digest()
    handle = "Ac" + urlsafe_b64encode(digest).decode().rstrip("=")
    times = Counter(record[2] for record in work)
    unfinished: set[str] = set()
    sql = "SELECT retailer_ids FROM batches WHERE catalog = ? AND done = 0"
    for other in world.db.execute(sql, (catalog,)):
        unfinished.update(json.loads(other["retailer_ids"]))
    world.db.execute(
        "INSERT INTO batches VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, '{}')",
        (
            row["seq"],
            handle,
            catalog,
            call.now,
            call.now + world.config.batch_seconds,
            len(work),
            upsert,
            json.dumps(work),
            json.dumps([record[2] for record in work]),
            json.dumps(sorted(unfinished & times.keys())),
            json.dumps(sorted(name for name, count in times.items() if count > 1)),
            json.dumps(call.script),
        ),
    )
    return handle


def finish_batch(world: World, handle: str) -> None:
    """Carry a batch out: shuffled, and of two records with one id a random one."""
    batch = one(world.db, "SELECT * FROM batches WHERE handle = ?", handle)
    assert batch is not None
    script = json.loads(batch["script"])
    if script.get("kind") == "batch_error":
        # An unexpected fault half way: some of the records got through.
        result = _apply(world, batch, script, share=0.5) | {"status": "error"}
    else:
        result = _apply(world, batch, script, share=1.0) | {"status": "finished"}
    world.db.execute(
        "UPDATE batches SET done = 1, work = '[]', result = ? WHERE handle = ?", (json.dumps(result), handle)
    )


def _apply(world: World, batch: sqlite3.Row, script: dict[str, Any], share: float) -> dict[str, Any]:
    chance = random.Random(f"{world.config.seed} {batch['handle']}")
    work: list[list[Any]] = json.loads(batch["work"])
    chance.shuffle(work)
    work = work[: round(len(work) * share)]
    chosen = {record[2]: record for record in work}
    catalog = batch["catalog"]
    old = item_store.by_retailer_ids(world, catalog, list(chosen))
    rejected = {str(name) for name in script.get("ids", [])} if script.get("kind") == "reject_items" else set()
    errors: list[dict[str, Any]] = []
    warnings: list[dict[str, Any]] = []
    changes: dict[str, dict[str, Any]] = {}
    gone: list[str] = []
    for line, method, retailer_id, data in chosen.values():
        if retailer_id in rejected:
            message = script.get("message") or "Invalid value: The item was refused."
            errors.append({"line": line, "id": retailer_id, "message": message})
        elif method == "DELETE":
            gone.append(retailer_id)
        else:
            before = old.get(retailer_id)
            complaints, doc = _new_document(method, data, before, upsert=bool(batch["upsert"]))
            errors += [{"line": line, "id": retailer_id, "message": message} for message in complaints]
            if not complaints:
                changes[retailer_id] = doc
                remarks = item_rules.warnings_in(data, before is None)
                warnings += [{"line": line, "id": retailer_id, "message": message} for message in remarks]
    item_store.save(world, catalog, changes, old, batch["finishes"])
    item_store.delete(world, catalog, gone)
    return {
        "errors": errors[:SAMPLE],
        "errors_total_count": len(errors),
        "warnings": warnings[:SAMPLE],
        "warnings_total_count": len(warnings),
        "invalid": [error["id"] for error in errors],
    }


def _new_document(
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
    return one(world.db, "SELECT * FROM batches WHERE handle = ? AND catalog = ?", handle, catalog)


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
