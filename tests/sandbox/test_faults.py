"""Scripted faults, each kind: what the client sees, and whether the effect took place."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import SandboxServer, SandboxWorld, new_item

SETS = "*/product_sets"


async def create(world: SandboxWorld) -> httpx.Response:
    return await world.send("POST", f"{world.catalog}/product_sets", json={"name": "Sale"})


async def exists(world: SandboxWorld) -> bool:
    return bool((await world.get(f"{world.catalog}/product_sets"))["data"])


async def test_an_error_comes_once_and_nothing_happens(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.fault(
        method="POST", path=SETS, kind="error", code=2, message="Service temporarily unavailable", transient=True
    )

    first = await create(sandbox_world)
    before = await exists(sandbox_world)
    second = await create(sandbox_world)

    assert (first.status_code, first.json()["error"]["is_transient"], before) == (500, True, False)
    assert second.status_code == 200
    [call, _] = await sandbox_world.calls(method="POST", path=SETS)
    assert (call["fault"], call["status"], call["code"], call["effect"]) == ("error", 500, 2, False)


async def test_a_web_page_instead_of_json(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.fault(path=SETS, kind="http", status=503, body="<html>busy</html>")

    answer = await create(sandbox_world)

    assert (answer.status_code, answer.text) == (503, "<html>busy</html>")
    assert answer.headers["content-type"].startswith("text/html")
    assert not await exists(sandbox_world)


@pytest.mark.parametrize("kind", ["empty", "truncate"])
async def test_a_damaged_answer_hides_a_write_that_happened(sandbox_world: SandboxWorld, kind: str) -> None:
    await sandbox_world.fault(path=SETS, kind=kind)

    answer = await create(sandbox_world)

    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert await exists(sandbox_world)


@pytest.mark.parametrize(("kind", "effect"), [("drop_before", False), ("drop_after", True)])
async def test_a_cut_connection(sandbox_world: SandboxWorld, kind: str, effect: bool) -> None:
    await sandbox_world.fault(method="POST", path=SETS, kind=kind)

    with pytest.raises(httpx.TransportError):
        await create(sandbox_world)

    assert await exists(sandbox_world) is effect
    [call] = await sandbox_world.calls(method="POST", path=SETS)
    assert (call["fault"], call["effect"]) == (kind, effect)


@pytest.mark.parametrize("kind", ["latency", "hang_before", "hang_after"])
async def test_waiting_is_left_to_the_sleep_that_was_passed_in(
    sandbox_server: SandboxServer, sandbox_world: SandboxWorld, kind: str
) -> None:
    await sandbox_world.fault(path=SETS, kind=kind, seconds=37.5)
    sandbox_server.naps.clear()

    answer = await create(sandbox_world)

    assert answer.status_code == 200
    assert sandbox_server.naps == [37.5]


@pytest.mark.parametrize(
    ("code", "path", "kind"),
    [(80014, "items_batch", "catalog_batch"), (80009, "products", "catalog_management")],
)
async def test_throttling_tells_the_wait(sandbox_world: SandboxWorld, code: int, path: str, kind: str) -> None:
    await sandbox_world.fault(path=f"*/{path}", kind="throttle", code=code, minutes=7)

    answer = await sandbox_world.send("POST", f"{sandbox_world.catalog}/{path}", json={})

    usage = json.loads(answer.headers["x-business-use-case-usage"])
    [entry] = usage[sandbox_world.catalog]
    assert answer.json()["error"]["code"] == code
    assert (entry["type"], entry["call_count"], entry["estimated_time_to_regain_access"]) == (kind, 100, 7)


async def test_throttling_of_the_app_is_forbidden_and_transient(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.fault(kind="throttle", code=4)

    answer = await sandbox_world.send("GET", "me")

    assert answer.status_code == 403
    assert answer.json()["error"]["is_transient"] is True
    assert json.loads(answer.headers["x-app-usage"])["call_count"] == 100


async def test_a_token_is_revoked_in_flight(sandbox_world: SandboxWorld) -> None:
    token = sandbox_world.shop["accessToken"]
    await sandbox_world.fault(path="/me", kind="revoke", subcode=460)

    errors = [await sandbox_world.refused("GET", "me", token) for _ in range(2)]

    assert [(error["code"], error["error_subcode"]) for error in errors] == [(190, 460)] * 2
    assert (await sandbox_world.get("me"))["name"] == "Sandbox system user"


async def test_a_batch_that_ends_in_error(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.fault(kind="batch_error")
    answer = await sandbox_world.write_items(*[new_item(f"mug-{n}") for n in range(10)])
    await sandbox_world.advance(120)

    assert (await sandbox_world.batch_status(answer["handles"][0]))["status"] == "error"
    assert 0 < len(await sandbox_world.items()) < 10


async def test_items_that_are_rejected_when_the_batch_runs(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.fault(kind="reject_items", ids=["cup"], message="Policy: not allowed")
    answer = await sandbox_world.write_items(new_item("mug"), new_item("cup"))
    await sandbox_world.advance(120)

    row = await sandbox_world.batch_status(answer["handles"][0], load_ids_of_invalid_requests="true")

    assert row["ids_of_invalid_requests"] == ["cup"]
    assert row["errors"][0]["message"] == "Policy: not allowed"
    assert set(await sandbox_world.items()) == {"mug"}


async def test_a_fault_can_skip_some_calls_and_then_stay(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.fault(path="/me", kind="error", code=1, after=2, times=0)

    codes = [(await sandbox_world.send("GET", "me")).status_code for _ in range(5)]
    await sandbox_world.control("DELETE", "faults")

    assert codes == [200, 200, 500, 500, 500]
    assert (await sandbox_world.send("GET", "me")).status_code == 200


async def test_chance_is_seeded(sandbox_world: SandboxWorld) -> None:
    async def draw() -> list[int]:
        await sandbox_world.control("DELETE", "faults")
        await sandbox_world.fault(path="/me", kind="error", code=1, probability=0.5, seed=11, times=0)
        return [(await sandbox_world.send("GET", "me")).status_code for _ in range(12)]

    first = await draw()

    assert set(first) == {200, 500}
    assert await draw() == first


async def test_operations_of_a_batch_meet_faults_too(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.fault(path=f"/{sandbox_world.catalog}", kind="error", code=2)
    operations = [{"method": "GET", "relative_url": "me"}, {"method": "GET", "relative_url": sandbox_world.catalog}]

    answer = await sandbox_world.send("POST", "", json={"batch": operations})

    assert [slot["code"] for slot in answer.json()] == [200, 500]


@pytest.mark.parametrize(
    "script",
    [{"kind": "nonsense"}, {"kind": "error"}, {"kind": "latency", "second": 3}, {"kind": "throttle", "code": "many"}],
)
async def test_a_script_that_makes_no_sense_is_refused(sandbox_world: SandboxWorld, script: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {sandbox_world.token}"}

    answer = await sandbox_world.http.post("/_sandbox/faults", json=script, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]
