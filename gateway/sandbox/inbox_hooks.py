"""Webhooks of conversations: `entry[].messaging[]` instead of `changes[]`, and times in milliseconds.

Source: engagement.md section 2.5.  Who listens, signatures, delays and retries are those of every webhook.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.sandbox import hooks
from gateway.sandbox.conversations import INSTAGRAM
from gateway.sandbox.messages import dump
from gateway.sandbox.world import World


def received(world: World, page: str, someone: Mapping[str, Any], message_id: str, doc: Mapping[str, Any]) -> None:
    """A person wrote; `product` names the item whose page they wrote from."""
    message: dict[str, Any] = {"mid": message_id}
    message |= {name: doc[name] for name in ("text", "attachments") if name in doc}
    if "product" in doc:
        message["referral"] = {"product": {"id": str(doc["product"])}}
    _tell(world, page, someone, "messages", {"message": message}, inbound=True)


def answered(world: World, page: str, someone: Mapping[str, Any], message_id: str, doc: Mapping[str, Any]) -> None:
    """The Page wrote: an echo, and on Messenger that it was delivered."""
    message = {"mid": message_id, "is_echo": True, "app_id": int(world.settings.app_id)}
    message |= {name: doc[name] for name in ("text", "metadata") if name in doc}
    _tell(world, page, someone, "message_echoes", {"message": message}, inbound=False)
    if someone["platform"] != INSTAGRAM:
        delivery = {"mids": [message_id], "watermark": _milliseconds(world)}
        _tell(world, page, someone, "message_deliveries", {"delivery": delivery}, inbound=True)


def _milliseconds(world: World) -> int:
    return int(world.now() * 1000)


def _tell(
    world: World, page: str, someone: Mapping[str, Any], field: str, what: dict[str, Any], *, inbound: bool
) -> None:
    on_instagram = someone["platform"] == INSTAGRAM
    if on_instagram and field == "message_echoes":
        # Instagram sends echoes under the field that it sends messages under.
        field = "messages"
    kind = "instagram" if on_instagram else "page"
    hook, owner = hooks.subscription(world, kind), world.find_node(page, "page")
    if hook is None or not hook["active"] or owner is None or field not in json.loads(hook["fields"]):
        return
    if not on_instagram and field not in owner.get("subscribed_fields", ()):
        return
    users = world.nodes_of("ig_user", page) if on_instagram else []
    entry_id = users[0]["id"] if users else page
    ends = (someone["id"], entry_id) if inbound else (entry_id, someone["id"])
    item = {"sender": {"id": ends[0]}, "recipient": {"id": ends[1]}, "timestamp": _milliseconds(world)} | what
    at = world.now() + world.hook_rules.delay
    body = dump({"object": kind, "entry": [{"id": entry_id, "time": int(at * 1000), "messaging": [item]}]}).encode()
    sql = "INSERT INTO hook_posts (object, url, body, first, due, tries, answers) VALUES (?, ?, ?, ?, ?, 0, '[]')"
    for _ in range(1 + world.hook_rules.duplicates):
        world.db.execute(sql, (kind, hook["callback_url"], body, at, at))
