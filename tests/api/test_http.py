"""``/graphql`` over HTTP, and the pages beside it."""

from __future__ import annotations

import asyncio

from gateway.access.models import Caller
from gateway.sync.models import Lane
from tests.support.gateway import UPSERT, Gateway, product


async def test_health_and_readiness(gateway: Gateway) -> None:
    health = await gateway.http.get(f"{gateway.url}/healthz")
    ready = await gateway.http.get(f"{gateway.url}/readyz")

    assert health.json() == {"status": "ok"}
    assert ready.status_code == 200
    assert ready.json()["database"] == "ok"


async def test_a_database_that_is_behind_is_not_ready(gateway: Gateway) -> None:
    await asyncio.to_thread(gateway.services.db.unmigrate)

    ready = await gateway.http.get(f"{gateway.url}/readyz")

    assert ready.status_code == 503
    assert "migrations" in ready.json()["database"]


async def test_a_body_over_the_limit_is_refused_before_it_is_read(gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {gateway.key}", "Content-Type": "application/json"}
    large = b'{"query": "' + b"x" * (gateway.services.settings.request_limit_bytes + 1) + b'"}'

    said = await gateway.http.post(f"{gateway.url}/graphql", content=large, headers=headers)

    async def pieces():  # type: ignore[no-untyped-def]
        for start in range(0, len(large), 100_000):
            yield large[start : start + 100_000]

    unsaid = await gateway.http.post(f"{gateway.url}/graphql", content=pieces(), headers=headers)

    for answer in (said, unsaid):
        assert answer.status_code == 413
        assert answer.json()["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


async def test_a_mutation_by_get_is_refused(gateway: Gateway) -> None:
    answer = await gateway.http.get(
        f"{gateway.url}/graphql",
        params={"query": 'mutation { apiKeyRevoke(input: {id: "x"}) { apiKey { id } } }'},
        headers={"Authorization": f"Bearer {gateway.key}"},
    )

    assert answer.status_code in (400, 405)


async def test_a_fault_of_ours_is_masked_under_a_trace_id(gateway: Gateway) -> None:
    await asyncio.to_thread(gateway.services.db.unmigrate)

    answer = await gateway.http.post(
        f"{gateway.url}/graphql",
        json={"query": "{ shops { totalCount } }"},
        headers={"Authorization": f"Bearer {gateway.key}"},
    )

    assert answer.status_code == 500 or answer.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "no such table" not in answer.text
    assert "does not exist" not in answer.text


async def test_the_page_for_people_opens_with_queries_and_shows_nothing_without_a_key(gateway: Gateway) -> None:
    answer = await gateway.http.get(f"{gateway.url}/graphql", headers={"Accept": "text/html"})

    assert answer.status_code == 200
    assert "query Shops" in answer.text
    assert gateway.key not in answer.text


async def test_the_cost_of_an_operation_is_told(gateway: Gateway) -> None:
    result = await gateway.run("{ shops { totalCount } }")

    assert result.body["extensions"]["cost"] == {"graphCalls": 0, "graphRequests": 0}


async def test_a_page_outside_its_bounds_is_refused(gateway: Gateway) -> None:
    for first in (0, 101, -1):
        result = await gateway.run("query($n: Int!) { shops(first: $n) { totalCount } }", n=first)
        assert result.error_codes == ["INVALID_INPUT"]
        assert result.errors[0]["extensions"]["field"] == ["first"]


async def test_pages_survive_rows_that_come_and_go(gateway: Gateway) -> None:
    async def write(*ids: str) -> None:
        await gateway.run(UPSERT, input={"shopId": gateway.shop_id, "products": [product(item) for item in ids]})

    query = """query($shopId: ID!, $after: String) {
      products(shopId: $shopId, first: 3, after: $after) {
        nodes { retailerId } pageInfo { hasNextPage endCursor hasPreviousPage }
      }
    }"""
    await write(*(f"A{n}" for n in range(7)))
    seen: list[str] = []
    after = None
    while True:
        page = (await gateway.run(query, shopId=gateway.shop_id, after=after)).data["products"]
        seen += [node["retailerId"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
        # Between two pages one row goes that was seen, and one comes.
        await gateway.services.catalog.delete(Caller.system(), gateway.onsite.id, [seen[0]])
        await write(f"B{len(seen)}")

    assert [item for item in seen if item.startswith("A")] == [f"A{n}" for n in range(7)]
    assert len(seen) == len(set(seen))


async def test_a_cursor_of_another_list_is_refused(gateway: Gateway) -> None:
    await gateway.run_lane(Lane.ORDERS)
    page = (await gateway.run("{ orders(first: 1) { pageInfo { endCursor } } }")).data["orders"]

    result = await gateway.run(
        "query($after: String) { syncRuns(after: $after) { totalCount } }", after=page["pageInfo"]["endCursor"]
    )

    assert result.error_codes == ["INVALID_INPUT"]
    assert result.errors[0]["extensions"]["field"] == ["after"]
