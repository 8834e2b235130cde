"""Shipments: units leave the order, the buyer is charged, tracking is checked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld, SandboxWorlds, new_item

DAY = 86_400


@dataclass
class Desk:
    """One order and what a seller does to it, each time under a fresh key."""

    world: SandboxWorld
    id: str
    keys: count[int]

    async def do(self, edge: str, **body: Any) -> Any:
        return await self.world.post(f"{self.id}/{edge}", idempotency_key=f"key{next(self.keys)}", **body)

    async def cannot(self, edge: str, **body: Any) -> int:
        """The subcode of a refusal, or else its code."""
        sent = {"idempotency_key": f"key{next(self.keys)}"} | body
        error = await self.world.refused("POST", f"{self.id}/{edge}", json=sent)
        assert error["status"] == 400
        return int(error.get("error_subcode", error["code"]))

    async def ship(self, *units: tuple[str, int], **body: Any) -> Any:
        items = [{"item_id": line, "quantity": number} for line, number in units]
        return await self.do("shipments", **({"items": items} if units else {}), **body)

    async def read(self, fields: str) -> Any:
        return await self.world.get(self.id, fields=fields)

    async def edge(self, name: str, fields: str | None = None) -> list[dict[str, Any]]:
        answer = await self.world.get(f"{self.id}/{name}", **({"fields": fields} if fields else {}))
        rows: list[dict[str, Any]] = answer["data"]
        return rows

    async def lines(self, fields: str = "quantity,status,price_per_unit") -> list[dict[str, Any]]:
        return await self.edge("items", fields)

    async def state(self) -> str:
        return str((await self.read("order_status"))["order_status"]["state"])

    async def control(self, **body: Any) -> Any:
        return await self.world.control("POST", f"orders/{self.id}", json=body)


async def placed(world: SandboxWorld, *lines: tuple[str, int, str], state: str = "IN_PROGRESS", **options: Any) -> Desk:
    """An order of lines (seller's id, quantity, price)."""
    rows = [{"retailerId": name, "quantity": quantity, "price": price} for name, quantity, price in lines]
    body = {"shop": world.cms, "lines": rows, "state": state} | options
    answer = await world.control("POST", "orders", json=body)
    order_id = answer["orders"][0]["id"]
    return Desk(world, order_id, count(int(order_id[-6:]) * 1000))


def tracked(number: str, carrier: str = "UPS") -> dict[str, str]:
    return {"carrier": carrier, "tracking_number": number}


@pytest.fixture
async def shop(sandbox_worlds: SandboxWorlds) -> SandboxWorld:
    """A shop without orders."""
    return await sandbox_worlds.make(shops=[{"name": "Kiln & Co", "orders": 0}])


async def test_the_shipping_option_carries_its_name_and_price(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"), shipping={"name": "Express", "price": "9.50"})

    found = await order.read("selected_shipping_option{name, price},items{selected_shipping_option}")

    assert found["selected_shipping_option"] == {"name": "Express", "price": {"amount": "9.50", "currency": "USD"}}
    assert found["items"]["data"][0]["selected_shipping_option"]["name"] == "Express"


async def test_a_parcel_closes_its_units_and_the_last_one_closes_the_order(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 3, "18.00"), ("mug", 1, "12.00"))
    tee, mug = [line["id"] for line in await order.lines()]

    first = await order.ship((tee, 2), tracking_info=tracked("1Z1"), external_shipment_id="SHIP_1")
    halfway = await order.lines()
    state = await order.state()
    await order.ship()

    assert first == {"success": True}
    assert halfway[0]["status"] == {"in_progress": 1, "fulfilled": 2, "cancelled": 0}
    assert (state, await order.state()) == ("IN_PROGRESS", "COMPLETED")
    assert [line["status"]["fulfilled"] for line in await order.lines()] == [3, 1]
    shipments = await order.edge("shipments", "external_shipment_id,items,tracking_info")
    assert shipments[0]["external_shipment_id"] == "SHIP_1"
    assert shipments[0]["tracking_info"] == {"tracking_number": "1Z1", "carrier": "ups"}
    assert shipments[0]["items"]["data"][0]["tax"] == {"final_tax": {"amount": "2.88", "currency": "USD"}}
    assert {row["id"]: row["quantity"] for row in shipments[1]["items"]["data"]} == {tee: 1, mug: 1}
    assert "tracking_info" not in shipments[1]


async def test_each_parcel_is_one_payment_and_together_they_are_the_estimate(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 3, "18.00"), ("mug", 1, "12.00"))
    [tee, _] = await order.lines()
    await order.ship((tee["id"], 2), external_shipment_id="A")
    await order.ship(external_shipment_id="B")

    first, second = await order.edge("payments")
    estimate = (await order.read("estimated_payment_details"))["estimated_payment_details"]

    assert first["subtotal"]["items"]["amount"] == "36.00"
    assert first["subtotal"]["shipping"]["amount"] == "6.00"
    assert (first["tax"]["amount"], first["total_amount"]["amount"]) == ("3.36", "45.36")
    assert (second["subtotal"]["shipping"]["amount"], second["total_amount"]["amount"]) == ("0.00", "32.40")
    assert estimate["total_amount"]["amount"] == "77.76"
    [sale] = first["transaction_details"]["data"]
    assert (sale["transaction_type"], sale["tax_rate"]) == ("SALE", "8%")
    assert (sale["processing_fee"]["amount"], sale["net_payment_amount"]["amount"]) == ("-2.10", "39.90")
    assert first["shipments"]["data"][0]["external_shipment_id"] == "A"


