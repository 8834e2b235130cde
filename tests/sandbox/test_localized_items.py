"""Values for other languages and countries, and the legacy batch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld, new_item


async def localize(world: SandboxWorld, *records: dict[str, Any]) -> dict[str, Any]:
    body = {"item_type": "PRODUCT_ITEM", "requests": list(records)}
    answer: dict[str, Any] = await world.post(f"{world.catalog}/localized_items_batch", **body)
    await world.advance(120)
    return answer


def record(retailer_id: str, kind: str, value: str, method: str = "UPDATE", **data: Any) -> dict[str, Any]:
    return {"method": method, "data": {"id": retailer_id} | data, "localization": {"type": kind, "value": value}}


async def mug(world: SandboxWorld) -> str:
    await world.write_items(new_item("mug"))
    await world.advance(120)
    return str((await world.items())["mug"]["metaId"])


async def test_overrides_are_read_back_by_language_and_country(sandbox_world: SandboxWorld) -> None:
    item = await mug(sandbox_world)
    await localize(
        sandbox_world,
        record("mug", "language", "pl_PL", title="Kubek"),
        record("mug", "COUNTRY", "PL", price="62.00 PLN", availability="out of stock"),
        record("mug", "LANGUAGE_AND_COUNTRY", "en_XX|GB", title="A proper mug"),
    )
    fields = "name,price,availability"

    plain = await sandbox_world.get(item, fields=fields)
    polish = await sandbox_world.get(item, fields=fields, override_language="pl_PL", override_country="PL")
    british = await sandbox_world.get(item, fields=fields, override_language="en_XX", override_country="GB")

    assert (plain["name"], plain["price"]) == ("Stoneware mug", "$14.50")
    assert (polish["name"], polish["price"], polish["availability"]) == ("Kubek", "PLN62.00", "out of stock")
    assert british["name"] == "A proper mug"


async def test_override_details_can_be_narrowed(sandbox_world: SandboxWorld) -> None:
    item = await mug(sandbox_world)
    await localize(
        sandbox_world,
        record("mug", "LANGUAGE", "pl_PL", title="Kubek"),
        record("mug", "LANGUAGE", "de_DE", title="Becher"),
        record("mug", "COUNTRY", "PL", price="62.00 PLN"),
    )

    every = await sandbox_world.get(f"{item}/override_details")
    one = await sandbox_world.get(f"{item}/override_details", type="LANGUAGE", keys='["pl_PL"]')

    assert len(every["data"]) == 3
    assert one["data"] == [{"key": "pl_PL", "type": "LANGUAGE", "values": {"title": "Kubek"}}]


async def test_a_deleted_override_is_gone_and_the_item_is_not(sandbox_world: SandboxWorld) -> None:
    item = await mug(sandbox_world)
    await localize(sandbox_world, record("mug", "LANGUAGE", "pl_PL", title="Kubek"))
    await localize(sandbox_world, record("mug", "LANGUAGE", "pl_PL", "DELETE"))

    shown = await sandbox_world.get(item, fields="name", override_language="pl_PL")

    assert shown["name"] == "Stoneware mug"


async def test_overrides_go_with_their_item(sandbox_world: SandboxWorld) -> None:
    await mug(sandbox_world)
    await localize(sandbox_world, record("mug", "LANGUAGE", "pl_PL", title="Kubek"))
    await sandbox_world.write_items({"method": "DELETE", "data": {"id": "mug"}})
    await sandbox_world.advance(120)
    item = await mug(sandbox_world)

    assert await sandbox_world.get(f"{item}/override_details") == {"data": []}


@pytest.mark.parametrize(
    "localization",
    [
        None,
        {},
        {"type": "LANGUAGE"},
        {"type": "PLANET", "value": "x"},
        {"type": "COUNTRY", "value": "Poland"},
        {"type": "LANGUAGE_AND_COUNTRY", "value": "pl_PL"},
        {"type": "LANGUAGE", "value": "pl_PL|PL"},
    ],
)
async def test_a_record_needs_a_localization_that_makes_sense(
    sandbox_world: SandboxWorld, localization: dict[str, str] | None
) -> None:
    await mug(sandbox_world)

    answer = await localize(
        sandbox_world, {"method": "UPDATE", "data": {"id": "mug", "title": "x"}, "localization": localization}
    )

    assert answer["handles"] == []
    assert answer["validation_status"][0]["retailer_id"] == "mug"


async def test_a_language_has_no_price_and_an_unknown_item_is_not_made(sandbox_world: SandboxWorld) -> None:
    await mug(sandbox_world)
    refused = await localize(sandbox_world, record("mug", "LANGUAGE", "pl_PL", price="62.00 PLN"))
    taken = await localize(sandbox_world, record("ghost", "LANGUAGE", "pl_PL", title="Duch"))

    row = await sandbox_world.batch_status(taken["handles"][0], load_ids_of_invalid_requests=True)

    assert refused["handles"] == []
    assert (row["status"], row["errors_total_count"], row["ids_of_invalid_requests"]) == ("finished", 1, ["ghost"])
    assert set(await sandbox_world.items()) == {"mug"}


async def test_what_cannot_be_localized_is_left_out_with_a_warning(sandbox_world: SandboxWorld) -> None:
    item = await mug(sandbox_world)

    answer = await localize(
        sandbox_world, record("mug", "LANGUAGE", "pl_PL", title="Kubek", image_link="https://cdn.example/pl.jpg")
    )

    [said] = answer["validation_status"]
    assert "image_link" in said["warnings"][0]["message"]
    [row] = (await sandbox_world.get(f"{item}/override_details"))["data"]
    assert row["values"] == {"title": "Kubek"}


async def test_the_legacy_batch_takes_older_names_and_minor_units(sandbox_world: SandboxWorld) -> None:
    data = {
        "name": "Mug", "description": "A mug.", "url": "https://shop.example/m", "image_url": "https://cdn.example/m.jpg",
        "availability": "in stock", "condition": "new", "brand": "Kiln", "price": 1450, "currency": "GBP",
        "sale_price": 1100, "retailer_product_group_id": "mugs", "colour": "blue",
    }  # fmt: skip

    answer = await sandbox_world.post(
        f"{sandbox_world.catalog}/batch", requests=[{"method": "UPDATE", "retailer_id": "mug", "data": data}]
    )
    await sandbox_world.advance(120)

    item = (await sandbox_world.items())["mug"]
    assert answer["validation_status"] == []
    assert (item["title"], item["price"], item["sale_price"], item["item_group_id"]) == (
        "Mug",
        "14.50 GBP",
        "11.00 GBP",
        "mugs",
    )
    assert (await sandbox_world.batch_status(answer["handles"][0]))["status"] == "finished"


async def test_the_legacy_batch_deletes_and_knows_the_currency_of_an_item(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.write_items(new_item("mug"), new_item("jug"))
    await sandbox_world.advance(120)

    await sandbox_world.post(
        f"{sandbox_world.catalog}/batch",
        requests=[
            {"method": "UPDATE", "retailer_id": "mug", "data": {"price": 900}},
            {"method": "DELETE", "retailer_id": "jug"},
        ],
    )
    await sandbox_world.advance(120)

    items = await sandbox_world.items()
    assert set(items) == {"mug"}
    assert items["mug"]["price"] == "9.00 USD"


@pytest.mark.parametrize("edge", ["batch", "localized_items_batch"])
async def test_every_batch_spends_the_batch_budget(sandbox_world: SandboxWorld, edge: str) -> None:
    await sandbox_world.control(
        "POST", "usage", json={"object": sandbox_world.catalog, "type": "catalog_batch", "percent": 100}
    )

    error = await sandbox_world.refused("POST", f"{sandbox_world.catalog}/{edge}", json={"requests": [{}]})

    assert error["code"] == 80014
