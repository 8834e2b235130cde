"""Calls that make no sense, on every route: an error in Meta's own envelope, never a fault of the sandbox."""

from __future__ import annotations

import random
from typing import Any

import httpx
import pytest

from gateway.sandbox.listing import Route, routes
from tests.support.world import World

ROUTES = routes()
PARTS = 12
CALLS_PER_ROUTE = 5

VALUES: list[Any] = [
    "", "0", "-1", "1.5", "99999999999999999999", "true", "null", "[]", "{}", "[[]]", '{"a":', '[{"id": null}]', "\x00",
    "💥", "\\ud800", "a" * 5000, "2026-03-02T09:00:00+0000", '{"retailer_id":{"eq":1}}', '{"and":[{"or":[]}]}',
    '[{"method":"UPDATE","data":{"id":5}}]', '[{"method":"NO"}]', "id,name{x{y}}", "id,,,{", "EUR", "12.50 USD",
]  # fmt: skip
NAMES = [
    "fields", "limit", "after", "before", "filter", "ids", "summary", "metadata", "state", "filters", "requests",
    "items", "item_type", "handle", "name", "idempotency_key", "orders", "data", "start_time", "end_time", "method",
    "date_format",
    "locale", "debug", "url", "schedule", "tracking_info", "message", "recipient", "reason_code", "refund", "user_data",
]  # fmt: skip


def path(route: Route, world: World, chance: random.Random) -> str:
    shop = world.onsite
    ids = {
        "ProductCatalog": shop["catalogId"],
        "Page": shop["pageId"],
        "CommerceMerchantSettings": shop["metaId"],
        "Business": world.facts["businessId"],
    }
    some = [*ids.values(), "1", "me", "0", "catalog:1:x", "upload:x", "1" * 30]
    node = ids.get(route.owner) or chance.choice(some)
    return f"/v25.0/{node}/{route.edge}" if route.owner else f"/v25.0/{route.edge}"


def send(http: httpx.Client, method: str, url: str, world: World, chance: random.Random) -> httpx.Response:
    params = {chance.choice(NAMES): chance.choice(VALUES) for _ in range(chance.randrange(4))}
    token = {"Authorization": f"Bearer {world.onsite['accessToken']}"}
    match chance.randrange(4) if method != "GET" else 0:
        case 0:
            return http.request(method, url, params=params, headers=token)
        case 1:
            return http.request(method, url, data=params, headers=token)
        case 2:
            return http.request(method, url, json=params, headers=token)
        case _:
            body = chance.randbytes(chance.randrange(200))
            kind = chance.choice(["application/json", "multipart/form-data; boundary=x", "text/plain", "a/b"])
            return http.request(method, url, content=body, headers={**token, "Content-Type": kind})


@pytest.mark.parametrize("part", range(PARTS))
def test_nonsense_is_answered_in_metas_own_envelope(sandbox: str, part: int) -> None:
    chance = random.Random(part)
    world = World.create(sandbox, limits={"appPerHour": 10**9, "pagePerDay": 10**9, "catalogPerHour": 10**9})
    with httpx.Client(base_url=sandbox, trust_env=False, timeout=20) as http:
        for route in ROUTES[part::PARTS]:
            for _ in range(CALLS_PER_ROUTE):
                answer = send(http, route.method, path(route, world, chance), world, chance)
                assert answer.status_code < 500, f"{answer.request.method} {answer.request.url}: {answer.text[:300]}"
                assert "Traceback" not in answer.text
                if answer.status_code >= 400:
                    assert answer.text.startswith("{"), f"{answer.request.method} {answer.request.url}: {answer.text}"
                    error = answer.json()["error"]
                    assert error["message"]
                    assert isinstance(error["code"], int)
                    assert error["fbtrace_id"]
    world.close()