async def test_shipping_that_grows_with_the_units_is_charged_with_them(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "10.00"), shipping={"price": "5.00", "perExtraItem": "1.00"})
    [tee] = await order.lines()
    await order.ship((tee["id"], 1))
    await order.ship((tee["id"], 1))

    charges = [payment["subtotal"]["shipping"]["amount"] for payment in await order.edge("payments")]

    assert charges == ["5.00", "1.00"]


async def test_captured_tax_grows_with_the_parcels_while_the_estimate_stands(shop: SandboxWorld) -> None:
    order = await placed(shop, ("pen", 10, "1.00"), taxPercent="25")
    [pen] = await order.lines()
    seen = []
    for edge, units in (("shipments", 1), ("cancellations", 5), ("shipments", 4)):
        await order.do(edge, items=[{"item_id": pen["id"], "quantity": units}])
        [line] = await order.lines("tax_details")
        seen.append(line["tax_details"]["captured_tax"]["total_tax"]["amount"])

    assert seen == ["0.25", "0.25", "1.25"]
    assert line["tax_details"]["estimated_tax"]["amount"] == "2.50"


@pytest.mark.parametrize("state", ["CREATED", "FB_PROCESSING"])
async def test_an_order_has_to_be_acknowledged_before_it_is_shipped(shop: SandboxWorld, state: str) -> None:
    order = await placed(shop, ("tee", 1, "18.00"), state=state)

    assert await order.cannot("shipments") == 100
    assert await order.state() == state


async def test_closed_units_cannot_be_shipped(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"), ("mug", 2, "12.00"))
    tee, mug = [line["id"] for line in await order.lines()]
    await order.ship((tee, 1))

    again = await order.cannot("shipments", items=[{"item_id": tee, "quantity": 1}])
    too_many = await order.cannot("shipments", items=[{"item_id": mug, "quantity": 3}])
    twice = await order.cannot("shipments", items=[{"item_id": mug, "quantity": 1}, {"item_id": mug, "quantity": 2}])
    await order.ship()

    assert (again, too_many, twice) == (1818215, 1818215, 1818215)
    assert await order.cannot("shipments") == 1818214


async def test_a_cancelled_order_cannot_be_shipped(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"))
    await order.do("cancellations")

    assert await order.cannot("shipments") == 1818111


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({"items": []}, 2361357),
        ({"items": [{"quantity": 1}]}, 100),
        ({"items": [{"retailer_id": "tee", "item_id": "1", "quantity": 1}]}, 100),
        ({"items": [{"retailer_id": "hat", "quantity": 1}]}, 100),
        ({"items": [{"retailer_id": "tee"}]}, 100),
        ({"items": [{"retailer_id": "tee", "quantity": 0}]}, 100),
        ({"items": [{"retailer_id": "tee", "quantity": "1.5"}]}, 100),
        ({"tracking_info": {"carrier": "PIGEON", "tracking_number": "1"}}, 100),
        ({"tracking_info": {"carrier": "UPS"}}, 100),
        ({"tracking_info": {"carrier": "UPS", "tracking_number": ""}}, 100),
        ({"external_shipment_id": "SHIP-1"}, 100),
        ({"fulfillment": {"fulfillment_location_id": "330000000000007"}}, 100),
        ({"fulfillment": {"fulfillment_address": {"street_1": "1 Pier Rd"}}}, 100),
        ({"shipping_tax_details": {"tax": "1"}, "shipment_origin_postal_code": "123"}, 2361084),
    ],
)
async def test_a_malformed_parcel_is_refused_and_changes_nothing(
    shop: SandboxWorld, body: dict[str, Any], number: int
) -> None:
    order = await placed(shop, ("tee", 1, "18.00"))

    assert await order.cannot("shipments", **body) == number
    assert await order.edge("shipments") == await order.edge("payments") == []
    assert await order.state() == "IN_PROGRESS"


