"""`items_batch`: nothing is saved by a good answer, everything happens later and in no order."""

from __future__ import annotations

import json

import pytest

from tests.sandbox.conftest import SandboxWorld, SandboxWorlds, new_item


async def test_nothing_is_visible_before_the_batch_has_finished(sandbox_world: SandboxWorld) -> None:
    answer = await sandbox_world.write_items(new_item("mug"))
    [handle] = answer["handles"]
    seen = []
    for seconds in (0, 15, 20, 80):
        await sandbox_world.advance(seconds)
        seen.append((await sandbox_world.batch_status(handle))["status"])
        assert await sandbox_world.items() == {}

    await sandbox_world.advance(10)

    assert seen == ["scheduled", "dispatched", "started", "started"]
    assert (await sandbox_world.batch_status(handle))["status"] == "finished"
    assert (await sandbox_world.items())["mug"]["price"] == "14.50 USD"


async def test_a_finished_batch_can_hide_failures(sandbox_world: SandboxWorld) -> None:
    bad = new_item("bad", price="14.50", link="not a link")
    answer = await sandbox_world.write_items(new_item("good"), bad)
    await sandbox_world.advance(120)

    without = await sandbox_world.batch_status(answer["handles"][0])
    with_ids = await sandbox_world.batch_status(answer["handles"][0], load_ids_of_invalid_requests="true")

    assert without["status"] == "finished"
    assert without["errors_total_count"] == 2
    assert without["ids_of_invalid_requests"] == []
    assert with_ids["ids_of_invalid_requests"] == ["bad", "bad"]
    assert {error["message"].split(":")[0] for error in without["errors"]} == {
        "Price Without Currency for Property",
        "URL Incorrectly Formatted",
    }
    assert set(await sandbox_world.items()) == {"good"}


async def test_errors_are_a_sample_and_totals_are_not(sandbox_world: SandboxWorld) -> None:
    answer = await sandbox_world.write_items(*[new_item(f"bad-{n}", condition="worn") for n in range(25)])
    await sandbox_world.advance(120)

    row = await sandbox_world.batch_status(answer["handles"][0], load_ids_of_invalid_requests=1)

    assert len(row["errors"]) == 10
    assert row["errors_total_count"] == 25
    assert len(row["ids_of_invalid_requests"]) == 25


@pytest.mark.parametrize(
    "field", ["title", "description", "availability", "condition", "price", "link", "image_link", "brand"]
)
async def test_a_new_item_needs_every_required_field(sandbox_world: SandboxWorld, field: str) -> None:
    record = new_item("mug")
    del record["data"][field]
    answer = await sandbox_world.write_items(record)
    await sandbox_world.advance(120)

    row = await sandbox_world.batch_status(answer["handles"][0])

    assert row["errors_total_count"] == 1
    assert row["errors"][0]["id"] == "mug"


