"""Posts that show products, and what people say under them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld, new_item

HOUR = 3600


def page_of(world: SandboxWorld) -> tuple[str, str]:
    return world.shop["pageId"], world.shop["accessToken"]


async def tagger(world: SandboxWorld, items: int = 1, **options: Any) -> tuple[str, list[str]]:
    """A connected Instagram account and Meta's ids of some items."""
    names = [f"mug-{number}" for number in range(items)]
    await world.write_items(*(new_item(name, title=f"Stoneware mug {name}") for name in names))
    await world.advance(200)
    account = await world.control("POST", "instagram", json={"shop": world.cms} | options)
    stored = await world.items()
    return account["id"], [stored[name]["metaId"] for name in names]


async def published(world: SandboxWorld, account: str, **container: Any) -> str:
    made = await world.post(f"{account}/media", **{"image_url": "https://cdn.example/p.jpg"} | container)
    await world.advance(60)
    answer = await world.post(f"{account}/media_publish", creation_id=made["id"])
    return str(answer["id"])


async def test_a_shop_finds_its_account_catalogs_and_products(sandbox_world: SandboxWorld) -> None:
    page, token = page_of(sandbox_world)
    account, [item] = await tagger(sandbox_world)

    linked = await sandbox_world.get(page, token, fields="instagram_business_account")
    eligible = await sandbox_world.get(account, token, fields="shopping_product_tag_eligibility")
    [catalog] = (await sandbox_world.get(f"{account}/available_catalogs", token))["data"]
    search = f"{account}/catalog_product_search"
    [found] = (await sandbox_world.get(search, token, catalog_id=catalog["catalog_id"], q="STONE"))["data"]
    nothing = await sandbox_world.get(search, token, catalog_id=catalog["catalog_id"], q="lamp")

    assert linked["instagram_business_account"]["id"] == account
    assert eligible == {"shopping_product_tag_eligibility": True, "id": account}
    assert (catalog["catalog_id"], catalog["product_count"]) == (sandbox_world.catalog, 1)
    assert found["product_id"] == int(item)
    assert (found["retailer_id"], found["is_checkout_flow"]) == ("mug-0", False)
    assert nothing == {"data": []}


async def test_a_tagged_post_reads_back_with_numbers_and_single_floats(sandbox_world: SandboxWorld) -> None:
    account, [item] = await tagger(sandbox_world)
    tag = {"product_id": item, "x": 0.5, "y": 0.8}

    media = await published(sandbox_world, account, caption="New", product_tags=[tag])
    [row] = (await sandbox_world.get(f"{media}/product_tags"))["data"]

    assert row["product_id"] == int(item)
    assert row["merchant_id"] == int(sandbox_world.cms)
    assert (row["name"], row["price_string"], row["stripped_price_string"]) == ("Stoneware mug mug-0", "$14.50", "$15")
    assert (row["x"], row["y"]) == (0.5, pytest.approx(0.80000001192093, abs=1e-14))
    assert row["y"] != 0.8
    assert row["review_status"] == "pending"
    shown = await sandbox_world.get(media, fields="caption,media_type,media_product_type,permalink")
    assert (shown["caption"], shown["media_type"], shown["media_product_type"]) == ("New", "IMAGE", "FEED")


async def test_tagging_again_adds_and_moves(sandbox_world: SandboxWorld) -> None:
    account, [first, second] = await tagger(sandbox_world, 2)
    media = await published(sandbox_world, account, product_tags=[{"product_id": first, "x": 0.1, "y": 0.1}])
    tags = [{"product_id": first, "x": 0.25, "y": 0.25}, {"product_id": second, "x": 0.5, "y": 0.5}]

    answer = await sandbox_world.post(f"{media}/product_tags", updated_tags=tags)
    rows = (await sandbox_world.get(f"{media}/product_tags"))["data"]

    assert answer == {"success": True}
    assert [(row["product_id"], row["x"]) for row in rows] == [(int(first), 0.25), (int(second), 0.5)]


@pytest.mark.parametrize(
    "change", [{"x": 1.5}, {"x": None}, {"y": "left"}, {"product_id": "42"}], ids=["outside", "none", "word", "unknown"]
)
async def test_a_tag_needs_a_product_and_a_place(sandbox_world: SandboxWorld, change: dict[str, Any]) -> None:
    account, [item] = await tagger(sandbox_world)
    body = {"image_url": "https://cdn.example/p.jpg", "product_tags": [{"product_id": item, "x": 0, "y": 0} | change]}

    error = await sandbox_world.refused("POST", f"{account}/media", json=body)

    assert error["code"] == 100
    assert error["error_user_msg"]


