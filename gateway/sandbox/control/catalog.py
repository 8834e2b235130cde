"""The seller's web server and Meta's reviewers: files for feeds, verdicts, pictures that fail, diagnostics by hand."""

from __future__ import annotations

import base64
import binascii
import json
from fnmatch import fnmatchcase
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.sandbox import item_store
from gateway.sandbox.commerce import diagnostics, feed_store, reviews
from gateway.sandbox.control.framework import Body, NotFound, guarded, in_world, only, refused
from gateway.sandbox.control.market import item_card
from gateway.sandbox.dispatch import Office
from gateway.sandbox.item_errors import PICTURE_FAILURES
from gateway.sandbox.item_store import Item
from gateway.sandbox.settle import settle
from gateway.sandbox.storage import one
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest

_OUTCOMES = ("ok", *PICTURE_FAILURES)
_SET_VERDICTS = ("APPROVED", "REJECTED", "PENDING")


def _existing(world: World, named: Body) -> Item:
    item = item_store.by_retailer_id(world, str(named["catalog"]), str(named["retailerId"]))
    if item is None:
        raise NotFound("no such item")
    return item


def _review(world: World, request: Request, body: Body) -> dict[str, Any]:
    """A verdict on an item or a set; for an item also what an appeal against it will bring."""
    if "set" in body:
        return _review_set(world, body)
    only(body, ("catalog", "retailerId", "status", "reasons", "channels", "policyUrl", "appealOutcome"))
    item = _existing(world, body)
    outcome = body.get("appealOutcome")
    if outcome is not None:
        if outcome not in reviews.VERDICTS[:2]:
            raise BadRequest("appealOutcome must be approved or rejected")
        item.fields["_appeal_outcome"] = outcome
        world.db.execute("UPDATE items SET doc = ? WHERE id = ?", (json.dumps(item.fields), item.id))
    if "status" in body:
        status = str(body["status"])
        if status not in reviews.VERDICTS:
            raise BadRequest(f"status must be one of {', '.join(reviews.VERDICTS)}")
        reviews.judge(
            world,
            item,
            status,
            reasons=[str(reason) for reason in body.get("reasons") or []],
            channels=[str(channel) for channel in body.get("channels") or []],
            policy_url=body.get("policyUrl"),
        )
    return item_card(_existing(world, body), world.now())


def _review_set(world: World, body: Body) -> dict[str, Any]:
    only(body, ("set", "status"))
    status = str(body["status"]).upper()
    if status not in _SET_VERDICTS:
        raise BadRequest(f"status must be one of {', '.join(_SET_VERDICTS)}")
    if world.find_node(str(body["set"]), "set") is None:
        raise NotFound("no such set")
    world.change_node(str(body["set"]), metadata_verdict=status)
    return {"success": True}


def _script_picture(world: World, request: Request, body: Body) -> dict[str, Any]:
    """What becomes of pictures whose address fits a glob, those of items that are there and of later ones."""
    only(body, ("url", "outcome"))
    pattern, outcome = str(body["url"]), str(body["outcome"])
    if outcome not in _OUTCOMES:
        raise BadRequest(f"outcome must be one of {', '.join(_OUTCOMES)}")
    if outcome == "ok":
        world.db.execute("DELETE FROM image_rules WHERE pattern = ?", (pattern,))
    else:
        world.db.execute("INSERT OR REPLACE INTO image_rules VALUES (?, ?)", (pattern, outcome))
    changed = []
    for row in world.db.execute("SELECT * FROM items"):
        item: Item = item_store.node_of_row(row).doc["item"]
        if fnmatchcase(item_store.picture(item) or "", pattern):
            item.fields.pop("_image_failure", None)
            if outcome != "ok":
                item.fields["_image_failure"] = outcome
            changed.append((json.dumps(item.fields), item.id))
    world.db.executemany("UPDATE items SET doc = ? WHERE id = ?", changed)
    return {"items": len(changed)}


