"""Conversations of a Page with its buyers, and the messages in them.

Source: engagement.md sections 2.1 and 2.6.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.sandbox import conversations, params, tokens
from gateway.sandbox.clock import iso_node
from gateway.sandbox.errors import GraphError, invalid
from gateway.sandbox.paging import keyset
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, PlainEdge, Reader, Rows, Schema, When, Window, Write
from gateway.sandbox.storage import one
from gateway.sandbox.usage import PAGES
from gateway.sandbox.world import World

SCOPE = "pages_manage_metadata"
"""Of the three permissions that messaging takes, the one every shop grants here."""
THREAD, MESSAGE, PROFILE = "UnifiedThread", "UnifiedMessage", "Profile"
FOLDERS = ("inbox", "page_done", "other", "spam", "pending")
SOURCES = ("ALL", "PARTICIPANTS")
MODERATION = "BAN_USER BLOCK_USER MOVE_TO_SPAM UNBAN_USER UNBLOCK_USER".split()
PROFILE_KEYS = "get_started ice_breakers persistent_menu commands whitelisted_domains account_linking_url".split()


def need_page_token(call: Call) -> None:
    """Messaging is done as the Page, never as a person or a system user.

    Raises:
        GraphError: the token is no Page token.
    """
    if call.token.kind != tokens.PAGE:
        raise GraphError(210, "(#210) A page access token is required to request this resource.")


def load_thread(world: World, node_id: str) -> Node | None:
    row = conversations.thread(world, node_id)
    return None if row is None else Node(THREAD, row["id"], dict(row), row["page"], row["page"])


def load_message(world: World, node_id: str) -> Node | None:
    row = conversations.message(world, node_id)
    thread = None if row is None else conversations.thread(world, row["thread"])
    if row is None or thread is None:
        return None
    doc = json.loads(row["doc"]) | {name: row[name] for name in ("thread", "at", "sender")}
    doc |= {"page": thread["page"], "person": thread["person"], "old": conversations.is_old(world, row)}
    return Node(MESSAGE, row["id"], doc, thread["page"], thread["page"])


def _load_person(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "person")
    return None if doc is None else Node(PROFILE, node_id, doc, doc["owner"], doc["owner"])


def _threads(call: Call, node: Node, given: Params, window: Window) -> Rows:
    need_page_token(call)
    platform = (params.choices(given, "platform", conversations.PLATFORMS) or [conversations.MESSENGER])[0]
    folder = (params.choices(given, "folder", FOLDERS) or ["inbox"])[0]
    where, values = ["page = ?", "platform = ?"], [node.id, platform]
    user_id = params.text(given, "user_id")
    if user_id:
        where.append("person = ?")
        values.append(user_id)
    if folder != "inbox":
        where.append("0")

    def total() -> int:
        row = one(call.world.db, f"SELECT COUNT(*) AS n FROM threads WHERE {' AND '.join(where)}", *values)
        assert row is not None
        return int(row["n"])

    def build(row: Any) -> tuple[list[Any], Node]:
        return [row["updated"], row["id"]], Node(THREAD, row["id"], dict(row), row["page"], row["page"])

    order = [("updated", False), ("id", False)]
    return Rows(keyset(call.world, "SELECT * FROM threads", where, values, order, window, build), total)


def _messages(call: Call, node: Node, given: Params, window: Window) -> Rows:
    """Newest first."""
    need_page_token(call)
    params.choices(given, "source", SOURCES)

    def build(row: Any) -> tuple[list[Any], Node]:
        found = load_message(call.world, row["id"])
        assert found is not None
        return [row["at"], row["id"]], found

    rows = keyset(
        call.world,
        "SELECT * FROM thread_messages",
        ["thread = ?"],
        [node.id],
        [("at", False), ("id", False)],
        window,
        build,
    )
    return Rows(rows, lambda: conversations.count(call.world, node.id))


def _party(call: Call, node_id: str) -> dict[str, Any]:
    found = call.world.find_node(node_id, "person")
    if found is None:
        page = call.world.find_node(node_id, "page")
        return {"name": "" if page is None else page["name"], "id": node_id}
    if found["platform"] == conversations.INSTAGRAM:
        return {"username": _username(found["name"]), "id": node_id}
    return {"name": found["name"], "email": f"{node_id}@facebook.com", "id": node_id}


def _username(name: str) -> str:
    return name.lower().replace(" ", ".")


def _participants(call: Call, node: Node, given: Params) -> dict[str, Any]:
    return {"data": [_party(call, node.doc["person"]), _party(call, node.doc["page"])]}


def _can_reply(call: Call, node: Node, given: Params) -> bool:
    last = node.doc["last_inbound"]
    return last is not None and call.now - last <= conversations.WINDOW


def _snippet(call: Call, node: Node, given: Params) -> str | None:
    sql = "SELECT doc FROM thread_messages WHERE thread = ? ORDER BY at DESC, id DESC LIMIT 1"
    row = one(call.world.db, sql, node.id)
    return None if row is None else json.loads(row["doc"]).get("text")


def _messenger_only(read: Reader) -> Reader:
    """Instagram's threads carry far fewer fields."""

    def reader(call: Call, node: Node, given: Params) -> Any:
        return None if node.doc["platform"] == conversations.INSTAGRAM else read(call, node, given)

    return reader


