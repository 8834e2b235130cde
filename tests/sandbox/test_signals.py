"""Events as an integration sends them: all or none, each counted once, matched against the catalog."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld, new_item

EMAIL = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
AGENT = "Mozilla/5.0 (X11; Linux x86_64)"
DAY = 86_400


async def clock(world: SandboxWorld) -> int:
    moment = (await world.control("GET", "clock"))["now"]
    return int(datetime.fromisoformat(moment).timestamp())


async def pixel_of(world: SandboxWorld) -> str:
    made = await world.control("POST", "pixels", json={"shop": world.cms})
    return str(made["id"])


def event(now: int, name: str = "ViewContent", **changes: Any) -> dict[str, Any]:
    return {
        "event_name": name,
        "event_time": now,
        "action_source": "website",
        "event_source_url": "https://shop.example/p/1",
        "user_data": {"em": [EMAIL], "client_user_agent": AGENT, "client_ip_address": "203.0.113.9"},
        "custom_data": {"value": 59.8, "currency": "EUR", "content_ids": ["mug"], "content_type": "product"},
    } | changes


async def stored(world: SandboxWorld, pixel: str, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await world.control("GET", f"pixels/{pixel}/events", params=query))["events"]
    return rows


async def rejected(world: SandboxWorld, pixel: str, *events: Any) -> dict[str, Any]:
    return await world.refused("POST", f"{pixel}/events", json={"data": list(events)})


async def test_events_are_received_and_stored(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)

    answer = await sandbox_world.post(
        f"{pixel}/events", data=[event(now), event(now, "AddToCart")], partner_agent="exampleplatform_1_2"
    )

    assert answer["events_received"] == 2
    assert answer["messages"] == []
    assert answer["fbtrace_id"]
    rows = await stored(sandbox_world, pixel)
    assert [row["event"]["event_name"] for row in rows] == ["ViewContent", "AddToCart"]
    assert {row["agent"] for row in rows} == {"exampleplatform"}
    shown = await sandbox_world.get(pixel, fields="last_fired_time,valid_entries")
    assert shown["valid_entries"] == 2
    assert shown["last_fired_time"]


async def test_the_shop_s_own_token_may_send_and_data_may_be_json_text(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)
    sent = event(now)
    sent["custom_data"] |= {"content_ids": '["mug"]', "contents": '[{"id": "mug", "quantity": 1}]', "value": "59.80"}

    answer = await sandbox_world.send(
        "POST", f"{pixel}/events", sandbox_world.shop["accessToken"], data={"data": json.dumps([sent])}
    )

    assert answer.json()["events_received"] == 1


async def test_one_bad_event_refuses_all(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)
    bad = event(now)
    del bad["event_time"]

    error = await rejected(sandbox_world, pixel, event(now), bad)

    assert (error["status"], error["code"], error["error_subcode"]) == (400, 100, 2804019)
    assert error["message"] == "Invalid parameter"
    assert error["is_transient"] is False
    assert error["error_user_msg"] == "The parameter $['data'][1]['event_time'] is required."
    assert await stored(sandbox_world, pixel) == []


async def test_an_event_may_be_seven_days_old_and_no_older(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)

    error = await rejected(sandbox_world, pixel, event(now - 7 * DAY - 1))
    await sandbox_world.post(f"{pixel}/events", data=[event(now - 7 * DAY)])
    in_store = event(now - 60 * DAY, action_source="physical_store")
    await sandbox_world.post(f"{pixel}/events", data=[in_store])

    assert error["error_subcode"] == 2804003
    assert error["error_user_title"] == "Event Timestamp Too Old"
    assert len(await stored(sandbox_world, pixel)) == 2


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"event_name": ""}, "['event_name']"),
        ({"event_time": "yesterday"}, "['event_time']"),
        ({"user_data": {}}, "['user_data']"),
        ({"action_source": "carrier_pigeon"}, "['action_source']"),
        ({"event_source_url": None}, "['event_source_url']"),
        ({"user_data": {"em": EMAIL}}, "['client_user_agent']"),
        ({"event_name": "Purchase", "custom_data": {"currency": "EUR"}}, "['value']"),
        ({"custom_data": {"currency": "EURO"}}, "['currency']"),
        ({"custom_data": {"content_type": "thing"}}, "['content_type']"),
        ({"custom_data": {"contents": [{"id": "mug"}]}}, "['contents'][0]['quantity']"),
        ({"data_processing_options": ["LDU"], "data_processing_options_country": 1}, "_options_state']"),
    ],
)
async def test_a_wrong_parameter_is_named(sandbox_world: SandboxWorld, changes: dict[str, Any], path: str) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)

    error = await rejected(sandbox_world, pixel, event(now) | changes)

    assert error["error_subcode"] == 2804019
    assert path in error["error_user_msg"]


async def test_events_in_milliseconds_or_the_future_are_refused(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)

    assert (await rejected(sandbox_world, pixel, event(now * 1000)))["error_subcode"] == 2804019
    assert (await rejected(sandbox_world, pixel, event(now + 120)))["error_subcode"] == 2804019
    await sandbox_world.post(f"{pixel}/events", data=[event(now + 30)])


@pytest.mark.parametrize(
    "user",
    [
        {"client_user_agent": AGENT},
        {"client_user_agent": AGENT, "country": EMAIL, "ct": EMAIL},
        {"client_user_agent": AGENT, "db": EMAIL},
        {"client_user_agent": AGENT, "unknown": "x"},
    ],
)
async def test_too_little_about_the_person_is_refused(sandbox_world: SandboxWorld, user: dict[str, Any]) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)

    error = await rejected(sandbox_world, pixel, event(now, user_data=user))

    assert error["error_subcode"] == 2804050


async def test_data_has_one_to_a_thousand_events(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)

    assert (await rejected(sandbox_world, pixel))["code"] == 100
    assert (await rejected(sandbox_world, pixel, *[event(now)] * 1001))["code"] == 100
    answer = await sandbox_world.post(f"{pixel}/events", data=[event(now)] * 1000)
    assert answer["events_received"] == 1000


async def test_doubtful_values_are_taken_with_a_message(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)
    plain = event(now, user_data={"em": "nora@example.com", "client_user_agent": AGENT})
    silent = event(now)
    del silent["action_source"]

    answer = await sandbox_world.post(f"{pixel}/events", data=[plain, silent])

    assert answer["events_received"] == 2
    assert ["['em']" in text for text in answer["messages"]] == [True, False]
    assert "action_source" in answer["messages"][1]


async def test_the_same_event_id_and_name_count_once_within_48_hours(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)
    order = event(now, "Purchase", event_id="order-1")
    browser = await sandbox_world.control("POST", f"pixels/{pixel}/events", json={"events": [order]})
    copy = await sandbox_world.post(f"{pixel}/events", data=[order, event(now, "AddToCart", event_id="order-1")])
    await sandbox_world.advance(49 * 3600)
    await sandbox_world.post(f"{pixel}/events", data=[order])

    kept = [(row["event"]["event_name"], row["channel"], row["kept"]) for row in await stored(sandbox_world, pixel)]

    assert browser == {"received": 1, "kept": 1}
    assert copy["events_received"] == 2
    assert kept == [
        ("Purchase", "browser", True),
        ("Purchase", "server", False),
        ("AddToCart", "server", True),
        ("Purchase", "server", True),
    ]


async def test_without_an_id_only_a_browser_event_that_came_first_stands_for_a_server_event(
    sandbox_world: SandboxWorld,
) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)
    user = {"fbp": "fb.1.1773990000456.1098115397", "client_user_agent": AGENT}
    sent = event(now, user_data=user)
    await sandbox_world.post(f"{pixel}/events", data=[sent])
    await sandbox_world.control("POST", f"pixels/{pixel}/events", json={"events": [sent]})
    await sandbox_world.post(f"{pixel}/events", data=[sent])

    assert [row["kept"] for row in await stored(sandbox_world, pixel)] == [True, True, False]


async def test_test_events_count_and_are_listed_apart(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)
    await sandbox_world.post(f"{pixel}/events", data=[event(now)], test_event_code="TEST123")
    await sandbox_world.post(f"{pixel}/events", data=[event(now, "Search")])

    [row] = await stored(sandbox_world, pixel, test="TEST123")

    assert row["event"]["event_name"] == "ViewContent"
    stats = await sandbox_world.get(f"{pixel}/stats", aggregation="event")
    assert {part["value"] for part in stats["data"][0]["data"]} == {"ViewContent", "Search"}


async def test_stats_count_hours_by_what_was_asked(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)
    sent = [event(now), event(now), event(now - 3 * 3600), event(now, "Search")]
    await sandbox_world.post(f"{pixel}/events", data=sent)

    by_event = (await sandbox_world.get(f"{pixel}/stats", aggregation="event"))["data"]
    hosts = (await sandbox_world.get(f"{pixel}/stats", aggregation="host", event="Search"))["data"]
    wrong = await sandbox_world.refused("GET", f"{pixel}/stats", params={"aggregation": "mood"})

    assert len(by_event) == 2
    assert by_event[1]["data"][0] == {"value": "ViewContent", "count": 2}
    assert by_event[0]["start_time"].endswith(":00:00+0000")
    assert [row["data"] for row in hosts] == [[{"value": "shop.example", "count": 1}]]
    assert wrong["code"] == 100


async def test_the_catalog_tells_which_content_ids_it_knows(sandbox_world: SandboxWorld) -> None:
    pixel = await pixel_of(sandbox_world)
    await sandbox_world.write_items(new_item("mug"))
    await sandbox_world.advance(200)
    now = await clock(sandbox_world)
    custom = {"content_ids": ["mug", "gone"], "content_type": "product", "value": 1, "currency": "USD"}
    await sandbox_world.post(f"{pixel}/events", data=[event(now), event(now, custom_data=custom)])

    [row] = (await sandbox_world.get(f"{sandbox_world.catalog}/event_stats"))["data"]
    [device] = (await sandbox_world.get(f"{sandbox_world.catalog}/event_stats", breakdowns='["DEVICE_TYPE"]'))["data"]

    assert row["event"] == "ViewContent"
    assert row["event_source"] == {
        "id": pixel,
        "name": f"{sandbox_world.shop['name']} pixel",
        "source_type": "PIXEL",
    }
    assert (row["total_matched_content_ids"], row["unique_matched_content_ids"]) == (2, 1)
    assert (row["total_unmatched_content_ids"], row["unique_unmatched_content_ids"]) == (1, 1)
    assert device["device_type"] == "desktop"


async def test_a_pixel_is_made_linked_and_unlinked(sandbox_world: SandboxWorld) -> None:
    business, sources = sandbox_world.card["businessId"], f"{sandbox_world.catalog}/external_event_sources"
    shop_token = sandbox_world.shop["accessToken"]
    pixel = (await sandbox_world.post(f"{business}/adspixels", name="Candle pixel"))["id"]
    before = await sandbox_world.refused("GET", pixel, shop_token)

    linked = await sandbox_world.post(sources, external_event_sources=[pixel])
    listed = await sandbox_world.get(sources)
    after = await sandbox_world.get(pixel, shop_token, fields="name,owner_business")
    await sandbox_world.send("DELETE", sources, params={"external_event_sources": json.dumps([pixel])})

    assert (before["code"], before["error_subcode"]) == (100, 33)
    assert linked == {"success": True}
    assert listed["data"] == [{"id": pixel, "name": "Candle pixel", "source_type": "PIXEL"}]
    assert after["owner_business"]["id"] == business
    assert (await sandbox_world.get(sources))["data"] == []
    owned = await sandbox_world.get(f"{business}/owned_pixels", name_filter="candle")
    assert [row["id"] for row in owned["data"]] == [pixel]


async def test_pixel_settings_are_checked_and_kept(sandbox_world: SandboxWorld) -> None:
    pixel = await pixel_of(sandbox_world)
    await sandbox_world.post(pixel, automatic_matching_fields=["em", "ph"], data_use_setting="ANALYTICS_ONLY")

    shown = await sandbox_world.get(pixel, fields="automatic_matching_fields,data_use_setting,code")
    wrong = await sandbox_world.refused("POST", pixel, json={"automatic_matching_fields": ["shoe_size"]})

    assert shown["automatic_matching_fields"] == ["em", "ph"]
    assert shown["data_use_setting"] == "ANALYTICS_ONLY"
    assert pixel in shown["code"]
    assert wrong["code"] == 100


async def test_quality_is_the_share_of_events_that_can_be_matched(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)
    named = event(now, "Purchase", event_id="o-1")
    thin = event(now, "Purchase", event_id="o-2", user_data={"external_id": "u1", "client_user_agent": AGENT})
    await sandbox_world.control("POST", f"pixels/{pixel}/events", json={"events": [named]})
    await sandbox_world.post(f"{pixel}/events", data=[named, thin], partner_agent="shopware_2_1")

    fields = "web{event_name,event_match_quality,dedupe_key_feedback,data_freshness}"
    answer = await sandbox_world.get("dataset_quality", dataset_id=pixel, agent_name="shopware", fields=fields)
    other = await sandbox_world.get("dataset_quality", dataset_id=pixel, agent_name="another")
    unknown = await sandbox_world.refused("GET", "dataset_quality", params={"dataset_id": "5200001999999999"})

    [row] = answer["web"]
    coverage = {
        part["identifier"]: part["coverage"]["percentage"] for part in row["event_match_quality"]["match_key_feedback"]
    }
    assert set(row) == {"event_name", "event_match_quality", "dedupe_key_feedback", "data_freshness"}
    assert coverage == {"email": 50.0, "ip_address": 50.0, "user_agent": 100.0, "external_id": 50.0}
    assert 0 < row["event_match_quality"]["composite_score"] <= 10
    assert row["data_freshness"]["upload_frequency"] == "real_time"
    by_id = next(part for part in row["dedupe_key_feedback"] if part["dedupe_key"] == "event_id")
    assert by_id["overall_browser_coverage_from_dedupe_key"]["percentage"] == 100.0
    assert other == {"web": []}
    assert (unknown["code"], unknown["error_subcode"]) == (100, 33)


async def test_checks_tell_what_is_missing(sandbox_world: SandboxWorld) -> None:
    pixel, now = await pixel_of(sandbox_world), await clock(sandbox_world)
    complete = {"content_ids": ["mug"], "value": 1, "currency": "USD"}
    names = ("ViewContent", "AddToCart", "Purchase")
    sent = [event(now, name, custom_data=complete, event_id=name) for name in names]
    await sandbox_world.post(f"{pixel}/events", data=sent)
    passed = (await sandbox_world.get(f"{pixel}/da_checks", connection_method="SERVER"))["data"]
    await sandbox_world.post(f"{pixel}/events", data=[event(now, custom_data={})])

    failed = (await sandbox_world.get(f"{pixel}/da_checks"))["data"]

    assert {row["result"] for row in passed} == {"passed"}
    assert {row["key"] for row in failed if row["result"] == "failed"} == {
        "pixel_missing_param_in_events",
        "pixel_missing_event_id",
    }
