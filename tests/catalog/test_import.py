"""Importing files: through the service, through GraphQL, and through the command line."""

from __future__ import annotations

import asyncio
import csv
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.access.models import Caller
from gateway.catalog.feeds import FeedOptions
from gateway.dev import SAMPLE_CURRENCY, SAMPLE_LINKS, sample_file
from gateway.importer import import_over_http
from gateway.kit.ids import node_id
from tests.support.gateway import PRODUCTS, Gateway

RUN = """
mutation($input: CatalogImportRunInput!) {
  catalogImportRun(input: $input) {
    catalogImport {
      id state rows created updated unchanged refused
      refusals { line retailerId code field message fix } error { code message fix }
    }
    userErrors { code field message fix }
  }
}"""
HEADER = "id,title,description,availability,condition,price,link,image_link,brand\n"


def row(retailer_id: str, price: str = "9.99 USD", **changes: str) -> str:
    values = {
        "title": f"Item {retailer_id}", "description": "An item.", "availability": "in stock", "condition": "new",
        "link": "https://shop.example.com/p", "image": "https://cdn.example.com/p.jpg", "brand": "Example", **changes,
    }  # fmt: skip
    cells = [
        retailer_id, values["title"], values["description"], values["availability"], values["condition"], price,
        values["link"], values["image"], values["brand"],
    ]  # fmt: skip
    return ",".join(f'"{cell}"' for cell in cells) + "\n"


async def run(gateway: Gateway, content: str, **options: Any) -> dict[str, Any]:
    result = await gateway.run(RUN, input={"shopId": gateway.shop_id, "content": content, **options})
    assert result.user_errors == []
    done: dict[str, Any] = result.payload["catalogImport"]
    return done


def apparel() -> str:
    return sample_file().read_text(encoding="utf-8")


def table(rows: list[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


SHOPIFY = {"currency": SAMPLE_CURRENCY, "linkTemplate": SAMPLE_LINKS}


async def test_the_apparel_file_becomes_products_that_meta_confirms(gateway: Gateway) -> None:
    done = await run(gateway, apparel(), **SHOPIFY)
    assert (done["state"], done["rows"], done["created"], done["refused"]) == ("FINISHED", 22, 22, 0)

    await gateway.sync()

    result = await gateway.run(
        """query($shopId: ID!) { products(shopId: $shopId, first: 100) { totalCount nodes {
          retailerId title price { amount currencyCode } link imageLink groupId size syncState
          variants { retailerId }
        } } }""",
        shopId=gateway.shop_id,
    )
    found = {item["retailerId"]: item for item in result.data["products"]["nodes"]}
    assert {item["syncState"] for item in found.values()} == {"CONFIRMED"}
    top = found["classic-varsity-top-medium"]
    assert top["price"] == {"amount": "60.00", "currencyCode": "USD"}
    assert top["link"] == "https://shop.example.com/products/classic-varsity-top"
    assert top["imageLink"] == found["classic-varsity-top-small"]["imageLink"]
    assert len(top["variants"]) == 3
    assert set(gateway.world.items()) == set(found)


async def test_the_same_file_twice_changes_nothing_and_costs_no_call(gateway: Gateway) -> None:
    await run(gateway, apparel(), **SHOPIFY)
    await gateway.sync()
    gateway.world.forget_calls()

    again = await run(gateway, apparel(), **SHOPIFY)
    await gateway.sync()

    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 22)
    assert gateway.world.calls() == []


async def test_one_changed_price_sends_one_patch(gateway: Gateway) -> None:
    await run(gateway, HEADER + row("A") + row("B"))
    await gateway.sync()
    gateway.world.forget_calls()

    done = await run(gateway, HEADER + row("A", "8.50 USD") + row("B"))
    await gateway.sync()

    assert (done["updated"], done["unchanged"]) == (1, 1)
    [call] = gateway.world.calls("POST", "*/items_batch")
    [record] = call["params"]["requests"]
    assert (record["data"]["id"], record["data"]["price"]) == ("A", "8.50 USD")
    assert "title" not in record["data"]


async def test_bad_rows_are_reported_with_line_and_remedy_and_good_ones_are_taken(gateway: Gateway) -> None:
    content = HEADER + row("A") + row("B", "12,50 USD") + row("C", "-1 USD") + row("D", image="") + row("A")

    done = await run(gateway, content)

    refusals = {(refusal["line"], refusal["code"], refusal["field"]) for refusal in done["refusals"]}
    assert (3, "INVALID_PRICE", "price") in refusals
    assert (4, "INVALID_PRICE", "price") in refusals
    assert (5, "MISSING_FIELD", "imageLink") in refusals
    assert (6, "DUPLICATE_RETAILER_ID", "retailerId") in refusals
    assert all(refusal["fix"] for refusal in done["refusals"])
    assert (done["created"], done["refused"]) == (1, 4)
    assert set(await gateway.products()) == {"A"}


async def test_a_variant_without_a_price_or_a_picture_is_never_sent(gateway: Gateway) -> None:
    rows = list(csv.DictReader(io.StringIO(apparel())))
    rows[0]["Variant Price"] = ""
    rows[-1]["Image Src"] = ""

    done = await run(gateway, table([rows[0], rows[-1]]), **SHOPIFY)

    assert {refusal["field"] for refusal in done["refusals"]} == {"price", "imageLink"}
    assert await gateway.products() == {}


async def test_an_item_keeps_its_first_id_when_its_source_names_it_anew(gateway: Gateway) -> None:
    await run(gateway, apparel(), **SHOPIFY)
    first = next(csv.DictReader(io.StringIO(apparel())))

    done = await run(gateway, table([{**first, "Variant SKU": "NEW-SKU-1"}]), **SHOPIFY)

    assert (done["created"], done["unchanged"]) == (0, 1)
    assert "NEW-SKU-1" not in await gateway.products()


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("", {}),
        ("\x00\x01\x02 nothing that anybody would call a table", {}),
        ("name,colour\nA,red\n", {}),
        ("{not json", {"format": "JSONL"}),
        ("<rss><channel></channel>", {"format": "META_XML"}),
    ],
    ids=["empty", "binary", "no id column", "broken JSON", "broken XML"],
)
async def test_a_file_that_is_none_fails_with_a_remedy(gateway: Gateway, content: str, options: dict[str, Any]) -> None:
    done = await run(gateway, content, **options)

    assert done["state"] == "FAILED" or done["refused"]
    assert done["created"] == 0
    reasons = [done["error"]] if done["error"] else done["refusals"]
    assert all(reason["fix"] for reason in reasons)


