"""Offers as a platform feeds them: rows are judged one by one, a file replaces what it does not name."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld
from tests.sandbox.test_onboarding import connected

GOOD = {
    "offer_id": "SPRING15",
    "title": "Spring",
    "application_type": "AUTOMATIC_AT_CHECKOUT",
    "value_type": "PERCENTAGE",
    "percent_off": "15",
    "target_granularity": "ITEM_LEVEL",
    "target_type": "LINE_ITEM",
    "target_selection": "ALL_CATALOG_PRODUCTS",
    "start_date_time": "2020-01-01T00:00:00Z",
}
COUPON = GOOD | {"offer_id": "WELCOME", "application_type": "BUYER_APPLIED", "coupon_codes": '["welcome"]'}
SHIPPING = COUPON | {
    "offer_id": "FREESHIP",
    "percent_off": "100",
    "target_type": "SHIPPING",
    "target_shipping_option_types": '["STANDARD"]',
}


def table(*rows: dict[str, Any], delimiter: str = ",") -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


async def taken(world: SandboxWorld, *rows: dict[str, Any], **options: Any) -> dict[str, Any]:
    body = {"catalog": world.catalog, "rows": list(rows)} | options
    report: dict[str, Any] = await world.control("POST", "offers", json=body)
    return report


async def stored(world: SandboxWorld) -> dict[str, dict[str, Any]]:
    answer = await world.control("GET", "offers", params={"catalog": world.catalog})
    return {offer["offer_id"]: offer for offer in answer["offers"]}


async def test_good_offers_of_every_kind_are_taken(sandbox_world: SandboxWorld) -> None:
    sale = GOOD | {"offer_id": "SALE", "application_type": "SALE"}
    fixed = GOOD | {"offer_id": "FIVE", "value_type": "FIXED_AMOUNT", "fixed_amount_off": "5.00 USD"}
    del fixed["percent_off"]
    free = GOOD | {"offer_id": "B2G1", "min_quantity": "2", "target_quantity": "1", "redemption_limit_per_order": "3"}
    some = GOOD | {
        "offer_id": "SOME",
        "target_selection": "SPECIFIC_PRODUCTS",
        "target_filter": '{"retailer_id": {"is_any": ["mug"]}}',
    }

    report = await taken(sandbox_world, COUPON, SHIPPING, sale, fixed, free, some)

    assert report == {"taken": 6, "removed": 0, "issues": []}
    offers = await stored(sandbox_world)
    assert offers["WELCOME"]["coupon_codes"] == ["welcome"]
    assert len({offer["id"] for offer in offers.values()}) == 6


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (GOOD | {"offer_id": ""}, "A required field is missing: offer_id"),
        (GOOD | {"start_date_time": ""}, "A required field is missing: start_date_time"),
        (GOOD | {"target_type": "BASKET"}, "Invalid value for target_type"),
        (GOOD | {"percent_off": ""}, "percent_off is required and fixed_amount_off must be empty"),
        (GOOD | {"fixed_amount_off": "5.00 USD"}, "percent_off is required and fixed_amount_off must be empty"),
        (GOOD | {"value_type": "FIXED_AMOUNT", "percent_off": ""}, "fixed_amount_off is required"),
        (GOOD | {"percent_off": "101"}, "percent_off must be a whole number from 0 to 100"),
        (GOOD | {"percent_off": "12.5"}, "percent_off must be a whole number from 0 to 100"),
        (GOOD | {"min_subtotal": "30"}, "min_subtotal must be an amount, a space and a currency code"),
        (GOOD | {"target_selection": "SPECIFIC_PRODUCTS"}, "Exactly one target field is required"),
        (GOOD | {"target_product_retailer_ids": '["mug"]'}, "Exactly one target field is required"),
        (
            GOOD | {"prerequisite_product_retailer_ids": '["a"]', "prerequisite_filter": "{}"},
            "Only one prerequisite field may be set",
        ),
        (GOOD | {"min_quantity": "2", "min_subtotal": "30.00 USD"}, "Set min_quantity or min_subtotal, not both"),
        (SHIPPING | {"target_granularity": "ORDER_LEVEL"}, "Shipping offers must be item level"),
        (SHIPPING | {"percent_off": "50"}, "Shipping offers must be item level"),
        (SHIPPING | {"target_shipping_option_types": ""}, "Shipping offers must be item level"),
        (COUPON | {"coupon_codes": ""}, "Exactly one of coupon_codes and public_coupon_code"),
        (COUPON | {"public_coupon_code": "HI"}, "Exactly one of coupon_codes and public_coupon_code"),
        (GOOD | {"coupon_codes": '["hi"]'}, "Exactly one of coupon_codes and public_coupon_code"),
        (COUPON | {"coupon_codes": json.dumps([f"c{n}" for n in range(101)])}, "Too many coupon_codes"),
        (COUPON | {"coupon_codes": "", "public_coupon_code": "X" * 21}, "public_coupon_code is too long"),
        (GOOD | {"redeem_limit_per_user": "1"}, "Only for BUYER_APPLIED"),
        (GOOD | {"target_quantity": "1"}, "Incomplete Buy X Get Y offer"),
        (GOOD | {"redemption_limit_per_order": "1"}, "Incomplete Buy X Get Y offer"),
        (GOOD | {"application_type": "SALE", "min_quantity": "2"}, "A SALE has no prerequisites"),
        (GOOD | {"end_date_time": "2019-01-01T00:00:00Z"}, "end_date_time must be after start_date_time"),
        (GOOD | {"start_date_time": "soon"}, "Invalid value for start_date_time"),
        (GOOD | {"offer_terms": "x" * 2501}, "offer_terms is too long"),
    ],
)
async def test_a_broken_rule_stops_its_row_only(sandbox_world: SandboxWorld, row: dict[str, Any], text: str) -> None:
    report = await taken(sandbox_world, row, COUPON | {"offer_id": "OTHER"})

    assert report["taken"] == 1
    assert [issue["row_number"] for issue in report["issues"]] == [2]
    assert report["issues"][0]["severity"] == "fatal"
    assert report["issues"][0]["summary"].startswith(text) or text in report["issues"][0]["summary"]
    assert set(await stored(sandbox_world)) == {"OTHER"}


async def test_a_replacing_file_removes_what_it_does_not_name(sandbox_world: SandboxWorld) -> None:
    await taken(sandbox_world, GOOD, COUPON)

    report = await taken(sandbox_world, GOOD | {"percent_off": "200"})
    kept = await stored(sandbox_world)
    await taken(sandbox_world, SHIPPING, replace=False)

    assert report["removed"] == 1
    # A row that is wrong still names its offer, which stays as it was.
    assert kept["SPRING15"]["percent_off"] == "15"
    assert set(await stored(sandbox_world)) == {"SPRING15", "FREESHIP"}


async def test_an_offer_keeps_its_id_when_it_changes_and_the_last_row_of_a_file_counts(
    sandbox_world: SandboxWorld,
) -> None:
    await taken(sandbox_world, GOOD)
    before = (await stored(sandbox_world))["SPRING15"]["id"]

    report = await taken(sandbox_world, GOOD, GOOD | {"percent_off": "20"})
    offer = (await stored(sandbox_world))["SPRING15"]

    assert (offer["id"], offer["percent_off"]) == (before, "20")
    assert [issue["severity"] for issue in report["issues"]] == ["warning"]


async def test_only_so_many_offers_are_active_at_a_time(sandbox_world: SandboxWorld) -> None:
    automatic = [GOOD | {"offer_id": f"auto-{n}"} for n in range(26)]
    public = [
        COUPON | {"offer_id": f"public-{n}", "coupon_codes": "", "public_coupon_code": f"CODE{n}"} for n in range(11)
    ]
    later = GOOD | {"offer_id": "later", "start_date_time": "2999-01-01T00:00:00Z"}

    report = await taken(sandbox_world, *automatic, *public, later)

    assert report["taken"] == 25 + 10 + 1
    assert [issue["offer_id"] for issue in report["issues"]] == ["auto-25", "public-10"]


async def feed_of(world: SandboxWorld, **options: Any) -> str:
    body = {"name": "Offers", "feed_type": "OFFER"} | options
    made = await world.post(f"{world.catalog}/product_feeds", **body)
    return str(made["id"])


async def test_an_offer_feed_reports_its_rows_when_the_session_ends(sandbox_world: SandboxWorld) -> None:
    feed = await feed_of(sandbox_world)
    content = table(GOOD, COUPON, GOOD | {"offer_id": "BAD", "percent_off": "200"})
    answer = await sandbox_world.send("POST", f"{feed}/uploads", files={"file": ("offers.csv", content, "text/csv")})
    upload = answer.json()["id"]
    early = await stored(sandbox_world)
    await sandbox_world.advance(200)

    session = await sandbox_world.get(upload, fields="num_detected_items,num_persisted_items,error_count,end_time")
    [error] = (await sandbox_world.get(f"{upload}/errors", fields="summary,severity,samples"))["data"]

    assert early == {}
    assert set(await stored(sandbox_world)) == {"SPRING15", "WELCOME"}
    assert (session["num_detected_items"], session["num_persisted_items"], session["error_count"]) == (3, 2, 1)
    assert error["severity"] == "fatal"
    assert error["summary"] == "percent_off must be a whole number from 0 to 100"


async def runs(world: SandboxWorld, feed: str, url: str) -> set[str]:
    await world.post(f"{feed}/uploads", url=url)
    await world.advance(200)
    return set(await stored(world))


async def test_an_offer_feed_fetches_by_url_and_replaces(sandbox_world: SandboxWorld) -> None:
    feed = await feed_of(sandbox_world)
    await taken(sandbox_world, COUPON)
    urls = []
    for rows in ([GOOD, GOOD | {"offer_id": "AUTUMN"}], [GOOD]):
        file = table(*rows, delimiter="\t")
        urls.append((await sandbox_world.control("PUT", f"files/offers-{len(rows)}.tsv", content=file))["url"])

    both, one = [await runs(sandbox_world, feed, url) for url in urls]
    gone = await sandbox_world.post(f"{feed}/uploads", url=urls[0].replace("offers-2", "none"))
    await sandbox_world.advance(200)

    # An offer of another origin is not this file's to remove.
    assert both == {"WELCOME", "SPRING15", "AUTUMN"}
    assert one == {"WELCOME", "SPRING15"}
    assert set(await stored(sandbox_world)) == one
    [error] = (await sandbox_world.get(f"{gone['id']}/errors"))["data"]
    assert error["summary"] == "The file could not be read"


async def test_the_type_may_stand_in_the_schedule_and_needs_a_shop(sandbox_world: SandboxWorld) -> None:
    schedule = {"interval": "DAILY", "url": "https://shop.example/offers.csv", "hour": 22, "feed_type": "OFFER"}
    feed = await sandbox_world.post(f"{sandbox_world.catalog}/product_feeds", name="Offers", schedule=schedule)
    await sandbox_world.send("POST", f"{feed['id']}/uploads", files={"file": ("o.csv", table(GOOD), "text/csv")})
    await sandbox_world.advance(200)
    business = sandbox_world.card["businessId"]
    loose = await sandbox_world.post(f"{business}/owned_product_catalogs", name="No shop")

    error = await sandbox_world.refused(
        "POST", f"{loose['id']}/product_feeds", json={"name": "Offers", "feed_type": "OFFER"}
    )

    assert set(await stored(sandbox_world)) == {"SPRING15"}
    assert error["code"] == 100


async def test_product_feeds_go_on_as_before(sandbox_world: SandboxWorld) -> None:
    made = await sandbox_world.post(f"{sandbox_world.catalog}/product_feeds", name="Products")
    row = {
        "id": "mug",
        "title": "Mug",
        "description": "A mug.",
        "availability": "in stock",
        "condition": "new",
        "price": "14.50 USD",
        "link": "https://shop.example/mug",
        "image_link": "https://cdn.example/mug.jpg",
        "brand": "Kiln",
    }
    await sandbox_world.send("POST", f"{made['id']}/uploads", files={"file": ("p.csv", table(row), "text/csv")})
    await sandbox_world.advance(200)

    assert set(await sandbox_world.items()) == {"mug"}
    assert await stored(sandbox_world) == {}


async def test_offers_leave_with_their_feed(sandbox_world: SandboxWorld) -> None:
    feed = await feed_of(sandbox_world)
    await sandbox_world.send("POST", f"{feed}/uploads", files={"file": ("o.csv", table(GOOD), "text/csv")})
    await sandbox_world.advance(200)
    before = set(await stored(sandbox_world))

    await sandbox_world.send("DELETE", feed)

    assert before == {"SPRING15"}
    assert await stored(sandbox_world) == {}


async def integration_of(world: SandboxWorld) -> str:
    await connected(world)
    found = await world.get("fbe_business/fbe_installs", fbe_external_business_id="seller-7f31c2")
    return str(found["data"][0]["commerce_partner_integration_id"])


async def test_the_partner_feed_takes_what_the_offer_feed_refuses(sandbox_world: SandboxWorld) -> None:
    integration = await integration_of(sandbox_world)
    lenient = SHIPPING | {"target_granularity": "ORDER_LEVEL", "min_subtotal": "0", "usage_count": "2"}
    rule = {"rule_id": "7", "name": "Spring rule", "simple_action": "by_percent"}
    update = {"feed_type": "PROMOTIONS", "update_type": "create"}

    by_file = await sandbox_world.send(
        "POST", f"{integration}/file_update", data=update, files={"file": ("p.csv", table(lenient), "text/csv")}
    )
    first = set(await stored(sandbox_world))
    put = await sandbox_world.control("PUT", "files/rules.tsv", content=table(rule, lenient, delimiter="\t"))
    by_url = await sandbox_world.post(f"{integration}/file_update", url=put["url"], **update)

    reviews = {"feed_type": "PRODUCT_RATINGS_AND_REVIEWS", "update_type": "CREATE"}
    gone = await sandbox_world.post(f"{integration}/file_update", url="https://shop.example/r.csv", **reviews)
    files = (await sandbox_world.control("GET", "partner_files", params={"integration": integration}))["files"]

    assert by_file.json() == by_url == gone == {"success": True}
    assert [(file["feedType"], file["offers"]) for file in files] == [
        ("PROMOTIONS", 1),
        ("PROMOTIONS", 2),
        ("PRODUCT_RATINGS_AND_REVIEWS", 0),
    ]
    assert files[0]["text"].startswith("offer_id")
    assert files[2]["problem"]
    assert first == {"FREESHIP"}
    assert set(await stored(sandbox_world)) == {"FREESHIP", "7"}


@pytest.mark.parametrize(
    "body",
    [
        {"update_type": "CREATE", "url": "https://shop.example/p.csv"},
        {"feed_type": "PROMOTIONS", "url": "https://shop.example/p.csv"},
        {"feed_type": "WEATHER", "update_type": "CREATE", "url": "https://shop.example/p.csv"},
        {"feed_type": "PROMOTIONS", "update_type": "CREATE"},
    ],
)
async def test_a_partner_feed_needs_its_type_its_update_and_a_file(
    sandbox_world: SandboxWorld, body: dict[str, Any]
) -> None:
    integration = await integration_of(sandbox_world)

    assert (await sandbox_world.refused("POST", f"{integration}/file_update", json=body))["code"] == 100
