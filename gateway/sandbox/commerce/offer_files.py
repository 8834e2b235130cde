"""How offers get in: feeds of the type OFFER, and the partner feed of Meta's own connectors.

Source: promotions.md sections 10 and 14.  An offer feed is a feed like any other, so sessions, schedules and reports
are those of product feeds; only what its rows become is different.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from typing import Any

from gateway.sandbox import ids, offers, params
from gateway.sandbox.catalog_batches import RUNNERS
from gateway.sandbox.commerce import feed_errors, feed_store
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.commerce.feed_runs import WORK
from gateway.sandbox.errors import invalid, missing_parameter
from gateway.sandbox.item_rules import is_url
from gateway.sandbox.schema import Call, Node, NodeType, Schema, Write, doc_fields
from gateway.sandbox.storage import one
from gateway.sandbox.world import World

FEED_TYPE = "OFFER"
INTEGRATION = "CommercePartnerIntegration"
PARTNER_FEEDS = ("PROMOTIONS", "PRODUCT_RATINGS_AND_REVIEWS", "SHIPPING_PROFILES", "NAVIGATION_MENU")
UPDATES = ("CREATE",)
KEPT_BYTES = 100_000
"""So much of a partner file can be read back through the control endpoint."""
_UNREADABLE = "The file could not be read"


def load_integration(world: World, node_id: str) -> Node | None:
    """The partner integration that an installation of the business extension made."""
    sql = "SELECT doc FROM installs WHERE json_extract(doc, '$.commerce_partner_integration_id') = ?"
    row = one(world.db, sql, node_id)
    if row is None:
        return None
    doc = json.loads(row["doc"])
    return Node(INTEGRATION, node_id, doc, doc["profiles"][0], doc["profiles"][0])


def _create_feed(call: Call, node: Node, plain: Any) -> Any:
    """The type of a feed may also stand inside its schedule; offers need a catalog that a shop sells from."""
    given = call.params
    schedule = params.structure(given, "schedule")
    inner = schedule.get("feed_type") if isinstance(schedule, dict) else None
    if inner and not params.given(given, "feed_type"):
        given = given | {"feed_type": inner}
    if str(given.get("feed_type") or "").upper() == FEED_TYPE and not node.doc.get("account"):
        raise invalid("Offers can only be added to a catalog that is connected to a shop")
    return plain(call.with_params(given), node)


def _upload(call: Call, node: Node, plain: Any) -> Any:
    """Keep the file of an offer feed: the feed's own reader looks for items in it."""
    made = plain(call, node)
    content = call.files.get("file") or call.params.get("file")
    if node.doc.get("feed_type") == FEED_TYPE and content:
        raw = content if isinstance(content, bytes) else str(content).encode()
        feed_store.put(call.world, f"offers/{made['id']}", raw, {"type": "text/csv"})
    return made


def _delete_feed(call: Call, node: Node, plain: Any) -> Any:
    """Offers leave with their feed, as items do."""
    offers.drop(call.world, node.asset, node.id, set())
    return plain(call, node)


def _finish(world: World, batch: sqlite3.Row) -> dict[str, Any]:
    """The rows of an offer feed become offers when its session ends."""
    upload_id = batch["handle"]
    upload = world.find_node(upload_id, "upload")
    feed = None if upload is None else world.find_node(upload["owner"], "feed")
    if upload is None or feed is None:
        return {"status": "canceled"}
    issues: list[offers.Issue] = []
    detected = taken = removed = 0
    try:
        rows = offers.read_rows(_content(world, upload, feed))
        detected = len(rows)
        outcome = offers.take(world, feed["owner"], rows, origin=feed["id"], replace=not upload["update_only"])
        taken, removed, issues = outcome.taken, outcome.removed, outcome.issues
    except offers.BadFile as exc:
        issues = [offers.Issue(0, "", offers.FATAL, f"{_UNREADABLE}: {exc}")]
    world.db.executemany(
        "INSERT INTO upload_issues VALUES (?, ?, ?, ?, ?, ?)",
        [
            (upload_id, seq, issue.row_number, issue.offer_id, issue.severity, issue.summary)
            for seq, issue in enumerate(issues)
        ],
    )
    feed_errors.summarize(world, upload_id, feed["owner"])
    world.change_node(
        upload_id,
        problem=None,
        ended=batch["finishes"],
        num_detected_items=detected,
        num_persisted_items=taken,
        num_invalid_items=detected - taken,
        num_deleted_items=removed,
        error_count=sum(issue.severity == offers.FATAL for issue in issues),
        warning_count=sum(issue.severity == offers.WARNING for issue in issues),
    )
    return {"status": "finished"}


