"""Looking into a world and disturbing it: call log, faults, budgets, batches."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from gateway.sandbox import catalog_batches
from gateway.sandbox.calllog import KEPT
from gateway.sandbox.clock import iso_order
from gateway.sandbox.commerce import build_schema
from gateway.sandbox.control.framework import Body, in_world, number, only
from gateway.sandbox.dispatch import Office
from gateway.sandbox.ids import kind_of
from gateway.sandbox.usage import WINDOWS
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest


def _calls(world: World, request: Request, body: Body) -> dict[str, Any]:
    query = request.query_params
    since, limit = number(request, "since", 0), number(request, "limit", KEPT)
    return world.log.report(query.get("method"), query.get("path"), since, limit)


def _forget_calls(world: World, request: Request, body: Body) -> dict[str, Any]:
    world.log.clear()
    return {"success": True}


def _add_fault(world: World, request: Request, body: Body) -> dict[str, Any]:
    return {"id": world.faults.add(body, world.config.seed).id}


def _faults(world: World, request: Request, body: Body) -> dict[str, Any]:
    return {"faults": [fault.as_json() for fault in world.faults.scripts.values()]}


def _drop_faults(world: World, request: Request, body: Body) -> dict[str, Any]:
    chosen = request.query_params.get("id")
    if chosen is None:
        world.faults.scripts.clear()
    else:
        world.faults.scripts.pop(chosen, None)
    return {"success": True}


def _set_usage(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, ("object", "type", "percent", "minutes"))
    kind = str(body["type"])
    if kind not in WINDOWS:
        raise BadRequest(f"type must be one of {', '.join(WINDOWS)}")
    meter = world.usage.meter(kind, str(body.get("object") or world.settings.app_id))
    meter.set_percent(world.now(), float(body["percent"]), float(body.get("minutes", 0)))
    return {"percent": meter.percent(world.now()), "minutes": meter.wait_minutes(world.now())}


def _batches(world: World, request: Request, body: Body) -> list[dict[str, Any]]:
    catalog = request.query_params.get("catalog")
    rows = world.db.execute("SELECT * FROM batches WHERE ? IS NULL OR catalog = ? ORDER BY seq", (catalog, catalog))
    return [_batch(row, world.now()) for row in rows]


def _batch(row: Any, now: float) -> dict[str, Any]:
    return {
        "handle": row["handle"],
        "catalog": row["catalog"],
        "status": catalog_batches.state_of(row, now),
        "size": row["size"],
        "startedAt": iso_order(row["posted"]),
        "finishedAt": iso_order(row["finishes"]) if row["done"] else None,
        "retailerIds": json.loads(row["retailer_ids"]),
        "overlapping": json.loads(row["overlapping"]),
        "duplicates": json.loads(row["duplicates"]),
    }


def _id_types(world: World, request: Request, body: Body) -> dict[str, str]:
    """The node type of every id that a call named: what a checker of recorded traffic wants to know."""
    kinds = build_schema().prefixes
    named: set[str] = set()
    for call in world.log.report(None, None, 0, KEPT)["calls"]:
        named.update(re.findall(r"\d{16}", f"{call['path']} {call['params'].get('ids', '')}"))
    return {one: kinds[kind_of(one)] for one in sorted(named) if kind_of(one) in kinds}


def routes(office: Office) -> list[Route]:
    return [
        in_world(office, "/calls", {"GET": (_calls, 200), "DELETE": (_forget_calls, 200)}),
        in_world(office, "/faults", {"POST": (_add_fault, 201), "GET": (_faults, 200), "DELETE": (_drop_faults, 200)}),
        in_world(office, "/usage", {"POST": (_set_usage, 200)}),
        in_world(office, "/batches", {"GET": (_batches, 200)}),
        in_world(office, "/id-types", {"GET": (_id_types, 200)}),
    ]
