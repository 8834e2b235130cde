"""Pixels (datasets), the events sent to them, and what can be read back.

Source: signals.md sections 1, 3, 9 and 15.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from gateway.sandbox import params, signals
from gateway.sandbox.clock import iso_node
from gateway.sandbox.commerce.accounts import load_business
from gateway.sandbox.errors import invalid, missing_parameter
from gateway.sandbox.event_rules import check_event, content_ids
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Link, Node, NodeType, PlainEdge, Rows, Schema, When, Window, Write
from gateway.sandbox.schema import doc_fields as named
from gateway.sandbox.world import World

MANAGE = "business_management"
MOST_EVENTS = 1000
MATCHING = "country ct db em external_id fn ge ln ph st zp".split()
COOKIES = ("EMPTY", "FIRST_PARTY_COOKIE_DISABLED", "FIRST_PARTY_COOKIE_ENABLED")
DATA_USE = ("ADVERTISING_AND_ANALYTICS", "ANALYTICS_ONLY", "EMPTY")
CONNECTIONS = ("ALL", "APP", "BROWSER", "SERVER")
SORTS = ("LAST_FIRED_TIME", "NAME")
EVENT_PARAMS = (
    "data test_event_code partner_agent upload_tag upload_id upload_source namespace_id platforms progress trace"
).split()


def load_pixel(world: World, node_id: str) -> Node | None:
    """A pixel is seen by its business, and by the shop whose catalog it is linked to."""
    doc = world.find_node(node_id, signals.KIND)
    return None if doc is None else Node("AdsPixel", node_id, doc, doc.get("account") or doc["owner"], node_id)


def _owned(call: Call, node: Node, given: Params, window: Window) -> Rows:
    docs = call.world.nodes_of(signals.KIND, node.id)
    name, pixel_id = params.text(given, "name_filter"), params.text(given, "id_filter")
    docs = [doc for doc in docs if (not name or name.lower() in doc["name"].lower())]
    docs = [doc for doc in docs if not pixel_id or doc["id"] == pixel_id]
    params.choices(given, "sort_by", SORTS)
    found = [load_pixel(call.world, doc["id"]) for doc in docs]
    return listed([one for one in found if one is not None], window)


def _none(call: Call, node: Node, given: Params, window: Window) -> Rows:
    return listed([], window)


def _create(call: Call, node: Node) -> dict[str, Any]:
    name = params.required_text(call.params, "name")
    is_crm = params.boolean(call.params, "is_crm", False)
    return {"id": signals.add_pixel(call.world, name, is_crm=is_crm)}


def _update(call: Call, node: Node) -> dict[str, Any]:
    given = call.params
    changes: dict[str, Any] = {}
    if params.given(given, "name"):
        changes["name"] = params.text(given, "name")
    if "enable_automatic_matching" in given:
        changes["enable_automatic_matching"] = params.boolean(given, "enable_automatic_matching", True)
    if "automatic_matching_fields" in given:
        changes["automatic_matching_fields"] = params.choices(given, "automatic_matching_fields", MATCHING)
    for name, allowed in (("first_party_cookie_status", COOKIES), ("data_use_setting", DATA_USE)):
        chosen = params.choices(given, name, allowed)
        if chosen:
            changes[name] = chosen[0]
    if changes:
        call.world.change_node(node.id, **changes)
    return {"success": True}


def _post_events(call: Call, node: Node) -> dict[str, Any]:
    """Take all events, or none."""
    given = call.params
    rows = params.structure(given, "data")
    if rows is None:
        raise missing_parameter("data")
    if not isinstance(rows, list):
        raise invalid("Param data must be an array.")
    if len(rows) > MOST_EVENTS:
        raise invalid(f"Param data must have at most {MOST_EVENTS} elements")
    strict = call.world.settings.strict_params
    checked, remarks = [], []
    for position, row in enumerate(rows):
        event, warnings = check_event(row, position, call.now, strict)
        checked.append(event)
        remarks += warnings
    agent = signals.agent_of(params.text(given, "partner_agent"))
    test_code = params.text(given, "test_event_code") or None
    for event in checked:
        signals.keep(call.world, node.id, event, signals.SERVER, agent=agent, test_code=test_code)
    return {"events_received": len(checked), "messages": remarks, "fbtrace_id": _trace(call, node)}


def _trace(call: Call, node: Node) -> str:
    last = call.world.db.execute("SELECT MAX(seq) FROM pixel_events").fetchone()[0]
    return "A" + hashlib.sha256(f"{node.id} {last}".encode()).hexdigest()[:22]


def _stats(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    """One row an hour; the last day unless asked otherwise."""
    aggregation = (params.choices(given, "aggregation", signals.AGGREGATIONS) or ["event"])[0]
    end = params.moment(given, "end_time") or call.now
    start = params.moment(given, "start_time")
    start = end - 86_400 if start is None else start
    if start > end:
        raise invalid("Param start_time must not be later than end_time")
    event, source = params.text(given, "event"), params.text(given, "event_source")
    hours: dict[float, Counter[str]] = {}
    for row in signals.events(call.world, node.id, since=start, until=end):
        if (event and row["name"] != event) or (source and row["channel"] != source.lower()):
            continue
        hours.setdefault(row["at"] // 3600 * 3600, Counter()).update(signals.values(row, aggregation))
    return [
        {
            "start_time": iso_node(hour),
            "aggregation": aggregation,
            "data": [{"value": value, "count": count} for value, count in counts.most_common()],
        }
        for hour, counts in sorted(hours.items())
        if counts
    ]


_CHECKS = {
    "pixel_missing_dpa_event": (
        "Missing catalog events",
        "Catalog ads need ViewContent, AddToCart and Purchase events.",
        "Send ViewContent, AddToCart and Purchase.",
    ),
    "pixel_missing_param_in_events": (
        "Missing content IDs",
        "Some events lack content_ids.",
        "Add content_ids to every event about products.",
    ),
    "pixel_missing_event_id": (
        "Missing event IDs",
        "Without event_id a browser event and its server copy count twice.",
        "Send the same event_id from browser and server.",
    ),
}


def _checks(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    method = (params.choices(given, "connection_method", CONNECTIONS) or ["ALL"])[0]
    wanted = params.words(given, "checks") or list(_CHECKS)
    rows = [
        row
        for row in signals.events(call.world, node.id, since=call.now - signals.FRESH)
        if method == "ALL" or row["channel"] == method.lower()
    ]
    products = [row for row in rows if row["name"] in ("ViewContent", "AddToCart", "Purchase")]
    failed = {
        "pixel_missing_dpa_event": len({row["name"] for row in products}) < 3,
        "pixel_missing_param_in_events": any(
            not content_ids(signals.document(row).get("custom_data") or {}) for row in products
        ),
        "pixel_missing_event_id": any(row["event_id"] is None for row in rows),
    }
    return [
        {
            "key": key,
            "title": title,
            "description": description,
            "result": "failed" if failed[key] else "passed",
            "user_message": advice if failed[key] else "",
            "action_uri": f"https://www.facebook.com/events_manager2/list/pixel/{node.id}",
        }
        for key, (title, description, advice) in _CHECKS.items()
        if key in wanted
    ]


def _fired(call: Call, node: Node, given: Params) -> When | None:
    at = node.doc.get("last_fired_time")
    return None if at is None else When(at)


def _code(call: Call, node: Node, given: Params) -> str:
    return f"<script>fbq('init', '{node.id}'); fbq('track', 'PageView');</script>"


def _count(kept: int) -> Any:
    def read(call: Call, node: Node, given: Params) -> int:
        sql = "SELECT COUNT(*) FROM pixel_events WHERE pixel = ? AND kept = ?"
        return int(call.world.db.execute(sql, (node.id, kept)).fetchone()[0])

    return read


def _or(name: str, default: Any) -> Any:
    return lambda call, node, given: node.doc.get(name, default)


def install(schema: Schema) -> None:
    fields = named("name is_crm") | {
        "code": _code,
        "creation_time": lambda call, node, given: When(node.doc["created"]),
        "last_fired_time": _fired,
        "is_unavailable": lambda call, node, given: False,
        "is_created_by_business": lambda call, node, given: True,
        "is_consolidated_container": lambda call, node, given: True,
        "enable_automatic_matching": _or("enable_automatic_matching", True),
        "automatic_matching_fields": _or("automatic_matching_fields", MATCHING),
        "first_party_cookie_status": _or("first_party_cookie_status", "FIRST_PARTY_COOKIE_ENABLED"),
        "data_use_setting": _or("data_use_setting", "ADVERTISING_AND_ANALYTICS"),
        "owner_business": lambda call, node, given: Link(load_business(call.world, node.doc["owner"]), ("name",)),
        "valid_entries": _count(1),
        "duplicate_entries": _count(0),
    }
    schema.add_type(signals.PIXEL, NodeType("AdsPixel", load_pixel, fields, ("name",)))
    filters = ("id_filter", "name_filter", "sort_by")
    for edge in ("adspixels", "owned_pixels", "ads_dataset"):
        schema.add(Edge("Business", edge, "AdsPixel", _owned, filters, scope=MANAGE))
    schema.add(
        Edge("Business", "client_pixels", "AdsPixel", _none, filters, scope=MANAGE),
        Write("POST", "Business", "adspixels", _create, ("name", "is_crm"), MANAGE),
        Write("POST", "Business", "ads_dataset", _create, ("name", "ad_account_id", "app_id", "is_crm"), MANAGE),
        Write(
            "POST", "AdsPixel", "", _update,
            (
                "name", "enable_automatic_matching", "automatic_matching_fields", "first_party_cookie_status",
                "data_use_setting", "server_events_business_ids",
            ),
            MANAGE,
        ),
        Write("POST", "AdsPixel", "events", _post_events, tuple(EVENT_PARAMS)),
        PlainEdge(
            "AdsPixel", "stats", _stats, ("aggregation", "start_time", "end_time", "event", "event_source", "agent")
        ),
        PlainEdge("AdsPixel", "da_checks", _checks, ("checks", "connection_method")),
    )  # fmt: skip
