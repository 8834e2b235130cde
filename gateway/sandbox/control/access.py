"""Tokens by hand: mint one of any kind, hand out a login code, revoke, let one run out."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from gateway.sandbox import ids, tokens
from gateway.sandbox.control.framework import Body, NotFound, in_world, only
from gateway.sandbox.dispatch import Office
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest

_KINDS = (tokens.USER, tokens.PAGE, tokens.SYSTEM_USER)


def _mint(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, ("kind", "pageId", "scopes", "expiresIn"))
    return {"accessToken": _new_token(world, body)}


def _new_token(world: World, body: Body) -> str:
    kind = str(body.get("kind", tokens.USER)).upper()
    if kind not in _KINDS:
        raise BadRequest(f"kind must be one of {', '.join(_KINDS)}")
    lifetime = float(body.get("expiresIn", 0))
    scopes = body.get("scopes")
    if kind == tokens.SYSTEM_USER:
        return tokens.mint(world, kind, world.system_user_id, scopes=scopes, lifetime=lifetime)
    if kind == tokens.PAGE:
        page = world.find_node(str(body["pageId"]), "page")
        account = None if page is None else world.find_node(page["account"], "account")
        if page is None or account is None:
            raise NotFound("no such Page")
        targets = [page["id"], account["id"], account["catalog"]]
        return tokens.mint(world, kind, page["id"], scopes=scopes, targets=targets, lifetime=lifetime)
    user_id = ids.compose(ids.USER, world.number, 1)
    if world.find_node(user_id, "user") is None:
        world.add_node(user_id, "user", world.business_id, {"name": "Sandbox user"})
    return tokens.mint(world, kind, user_id, user_id=user_id, scopes=scopes, lifetime=lifetime)


def _code(world: World, request: Request, body: Body) -> dict[str, Any]:
    """What the login dialog would give to *redirectUri*."""
    only(body, ("redirectUri", "kind", "pageId", "scopes", "expiresIn"))
    token = _new_token(world, {name: value for name, value in body.items() if name != "redirectUri"})
    code = "AQ" + token[-60:]
    world.db.execute("INSERT INTO codes VALUES (?, ?, ?, 0)", (code, token, str(body["redirectUri"])))
    return {"code": code}


def _revoke(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, ("token", "subcode"))
    if not tokens.revoke(world, str(body["token"]), int(body.get("subcode", 467))):
        raise NotFound("no such token")
    return {"success": True}


def _expire(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, ("token",))
    if not tokens.expire(world, str(body["token"])):
        raise NotFound("no such token")
    return {"success": True}


def routes(office: Office) -> list[Route]:
    return [
        in_world(office, "/tokens", {"POST": (_mint, 201)}),
        in_world(office, "/codes", {"POST": (_code, 201)}),
        in_world(office, "/tokens/revoke", {"POST": (_revoke, 200)}),
        in_world(office, "/tokens/expire", {"POST": (_expire, 200)}),
    ]
