"""A process dies between any two steps of a write; another one takes over; nothing is lost and nothing done twice.

The death is an exception that no handler of ours catches, thrown at a checkpoint: like a real one it leaves the
database as it is at that moment, leases included.  ``tests/test_kill.py`` does the same with real processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlmodel import Session, select

from gateway.access.models import Caller
from gateway.catalog.writing import ItemWrite
from gateway.kit.clock import ManualClock
from gateway.orders.models import Acknowledgement
from gateway.orders.store import OrderRow
from gateway.services import Services
from gateway.sync.models import Lane
from tests.support.gateway import HOLD_S, LEASE_S, Gateway, build_services, settings_for
from tests.support.world import World

STEPS = ["claimed", "before call", "after call", "booked"]


class Died(BaseException):
    """The end of a process."""


class Doomed:
    """A checkpoint that lets its process die at the nth passing of a step."""

    def __init__(self, step: str, nth: int) -> None:
        self._step, self._left = step, nth

    def __call__(self, step: str) -> None:
        if step == self._step:
            self._left -= 1
            if self._left == 0:
                raise Died


@pytest.fixture
async def doomed(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Callable[[str, int], Services]]:
    """Makes another process on the same database that will die at a step."""
    made: list[Services] = []

    def make(step: str, nth: int) -> Services:
        url = gateway.services.settings.database_url.get_secret_value()
        settings = settings_for(url, gateway.world, tmp_path)
        made.append(build_services(settings, gateway.clock, checkpoint=Doomed(step, nth)))
        return made[-1]

    yield make
    for services in made:
        await services.aclose()


async def carry_until_death(services: Services, world: World, clock: ManualClock) -> None:
    """Work as a worker would, until the end."""

    async def work() -> None:
        for _ in range(20):
            for dispatch_id in await services.commands.due():
                await services.commands.carry(dispatch_id)
            world.advance(60)
            clock.advance(60)

    with pytest.raises(Died):
        await work()


def write(retailer_id: str) -> ItemWrite:
    values = {
        "title": "Item", "description": "An item.", "price": "12.50 USD", "availability": "in stock",
        "link": "https://shop.example.com/p", "imageLink": "https://cdn.example.com/p.jpg", "brand": "Example",
    }  # fmt: skip
    return ItemWrite(retailer_id, values)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("nth", [1, 2, 3], ids=["sending", "first look", "second look"])
async def test_an_item_batch_survives_the_death_of_its_worker(
    gateway: Gateway, doomed: Callable[[str, int], Services], step: str, nth: int
) -> None:
    ids = ["A", "B", "C"]
    await gateway.services.catalog.upsert(Caller.system(), gateway.onsite.id, [write(item) for item in ids])
    await gateway.run_lane(Lane.DELTA)

    await carry_until_death(doomed(step, nth), gateway.world, gateway.clock)
    # The lease of the dead runs out; if the batch may be at Meta, so does the longest time that it can take there.
    for _ in range(3):
        gateway.clock.advance(max(LEASE_S, HOLD_S) + 1)
        gateway.world.advance(HOLD_S)
        await gateway.settle()
        await gateway.sync()

    states = Counter(item["syncState"] for item in (await gateway.products()).values())
    assert states == {"CONFIRMED": 3}
    assert set(gateway.world.items()) == set(ids)
    for batch in gateway.world.batches():
        assert batch["overlapping"] == []
        assert batch["duplicates"] == []


@pytest.mark.parametrize("step", STEPS)
async def test_no_order_is_acknowledged_twice_when_a_worker_dies(
    gateway: Gateway, doomed: Callable[[str, int], Services], step: str
) -> None:
    await gateway.run_lane(Lane.ORDERS)
    ids = await gateway.services.db.read(_open_orders, gateway.onsite.id)
    wishes = [Acknowledgement(order_id, f"SO-{n}") for n, order_id in enumerate(ids)]
    dying = doomed(step, 1)
    gateway.world.forget_calls()

    # The process that took the request died right after its commit; the next one dies while it sends.
    await gateway.services.orders.request_acknowledgement(Caller.system(), gateway.onsite.id, wishes, "k1")
    [dispatch_id] = await gateway.services.commands.due()
    with pytest.raises(Died):
        await dying.commands.carry(dispatch_id)
    gateway.clock.advance(LEASE_S + 1)
    await gateway.settle()

    result = await gateway.services.orders.acknowledge(Caller.system(), gateway.onsite.id, wishes, "k1")
    assert {command.state for command in result.commands} == {"CONFIRMED"}
    assert result.errors == []
    calls = gateway.world.calls("POST", "*/acknowledge_orders")
    assert len({call["params"]["idempotency_key"] for call in calls}) == 1
    effects = [call for call in calls if call["effect"]]
    assert len(effects) == 1


def _open_orders(session: Session, shop_id: str) -> list[str]:
    return [
        row.id
        for row in session.exec(select(OrderRow).where(OrderRow.shop_id == shop_id)).all()
        if row.state == "AWAITING_ACKNOWLEDGEMENT"
    ]


async def test_one_who_was_presumed_dead_books_nothing(
    gateway: Gateway, doomed: Callable[[str, int], Services]
) -> None:
    """A stalled process wakes after another took over: its booking is fenced off by the lease."""
    await gateway.services.catalog.upsert(Caller.system(), gateway.onsite.id, [write("A")])
    await gateway.run_lane(Lane.DELTA)
    [dispatch_id] = await gateway.services.commands.due()
    stalled = gateway.services.commands
    claimed = await gateway.services.db.write(stalled._claim, dispatch_id)
    assert claimed is not None
    gateway.clock.advance(LEASE_S + 1)
    other = doomed("never", 0)
    await other.commands.carry(dispatch_id)

    from gateway.commands.courier import Sent

    await gateway.services.db.write(stalled._book, dispatch_id, Sent({}, "handle-of-the-dead"), 1)

    [(_, state, _)] = await gateway.open_dispatches()
    assert state == "HELD"


async def test_a_worker_that_died_in_a_lane_is_followed_by_another(gateway: Gateway) -> None:
    gateway.clock.advance(3600)
    sync = gateway.services.sync
    claim = await gateway.services.db.write(sync._start, gateway.onsite.id, Lane.ORDERS)
    assert claim is not None
    assert await sync.run(gateway.onsite.id, Lane.ORDERS) is None

    # The dead one had put the next run off, and its lease runs out.
    gateway.clock.advance(max(LEASE_S, 300) + 1)
    run = await sync.run(gateway.onsite.id, Lane.ORDERS)

    assert run is not None
    assert run.state == "SUCCEEDED"
    result = await gateway.run("{ syncRuns(filter: {state: [FAILED]}) { nodes { error { message } } } }")
    [broken] = result.data["syncRuns"]["nodes"]
    assert "died" in broken["error"]["message"]
