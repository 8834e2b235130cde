"""Posts on Instagram: a container is made, Meta fetches what it names, then it is published.

Source: engagement.md section 4.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from gateway.sandbox import params, tags
from gateway.sandbox.commerce.instagram import PUBLISH, READ, load_ig_user
from gateway.sandbox.errors import GraphError, invalid, missing_parameter
from gateway.sandbox.paging import keyset
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, PlainEdge, Rows, Schema, When, Window, Write, doc_fields
from gateway.sandbox.storage import one
from gateway.sandbox.usage import PAGES
from gateway.sandbox.world import World

LIFE = 86_400
READY_AFTER = {tags.IMAGE: 5.0, tags.VIDEO: 60.0, tags.REELS: 60.0, tags.CAROUSEL: 5.0}
MOST_CHILDREN = 10
MOST_CAPTION = 2200
PARAMS = (
    "image_url video_url media_type caption location_id collaborators alt_text user_tags thumb_offset cover_url "
    "share_to_feed audio_name trial_params is_carousel_item children product_tags"
).split()


def _problem(code: int, subcode: int, message: str) -> GraphError:
    return GraphError(code, message, subcode, transient=False, user_message=message)


def load_container(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "container")
    owner = None if doc is None else load_ig_user(world, doc["owner"])
    return (
        None if doc is None or owner is None else Node("ShadowIGMediaBuilder", node_id, doc, owner.asset, owner.meter)
    )


def load_media(world: World, node_id: str) -> Node | None:
    row = one(world.db, "SELECT * FROM media WHERE id = ?", node_id)
    owner = None if row is None else load_ig_user(world, row["account"])
    if row is None or owner is None:
        return None
    doc = json.loads(row["doc"]) | {"ig_user": row["account"], "at": row["at"], "account": owner.doc["account"]}
    return Node("IGMedia", node_id, doc, owner.asset, owner.meter)


def save_media(world: World, media_id: str, **changes: Any) -> None:
    row = one(world.db, "SELECT doc FROM media WHERE id = ?", media_id)
    assert row is not None
    doc = json.loads(row["doc"]) | changes
    world.db.execute("UPDATE media SET doc = ? WHERE id = ?", (json.dumps(doc), media_id))


def _kind(given: Params, item: bool) -> str:
    chosen = params.choices(given, "media_type", (tags.VIDEO, tags.REELS, tags.CAROUSEL, tags.IMAGE, "STORIES"))
    kind = chosen[0] if chosen else tags.VIDEO if params.given(given, "video_url") else tags.IMAGE
    if kind == "STORIES":
        kind = tags.IMAGE if params.given(given, "image_url") else tags.VIDEO
        if params.given(given, "product_tags"):
            raise tags.refused("Products cannot be tagged in a story.")
    if kind == tags.VIDEO and not item:
        raise invalid("The media_type VIDEO is for items of a carousel; use REELS")
    return kind


def _create(call: Call, node: Node) -> dict[str, Any]:
    given = call.params
    item = params.boolean(given, "is_carousel_item", False)
    kind = _kind(given, item)
    doc: dict[str, Any] = {"media_type": kind, "is_carousel_item": item}
    doc["caption"] = params.text(given, "caption")
    if len(doc["caption"] or "") > MOST_CAPTION:
        raise _problem(36004, 2207010, "The caption is too long.")
    if kind == tags.CAROUSEL:
        doc["children"] = _children(call, node)
    else:
        name = "image_url" if kind == tags.IMAGE else "video_url"
        doc["url"] = _url(given, name)
    rows = params.structure(given, "product_tags")
    if rows is not None:
        if not node.doc["eligible"]:
            raise GraphError(10, "(#10) This account is not eligible to tag products.")
        if kind == tags.CAROUSEL:
            raise tags.refused("Products are tagged on the items of a carousel.")
        catalog = tags.catalog_of(call.world, node.doc)
        doc["product_tags"] = tags.read_tags(call.world, catalog, rows, kind, slide=item)
    container = call.world.new_id(tags.CONTAINER)
    call.world.add_node(container, "container", node.id, doc)
    return {"id": container}


def _url(given: Params, name: str) -> str:
    url = params.required_text(given, name)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.netloc.endswith(".invalid"):
        raise _problem(9004, 2207052, "The media could not be fetched from this URI.")
    return url


def _children(call: Call, node: Node) -> list[str]:
    children = params.words(call.params, "children")
    if not 2 <= len(children) <= MOST_CHILDREN:
        raise invalid(f"A carousel has 2 to {MOST_CHILDREN} children")
    total = 0
    for child in children:
        doc = call.world.find_node(child, "container")
        if doc is None or doc["owner"] != node.id or not doc["is_carousel_item"]:
            raise invalid(f"Invalid carousel item {child}")
        total += len(doc.get("product_tags") or [])
    if total > tags.MOST[tags.CAROUSEL]:
        raise tags.refused(f"At most {tags.MOST[tags.CAROUSEL]} products can be tagged in a carousel.")
    return children


def _status(world: World, doc: dict[str, Any], now: float) -> str:
    if doc.get("published"):
        return "PUBLISHED"
    if now - doc["created"] > LIFE:
        return "EXPIRED"
    return "FINISHED" if now - doc["created"] >= READY_AFTER[doc["media_type"]] else "IN_PROGRESS"


def _status_code(call: Call, node: Node, given: Params) -> str:
    return _status(call.world, dict(node.doc), call.now)


def _status_text(call: Call, node: Node, given: Params) -> str:
    code = _status_code(call, node, given)
    text = {"FINISHED": "Media has been uploaded and it is ready to be published."}.get(code, "")
    return f"{code.capitalize().replace('_', ' ')}: {text}".rstrip(": ")


def _used(call: Call, node: Node, tagged: bool) -> int:
    sql = "SELECT COUNT(*) FROM media WHERE account = ? AND at > ? AND tagged >= ?"
    since = call.now - tags.QUOTA_SECONDS
    return int(call.world.db.execute(sql, (node.id, since, int(tagged))).fetchone()[0])


def _publish(call: Call, node: Node) -> dict[str, Any]:
    creation_id = params.required_text(call.params, "creation_id")
    doc = call.world.find_node(creation_id, "container")
    if doc is None or doc["owner"] != node.id or _status(call.world, doc, call.now) in ("EXPIRED", "PUBLISHED"):
        raise _problem(24, 2207006, "The requested resource does not exist.")
    if doc["is_carousel_item"]:
        raise invalid("An item of a carousel cannot be published alone")
    if _status(call.world, doc, call.now) == "IN_PROGRESS":
        raise _problem(9007, 2207027, "The media is not ready for publishing, please wait for a moment.")
    slides = [call.world.find_node(child, "container") or {} for child in doc.get("children") or []]
    tagged = bool(doc.get("product_tags")) or any(slide.get("product_tags") for slide in slides)
    if _used(call, node, False) >= tags.POSTS or (tagged and _used(call, node, True) >= tags.TAGGED_POSTS):
        raise _problem(9, 2207042, "The maximum number of posts that can be published has been reached.")
    media_id = call.world.new_id(tags.MEDIA)
    kept = {name: doc.get(name) for name in ("media_type", "caption", "url")}
    kept["product_tags"] = doc.get("product_tags") or []
    kept["children"] = [
        {name: slide.get(name) for name in ("media_type", "url")} | {"product_tags": slide.get("product_tags") or []}
        for slide in slides
    ]
    call.world.db.execute(
        "INSERT INTO media VALUES (?, ?, ?, ?, ?)", (media_id, node.id, call.now, tagged, json.dumps(kept))
    )
    call.world.change_node(creation_id, published=media_id)
    return {"id": media_id}


def _limit(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    config = {"quota_total": tags.POSTS, "quota_duration": tags.QUOTA_SECONDS}
    return [{"quota_usage": _used(call, node, False), "config": config}]


def _media(call: Call, node: Node, given: Params, window: Window) -> Rows:
    """Newest first."""

    def build(row: Any) -> tuple[list[Any], Node]:
        found = load_media(call.world, row["id"])
        assert found is not None
        return [row["at"], row["id"]], found

    def total() -> int:
        return int(call.world.db.execute("SELECT COUNT(*) FROM media WHERE account = ?", (node.id,)).fetchone()[0])

    order = [("at", False), ("id", False)]
    rows = keyset(call.world, "SELECT * FROM media", ["account = ?"], [node.id], order, window, build)
    return Rows(rows, total)


def _tags(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    rows = [*node.doc["product_tags"], *(tag for child in node.doc["children"] for tag in child["product_tags"])]
    return [tags.shown(call.world, tag, node.doc["account"]) for tag in rows]


def _tag(call: Call, node: Node) -> dict[str, Any]:
    rows = params.structure(call.params, "updated_tags")
    if rows is None:
        raise missing_parameter("updated_tags")
    owner = load_ig_user(call.world, node.doc["ig_user"])
    assert owner is not None
    catalog, children = tags.catalog_of(call.world, owner.doc), list(node.doc["children"])
    if node.doc["media_type"] != tags.CAROUSEL:
        kind = node.doc["media_type"]
        new = tags.read_tags(call.world, catalog, rows, kind)
        save_media(call.world, node.id, product_tags=tags.merged(node.doc["product_tags"], new, tags.MOST[kind]))
    else:
        index = params.integer(call.params, "child_index")
        if index is None or not 0 <= index < len(children):
            raise invalid("Param child_index must name an item of the carousel")
        child = dict(children[index])
        new = tags.read_tags(call.world, catalog, rows, child["media_type"], slide=True)
        child["product_tags"] = tags.merged(child["product_tags"], new, tags.MOST_ON_SLIDE)
        children[index] = child
        if sum(len(one["product_tags"]) for one in children) > tags.MOST[tags.CAROUSEL]:
            raise tags.refused(f"At most {tags.MOST[tags.CAROUSEL]} products can be tagged in a carousel.")
        save_media(call.world, node.id, children=children)
    call.world.db.execute("UPDATE media SET tagged = 1 WHERE id = ?", (node.id,))
    return {"success": True}


def _update(call: Call, node: Node) -> dict[str, Any]:
    if "comment_enabled" not in call.params:
        raise missing_parameter("comment_enabled")
    save_media(call.world, node.id, comment_enabled=params.boolean(call.params, "comment_enabled", True))
    return {"success": True}


def _delete(call: Call, node: Node) -> dict[str, Any]:
    call.world.db.execute("DELETE FROM media WHERE id = ?", (node.id,))
    return {"success": True}


def install(schema: Schema) -> None:
    builder = {"status_code": _status_code, "status": _status_text}
    schema.add_type(tags.CONTAINER, NodeType("ShadowIGMediaBuilder", load_container, builder, (), PAGES))
    media_fields = doc_fields("caption") | {
        "media_type": lambda call, node, given: _media_type(node),
        "media_product_type": lambda call, node, given: "REELS" if node.doc["media_type"] == tags.REELS else "FEED",
        "media_url": lambda call, node, given: node.doc["url"],
        "permalink": lambda call, node, given: f"https://www.instagram.com/p/{node.id}/",
        "timestamp": lambda call, node, given: When(node.doc["at"]),
        "is_comment_enabled": lambda call, node, given: node.doc.get("comment_enabled", True),
        "like_count": lambda call, node, given: 0,
        "comments_count": lambda call, node, given: len(call.world.nodes_of("comment", node.id)),
    }
    schema.add_type(tags.MEDIA, NodeType("IGMedia", load_media, media_fields, (), PAGES))
    schema.add(
        Edge("IGUser", "media", "IGMedia", _media, scope=READ),
        Write("POST", "IGUser", "media", _create, tuple(PARAMS), PUBLISH),
        Write("POST", "IGUser", "media_publish", _publish, ("creation_id",), PUBLISH),
        PlainEdge("IGUser", "content_publishing_limit", _limit, ("since",), READ),
        PlainEdge("IGMedia", "product_tags", _tags, scope=PUBLISH),
        Write("POST", "IGMedia", "product_tags", _tag, ("updated_tags", "child_index"), PUBLISH),
        Write("POST", "IGMedia", "", _update, ("comment_enabled",), READ),
        Write("DELETE", "IGMedia", "", _delete, (), READ),
    )


def _media_type(node: Node) -> str:
    kind = str(node.doc["media_type"])
    return {tags.REELS: tags.VIDEO, tags.CAROUSEL: "CAROUSEL_ALBUM"}.get(kind, kind)
