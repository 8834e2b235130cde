"""Comments under Instagram posts: read, answered, hidden, deleted.

Source: engagement.md section 6.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox import params, tags
from gateway.sandbox.commerce.instagram import READ
from gateway.sandbox.commerce.publishing import load_media
from gateway.sandbox.errors import GraphError, invalid
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, Rows, Schema, When, Window, Write, doc_fields
from gateway.sandbox.usage import PAGES
from gateway.sandbox.world import World

LONGEST = 2200


def load_comment(world: World, node_id: str) -> Node | None:
    """A comment belongs to a post, an answer to a comment."""
    doc = world.find_node(node_id, "comment")
    media = None if doc is None else load_media(world, doc["media"])
    return None if doc is None or media is None else Node("IGComment", node_id, doc, media.asset, media.meter)


def add_comment(world: World, media: str, username: str, text: str, parent: str | None = None) -> str:
    comment = world.new_id(tags.COMMENT)
    doc = {"media": media, "username": username, "text": text, "hidden": False}
    world.add_node(comment, "comment", parent or media, doc)
    return comment


def _comments(call: Call, node: Node, given: Params, window: Window) -> Rows:
    found = [load_comment(call.world, doc["id"]) for doc in call.world.nodes_of("comment", node.id)]
    return listed([comment for comment in found if comment is not None], window)


def _own_name(call: Call, media_id: str) -> str:
    media = load_media(call.world, media_id)
    owner = None if media is None else call.world.find_node(media.doc["ig_user"], "ig_user")
    return "" if owner is None else str(owner["username"])


def _message(call: Call) -> str:
    text = params.required_text(call.params, "message")
    if len(text) > LONGEST:
        raise invalid(f"Length of param message must be less than or equal to {LONGEST}")
    return text


def _comment(call: Call, node: Node) -> dict[str, Any]:
    if not node.doc.get("comment_enabled", True):
        raise GraphError(10, "(#10) Comments are turned off for this post.")
    return {"id": add_comment(call.world, node.id, _own_name(call, node.id), _message(call))}


def _reply(call: Call, node: Node) -> dict[str, Any]:
    if node.doc["owner"] != node.doc["media"]:
        raise invalid("Only a comment on the post itself can be answered")
    media: str = node.doc["media"]
    return {"id": add_comment(call.world, media, _own_name(call, media), _message(call), node.id)}


def _hide(call: Call, node: Node) -> dict[str, Any]:
    if "hide" not in call.params:
        raise invalid("The parameter hide is required")
    call.world.change_node(node.id, hidden=params.boolean(call.params, "hide", True))
    return {"success": True}


def _delete(call: Call, node: Node) -> dict[str, Any]:
    for reply in call.world.nodes_of("comment", node.id):
        call.world.drop_node(reply["id"])
    call.world.drop_node(node.id)
    return {"success": True}


def install(schema: Schema) -> None:
    fields = doc_fields("text username hidden") | {
        "timestamp": lambda call, node, given: When(node.doc["created"]),
        "like_count": lambda call, node, given: 0,
        "media": lambda call, node, given: {"id": node.doc["media"]},
    }
    schema.add_type(tags.COMMENT, NodeType("IGComment", load_comment, fields, ("timestamp", "text"), PAGES))
    schema.add(
        Edge("IGMedia", "comments", "IGComment", _comments, scope=READ),
        Write("POST", "IGMedia", "comments", _comment, ("message",), READ),
        Edge("IGComment", "replies", "IGComment", _comments, scope=READ),
        Write("POST", "IGComment", "replies", _reply, ("message",), READ),
        Write("POST", "IGComment", "", _hide, ("hide",), READ),
        Write("DELETE", "IGComment", "", _delete, (), READ),
    )
