"""Playing the public: people who write to a Page, browsers that fire a pixel, posts that get comments, and the seller
who connects an Instagram account or writes offers by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from gateway.sandbox import conversations, hooks, inbox_hooks, offers, signals
from gateway.sandbox.commerce.comments import add_comment
from gateway.sandbox.commerce.instagram import add_ig_user
from gateway.sandbox.commerce.pixels import load_pixel
from gateway.sandbox.commerce.publishing import load_media
from gateway.sandbox.control.framework import Body, NotFound, in_world, only
from gateway.sandbox.dispatch import Office
from gateway.sandbox.errors import GraphError
from gateway.sandbox.event_rules import check_event
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest


def _account(world: World, body: Body) -> dict[str, Any]:
    found = world.find_node(str(body["shop"]), "account")
    if found is None:
        raise NotFound("no such shop")
    return found


def _write(world: World, request: Request, body: Body) -> dict[str, Any]:
    """A person writes to the shop's Page: somebody new, or one who wrote before."""
    only(body, ("shop", "person", "name", "platform", "text", "attachments", "product"))
    page, platform = _account(world, body)["page"], str(body.get("platform", conversations.MESSENGER))
    if platform not in conversations.PLATFORMS:
        raise BadRequest(f"platform must be one of {', '.join(conversations.PLATFORMS)}")
    person_id = body.get("person")
    if person_id is None:
        person_id = conversations.add_person(world, page, str(body.get("name") or "Nora Quinn"), platform)
    someone = conversations.person(world, page, str(person_id))
    if someone is None:
        raise NotFound("no such person")
    doc: dict[str, Any] = {name: body[name] for name in ("text", "attachments", "product") if name in body}
    if not doc:
        raise BadRequest("text or attachments are missing")
    made = conversations.receive(world, page, someone, doc)
    inbox_hooks.received(world, page, someone, made["message"], doc)
    return made


def _change_person(world: World, request: Request, body: Body) -> dict[str, Any]:
    """Somebody blocks the Page, or lets it write again."""
    only(body, ("blocked",))
    person_id = request.path_params["person"]
    if world.find_node(person_id, "person") is None:
        raise NotFound("no such person")
    world.change_node(person_id, blocked=bool(body["blocked"]))
    return {"success": True}


def _pixel(world: World, request: Request, body: Body) -> dict[str, Any]:
    """A pixel that is linked to the shop's catalog, as after onboarding."""
    only(body, ("shop", "name"))
    account = _account(world, body)
    pixel_id = signals.add_pixel(
        world, str(body.get("name") or f"{account['display_name']} pixel"), account=account["id"]
    )
    catalog = world.find_node(account["catalog"], "catalog")
    assert catalog is not None
    world.change_node(account["catalog"], event_sources=[*(catalog.get("event_sources") or []), pixel_id])
    return {"id": pixel_id}


def _known_pixel(world: World, request: Request) -> str:
    pixel_id: str = request.path_params["pixel"]
    if load_pixel(world, pixel_id) is None:
        raise NotFound("no such pixel")
    return pixel_id


def _fire(world: World, request: Request, body: Body) -> dict[str, Any]:
    """A browser fires: the same event the server sends, so both can be told apart or together."""
    only(body, ("events",))
    pixel_id = _known_pixel(world, request)
    try:
        checked = [check_event(row, at, world.now(), strict=False)[0] for at, row in enumerate(body["events"])]
    except GraphError as error:
        raise BadRequest(error.user_message or error.message) from error
    kept = sum(signals.keep(world, pixel_id, event, signals.BROWSER) for event in checked)
    return {"received": len(checked), "kept": kept}


def _events(world: World, request: Request, body: Body) -> dict[str, Any]:
    """What arrived, copies included; with `test` only what was sent under that test code."""
    code = request.query_params.get("test")
    rows = signals.events(world, _known_pixel(world, request), kept=False)
    return {
        "events": [
            {
                "event": {name: value for name, value in signals.document(row).items() if name != "identifiers"},
                "identifiers": signals.document(row)["identifiers"],
                "channel": row["channel"],
                "agent": row["agent"],
                "testCode": row["test_code"],
                "kept": bool(row["kept"]),
            }
            for row in rows
            if code is None or row["test_code"] == code
        ]
    }


def _take_offers(world: World, request: Request, body: Body) -> dict[str, Any]:
    """A file of offers arrives without a feed; the report is what an upload would say."""
    only(body, ("catalog", "rows", "file", "replace"))
    catalog = str(body["catalog"])
    if world.find_node(catalog, "catalog") is None:
        raise NotFound("no such catalog")
    rows = offers.read_rows(str(body["file"]).encode()) if "file" in body else list(enumerate(body["rows"], start=2))
    outcome = offers.take(world, catalog, rows, replace=bool(body.get("replace", True)))
    return {
        "taken": outcome.taken,
        "removed": outcome.removed,
        "issues": [asdict(issue) for issue in outcome.issues],
    }


def _offers(world: World, request: Request, body: Body) -> dict[str, Any]:
    return {"offers": offers.of_catalog(world, request.query_params["catalog"])}


def _partner_files(world: World, request: Request, body: Body) -> dict[str, Any]:
    """What a partner integration sent by `file_update`, oldest first."""
    found = world.nodes_of("partner_file", request.query_params["integration"])
    return {
        "files": [
            {"feedType": doc["feed_type"], "problem": doc["problem"], "offers": doc["rows"], "text": doc["text"]}
            for doc in found
        ]
    }


def _instagram(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, ("shop", "username", "eligible"))
    account = _account(world, body)
    username = str(body.get("username") or str(account["display_name"]).lower().replace(" ", "."))
    return {"id": add_ig_user(world, account, username, bool(body.get("eligible", True)))}


def _comment(world: World, request: Request, body: Body) -> dict[str, Any]:
    """Somebody comments on a post."""
    only(body, ("media", "text", "username"))
    media = load_media(world, str(body["media"]))
    if media is None:
        raise NotFound("no such post")
    username = str(body.get("username") or "nora.q")
    comment = add_comment(world, media.id, username, str(body["text"]))
    value = {"id": comment, "text": str(body["text"]), "from": {"username": username}, "media": {"id": media.id}}
    hooks.emit(world, "instagram", media.doc["ig_user"], "comments", value)
    return {"id": comment}


def routes(office: Office) -> list[Route]:
    return [
        in_world(office, "/messages", {"POST": (_write, 201)}),
        in_world(office, "/people/{person}", {"POST": (_change_person, 200)}),
        in_world(office, "/pixels", {"POST": (_pixel, 201)}),
        in_world(office, "/pixels/{pixel}/events", {"POST": (_fire, 200), "GET": (_events, 200)}),
        in_world(office, "/offers", {"POST": (_take_offers, 200), "GET": (_offers, 200)}),
        in_world(office, "/partner_files", {"GET": (_partner_files, 200)}),
        in_world(office, "/instagram", {"POST": (_instagram, 201)}),
        in_world(office, "/comments", {"POST": (_comment, 201)}),
    ]
