"""What is wrong with items, one by one and summed up; and what the reviewers say."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld, SandboxWorlds, new_item


async def fill(world: SandboxWorld, *records: dict[str, Any]) -> dict[str, str]:
    """Meta's ids of the items once their pictures are fetched and their reviews are over."""
    await world.write_items(*records)
    await world.advance(120 + 900)
    return {name: item["metaId"] for name, item in (await world.items()).items()}


async def types(world: SandboxWorld, item: str) -> list[str]:
    shown = await world.get(item, fields="errors")
    return [error["error_type"] for error in shown.get("errors", [])]


async def groups(world: SandboxWorld, **params: Any) -> dict[str, dict[str, Any]]:
    found = await world.get(f"{world.catalog}/diagnostics", **params)
    return {group["type"]: group for group in found["data"]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"image_link": "https://cdn.example/lowres.jpg"}, ["IMAGE_RESOLUTION_LOW"]),
        ({"image_link": "https://cdn.invalid/a.jpg"}, ["IMAGE_FETCH_FAILED"]),
        ({"google_product_category": ""}, ["PROPERTY_VALUE_MISSING_WARNING"]),
        ({"google_product_category": "1604", "color": "blue"}, ["MISSING_SIZE"]),
        ({"quantity_to_sell_on_facebook": 0}, ["INVENTORY_ZERO_AVAILABILITY_IN_STOCK"]),
        ({"availability": "out of stock"}, ["PRODUCT_OUT_OF_STOCK"]),
        ({"sale_price": "14.50 USD"}, ["INVALID_SALE_PRICE"]),
        ({"title": "STONEWARE MUG"}, ["PROPERTY_VALUE_UPPERCASE_WARNING"]),
        ({"description": "A <b>fine</b> mug."}, ["PROPERTY_VALUE_CONTAINS_HTML_TAGS"]),
        ({"description": "A mug for < 5 people."}, []),
        ({"title": "Simulate-Reject mug"}, ["SHOPS_POLICY_VIOLATION"]),
        ({"status": "archived"}, ["PRODUCT_ITEM_NOT_VISIBLE"]),
        ({"expiration_date": "2001-01-01"}, ["PRODUCT_EXPIRED"]),
        ({"disabled_capabilities": ["whatsapp"]}, ["WHATSAPP_DISABLED_BY_USER"]),
    ],
)
async def test_the_state_of_an_item_raises_its_errors(
    sandbox_world: SandboxWorld, change: dict[str, Any], expected: list[str]
) -> None:
    items = await fill(sandbox_world, new_item("mug", **change))

    assert await types(sandbox_world, items["mug"]) == expected


async def test_an_error_has_a_priority_and_advice_and_ends_with_its_cause(sandbox_world: SandboxWorld) -> None:
    items = await fill(sandbox_world, new_item("mug", quantity_to_sell_on_facebook=0))
    [error] = (await sandbox_world.get(items["mug"], fields="errors"))["errors"]
    assert set(error) == {"error_type", "error_priority", "title", "description", "call_to_action"}
    assert error["error_priority"] == "HIGH"

    await fill(sandbox_world, new_item("mug", quantity_to_sell_on_facebook=4))

    assert "errors" not in await sandbox_world.get(items["mug"], fields="errors")


async def test_items_are_searched_by_priority_and_type_of_error(sandbox_world: SandboxWorld) -> None:
    await fill(
        sandbox_world,
        new_item("fine"),
        new_item("sold-out", availability="out of stock"),
        new_item("tiny", image_link="https://cdn.example/lowres.jpg"),
    )
    edge = f"{sandbox_world.catalog}/products"

    async def found(**params: Any) -> list[str]:
        answer = await sandbox_world.get(edge, summary="total_count", **params)
        rows = [row["retailer_id"] for row in answer["data"]]
        assert answer["summary"]["total_count"] == len(rows)
        return rows

    assert await found(error_priority="HIGH") == ["tiny"]
    assert await found(error_priority="LOW", error_type="PRODUCT_OUT_OF_STOCK") == ["sold-out"]
    assert await found(error_priority="HIGH", error_type="PRODUCT_OUT_OF_STOCK") == []
    assert await found(error_type="A_TYPE_OF_TOMORROW") == []
    assert (await sandbox_world.refused("GET", edge, params={"error_priority": "URGENT"}))["code"] == 100


async def test_every_kind_of_error_is_listed(sandbox_world: SandboxWorld) -> None:
    answer = await sandbox_world.get("catalog_all_errors", locale="en_US")

    assert len(answer["all"]) == 176
    assert all(row["error_priority"] in ("HIGH", "MEDIUM", "LOW") and row["title"] for row in answer["all"])