def _detail(read: Any) -> Reader:
    """Of old messages only id and time are left: others are an error when asked for, and missing in a list."""

    def reader(call: Call, node: Node, given: Params) -> Any:
        if not node.doc["old"]:
            return read(call, node)
        if call.path.strip("/").split("/")[0] == node.id:
            raise invalid("This message has been deleted or can no longer be read")
        return None

    return reader


def _to(call: Call, node: Node) -> dict[str, Any]:
    other = node.doc["person"] if node.doc["sender"] == node.doc["page"] else node.doc["page"]
    return {"data": [_party(call, other)]}


def _attachments(call: Call, node: Node) -> dict[str, Any] | None:
    rows = node.doc.get("attachments") or []
    return {"data": rows} if rows else None


def _moderate(call: Call, node: Node) -> dict[str, Any]:
    need_page_token(call)
    people = params.structure(call.params, "user_ids")
    actions = params.choices(call.params, "actions", MODERATION)
    if not isinstance(people, list) or not people or not actions:
        raise invalid("The parameters user_ids and actions are required")
    named = [str(one.get("id") if isinstance(one, dict) else one) for one in people]
    for person_id in named:
        if conversations.person(call.world, node.id, person_id) is None:
            raise invalid("No matching user found", 2018001)
    for action in actions:
        if action in ("BAN_USER", "BLOCK_USER", "UNBAN_USER", "UNBLOCK_USER"):
            for person_id in named:
                call.world.change_node(person_id, blocked=not action.startswith("UN"))
    return {"success": True}


def _profile(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    need_page_token(call)
    wanted = params.words(given, "fields")
    kept = node.doc.get("messenger_profile") or {}
    return [{name: value for name, value in kept.items() if not wanted or name in wanted}] if kept else []


def _set_profile(call: Call, node: Node) -> dict[str, Any]:
    need_page_token(call)
    sent = {name: params.structure(call.params, name) for name in PROFILE_KEYS if name in call.params}
    if not sent:
        raise invalid(f"Requires one of the params: {','.join(PROFILE_KEYS)}")
    call.world.change_node(node.id, messenger_profile=(node.doc.get("messenger_profile") or {}) | sent)
    return {"result": "success"}


def _clear_profile(call: Call, node: Node) -> dict[str, Any]:
    need_page_token(call)
    gone = params.words(call.params, "fields")
    kept = node.doc.get("messenger_profile") or {}
    call.world.change_node(node.id, messenger_profile={k: v for k, v in kept.items() if k not in gone})
    return {"result": "success"}


def install(schema: Schema) -> None:
    thread_fields: dict[str, Reader] = {
        "updated_time": lambda call, node, given: iso_node(node.doc["updated"]),
        "participants": _participants,
        "senders": _messenger_only(_participants),
        "can_reply": _messenger_only(_can_reply),
        "snippet": _messenger_only(_snippet),
        "message_count": _messenger_only(lambda call, node, given: conversations.count(call.world, node.id)),
        "unread_count": _messenger_only(lambda call, node, given: node.doc["unread"]),
        "folder": _messenger_only(lambda call, node, given: "inbox"),
        "is_subscribed": _messenger_only(lambda call, node, given: True),
        "scoped_thread_key": _messenger_only(lambda call, node, given: f"t_{node.id}"),
        "link": _messenger_only(lambda call, node, given: f"/{node.asset}/inbox/{node.id}/"),
    }
    message_fields: dict[str, Reader] = {
        "created_time": lambda call, node, given: When(node.doc["at"]),
        "from": _detail(lambda call, node: _party(call, node.doc["sender"])),
        "to": _detail(_to),
        "message": _detail(lambda call, node: node.doc.get("text")),
        "attachments": _detail(_attachments),
        "shares": _detail(lambda call, node: None),
        "reactions": _detail(lambda call, node: None),
        "is_unsupported": _detail(lambda call, node: False),
    }
    person_fields: dict[str, Reader] = {
        "name": lambda call, node, given: node.doc["name"],
        "first_name": lambda call, node, given: node.doc["name"].split(" ")[0],
        "last_name": lambda call, node, given: node.doc["name"].partition(" ")[2] or None,
        "username": lambda call, node, given: _username(node.doc["name"]),
        "profile_pic": lambda call, node, given: f"https://cdn.example/people/{node.id}.jpg",
    }
    schema.add_type(conversations.THREAD, NodeType(THREAD, load_thread, thread_fields, ("updated_time",), PAGES, SCOPE))
    schema.add_type(
        conversations.MESSAGE, NodeType(MESSAGE, load_message, message_fields, ("created_time",), PAGES, SCOPE)
    )
    schema.add_type(
        conversations.PERSON, NodeType(PROFILE, _load_person, person_fields, ("first_name", "last_name"), PAGES)
    )
    for edge in ("conversations", "threads"):
        filters = ("platform", "user_id", "folder", "tags")
        schema.add(Edge("Page", edge, THREAD, _threads, filters, scope=SCOPE))
    schema.add(
        Edge(THREAD, "messages", MESSAGE, _messages, ("source",), scope=SCOPE),
        Write("POST", "Page", "moderate_conversations", _moderate, ("user_ids", "actions"), SCOPE),
        PlainEdge("Page", "messenger_profile", _profile, ("platform",), SCOPE),
        Write("POST", "Page", "messenger_profile", _set_profile, (*PROFILE_KEYS, "platform"), SCOPE),
        Write("DELETE", "Page", "messenger_profile", _clear_profile, ("platform",), SCOPE),
    )
