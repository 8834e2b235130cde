"""Webhooks by hand: make something happen, choose how badly it is delivered, see what became of it.

`flush` returns when everything due was tried; the signed callbacks of the app dashboard (deauthorisation, data
deletion) are sent while the caller waits.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.sandbox import courier, hooks
from gateway.sandbox.clock import iso_order
from gateway.sandbox.commerce.webhooks import OBJECTS
from gateway.sandbox.control.framework import Body, guarded, in_world, only, read_body, refused, world_of
from gateway.sandbox.dispatch import Office
from gateway.sandbox.settle import settle
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest

_RULES = {"batch": int, "delay": float, "duplicates": int, "reorder": bool, "timeout": float}
_CALLBACKS = ("deauthorize", "data_deletion")
_LONGEST_WAIT = 30.0


def _emit(world: World, request: Request, body: Body) -> dict[str, Any]:
    """One event, or as many as are listed under `events`; those nobody subscribed to are not sent."""
    rows = body.get("events", [body])
    if "events" in body:
        only(body, ("events",))
    sent = 0
    for row in rows:
        only(row, ("object", "id", "field", "value"))
        if row["object"] not in OBJECTS:
            raise BadRequest(f"object must be one of {', '.join(OBJECTS)}")
        sent += hooks.emit(world, str(row["object"]), str(row["id"]), str(row["field"]), row.get("value"))
    return {"sent": sent}


def _deliveries(world: World, request: Request, body: Body) -> dict[str, Any]:
    rows = world.db.execute("SELECT * FROM hook_posts ORDER BY seq").fetchall()
    return {
        "subscriptions": [
            {"object": row["object"], "callbackUrl": row["callback_url"], "active": bool(row["active"])}
            for row in hooks.subscriptions(world)
        ],
        "deliveries": [
            {
                "object": row["object"],
                "body": json.loads(row["body"]),
                "state": row["done"] or "waiting",
                "attempts": [
                    {"at": iso_order(one["at"]), "outcome": one["outcome"]} for one in json.loads(row["answers"])
                ],
                "dueAt": None if row["done"] else iso_order(row["due"]),
            }
            for row in rows
        ],
    }


def _read_rules(world: World, request: Request, body: Body) -> dict[str, Any]:
    return {name: getattr(world.hook_rules, name) for name in _RULES}


def _change_rules(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, _RULES)
    rules = replace(world.hook_rules, **{name: _RULES[name](value) for name, value in body.items()})
    if not (1 <= rules.batch <= hooks.MOST_UPDATES and rules.delay >= 0 and 0 <= rules.duplicates <= 100):
        raise BadRequest(f"batch is 1 to {hooks.MOST_UPDATES}, delay at least 0, duplicates 0 to 100")
    if not 0 < rules.timeout <= _LONGEST_WAIT:
        raise BadRequest(f"timeout is at most {_LONGEST_WAIT:g} seconds")
    world.hook_rules = rules
    return _read_rules(world, request, body)


def signed_request(secret: str, payload: dict[str, Any]) -> str:
    """`{signature}.{payload}`, both base64url without padding; the signature covers the encoded payload."""
    encoded = base64.urlsafe_b64encode(json.dumps(payload, separators=(",", ":")).encode()).rstrip(b"=")
    signature = hmac.new(secret.encode(), encoded, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(signature).rstrip(b"=").decode() + "." + encoded.decode()


def routes(office: Office) -> list[Route]:
    async def flush(request: Request) -> Response:
        world = world_of(office, request)
        if world is None:
            return refused(401, "a token of a world is needed: Authorization: Bearer ...")
        settle(world)
        await office.courier.flush(world)
        return JSONResponse(_deliveries(world, request, {}))

    async def callback(request: Request) -> Response:
        world = world_of(office, request)
        if world is None:
            return refused(401, "a token of a world is needed: Authorization: Bearer ...")
        body = await read_body(request)
        only(body, ("kind", "url", "userId"))
        if body["kind"] not in _CALLBACKS:
            raise BadRequest(f"kind must be one of {', '.join(_CALLBACKS)}")
        if not hooks.loopback(str(body["url"])):
            raise BadRequest("the sandbox only calls addresses of its own machine")
        payload = {"algorithm": "HMAC-SHA256", "user_id": str(body["userId"]), "issued_at": int(world.now())}
        form = {"signed_request": signed_request(world.settings.app_secret, payload)}
        async with courier.open_client(world.hook_rules.timeout) as client:
            outcome, text = await courier.fetch(client, "POST", str(body["url"]), data=form)
        return JSONResponse({"outcome": outcome, "body": text})

    return [
        in_world(office, "/webhooks", {"GET": (_deliveries, 200)}),
        in_world(office, "/webhooks/events", {"POST": (_emit, 201)}),
        in_world(office, "/webhooks/rules", {"GET": (_read_rules, 200), "PATCH": (_change_rules, 200)}),
        Route("/webhooks/flush", guarded(flush), methods=["POST"]),
        Route("/webhooks/callbacks", guarded(callback), methods=["POST"]),
    ]