async def test_a_partial_update_keeps_what_was_not_sent(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.write_items(new_item("mug", quantity_to_sell_on_facebook=5))
    await sandbox_world.advance(120)

    await sandbox_world.write_items({"method": "UPDATE", "data": {"id": "mug", "price": "9.00 USD"}})
    await sandbox_world.advance(120)

    item = (await sandbox_world.items())["mug"]
    assert (item["price"], item["title"], item["quantity_to_sell_on_facebook"]) == ("9.00 USD", "Stoneware mug", 5)


async def test_deleting_an_absent_item_is_no_error(sandbox_world: SandboxWorld) -> None:
    answer = await sandbox_world.write_items({"method": "DELETE", "data": {"id": "never-there"}})
    await sandbox_world.advance(120)

    assert (await sandbox_world.batch_status(answer["handles"][0]))["errors_total_count"] == 0


async def test_without_upsert_an_unknown_id_is_an_error(sandbox_world: SandboxWorld) -> None:
    answer = await sandbox_world.write_items(new_item("mug"), allow_upsert=False)
    await sandbox_world.advance(120)

    assert (await sandbox_world.batch_status(answer["handles"][0]))["errors_total_count"] == 1
    assert await sandbox_world.items() == {}


async def test_unknown_fields_warn_and_records_without_id_are_refused(sandbox_world: SandboxWorld) -> None:
    answer = await sandbox_world.write_items(
        new_item("mug", colour="blue"), {"method": "UPDATE", "data": {"title": "x"}}, new_item("cup")
    )

    warned, refused = answer["validation_status"]
    assert "'colour'" in warned["warnings"][0]["message"]
    assert "errors" not in warned
    assert refused["errors"]
    assert len(answer["handles"]) == 1


async def test_a_batch_of_bad_records_has_no_handle(sandbox_world: SandboxWorld) -> None:
    answer = await sandbox_world.write_items({"method": "REPLACE", "data": {"id": "mug"}})

    assert answer["handles"] == []


async def test_form_encoding_with_json_text_is_the_same(sandbox_world: SandboxWorld) -> None:
    form = {"item_type": "PRODUCT_ITEM", "requests": json.dumps([new_item("mug")])}
    answer = await sandbox_world.send("POST", f"{sandbox_world.catalog}/items_batch", data=form)
    await sandbox_world.advance(120)

    assert answer.status_code == 200
    assert set(await sandbox_world.items()) == {"mug"}


async def test_overlap_and_duplicates_are_reported_to_tests(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.write_items(new_item("mug"), new_item("cup"))
    await sandbox_world.write_items(new_item("cup"), new_item("jug"), new_item("jug", price="1.00 USD"))

    first, second = await sandbox_world.control("GET", f"batches?catalog={sandbox_world.catalog}")

    assert (first["overlapping"], first["duplicates"]) == ([], [])
    assert (second["overlapping"], second["duplicates"]) == (["cup"], ["jug"])
    assert second["retailerIds"] == ["cup", "jug", "jug"]


async def test_of_two_records_with_one_id_a_random_one_wins(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(batchSeconds=0, shops=[{"orders": 0}])
    winners = set()
    for _ in range(12):
        await world.write_items(new_item("mug", price="1.00 USD"), new_item("mug", price="2.00 USD"))
        winners.add((await world.items())["mug"]["price"])

    assert winners == {"1.00 USD", "2.00 USD"}


async def test_too_many_records_and_a_missing_type_are_refused(sandbox_world: SandboxWorld) -> None:
    path = f"{sandbox_world.catalog}/items_batch"
    rows = [{"method": "DELETE", "data": {"id": str(n)}} for n in range(5001)]

    crowd = await sandbox_world.refused("POST", path, json={"item_type": "PRODUCT_ITEM", "requests": rows})
    untyped = await sandbox_world.refused("POST", path, json={"requests": rows[:1]})

    assert (crowd["code"], untyped["code"]) == (100, 100)


async def test_a_payload_beyond_28_megabytes_is_too_much_data(sandbox_world: SandboxWorld) -> None:
    body = {"item_type": "PRODUCT_ITEM", "requests": [new_item("mug", description="x" * 29 * 1024 * 1024)]}

    error = await sandbox_world.refused("POST", f"{sandbox_world.catalog}/items_batch", json=body)

    assert (error["code"], error["status"]) == (1, 500)
    assert error["message"].startswith("Please reduce the amount of data")


async def test_an_unknown_handle_is_an_invalid_parameter(sandbox_world: SandboxWorld) -> None:
    path = f"{sandbox_world.catalog}/check_batch_request_status"

    assert (await sandbox_world.refused("GET", path, params={"handle": "AcNever"}))["code"] == 100


async def test_a_seeded_order_line_gets_the_item_it_was_promised(sandbox_world: SandboxWorld) -> None:
    orders = await sandbox_world.get(f"{sandbox_world.cms}/commerce_orders", fields="items{retailer_id,product_id}")
    line = orders["data"][0]["items"]["data"][0]

    await sandbox_world.write_items(new_item(line["retailer_id"]))
    await sandbox_world.advance(120)

    assert (await sandbox_world.items())[line["retailer_id"]]["metaId"] == line["product_id"]
