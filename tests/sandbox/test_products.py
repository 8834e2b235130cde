"""Items, groups and sets, read and written one by one."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld, SandboxWorlds, new_item

SINGLE = {
    "retailer_id": "mug",
    "name": "Stoneware mug",
    "price": 1450,
    "currency": "EUR",
    "image_url": "https://cdn.example/mug.jpg",
    "url": "https://shop.example/mug",
    "brand": "Kiln",
    "description": "A glazed mug.",
}


async def fill(world: SandboxWorld, *records: dict[str, Any]) -> None:
    await world.write_items(*records)
    await world.advance(120)


async def one(world: SandboxWorld, retailer_id: str, fields: str) -> dict[str, Any]:
    rule = json.dumps({"retailer_id": {"eq": retailer_id}})
    [row] = (await world.get(f"{world.catalog}/products", filter=rule, fields=fields))["data"]
    found: dict[str, Any] = row
    return found


@pytest.mark.parametrize(
    ("price", "shown"),
    [("9.99 USD", "$9.99"), ("14.5 EUR", "€14.50"), ("1204.50 GBP", "£1,204.50"), ("490 JPY", "¥490")],
)
async def test_prices_are_read_as_display_text(sandbox_world: SandboxWorld, price: str, shown: str) -> None:
    await fill(sandbox_world, new_item("mug", price=price))

    item = await one(sandbox_world, "mug", "price,currency")

    assert (item["price"], item["currency"]) == (shown, price[-3:])


async def test_a_single_item_is_written_at_once_in_hundredths(sandbox_world: SandboxWorld) -> None:
    made = await sandbox_world.post(f"{sandbox_world.catalog}/products", **SINGLE)

    item = await sandbox_world.get(made["id"], fields="retailer_id,name,price,url,image_url,availability")

    assert item == {
        "id": made["id"],
        "retailer_id": "mug",
        "name": "Stoneware mug",
        "price": "€14.50",
        "url": "https://shop.example/mug",
        "image_url": "https://cdn.example/mug.jpg",
        "availability": "in stock",
    }


async def test_a_decimal_price_is_refused_on_a_single_item(sandbox_world: SandboxWorld) -> None:
    error = await sandbox_world.refused("POST", f"{sandbox_world.catalog}/products", json=SINGLE | {"price": "14.50"})

    assert error["code"] == 100


async def test_a_known_retailer_id_is_updated_unless_refused(sandbox_world: SandboxWorld) -> None:
    path = f"{sandbox_world.catalog}/products"
    first = await sandbox_world.post(path, **SINGLE)
    second = await sandbox_world.post(path, **SINGLE | {"name": "Mug II"})
    error = await sandbox_world.refused("POST", path, json=SINGLE | {"allow_upsert": "false"})

    assert first == second
    assert (await sandbox_world.get(first["id"]))["name"] == "Mug II"
    assert (error["code"], error["error_data"]) == (10800, {"product_item_id": first["id"]})


async def test_an_item_is_reached_by_id_and_by_retailer_id(sandbox_world: SandboxWorld) -> None:
    made = await sandbox_world.post(f"{sandbox_world.catalog}/products", **SINGLE)
    alias = base64.urlsafe_b64encode(b"mug").decode()

    by_id = await sandbox_world.post(made["id"], price=900)
    by_alias = await sandbox_world.post(f"catalog:{sandbox_world.catalog}:{alias}", inventory="7")

    assert by_id == by_alias == {"success": True}
    item = await sandbox_world.get(made["id"], fields="price,inventory")
    assert (item["price"], item["inventory"]) == ("€9.00", 7)


async def test_a_deleted_item_is_gone(sandbox_world: SandboxWorld) -> None:
    made = await sandbox_world.post(f"{sandbox_world.catalog}/products", **SINGLE)

    deleted = await sandbox_world.send("DELETE", made["id"])

    assert deleted.json() == {"success": True}
    assert (await sandbox_world.refused("GET", made["id"]))["error_subcode"] == 33


async def test_review_and_pictures_come_later_and_again_after_a_change(sandbox_world: SandboxWorld) -> None:
    fields = "review_status,image_fetch_status"
    await fill(sandbox_world, new_item("mug"), new_item("lost", image_link="https://cdn.invalid/x.jpg"))
    young = await one(sandbox_world, "mug", fields)
    await sandbox_world.advance(900)
    grown, lost = await one(sandbox_world, "mug", fields), await one(sandbox_world, "lost", fields)
    await fill(sandbox_world, {"method": "UPDATE", "data": {"id": "mug", "price": "1.00 USD"}})
    cheaper = await one(sandbox_world, "mug", fields)
    await fill(sandbox_world, {"method": "UPDATE", "data": {"id": "mug", "title": "Other"}})
    renamed = await one(sandbox_world, "mug", fields)

    assert (young["review_status"], young["image_fetch_status"]) == ("pending", "NO_STATUS")
    assert (grown["review_status"], grown["image_fetch_status"]) == ("approved", "FETCHED")
    assert lost["image_fetch_status"] == "FETCH_FAILED"
    assert (cheaper["review_status"], renamed["review_status"]) == ("approved", "pending")


async def test_variants_share_a_group_made_by_the_first(sandbox_world: SandboxWorld) -> None:
    await fill(
        sandbox_world,
        new_item("mug-blue", item_group_id="mug", color="blue"),
        new_item("mug-red", item_group_id="mug", color="red"),
        new_item("bowl"),
    )

    [group] = (await sandbox_world.get(f"{sandbox_world.catalog}/product_groups"))["data"]
    members = (await sandbox_world.get(f"{group['id']}/products", fields="color,product_group{id}"))["data"]

    assert group["retailer_id"] == "mug"
    assert {row["color"] for row in members} == {"blue", "red"}
    assert {row["product_group"]["id"] for row in members} == {group["id"]}
    assert "product_group" not in await one(sandbox_world, "bowl", "product_group")


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({}, "abc"),
        ({"retailer_id": {"is_any": ["a", "c", "z"]}}, "ac"),
        ({"name": {"i_contains": "MUG"}}, "ab"),
        ({"availability": {"eq": "Out of stock"}}, "b"),
        ({"availability": {"neq": "out of stock"}}, "ac"),
        ({"price_amount": {"gte": 1450, "lt": 2000}}, "a"),
        ({"or": [{"color": {"eq": "blue"}}, {"price_amount": {"lt": 600}}]}, "ac"),
        ({"and": [{"brand": {"eq": "kiln"}}, {"or": [{"color": {"eq": "red"}}]}]}, "b"),
        ({"category": {"starts_with": "21"}}, "abc"),
        ({"internal_label": {"eq": "Summer"}}, "c"),
        ({"color": {"is_not_any": ["blue", "red"]}}, "c"),
        ({"currency": {"eq": "USD"}}, "abc"),
        ({"visibility": {"eq": "hidden"}}, "c"),
        ({"review_status": {"eq": "pending"}}, "abc"),
    ],
)
async def test_the_rule_language(sandbox_world: SandboxWorld, rule: dict[str, Any], found: str) -> None:
    await fill(
        sandbox_world,
        new_item("a", title="Blue mug", color="blue"),
        new_item("b", title="Red mug", color="red", price="25.00 USD", availability="out of stock"),
        new_item("c", title="Bowl", price="5.00 USD", internal_label=["Summer", "Sale"], status="archived"),
    )
    made = await sandbox_world.post(f"{sandbox_world.catalog}/product_sets", name="Set", filter=json.dumps(rule))

    by_filter = await sandbox_world.get(
        f"{sandbox_world.catalog}/products", filter=json.dumps(rule), fields="retailer_id", summary="true"
    )
    by_set = await sandbox_world.get(f"{made['id']}/products", fields="retailer_id")
    shown = await sandbox_world.get(made["id"], fields="product_count,filter")

    assert {row["retailer_id"] for row in by_filter["data"]} == set(found)
    assert by_set["data"] == by_filter["data"]
    assert by_filter["summary"]["total_count"] == shown["product_count"] == len(found)
    assert json.loads(shown["filter"]) == rule


@pytest.mark.parametrize(
    "rule", ['{"a', '{"nonsense": {"eq": 1}}', '{"name": {"like": "x"}}', '{"price_amount": {"lt": "x"}}']
)
async def test_a_bad_rule_is_an_invalid_parameter(sandbox_world: SandboxWorld, rule: str) -> None:
    error = await sandbox_world.refused("GET", f"{sandbox_world.catalog}/products", params={"filter": rule})

    assert error["code"] == 100


async def test_sets_are_found_by_retailer_id_and_cannot_repeat_a_rule(sandbox_world: SandboxWorld) -> None:
    path = f"{sandbox_world.catalog}/product_sets"
    made = await sandbox_world.post(path, name="Mugs", retailer_id="cat-1", filter={"name": {"contains": "mug"}})

    same = await sandbox_world.refused("POST", path, json={"name": "Twin", "filter": {"name": {"contains": "mug"}}})
    found = await sandbox_world.get(path, retailer_id="cat-1")
    none = await sandbox_world.get(path, retailer_id="cat-2")

    assert same["code"] == 10803
    assert [row["id"] for row in found["data"]] == [made["id"]]
    assert none == {"data": []}


async def test_a_published_set_is_deleted_only_on_purpose(sandbox_world: SandboxWorld) -> None:
    made = await sandbox_world.post(
        f"{sandbox_world.catalog}/product_sets", name="Mugs", publish_to_shops=[{"shop_id": "880000000000001"}]
    )

    refused = await sandbox_world.refused("DELETE", made["id"])
    done = await sandbox_world.send("DELETE", made["id"], params={"allow_live_product_set_deletion": "true"})

    assert refused["code"] == 100
    assert done.json() == {"success": True}


async def test_a_seller_edits_and_deletes_behind_our_back(sandbox_world: SandboxWorld) -> None:
    await fill(sandbox_world, new_item("mug", color="blue"))
    named = {"catalog": sandbox_world.catalog, "retailerId": "mug"}
    change = {"price": "1.00 USD", "color": None, "review_status": "rejected"}
    edited = await sandbox_world.control("PATCH", "items", json=named | {"set": change})
    await sandbox_world.control("DELETE", "items", params=named)

    assert (edited["price"], edited["reviewStatus"], "color" in edited) == ("1.00 USD", "rejected", False)
    assert await sandbox_world.items() == {}


async def test_the_commerce_account_tells_its_checkout_and_set_up(sandbox_world: SandboxWorld) -> None:
    for shop, onsite in zip(sandbox_world.card["shops"], (True, False), strict=True):
        fields = "cta,setup_status,onsite_commerce_merchant,offsite_iab_checkout_enabled_countries,facebook_channel"
        shown = await sandbox_world.get(shop["metaId"], shop["accessToken"], fields=fields)
        listed = await sandbox_world.get(f"{shop['metaId']}/setup_status", shop["accessToken"])

        assert shown["cta"] == shop["cta"]
        assert ("onsite_commerce_merchant" in shown) is onsite
        assert shown["setup_status"] == listed
        assert shown["facebook_channel"]["pages"]["data"][0]["id"] == shop["pageId"]


async def test_a_business_lists_and_makes_catalogs(sandbox_world: SandboxWorld) -> None:
    business = sandbox_world.card["businessId"]
    made = await sandbox_world.post(f"{business}/owned_product_catalogs", name="Extra")

    catalogs = (await sandbox_world.get(f"{business}/owned_product_catalogs"))["data"]
    accounts = (await sandbox_world.get(f"{business}/commerce_merchant_settings"))["data"]

    assert {"id": made["id"], "name": "Extra"} in catalogs
    assert accounts == [{"id": shop["metaId"]} for shop in sandbox_world.card["shops"]]


async def test_a_large_catalog_is_read_page_by_page(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(shops=[{"orders": 0, "items": 20_000}])

    page = await world.get(f"{world.catalog}/products", limit=1000, summary="total_count")

    assert len(page["data"]) == 1000
    assert page["summary"]["total_count"] == 20_000