async def test_a_product_is_tagged_once_and_twenty_are_the_most(sandbox_world: SandboxWorld) -> None:
    account, items = await tagger(sandbox_world, 21)
    tags = [{"product_id": item, "x": 0.5, "y": 0.5} for item in items]
    media, url = f"{account}/media", "https://cdn.example/p.jpg"

    many = await sandbox_world.refused("POST", media, json={"image_url": url, "product_tags": tags})
    twice = await sandbox_world.refused("POST", media, json={"image_url": url, "product_tags": [tags[0]] * 2})
    reel = {"media_type": "REELS", "video_url": "https://cdn.example/v.mp4", "product_tags": tags}

    assert (many["code"], twice["code"]) == (100, 100)
    assert (await sandbox_world.post(media, **reel))["id"]


async def test_a_container_takes_time_ends_after_a_day_and_is_used_once(sandbox_world: SandboxWorld) -> None:
    account, _ = await tagger(sandbox_world)
    reel = {"media_type": "REELS", "video_url": "https://cdn.example/v.mp4"}
    made = (await sandbox_world.post(f"{account}/media", **reel))["id"]
    publish = {"json": {"creation_id": made}}

    early = await sandbox_world.refused("POST", f"{account}/media_publish", **publish)
    working = await sandbox_world.get(made, fields="status_code")
    await sandbox_world.advance(60)
    ready = await sandbox_world.get(made, fields="status_code,status")
    await sandbox_world.post(f"{account}/media_publish", creation_id=made)
    again = await sandbox_world.refused("POST", f"{account}/media_publish", **publish)
    old = (await sandbox_world.post(f"{account}/media", **reel))["id"]
    await sandbox_world.advance(25 * HOUR)
    expired = await sandbox_world.refused("POST", f"{account}/media_publish", json={"creation_id": old})

    assert (early["code"], early["error_subcode"]) == (9007, 2207027)
    assert working["status_code"] == "IN_PROGRESS"
    assert ready["status_code"] == "FINISHED"
    assert (again["code"], expired["code"]) == (24, 24)
    assert (await sandbox_world.get(old, fields="status_code"))["status_code"] == "EXPIRED"


async def test_twenty_five_tagged_posts_a_day(sandbox_world: SandboxWorld) -> None:
    account, [item] = await tagger(sandbox_world)
    tags = [{"product_id": item, "x": 0.5, "y": 0.5}]
    for _ in range(25):
        await published(sandbox_world, account, product_tags=tags)
    made = (await sandbox_world.post(f"{account}/media", image_url="https://cdn.example/p.jpg", product_tags=tags))[
        "id"
    ]
    await sandbox_world.advance(10)

    full = await sandbox_world.refused("POST", f"{account}/media_publish", json={"creation_id": made})
    plain = await published(sandbox_world, account)
    [limit] = (await sandbox_world.get(f"{account}/content_publishing_limit", fields="config,quota_usage"))["data"]

    assert (full["code"], full["error_subcode"]) == (9, 2207042)
    assert plain
    assert limit == {"quota_usage": 26, "config": {"quota_total": 100, "quota_duration": 86400}}


async def test_a_carousel_carries_tags_on_its_slides(sandbox_world: SandboxWorld) -> None:
    account, items = await tagger(sandbox_world, 2)
    slides = []
    for item in items:
        tags = [{"product_id": item, "x": 0.5, "y": 0.5}]
        slide = {"image_url": "https://cdn.example/s.jpg", "is_carousel_item": True, "product_tags": tags}
        slides.append((await sandbox_world.post(f"{account}/media", **slide))["id"])

    media = await published(sandbox_world, account, media_type="CAROUSEL", children=slides)
    rows = (await sandbox_world.get(f"{media}/product_tags"))["data"]
    body = {"updated_tags": [{"product_id": items[0], "x": 0, "y": 0}], "child_index": 1}
    await sandbox_world.post(f"{media}/product_tags", **body)

    assert [row["product_id"] for row in rows] == [int(item) for item in items]
    assert len((await sandbox_world.get(f"{media}/product_tags"))["data"]) == 3


async def test_an_account_that_may_not_tag_can_still_post(sandbox_world: SandboxWorld) -> None:
    account, [item] = await tagger(sandbox_world, eligible=False)
    tags = [{"product_id": item, "x": 0.5, "y": 0.5}]

    error = await sandbox_world.refused(
        "POST", f"{account}/media", json={"image_url": "https://cdn.example/p.jpg", "product_tags": tags}
    )
    media = await published(sandbox_world, account)

    assert error["code"] == 10
    assert (await sandbox_world.get(f"{account}/available_catalogs"))["data"] == []
    assert (await sandbox_world.get(f"{account}/media"))["data"] == [{"id": media}]