async def test_diagnostics_sum_up_what_items_have(sandbox_world: SandboxWorld) -> None:
    tiny = [new_item(f"tiny-{n}", image_link="https://cdn.example/lowres.jpg") for n in range(12)]
    items = await fill(sandbox_world, *tiny, new_item("loud", title="STONEWARE MUG"))

    found = await groups(sandbox_world)

    assert set(found) == {"IMAGE_QUALITY", "LOW_QUALITY_TITLE_AND_DESCRIPTION", "EVENT_SOURCE_ISSUES"}
    pictures = found["IMAGE_QUALITY"]
    assert (pictures["severity"], pictures["number_of_affected_items"]) == ("MUST_FIX", 12)
    [issue] = pictures["diagnostics"]
    assert issue["type"] == "IMAGE_RESOLUTION_LOW"
    assert len(issue["sample_affected_items"]) == 10
    assert {sample["id"] for sample in issue["sample_affected_items"]} <= set(items.values())
    rule = json.dumps({"product_item_id": {"is_any": [issue["sample_affected_items"][0]["id"]]}})
    assert len((await sandbox_world.get(f"{sandbox_world.catalog}/products", filter=rule))["data"]) == 1
    nested = await sandbox_world.get(sandbox_world.catalog, fields="diagnostics")
    assert len(nested["diagnostics"]["data"]) == 3


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"types": '["IMAGE_QUALITY"]'}, {"IMAGE_QUALITY"}),
        ({"severities": '["OPPORTUNITY"]'}, {"LOW_QUALITY_TITLE_AND_DESCRIPTION"}),
        ({"affected_entities": '["product_catalog"]'}, {"EVENT_SOURCE_ISSUES"}),
        ({"affected_channels": '["shops"]', "severities": '["MUST_FIX"]'}, {"IMAGE_QUALITY"}),
        ({"affected_features": '["checkout"]'}, set()),
        ({"types": '["IMAGE_QUALITY","EVENT_SOURCE_ISSUES"]'}, {"IMAGE_QUALITY", "EVENT_SOURCE_ISSUES"}),
    ],
)
async def test_diagnostics_can_be_narrowed(
    sandbox_world: SandboxWorld, params: dict[str, str], expected: set[str]
) -> None:
    await fill(
        sandbox_world,
        new_item("tiny", image_link="https://cdn.example/lowres.jpg"),
        new_item("loud", title="STONEWARE MUG"),
    )

    assert set(await groups(sandbox_world, **params)) == expected


async def test_an_unknown_filter_value_is_refused(sandbox_world: SandboxWorld) -> None:
    path = f"{sandbox_world.catalog}/diagnostics"

    assert (await sandbox_world.refused("GET", path, params={"types": '["MOOD"]'}))["code"] == 100


async def test_a_group_can_be_scripted(sandbox_world: SandboxWorld) -> None:
    group = {"type": "CATEGORY", "severity": "MUST_FIX", "title": "x", "diagnostics": []}
    await sandbox_world.control("POST", "diagnostics", json={"catalog": sandbox_world.catalog, "group": group})
    shown = (await groups(sandbox_world))["CATEGORY"]

    await sandbox_world.control("DELETE", "diagnostics", params={"catalog": sandbox_world.catalog})

    assert shown == group
    assert "CATEGORY" not in await groups(sandbox_world)


async def test_pictures_fail_as_scripted_until_they_have_another_address(sandbox_world: SandboxWorld) -> None:
    script = {"url": "https://cdn.example/mug*", "outcome": "forbidden"}
    await sandbox_world.control("POST", "images", json=script)
    items = await fill(sandbox_world, new_item("mug"), new_item("jug"))
    fields = "image_fetch_status"
    seen = await sandbox_world.get(items["mug"], fields=fields), await sandbox_world.get(items["jug"], fields=fields)
    assert [one["image_fetch_status"] for one in seen] == ["FETCH_FAILED", "FETCHED"]
    assert await types(sandbox_world, items["mug"]) == ["IMAGE_FETCH_FAILED_FORBIDDEN"]

    await sandbox_world.write_items({"method": "UPDATE", "data": {"id": "mug", "price": "9.00 USD"}})
    await sandbox_world.advance(1000)
    still = await types(sandbox_world, items["mug"])
    await sandbox_world.write_items(
        {"method": "UPDATE", "data": {"id": "mug", "image_link": "https://cdn.example/new.jpg"}}
    )
    await sandbox_world.advance(1000)

    assert still == ["IMAGE_FETCH_FAILED_FORBIDDEN"]
    assert await types(sandbox_world, items["mug"]) == []


