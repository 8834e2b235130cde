"""What an upload session has to say about its rows: errors summed up with samples, and the full report.

Source: catalog.md section 9.5, diagnostics.md section 4.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from gateway.sandbox import params
from gateway.sandbox.commerce import feed_store
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.errors import invalid
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, PlainEdge, Rows, Schema, Window, Write, doc_fields
from gateway.sandbox.usage import MANAGEMENT
from gateway.sandbox.world import World

UPLOAD_ERROR, SAMPLE = "44", "45"
"""First digits of the ids of errors and of their samples."""
FATAL = "fatal"
SAMPLES = 5
"""Rows named under an error; its total tells the rest."""
MOST_ERRORS = 50
SURFACES = ["Dynamic Ads", "Marketplace"]
REPORT_SECONDS = 60.0
REPORT_DAYS = 30
_TYPES = {
    "A required field is missing": "PROPERTY_VALUE_MISSING",
    "Descriptions are missing": "EMPTY_DESCRIPTION",
    "URL Incorrectly Formatted": "PROPERTY_VALUE_FORMAT",
    "Price Without Currency for Property": "PROPERTY_PRICE_CURRENCY_NOT_SUPPORTED",
    "These fields have missing information": "PROPERTY_VALUE_MISSING_WARNING",
    "Value is too long": "PROPERTY_VALUE_STRING_EXCEEDS_LENGTH",
}
_SPELLINGS = {
    "availability": {"InStock": "in stock", "OutOfStock": "out of stock"},
    "condition": {"NewCondition": "new", "UsedCondition": "used"},
}
_SUMS = (
    "SELECT message, severity, COUNT(*) AS n FROM upload_issues WHERE upload = ? "
    "GROUP BY message, severity ORDER BY severity, n DESC, message LIMIT ?"
)
_ROWS = "SELECT * FROM upload_issues WHERE upload = ? AND message = ? AND severity = ? ORDER BY seq LIMIT ?"


def summarize(world: World, upload: str, catalog: str) -> None:
    """Turn the remarks of a finished session into its errors, the fatal ones first."""
    for group in world.db.execute(_SUMS, (upload, MOST_ERRORS)).fetchall():
        title, _, advice = group["message"].partition(": ")
        rows = world.db.execute(_ROWS, (upload, group["message"], group["severity"], SAMPLES)).fetchall()
        samples = [
            {"id": world.new_id(SAMPLE), "retailer_id": row["retailer_id"], "row_number": row["line"]} for row in rows
        ]
        doc = {
            "catalog": catalog,
            "summary": title,
            "description": advice or title,
            "severity": group["severity"],
            "error_type": _TYPES.get(title, "GENERIC_INVALID_FIELD"),
            "total_count": group["n"],
            "affected_surfaces": SURFACES,
            "sampled": [{name: value for name, value in sample.items() if value != ""} for sample in samples],
        }
        world.add_node(world.new_id(UPLOAD_ERROR), "upload_error", upload, doc)


def load_error(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "upload_error")
    return None if doc is None else Node("ProductFeedUploadError", node_id, doc, doc["catalog"], doc["catalog"])


def _errors(call: Call, node: Node, given: Params, window: Window) -> Rows:
    wanted = params.choices(given, "error_priority", ("HIGH", "MEDIUM", "LOW"))
    found = [load_error(call.world, doc["id"]) for doc in call.world.nodes_of("upload_error", node.id)]
    nodes = [error for error in found if error is not None]
    if wanted:
        fatal = "HIGH" in wanted
        nodes = [error for error in nodes if (error.doc["severity"] == FATAL) == fatal]
    return listed(nodes, window)


def _samples(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.doc["sampled"]
    return found


def _suggested(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    """A fix for spellings that other systems use."""
    return [
        {
            "attribute": name,
            "type": "value_mapping_rule",
            "params": [{"key": key, "value": value} for key, value in pairs.items()],
        }
        for name, pairs in _SPELLINGS.items()
        if node.doc["description"].startswith(f"{name} has to be")
    ]


def _request_report(call: Call, node: Node) -> dict[str, Any]:
    if node.doc.get("ended") is None:
        raise invalid("The upload session has not ended yet")
    call.world.change_node(node.id, report_at=call.now)
    host = call.base_url.rsplit("/", 1)[0]
    name = f"reports/{node.id}.csv"
    feed_store.put(call.world, name, _report(call.world, node.id), {"type": "text/csv; charset=utf-8"})
    call.world.change_node(node.id, report_url=f"{host}/_sandbox/files/{call.world.id}/{name}")
    return {"success": True}


def _report(world: World, upload: str) -> bytes:
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(["retailer_id", "message", "severity", "fields", "affected_capabilities", "is_blocking"])
    for row in world.db.execute("SELECT * FROM upload_issues WHERE upload = ? ORDER BY seq", (upload,)):
        blocking = row["severity"] == FATAL
        cells = [row["retailer_id"], row["message"], row["severity"].upper(), _named(row["message"]), "da"]
        writer.writerow([*cells, "true" if blocking else "false"])
    return sheet.getvalue().encode()


def _named(message: str) -> str:
    """The field that a message is about."""
    advice = message.partition(": ")[2]
    words = advice.removeprefix("Give a value for ").removeprefix("The value of ").split(" ")
    return words[0].rstrip(".") if words else ""


def report_state(call: Call, node: Node, given: Params) -> dict[str, Any]:
    """`error_report` of a session: asked for, being written, there, or too old."""
    asked = node.doc.get("report_at")
    if asked is None:
        return {"report_status": "NOT_REQUESTED"}
    passed = call.now - asked
    if call.now - node.doc["ended"] > REPORT_DAYS * 86_400:
        return {"report_status": "ERROR_REPORT_OUTDATED"}
    if passed < REPORT_SECONDS:
        return {"report_status": "REQUESTED" if passed < REPORT_SECONDS / 2 else "CREATED"}
    return {"report_status": "WRITE_FINISHED", "file_handle": node.doc["report_url"]}


def dropped(world: World, upload: str) -> None:
    """Forget what was said in a session that goes with its feed."""
    world.db.execute("DELETE FROM upload_issues WHERE upload = ?", (upload,))
    for error in world.nodes_of("upload_error", upload):
        world.drop_node(error["id"])
    feed_store.drop(world, f"reports/{upload}.csv")


def install(schema: Schema) -> None:
    fields = doc_fields("summary description severity error_type total_count affected_surfaces")
    shown = ("summary", "description", "severity", "error_type", "total_count", "affected_surfaces", "samples")
    error = NodeType("ProductFeedUploadError", load_error, fields, shown, MANAGEMENT, SCOPE)
    schema.add_type(UPLOAD_ERROR, error)
    priority = ("error_priority",)
    schema.add(
        Edge("ProductFeedUpload", "errors", "ProductFeedUploadError", _errors, priority, scope=SCOPE),
        PlainEdge("ProductFeedUploadError", "samples", _samples, scope=SCOPE),
        PlainEdge("ProductFeedUploadError", "suggested_rules", _suggested, scope=SCOPE),
        Write("POST", "ProductFeedUpload", "error_report", _request_report, (), SCOPE),
    )