def _add_diagnostic(world: World, request: Request, body: Body) -> dict[str, Any]:
    """A group that the diagnostics of a catalog show besides those that its items give rise to."""
    only(body, ("catalog", "group"))
    catalog, group = str(body["catalog"]), body["group"]
    if world.find_node(catalog, "catalog") is None:
        raise NotFound("no such catalog")
    if not isinstance(group, dict) or group.get("type") not in diagnostics.TYPES:
        raise BadRequest(f"group.type must be one of {', '.join(diagnostics.TYPES)}")
    row = one(world.db, "SELECT COUNT(*) AS n FROM catalog_notes WHERE catalog = ?", catalog)
    assert row is not None
    note = (catalog, "diagnostic", f"{row['n']:09d}", json.dumps(group))
    world.db.execute("INSERT INTO catalog_notes VALUES (?, ?, ?, ?)", note)
    return {"success": True}


def _drop_diagnostics(world: World, request: Request, body: Body) -> dict[str, Any]:
    catalog = str(request.query_params["catalog"])
    world.db.execute("DELETE FROM catalog_notes WHERE catalog = ? AND kind = 'diagnostic'", (catalog,))
    return {"success": True}


def _files(world: World, request: Request, body: Body) -> dict[str, Any]:
    rows = world.db.execute("SELECT name, LENGTH(content) AS size FROM feed_files ORDER BY name")
    return {"files": [{"name": row["name"], "size": row["size"]} for row in rows]}


def _allowed(request: Request, file: feed_store.StoredFile) -> bool:
    if not (file.username or file.password):
        return True
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        name, _, password = base64.b64decode(credentials).decode().partition(":")
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and (name, password) == (file.username or "", file.password or "")


def routes(office: Office) -> list[Route]:
    worlds = office.worlds

    def owner(request: Request) -> World | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return worlds.of_token(token.strip()) if scheme.lower() == "bearer" else None

    async def change(request: Request) -> Response:
        """PUT and DELETE of a file: the body is the file, whatever it is."""
        world = owner(request)
        if world is None:
            return refused(401, "a token of a world is needed: Authorization: Bearer ...")
        content = await request.body()
        name, query = request.path_params["name"], request.query_params
        settle(world)
        with world.transaction():
            if request.method == "DELETE":
                if not feed_store.drop(world, name):
                    raise NotFound("no such file")
                return JSONResponse({"success": True})
            only(query, ("username", "password", "status"))
            doc: dict[str, Any] = {"type": request.headers.get("content-type"), "status": int(query.get("status", 200))}
            doc |= {part: query[part] for part in ("username", "password") if part in query}
            feed_store.put(world, name, content, doc)
        host = request.headers.get("host") or request.url.netloc
        url = f"{request.url.scheme}://{host}{feed_store.PREFIX}{world.id}/{name}"
        return JSONResponse({"url": url}, 201)

    async def serve(request: Request) -> Response:
        """The file, as the seller's server would give it: no token of the sandbox is needed."""
        number = request.path_params["world"].removeprefix("world-")
        world = worlds.by_number.get(int(number)) if number.isdecimal() else None
        file = None if world is None else feed_store.get(world, request.path_params["name"])
        if file is None:
            return refused(404, "no such file")
        if file.status != 200:
            return Response(status_code=file.status)
        if not _allowed(request, file):
            return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="feed"'})
        return Response(file.content, media_type=file.type)

    diagnostic = {"POST": (_add_diagnostic, 201), "DELETE": (_drop_diagnostics, 200)}
    return [
        in_world(office, "/reviews", {"POST": (_review, 200)}),
        in_world(office, "/images", {"POST": (_script_picture, 200)}),
        in_world(office, "/diagnostics", diagnostic),
        in_world(office, "/files", {"GET": (_files, 200)}),
        Route("/files/{name:path}", guarded(change), methods=["PUT", "DELETE"]),
        Route("/files/{world}/{name:path}", guarded(serve), methods=["GET"]),
    ]
