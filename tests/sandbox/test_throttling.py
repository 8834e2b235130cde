"""Budgets rise with calls, refuse when used up, and fall with the virtual clock."""

from __future__ import annotations

import json
from typing import Any

from tests.sandbox.conftest import SandboxWorld, SandboxWorlds


async def usage(world: SandboxWorld, method: str, path: str, meter: str) -> tuple[int, dict[str, Any]]:
    """The error code (0 for none) and the usage entry of the object."""
    answer = await world.send(method, path, json={} if method == "POST" else None)
    [entry] = json.loads(answer.headers["x-business-use-case-usage"])[meter]
    return answer.json().get("error", {}).get("code", 0), entry


async def test_batch_calls_are_refused_over_the_allowance_and_come_back(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(limits={"catalogBatchPerHour": 4})
    path = f"{world.catalog}/items_batch"

    seen = [await usage(world, "POST", path, world.catalog) for _ in range(5)]
    await world.advance(3600)
    code, entry = await usage(world, "POST", path, world.catalog)

    # The calls have no body, so code 100 is the answer of an open gate.
    assert [code for code, _ in seen] == [100, 100, 100, 100, 80014]
    assert [entry["call_count"] for _, entry in seen] == [25, 50, 75, 100, 125]
    assert seen[2][1]["estimated_time_to_regain_access"] == 0
    assert seen[4][1]["estimated_time_to_regain_access"] == 60
    assert (code, entry["call_count"]) == (100, 25)


async def test_orders_are_counted_under_their_page_for_a_day(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(limits={"pagePerDay": 2})
    path, page = f"{world.cms}/commerce_orders", world.shop["pageId"]

    codes = [(await usage(world, "GET", path, page))[0] for _ in range(3)]
    await world.advance(3600)
    still = (await usage(world, "GET", path, page))[0]
    await world.advance(86_400)

    assert codes == [0, 0, 80001]
    assert still == 80001
    assert (await usage(world, "GET", path, page))[0] == 0


async def test_other_catalog_calls_have_their_own_budget(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(limits={"catalogPerHour": 1, "catalogBatchPerHour": 1})

    read = [(await usage(world, "GET", f"{world.catalog}/products", world.catalog))[0] for _ in range(2)]
    code, entry = await usage(world, "POST", f"{world.catalog}/items_batch", world.catalog)

    assert read == [0, 80009]
    assert (code, entry["type"]) == (100, "catalog_batch")


async def test_every_id_and_every_slot_counts(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(limits={"appPerHour": 10})
    business = world.card["businessId"]

    await world.send("GET", "", params={"ids": f"{business},me"})
    await world.send("POST", "", json={"batch": [{"method": "GET", "relative_url": "me"}] * 3})
    answer = await world.send("GET", "me")

    assert json.loads(answer.headers["x-app-usage"])["call_count"] == 60


async def test_the_app_limit_is_code_4(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(limits={"appPerHour": 1})
    await world.get("me")

    error = await world.refused("GET", "me")

    assert (error["code"], error["status"], error["is_transient"]) == (4, 403, True)


async def test_a_counter_can_be_set_and_falls_when_told(sandbox_world: SandboxWorld) -> None:
    path, catalog = f"{sandbox_world.catalog}/products", sandbox_world.catalog
    body = {"object": catalog, "type": "catalog_management", "percent": 100, "minutes": 9}
    await sandbox_world.control("POST", "usage", json=body)

    code, entry = await usage(sandbox_world, "GET", path, catalog)
    await sandbox_world.advance(9 * 60)
    later = await usage(sandbox_world, "GET", path, catalog)

    assert (code, entry["estimated_time_to_regain_access"]) == (80009, 9)
    assert (later[0], later[1]["call_count"]) == (0, 1)


async def test_usage_below_the_limit_only_shows(sandbox_world: SandboxWorld) -> None:
    body = {"object": sandbox_world.catalog, "type": "catalog_management", "percent": 97}
    await sandbox_world.control("POST", "usage", json=body)

    code, entry = await usage(sandbox_world, "GET", sandbox_world.catalog, sandbox_world.catalog)

    assert code == 0
    assert 97 <= entry["call_count"] <= 98
