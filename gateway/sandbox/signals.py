"""The events of a dataset (a pixel): kept, counted, and told apart when browser and server send the same one.

Source: signals.md sections 8 and 15.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway.sandbox.storage import one
from gateway.sandbox.world import World

PIXEL = "52"
KIND = "pixel"
BROWSER, SERVER = "browser", "server"
SAME_FOR = 48 * 3600
FRESH = 7 * 86_400


def add_pixel(world: World, name: str, *, account: str | None = None, is_crm: bool = False) -> str:
    pixel_id = world.new_id(PIXEL)
    doc = {"name": name, "account": account, "is_crm": is_crm, "last_fired_time": None}
    world.add_node(pixel_id, KIND, world.business_id, doc)
    return pixel_id


def agent_of(partner_agent: str | None) -> str:
    """The platform's name without its version: `examplePlatform_1_2` is `exampleplatform`."""
    words = (partner_agent or "").lower().split("_")
    while len(words) > 1 and words[-1][:1].isdigit():
        words.pop()
    return "_".join(words)


def _first(value: Any) -> str | None:
    chosen = value[0] if isinstance(value, list) and value else value
    return None if chosen in (None, "", []) else str(chosen)


def keep(
    world: World,
    pixel_id: str,
    event: Mapping[str, Any],
    channel: str,
    *,
    agent: str = "",
    test_code: str | None = None,
) -> bool:
    """Store one event; False when it is a later copy of one that came before."""
    user = event["user_data"]
    fbp, external = _first(user.get("fbp")), _first(user.get("external_id"))
    event_id = None if event.get("event_id") in (None, "") else str(event["event_id"])
    now = world.now()
    kept = not _is_copy(world, pixel_id, event["event_name"], event_id, channel, (fbp, external))
    world.db.execute(
        "INSERT INTO pixel_events "
        "(pixel, received, at, name, event_id, channel, agent, test_code, kept, fbp, external, doc) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            pixel_id,
            now,
            event["event_time"],
            event["event_name"],
            event_id,
            channel,
            agent,
            test_code,
            kept,
            fbp,
            external,
            json.dumps(event),
        ),
    )
    world.change_node(pixel_id, last_fired_time=now)
    return kept


def _is_copy(
    world: World,
    pixel_id: str,
    name: str,
    event_id: str | None,
    channel: str,
    people: tuple[str | None, str | None],
) -> bool:
    since = world.now() - SAME_FOR
    if event_id is not None:
        sql = (
            "SELECT 1 FROM pixel_events WHERE pixel = ? AND name = ? AND event_id = ? AND kept = 1 AND received > ? "
            "LIMIT 1"
        )
        return one(world.db, sql, pixel_id, name, event_id, since) is not None
    if channel == BROWSER or people == (None, None):
        return False
    # Without an id only a browser event that came first can stand for a server event.
    sql = (
        "SELECT 1 FROM pixel_events WHERE pixel = ? AND name = ? AND channel = 'browser' AND kept = 1 AND received > ? "
        "AND (fbp = ? OR external = ?) LIMIT 1"
    )
    return one(world.db, sql, pixel_id, name, since, *people) is not None


def events(
    world: World, pixel_id: str, *, since: float = 0.0, until: float | None = None, kept: bool = True
) -> list[sqlite3.Row]:
    """Events by the time they happened, oldest first."""
    sql = "SELECT * FROM pixel_events WHERE pixel = ? AND at >= ? AND at <= ?"
    sql += " AND kept = 1" if kept else ""
    end = world.now() + 3600 if until is None else until
    return world.db.execute(f"{sql} ORDER BY at, seq", (pixel_id, since, end)).fetchall()


def document(row: sqlite3.Row) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row["doc"])
    return found


AGGREGATIONS = (
    "browser_type custom_data_field device_os device_type event event_detection_method event_processing_results "
    "event_source event_total_counts event_value_count had_pii host match_keys pixel_fire url url_by_rule"
).split()


def values(row: sqlite3.Row, aggregation: str) -> list[str]:
    """What one event counts for under an aggregation; nothing where the sandbox does not know."""
    doc = document(row)
    url = str(doc.get("event_source_url") or "")
    match aggregation:
        case "event" | "event_total_counts":
            return [row["name"]]
        case "event_source":
            return [row["channel"].upper()]
        case "pixel_fire":
            return ["pixel_fire"]
        case "url":
            return [url] if url else []
        case "host":
            return [urlsplit(url).netloc] if url else []
        case "match_keys":
            return list(doc["identifiers"])
        case "had_pii":
            return ["true" if set(doc["identifiers"]) & {"em", "ph", "fn", "ln"} else "false"]
        case "custom_data_field":
            return [str(name) for name in doc.get("custom_data") or {}]
        case "event_value_count" if (doc.get("custom_data") or {}).get("value") not in (None, ""):
            return [row["name"]]
        case "device_type":
            return [device(str(doc["user_data"].get("client_user_agent") or ""))]
        case _:
            return []


def device(user_agent: str) -> str:
    for part, name in (
        ("iPhone", "mobile_iphone"),
        ("iPad", "mobile_ipad"),
        ("Android", "mobile_android_phone"),
        ("Windows Phone", "mobile_windows_phone"),
    ):
        if part in user_agent:
            return name
    return "desktop" if "Mozilla" in user_agent else "unknown"
