"""Making, reading, resetting and ending worlds; their clocks."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.sandbox import tokens
from gateway.sandbox.clock import iso_order
from gateway.sandbox.control.framework import Body, guarded, in_world, only, read_body, refused
from gateway.sandbox.dispatch import Office
from gateway.sandbox.seed import add_shop
from gateway.sandbox.settle import settle
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest, save_clock


def shop_card(world: World, account: dict[str, Any]) -> dict[str, Any]:
    token = tokens.of_object(world, tokens.PAGE, account["page"])
    return {
        "name": account["display_name"],
        "metaId": account["id"],
        "pageId": account["page"],
        "catalogId": account["catalog"],
        "cta": account["cta"],
        "currency": account["currency"],
        "accessToken": None if token is None else token.value,
    }


def world_card(world: World) -> dict[str, Any]:
    system_user = tokens.of_object(world, tokens.SYSTEM_USER, world.system_user_id)
    return {
        "world": world.id,
        "name": world.config.name,
        "mode": world.config.mode,
        "appId": world.settings.app_id,
        "appSecret": world.settings.app_secret,
        "businessId": world.business_id,
        "accessToken": None if system_user is None else system_user.value,
        "shops": [shop_card(world, account) for account in world.accounts()],
    }


def _add_shop(world: World, request: Request, body: Body) -> dict[str, Any]:
    return shop_card(world, add_shop(world, body))


def _read_clock(world: World, request: Request, body: Body) -> dict[str, Any]:
    return {"now": iso_order(world.now())}


def _advance(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, ("seconds",))
    seconds = float(body["seconds"])
    if seconds < 0:
        raise BadRequest("time runs forward only")
    world.clock.advance(seconds)
    save_clock(world)
    settle(world)
    return _read_clock(world, request, body)


def routes(office: Office) -> list[Route]:
    worlds = office.worlds

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def create(request: Request) -> Response:
        return JSONResponse(world_card(worlds.create(await read_body(request))), 201)

    def owner(request: Request) -> World | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return worlds.of_token(token.strip()) if scheme.lower() == "bearer" else None

    async def end(request: Request) -> Response:
        world = owner(request)
        if world is None:
            return refused(401, "a token of a world is needed: Authorization: Bearer ...")
        worlds.remove(world)
        return JSONResponse({"success": True})

    async def reset(request: Request) -> Response:
        world = owner(request)
        if world is None:
            return refused(401, "a token of a world is needed: Authorization: Bearer ...")
        return JSONResponse(world_card(worlds.reset(world)))

    return [
        Route("/health", health, methods=["GET"]),
        Route("/worlds", guarded(create), methods=["POST"]),
        Route("/world", end, methods=["DELETE"]),
        in_world(office, "/world", {"GET": (lambda world, request, body: world_card(world), 200)}),
        Route("/reset", guarded(reset), methods=["POST"]),
        in_world(office, "/shops", {"POST": (_add_shop, 201)}),
        in_world(office, "/clock", {"GET": (_read_clock, 200)}),
        in_world(office, "/clock/advance", {"POST": (_advance, 200)}),
    ]
