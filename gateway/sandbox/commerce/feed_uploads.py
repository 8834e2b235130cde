"""Upload sessions: one run of a feed, started by a file, a URL or the feed's schedule.

Source: catalog.md sections 9.3 and 9.4.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox import params
from gateway.sandbox.commerce import feed_errors, feed_runs, feed_store
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.commerce.feed_runs import FETCH, MANUAL, UPLOAD, USER_FETCH, Source
from gateway.sandbox.errors import GraphError, invalid
from gateway.sandbox.item_rules import is_url
from gateway.sandbox.paging import keyset
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, Rows, Schema, When, Window, Write, doc_fields
from gateway.sandbox.storage import one
from gateway.sandbox.usage import MANAGEMENT
from gateway.sandbox.world import World

COUNTERS = (
    "error_count warning_count num_detected_items num_persisted_items num_invalid_items num_deleted_items".split()
)
_SCHEMES = ("http://", "https://", "ftp://", "sftp://")


def load_upload(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "upload")
    return None if doc is None else Node("ProductFeedUpload", node_id, doc, doc["catalog"], doc["catalog"])


def latest(world: World, feed: str) -> Node | None:
    row = one(world.db, "SELECT MAX(id) AS id FROM nodes WHERE type = 'upload' AND owner = ?", feed)
    return None if row is None or row["id"] is None else load_upload(world, row["id"])


def _of_feed(call: Call, node: Node, given: Params, window: Window) -> Rows:
    """Sessions of a feed, the newest first."""

    def total() -> int:
        row = one(call.world.db, "SELECT COUNT(*) AS n FROM nodes WHERE type = 'upload' AND owner = ?", node.id)
        assert row is not None
        return int(row["n"])

    def build(row: Any) -> tuple[list[Any], Node]:
        found = load_upload(call.world, row["id"])
        assert found is not None
        return [row["id"]], found

    sql, where = "SELECT id FROM nodes", ["type = 'upload'", "owner = ?"]
    return Rows(keyset(call.world, sql, where, [node.id], [("id", False)], window, build), total)


def fetched(world: World, url: str, username: str | None, password: str | None, method: str) -> Source:
    found = feed_store.fetch(world, url, username, password)
    name = url.rstrip("/").rpartition("/")[2]
    if isinstance(found, str):
        return Source(method, filename=name, url=url, problem=found)
    return Source(method, found.content, name, url)


def _create(call: Call, node: Node) -> dict[str, Any]:
    file = call.files.get("file")
    if file is None and params.given(call.params, "file"):
        file = str(call.params["file"]).encode()
    url = params.text(call.params, "url")
    if file is None and not url:
        raise GraphError(10801, '(#10801) Either "file" or "url" must be specified.')
    if file is not None and url:
        raise invalid('Only one of "file" and "url" may be specified')
    if url:
        if not (is_url(url) or url.startswith(_SCHEMES)):
            raise invalid("Param url must be a valid URI")
        username, password = (params.text(call.params, name) for name in ("username", "password"))
        source = fetched(call.world, url, username, password, USER_FETCH)
    else:
        source = Source(MANUAL, bytes(file or b""), node.doc.get("file_name") or node.doc.get("name"))
    update_only = params.boolean(call.params, "update_only", bool(node.doc.get("update_only")))
    upload = feed_runs.begin(call.world, node.doc, source, call.now, update_only=update_only)
    return {"id": upload}


def scheduled(world: World, feed: dict[str, Any], schedule: dict[str, Any], at: float, *, update_only: bool) -> str:
    """A run that the feed's schedule starts."""
    source = fetched(world, schedule["url"], schedule.get("username"), schedule.get("password"), FETCH)
    return feed_runs.begin(world, feed, source, at, update_only=update_only)


def _ended(call: Call, node: Node, given: Params) -> When | None:
    ended = node.doc.get("ended")
    return None if ended is None else When(ended)


def install(schema: Schema) -> None:
    feed_runs.install()
    fields = doc_fields(" ".join([*COUNTERS, "filename", "url", "input_method"])) | {
        "start_time": lambda call, node, given: When(node.doc["created"]),
        "end_time": _ended,
        "error_report": feed_errors.report_state,
    }
    upload = NodeType("ProductFeedUpload", load_upload, fields, ("start_time", "end_time"), MANAGEMENT, SCOPE)
    schema.add_type(UPLOAD, upload)
    created = ("url", "file", "update_only", "username", "password", "fbe_external_business_id")
    schema.add(
        Edge("ProductFeed", "uploads", "ProductFeedUpload", _of_feed, scope=SCOPE),
        Write("POST", "ProductFeed", "uploads", _create, created, SCOPE),
    )
