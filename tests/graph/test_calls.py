"""How calls look on the wire, and what is shared, counted and logged."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest
import structlog.testing

from gateway.graph import F, Graph, GraphSession, GraphSettings, metered
from gateway.graph.auth import appsecret_proof
from gateway.graph.errors import GraphRejected
from gateway.graph.transport import is_loopback
from gateway.kit.clock import ManualClock

from .conftest import SECRET, TOKEN, Rig
from .scripted import Answer, Asked, Script, refuses, says

OK = says({"id": "9"})


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110 - the server runs in another thread
        await asyncio.sleep(0.005)


async def test_a_get_has_the_token_in_the_header_and_the_proof_in_the_query(
    session: GraphSession, meta: Script
) -> None:
    meta.then(OK)

    await session.get("/9/", fields=F("id", items=F("id").with_(limit=2)), params={"state": ["A", "B"], "no": None})

    [asked] = meta.asked
    assert (asked.method, asked.path) == ("GET", "v25.0/9")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.query == {
        "state": '["A","B"]',
        "fields": "id,items.limit(2){id}",
        "appsecret_proof": appsecret_proof(TOKEN, SECRET),
    }


async def test_a_post_is_a_form_with_nested_values_as_json_and_nothing_in_the_query(
    session: GraphSession, meta: Script
) -> None:
    meta.then(OK)

    await session.post("9/x", {"items": [{"id": "A", "n": 1}], "flag": True, "n": 2, "text": "é & +%=/", "no": None})

    [asked] = meta.asked
    assert asked.query == {}
    assert asked.form == {
        "items": '[{"id":"A","n":1}]',
        "flag": "true",
        "n": "2",
        "text": "é & +%=/",
        "appsecret_proof": appsecret_proof(TOKEN, SECRET),
    }


async def test_a_json_post_keeps_its_nesting(session: GraphSession, meta: Script) -> None:
    meta.then(OK)

    await session.post_json("9/items_batch", {"requests": [{"method": "UPDATE"}]})

    [asked] = meta.asked
    assert asked.headers["content-type"] == "application/json"
    assert asked.json == {"requests": [{"method": "UPDATE"}], "appsecret_proof": appsecret_proof(TOKEN, SECRET)}


async def test_a_delete_has_its_parameters_in_the_query_and_no_body(session: GraphSession, meta: Script) -> None:
    meta.then(says({"success": True}))

    assert await session.delete("9/apps", {"app": "1"}) == {"success": True}

    [asked] = meta.asked
    assert (asked.method, asked.query["app"], asked.body) == ("DELETE", "1", b"")
    assert "appsecret_proof" in asked.query


async def test_the_app_session_uses_the_apps_own_token(rig: Rig, meta: Script) -> None:
    meta.then(OK)

    await rig.graph().app_session().get("debug_token", params={"input_token": TOKEN})

    app_token = f"100200300400|{SECRET}"
    assert meta.asked[0].headers["authorization"] == f"Bearer {app_token}"
    assert meta.asked[0].query["appsecret_proof"] == appsecret_proof(app_token, SECRET)


@pytest.mark.parametrize(
    "value", ["a b", "a+b", "100%", "%2B", "a&b=c", "é€😀", "a/b?c#d", '{"a":"b"}', "a,b", "'", ""]
)
async def test_any_text_survives_the_way_as_a_parameter(session: GraphSession, meta: Script, value: str) -> None:
    meta.always = OK

    await session.get("9", params={"v": value})
    await session.post("9", {"v": value})
    await session.delete("9", {"v": value})

    get, post, delete = meta.asked
    assert get.query["v"] == post.form["v"] == delete.query["v"] == value


async def test_an_id_cannot_add_parameters_or_leave_its_place(session: GraphSession, meta: Script) -> None:
    meta.always = OK

    await session.get("9?access_token=x#y")
    with pytest.raises(ValueError, match="dot segments"):
        await session.get("9/../me")

    assert meta.asked[0].path == "v25.0/9%3Faccess_token=x%23y"
    assert "access_token" not in meta.asked[0].query


async def test_an_item_may_be_addressed_by_its_retailer_id(session: GraphSession, meta: Script) -> None:
    meta.then(OK)

    await session.post("catalog:12:YS1i_w==", {})

    assert meta.asked[0].path == "v25.0/catalog:12:YS1i_w=="


async def test_redirects_are_not_followed_and_cookies_not_kept(rig: Rig, meta: Script) -> None:
    graph = rig.graph(read_tries=1)
    meta.then(says({"id": "9"}, set_cookie="who=shop1"), OK)

    await graph.session("EAAone").get("9")
    await graph.session("EAAtwo").get("9")

    assert "cookie" not in meta.asked[1].headers


async def test_equal_reads_in_flight_are_one_call_and_share_no_data(session: GraphSession, meta: Script) -> None:
    gate = threading.Event()
    meta.always = Answer(b'{"id":"9","list":[]}', gate=gate)

    reads = [asyncio.create_task(session.get("9", fields="id,list")) for _ in range(5)]
    await until(lambda: meta.asked)
    gate.set()
    answers = await asyncio.gather(*reads)
    answers[0]["list"].append("mine")

    assert len(meta.asked) == 1
    assert answers[1:] == [{"id": "9", "list": []}] * 4
    answers[1]["list"].append("mine")
    assert answers[2]["list"] == []


async def test_reads_that_differ_in_fields_or_token_are_not_shared(rig: Rig, meta: Script) -> None:
    graph = rig.graph()
    meta.always = OK

    await asyncio.gather(
        graph.session("EAAone").get("9", fields="id"),
        graph.session("EAAone").get("9", fields="id,name"),
        graph.session("EAAtwo").get("9", fields="id"),
        graph.session("EAAone").get("8", fields="id"),
    )

    assert len(meta.asked) == 4


async def test_a_waiter_that_is_cancelled_leaves_the_others_their_answer(session: GraphSession, meta: Script) -> None:
    gate = threading.Event()
    meta.always = Answer(b'{"id":"9"}', gate=gate)
    first, second = (asyncio.create_task(session.get("9")) for _ in range(2))
    await until(lambda: meta.asked)

    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.set()

    assert await second == {"id": "9"}
    assert first.cancelled()
    assert len(meta.asked) == 1


async def test_a_read_that_nobody_waits_for_is_given_up_and_asked_anew(session: GraphSession, meta: Script) -> None:
    gate = threading.Event()
    meta.then(Answer(b'{"id":"old"}', gate=gate), says({"id": "new"}))
    only = asyncio.create_task(session.get("9"))
    await until(lambda: meta.asked)

    only.cancel()
    await asyncio.gather(only, return_exceptions=True)

    assert await session.get("9") == {"id": "new"}
    gate.set()


async def test_a_failure_reaches_all_who_wait_for_it(session: GraphSession, meta: Script) -> None:
    meta.always = refuses(100)

    outcomes = await asyncio.gather(*(session.get("9") for _ in range(3)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [GraphRejected] * 3
    assert len(meta.asked) == 1


async def test_writes_are_never_shared(session: GraphSession, meta: Script) -> None:
    meta.always = OK

    await asyncio.gather(*(session.post("9", {"a": 1}) for _ in range(3)))

    assert len(meta.asked) == 3


async def test_no_more_calls_are_in_flight_than_allowed(rig: Rig, meta: Script) -> None:
    session = rig.session(max_in_flight=3)
    gate = threading.Event()
    meta.always = Answer(b'{"id":"9"}', gate=gate)

    reads = [asyncio.create_task(session.get(str(number))) for number in range(10)]
    await until(lambda: len(meta.asked) == 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(meta.asked) == 3
    gate.set()
    await asyncio.gather(*reads)

    assert len(meta.asked) == 10


async def test_one_event_per_attempt_without_anything_secret(session: GraphSession, meta: Script) -> None:
    meta.then(refuses(2, 99, status=500), OK)

    with structlog.testing.capture_logs() as events:
        await session.get("9/orders", params={"q": "a private value"})

    assert [event["event"] for event in events] == ["graph.call"] * 2
    failed, answered = events
    assert failed["method"] == "GET"
    assert failed["path"] == "9/orders"
    assert (failed["status"], failed["code"], failed["subcode"], failed["trace_id"]) == (500, 2, 99, "Atrace")
    assert (failed["attempt"], answered["attempt"], answered["status"]) == (1, 2, 200)
    for secret in (TOKEN, SECRET, appsecret_proof(TOKEN, SECRET), "a private value"):
        assert secret not in repr(events)


async def test_another_version_than_asked_for_is_noted_once(session: GraphSession, meta: Script) -> None:
    meta.always = says({"id": "9"}, facebook_api_version="v24.0")

    with structlog.testing.capture_logs() as events:
        await session.get("9")
        await session.get("9")

    [event] = [event for event in events if event["event"] == "graph.version_differs"]
    assert (event["log_level"], event["asked"], event["served"]) == ("warning", "v25.0", "v24.0")


async def test_the_meter_counts_attempts_slots_and_ids_of_all_child_tasks(session: GraphSession, meta: Script) -> None:
    def answer(asked: Asked) -> Answer:
        return says({}) if "ids" in asked.query else OK

    meta.then(refuses(2))
    meta.always = answer

    with metered() as outer:
        await session.get("9001/commerce_orders")
        with metered() as inner:
            await asyncio.gather(session.get("1234567"), session.get_many(["1", "2", "3"]))
    await session.get("9001")

    assert (inner.http_calls, inner.graph_calls) == (2, 4)
    assert (outer.http_calls, outer.graph_calls) == (4, 6)
    assert outer.log[:2] == [("GET", "/{id}/commerce_orders")] * 2
    assert sorted(inner.log) == [("GET", "/"), ("GET", "/{id}")]


async def test_usage_is_remembered_under_the_apps_own_id(rig: Rig, meta: Script) -> None:
    graph = rig.graph()
    meta.then(says({"id": "9"}, x_app_usage='{"call_count":28,"total_cputime":25,"total_time":31}'))

    await graph.session(TOKEN).get("9")

    seen = graph.usage.newest("100200300400", "app")
    assert seen is not None
    assert (seen.usage.percent, seen.at) == (31, rig.clock.now())


async def test_a_client_that_was_handed_in_is_used_and_left_open(meta: Script) -> None:
    meta.then(OK)
    async with httpx.AsyncClient() as http:
        graph = Graph(GraphSettings(base_url=meta.base_url), clock=ManualClock(), http=http)
        assert await graph.session(TOKEN).get("9") == {"id": "9"}
        await graph.aclose()

        assert not http.is_closed
    assert "appsecret_proof" not in meta.asked[0].query


async def test_nothing_shows_a_secret_when_printed(rig: Rig) -> None:
    graph = rig.graph()

    for thing in (graph, graph.settings, graph.session(TOKEN), graph.app_session()):
        assert SECRET not in repr(thing)
        assert TOKEN not in repr(thing)


def test_a_proxy_of_the_environment_is_never_asked_for_this_machine() -> None:
    assert is_loopback("http://127.0.0.1:8000/x")
    assert is_loopback("http://localhost:8000")
    assert is_loopback("http://[::1]:8000")
    assert not is_loopback("https://graph.facebook.com")


def test_the_proof_is_the_documented_one() -> None:
    assert (
        appsecret_proof("EAAtesttoken", "s3cr3t-app")
        == "d2d88fbc4a70381dbf11a781ae2d8185876711cf7a4e046c620b9b4e3f3b4165"
    )
