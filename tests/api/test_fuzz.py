"""Requests that nobody sane would send: refused by the client's own fault, never by a fault of ours."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.support.gateway import Gateway

QUERIES = [
    "", "{", "}", "{ nothing }", "query { shops { nodes { id } }", "{ shops(first: 99999999999) { totalCount } }",
    '{ shops(first: "x") { totalCount } }', "{ node(id: 5) { id } }", '{ node(id: "") { id } }', "{ __typename }",
    '{ node(id: "\\u0000") { id } }', '{ products(shopId: "💥", after: "💥") { totalCount } }', "subscription { x }",
    'query A { __typename } query B { __typename }', "fragment F on Shop { ...F } { shops { nodes { ...F } } }",
    '{ orders(after: "W10") { totalCount } }', '{ orders(filter: {state: []}) { totalCount } }',
    '{ orders(filter: {shopId: "U2hvcDow"}) { totalCount } }', "query($a: [[[Int]]]) { __typename }",
    'mutation { apiKeyRevoke(input: {id: "QXBpS2V5OnF4"}) { userErrors { code } } }',
    'mutation { catalogSyncRun(input: {shopId: "x", lanes: []}) { userErrors { code } } }',
]  # fmt: skip
BODIES: list[Any] = [
    None, [], {}, 5, "text", True, [[]], [{}], {"query": None}, {"query": 5}, {"query": []}, {"query": {}},
    {"query": "{ __typename }", "variables": "x"}, {"query": "{ __typename }", "variables": [1]},
    {"query": "{ __typename }", "operationName": 5}, {"query": "{ __typename }", "operationName": "Nobody"},
    {"query": "{ __typename }", "extensions": "x"}, {"operations": "x"}, [{"query": "{ __typename }"}] * 3,
]  # fmt: skip


async def ask(gateway: Gateway, content: bytes, kind: str = "application/json") -> None:
    answer = await gateway.http.post(
        f"{gateway.url}/graphql",
        content=content,
        headers={"Authorization": f"Bearer {gateway.key}", "Content-Type": kind},
    )
    assert answer.status_code < 500, answer.text
    assert '"INTERNAL"' not in answer.text, answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("query", QUERIES)
async def test_odd_queries_are_no_fault_of_ours(gateway: Gateway, query: str) -> None:
    await ask(gateway, json.dumps({"query": query}).encode())


@pytest.mark.parametrize("body", BODIES, ids=repr)
async def test_odd_bodies_are_no_fault_of_ours(gateway: Gateway, body: Any) -> None:
    await ask(gateway, json.dumps(body).encode())


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", "", "a/b;;=,"])
async def test_random_bytes_are_no_fault_of_ours(gateway: Gateway, kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(20):
        await ask(gateway, chance.randbytes(chance.randrange(300)), kind)


MUTATIONS = {
    "productsUpsert": ("ProductsUpsertInput", "products"),
    "inventorySet": ("InventorySetInput", "items"),
    "pricesSet": ("PricesSetInput", "items"),
    "productsDelete": ("ProductsDeleteInput", "retailerIds"),
    "ordersAcknowledge": ("OrdersAcknowledgeInput", "orders"),
}
ODD_TEXTS = ["", " ", "\x00", "💥" * 200, "' OR 1=1 --", "../../etc/passwd", "\u202e\ufeff"]


@pytest.mark.parametrize("name", MUTATIONS)
async def test_odd_input_to_a_mutation_is_a_typed_error(gateway: Gateway, name: str) -> None:
    kind, rows = MUTATIONS[name]
    query = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ userErrors {{ code field message fix }} }} }}"
    chance = random.Random(name)
    for text in ODD_TEXTS:
        money = {"amount": text, "currencyCode": text}
        row: Any = {
            "productsUpsert": {"retailerId": text, "title": text, "price": money, "link": text, "gtin": text},
            "inventorySet": {"retailerId": text, "quantity": chance.randrange(-(2**31), 2**31)},
            "pricesSet": {"retailerId": text, "price": money},
            "productsDelete": text,
            "ordersAcknowledge": {"id": text, "merchantOrderReference": text},
        }[name]
        input = {"shopId": gateway.shop_id, rows: [row], "idempotencyKey": text}

        await ask(gateway, json.dumps({"query": query, "variables": {"input": input}}).encode())