async def test_a_shopify_file_needs_a_currency_and_a_link_template(gateway: Gateway) -> None:
    done = await run(gateway, apparel())

    assert done["state"] == "FAILED"
    assert done["error"]["code"] == "FEED_UNREADABLE"
    assert "--currency" in done["error"]["fix"] or "currency" in done["error"]["message"]


async def test_an_import_names_exactly_one_source(gateway: Gateway) -> None:
    result = await gateway.run(RUN, input={"shopId": gateway.shop_id})

    [error] = result.user_errors
    assert error["field"] == ["file"]


async def test_a_file_goes_through_a_running_gateway_and_back_comes_its_report(
    gateway: Gateway, tmp_path: Path
) -> None:
    file = tmp_path / "feed.csv"
    file.write_text(HEADER + row("A") + row("B", "free"), encoding="utf-8")

    report = await import_over_http(file, gateway.shop_id, f"{gateway.url}/graphql", gateway.key, None, None, None)

    assert report.exit_code == 2
    assert report.counts["created"] == 1
    [refusal] = report.refusals
    assert (refusal["line"], refusal["retailerId"], refusal["field"]) == (3, "B", "price")


async def test_a_large_upload_streams_through_the_gateway(gateway: Gateway, tmp_path: Path) -> None:
    """200 MB of padding around few rows: what counts is that the bytes pass, not how many items there are."""
    file = tmp_path / "large.jsonl"
    good = b'{"retailerId": "A", "title": "A", "description": "d", "price": "1.00 USD", "availability": "in stock", '
    good += b'"link": "https://shop.example.com/a", "imageLink": "https://cdn.example.com/a.jpg", "brand": "B"}\n'
    filler = b'{"retailerId": "X", "description": "' + b"x" * 2_000_000 + b'"}\n'
    with file.open("wb") as target:
        for _ in range(100):
            target.write(filler)
        target.write(good)
    assert file.stat().st_size > 200_000_000

    report = await import_over_http(file, gateway.shop_id, f"{gateway.url}/graphql", gateway.key, None, None, None)

    assert report.state == "FINISHED"
    assert report.counts["created"] == 1
    assert report.counts["refused"] == 100


async def test_an_import_whose_process_died_says_that_it_was_interrupted(gateway: Gateway) -> None:
    imports = gateway.services.imports
    _, begun = await imports._begin(Caller.system(), gateway.onsite.id, "feed.csv")
    query = "query($id: ID!) { node(id: $id) { ... on CatalogImport { state } } }"

    async def state() -> str:
        found: str = (await gateway.run(query, id=node_id("CatalogImport", begun.id))).data["node"]["state"]
        return found

    assert await state() == "RUNNING"
    gateway.clock.advance(300)
    assert await state() == "INTERRUPTED"


async def test_an_import_tells_its_progress(gateway: Gateway) -> None:
    content = (HEADER + "".join(row(f"A{n}") for n in range(1200))).encode()
    seen: list[int] = []

    done = await gateway.services.imports.run(
        Caller.system(),
        gateway.onsite.id,
        io.BytesIO(content),
        FeedOptions(),
        "feed.csv",
        lambda counts, position: seen.append(counts["rows"]),
    )

    assert done.counts["created"] == 1200
    assert seen == [500, 1000, 1200]
    assert (await gateway.run(PRODUCTS, shopId=gateway.shop_id)).data["products"]["totalCount"] == 1200


async def test_the_command_line_imports_on_the_database_and_tells_by_its_exit_code(
    gateway: Gateway, tmp_path: Path
) -> None:
    file = tmp_path / "apparel.csv"
    file.write_text(apparel(), encoding="utf-8")
    settings = gateway.services.settings
    environment = {
        "GATEWAY_DATABASE_URL": settings.database_url.get_secret_value(),
        "GATEWAY_ENCRYPTION_KEYS": settings.encryption_keys.get_secret_value(),
        "PATH": "/usr/bin:/bin",
    }

    async def command(*arguments: str) -> int | None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "catalog", "import", *arguments, env=environment,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        return await process.wait()

    options = ["--shop", gateway.shop_id, "--currency", "USD", "--link-template", SAMPLE_LINKS]
    assert await command(str(file), *options) == 0
    assert len(await gateway.products()) == 22
    assert await command(str(tmp_path / "absent.csv"), *options) == 1
