"""Buyers who write: what a shop may answer, when, and who is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld, new_item
from tests.sandbox.test_webhooks import Receiver, flush, receiver, subscribe

__all__ = ["receiver"]
HOUR = 3600
RETIRED = ("CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE")


async def written(world: SandboxWorld, text: str = "Do you ship to Galway?", **options: Any) -> dict[str, str]:
    body = {"shop": world.cms, "text": text} | options
    made: dict[str, str] = await world.control("POST", "messages", json=body)
    return made


def page_of(world: SandboxWorld) -> tuple[str, str]:
    return world.shop["pageId"], world.shop["accessToken"]


async def sent(world: SandboxWorld, person: str, **body: Any) -> Any:
    page, token = page_of(world)
    message = {"message": {"text": "Yes, two days."}} if "sender_action" not in body else {}
    return await world.post(f"{page}/messages", token, recipient={"id": person}, **message | body)


async def not_sent(world: SandboxWorld, person: str, **body: Any) -> dict[str, Any]:
    page, token = page_of(world)
    whole = {"recipient": {"id": person}, "message": {"text": "Hello again."}} | body
    return await world.refused("POST", f"{page}/messages", token, json=whole)


async def test_an_answer_within_a_day_reaches_the_buyer(sandbox_world: SandboxWorld) -> None:
    page, token = page_of(sandbox_world)
    got = await written(sandbox_world)

    answer = await sent(sandbox_world, got["person"], messaging_type="RESPONSE")
    rows = (await sandbox_world.get(f"{got['conversation']}/messages", token, fields="message,from,to"))["data"]

    assert answer["recipient_id"] == got["person"]
    assert [row["id"] for row in rows] == [answer["message_id"], got["message"]]
    assert rows[0]["message"] == "Yes, two days."
    assert rows[0]["from"]["id"] == page
    assert rows[0]["to"]["data"][0] == {
        "name": "Nora Quinn",
        "email": f"{got['person']}@facebook.com",
        "id": got["person"],
    }


async def test_me_is_the_page_and_parameters_may_be_form_fields(sandbox_world: SandboxWorld) -> None:
    token = sandbox_world.shop["accessToken"]
    got = await written(sandbox_world)
    form = {"recipient": f'{{"id": "{got["person"]}"}}', "message": '{"text": "Here."}'}

    answer = await sandbox_world.send("POST", "me/messages", token, data=form)

    assert answer.json()["recipient_id"] == got["person"]


async def test_after_a_day_only_a_human_may_answer_and_after_a_week_nobody(sandbox_world: SandboxWorld) -> None:
    person = (await written(sandbox_world))["person"]
    await sandbox_world.advance(24 * HOUR + 1)
    closed = await not_sent(sandbox_world, person)
    await sent(sandbox_world, person, messaging_type="MESSAGE_TAG", tag="HUMAN_AGENT")
    await sandbox_world.advance(6 * 24 * HOUR)
    late = await not_sent(sandbox_world, person, messaging_type="MESSAGE_TAG", tag="HUMAN_AGENT")
    await written(sandbox_world, "Still there?", person=person)

    assert (closed["status"], closed["code"], closed["error_subcode"]) == (403, 10, 2018278)
    assert closed["message"] == "(#10) This message is sent outside of allowed window."
    assert late["error_subcode"] == 2018278
    assert (await sent(sandbox_world, person))["recipient_id"] == person


async def test_instagram_has_its_own_code_for_a_closed_window(sandbox_world: SandboxWorld) -> None:
    page, token = page_of(sandbox_world)
    got = await written(sandbox_world, platform="instagram")
    await sandbox_world.advance(25 * HOUR)

    error = await not_sent(sandbox_world, got["person"])
    listed = await sandbox_world.get(f"{page}/conversations", token, platform="instagram", fields="participants")
    too_long = await not_sent(sandbox_world, got["person"], message={"text": "é" * 501})

    assert (error["code"], error["error_subcode"]) == (10, 2534022)
    assert listed["data"][0]["participants"]["data"][0] == {"username": "nora.quinn", "id": got["person"]}
    assert too_long["code"] == 100


@pytest.mark.parametrize("tag", RETIRED)
async def test_retired_tags_are_refused_even_inside_the_window(sandbox_world: SandboxWorld, tag: str) -> None:
    person = (await written(sandbox_world))["person"]

    error = await not_sent(sandbox_world, person, messaging_type="MESSAGE_TAG", tag=tag)

    assert error["code"] == 100


async def test_strangers_blockers_and_other_pages_visitors_cannot_be_written_to(sandbox_world: SandboxWorld) -> None:
    other = await sandbox_world.control(
        "POST", "messages", json={"shop": sandbox_world.card["shops"][1]["metaId"], "text": "Hello"}
    )
    person = (await written(sandbox_world))["person"]
    await sandbox_world.control("POST", f"people/{person}", json={"blocked": True})

    assert (await not_sent(sandbox_world, "123"))["error_subcode"] == 2018001
    assert (await not_sent(sandbox_world, other["person"]))["error_subcode"] == 2018001
    assert (await not_sent(sandbox_world, person))["code"] == 551


async def test_messaging_takes_a_page_token(sandbox_world: SandboxWorld) -> None:
    page, _ = page_of(sandbox_world)
    person = (await written(sandbox_world))["person"]

    error = await sandbox_world.refused(
        "POST", f"{page}/messages", json={"recipient": {"id": person}, "message": {"text": "Hi"}}
    )

    assert error["code"] == 210


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"text": "x" * 2001},
        {"text": "x", "attachment": {"type": "image", "payload": {"url": "https://cdn.example/i.jpg"}}},
        {"text": "x", "quick_replies": [{"content_type": "text"}] * 14},
        {"attachment": {"type": "hologram", "payload": {"url": "https://cdn.example/i"}}},
        {"attachment": {"type": "image", "payload": {}}},
        {"attachments": [{"type": "video", "payload": {"url": "https://cdn.example/v.mp4"}}] * 2},
        {"attachments": [{"type": "image", "payload": {"url": "https://cdn.example/i.jpg"}}] * 31},
        {"attachment": {"type": "template", "payload": {"template_type": "product", "elements": [{"id": "1"}]}}},
    ],
)
async def test_a_message_is_one_thing_within_its_limits(sandbox_world: SandboxWorld, message: dict[str, Any]) -> None:
    person = (await written(sandbox_world))["person"]

    assert (await not_sent(sandbox_world, person, message=message))["code"] == 100


async def test_products_of_the_shop_and_saved_pictures_can_be_sent(sandbox_world: SandboxWorld) -> None:
    page, token = page_of(sandbox_world)
    await sandbox_world.write_items(new_item("mug"))
    await sandbox_world.advance(200)
    item = (await sandbox_world.items())["mug"]["metaId"]
    got = await written(sandbox_world)
    payload = {"template_type": "product", "elements": [{"id": item}]}
    picture = {"attachment": {"type": "image", "payload": {"url": "https://cdn.example/i.jpg", "is_reusable": True}}}

    saved = await sandbox_world.post(f"{page}/message_attachments", token, message=picture)
    await sent(sandbox_world, got["person"], message={"attachment": {"type": "template", "payload": payload}})
    reuse = {"attachment": {"type": "image", "payload": saved}}
    last = await sent(sandbox_world, got["person"], message=reuse, reply_to={"mid": got["message"]})

    shown = await sandbox_world.get(last["message_id"], token, fields="attachments")
    assert shown["attachments"]["data"][0]["image_data"]["url"] == "https://cdn.example/i.jpg"


async def test_sender_actions_answer_with_the_recipient_alone(sandbox_world: SandboxWorld) -> None:
    page, token = page_of(sandbox_world)
    got = await written(sandbox_world)

    typing = await sent(sandbox_world, got["person"], sender_action="typing_on")
    before = (await sandbox_world.get(got["conversation"], token, fields="unread_count"))["unread_count"]
    await sent(sandbox_world, got["person"], sender_action="mark_seen")
    after = (await sandbox_world.get(got["conversation"], token, fields="unread_count"))["unread_count"]
    react = {"sender_action": "react", "payload": {"message_id": got["message"], "reaction": "love"}}

    assert typing == {"recipient_id": got["person"]}
    assert (before, after) == (1, 0)
    assert await sent(sandbox_world, got["person"], **react) == {"recipient_id": got["person"]}
    assert page


async def test_conversations_come_newest_first_and_by_person(sandbox_world: SandboxWorld) -> None:
    page, token = page_of(sandbox_world)
    first = await written(sandbox_world)
    await sandbox_world.advance(60)
    second = await written(sandbox_world, name="Omar Reyes")

    both = (await sandbox_world.get(f"{page}/conversations", token))["data"]
    one = (await sandbox_world.get(f"{page}/conversations", token, user_id=first["person"]))["data"]
    none = await sandbox_world.get(f"{page}/conversations", token, platform="instagram")

    assert [row["id"] for row in both] == [second["conversation"], first["conversation"]]
    assert both[0]["updated_time"].endswith("+0000")
    assert [row["id"] for row in one] == [first["conversation"]]
    assert none == {"data": []}


async def test_only_the_twenty_newest_messages_can_be_read(sandbox_world: SandboxWorld) -> None:
    _, token = page_of(sandbox_world)
    got = await written(sandbox_world)
    for number in range(20):
        await written(sandbox_world, f"Message {number}", person=got["person"])

    old = await sandbox_world.refused("GET", got["message"], token, params={"fields": "message"})
    path = f"{got['conversation']}/messages"
    rows = (await sandbox_world.get(path, token, fields="message,created_time", limit=100))["data"]

    assert old["code"] == 100
    assert len(rows) == 21
    assert [row["id"] for row in rows if "message" not in row] == [got["message"]]


async def test_a_utility_template_is_approved_after_its_review(sandbox_world: SandboxWorld) -> None:
    page, token = page_of(sandbox_world)
    body = {"name": "order_shipped", "language": "en_US", "category": "UTILITY", "components": [{"type": "BODY"}]}

    made = await sandbox_world.post(f"{page}/message_templates", token, **body)
    early = await sandbox_world.get(f"{page}/message_templates", token, status="APPROVED")
    again = await sandbox_world.refused("POST", f"{page}/message_templates", token, json=body)
    other = await sandbox_world.refused("POST", f"{page}/message_templates", token, json=body | {"category": "SALES"})
    await sandbox_world.advance(900)
    [row] = (await sandbox_world.get(f"{page}/message_templates", token, status="APPROVED"))["data"]

    assert made["status"] == "PENDING"
    assert early == {"data": []}
    assert (again["code"], other["code"]) == (100, 100)
    assert (row["id"], row["status"], row["name"]) == (made["id"], "APPROVED", "order_shipped")


# Webhooks


async def test_messages_echoes_and_deliveries_are_told(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    page, token = page_of(sandbox_world)
    fields = "messages,message_echoes,message_deliveries"
    await subscribe(sandbox_world, receiver, fields=fields.split(","))
    await sandbox_world.post(f"{page}/subscribed_apps", token, subscribed_fields=fields)

    got = await written(sandbox_world, "Is this in stock?", product="42")
    answer = await sent(sandbox_world, got["person"])
    await flush(sandbox_world)

    entries = [entry for told in receiver.events for entry in told["entry"]]
    message, echo, delivery = (entry["messaging"][0] for entry in entries)
    assert {entry["id"] for entry in entries} == {page}
    assert (message["sender"]["id"], message["recipient"]["id"]) == (got["person"], page)
    assert message["message"]["mid"] == got["message"]
    assert message["message"]["referral"] == {"product": {"id": "42"}}
    assert message["timestamp"] > 10**12
    assert (echo["sender"]["id"], echo["message"]["is_echo"]) == (page, True)
    assert delivery["delivery"]["mids"] == [answer["message_id"]]


async def test_a_page_that_subscribed_to_nothing_is_not_told(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    await subscribe(sandbox_world, receiver, fields=["messages"])

    await written(sandbox_world)
    await flush(sandbox_world)

    assert receiver.events == []
