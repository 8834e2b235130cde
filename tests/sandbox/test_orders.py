"""Orders as a seller meets them: listed, read, acknowledged once and for all."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import SandboxWorld, SandboxWorlds


def key(n: int = 1) -> str:
    return f"00000000-0000-4000-8000-{n:012d}"


async def states(world: SandboxWorld) -> dict[str, int]:
    every = "FB_PROCESSING,CREATED,IN_PROGRESS,COMPLETED"
    rows = (await world.get(f"{world.cms}/commerce_orders", state=every))["data"]
    found: dict[str, int] = {}
    for row in rows:
        found[row["order_status"]["state"]] = found.get(row["order_status"]["state"], 0) + 1
    return found


async def created(world: SandboxWorld) -> list[str]:
    return [row["id"] for row in (await world.get(f"{world.cms}/commerce_orders"))["data"]]


async def test_a_seeded_shop_has_six_orders_and_lists_created_ones_by_default(sandbox_world: SandboxWorld) -> None:
    assert await states(sandbox_world) == {"CREATED": 4, "FB_PROCESSING": 1, "IN_PROGRESS": 1}
    assert len(await created(sandbox_world)) == 4


async def test_page_and_commerce_account_list_the_same_orders_newest_first(sandbox_world: SandboxWorld) -> None:
    page, token = sandbox_world.shop["pageId"], sandbox_world.shop["accessToken"]

    by_page = await sandbox_world.get(f"{page}/commerce_orders", token, state='["CREATED"]')
    by_account = await sandbox_world.get(f"{sandbox_world.cms}/commerce_orders", token, state='"created"')

    assert by_page["data"] == by_account["data"]
    times = [row["created"] for row in by_page["data"]]
    assert times == sorted(times, reverse=True)
    assert times[0].endswith("+00:00")


async def test_filters_are_anded_and_compared_without_case(sandbox_world: SandboxWorld) -> None:
    orders = f"{sandbox_world.cms}/commerce_orders"
    [first, *_] = await created(sandbox_world)
    await sandbox_world.control("POST", f"orders/{first}", json={"cancel": True})

    cancelled = await sandbox_world.get(orders, state="COMPLETED", filters="has_cancellations,NO_REFUNDS")
    none = await sandbox_world.get(orders, state="COMPLETED", filters="has_cancellations,no_cancellations")
    wrong = await sandbox_world.refused("GET", orders, params={"filters": "shipped"})

    assert [row["id"] for row in cancelled["data"]] == [first]
    assert none == {"data": []}
    assert wrong["code"] == 100


async def test_updated_after_sees_later_changes_only(sandbox_world: SandboxWorld) -> None:
    orders = f"{sandbox_world.cms}/commerce_orders"
    every = "FB_PROCESSING,CREATED,IN_PROGRESS,COMPLETED"
    rows = (await sandbox_world.get(orders, state=every, fields="last_updated", date_format="U"))["data"]
    latest = max(row["last_updated"] for row in rows)
    await sandbox_world.advance(5)
    [first, *_] = await created(sandbox_world)
    await sandbox_world.post(f"{first}/acknowledge_order", idempotency_key=key())

    changed = await sandbox_world.get(orders, state=every, updated_after=latest)

    assert [row["id"] for row in changed["data"]] == [first]


async def test_a_held_order_hides_its_buyer_and_is_released_by_time(sandbox_world: SandboxWorld) -> None:
    orders = f"{sandbox_world.cms}/commerce_orders"
    [held] = (await sandbox_world.get(orders, state="FB_PROCESSING", fields="buyer_details,items{quantity}"))["data"]
    await sandbox_world.advance(1800)

    released = await sandbox_world.get(held["id"], fields="buyer_details{name, email},order_status")

    assert "buyer_details" not in held
    assert held["items"]["data"]
    assert released["order_status"] == {"state": "CREATED"}
    assert set(released["buyer_details"]) == {"name", "email"}


async def test_without_an_associated_app_meta_acknowledges_by_itself(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(shops=[{"orders": 0, "associated": False}])
    lines = [{"retailerId": "mug", "quantity": 2, "price": "12.00"}]
    placed = await world.control("POST", "orders", json={"shop": world.cms, "lines": lines})
    await world.advance(1800)

    assert (await world.get(placed["orders"][0]["id"]))["order_status"] == {"state": "IN_PROGRESS"}


async def test_association_comes_and_goes(sandbox_world: SandboxWorld) -> None:
    path = f"{sandbox_world.cms}/order_management_apps"
    before = await sandbox_world.get(path)
    await sandbox_world.send("DELETE", path)
    after = await sandbox_world.get(path)
    again = await sandbox_world.post(path)

    assert [app["id"] for app in before["data"]] == ["100200300400"]
    assert after == {"data": []}
    assert again == {"success": True}


async def test_association_of_an_unknown_account_is_803(sandbox_world: SandboxWorld) -> None:
    error = await sandbox_world.refused("POST", "1300000000000000/order_management_apps")

    assert error["code"] == 803


async def test_amounts_add_up(sandbox_world: SandboxWorld) -> None:
    orders = await sandbox_world.get(
        f"{sandbox_world.cms}/commerce_orders",
        fields="estimated_payment_details,items{quantity,price_per_unit,tax_details}",
    )

    for order in orders["data"]:
        details, lines = order["estimated_payment_details"], order["items"]["data"]
        subtotal = details["subtotal"]
        items = sum(line["quantity"] * _cents(line["price_per_unit"]) for line in lines)
        assert items == _cents(subtotal["items"])
        total = items + _cents(subtotal["shipping"]) + _cents(details["tax"])
        assert total == _cents(details["total_amount"])


def _cents(money: dict[str, str]) -> int:
    whole, _, part = money["amount"].partition(".")
    return int(whole) * 100 + int(part)


async def test_a_placed_order_takes_price_and_stock_from_the_catalog(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(shops=[{"orders": 0, "items": 3}])
    item = next(iter((await world.items()).values()))
    stock = item["quantity_to_sell_on_facebook"]
    await world.control(
        "POST", "orders", json={"shop": world.cms, "lines": [{"retailerId": item["id"], "quantity": 1}]}
    )

    [order] = (await world.get(f"{world.cms}/commerce_orders", state="FB_PROCESSING", fields="items"))["data"]

    [line] = order["items"]["data"]
    assert line["product_id"] == item["metaId"]
    assert f"{line['price_per_unit']['amount']} USD" == item["price"]
    assert (await world.items())[item["id"]]["quantity_to_sell_on_facebook"] == max(stock - 1, 0)


async def test_an_acknowledged_order_carries_its_reference(sandbox_world: SandboxWorld) -> None:
    [first, *_] = await created(sandbox_world)

    answer = await sandbox_world.post(
        f"{first}/acknowledge_order", idempotency_key=key(), merchant_order_reference="SO-1"
    )

    assert answer == {"id": first, "state": "IN_PROGRESS"}
    assert (await sandbox_world.get(first, fields="merchant_order_id"))["merchant_order_id"] == "SO-1"


async def test_the_same_key_gives_the_same_answer_and_acts_once(sandbox_world: SandboxWorld) -> None:
    [first, *_] = await created(sandbox_world)
    path = f"{first}/acknowledge_order"

    answers = [await sandbox_world.post(path, idempotency_key=key()) for _ in range(2)]
    other = await sandbox_world.refused("POST", path, json={"idempotency_key": key(2)})

    assert answers[0] == answers[1]
    assert [call["effect"] for call in await sandbox_world.calls(path=f"/{path}")] == [True, False, False]
    assert (other["code"], other["error_subcode"]) == (100, 2361009)


async def test_a_stored_error_is_replayed_even_when_the_reason_is_gone(sandbox_world: SandboxWorld) -> None:
    orders = f"{sandbox_world.cms}/commerce_orders"
    [held] = (await sandbox_world.get(orders, state="FB_PROCESSING"))["data"]
    path = f"{held['id']}/acknowledge_order"
    early = await sandbox_world.refused("POST", path, json={"idempotency_key": key()})
    await sandbox_world.advance(1800)

    late = await sandbox_world.refused("POST", path, json={"idempotency_key": key()})
    fresh = await sandbox_world.post(path, idempotency_key=key(2))

    assert early["error_subcode"] == late["error_subcode"] == 2361009
    assert fresh["state"] == "IN_PROGRESS"


async def test_one_key_cannot_serve_two_requests(sandbox_world: SandboxWorld) -> None:
    first, second, *_ = await created(sandbox_world)
    await sandbox_world.post(f"{first}/acknowledge_order", idempotency_key=key())

    error = await sandbox_world.refused("POST", f"{second}/acknowledge_order", json={"idempotency_key": key()})

    assert (error["code"], "error_subcode" in error) == (100, False)


async def test_a_key_is_forgotten_after_a_day(sandbox_world: SandboxWorld) -> None:
    [first, *_] = await created(sandbox_world)
    await sandbox_world.post(f"{first}/acknowledge_order", idempotency_key=key())
    await sandbox_world.advance(24 * 3600)

    error = await sandbox_world.refused("POST", f"{first}/acknowledge_order", json={"idempotency_key": key()})

    assert error["error_subcode"] == 2361009


async def test_a_write_without_key_is_refused(sandbox_world: SandboxWorld) -> None:
    [first, *_] = await created(sandbox_world)

    error = await sandbox_world.refused("POST", f"{first}/acknowledge_order")

    assert error["message"] == "(#100) The parameter idempotency_key is required"


@pytest.mark.parametrize("node", ["metaId", "pageId"])
async def test_many_are_acknowledged_with_partial_success(sandbox_world: SandboxWorld, node: str) -> None:
    first, second, *_ = await created(sandbox_world)
    await sandbox_world.post(f"{second}/acknowledge_order", idempotency_key=key())
    rows = [{"id": first, "merchant_order_reference": "SO-7"}, {"id": second}, {"id": "900100000000777"}]

    answer = await sandbox_world.post(
        f"{sandbox_world.shop[node]}/acknowledge_orders", idempotency_key=key(2), orders=rows
    )

    done, again, absent = answer["orders"]
    assert done == {"id": first, "state": "IN_PROGRESS"}
    assert again["error"]["error_code"] == 2361009
    assert absent == {
        "id": "900100000000777",
        "error": {"error_code": 2361003, "error_message": "Invalid Order ID"},
    }


async def test_more_than_a_hundred_at_once_is_refused(sandbox_world: SandboxWorld) -> None:
    body = {"idempotency_key": key(), "orders": [{"id": str(n)} for n in range(101)]}

    error = await sandbox_world.refused("POST", f"{sandbox_world.cms}/acknowledge_orders", json=body)

    assert error["code"] == 100


async def test_current_spec_refuses_withdrawn_writes(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(mode="current-spec")
    [first, *_] = await created(world)

    one = await world.refused("POST", f"{first}/acknowledge_order", json={"idempotency_key": key()})
    many = await world.refused("POST", f"{world.cms}/acknowledge_orders", json={"idempotency_key": key()})

    assert (one["code"], one["error_subcode"]) == (many["code"], many["error_subcode"]) == (100, 33)


async def test_a_user_token_cannot_read_orders(sandbox_world: SandboxWorld) -> None:
    user = (await sandbox_world.control("POST", "tokens", json={"kind": "USER"}))["accessToken"]

    error = await sandbox_world.refused("GET", f"{sandbox_world.cms}/commerce_orders", user)

    assert (error["code"], error["status"]) == (210, 403)


async def test_a_page_token_sees_its_own_shop_only(sandbox_world: SandboxWorld) -> None:
    other = sandbox_world.card["shops"][1]["accessToken"]
    [first, *_] = await created(sandbox_world)

    for path in (first, sandbox_world.cms, sandbox_world.catalog, f"{sandbox_world.cms}/commerce_orders"):
        error = await sandbox_world.refused("GET", path, other)
        assert (error["code"], error["error_subcode"]) == (100, 33)


async def test_a_buyer_cancels_and_the_order_closes(sandbox_world: SandboxWorld) -> None:
    [first, *_] = await created(sandbox_world)
    await sandbox_world.control("POST", f"orders/{first}", json={"cancel": True})

    order = await sandbox_world.get(first, fields="order_status,cancellations,items{quantity,status}")

    assert order["order_status"] == {"state": "COMPLETED"}
    assert order["cancellations"]["data"][0]["cancel_reason"]["reason_code"] == "CUSTOMER_REQUESTED"
    for line in order["items"]["data"]:
        assert line["status"] == {"in_progress": 0, "fulfilled": 0, "cancelled": line["quantity"]}
