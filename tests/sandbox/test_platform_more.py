"""Platform rules beyond the basics: people's budgets, debug, locale, reading back, offsets, uploads, other statuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.sandbox import SandboxSettings
from tests.sandbox.conftest import SECRET, SandboxWorld, SandboxWorlds, new_item, proof

APP_ID = SandboxSettings().app_id


async def person(world: SandboxWorld, **body: Any) -> str:
    token: str = (await world.control("POST", "tokens", json={"kind": "USER"} | body))["accessToken"]
    return token


async def test_a_persons_calls_on_a_page_are_told_in_x_page_usage(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(limits={"pageUserPerHour": 2})
    token, page = await person(world), world.shop["pageId"]

    answers = [await world.send("GET", page, token) for _ in range(3)]
    as_page = await world.send("GET", page, world.shop["accessToken"])

    shown = [json.loads(answer.headers["x-page-usage"])["call_count"] for answer in answers]
    assert shown == [50, 100, 150]
    assert answers[2].json()["error"]["code"] == 32
    assert "x-page-usage" not in as_page.headers
    assert "x-business-use-case-usage" in as_page.headers


async def test_a_persons_own_budget_is_code_17(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(limits={"userPerHour": 1})
    token = await person(world)
    await world.get("me", token)

    error = await world.refused("GET", "me", token)

    assert error["code"] == 17
    assert (await world.get("me"))["name"] == "Sandbox system user"


@pytest.mark.parametrize(("code", "header"), [(17, "x-app-usage"), (32, "x-page-usage")])
async def test_scripted_throttles_of_people_fill_their_header(
    sandbox_world: SandboxWorld, code: int, header: str
) -> None:
    token = await person(sandbox_world)
    await sandbox_world.fault(kind="throttle", code=code)

    answer = await sandbox_world.send("GET", sandbox_world.shop["pageId"], token)

    assert answer.json()["error"]["code"] == code
    assert json.loads(answer.headers[header])["call_count"] == 100


async def test_debug_tells_what_was_ignored_and_who_served(sandbox_world: SandboxWorld) -> None:
    token = sandbox_world.token
    query = {"access_token": token, "appsecret_proof": proof(token), "stat": "CREATED", "limit": 500}
    path = f"/v19.0/{sandbox_world.cms}/commerce_orders"

    everything = (await sandbox_world.http.get(path, params=query | {"debug": "all"})).json()["__debug__"]["messages"]
    warnings = (await sandbox_world.http.get(path, params=query | {"debug": "warning"})).json()["__debug__"]["messages"]
    silent = (await sandbox_world.http.get(path, params=query)).json()

    assert [row["type"] for row in everything].count("info") == 1
    assert {row["type"] for row in warnings} == {"warning"}
    assert any("stat" in row["message"] for row in warnings)
    assert any("v19.0" in row["message"] and row["link"] for row in warnings)
    assert "__debug__" not in silent


async def test_texts_for_people_follow_the_locale(sandbox_world: SandboxWorld) -> None:
    token = await person(sandbox_world, expiresIn=60)
    await sandbox_world.control("POST", "tokens/expire", json={"token": token})

    english = await sandbox_world.refused("GET", "me", token)
    german = await sandbox_world.refused("GET", "me", token, params={"locale": "de_DE"})
    unknown = await sandbox_world.refused("GET", "me", token, params={"locale": "xx_YY"})

    assert english["error_user_title"] == unknown["error_user_title"] == "Session expired"
    assert german["error_user_title"] == "Sitzung abgelaufen"
    assert german["message"] == english["message"]  # only texts for end users are translated


async def test_fields_on_a_write_read_the_written_node_back(sandbox_world: SandboxWorld) -> None:
    path = f"{sandbox_world.catalog}/product_sets"

    made = await sandbox_world.post(path, name="All", filter={}, fields="name,product_count,product_catalog{id}")
    changed = await sandbox_world.post(made["id"], name="Everything", fields="name")
    bad = await sandbox_world.refused(
        "POST", path, json={"name": "More", "filter": {"brand": {"eq": "x"}}, "fields": "no"}
    )
    listed = await sandbox_world.get(path, fields="name")

    assert made == {
        "name": "All",
        "product_count": 0,
        "product_catalog": {"id": sandbox_world.catalog},
        "id": made["id"],
    }
    assert changed["name"] == "Everything"
    assert bad["code"] == 100
    assert [row["name"] for row in listed["data"]] == ["Everything"]  # one bad field fails the whole write


async def test_offsets_count_rows_and_have_no_cursors(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(shops=[{"name": "A", "items": 12}])
    path = f"{world.catalog}/products"
    whole = [row["id"] for row in (await world.get(path, limit=50))["data"]]

    middle = await world.get(path, limit=5, offset=5)
    last = await world.get(path, limit=5, offset=10)
    behind = await world.get(path, limit=5, offset=40)
    bad = await world.refused("GET", path, params={"offset": -1})

    assert [row["id"] for row in middle["data"] + last["data"]] == whole[5:]
    assert set(middle["paging"]) == {"previous", "next"}
    assert "offset=10" in middle["paging"]["next"]
    assert "offset=0" in middle["paging"]["previous"]
    assert "next" not in last["paging"]
    assert behind == {"data": []}
    assert bad["code"] == 100


async def upload(world: SandboxWorld, **params: Any) -> str:
    asked = {"file_length": 6, "file_type": "image/png", "file_name": "a.png"} | params
    session: str = (await world.post(f"{APP_ID}/uploads", **asked))["id"]
    return session


async def send_bytes(world: SandboxWorld, session: str, content: bytes, **headers: str) -> Any:
    signed = {"Authorization": f"OAuth {world.token}", "Content-Type": "application/octet-stream"} | headers
    query = {"appsecret_proof": proof(world.token)}
    return (await world.http.post(f"/v25.0/{session}", params=query, content=content, headers=signed)).json()


async def test_an_upload_goes_on_where_it_was_interrupted(sandbox_world: SandboxWorld) -> None:
    session = await upload(sandbox_world)

    part = await send_bytes(sandbox_world, session, b"a&b", file_offset="0")
    again = await send_bytes(sandbox_world, session, b"a&b", file_offset="0")
    rest = await send_bytes(sandbox_world, session, b"=c%", file_offset="3")

    assert session.startswith("upload:")
    assert part == {"id": session, "file_offset": 3}
    assert again["error"]["code"] == 100
    assert rest["h"].startswith("2:")


async def test_an_upload_wants_its_token_in_the_header(sandbox_world: SandboxWorld) -> None:
    session = await upload(sandbox_world)

    in_query = await sandbox_world.refused("GET", session)
    as_bearer = await send_bytes(sandbox_world, session, b"", Authorization=f"Bearer {sandbox_world.token}")
    without_offset = await send_bytes(sandbox_world, session, b"abc")

    assert {error["code"] for error in (in_query, as_bearer["error"], without_offset["error"])} == {100}


@pytest.mark.parametrize("wrong", [{"file_type": "text/plain"}, {"file_length": 0}, {"file_type": ""}])
async def test_an_upload_of_another_kind_is_refused(sandbox_world: SandboxWorld, wrong: dict[str, Any]) -> None:
    body = {"file_length": 6, "file_type": "image/png"} | wrong

    error = await sandbox_world.refused("POST", f"{APP_ID}/uploads", json=body)

    assert error["code"] == 100


async def test_a_foreign_upload_is_not_there(sandbox_world: SandboxWorld) -> None:
    session, other = await upload(sandbox_world), await person(sandbox_world)
    headers = {"Authorization": f"OAuth {other}"}

    answer = await sandbox_world.http.get(
        f"/v25.0/{session}", headers=headers, params={"appsecret_proof": proof(other)}
    )

    assert answer.json()["error"]["error_subcode"] == 33


async def test_a_world_may_use_the_statuses_of_the_openapi_file(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(statuses="openapi", limits={"catalogPerHour": 1})
    scopeless = await person(world, scopes=[])

    async def status(path: str, token: str | None = None, **params: Any) -> int:
        return (await world.send("GET", path, token, params=params)).status_code

    assert await status(world.catalog) == 200
    assert await status(world.catalog) == 429
    assert await status("", ids="900") == 404
    assert await status("900") == 400
    assert await status(f"{world.card['shops'][1]['catalogId']}", scopeless) == 403
    await world.control("POST", "tokens/revoke", json={"token": scopeless})
    assert await status("me", scopeless) == 401
    await world.fault(kind="error", code=2)
    assert await status("me") == 500
    await world.fault(kind="error", code=190, status=418)
    assert await status("me") == 418


async def test_a_batch_slot_has_the_other_status_too(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(statuses="openapi")

    [slot] = await world.post("", batch=[{"method": "GET", "relative_url": "?ids=900"}])

    assert slot["code"] == 404


async def test_the_app_tells_its_reviewed_permissions(sandbox_world: SandboxWorld) -> None:
    app = f"{APP_ID}|{SECRET}"

    read = await sandbox_world.get(APP_ID, app, fields="name,app_domains,category")
    asked = {"status": "live", "permission": "catalog_management,read_insights"}
    live = await sandbox_world.get(f"{APP_ID}/permissions", **asked)
    waiting = await sandbox_world.get(f"{APP_ID}/permissions", status="unapproved")

    assert (read["id"], read["app_domains"]) == (APP_ID, ["localhost"])
    assert [row["permission"] for row in live["data"]] == ["catalog_management", "read_insights"]
    assert waiting["data"] == []


async def test_a_page_token_keeps_its_scopes_and_the_seeded_one_is_shared(sandbox_world: SandboxWorld) -> None:
    page = sandbox_world.shop["pageId"]
    weak = await person(sandbox_world, scopes=["pages_show_list", "catalog_management"])

    strong = await sandbox_world.get(page, fields="access_token")
    first = await sandbox_world.get(page, weak, fields="access_token")
    again = await sandbox_world.get(page, weak, fields="access_token")
    seen = await sandbox_world.get("debug_token", f"{APP_ID}|{SECRET}", input_token=first["access_token"])

    assert strong["access_token"] == sandbox_world.shop["accessToken"]
    assert first["access_token"] == again["access_token"] != strong["access_token"]
    assert seen["data"]["scopes"] == ["pages_show_list", "catalog_management"]


async def test_an_item_written_with_fields_is_read_as_written(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.write_items(new_item("mug"))
    await sandbox_world.advance(300)
    [item] = (await sandbox_world.get(f"{sandbox_world.catalog}/products"))["data"]

    changed = await sandbox_world.post(item["id"], name="Cup", fields="name,retailer_id")

    assert (changed["name"], changed["retailer_id"]) == ("Cup", "mug")
