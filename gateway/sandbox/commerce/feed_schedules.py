"""Schedules of feeds: runs that the virtual clock starts.

Source: catalog.md section 9.1.  A feed has at most one schedule for replace runs and one for update-only runs.
"""

from __future__ import annotations

import sqlite3
from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.sandbox import catalog_batches, params
from gateway.sandbox.catalog_batches import RUNNERS
from gateway.sandbox.commerce import feed_uploads
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.errors import invalid
from gateway.sandbox.item_rules import is_url
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, Rows, Schema, Window, Write, doc_fields
from gateway.sandbox.usage import MANAGEMENT
from gateway.sandbox.world import World

SCHEDULE = "46"
"""First digits of the ids of schedules."""
WORK = "schedule"
REPLACE, UPDATE = NAMES = ("schedule", "update_schedule")
HOURLY, DAILY, WEEKLY, MONTHLY = INTERVALS = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY")
DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
DEFAULT_ZONE = "America/Los_Angeles"
_RANGES = {"hour": (0, 23), "minute": (0, 59), "interval_count": (1, 1000), "day_of_month": (1, 31)}
_SCHEMES = ("ftp://", "sftp://")


def read(given: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """A schedule out of a call's parameter; an empty object takes the schedule away.

    Raises:
        GraphError: a part is missing or out of range.
    """
    source = params.structure(given, name)
    if source is None:
        return None
    if not isinstance(source, dict):
        raise invalid(f"Param {name} must be an object")
    if not source:
        return {}
    intervals = params.choices(source, "interval", INTERVALS)
    if not intervals:
        raise invalid(f"The parameter {name}[interval] is required")
    url = params.text(source, "url")
    if not url:
        raise invalid(f"The parameter {name}[url] is required")
    if not (is_url(url) or url.startswith(_SCHEMES)):
        raise invalid(f"Param {name}[url] must be a valid URI")
    doc: dict[str, Any] = {"interval": intervals[0], "url": url}
    for part, (least, most) in _RANGES.items():
        value = params.integer(source, part)
        if value is not None and not least <= value <= most:
            raise invalid(f"Param {name}[{part}] must be between {least} and {most}")
        if value is not None:
            doc[part] = value
    days = params.choices(source, "day_of_week", DAYS)
    if days:
        doc["day_of_week"] = days[0]
    zone = params.text(source, "timezone") or DEFAULT_ZONE
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise invalid(f"Param {name}[timezone] must be the name of a time zone") from None
    doc["timezone"] = zone
    return doc | {part: text for part in ("username", "password") if (text := params.text(source, part))}


def attach(world: World, feed: str, catalog: str, name: str, schedule: dict[str, Any]) -> str | None:
    """Give a feed a schedule in the place of the one it had; its id."""
    for old in world.nodes_of("feed_schedule", feed):
        if old["use"] == name:
            world.drop_node(old["id"])
            world.db.execute("DELETE FROM batches WHERE handle = ?", (old["id"],))
            world.db.execute("DELETE FROM catalog_work WHERE handle = ?", (old["id"],))
    if not schedule:
        return None
    now = world.now()
    node_id = world.new_id(SCHEDULE)
    world.add_node(node_id, "feed_schedule", feed, schedule | {"use": name, "catalog": catalog}, now)
    # The queue belongs to catalogs; a schedule waits in it beside them, holding no item.
    catalog_batches.enqueue(world, "", [], [], (now, next_run(schedule, now)), kind=WORK, handle=node_id)
    return node_id


def next_run(schedule: Mapping[str, Any], after: float, *, skip: int = 0) -> float:
    """The next moment of a schedule; *skip* leaves out that many of its hours, days, weeks or months."""
    zone = ZoneInfo(schedule["timezone"])
    local = datetime.fromtimestamp(after, UTC).astimezone(zone)
    minute, kind = schedule.get("minute", 0), schedule["interval"]
    if kind == HOURLY:
        base = datetime.fromtimestamp(after, UTC).replace(minute=minute % 60, second=0, microsecond=0)
        while base.timestamp() <= after:
            base += timedelta(hours=1)
        return (base + timedelta(hours=skip)).timestamp()
    moment = local.replace(hour=schedule.get("hour", 0), minute=minute, second=0, microsecond=0, fold=0)
    if kind == MONTHLY:
        moment = _in_month(moment, schedule, 0)
        if moment.timestamp() <= after:
            moment = _in_month(moment, schedule, 1)
        return _in_month(moment, schedule, skip).timestamp()
    step = 1 if kind == DAILY else 7
    if kind == WEEKLY:
        moment += timedelta(days=(DAYS.index(schedule.get("day_of_week", "MONDAY")) - moment.weekday()) % 7)
    while moment.timestamp() <= after:
        moment += timedelta(days=step)
    return (moment + timedelta(days=step * skip)).timestamp()


def _in_month(moment: datetime, schedule: Mapping[str, Any], months: int) -> datetime:
    """The schedule's day, *months* later; a short month has its last day instead."""
    count = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(count, 12)
    day = min(schedule.get("day_of_month", 1), monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _run(world: World, row: sqlite3.Row) -> dict[str, Any] | None:
    """Start the run that is due, and wait for the next."""
    schedule = world.find_node(row["handle"], "feed_schedule")
    feed = None if schedule is None else world.find_node(schedule["owner"], "feed")
    if schedule is None or feed is None:
        return {"status": "canceled"}
    feed_uploads.scheduled(world, feed, schedule, row["finishes"], update_only=schedule["use"] == UPDATE)
    following = next_run(schedule, row["finishes"], skip=schedule.get("interval_count", 1) - 1)
    world.db.execute(
        "UPDATE batches SET posted = ?, finishes = ? WHERE handle = ?", (row["finishes"], following, row["handle"])
    )
    return None


def load_schedule(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "feed_schedule")
    return None if doc is None else Node("ProductFeedSchedule", node_id, doc, doc["catalog"], doc["catalog"])


def of_feed(world: World, feed: str, name: str) -> Node | None:
    found = [doc["id"] for doc in world.nodes_of("feed_schedule", feed) if doc["use"] == name]
    return load_schedule(world, found[0]) if found else None


def _schedules(call: Call, node: Node, given: Params, window: Window) -> Rows:
    found = [load_schedule(call.world, doc["id"]) for doc in call.world.nodes_of("feed_schedule", node.id)]
    return listed([schedule for schedule in found if schedule is not None], window)


def _post(call: Call, node: Node) -> dict[str, Any]:
    schedule = read(call.params, "upload_schedule")
    if schedule is None:
        raise invalid("The parameter upload_schedule is required")
    attach(call.world, node.id, node.asset, REPLACE, schedule)
    return {"id": node.id}


def install(schema: Schema) -> None:
    RUNNERS[WORK] = _run
    shown = "day_of_month day_of_week hour interval interval_count minute timezone url username"
    kind = NodeType("ProductFeedSchedule", load_schedule, doc_fields(shown), tuple(shown.split()), MANAGEMENT, SCOPE)
    schema.add_type(SCHEDULE, kind)
    schema.add(
        Edge("ProductFeed", "upload_schedules", "ProductFeedSchedule", _schedules, scope=SCOPE),
        Write("POST", "ProductFeed", "upload_schedules", _post, ("upload_schedule",), SCOPE),
    )