async def test_a_rejected_product_can_be_appealed_for_once(sandbox_world: SandboxWorld) -> None:
    account, [item] = await tagger(sandbox_world)
    edit = {"catalog": sandbox_world.catalog, "retailerId": "mug-0", "set": {"review_status": "rejected"}}
    early = await sandbox_world.refused(
        "POST", f"{account}/product_appeal", json={"product_id": item, "appeal_reason": "It is a mug."}
    )
    await sandbox_world.control("PATCH", "items", json=edit)
    before = (await sandbox_world.get(f"{account}/product_appeal", product_id=item))["data"]
    await sandbox_world.post(f"{account}/product_appeal", product_id=item, appeal_reason="It is a mug.")

    [after] = (await sandbox_world.get(f"{account}/product_appeal", product_id=item))["data"]

    assert early["code"] == 100
    assert before == [{"product_id": int(item), "review_status": "rejected", "eligible_for_appeal": True}]
    assert after["eligible_for_appeal"] is False


async def test_comments_are_listed_answered_hidden_and_deleted(sandbox_world: SandboxWorld) -> None:
    account, _ = await tagger(sandbox_world, username="harbour")
    media = await published(sandbox_world, account)
    body = {"media": media, "text": "Love it", "username": "nora.q"}
    comment = (await sandbox_world.control("POST", "comments", json=body))["id"]

    reply = await sandbox_world.post(f"{comment}/replies", message="Thank you")
    nested = await sandbox_world.refused("POST", f"{reply['id']}/replies", json={"message": "And again"})
    await sandbox_world.post(comment, hide=True)
    [shown] = (await sandbox_world.get(f"{media}/comments", fields="text,username,hidden,replies{username}"))["data"]
    await sandbox_world.send("DELETE", comment)

    assert (shown["text"], shown["username"], shown["hidden"]) == ("Love it", "nora.q", True)
    assert shown["replies"]["data"][0]["username"] == "harbour"
    assert nested["code"] == 100
    assert (await sandbox_world.get(f"{media}/comments"))["data"] == []


async def test_a_post_can_be_closed_to_comments(sandbox_world: SandboxWorld) -> None:
    account, _ = await tagger(sandbox_world)
    media = await published(sandbox_world, account)
    await sandbox_world.post(media, comment_enabled=False)

    error = await sandbox_world.refused("POST", f"{media}/comments", json={"message": "Hello"})

    assert error["code"] == 10


async def test_a_comment_gets_one_private_answer(sandbox_world: SandboxWorld) -> None:
    page, token = page_of(sandbox_world)
    account, _ = await tagger(sandbox_world)
    media = await published(sandbox_world, account)
    body = {"media": media, "text": "Is it blue?"}
    comments = [(await sandbox_world.control("POST", "comments", json=body))["id"] for _ in range(2)]
    texts = [{"recipient": {"comment_id": comment}, "message": {"text": "It is."}} for comment in comments]

    answer = await sandbox_world.post(f"{page}/messages", token, **texts[0])
    again = await sandbox_world.refused("POST", f"{page}/messages", token, json=texts[0])
    await sandbox_world.advance(8 * 24 * HOUR)
    late = await sandbox_world.refused("POST", f"{page}/messages", token, json=texts[1])

    assert answer["message_id"]
    assert again["code"] == 100
    assert (late["code"], late["error_subcode"]) == (10, 2534022)


# Insights


async def test_insights_stay_the_same_and_retired_metrics_are_refused(sandbox_world: SandboxWorld) -> None:
    page, token = page_of(sandbox_world)
    query = {"metric": "page_media_view,page_follows", "period": "day", "since": "2026-03-01", "until": "2026-03-08"}

    first = await sandbox_world.get(f"{page}/insights", token, **query)
    second = await sandbox_world.get(f"{page}/insights", token, **query)
    retired = await sandbox_world.refused("GET", f"{page}/insights", token, params={"metric": "page_impressions"})
    long = await sandbox_world.refused("GET", f"{page}/insights", token, params=query | {"since": "2025-11-01"})
    reviews = await sandbox_world.refused("GET", f"{page}/ratings", token)

    assert first == second
    assert [row["name"] for row in first["data"]] == ["page_media_view", "page_follows"]
    assert first["data"][0]["values"][0]["end_time"] == "2026-03-02T07:00:00+0000"
    assert len(first["data"][0]["values"]) == 7
    assert retired["message"] == "(#100) The value must be a valid insights metric"
    assert (long["code"], reviews["code"]) == (100, 12)


async def test_an_account_and_a_post_have_insights(sandbox_world: SandboxWorld) -> None:
    account, _ = await tagger(sandbox_world)
    media = await published(sandbox_world, account)
    query = {"metric": "reach", "period": "day", "metric_type": "total_value", "breakdown": "media_product_type"}

    [reach] = (await sandbox_world.get(f"{account}/insights", **query))["data"]
    rows = (await sandbox_world.get(f"{media}/insights", metric="reach,saved"))["data"]
    retired = await sandbox_world.refused("GET", f"{media}/insights", params={"metric": "impressions"})

    parts = reach["total_value"]["breakdowns"][0]["results"]
    assert sum(part["value"] for part in parts) == reach["total_value"]["value"]
    assert [(row["name"], row["period"]) for row in rows] == [("reach", "lifetime"), ("saved", "lifetime")]
    assert retired["code"] == 100