async def test_parcels_are_named_by_seller_id_in_any_encoding(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 3, "18.00"))
    form = {"idempotency_key": "form1", "items": '[{"retailer_id":"tee","quantity":"1"}]'}
    form["tracking_info"] = '{"carrier":"other","tracking_number":""}'
    brackets = {"idempotency_key": "form2", "items[0][retailer_id]": "tee", "items[0][quantity]": "1"}
    brackets |= {"tracking_info[carrier]": "fedex", "tracking_info[tracking_number]": "77"}

    for body in (form, brackets):
        answer = await shop.send("POST", f"{order.id}/shipments", data=body)
        assert answer.json() == {"success": True}

    carriers = [row["tracking_info"]["carrier"] for row in await order.edge("shipments")]
    assert carriers == ["other", "fedex"]


async def test_one_tracking_number_belongs_to_one_parcel(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "18.00"))
    [tee] = await order.lines()
    await order.ship((tee["id"], 1), tracking_info=tracked("1Z1"), external_shipment_id="A")

    number = await order.cannot("shipments", tracking_info=tracked("1Z1", "USPS"))
    own_id = await order.cannot("shipments", tracking_info=tracked("1Z2"), external_shipment_id="A")
    variant = await order.ship(tracking_info=tracked("1Z1-2"))

    assert (number, own_id, variant) == (2382045, 2382045, {"success": True})


async def test_tracking_is_corrected_by_either_id(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"))
    await order.ship(tracking_info=tracked("1Z1"), external_shipment_id="A")
    [shipment] = await order.edge("shipments")

    await order.do("update_shipment", external_shipment_id="A", tracking_info=tracked("1Z2"))
    same = await order.cannot("update_shipment", shipment_id=shipment["id"], tracking_info=tracked("1Z2", "ups"))
    await order.do("update_shipment", shipment_id=shipment["id"], tracking_info=tracked("1Z3", "DHL"))
    nothing = await order.cannot("update_shipment", tracking_info=tracked("1Z4"))
    stranger = await order.cannot("update_shipment", external_shipment_id="B", tracking_info=tracked("1Z4"))

    [after] = await order.edge("shipments")
    assert (same, nothing, stranger) == (2382045, 100, 100)
    assert after["tracking_info"] == {"tracking_number": "1Z3", "carrier": "dhl"}
    assert after["items"] == shipment["items"]


async def test_the_sellers_reference_is_set_once(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "18.00"))
    [tee] = await order.lines()
    await order.ship((tee["id"], 1), merchant_order_reference="SO-1")

    other = await order.cannot("shipments", merchant_order_reference="SO-2")
    same = await order.ship(merchant_order_reference="SO-1")

    assert (other, same) == (100, {"success": True})
    assert (await order.read("merchant_order_id"))["merchant_order_id"] == "SO-1"


