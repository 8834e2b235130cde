"""Webhooks: the handshake, the signature, what is told to whom, retries on the virtual clock, trouble on demand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from gateway.sandbox.hooks import GIVEN_UP, RETRIES, loopback, signatures
from tests.sandbox.conftest import SECRET, SandboxWorld, SandboxWorlds
from tests.sandbox.receiver import APP, APP_ID, Receiver, flush, on_app, receiver, subscribe
from tests.sandbox.sdk_desk import Desk, desk

__all__ = ["desk", "receiver"]


async def happen(world: SandboxWorld, *values: Any, name: str = "products") -> int:
    page = world.shop["pageId"]
    events = [{"object": "page", "id": page, "field": name, "value": value} for value in values]
    answer = await world.control("POST", "webhooks/events", json={"events": events})
    sent: int = answer["sent"]
    return sent


async def test_a_callback_proves_itself_before_it_is_kept(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    answer = await subscribe(sandbox_world, receiver)
    listed = await on_app(sandbox_world, "GET")

    [query] = receiver.challenges
    assert answer == {"success": True}
    assert (query["hub.mode"], query["hub.verify_token"]) == (["subscribe"], ["open-sesame"])
    assert listed["data"] == [
        {
            "object": "page",
            "callback_url": receiver.url,
            "active": True,
            "fields": [{"name": "feed", "version": "v25.0"}, {"name": "products", "version": "v25.0"}],
        }
    ]


async def test_a_callback_that_does_not_know_the_token_is_2200(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    answer = await subscribe(sandbox_world, receiver, verify_token="wrong")

    assert answer["error"]["code"] == 2200
    assert "HTTP Status Code = 403; HTTP Message = Forbidden" in answer["error"]["message"]
    assert (await on_app(sandbox_world, "GET"))["data"] == []


@pytest.mark.parametrize(
    "url", ["https://shop.example/hook", "http://10.0.0.1/hook", "ftp://127.0.0.1/x", "//localhost"]
)
async def test_nothing_but_this_machine_is_ever_called(
    sandbox_world: SandboxWorld, receiver: Receiver, url: str
) -> None:
    answer = await subscribe(sandbox_world, receiver, callback_url=url)

    assert not loopback(url)
    assert answer["error"]["code"] == 2200


def test_names_and_addresses_of_this_machine_are_loopback() -> None:
    assert all(map(loopback, ["http://localhost:9/x", "https://127.8.8.8/x", "http://[::1]:80/"]))


async def test_only_the_app_itself_may_subscribe(sandbox_world: SandboxWorld) -> None:
    error = await sandbox_world.refused("GET", f"{APP_ID}/subscriptions")

    assert error["code"] == 15


async def test_a_bare_app_token_has_to_say_which_world(sandbox_worlds: SandboxWorlds) -> None:
    await sandbox_worlds.make()
    world = await sandbox_worlds.make()

    answer = await world.http.get(f"/v25.0/{APP_ID}/subscriptions", params={"access_token": APP})

    assert answer.json()["error"]["code"] == 100
    assert "X-Sandbox-World" in answer.json()["error"]["message"]


async def test_subscriptions_end_field_by_field_or_all_at_once(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    await subscribe(sandbox_world, receiver)
    await subscribe(sandbox_world, receiver, "user")

    await on_app(sandbox_world, "DELETE", object="page", fields="feed")
    [page, _] = (await on_app(sandbox_world, "GET"))["data"]
    await on_app(sandbox_world, "DELETE")

    assert [one["name"] for one in page["fields"]] == ["products"]
    assert (await on_app(sandbox_world, "GET"))["data"] == []


async def test_a_page_lists_the_app_while_it_is_subscribed(sandbox_world: SandboxWorld) -> None:
    token, path = sandbox_world.shop["accessToken"], f"{sandbox_world.shop['pageId']}/subscribed_apps"

    wrong = await sandbox_world.refused("POST", path, token, json={"subscribed_fields": "no_such_field"})
    nothing = await sandbox_world.refused("POST", path, token)
    as_system_user = await sandbox_world.refused("POST", path, json={"subscribed_fields": "feed"})
    await sandbox_world.post(path, token, subscribed_fields=["FEED"])
    [app] = (await sandbox_world.get(path, token))["data"]
    await sandbox_world.send("DELETE", path, token)

    assert (wrong["code"], nothing["code"], as_system_user["code"]) == (100, 100, 210)
    assert (app["id"], app["subscribed_fields"]) == (APP_ID, ["feed"])
    assert (await sandbox_world.get(path, token))["data"] == []


async def test_an_event_arrives_signed_over_escaped_bytes(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    await subscribe(sandbox_world, receiver)

    await happen(sandbox_world, {"verb": "edit", "name": "Café / Tür 🛒"})
    [delivery] = await flush(sandbox_world)

    [body], [headers] = receiver.bodies, receiver.headers
    assert b"Caf\\u00e9 \\/ T\\u00fcr \\ud83d\\uded2" in body
    assert headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature"] == "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    assert headers["Content-Type"] == "application/json"
    assert delivery["state"] == "delivered"
    [event] = receiver.events
    assert event["object"] == "page"
    assert event["entry"][0]["id"] == sandbox_world.shop["pageId"]


def test_the_documented_vector_of_the_signature() -> None:
    body = (
        rb'{"object":"page","entry":[{"id":"1789","time":1767225600,"changes":[{"field":"products",'
        rb'"value":{"verb":"edit","name":"Caf\u00e9 \/ T\u00fcr"}}]}]}'
    )

    signed = signatures("s3cr3t-app", body)["X-Hub-Signature-256"]

    assert signed == "sha256=9a5006f5feec9a7153c91489e161ec9c5a72f055192623407c10cf958daf826d"


async def test_both_the_app_and_the_page_have_to_want_a_field(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    await subscribe(sandbox_world, receiver)

    wanted, unwanted = await happen(sandbox_world, 1), await happen(sandbox_world, 1, name="leadgen")
    await sandbox_world.send(
        "DELETE", f"{sandbox_world.shop['pageId']}/subscribed_apps", sandbox_world.shop["accessToken"]
    )

    assert (wanted, unwanted, await happen(sandbox_world, 1)) == (1, 0, 0)


async def test_without_include_values_only_the_fields_are_named(
    sandbox_world: SandboxWorld, receiver: Receiver
) -> None:
    await sandbox_world.control("PATCH", "webhooks/rules", json={"batch": 10})
    await subscribe(sandbox_world, receiver, include_values=False)

    await happen(sandbox_world, {"secret": 1}, {"secret": 2})
    await flush(sandbox_world)

    [event] = receiver.events
    assert event["entry"][0]["changed_fields"] == ["products"]
    assert "secret" not in receiver.bodies[0].decode()


async def test_a_thousand_updates_may_come_in_one_body(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    await subscribe(sandbox_world, receiver)
    await sandbox_world.control("PATCH", "webhooks/rules", json={"batch": 1000})

    await happen(sandbox_world, *range(1001))
    await flush(sandbox_world)

    first, second = (event["entry"][0]["changes"] for event in receiver.events)
    assert (len(first), len(second)) == (1000, 1)


async def test_duplicates_and_disorder_come_on_demand(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    await subscribe(sandbox_world, receiver)
    await sandbox_world.control("PATCH", "webhooks/rules", json={"duplicates": 1, "reorder": True})

    await happen(sandbox_world, *range(20))
    await flush(sandbox_world)

    assert sorted(receiver.values()) == sorted([*range(20)] * 2)
    assert receiver.values() != sorted(receiver.values())
    assert receiver.bodies[0] == receiver.bodies[1]


async def test_a_delay_holds_events_until_the_clock_gets_there(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    await subscribe(sandbox_world, receiver)
    await sandbox_world.control("PATCH", "webhooks/rules", json={"delay": 60})

    await happen(sandbox_world, 1)
    await flush(sandbox_world)
    early = len(receiver.bodies)
    await sandbox_world.advance(60)
    await flush(sandbox_world)

    assert (early, len(receiver.bodies)) == (0, 1)


async def test_a_failed_delivery_is_repeated_at_once_and_then_less_often(
    sandbox_world: SandboxWorld, receiver: Receiver
) -> None:
    receiver.statuses = [500, 500, 404]
    await subscribe(sandbox_world, receiver)

    await happen(sandbox_world, 1)
    await flush(sandbox_world)
    at_once = len(receiver.bodies)
    await sandbox_world.advance(59)
    await flush(sandbox_world)
    before = len(receiver.bodies)
    await sandbox_world.advance(3600)
    [delivery] = await flush(sandbox_world)

    assert (at_once, before, len(receiver.bodies)) == (2, 2, 4)
    assert [one["outcome"] for one in delivery["attempts"]] == [500, 500, 404, 200]
    assert delivery["state"] == "delivered"
    assert len(set(receiver.bodies)) == 1  # the same `time` in each


async def test_after_36_hours_a_notification_is_dropped(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    receiver.statuses = [503] * 100
    await subscribe(sandbox_world, receiver)

    await happen(sandbox_world, 1)
    await sandbox_world.advance(GIVEN_UP + 1)
    [delivery] = await flush(sandbox_world)

    expected, at = 0, 0.0
    while at <= GIVEN_UP:
        at += RETRIES[min(expected, len(RETRIES) - 1)]
        expected += 1
    assert delivery["state"] == "dropped"
    assert len(delivery["attempts"]) == len(receiver.bodies) == expected


async def test_a_week_of_failures_switches_a_subscription_off(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    receiver.statuses = [500] * 1000
    await subscribe(sandbox_world, receiver)

    for _ in range(8):
        await happen(sandbox_world, 1)
        await sandbox_world.advance(86_400)
        await flush(sandbox_world)

    [hook] = (await on_app(sandbox_world, "GET"))["data"]
    assert hook["active"] is False
    assert await happen(sandbox_world, 1) == 0


async def test_a_dead_callback_delays_no_graph_call(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    await subscribe(sandbox_world, receiver)
    stopped = await on_app(
        sandbox_world,
        "POST",
        object="user",
        callback_url="http://127.0.0.1:9/x",
        verify_token="v",
        fields="fbe_install",
    )

    assert stopped["error"]["code"] == 2200
    assert "ConnectError" in stopped["error"]["message"]
    assert (await sandbox_world.get("me"))["name"] == "Sandbox system user"


async def test_signed_callbacks_of_the_dashboard(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    body = {"kind": "deauthorize", "url": receiver.url, "userId": "218471"}

    answer = await sandbox_world.control("POST", "webhooks/callbacks", json=body)

    [sent] = parse_qs(receiver.bodies[0].decode())["signed_request"]
    signature, _, payload = sent.partition(".")
    wanted = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == wanted
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["user_id"] == "218471"
    assert answer["outcome"] == 200


async def test_a_running_clock_delivers_by_itself(sandbox_worlds: SandboxWorlds, receiver: Receiver) -> None:
    world = await sandbox_worlds.make(clock={"kind": "scaled", "factor": 1_000_000})
    receiver.statuses = [500, 500]
    await subscribe(world, receiver)

    await happen(world, 1)
    for _ in range(10_000):
        rows = (await world.control("GET", "webhooks"))["deliveries"]
        if [row["state"] for row in rows] == ["delivered"]:
            break

    assert len(receiver.bodies) == 3


def test_metas_own_sdk_subscribes(desk: Desk, receiver: Receiver) -> None:
    body = {"object": "page", "callback_url": receiver.url, "verify_token": "open-sesame", "include_values": True}
    app, page = desk.app(), desk.page()

    app.create_subscription(params=body | {"fields": ["products"]})
    page.create_subscribed_app(params={"subscribed_fields": ["products"]})
    event = {"object": "page", "id": desk.shop["pageId"], "field": "products", "value": {"verb": "add"}}
    desk.control("POST", "webhooks/events", json=event)
    desk.control("POST", "webhooks/flush")
    [hook] = app.get_subscriptions()

    assert hook["fields"] == [{"name": "products", "version": "v25.0"}]
    assert receiver.values() == [{"verb": "add"}]
