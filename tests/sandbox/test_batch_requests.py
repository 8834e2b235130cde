"""Batch requests: one HTTP call, many operations, each on its own."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from tests.sandbox.conftest import SandboxWorld, proof


async def run(world: SandboxWorld, operations: list[dict[str, Any]], **extra: Any) -> list[dict[str, Any] | None]:
    answer = await world.send("POST", "", data={"batch": json.dumps(operations)} | extra)
    assert answer.status_code == 200, answer.text
    slots: list[dict[str, Any] | None] = answer.json()
    return slots


def body(slot: dict[str, Any] | None) -> Any:
    assert slot is not None
    return json.loads(slot["body"])


async def test_slots_answer_in_order_with_json_as_text(sandbox_world: SandboxWorld) -> None:
    slots = await run(
        sandbox_world,
        [
            {"method": "GET", "relative_url": f"v26.0/{sandbox_world.catalog}?fields=name"},
            {"method": "GET", "relative_url": "123"},
            {"method": "GET", "relative_url": "/me"},
        ],
    )

    assert [slot and slot["code"] for slot in slots] == [200, 400, 200]
    assert body(slots[0])["id"] == sandbox_world.catalog
    assert body(slots[1])["error"]["error_subcode"] == 33
    assert slots[0] is not None
    assert {"name": "Content-Type", "value": "text/javascript; charset=UTF-8"} in slots[0]["headers"]


async def test_headers_can_be_left_out_and_operations_sent_as_json(sandbox_world: SandboxWorld) -> None:
    answer = await sandbox_world.send(
        "POST", "me", json={"batch": [{"method": "GET", "relative_url": "me"}], "include_headers": False}
    )

    [slot] = answer.json()
    assert set(slot) == {"code", "body"}


async def test_a_result_feeds_a_later_operation(sandbox_world: SandboxWorld) -> None:
    form = urlencode({"name": "Sale / Sôlde", "filter": "{}"})
    create = {"method": "POST", "name": "mk", "relative_url": f"{sandbox_world.catalog}/product_sets", "body": form}
    read = {"method": "GET", "relative_url": "{result=mk:$.id}?fields=name"}

    hidden = await run(sandbox_world, [read, create])
    shown = await run(
        sandbox_world,
        [
            {"method": "GET", "name": "list", "relative_url": f"{sandbox_world.catalog}/product_sets"}
            | {"omit_response_on_success": False},
            {"method": "GET", "relative_url": "?ids={result=list:$.data.*.id}&fields=name"},
        ],
    )

    assert hidden[1] is None
    assert body(hidden[0])["name"] == "Sale / Sôlde"
    assert [row["id"] for row in body(shown[0])["data"]] == list(body(shown[1]))


async def test_dependants_of_a_failure_are_not_executed(sandbox_world: SandboxWorld) -> None:
    slots = await run(
        sandbox_world,
        [
            {"method": "GET", "name": "bad", "relative_url": "123"},
            {"method": "POST", "relative_url": f"{sandbox_world.catalog}/product_sets", "body": "name=x"}
            | {"depends_on": "bad"},
            {"method": "GET", "relative_url": "{result=nobody:$.id}"},
        ],
    )

    assert [slot and slot["code"] for slot in slots] == [400, 400, 400]
    assert body(slots[1])["error"]["type"] == "GraphBatchException"
    assert await sandbox_world.get(f"{sandbox_world.catalog}/product_sets") == {"data": []}


async def test_an_operation_may_carry_its_own_token_with_its_own_proof(sandbox_world: SandboxWorld) -> None:
    token = sandbox_world.shop["accessToken"]

    slots = await run(
        sandbox_world,
        [
            {"method": "GET", "relative_url": f"me?access_token={token}&appsecret_proof={proof(token)}"},
            {"method": "GET", "relative_url": f"me?access_token={token}"},
        ],
    )

    assert body(slots[0])["id"] == sandbox_world.shop["pageId"]
    assert body(slots[1])["error"]["message"].startswith("API calls from the server require")


async def test_too_many_operations_and_a_missing_token(sandbox_world: SandboxWorld) -> None:
    many = json.dumps([{"method": "GET", "relative_url": "me"}] * 51)

    crowd = await sandbox_world.refused("POST", "", data={"batch": many})
    nobody = await sandbox_world.http.post("/v25.0/", data={"batch": "[]"})

    assert crowd["type"] == "GraphBatchException"
    assert "Maximum batch size is 50" in crowd["message"]
    assert nobody.json()["error"]["code"] == 104


async def test_each_operation_is_logged_and_counted_alone(sandbox_world: SandboxWorld) -> None:
    await run(sandbox_world, [{"method": "GET", "relative_url": sandbox_world.catalog}] * 3)

    log = await sandbox_world.control("GET", "calls", params={"path": f"/{sandbox_world.catalog}"})

    assert [(call["inBatch"], call["slot"]) for call in log["calls"]] == [(True, 0), (True, 1), (True, 2)]
    assert log["httpCalls"] == 1


async def test_a_slot_can_be_unchanged(sandbox_world: SandboxWorld) -> None:
    read = {"method": "GET", "relative_url": sandbox_world.catalog}
    [first] = await run(sandbox_world, [read])
    assert first is not None
    tag = next(header["value"] for header in first["headers"] if header["name"] == "ETag")

    [again] = await run(sandbox_world, [read | {"headers": [f"If-None-Match: {tag}"]}])

    assert again is not None
    assert again["code"] == 304
    assert "body" not in again


async def test_a_lost_slot_is_null_though_its_write_happened(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.fault(kind="null_slot", slots=[1])
    create = {"method": "POST", "relative_url": f"{sandbox_world.catalog}/product_sets", "body": "name=Sale"}

    slots = await run(sandbox_world, [{"method": "GET", "relative_url": "me"}, create])

    assert slots[0] is not None
    assert slots[1] is None
    assert len((await sandbox_world.get(f"{sandbox_world.catalog}/product_sets"))["data"]) == 1
