"""Money as a seller's bookkeeping meets it: transactions, the payouts they end in, disputes; even to the cent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.sandbox.conftest import SandboxWorld, SandboxWorlds

DAY = 86_400


async def sold(world: SandboxWorld, price: str = "36.00", **options: Any) -> str:
    """One order of a single unit, captured."""
    lines = [{"retailerId": "tee", "quantity": 1, "price": price}]
    placed = await world.control("POST", "orders", json={"shop": world.cms, "lines": lines, "state": "CREATED"})
    order: str = placed["orders"][0]["id"]
    await world.control("POST", "transactions", json={"shop": world.cms, "type": "SALE", "order": order} | options)
    return order


async def transactions(world: SandboxWorld, **params: Any) -> list[dict[str, Any]]:
    fields = (
        "transaction_type,transaction_date,order_details,transfer_id,processing_fee,net_payment_amount,tax_rate,"
        "payout_reference_id"
    )
    answer = await world.get(f"{world.cms}/commerce_transactions", **{"fields": fields} | params)
    rows: list[dict[str, Any]] = answer["data"]
    return rows


async def payouts(world: SandboxWorld, **params: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await world.get(f"{world.cms}/commerce_payouts", **params))["data"]
    return rows


def total(rows: list[dict[str, Any]], name: str = "net_payment_amount") -> Decimal:
    return sum((Decimal(row[name]["amount"]) for row in rows), Decimal(0))


async def cut(world: SandboxWorld, **options: Any) -> dict[str, Any]:
    made = await world.control("POST", "payouts", json={"shop": world.cms} | options)
    [payout] = made["payouts"]
    card: dict[str, Any] = payout
    return card


async def test_a_sale_is_worth_the_charge_less_remitted_tax_and_fee(sandbox_world: SandboxWorld) -> None:
    order = await sold(sandbox_world)

    [row] = await transactions(sandbox_world)

    assert row["transaction_type"] == "SALE"
    assert row["order_details"]["id"] == order
    assert set(row["order_details"]) == {"id", "order_status", "created", "last_updated"}
    # 36.00 and 6.00 shipping, a fee of 5 %, the tax is not the seller's.
    assert row["processing_fee"] == {"amount": "-2.10", "currency": "USD"}
    assert row["net_payment_amount"] == {"amount": "39.90", "currency": "USD"}
    assert row["transaction_date"].endswith("+00:00")
    assert "payout_reference_id" not in row
    assert "transfer_id" not in row


async def test_tax_that_meta_does_not_remit_is_paid_to_the_seller(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.control("POST", "money", json={"shop": sandbox_world.cms, "taxRemitted": False})
    await sold(sandbox_world)

    [row] = await transactions(sandbox_world)

    assert row["net_payment_amount"]["amount"] == "43.26"


async def test_money_is_paid_out_when_its_hold_is_over_and_adds_up(sandbox_world: SandboxWorld) -> None:
    await sold(sandbox_world)
    await sold(sandbox_world, "30.00")
    await sandbox_world.advance(4 * DAY)
    assert await payouts(sandbox_world) == []

    await sandbox_world.advance(2 * DAY)
    [payout] = await payouts(sandbox_world)
    rows = await transactions(sandbox_world, payout_reference_id=f'"{payout["payout_reference_id"]}"')

    assert payout["status"] == "COMPLETED"
    assert payout["payout_reference_id"].startswith("FBMPUS")
    assert len(rows) == 2
    assert total(rows) == Decimal(payout["amount"]["amount"])
    assert {row["payout_reference_id"] for row in rows} == {payout["payout_reference_id"]}
    assert len({row["transfer_id"] for row in rows}) == 1


async def test_a_refund_after_the_payout_is_taken_from_the_next(sandbox_world: SandboxWorld) -> None:
    order = await sold(sandbox_world)
    first = await cut(sandbox_world)
    refund = {"shop": sandbox_world.cms, "type": "REFUND", "order": order, "amount": "18.00", "tax": "1.44"}
    await sandbox_world.control("POST", "transactions", json=refund)
    await sold(sandbox_world, "30.00")

    second = await cut(sandbox_world)
    rows = await transactions(sandbox_world, payout_reference_id=second["reference"])

    assert first["amount"]["amount"] == "39.90"
    assert [row["transaction_type"] for row in rows] == ["REFUND", "SALE"]
    assert rows[0]["processing_fee"]["amount"] == "0.90"
    assert rows[0]["net_payment_amount"]["amount"] == "-17.10"
    assert "transfer_id" not in rows[0]
    assert total(rows) == Decimal(second["amount"]["amount"]) == Decimal("17.10")


async def test_a_debt_is_carried_forward(sandbox_world: SandboxWorld) -> None:
    body = {"shop": sandbox_world.cms, "type": "REFUND", "net": "-5.00"}
    await sandbox_world.control("POST", "transactions", json=body)

    nothing = await sandbox_world.control("POST", "payouts", json={"shop": sandbox_world.cms})
    await sandbox_world.advance(10 * DAY)

    assert nothing == {"payouts": []}
    assert await payouts(sandbox_world) == []
    assert total(await transactions(sandbox_world)) == Decimal("-5.00")


async def test_page_and_account_answer_alike_and_newest_payouts_come_first(sandbox_world: SandboxWorld) -> None:
    page, token = sandbox_world.shop["pageId"], sandbox_world.shop["accessToken"]
    for _ in range(3):
        await sold(sandbox_world)
        await cut(sandbox_world)
        await sandbox_world.advance(DAY)

    by_page = await sandbox_world.get(f"{page}/commerce_payouts", token)
    dates = [row["payout_date"] for row in by_page["data"]]

    assert by_page["data"] == await payouts(sandbox_world)
    assert dates == sorted(dates, reverse=True)
    assert set(by_page["data"][0]) == {"amount", "payout_date", "payout_reference_id", "status", "id"}


async def test_times_bound_both_lists(sandbox_world: SandboxWorld) -> None:
    started = (await sandbox_world.control("GET", "clock"))["now"]
    await sold(sandbox_world)
    await cut(sandbox_world)
    await sandbox_world.advance(DAY)
    later = (await sandbox_world.control("GET", "clock"))["now"]
    await sold(sandbox_world)
    await cut(sandbox_world)

    assert len(await transactions(sandbox_world, start_time=later)) == 1
    assert len(await transactions(sandbox_world, end_time=started)) == 1
    assert len(await payouts(sandbox_world, start_time=started, end_time=later)) == 2
    assert len(await payouts(sandbox_world, start_time=later)) == 1
    wrong = await sandbox_world.refused(
        "GET", f"{sandbox_world.cms}/commerce_payouts", params={"start_time": later, "end_time": started}
    )
    assert wrong["code"] == 100


async def test_transactions_come_in_pages_each_once(sandbox_world: SandboxWorld) -> None:
    for _ in range(5):
        await sold(sandbox_world)
    payout = await cut(sandbox_world)
    path, seen, after = f"{sandbox_world.cms}/commerce_transactions", [], ""

    while True:
        query = {"payout_reference_id": payout["reference"], "limit": 2} | ({"after": after} if after else {})
        page = await sandbox_world.get(path, **query)
        seen += [row["order_details"]["id"] for row in page["data"]]
        if "next" not in page["paging"]:
            break
        after = page["paging"]["cursors"]["after"]

    assert len(seen) == len(set(seen)) == 5


async def test_items_and_taxes_of_a_transaction_name_the_seller_s_product(sandbox_world: SandboxWorld) -> None:
    await sold(sandbox_world)
    fields = "state,postal_code,order_id,items{id,product_name,quantity,price_per_unit,tax_details},tax_details"

    [row] = await transactions(sandbox_world, fields=fields)
    [item] = row["items"]["data"]

    assert item["id"] == "tee"
    assert item["price_per_unit"] == {"amount": "36.00", "currency": "USD"}
    assert total(item["tax_details"]["data"], "item_tax_amount") == Decimal("2.88")
    assert row["tax_details"]["data"] == item["tax_details"]["data"]
    assert len(row["state"]) == 2


async def test_a_reference_may_come_days_after_its_payout(sandbox_world: SandboxWorld) -> None:
    await sold(sandbox_world)
    payout = await cut(sandbox_world, stampSeconds=3 * DAY)
    early = await transactions(sandbox_world, payout_reference_id=payout["reference"])
    await sandbox_world.advance(3 * DAY)

    assert early == []
    assert len(await transactions(sandbox_world, payout_reference_id=payout["reference"])) == 1


async def test_a_failed_payout_is_tried_again_under_a_new_reference(sandbox_world: SandboxWorld) -> None:
    await sold(sandbox_world)
    failed = await cut(sandbox_world, status="FAILED")
    path = f"payouts/{failed['reference']}"

    again = await sandbox_world.control("POST", path, json={"shop": sandbox_world.cms, "retry": True})
    rows = await payouts(sandbox_world)

    assert {row["status"] for row in rows} == {"FAILED", "COMPLETED"}
    assert again["amount"] == failed["amount"]
    assert again["reference"] != failed["reference"]
    [row] = await transactions(sandbox_world)
    assert row["payout_reference_id"] == failed["reference"]


async def test_a_lost_dispute_costs_the_amount_and_a_fee(sandbox_world: SandboxWorld) -> None:
    order = await sold(sandbox_world)
    body = {"shop": sandbox_world.cms}
    await sandbox_world.control("POST", "chargebacks", json=body | {"order": order})
    await sandbox_world.control("POST", f"chargebacks/{order}", json=body | {"outcome": "lost"})

    rows = await transactions(sandbox_world)

    kinds = [(row["transaction_type"], row["net_payment_amount"]["amount"]) for row in rows]
    assert kinds == [("SALE", "39.90"), ("CHARGEBACK", "-39.90"), ("CHARGEBACK_FEE", "-15.00")]


async def test_a_won_dispute_gives_the_amount_back(sandbox_world: SandboxWorld) -> None:
    order = await sold(sandbox_world)
    body = {"shop": sandbox_world.cms}
    await sandbox_world.control("POST", "chargebacks", json=body | {"order": order})
    await sandbox_world.control("POST", f"chargebacks/{order}", json=body | {"outcome": "won"})

    rows = await transactions(sandbox_world)

    assert rows[-1]["transaction_type"] == "CHARGEBACK_REVERSAL"
    assert total(rows) == Decimal("39.90")


async def test_two_currencies_are_never_paid_together(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make()
    euro = world.card["shops"][1]["metaId"]
    for shop in (world.cms, euro):
        await world.control("POST", "transactions", json={"shop": shop, "type": "SALE", "net": "10.00"})
        await world.control("POST", "payouts", json={"shop": shop})

    [dollars] = await payouts(world)
    [euros] = (await world.get(f"{euro}/commerce_payouts"))["data"]

    assert dollars["amount"]["currency"] == "USD"
    assert euros["amount"]["currency"] == "EUR"


async def test_reports_need_their_permission_and_cannot_be_written(sandbox_world: SandboxWorld) -> None:
    page = sandbox_world.shop["pageId"]
    scopes = ["commerce_account_read_orders"]
    minted = await sandbox_world.control("POST", "tokens", json={"kind": "PAGE", "pageId": page, "scopes": scopes})

    without = await sandbox_world.refused("GET", f"{page}/commerce_payouts", minted["accessToken"])
    written = await sandbox_world.refused("POST", f"{sandbox_world.cms}/commerce_payouts")

    assert without["code"] == 200
    assert (written["code"], written["error_subcode"]) == (100, 33)


async def test_a_shipped_order_is_captured_paid_out_and_refunded(sandbox_world: SandboxWorld) -> None:
    lines = [{"retailerId": "tee", "quantity": 2, "price": "18.00"}]
    body = {"shop": sandbox_world.cms, "lines": lines, "state": "IN_PROGRESS"}
    order = (await sandbox_world.control("POST", "orders", json=body))["orders"][0]["id"]
    shipment = {
        "idempotency_key": "ship-1",
        "items": [{"retailer_id": "tee", "quantity": 2}],
        "tracking_info": {"carrier": "FEDEX", "tracking_number": "794612345678"},
    }
    await sandbox_world.post(f"{order}/shipments", **shipment)

    [row] = await transactions(sandbox_world)
    payout = await cut(sandbox_world)
    refund = {"idempotency_key": "refund-1", "reason_code": "BUYERS_REMORSE", "items": []}
    refund["items"] = [{"retailer_id": "tee", "item_refund_quantity": 1}]
    await sandbox_world.post(f"{order}/refunds", **refund)
    both = await transactions(sandbox_world)
    [payment] = (await sandbox_world.get(f"{order}/payments", fields="transaction_details"))["data"]

    assert (row["transaction_type"], row["order_details"]["id"]) == ("SALE", order)
    assert row["net_payment_amount"] == payout["amount"]
    sale, back = payment["transaction_details"]["data"]
    assert sale["payout_reference_id"] == payout["reference"]
    assert "payout_reference_id" not in back
    assert [entry["transaction_type"] for entry in both] == ["SALE", "REFUND"]
    assert both[1]["net_payment_amount"] == back["net_payment_amount"] == {"amount": "-17.10", "currency": "USD"}