async def test_parcels_leave_from_a_location_of_the_tax_settings(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"))
    [settings] = (await shop.get(f"{shop.cms}/tax_settings"))["data"]
    [place] = settings["fulfillment_locations"]["data"]

    assert place["is_default"] is True
    await order.ship(fulfillment={"fulfillment_location_id": place["id"]})


async def test_a_repeated_parcel_is_captured_once(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "18.00"))
    body: dict[str, Any] = {"idempotency_key": "once", "items": [{"retailer_id": "tee", "quantity": 1}]}

    answers = [await shop.post(f"{order.id}/shipments", **body) for _ in range(2)]

    assert answers == [{"success": True}] * 2
    assert len(await order.edge("payments")) == 1


@pytest.mark.parametrize(("kind", "number"), [("busySeconds", 2361050), ("pendingSeconds", 2361081)])
async def test_only_one_writer_at_a_time(shop: SandboxWorld, kind: str, number: int) -> None:
    order = await placed(shop, ("tee", 1, "18.00"))
    await order.control(**{kind: 60})

    refused = [await order.cannot(edge) for edge in ("shipments", "cancellations", "acknowledge_order")]
    await shop.advance(60)

    assert refused == [number] * 3
    assert await order.ship() == {"success": True}


async def test_a_refusal_for_concurrency_is_stored_like_any_other_so_a_new_key_is_needed(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 1, "18.00"))
    await order.control(busySeconds=60)
    body = {"idempotency_key": "first"}
    early = await shop.refused("POST", f"{order.id}/shipments", json=body)
    await shop.advance(60)
    late = await shop.refused("POST", f"{order.id}/shipments", json=body)

    assert early["error_subcode"] == late["error_subcode"] == 2361050
    assert early["is_transient"] is True
    assert await order.ship() == {"success": True}


async def test_many_are_acknowledged_around_a_busy_one(shop: SandboxWorld) -> None:
    busy, free = [await placed(shop, ("tee", 1, "18.00"), state="CREATED") for _ in range(2)]
    await busy.control(busySeconds=60)

    rows = [{"id": busy.id}, {"id": free.id}]
    answer = await shop.post(f"{shop.cms}/acknowledge_orders", idempotency_key="many", orders=rows)

    held, done = answer["orders"]
    assert held["error"]["error_code"] == 2361050
    assert done == {"id": free.id, "state": "IN_PROGRESS"}


async def test_current_spec_keeps_shipments_alone(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(shops=[{"orders": 0}], mode="current-spec")
    order = await placed(world, ("tee", 2, "18.00"))

    for edge in ("update_shipment", "cancellations", "refunds", "returns", "item_updates"):
        assert await order.cannot(edge, items=[]) == 33
    assert await order.ship() == {"success": True}


async def test_meta_cancels_what_was_not_shipped_in_time(shop: SandboxWorld) -> None:
    order = await placed(shop, ("tee", 2, "18.00"), shipByDays=3)
    waiting = await placed(shop, ("tee", 1, "18.00"), state="CREATED", shipByDays=9)
    [tee] = await order.lines("quantity,ship_by")
    await order.ship((tee["id"], 1))
    await shop.advance(4 * DAY)
    before = await order.state()
    await shop.advance(DAY)

    listed = await shop.get(f"{shop.cms}/commerce_orders", state="COMPLETED", filters="has_cancellations")

    assert before == "IN_PROGRESS"
    assert [row["id"] for row in listed["data"]] == [order.id]
    [line] = await order.lines()
    assert line["status"] == {"in_progress": 0, "fulfilled": 1, "cancelled": 1}
    assert await order.cannot("shipments") == 1818214
    assert await waiting.state() == "CREATED"
    assert tee["ship_by"][:10] == (await order.read("ship_by_date"))["ship_by_date"]


async def test_a_placed_order_takes_stock_and_a_restocked_cancellation_gives_it_back(shop: SandboxWorld) -> None:
    await shop.write_items(new_item("mug", quantity_to_sell_on_facebook=10))
    await shop.advance(120)
    order = await placed(shop, ("mug", 4, "12.00"))
    taken = (await shop.items())["mug"]["quantity_to_sell_on_facebook"]
    await order.do("cancellations", items=[{"retailer_id": "mug", "quantity": 1}], restock_items=True)
    await order.do("cancellations")

    assert (taken, (await shop.items())["mug"]["quantity_to_sell_on_facebook"]) == (6, 7)