async def test_a_script_meets_pictures_that_are_there_and_can_be_lifted(sandbox_world: SandboxWorld) -> None:
    items = await fill(sandbox_world, new_item("mug"))
    for outcome, expected in (("broken", ["IMAGE_FETCH_FAILED_LINK_BROKEN"]), ("ok", [])):
        await sandbox_world.control("POST", "images", json={"url": "*", "outcome": outcome})
        assert await types(sandbox_world, items["mug"]) == expected


async def review(world: SandboxWorld, **body: Any) -> None:
    await world.control("POST", "reviews", json={"catalog": world.catalog, "retailerId": "mug"} | body)


async def test_an_item_is_rejected_and_later_restored(sandbox_world: SandboxWorld) -> None:
    items = await fill(sandbox_world, new_item("mug"))
    fields = "review_status,review_rejection_reasons,capability_to_review_status"

    await review(sandbox_world, status="rejected", reasons=["COUNTERFEIT"], channels=["da"])
    rejected = await sandbox_world.get(items["mug"], fields=fields)
    integrity = await sandbox_world.get(f"{items['mug']}/channels_to_integrity_status")
    during = await types(sandbox_world, items["mug"])
    await review(sandbox_world, status="approved")
    restored = await sandbox_world.get(items["mug"], fields=fields)

    states = {row["key"]: row["value"] for row in rejected["capability_to_review_status"]}
    assert (rejected["review_status"], rejected["review_rejection_reasons"]) == ("rejected", ["COUNTERFEIT"])
    assert (states["da"], states["shops"]) == ("REJECTED", "APPROVED")
    assert integrity["data"][0]["channels"] == ["da"]
    assert integrity["data"][0]["rejection_information"]["rejection_reason"] == "COUNTERFEIT"
    assert during == ["DA_POLICY_VIOLATION"]
    assert restored["review_status"] == "approved"
    assert "review_rejection_reasons" not in restored
    assert await sandbox_world.get(f"{items['mug']}/channels_to_integrity_status") == {"data": []}


async def test_an_edit_starts_the_review_again(sandbox_world: SandboxWorld) -> None:
    items = await fill(sandbox_world, new_item("mug"))
    await review(sandbox_world, status="rejected", reasons=["COUNTERFEIT"])

    await sandbox_world.write_items({"method": "UPDATE", "data": {"id": "mug", "title": "Honest mug"}})
    await sandbox_world.advance(120)
    pending = await sandbox_world.get(items["mug"], fields="review_status,review_rejection_reasons")
    await sandbox_world.advance(900)

    assert pending == {"id": items["mug"], "review_status": "pending"}
    assert (await sandbox_world.get(items["mug"], fields="review_status"))["review_status"] == "approved"


@pytest.mark.parametrize("outcome", ["approved", "rejected"])
async def test_an_appeal_is_decided_after_a_while_and_made_once(sandbox_world: SandboxWorld, outcome: str) -> None:
    items = await fill(sandbox_world, new_item("mug"))
    await review(sandbox_world, status="rejected", appealOutcome=outcome)
    edge, body = f"{sandbox_world.catalog}/additional_reviews", {"product_ids": [items["mug"]]}

    assert await sandbox_world.post(edge, **body, rationale="It is a mug.") == {"success": True}
    pending = await sandbox_world.get(items["mug"], fields="review_status")
    await sandbox_world.advance(900)
    decided = await sandbox_world.get(items["mug"], fields="review_status")
    await review(sandbox_world, status="rejected")

    assert (pending["review_status"], decided["review_status"]) == ("pending", outcome)
    assert (await sandbox_world.refused("POST", edge, json=body))["code"] == 100


async def test_appeals_have_limits(sandbox_world: SandboxWorld) -> None:
    items = await fill(sandbox_world, *[new_item(f"m{n}", title="simulate-reject") for n in range(12)])
    edge = f"{sandbox_world.catalog}/additional_reviews"
    ids = list(items.values())

    too_many = await sandbox_world.refused("POST", edge, json={"product_ids": [str(n) for n in range(101)]})
    for item in ids[:10]:
        await sandbox_world.post(edge, product_ids=[item])
    eleventh = await sandbox_world.refused("POST", edge, json={"product_ids": [ids[10]]})
    await sandbox_world.advance(86_401)

    assert (too_many["code"], eleventh["code"]) == (100, 613)
    assert await sandbox_world.post(edge, product_ids=[ids[10]]) == {"success": True}


