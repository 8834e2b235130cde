"""Feeds: files become items in virtual time, and a replace run takes away what its file no longer has."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sandbox.commerce.feed_files import BadFile, read
from tests.sandbox.conftest import SandboxWorld

HEADER = "id,title,description,availability,condition,price,link,image_link,brand,google_product_category"


def row(retailer_id: str, **changes: str) -> str:
    cells = {
        "id": retailer_id,
        "title": f"Mug {retailer_id}",
        "description": "A glazed mug.",
        "availability": "in stock",
        "condition": "new",
        "price": "14.50 USD",
        "link": f"https://shop.example/{retailer_id}",
        "image_link": f"https://cdn.example/{retailer_id}.jpg",
        "brand": "Kiln",
        "google_product_category": "2169",
    }
    return ",".join((cells | changes).values())


def csv_of(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


async def feed(world: SandboxWorld, **body: Any) -> str:
    made = await world.post(f"{world.catalog}/product_feeds", **({"name": "Main feed"} | body))
    return str(made["id"])


async def upload(world: SandboxWorld, feed_id: str, content: bytes, **params: Any) -> str:
    answer = await world.send("POST", f"{feed_id}/uploads", files={"file": ("feed.csv", content)}, data=params)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def run(world: SandboxWorld, feed_id: str, content: bytes, **params: Any) -> dict[str, Any]:
    session = await upload(world, feed_id, content, **params)
    await world.advance(120)
    fields = "end_time,error_count,warning_count,num_detected_items,num_persisted_items,num_invalid_items"
    found: dict[str, Any] = await world.get(session, fields=f"{fields},num_deleted_items,input_method")
    return found


async def errors(world: SandboxWorld, session: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.get(f"{session}/errors", **params))["data"]
    return found


async def test_a_feed_has_documented_defaults(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world, default_currency="EUR")
    fields = "name,file_name,country,default_currency,deletion_enabled,delimiter,encoding,ingestion_source_type"

    shown = await sandbox_world.get(feed_id, fields=f"{fields},product_count,created_time,schedule,latest_upload")

    assert shown.pop("created_time").endswith("+0000")
    assert shown == {
        "id": feed_id,
        "name": "Main feed",
        "file_name": "Main feed",
        "country": "US",
        "default_currency": "EUR",
        "deletion_enabled": True,
        "delimiter": "AUTODETECT",
        "encoding": "AUTODETECT",
        "ingestion_source_type": "primary_feed",
        "product_count": 0,
    }
    assert (await sandbox_world.get(sandbox_world.catalog, fields="feed_count"))["feed_count"] == 1
    listed = await sandbox_world.get(f"{sandbox_world.catalog}/product_feeds")
    assert [one["id"] for one in listed["data"]] == [feed_id]


async def test_a_session_has_no_end_and_no_effect_while_it_runs(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world)
    session = await upload(sandbox_world, feed_id, csv_of(row("mug"), row("jug")))
    running = await sandbox_world.get(session)
    assert set(running) == {"id", "start_time"}
    assert await sandbox_world.items() == {}

    await sandbox_world.advance(120)

    done = await sandbox_world.get(session, fields="end_time,num_detected_items,num_persisted_items,input_method")
    assert done["end_time"] > running["start_time"]
    assert (done["num_detected_items"], done["num_persisted_items"]) == (2, 2)
    assert done["input_method"] == "Manual Upload"
    assert set(await sandbox_world.items()) == {"mug", "jug"}
    items = await sandbox_world.get(f"{feed_id}/products", fields="retailer_id,product_feed")
    assert {item["product_feed"]["id"] for item in items["data"]} == {feed_id}


async def test_a_replace_run_deletes_only_what_the_feed_owns(sandbox_world: SandboxWorld) -> None:
    first, second = await feed(sandbox_world), await feed(sandbox_world)
    await run(sandbox_world, first, csv_of(row("mug"), row("jug")))
    await run(sandbox_world, second, csv_of(row("cup")))

    done = await run(sandbox_world, first, csv_of(row("mug")))

    assert done["num_deleted_items"] == 1
    assert set(await sandbox_world.items()) == {"mug", "cup"}


async def test_an_update_only_run_never_deletes_and_needs_few_columns(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world)
    await run(sandbox_world, feed_id, csv_of(row("mug"), row("jug")))

    done = await run(
        sandbox_world, feed_id, csv_of("mug,9.00 USD", "ghost,9.00 USD", header="id,price"), update_only="true"
    )

    items = await sandbox_world.items()
    assert (done["num_persisted_items"], done["num_invalid_items"], done["num_deleted_items"]) == (1, 1, 0)
    assert set(items) == {"mug", "jug"}
    assert (items["mug"]["price"], items["mug"]["title"]) == ("9.00 USD", "Mug mug")


async def test_columns_of_the_file_replace_and_others_stay(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world)
    header = HEADER + ",color"
    await run(sandbox_world, feed_id, csv_of(row("mug") + ",blue", header=header))
    stock = {"method": "UPDATE", "data": {"id": "mug", "quantity_to_sell_on_facebook": 3}}
    await sandbox_world.write_items(stock)
    await sandbox_world.advance(120)

    await run(sandbox_world, feed_id, csv_of(row("mug") + ",", header=header))

    item = (await sandbox_world.items())["mug"]
    assert "color" not in item
    assert item["quantity_to_sell_on_facebook"] == 3


async def test_every_copy_of_a_repeated_id_is_ignored(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world)
    await run(sandbox_world, feed_id, csv_of(row("mug")))

    done = await run(sandbox_world, feed_id, csv_of(row("mug", title="One"), row("mug", title="Two"), row("jug")))

    items = await sandbox_world.items()
    assert (done["error_count"], done["num_persisted_items"], done["num_deleted_items"]) == (2, 1, 0)
    assert items["mug"]["title"] == "Mug mug"


async def test_an_item_belongs_to_one_feed_until_that_is_migrated(sandbox_world: SandboxWorld) -> None:
    first, second = await feed(sandbox_world), await feed(sandbox_world)
    await run(sandbox_world, first, csv_of(row("mug")))
    refused = await run(sandbox_world, second, csv_of(row("mug", title="Stolen")))
    heir = await feed(sandbox_world, migrated_from_feed_id=first)
    moved = await run(sandbox_world, heir, csv_of(row("mug", title="Inherited")))

    assert (refused["num_persisted_items"], moved["num_persisted_items"]) == (0, 1)
    assert (await sandbox_world.items())["mug"]["title"] == "Inherited"
    assert (await sandbox_world.get(first, fields="product_count"))["product_count"] == 0


async def test_a_deleted_feed_takes_its_items_along(sandbox_world: SandboxWorld) -> None:
    first, second = await feed(sandbox_world), await feed(sandbox_world)
    await run(sandbox_world, first, csv_of(row("mug")))
    await run(sandbox_world, second, csv_of(row("cup")))

    assert (await sandbox_world.send("DELETE", first)).json() == {"success": True}

    assert set(await sandbox_world.items()) == {"cup"}
    assert (await sandbox_world.refused("GET", first))["error_subcode"] == 33


async def test_fatal_errors_and_warnings_are_summed_up_with_samples(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world)
    bad = [row(f"bad-{n}", availability="InStock") for n in range(8)]
    content = csv_of(*bad, row("mug", google_product_category=""), header=HEADER)
    session = (await run(sandbox_world, feed_id, content))["id"]

    fatal, warning = await errors(sandbox_world, session)

    assert (fatal["severity"], fatal["total_count"], len(fatal["samples"]["data"])) == ("fatal", 8, 5)
    assert fatal["samples"]["data"][0]["retailer_id"] == "bad-0"
    assert fatal["samples"]["data"][0]["row_number"] == 2
    assert (warning["severity"], warning["total_count"]) == ("warning", 1)
    assert [one["id"] for one in await errors(sandbox_world, session, error_priority="HIGH")] == [fatal["id"]]
    assert [one["id"] for one in await errors(sandbox_world, session, error_priority="LOW")] == [warning["id"]]
    [rule] = (await sandbox_world.get(f"{fatal['id']}/suggested_rules"))["data"]
    assert rule["type"] == "value_mapping_rule"


async def test_the_full_report_is_asked_for_and_fetched_later(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world)
    session = (await run(sandbox_world, feed_id, csv_of(row("mug"), row("bad", price="cheap"))))["id"]

    async def state() -> dict[str, Any]:
        report: dict[str, Any] = (await sandbox_world.get(session, fields="error_report"))["error_report"]
        return report

    seen = [(await state())["report_status"]]
    assert await sandbox_world.post(f"{session}/error_report") == {"success": True}
    for seconds in (0, 40, 30):
        await sandbox_world.advance(seconds)
        seen.append((await state())["report_status"])

    assert seen == ["NOT_REQUESTED", "REQUESTED", "CREATED", "WRITE_FINISHED"]
    report = await sandbox_world.http.get((await state())["file_handle"])
    assert report.text.splitlines()[1].startswith("bad,")
    await sandbox_world.advance(31 * 86_400)
    assert await state() == {"report_status": "ERROR_REPORT_OUTDATED"}


@pytest.mark.parametrize("pack", ["plain", "gzip", "bz2", "zip"])
async def test_files_may_come_packed(sandbox_world: SandboxWorld, pack: str) -> None:
    content = csv_of(row("mug"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as folder:
        folder.writestr("feed.csv", content)
    packed = {"plain": content, "gzip": gzip.compress(content), "bz2": bz2.compress(content), "zip": archive.getvalue()}

    done = await run(sandbox_world, await feed(sandbox_world), packed[pack])

    assert done["num_persisted_items"] == 1


@pytest.mark.parametrize(("mark", "encoding"), [("\t", "utf-8"), (";", "utf-16"), ("|", "latin-1"), ("~", "utf-8-sig")])
async def test_delimiter_and_encoding_are_found_out(sandbox_world: SandboxWorld, mark: str, encoding: str) -> None:
    content = csv_of(row("mug", title="Kännchen")).decode().replace(",", mark).encode(encoding)

    await run(sandbox_world, await feed(sandbox_world), content)

    assert (await sandbox_world.items())["mug"]["title"] == "Kännchen"


async def test_nested_values_come_flattened_or_as_json(sandbox_world: SandboxWorld) -> None:
    header = HEADER.replace("image_link", "image[0].url,image[1].url,image[1].tag[0]") + ",shipping,internal_label"
    pictures = '"https://cdn.example/1.jpg","https://cdn.example/2.jpg",back'
    shipping = json.dumps([{"shipping_country": "DE"}]).replace('"', '""')
    cells = row("mug", image_link=pictures) + f',"{shipping}","Summer, Blue"'

    await run(sandbox_world, await feed(sandbox_world), csv_of(cells, header=header))

    item = (await sandbox_world.items())["mug"]
    assert [image["url"][-5:] for image in item["image"]] == ["1.jpg", "2.jpg"]
    assert item["shipping"] == [{"shipping_country": "DE"}]
    assert item["internal_label"] == ["summer", "blue"]


async def test_rss_and_atom_are_read(sandbox_world: SandboxWorld) -> None:
    inner = (
        "<g:title>Mug</g:title><g:description>A mug.</g:description><g:availability>in stock</g:availability>"
        "<g:condition>new</g:condition><g:price>9.00</g:price><g:image_link>https://cdn.example/m.jpg</g:image_link>"
        "<g:brand>Kiln</g:brand><additional_image_link>https://cdn.example/n.jpg</additional_image_link>"
    )
    rss = (
        '<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><item><g:id>rss</g:id>'
        f"<g:link>https://shop.example/rss</g:link>{inner}</item></channel></rss>"
    )
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><entry><g:id>atom</g:id>'
        f'<link href="https://shop.example/atom"/>{inner}</entry></feed>'
    )
    for content in (rss, atom):
        await run(sandbox_world, await feed(sandbox_world, default_currency="EUR"), content.encode())

    items = await sandbox_world.items()
    assert items["atom"]["link"] == "https://shop.example/atom"
    assert {item["price"] for item in items.values()} == {"9.00 EUR"}
    assert items["rss"]["additional_image_link"] == ["https://cdn.example/n.jpg"]


@pytest.mark.parametrize(
    "content",
    [b"", b"title,price\nMug,9.00 USD\n", b"<rss><item>", b"PK\x03\x04broken", b'<!DOCTYPE x [<!ENTITY a "b">]><rss/>'],
)
async def test_a_file_that_cannot_be_read_changes_nothing(sandbox_world: SandboxWorld, content: bytes) -> None:
    feed_id = await feed(sandbox_world)
    await run(sandbox_world, feed_id, csv_of(row("mug")))

    done = await run(sandbox_world, feed_id, content)

    assert (done["error_count"], done["num_deleted_items"], done["num_detected_items"]) == (1, 0, 0)
    [error] = await errors(sandbox_world, done["id"])
    assert error["severity"] == "fatal"
    assert set(await sandbox_world.items()) == {"mug"}


async def test_an_upload_needs_one_source(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world)

    neither = await sandbox_world.refused("POST", f"{feed_id}/uploads")
    both = await sandbox_world.refused(
        "POST", f"{feed_id}/uploads", files={"file": ("f.csv", b"id")}, data={"url": "https://shop.example/f.csv"}
    )

    assert (neither["code"], both["code"]) == (10801, 100)


@pytest.mark.parametrize(
    "body",
    [
        {"delimiter": "DOT"},
        {"default_currency": "QQQ"},
        {"feed_type": "POEMS"},
        {"ingestion_source_type": "SUPPLEMENTARY_FEED"},
        {"migrated_from_feed_id": "1"},
        {"schedule": {"interval": "DAILY"}},
        {"schedule": {"url": "https://shop.example/f.csv"}},
        {"schedule": {"interval": "DAILY", "url": "https://shop.example/f.csv", "hour": 25}},
        {"schedule": {"interval": "DAILY", "url": "https://shop.example/f.csv", "timezone": "Mars/Olympus"}},
    ],
)
async def test_a_feed_that_makes_no_sense_is_refused(sandbox_world: SandboxWorld, body: dict[str, Any]) -> None:
    error = await sandbox_world.refused("POST", f"{sandbox_world.catalog}/product_feeds", json={"name": "x"} | body)

    assert error["code"] == 100
    assert (await sandbox_world.get(f"{sandbox_world.catalog}/product_feeds"))["data"] == []


async def test_deletion_cannot_be_switched_off_again(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world, deletion_enabled=False)
    await run(sandbox_world, feed_id, csv_of(row("mug"), row("jug")))
    await run(sandbox_world, feed_id, csv_of(row("mug")))
    kept = set(await sandbox_world.items())

    assert await sandbox_world.post(feed_id, deletion_enabled=True, name="Renamed") == {"success": True}
    refused = await sandbox_world.refused("POST", feed_id, json={"deletion_enabled": False})

    assert (kept, refused["code"]) == ({"mug", "jug"}, 100)
    assert (await sandbox_world.get(feed_id))["name"] == "Renamed"


async def test_runs_show_beside_batches_which_items_they_hold(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world)
    await sandbox_world.write_items({"method": "DELETE", "data": {"id": "mug"}})
    session = await upload(sandbox_world, feed_id, csv_of(row("mug")))

    rows = await sandbox_world.control("GET", "batches", params={"catalog": sandbox_world.catalog})
    refused = await sandbox_world.refused(
        "GET", f"{sandbox_world.catalog}/check_batch_request_status", params={"handle": session}
    )

    assert (rows[-1]["handle"], rows[-1]["overlapping"]) == (session, ["mug"])
    assert refused["code"] == 100


async def test_a_catalog_takes_its_feeds_and_their_runs_along(sandbox_world: SandboxWorld) -> None:
    url = "https://shop.example/f.csv"
    feed_id = await feed(sandbox_world, schedule={"interval": "HOURLY", "url": url})
    done = await run(sandbox_world, feed_id, csv_of(row("bad", price="cheap")))
    pending = await upload(sandbox_world, feed_id, csv_of(row("mug")))
    [error] = await errors(sandbox_world, done["id"])

    await sandbox_world.send("DELETE", sandbox_world.catalog)
    await sandbox_world.advance(86_400)

    for gone in (feed_id, pending, done["id"], error["id"]):
        assert (await sandbox_world.refused("GET", gone))["error_subcode"] == 33


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=300) | st.text(max_size=300).map(str.encode),
    st.sampled_from(
        [b"", b"id,title\n", b"PK\x03\x04", b"\x1f\x8b", b"BZh9", b"<rss>", b"\xff\xfe", b"id\timage[0].url\n"]
    ),
)
def test_no_bytes_break_the_reader(content: bytes, start: bytes) -> None:
    with suppress(BadFile):
        read(start + content)


def test_an_xml_declaration_does_not_change_the_encoding() -> None:
    content = '<?xml version="1.0" encoding="ISO-8859-1"?><rss><item><id>m</id><title>Kännchen</title></item></rss>'

    assert read(content.encode()).rows == [(1, {"id": "m", "title": "Kännchen"})]


def test_brackets_in_a_title_are_text() -> None:
    assert read(b'id;title\nm;"[1]"\n').rows == [(2, {"id": "m", "title": "[1]"})]
