"""The Send API: what a Page may write to whom, and when.

Source: engagement.md sections 2.2 to 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.sandbox import conversations, inbox_hooks, item_store, params
from gateway.sandbox.commerce.messaging import SCOPE, need_page_token
from gateway.sandbox.commerce.publishing import load_media
from gateway.sandbox.errors import GraphError, invalid, missing_parameter
from gateway.sandbox.schema import Call, Node, Schema, Write

TYPES = ("RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY")
RETIRED = ("CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE")
ACTIONS = ("TYPING_ON", "TYPING_OFF", "MARK_SEEN", "REACT", "UNREACT")
NOTIFICATIONS = ("REGULAR", "SILENT_PUSH", "NO_PUSH")
ATTACHMENTS = ("image", "audio", "video", "file", "template")
TEMPLATES = ("generic", "button", "media", "receipt", "product")
LONGEST, LONGEST_INSTAGRAM = 2000, 1000
MOST_IMAGES, MOST_REPLIES, MOST_PRODUCTS = 30, 13, 10
PARAMS = (
    "recipient", "messaging_type", "message", "tag", "reply_to", "sender_action", "payload", "notification_type",
    "persona_id", "thread_control", "folder", "suggestion_action",
)  # fmt: skip


def _closed(platform: str) -> GraphError:
    subcode = 2534022 if platform == conversations.INSTAGRAM else 2018278
    return GraphError(10, "(#10) This message is sent outside of allowed window.", subcode)


def _recipient(call: Call, page: str) -> dict[str, Any]:
    given = params.structure(call.params, "recipient")
    if not isinstance(given, dict) or not given:
        raise missing_parameter("recipient")
    if given.get("comment_id"):
        return _commenter(call, page, str(given["comment_id"]))
    found = conversations.person(call.world, page, str(given.get("id") or ""))
    if found is None:
        raise invalid("No matching user found", 2018001)
    if found["blocked"]:
        raise GraphError(551, "(#551) This person isn't available right now.", 1545041)
    return found


def _commenter(call: Call, page: str, comment_id: str) -> dict[str, Any]:
    """Who wrote a comment under a post of this Page's account: one private answer, within a week."""
    world = call.world
    comment = world.find_node(comment_id, "comment")
    media = None if comment is None else load_media(world, comment["media"])
    if comment is None or media is None or media.meter != page:
        raise invalid("Invalid comment_id: no such comment")
    if comment.get("answered_privately"):
        raise invalid("The comment was answered privately before")
    if call.now - comment["created"] > conversations.HUMAN_WINDOW:
        raise _closed(conversations.INSTAGRAM)
    world.change_node(comment_id, answered_privately=True)
    person_id = conversations.add_person(world, page, comment["username"], conversations.INSTAGRAM)
    found = conversations.person(world, page, person_id)
    assert found is not None
    return found | {"by_comment": True}


def _send(call: Call, node: Node) -> dict[str, Any]:
    need_page_token(call)
    given = call.params
    someone = _recipient(call, node.id)
    params.choices(given, "notification_type", NOTIFICATIONS)
    action = params.choices(given, "sender_action", ACTIONS)
    message = params.structure(given, "message")
    if action:
        if message is not None:
            raise invalid("Only one of message and sender_action may be sent")
        return _act(call, node, someone, action[0])
    if not isinstance(message, dict) or not message:
        raise missing_parameter("message")
    doc = _checked(call, node, someone["platform"], message)
    if not someone.get("by_comment"):
        _check_window(call, node, someone)
    reply_to = params.structure(given, "reply_to")
    if reply_to is not None:
        if not isinstance(reply_to, dict) or not _in_thread(call, node.id, someone["id"], str(reply_to.get("mid"))):
            raise invalid("Invalid reply_to: no such message in this conversation")
        doc["reply_to"] = reply_to
    message_id = conversations.answer(call.world, node.id, someone, doc)
    inbox_hooks.answered(call.world, node.id, someone, message_id, doc)
    return {"recipient_id": someone["id"], "message_id": message_id}


def _act(call: Call, node: Node, someone: Mapping[str, Any], action: str) -> dict[str, Any]:
    if action == "MARK_SEEN":
        conversations.mark_seen(call.world, node.id, someone["id"])
    if action in ("REACT", "UNREACT"):
        payload = params.structure(call.params, "payload")
        if not isinstance(payload, dict) or not payload.get("message_id"):
            raise missing_parameter("payload")
        if not _in_thread(call, node.id, someone["id"], str(payload["message_id"])):
            raise invalid("Invalid payload: no such message in this conversation")
    return {"recipient_id": someone["id"]}


def _in_thread(call: Call, page: str, person_id: str, message_id: str) -> bool:
    thread = conversations.thread_with(call.world, page, person_id)
    row = conversations.message(call.world, message_id)
    return thread is not None and row is not None and row["thread"] == thread["id"]