async def test_only_rejected_items_can_be_appealed(sandbox_world: SandboxWorld) -> None:
    items = await fill(sandbox_world, new_item("mug"))
    edge = f"{sandbox_world.catalog}/additional_reviews"

    for body in ({}, {"product_ids": [items["mug"]]}, {"product_ids": ["7000000000000001"]}):
        assert (await sandbox_world.refused("POST", edge, json=body))["code"] == 100


async def test_the_published_spec_has_no_appeals(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(mode="current-spec")

    error = await world.refused("POST", f"{world.catalog}/additional_reviews", json={"product_ids": ["1"]})

    assert (error["code"], error["error_subcode"]) == (100, 33)


async def test_a_rejected_collection_keeps_what_was_live(sandbox_world: SandboxWorld) -> None:
    made = await sandbox_world.post(
        f"{sandbox_world.catalog}/product_sets", name="Mugs", metadata={"description": "Old"}
    )
    await sandbox_world.advance(900)
    await sandbox_world.post(made["id"], metadata={"description": "New"})
    await sandbox_world.control("POST", "reviews", json={"set": made["id"], "status": "rejected"})

    shown = await sandbox_world.get(made["id"], fields="live_metadata,latest_metadata")

    assert shown["live_metadata"] == {"description": "Old", "integrity_review_status": "APPROVED"}
    assert shown["latest_metadata"] == {"description": "New", "integrity_review_status": "REJECTED"}


async def test_sets_are_roots_and_know_their_items(sandbox_world: SandboxWorld) -> None:
    items = await fill(sandbox_world, new_item("mug", brand="Kiln"), new_item("jug", brand="Other"))
    edge = f"{sandbox_world.catalog}/product_sets"
    made = await sandbox_world.post(edge, name="Kiln", filter={"brand": {"eq": "Kiln"}}, ordering_info=[3, 1])

    async def ids(path: str, **params: Any) -> list[str]:
        return [row["id"] for row in (await sandbox_world.get(path, **params))["data"]]

    assert await ids(edge, parent_id="0") == [made["id"]]
    assert await ids(edge, parent_id=made["id"]) == []
    assert await ids(edge, ancestor_id=made["id"]) == []
    assert await ids(edge, has_children="true") == []
    assert await ids(f"{items['mug']}/product_sets") == [made["id"]]
    assert await ids(f"{items['jug']}/product_sets") == []
    assert (await sandbox_world.get(made["id"], fields="ordering_info"))["ordering_info"] == [3, 1]


async def test_a_catalog_is_deleted_with_all_it_holds(sandbox_world: SandboxWorld) -> None:
    items = await fill(sandbox_world, new_item("mug"))
    shop = {"shop_id": sandbox_world.cms}
    await sandbox_world.post(f"{sandbox_world.catalog}/product_sets", name="Mugs", publish_to_shops=[shop])
    refused = await sandbox_world.refused("DELETE", sandbox_world.catalog)

    answer = await sandbox_world.send(
        "DELETE", sandbox_world.catalog, params={"allow_delete_catalog_with_live_product_set": "true"}
    )

    assert refused["code"] == 100
    assert answer.json() == {"success": True}
    for gone in (sandbox_world.catalog, items["mug"]):
        assert (await sandbox_world.refused("GET", gone))["error_subcode"] == 33


async def test_a_pixel_that_speaks_of_other_items_is_an_issue(sandbox_world: SandboxWorld) -> None:
    await fill(sandbox_world, new_item("mug"))
    pixel = await sandbox_world.control("POST", "pixels", json={"shop": sandbox_world.cms, "name": "Shop pixel"})
    connected = await groups(sandbox_world)
    now = datetime.fromisoformat((await sandbox_world.control("GET", "clock"))["now"])
    events = [
        {
            "event_name": "Purchase",
            "event_time": int(now.timestamp()),
            "event_id": str(n),
            "action_source": "website",
            "event_source_url": "https://shop.example/",
            "user_data": {"client_user_agent": "A browser", "client_ip_address": "192.0.2.1"},
            "custom_data": {
                "content_ids": ["mug" if n == 0 else f"other-{n}"],
                "content_type": "product",
                "currency": "USD",
                "value": 9,
            },
        }
        for n in range(5)
    ]
    await sandbox_world.control("POST", f"pixels/{pixel['id']}/events", json={"events": events})

    [issue] = (await groups(sandbox_world))["EVENT_SOURCE_ISSUES"]["diagnostics"]

    assert "EVENT_SOURCE_ISSUES" not in connected
    assert (issue["type"], issue["event_name"], issue["event_source_id"]) == (
        "UNMATCHED_EVENTS",
        "Purchase",
        int(pixel["id"]),
    )
