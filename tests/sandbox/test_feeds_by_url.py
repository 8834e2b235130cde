"""Files that feeds fetch, on demand or when the virtual clock reaches a schedule; rules, supplements, translations."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.sandbox.commerce.feed_schedules import next_run
from tests.sandbox.conftest import SandboxWorld, SandboxWorlds
from tests.sandbox.test_feeds import csv_of, errors, feed, row, run


async def put(world: SandboxWorld, name: str, content: bytes, **query: Any) -> str:
    headers = {"Authorization": f"Bearer {world.token}", "Content-Type": "text/csv"}
    answer = await world.http.put(f"/_sandbox/files/{name}", content=content, headers=headers, params=query)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["url"])


async def sessions(world: SandboxWorld, feed_id: str, fields: str = "start_time") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.get(f"{feed_id}/uploads", fields=fields, limit=100))["data"]
    return found


async def test_a_url_of_the_sandbox_is_fetched(sandbox_world: SandboxWorld) -> None:
    url = await put(sandbox_world, "full/main.csv", csv_of(row("mug")))
    assert (await sandbox_world.http.get(url)).content == csv_of(row("mug"))
    feed_id = await feed(sandbox_world)

    session = await sandbox_world.post(f"{feed_id}/uploads", url=url)
    await sandbox_world.advance(120)

    shown = await sandbox_world.get(session["id"], fields="url,filename,input_method,num_persisted_items")
    assert shown["url"] == url
    assert (shown["filename"], shown["num_persisted_items"]) == ("main.csv", 1)
    assert shown["input_method"] == "User initiated server fetch"


@pytest.mark.parametrize("where", ["elsewhere", "absent", "broken", "locked", "foreign"])
async def test_an_address_that_cannot_be_had_ends_in_a_fatal_error(sandbox_worlds: SandboxWorlds, where: str) -> None:
    world, other = await sandbox_worlds.make(), await sandbox_worlds.make()
    urls = {
        "elsewhere": "https://shop.example/feed.csv",
        "absent": (await put(world, "here.csv", b"id")).replace("here", "gone"),
        "broken": await put(world, "broken.csv", csv_of(row("mug")), status=503),
        "locked": await put(world, "locked.csv", csv_of(row("mug")), username="ann", password="pw"),
        "foreign": await put(other, "other.csv", csv_of(row("mug"))),
    }

    session = await world.post(f"{await feed(world)}/uploads", url=urls[where])
    await world.advance(120)

    [error] = await errors(world, session["id"])
    assert error["severity"] == "fatal"
    assert await world.items() == {}


async def test_a_locked_file_opens_with_its_password(sandbox_world: SandboxWorld) -> None:
    url = await put(sandbox_world, "locked.csv", csv_of(row("mug")), username="ann", password="pw")
    assert (await sandbox_world.http.get(url)).status_code == 401
    assert (await sandbox_world.http.get(url, auth=("ann", "pw"))).status_code == 200

    await sandbox_world.post(f"{await feed(sandbox_world)}/uploads", url=url, username="ann", password="pw")
    await sandbox_world.advance(120)

    assert set(await sandbox_world.items()) == {"mug"}


async def test_schedules_run_on_the_virtual_clock(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(clock={"kind": "frozen", "start": "2026-03-02T12:00:00+00:00"})
    full = await put(world, "full.csv", csv_of(row("mug"), row("jug")))
    delta = await put(world, "delta.csv", csv_of("mug,9.00 USD", header="id,price"))
    feed_id = await feed(
        world,
        schedule={"interval": "DAILY", "url": full, "hour": 2, "minute": 15, "timezone": "Europe/Berlin"},
        update_schedule={"interval": "HOURLY", "url": delta, "minute": 30, "interval_count": 6, "timezone": "UTC"},
    )

    await world.advance(2 * 86_400)

    runs = await sessions(world, feed_id, "start_time,end_time,input_method,filename")
    starts = {
        name: [one["start_time"] for one in runs if one["filename"] == name] for name in ("full.csv", "delta.csv")
    }
    assert starts["full.csv"] == ["2026-03-04T01:15:00+0000", "2026-03-03T01:15:00+0000"]
    assert starts["delta.csv"][-2:] == ["2026-03-02T18:30:00+0000", "2026-03-02T12:30:00+0000"]
    assert len(starts["delta.csv"]) == 8
    assert all(one["input_method"] == "Server Fetch" and "end_time" in one for one in runs)
    assert (await world.items())["mug"]["price"] == "9.00 USD"


async def test_a_scheduled_replace_run_sees_the_file_of_its_moment(sandbox_world: SandboxWorld) -> None:
    url = await put(sandbox_world, "full.csv", csv_of(row("mug"), row("jug")))
    await feed(sandbox_world, schedule={"interval": "HOURLY", "url": url})
    await sandbox_world.advance(3700)
    before = set(await sandbox_world.items())

    await put(sandbox_world, "full.csv", csv_of(row("mug")))
    await sandbox_world.advance(3700)

    assert (before, set(await sandbox_world.items())) == ({"mug", "jug"}, {"mug"})


async def test_a_schedule_can_be_read_replaced_and_taken_away(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world)
    plan = {"interval": "WEEKLY", "url": "https://shop.example/f.csv", "day_of_week": "friday", "password": "pw"}
    await sandbox_world.post(f"{feed_id}/upload_schedules", upload_schedule=plan)

    [shown] = (await sandbox_world.get(f"{feed_id}/upload_schedules"))["data"]
    assert (shown["interval"], shown["day_of_week"], shown["timezone"]) == ("WEEKLY", "FRIDAY", "America/Los_Angeles")
    assert "password" not in shown
    assert (await sandbox_world.get(feed_id, fields="schedule"))["schedule"]["id"] == shown["id"]

    await sandbox_world.post(feed_id, schedule={})
    await sandbox_world.advance(14 * 86_400)

    assert (await sandbox_world.get(f"{feed_id}/upload_schedules"))["data"] == []
    assert await sessions(sandbox_world, feed_id) == []


@pytest.mark.parametrize(
    ("schedule", "after", "following"),
    [
        ({"interval": "HOURLY", "minute": 5}, 3600 + 300, 2 * 3600 + 300),
        ({"interval": "DAILY", "hour": 2}, 7200, 86_400 + 7200),
        ({"interval": "WEEKLY", "day_of_week": "THURSDAY", "hour": 1}, 0, 3600),
        ({"interval": "WEEKLY", "day_of_week": "WEDNESDAY"}, 0, 6 * 86_400),
        ({"interval": "MONTHLY", "day_of_month": 31}, 31 * 86_400, 58 * 86_400),
        ({"interval": "MONTHLY", "day_of_month": 1}, 0, 31 * 86_400),
    ],
)
def test_the_next_run_is_the_first_moment_that_fits(schedule: dict[str, Any], after: int, following: int) -> None:
    # The epoch was a Thursday.
    assert next_run(schedule | {"timezone": "UTC"}, after) == following


async def test_rules_put_columns_right(sandbox_world: SandboxWorld) -> None:
    feed_id = await feed(sandbox_world)
    rules = [
        {"attribute": "availability", "rule_type": "mapping_rule", "params": {"map_from": "gavailability"}},
        {"attribute": "availability", "rule_type": "value_mapping_rule", "params": {"InStock": "in stock"}},
        {"attribute": "title", "rule_type": "letter_case_rule", "params": {"type": "capitalize_first"}},
    ]
    made = [(await sandbox_world.post(f"{feed_id}/rules", **rule))["id"] for rule in rules]
    header = "id,title,description,gavailability,condition,price,link,image_link,brand"
    content = csv_of(
        "mug,BIG MUG,A mug.,InStock,new,9.00 USD,https://shop.example/m,https://cdn.example/m.jpg,Kiln", header=header
    )

    await run(sandbox_world, feed_id, content)

    item = (await sandbox_world.items())["mug"]
    assert (item["availability"], item["title"]) == ("in stock", "Big mug")
    listed = await sandbox_world.get(f"{feed_id}/rules")
    assert [rule["id"] for rule in listed["data"]] == made
    await sandbox_world.post(made[2], params={"type": "to_lower"})
    assert (await sandbox_world.get(made[2]))["params"] == [{"key": "type", "value": "to_lower"}]
    await sandbox_world.send("DELETE", made[0])
    assert len((await sandbox_world.get(f"{feed_id}/rules"))["data"]) == 2


@pytest.mark.parametrize(
    "rule",
    [
        {"rule_type": "mapping_rule", "params": {"map_from": "x"}},
        {"attribute": "title", "params": {"map_from": "x"}},
        {"attribute": "title", "rule_type": "mapping_rule"},
        {"attribute": "title", "rule_type": "mapping_rule", "params": {"from": "x"}},
        {"attribute": "title", "rule_type": "letter_case_rule", "params": {"type": "wavy"}},
        {"attribute": "title", "rule_type": "value_mapping_rule", "params": {str(n): "x" for n in range(11)}},
        {"attribute": "title", "rule_type": "value_mapping_rule", "params": {"a" * 21: "x"}},
    ],
)
async def test_rules_that_make_no_sense_are_refused(sandbox_world: SandboxWorld, rule: dict[str, Any]) -> None:
    feed_id = await feed(sandbox_world)

    assert (await sandbox_world.refused("POST", f"{feed_id}/rules", json=rule))["code"] == 100


async def test_a_supplementary_feed_changes_items_and_makes_none(sandbox_world: SandboxWorld) -> None:
    main = await feed(sandbox_world)
    await run(sandbox_world, main, csv_of(row("mug"), row("jug")))
    extra = await feed(sandbox_world, ingestion_source_type="SUPPLEMENTARY_FEED", primary_feed_ids=[main])

    done = await run(sandbox_world, extra, csv_of("mug,blue", "ghost,red", header="id,color"))

    items = await sandbox_world.items()
    assert (done["num_persisted_items"], done["num_invalid_items"]) == (1, 1)
    assert set(items) == {"mug", "jug"}
    assert items["mug"]["color"] == "blue"
    assert (await sandbox_world.get(main, fields="supplementary_feeds"))["supplementary_feeds"] == [extra]


async def test_a_feed_becomes_supplementary_by_association(sandbox_world: SandboxWorld) -> None:
    main, extra = await feed(sandbox_world), await feed(sandbox_world)

    await sandbox_world.post(f"{main}/supplementary_feed_assocs", assoc_data=[{"feed_id": extra}])

    shown = await sandbox_world.get(extra, fields="primary_feeds,ingestion_source_type")
    assert (shown["primary_feeds"], shown["ingestion_source_type"]) == ([main], "supplementary_feed")


async def test_an_override_feed_translates_items(sandbox_world: SandboxWorld) -> None:
    await run(sandbox_world, await feed(sandbox_world), csv_of(row("mug")))
    words = await feed(sandbox_world, override_type="language", override_value="pl_PL")

    done = await run(sandbox_world, words, csv_of("mug,Kubek", "ghost,Duch", header="id,title"))

    item = (await sandbox_world.items())["mug"]["metaId"]
    assert (await sandbox_world.get(item, fields="name", override_language="pl_PL"))["name"] == "Kubek"
    assert (done["num_persisted_items"], done["num_invalid_items"]) == (1, 1)


async def test_feeds_need_the_catalog_permission_and_the_right_world(sandbox_worlds: SandboxWorlds) -> None:
    world, other = await sandbox_worlds.make(), await sandbox_worlds.make()
    feed_id = await feed(world)
    page = world.shop["accessToken"]
    body = {"kind": "SYSTEM_USER", "scopes": ["business_management"]}
    weak = (await world.control("POST", "tokens", json=body))["accessToken"]

    assert (await world.get(feed_id, page, fields="name"))["name"] == "Main feed"
    assert (await world.refused("GET", feed_id, weak))["code"] == 200
    assert (await world.refused("POST", f"{feed_id}/uploads", weak))["code"] == 200
    assert (await other.refused("GET", feed_id))["error_subcode"] == 33
    second_shop = world.card["shops"][1]["accessToken"]
    assert (await world.refused("GET", feed_id, second_shop))["error_subcode"] == 33


async def test_a_reset_forgets_feeds_files_and_schedules(sandbox_world: SandboxWorld) -> None:
    url = await put(sandbox_world, "full.csv", csv_of(row("mug")))
    await feed(sandbox_world, schedule={"interval": "HOURLY", "url": url})

    await sandbox_world.control("POST", "reset")
    await sandbox_world.advance(86_400)

    assert (await sandbox_world.http.get(url)).status_code == 404
    assert (await sandbox_world.get(f"{sandbox_world.catalog}/product_feeds"))["data"] == []
    assert await sandbox_world.items() == {}


async def test_files_are_listed_and_taken_down(sandbox_world: SandboxWorld) -> None:
    url = await put(sandbox_world, "a/b.csv", b"id\n")
    assert (await sandbox_world.control("GET", "files"))["files"] == [{"name": "a/b.csv", "size": 3}]

    await sandbox_world.control("DELETE", "files/a/b.csv")

    assert (await sandbox_world.http.get(url)).status_code == 404
    assert (await sandbox_world.http.put("/_sandbox/files/x.csv", content=b"")).status_code == 401