def _check_window(call: Call, node: Node, someone: Mapping[str, Any]) -> None:
    """A day to answer, a week for a human; the person has to have written first."""
    kind = (params.choices(call.params, "messaging_type", TYPES) or ["RESPONSE"])[0]
    tag = params.text(call.params, "tag")
    allowed = conversations.WINDOW
    if kind == "UTILITY":
        raise invalid("Invalid messaging_type: utility messages need an approved template")
    if kind == "MESSAGE_TAG":
        if not tag:
            raise missing_parameter("tag")
        if tag.upper() in RETIRED:
            raise invalid(f"The message tag {tag} is no longer supported")
        if tag.upper() != "HUMAN_AGENT":
            raise invalid(f"Invalid message tag {tag}")
        allowed = conversations.HUMAN_WINDOW
    thread = conversations.thread_with(call.world, node.id, someone["id"])
    last = None if thread is None else thread["last_inbound"]
    if last is None or call.now - last > allowed:
        raise _closed(someone["platform"])


def _checked(call: Call, node: Node, platform: str, message: dict[str, Any]) -> dict[str, Any]:
    kinds = [name for name in ("text", "attachment", "attachments") if message.get(name)]
    if len(kinds) != 1:
        raise invalid("The message must have exactly one of text, attachment and attachments")
    doc: dict[str, Any] = {name: message[name] for name in ("metadata",) if name in message}
    replies = message.get("quick_replies") or []
    if not isinstance(replies, list) or len(replies) > MOST_REPLIES:
        raise invalid(f"The message may have at most {MOST_REPLIES} quick replies")
    if any(not isinstance(reply, dict) or not reply.get("content_type") for reply in replies):
        raise invalid("Every quick reply needs a content_type")
    if kinds == ["text"]:
        return doc | {"text": _text(message["text"], platform)}
    if kinds == ["attachment"]:
        return doc | {"attachments": [_attachment(call, node, message["attachment"])]}
    images = message["attachments"]
    if not isinstance(images, list) or len(images) > MOST_IMAGES:
        raise invalid(f"The message may have at most {MOST_IMAGES} attachments")
    if any(not isinstance(one, dict) or one.get("type") != "image" for one in images):
        raise invalid("Several attachments in one message must all be images")
    return doc | {"attachments": [_attachment(call, node, one) for one in images]}


def _text(value: Any, platform: str) -> str:
    text = str(value)
    if platform == conversations.INSTAGRAM and len(text.encode()) > LONGEST_INSTAGRAM:
        raise invalid(f"Length of param message[text] must be less than or equal to {LONGEST_INSTAGRAM} bytes")
    if len(text) > LONGEST:
        raise invalid(f"Length of param message[text] must be less than or equal to {LONGEST}")
    return text


def _attachment(call: Call, node: Node, given: Any) -> dict[str, Any]:
    """The attachment as a reader of the conversation sees it."""
    kind = given.get("type") if isinstance(given, dict) else None
    payload = given.get("payload") if isinstance(given, dict) else None
    if kind not in ATTACHMENTS:
        raise invalid(f"The attachment type must be one of {', '.join(ATTACHMENTS)}")
    if not isinstance(payload, dict):
        raise invalid("The attachment needs a payload")
    attachment_id = call.world.new_id(conversations.ATTACHMENT)
    if kind == "template":
        return {"id": attachment_id, "generic_template": _template(call, node, payload)}
    saved = call.world.find_node(str(payload.get("attachment_id") or ""), "attachment")
    url = saved["url"] if saved is not None and saved["owner"] == node.id else payload.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise invalid("The attachment payload needs a url or an attachment_id")
    shown = {"id": attachment_id, "mime_type": f"{kind}/*", "name": url.rsplit("/", 1)[-1]}
    return shown | ({"image_data": {"url": url}} if kind == "image" else {"file_url": url})


def _template(call: Call, node: Node, payload: dict[str, Any]) -> dict[str, Any]:
    kind = payload.get("template_type")
    if kind not in TEMPLATES:
        raise invalid(f"The template type must be one of {', '.join(TEMPLATES)}")
    if kind != "product":
        return {"title": str(payload.get("text") or kind)}
    elements = payload.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= MOST_PRODUCTS:
        raise invalid(f"A product template has 1 to {MOST_PRODUCTS} elements")
    account = call.world.find_node(node.doc["account"], "account")
    for element in elements:
        item_id = str(element.get("id") or "") if isinstance(element, dict) else ""
        item = item_store.by_id(call.world, item_id)
        if item is None or account is None or item.catalog != account["catalog"]:
            raise invalid(f"Product {item_id} is not in a catalog connected to the Page")
    return {"title": "product", "elements": elements}


def _save_attachment(call: Call, node: Node) -> dict[str, Any]:
    """An upload that later messages can name by its id."""
    need_page_token(call)
    message = params.structure(call.params, "message")
    given = message.get("attachment") if isinstance(message, dict) else None
    payload = given.get("payload") if isinstance(given, dict) else None
    url = payload.get("url") if isinstance(payload, dict) else None
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise missing_parameter("message")
    attachment_id = call.world.new_id(conversations.ATTACHMENT)
    call.world.add_node(attachment_id, "attachment", node.id, {"url": url})
    return {"attachment_id": attachment_id}


def install(schema: Schema) -> None:
    schema.add(
        Write("POST", "Page", "messages", _send, PARAMS, SCOPE),
        Write("POST", "Page", "message_attachments", _save_attachment, ("message", "platform"), SCOPE),
    )
