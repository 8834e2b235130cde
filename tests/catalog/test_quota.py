"""Quota on the command path: the urgent goes on when the rest has to wait, and a shop can see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.sync.models import Lane
from tests.support.gateway import PRICES, UPSERT, Gateway, build_services, product, settings_for

BUDGET = """
query($id: ID!) { shop(id: $id) { graphBudget {
  buckets { objectMetaId kind usedPercent assumed asOf } waitingItems waitingCalls drainSeconds
} } }"""


async def write(gateway: Gateway, *ids: str) -> None:
    await gateway.run(UPSERT, input={"shopId": gateway.shop_id, "products": [product(item) for item in ids]})


async def budget(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = (await gateway.run(BUDGET, id=gateway.shop_id)).data["shop"]["graphBudget"]
    return found


def batches(gateway: Gateway) -> int:
    return len(gateway.world.calls("POST", "*/items_batch"))


async def test_a_full_bucket_lets_prices_through_and_holds_the_rest(gateway: Gateway) -> None:
    await write(gateway, "A")
    await gateway.sync()
    usage = {"object": gateway.onsite.catalog_id, "type": "catalog_batch", "percent": 89, "minutes": 0}
    gateway.world._do("POST", "usage", json=usage)
    # One more price, so that Meta says how full the bucket is.
    price = {"retailerId": "A", "price": {"amount": "9.00", "currencyCode": "USD"}}
    await gateway.run(PRICES, input={"shopId": gateway.shop_id, "idempotencyKey": "k1", "items": [price]})
    await gateway.sync(Lane.VOLATILE)
    sent = batches(gateway)

    await write(gateway, "B")
    await gateway.run_lane(Lane.DELTA)
    await gateway.carry_due()
    assert batches(gateway) == sent
    price["price"]["amount"] = "8.00"  # type: ignore[index]
    await gateway.run(PRICES, input={"shopId": gateway.shop_id, "idempotencyKey": "k2", "items": [price]})
    await gateway.run_lane(Lane.VOLATILE)
    await gateway.carry_due()

    assert batches(gateway) == sent + 1
    shown = await budget(gateway)
    bucket = next(entry for entry in shown["buckets"] if entry["kind"] == "catalog_batch")
    assert bucket["usedPercent"] >= 89
    assert bucket["assumed"] is False


async def test_what_waits_is_counted_in_items_calls_and_time(gateway: Gateway) -> None:
    await write(gateway, "A", "B", "C")

    shown = await budget(gateway)

    assert (shown["waitingItems"], shown["waitingCalls"], shown["drainSeconds"]) == (3, 1, 0)
    assert {bucket["kind"] for bucket in shown["buckets"]} == {"app", "catalog_batch", "catalog_management", "pages"}


async def test_no_more_batch_calls_an_hour_than_are_allowed(gateway: Gateway, tmp_path: Path) -> None:
    await write(gateway, *(f"A{n}" for n in range(20)))
    url = gateway.services.settings.database_url.get_secret_value()
    settings = settings_for(url, gateway.world, tmp_path, batch_items=1, catalog_batches_per_hour=10)
    strict = build_services(settings, gateway.clock)

    async def delta() -> Any:
        await strict.sync.request_runs(gateway.onsite.id, [Lane.DELTA])
        run = await strict.sync.run(gateway.onsite.id, Lane.DELTA)
        await gateway.settle()
        return run

    # Two of ten calls are left for prices and stock.
    first = await delta()
    assert first.counts["batches"] == 8
    second = await delta()
    assert second.error["code"] == "THROTTLED"
    assert batches(gateway) == 8

    gateway.clock.advance(3600)
    gateway.world.advance(3600)
    assert (await delta()).counts["batches"] == 8
    await strict.aclose()
