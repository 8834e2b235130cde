"""A catalog and the pixels whose events speak of its items; and the quality of those events.

Source: signals.md sections 2 and 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Row
from typing import Any

from gateway.sandbox import item_store, params, signals
from gateway.sandbox.clock import iso_node
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.commerce.pixels import MANAGE, load_pixel
from gateway.sandbox.errors import invalid, missing_parameter, missing_permission, unsupported
from gateway.sandbox.event_rules import content_ids
from gateway.sandbox.params import Params
from gateway.sandbox.render import requested
from gateway.sandbox.routing import find_node
from gateway.sandbox.schema import Call, Node, PlainEdge, Root, Schema, Write
from gateway.sandbox.selection import Selected
from gateway.sandbox.storage import chunks, marks
from gateway.sandbox.world import World

EVENTS = "AddToCart AddToWishlist InitiateCheckout Lead Purchase Search Subscribe ViewContent".split()
BREAKDOWNS = ("DEVICE_TYPE",)
GOAL = 75
NAMES = {
    "em": "email", "ph": "phone", "client_ip_address": "ip_address", "client_user_agent": "user_agent",
    "fbc": "fbc", "fbp": "fbp", "external_id": "external_id",
}  # fmt: skip
KEYS = ("event_id", "external_id", "fbp")


def _sources(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    rows = []
    for source in node.doc.get("event_sources") or []:
        pixel = load_pixel(call.world, source)
        kind, name = ("APP", "Sandbox app") if pixel is None else ("PIXEL", pixel.doc["name"])
        rows.append({"id": source, "name": name, "source_type": kind})
    return rows


def _wanted(call: Call) -> list[str]:
    wanted = params.words(call.params, "external_event_sources")
    if not wanted:
        raise missing_parameter("external_event_sources")
    return wanted


def _link(call: Call, node: Node) -> dict[str, Any]:
    wanted, account = _wanted(call), node.doc.get("account")
    for source in wanted:
        if source == call.world.settings.app_id:
            continue
        pixel = load_pixel(call.world, source)
        # A shop's own token cannot see the pixel before it is linked, yet may link it by its id.
        taken = pixel is not None and pixel.doc.get("account") is not None
        if pixel is None or (taken and not call.token.reaches(pixel.asset)):
            raise invalid(f"Invalid external event source {source}")
        if account is not None and pixel.doc.get("account") is None:
            call.world.change_node(source, account=account)
    merged = list(dict.fromkeys([*(node.doc.get("event_sources") or []), *wanted]))
    call.world.change_node(node.id, event_sources=merged)
    return {"success": True}


def _unlink(call: Call, node: Node) -> dict[str, Any]:
    gone = set(_wanted(call))
    left = [source for source in node.doc.get("event_sources") or [] if source not in gone]
    call.world.change_node(node.id, event_sources=left)
    return {"success": True}


def _known(world: World, catalog: str, content_type: str, wanted: Iterable[str]) -> set[str]:
    """Which content ids the catalog has: items, or groups for `product_group`."""
    named = sorted(set(wanted))
    if content_type != "product_group":
        return set(item_store.by_retailer_ids(world, catalog, named))
    found: set[str] = set()
    for part in chunks(named):
        sql = f"SELECT retailer_id FROM groups WHERE catalog = ? AND retailer_id IN ({marks(len(part))})"
        found |= {row["retailer_id"] for row in world.db.execute(sql, [catalog, *part])}
    return found


def _event_stats(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    """Matches of the last seven days, by event and source."""
    by_device = "DEVICE_TYPE" in params.choices(given, "breakdowns", BREAKDOWNS)
    since = call.now - signals.FRESH
    rows = []
    for source in _sources(call, node, given):
        parts: dict[tuple[str, str], list[tuple[str, list[str]]]] = {}
        for row in signals.events(call.world, source["id"], since=since):
            doc = signals.document(row)
            custom = doc.get("custom_data") or {}
            named = content_ids(custom)
            if row["name"] in EVENTS and named:
                agent = str(doc["user_data"].get("client_user_agent") or "")
                key = (row["name"], signals.device(agent) if by_device else "")
                parts.setdefault(key, []).append((str(custom.get("content_type") or "product"), named))
        for (name, device), events in sorted(parts.items()):
            shown = _match(call.world, node.id, events) | {"event": name, "event_source": source}
            shown |= {"date_start": iso_node(since)[:10], "date_stop": iso_node(call.now)[:10]}
            rows.append(shown | ({"device_type": device} if by_device else {}))
    return rows


def _match(world: World, catalog: str, events: list[tuple[str, list[str]]]) -> dict[str, int]:
    matched: list[str] = []
    unmatched: list[str] = []
    for content_type in {kind for kind, _ in events}:
        every = [one for kind, named in events if kind == content_type for one in named]
        known = _known(world, catalog, content_type, every)
        matched += [one for one in every if one in known]
        unmatched += [one for one in every if one not in known]
    return {
        "total_matched_content_ids": len(matched),
        "total_unmatched_content_ids": len(unmatched),
        "unique_matched_content_ids": len(set(matched)),
        "unique_unmatched_content_ids": len(set(unmatched)),
        "total_content_ids_matched_other_catalogs": 0,
        "unique_content_ids_matched_other_catalogs": 0,
    }


def _quality(call: Call) -> dict[str, Any]:
    """`/dataset_quality`: how well the server's events of the last seven days can be used."""
    dataset = params.required_text(call.params, "dataset_id")
    pixel = find_node(call, dataset)
    if pixel is None or pixel.type != "AdsPixel":
        raise unsupported("GET", dataset)
    if not call.token.may(MANAGE):
        raise missing_permission(MANAGE)
    agent = params.text(call.params, "agent_name")
    rows = signals.events(call.world, dataset, since=call.now - signals.FRESH, kept=False)
    sent = [row for row in rows if row["channel"] == signals.SERVER and agent in (None, "", row["agent"])]
    names = sorted({row["name"] for row in sent})
    shown = [_event_quality(name, [r for r in sent if r["name"] == name], rows) for name in names]
    return {"web": [_picked(row, requested(call.params)) for row in shown]}


