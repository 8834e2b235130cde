"""Bad input to catalog mutations: each item is refused with its field and remedy, the others are taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.gateway import DELETE, INVENTORY, PRICES, UPSERT, Gateway, product


async def upsert(gateway: Gateway, *products: dict[str, Any], **more: Any) -> Any:
    return await gateway.run(UPSERT, input={"shopId": gateway.shop_id, "products": list(products), **more})


USD = "USD"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"price": {"amount": "12,50", "currencyCode": USD}}, "INVALID_PRICE", "price"),
        ({"price": {"amount": "-1", "currencyCode": USD}}, "INVALID_PRICE", "price"),
        ({"price": {"amount": "0", "currencyCode": USD}}, "INVALID_PRICE", "price"),
        ({"price": {"amount": "1.005", "currencyCode": USD}}, "INVALID_PRICE", "price"),
        ({"price": {"amount": "5", "currencyCode": "DOLLAR"}}, "INVALID_PRICE", "price"),
        ({"price": {"amount": "$5", "currencyCode": USD}}, "INVALID_PRICE", "price"),
        ({"price": None}, "MISSING_FIELD", "price"),
        ({"salePrice": {"amount": "99", "currencyCode": USD}}, "SALE_PRICE_NOT_LOWER", "salePrice"),
        ({"salePrice": {"amount": "1", "currencyCode": "EUR"}}, "CURRENCY_MISMATCH", "salePrice"),
        ({"title": ""}, "MISSING_FIELD", "title"),
        ({"title": "x" * 101}, "TOO_LONG", "title"),
        ({"link": "shop.example.com"}, "INVALID_URL", "link"),
        ({"link": "javascript:alert(1)"}, "INVALID_URL", "link"),
        ({"imageLink": None}, "MISSING_FIELD", "imageLink"),
        ({"brand": None}, "MISSING_FIELD", "brand"),
        ({"quantity": -3}, "INVALID_QUANTITY", "quantity"),
        ({"retailerId": ""}, "MISSING_FIELD", "retailerId"),
        ({"retailerId": " A"}, "INVALID_ID", "retailerId"),
        ({"retailerId": "x" * 101}, "TOO_LONG", "retailerId"),
        ({"description": "a\x00b"}, "INVALID_VALUE", "description"),
    ],
)
async def test_a_bad_item_is_refused_and_its_neighbour_is_taken(
    gateway: Gateway, changes: dict[str, Any], code: str, field: str
) -> None:
    result = await upsert(gateway, product("BAD", **changes), product("GOOD"))

    [error] = result.user_errors
    assert error["code"] == code
    assert error["field"] == ["items", "0", field]
    assert error["fix"]
    assert [item["retailerId"] for item in result.payload["products"]] == ["GOOD"]
    assert set(await gateway.products()) == {"GOOD"}


async def test_an_item_without_most_of_its_fields_names_each_of_them(gateway: Gateway) -> None:
    result = await upsert(gateway, {"retailerId": "A", "title": "Only a title"})

    fields = {error["field"][-1] for error in result.user_errors}
    assert fields == {"description", "availability", "price", "link", "imageLink", "brand"}


async def test_the_same_id_twice_in_one_call_is_refused_the_second_time(gateway: Gateway) -> None:
    result = await upsert(gateway, product("A", title="First"), product("A", title="Second"))

    [error] = result.user_errors
    assert (error["code"], error["field"]) == ("DUPLICATE_RETAILER_ID", ["items", "1", "retailerId"])
    assert (await gateway.products())["A"]["title"] == "First"


async def test_what_is_left_out_stays_and_null_clears(gateway: Gateway) -> None:
    await upsert(gateway, product("A", mpn="M1"))

    result = await upsert(gateway, {"retailerId": "A", "title": "New title", "mpn": None})

    assert result.user_errors == []
    found = (await gateway.products())["A"]
    assert (found["title"], found["price"]["amount"]) == ("New title", "12.50")


async def test_a_write_that_changes_nothing_is_counted_as_such(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))

    result = await upsert(gateway, product("A"))

    assert result.payload["counts"] == {"created": 0, "updated": 0, "unchanged": 1, "deleted": 0, "refused": 0}


async def test_a_dry_run_tells_and_writes_nothing(gateway: Gateway) -> None:
    result = await upsert(gateway, product("A"), product("B", price=None), dryRun=True)

    assert result.payload["counts"]["created"] == 1
    assert result.user_errors[0]["code"] == "MISSING_FIELD"
    assert await gateway.products() == {}


async def test_a_repeat_under_the_same_key_gets_the_first_outcome(gateway: Gateway) -> None:
    first = await upsert(gateway, product("A"), product("B", price=None), idempotencyKey="k1")

    second = await upsert(gateway, product("A"), product("B", price=None), idempotencyKey="k1")
    other = await upsert(gateway, product("A", title="Other"), idempotencyKey="k1")

    assert second.payload == first.payload
    assert other.user_errors[0]["code"] == "IDEMPOTENCY_CONFLICT"
    assert (await gateway.products())["A"]["title"] == "Item A"


async def test_twins_under_one_key_write_once(gateway: Gateway) -> None:
    results = await asyncio.gather(*(upsert(gateway, product("A"), idempotencyKey="k1") for _ in range(6)))

    assert {result.payload["counts"]["created"] for result in results} == {1}
    assert (await gateway.products())["A"]["versions"]["desired"] == 1


async def test_stock_of_nothing_is_out_of_stock_and_returns(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))

    async def stock(quantity: int, key: str) -> dict[str, Any]:
        items = [{"retailerId": "A", "quantity": quantity}]
        result = await gateway.run(INVENTORY, input={"shopId": gateway.shop_id, "idempotencyKey": key, "items": items})
        [item] = result.payload["products"]
        found: dict[str, Any] = item
        return found

    assert (await stock(0, "k1"))["availability"] == "OUT_OF_STOCK"
    assert (await stock(3, "k2"))["availability"] == "IN_STOCK"


async def test_stock_and_price_of_an_unknown_item_are_refused(gateway: Gateway) -> None:
    stock = await gateway.run(
        INVENTORY,
        input={"shopId": gateway.shop_id, "idempotencyKey": "k1", "items": [{"retailerId": "NO", "quantity": 1}]},
    )
    price = {"retailerId": "NO", "price": {"amount": "1.00", "currencyCode": "USD"}}
    prices = await gateway.run(PRICES, input={"shopId": gateway.shop_id, "idempotencyKey": "k1", "items": [price]})

    for result in (stock, prices):
        assert result.user_errors[0]["code"] == "PRODUCT_NOT_FOUND"
    assert await gateway.products() == {}


async def test_money_and_stock_need_a_key(gateway: Gateway) -> None:
    result = await gateway.run(
        INVENTORY,
        input={"shopId": gateway.shop_id, "idempotencyKey": "", "items": [{"retailerId": "A", "quantity": 1}]},
    )

    assert result.user_errors[0]["field"] == ["idempotencyKey"]


async def test_deleting_what_is_not_there_is_refused_by_name(gateway: Gateway) -> None:
    await upsert(gateway, product("A"))

    result = await gateway.run(DELETE, input={"shopId": gateway.shop_id, "retailerIds": ["A", "NO"]})

    assert result.payload["counts"] == {"deleted": 1, "refused": 1}
    assert result.user_errors[0]["code"] == "PRODUCT_NOT_FOUND"
    assert await gateway.products() == {}


async def test_more_than_a_thousand_items_are_sent_elsewhere(gateway: Gateway) -> None:
    result = await upsert(gateway, *(product(f"A{n}") for n in range(1001)))

    [error] = result.user_errors
    assert error["code"] == "INVALID_INPUT"
    assert "catalogImportRun" in error["fix"]


async def test_variants_are_the_items_of_one_group(gateway: Gateway) -> None:
    await upsert(gateway, product("T-S", groupId="T", size="S"), product("T-M", groupId="T", size="M"), product("U"))
    query = """query($shopId: ID!) {
      products(shopId: $shopId, first: 20) { nodes { retailerId variants { retailerId size } } }
    }"""

    result = await gateway.run(query, shopId=gateway.shop_id)

    variants = {node["retailerId"]: node["variants"] for node in result.data["products"]["nodes"]}
    both = [{"retailerId": "T-M", "size": "M"}, {"retailerId": "T-S", "size": "S"}]
    assert variants == {"T-S": both, "T-M": both, "U": [{"retailerId": "U", "size": None}]}