def _content(world: World, upload: dict[str, Any], feed: dict[str, Any]) -> bytes:
    if not upload["url"]:
        kept = feed_store.get(world, f"offers/{upload['id']}")
        feed_store.drop(world, f"offers/{upload['id']}")
        return b"" if kept is None else kept.content
    found = feed_store.fetch(world, upload["url"], feed.get("username"), feed.get("password"))
    if isinstance(found, str):
        raise offers.BadFile(found)
    return found.content


def _file_update(call: Call, node: Node) -> dict[str, Any]:
    """A partner feed: taken as it is, and nothing is said about it."""
    given = call.params
    kind = params.choices(given, "feed_type", PARTNER_FEEDS)
    if not kind:
        raise missing_parameter("feed_type")
    if not params.choices(given, "update_type", UPDATES):
        raise missing_parameter("update_type")
    params.moment(given, "update_time")
    sent, url = call.files.get("file") or given.get("file"), params.text(given, "url")
    if bool(sent) == bool(url):
        raise invalid("Exactly one of file and url is required")
    problem, content = None, b""
    if url:
        if not is_url(url):
            raise invalid("Param url must be a valid URI")
        found = feed_store.fetch(call.world, url, None, None)
        problem, content = (found, b"") if isinstance(found, str) else (None, found.content)
    else:
        content = sent if isinstance(sent, bytes) else str(sent).encode()
    doc: dict[str, Any] = {"feed_type": kind[0], "problem": problem, "rows": 0}
    doc["text"] = content[:KEPT_BYTES].decode("utf-8-sig", "replace")
    if kind[0] == "PROMOTIONS" and problem is None and node.doc.get("catalog_id"):
        try:
            rows = offers.read_rows(content)
            outcome = offers.take(call.world, node.doc["catalog_id"], rows, origin=offers.PARTNER)
            doc["rows"] = outcome.taken
        except offers.BadFile as exc:
            doc["problem"] = str(exc)
    call.world.add_node(call.world.new_id(offers.PARTNER_FILE), "partner_file", node.id, doc)
    return {"success": True}


def install(schema: Schema) -> None:
    """Comes after the feeds, whose table entries it extends for offers."""
    for owner, name, change in (
        ("ProductCatalog", "product_feeds", _create_feed),
        ("ProductFeed", "uploads", _upload),
        ("ProductFeed", "", _delete_feed),
    ):
        write = schema.writes["POST" if name else "DELETE", owner, name]
        schema.add(replace(write, handle=_changed(change, write.handle)))
    plain = RUNNERS[WORK]
    RUNNERS[WORK] = lambda world, batch: (_finish if _is_offers(world, batch["handle"]) else plain)(world, batch)
    if INTEGRATION not in schema.types:
        schema.add_type(ids.INTEGRATION, NodeType(INTEGRATION, load_integration, doc_fields("catalog_id"), ()))
    sent = ("feed_type", "update_type", "update_time", "url", "file")
    schema.add(Write("POST", INTEGRATION, "file_update", _file_update, sent, SCOPE))


def _changed(change: Any, plain: Any) -> Any:
    return lambda call, node: change(call, node, plain)


def _is_offers(world: World, upload_id: str) -> bool:
    upload = world.find_node(upload_id, "upload")
    feed = None if upload is None else world.find_node(upload["owner"], "feed")
    return feed is not None and feed.get("feed_type") == FEED_TYPE
