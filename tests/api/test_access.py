"""Who may do what: closed by default, and foreign looks like absent."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.access.models import Scope
from gateway.sync.models import Lane
from tests.support.gateway import ORDERS, UPSERT, Gateway, product

VIEWER = "{ viewer { name scopes allShops } }"
CREATE = """
mutation($input: ApiKeyCreateInput!) {
  apiKeyCreate(input: $input) { secret apiKey { id name hint scopes shopIds } userErrors { code message } }
}"""
REVOKE = """
mutation($input: ApiKeyRevokeInput!) {
  apiKeyRevoke(input: $input) { apiKey { revokedAt } userErrors { code message } }
}"""


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic abc", "Bearer mcg_unknown"])
async def test_a_request_without_a_valid_key_is_turned_away(gateway: Gateway, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}

    answer = await gateway.http.post(f"{gateway.url}/graphql", json={"query": VIEWER}, headers=headers)

    assert answer.status_code == 401
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert error["extensions"]["fix"]
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_is_made_used_and_revoked(gateway: Gateway) -> None:
    made = await gateway.run(CREATE, input={"name": "app", "scopes": ["SHOPS_READ"], "shopIds": [gateway.shop_id]})
    secret = made.payload["secret"]
    assert (await gateway.run(VIEWER, key=secret)).data["viewer"] == {
        "name": "app", "scopes": ["SHOPS_READ"], "allShops": False,
    }  # fmt: skip

    await gateway.run(REVOKE, input={"id": made.payload["apiKey"]["id"]})

    assert (await gateway.run(VIEWER, key=secret)).status == 401


async def test_a_missing_scope_is_named_and_other_fields_still_answer(gateway: Gateway) -> None:
    key = await gateway.new_key([Scope.SHOPS_READ])

    result = await gateway.run("{ shops { totalCount } orders { totalCount } }", key=key)

    assert result.error_codes == ["FORBIDDEN"]
    assert "orders:read" in result.errors[0]["message"]
    assert result.body["data"] == {"shops": {"totalCount": 2}, "orders": None}


async def test_a_missing_scope_lets_no_write_through(gateway: Gateway) -> None:
    key = await gateway.new_key([Scope.CATALOG_READ])

    result = await gateway.run(UPSERT, key=key, input={"shopId": gateway.shop_id, "products": [product("A")]})

    assert result.error_codes == ["FORBIDDEN"]
    assert await gateway.products() == {}


async def test_a_key_grants_no_more_than_it_holds(gateway: Gateway) -> None:
    key = await gateway.new_key([Scope.KEYS_WRITE, Scope.SHOPS_READ], [gateway.onsite])

    more = await gateway.run(
        CREATE, key=key, input={"name": "x", "scopes": ["ORDERS_WRITE"], "shopIds": [gateway.shop_id]}
    )
    everywhere = await gateway.run(CREATE, key=key, input={"name": "x", "scopes": ["SHOPS_READ"]})
    elsewhere = await gateway.run(
        CREATE, key=key, input={"name": "x", "scopes": ["SHOPS_READ"], "shopIds": [gateway.offsite_id]}
    )

    assert more.error_codes == ["FORBIDDEN"]
    assert everywhere.user_errors[0]["code"] == "NOT_FOUND"
    assert elsewhere.user_errors[0]["code"] == "NOT_FOUND"


async def test_a_foreign_shop_looks_like_one_that_does_not_exist(gateway: Gateway) -> None:
    """Every way to ask about a shop gives the same answer for a foreign and an absent one, to the letter."""
    await gateway.run(UPSERT, input={"shopId": gateway.shop_id, "products": [product("A")]})
    await gateway.run_lane(Lane.ORDERS)
    foreign = {"shop": gateway.shop_id, "meta": gateway.onsite.meta_id}
    foreign["product"] = (await gateway.products())["A"]["id"]
    orders = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]["nodes"]
    foreign["order"], foreign["orderMeta"] = orders[0]["id"], orders[0]["metaId"]
    from gateway.kit.ids import node_id

    absent = {
        "shop": node_id("Shop", "0" * 32),
        "meta": "999999999999999",
        "product": node_id("Product", "0" * 32),
        "order": node_id("Order", "0" * 32),
        "orderMeta": "999999999999999",
    }
    key = await gateway.new_key(shops=[gateway.offsite])

    async def ask(ids: dict[str, str]) -> list[Any]:
        query = """query($shop: ID!, $meta: ID!, $product: ID!, $order: ID!, $orderMeta: String!) {
          byId: shop(id: $shop) { id } byMeta: shop(metaId: $meta) { id } product(id: $product) { id }
          byRetailer: product(shopId: $shop, retailerId: "A") { id }
          order(id: $order) { id } byOrderMeta: order(metaId: $orderMeta) { id }
          node(id: $shop) { id } nodes(ids: [$product, $order]) { id }
          products(shopId: $shop) { totalCount } orders(filter: {shopId: $shop}) { totalCount }
        }""".replace("$meta: ID!", "$meta: String!")
        read = await gateway.run(query, key=key, **ids)
        written = await gateway.run(UPSERT, key=key, input={"shopId": ids["shop"], "products": [product("B")]})
        return [read.body["data"], [error["message"] for error in read.errors], written.body["data"]]

    assert await ask(foreign) == await ask(absent)


async def test_lists_show_only_granted_shops(gateway: Gateway) -> None:
    await gateway.run_lane(Lane.ORDERS)
    key = await gateway.new_key(shops=[gateway.offsite])

    result = await gateway.run(
        "{ shops { totalCount nodes { metaId } } orders { totalCount } syncRuns { totalCount } }",
        key=key,
    )

    assert result.data["shops"] == {"totalCount": 1, "nodes": [{"metaId": gateway.offsite.meta_id}]}
    assert result.data["orders"] == {"totalCount": 0}
    assert result.data["syncRuns"] == {"totalCount": 0}


async def test_an_id_that_is_none_is_told_so(gateway: Gateway) -> None:
    read = await gateway.run('{ node(id: "not-an-id") { id } }')
    wrong_type = await gateway.run("query($id: ID!) { product(id: $id) { id } }", id=gateway.shop_id)
    written = await gateway.run(UPSERT, input={"shopId": "not-an-id", "products": [product("A")]})

    assert read.error_codes == ["INVALID_ID"]
    assert wrong_type.error_codes == ["INVALID_ID"]
    assert written.user_errors[0]["code"] == "INVALID_ID"