def _picked(row: dict[str, Any], fields: tuple[Selected, ...] | None) -> dict[str, Any]:
    web = next((one for one in fields or () if one.name == "web"), None)
    if fields is None or (web is not None and web.children is None):
        return row
    wanted = {one.name for one in web.children or ()} if web is not None else set()
    return {name: value for name, value in row.items() if name in wanted}


def _share(part: int, whole: int) -> float:
    """A percentage with one place."""
    return (1000 * part // whole) / 10 if whole else 0.0


def _event_quality(name: str, sent: list[Row], rows: list[Row]) -> dict[str, Any]:
    documents = [signals.document(row) for row in sent]
    browser = [row for row in rows if row["name"] == name and row["channel"] == signals.BROWSER]
    coverage = {
        shown: _share(sum(key in doc["identifiers"] for doc in documents), len(sent)) for key, shown in NAMES.items()
    }
    server_ids = {row["event_id"] for row in sent if row["event_id"]}
    shared = sum(row["event_id"] in server_ids for row in browser)
    lag = max(row["received"] - row["at"] for row in sent)
    return {
        "event_name": name,
        "event_match_quality": {
            "composite_score": round(sum(coverage.values()) / len(NAMES) / 10, 1),
            "match_key_feedback": [
                {"identifier": shown, "coverage": {"percentage": share}} for shown, share in coverage.items() if share
            ],
            "diagnostics": [],
        },
        "event_coverage": {
            "percentage": min(_share(len(sent), len(browser)), 100.0) if browser else 100.0,
            "goal_percentage": GOAL,
            "description": "Share of browser events that the server sends as well.",
        },
        "dedupe_key_feedback": [_dedupe(key, sent, browser, shared) for key in KEYS],
        "data_freshness": {
            "upload_frequency": "real_time" if lag < 3600 else "hourly" if lag < 86_400 else "daily",
            "description": "How soon after they happen events arrive.",
        },
    }


def _dedupe(key: str, sent: list[Row], browser: list[Row], shared: int) -> dict[str, Any]:
    column = {"event_id": "event_id", "external_id": "external", "fbp": "fbp"}[key]
    values = {row[column] for row in sent if row[column]}
    both = shared if key == "event_id" else sum(row[column] in values for row in browser)
    return {
        "dedupe_key": key,
        "browser_events_with_dedupe_key": {"percentage": _share(sum(bool(r[column]) for r in browser), len(browser))},
        "server_events_with_dedupe_key": {"percentage": _share(sum(bool(row[column]) for row in sent), len(sent))},
        "overall_browser_coverage_from_dedupe_key": {"percentage": _share(both, len(browser))},
    }


def install(schema: Schema) -> None:
    named = ("external_event_sources",)
    schema.add(
        PlainEdge("ProductCatalog", "external_event_sources", _sources, scope=SCOPE),
        Write("POST", "ProductCatalog", "external_event_sources", _link, named, SCOPE),
        Write("DELETE", "ProductCatalog", "external_event_sources", _unlink, named, SCOPE),
        PlainEdge("ProductCatalog", "event_stats", _event_stats, ("breakdowns",), SCOPE),
        Root("GET", "dataset_quality", _quality, ("dataset_id", "agent_name")),
    )
