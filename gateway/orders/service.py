"""Orders: mirror them, and take them in.

Meta documents no order webhook, so polling is the truth: every lane run reads all states from a cursor in Meta's own
time, with an overlap, since a change may become visible after the cursor has passed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlmodel import Session

from gateway.access.models import Caller, Scope
from gateway.catalog import edges as catalog_edges
from gateway.commands import store as commands
from gateway.commands.models import Command, CommandFailed, CommandState, kept_error, recalled
from gateway.commands.service import CommandService
from gateway.db import Database
from gateway.errors import GatewayError, InvalidInput, NotFound
from gateway.graph.budget import Bucket, Budget, Priority
from gateway.graph.errors import GraphError, GraphTransient, GraphUnclear, GraphUnreachable
from gateway.kit.clock import Clock
from gateway.kit.digest import digest_of
from gateway.orders import edges, store
from gateway.orders.acknowledging import COMMAND, KIND, AcknowledgeCourier
from gateway.orders.errors import OrderHeldByMeta, OrderNotAcknowledgeable, ReferenceTaken
from gateway.orders.models import Acknowledgement, OrderState
from gateway.orders.store import OrderRow
from gateway.shops.errors import CapabilityMissing
from gateway.shops.models import Shop
from gateway.shops.service import ShopService
from gateway.sync import store as sync_store
from gateway.sync.models import Lane
from gateway.sync.service import SyncService

CURSOR = "orders"
OVERLAP = timedelta(minutes=5)
ORDERS_PER_MUTATION = 500
REFERENCE_LIMIT = 100


@dataclass(frozen=True, slots=True)
class AcknowledgeResult:
    """The commands, in the order of the request, and what was refused before or by Meta."""

    order_ids: list[str]
    commands: list[Command]
    errors: list[GatewayError]


class Source(StrEnum):
    """Where an answer comes from."""

    LIVE = "LIVE"
    STORE = "STORE"


@dataclass(frozen=True, slots=True)
class LiveOrders:
    """Orders, where they come from and how old they are; ``reason`` says why they are not live."""

    documents: list[dict[str, Any]]
    source: Source
    as_of: datetime | None
    reason: GraphError | None = None


@dataclass(slots=True)
class Decision:
    """What a request comes to before anything is sent."""

    order_ids: list[str] = field(default_factory=list)
    command_ids: list[str] = field(default_factory=list)
    errors: list[GatewayError] = field(default_factory=list)


class OrderService:
    """The mirror of orders and the writes on them."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        shops: ShopService,
        command_service: CommandService,
        sync: SyncService,
        budget: Budget,
    ) -> None:
        self._db = db
        self._clock = clock
        self._shops = shops
        self._commands = command_service
        self._budget = budget
        command_service.register(AcknowledgeCourier(clock))
        sync.register(Lane.ORDERS, self.take_in)

    # --- the mirror ----------------------------------------------------------------------------------------------

    async def take_in(self, shop_id: str, run_id: str) -> dict[str, int]:
        """Read what changed since the cursor, every page and every item, and keep it."""
        shop = await self._shops.get(Caller.system(), shop_id)
        cursor = await self._db.read(sync_store.get_cursor, shop_id, CURSOR)
        since = None if cursor is None else cursor - OVERLAP
        await self._budget.require(Priority.ORDERS, [Bucket(shop.page_id or shop.meta_id, "pages")])
        graph = await self._shops.graph_of(shop_id)
        counts: dict[str, int] = {"orders": 0, "created": 0, "updated": 0}
        newest = cursor
        async for documents in edges.iter_orders(graph, shop.meta_id, since):
            page = await self._db.write(store.save_page, shop_id, documents, self._clock.now())
            counts = {key: counts[key] + page[key] for key in counts}
            changed = [datetime.fromisoformat(document["updatedAt"]) for document in documents]
            newest = max([*changed, *([newest] if newest else [])], default=newest)
        # Pages are not sorted by change, so the cursor moves only when all of them are kept.
        if newest is not None and newest != cursor:
            await self._db.write(sync_store.move_cursor, shop_id, CURSOR, newest)
        return counts

    async def read_live(self, caller: Caller, shop_id: str, first: int = edges.PAGE) -> LiveOrders:
        """The newest orders as Meta has them now, each item with its ``product``: one call, and one per 50 products.

        While Meta does not answer, the mirror does, and says how old it is.
        """
        caller.require(Scope.ORDERS_READ)
        shop = await self._shops.get(caller, shop_id)
        graph = await self._shops.graph_of(shop_id)
        try:
            documents = await edges.fetch_orders(graph, shop.meta_id, first)
        except (GraphTransient, GraphUnreachable, GraphUnclear) as exc:
            rows = await self._db.read(store.newest, shop_id, first)
            oldest = min((row.read_at for row in rows), default=None)
            return LiveOrders([row.document for row in rows], Source.STORE, oldest, exc)
        wanted = {item["productMetaId"] for document in documents for item in document["items"]} - {None}
        products = await catalog_edges.fetch_products(graph, sorted(wanted))
        for document in documents:
            for item in document["items"]:
                item["product"] = products.get(item["productMetaId"])
        return LiveOrders(documents, Source.LIVE, self._clock.now())

    async def find(
        self, caller: Caller, *, meta_id: str | None = None, reference: str | None = None
    ) -> OrderRow | None:
        caller.require(Scope.ORDERS_READ)
        return await self._db.read(store.find, caller.shops, meta_id=meta_id, reference=reference)

    # --- acknowledging -------------------------------------------------------------------------------------------

    async def acknowledge(
        self,
        caller: Caller,
        shop_id: str,
        wishes: Sequence[Acknowledgement],
        key: str,
        *,
        dry_run: bool = False,
    ) -> AcknowledgeResult:
        """Take orders in under the seller's own references; the same *key* never acknowledges twice.

        Orders that cannot be acknowledged are refused one by one, the others go to Meta, 100 to a call.

        Raises:
            NotFound: no such shop for this caller.
            CapabilityMissing: the shop has no orders to manage.
            IdempotencyConflict: *key* stands for other input.
        """
        decision = await self.request_acknowledgement(caller, shop_id, wishes, key, dry_run=dry_run)
        if dry_run:
            return AcknowledgeResult(decision.order_ids, [], decision.errors)
        done = await self._commands.perform(decision.command_ids)
        failed = [
            CommandFailed(command, ("orders", str(_position(wishes, command.target_id)), "id"))
            for command in done
            if command.state in (CommandState.FAILED, CommandState.UNKNOWN)
        ]
        return AcknowledgeResult(decision.order_ids, done, [*decision.errors, *failed])

    async def request_acknowledgement(
        self,
        caller: Caller,
        shop_id: str,
        wishes: Sequence[Acknowledgement],
        key: str,
        *,
        dry_run: bool = False,
    ) -> Decision:
        """Check and commit what ``acknowledge`` will send; a worker sends it if nobody else does.  Raises as above."""
        caller.require(Scope.ORDERS_WRITE)
        shop = await self._shops.get(caller, shop_id)
        _check_input(shop, wishes, key)
        digest = digest_of([[wish.order_id, wish.reference] for wish in wishes])

        def decide(session: Session) -> Decision:
            # The key first: a repeat would fail the checks, the orders being acknowledged already.
            kept = commands.recall(session, shop.id, "ordersAcknowledge", key, digest)
            if kept is not None:
                return Decision(kept["orders"], kept["commands"], [recalled(entry) for entry in kept["refused"]])
            decision = self._decide(session, shop, wishes, key, caller)
            result = {
                "orders": decision.order_ids,
                "commands": decision.command_ids,
                "refused": [kept_error(error) for error in decision.errors],
            }
            commands.remember(session, shop.id, "ordersAcknowledge", key, digest, result, self._clock.now())
            return decision

        return await (self._db.rehearse(decide) if dry_run else self._db.write(decide))

    def _decide(
        self, session: Session, shop: Shop, wishes: Sequence[Acknowledgement], key: str, caller: Caller
    ) -> Decision:
        now = self._clock.now()
        ids = [wish.order_id for wish in wishes]
        rows = store.load_orders(session, shop.id, ids, lock=True)
        under_way = commands.open_commands(session, COMMAND, ids)
        decision = Decision()
        fresh: list[str] = []
        for index, wish in enumerate(wishes):
            row = rows.get(wish.order_id)
            refusal = _refusal(row, wish, index)
            if refusal is not None:
                decision.errors.append(refusal)
                continue
            assert row is not None
            decision.order_ids.append(row.id)
            if row.state == OrderState.AWAITING_ACKNOWLEDGEMENT and row.id not in under_way:
                command = commands.add_command(
                    session,
                    shop_id=shop.id,
                    kind=COMMAND,
                    target_id=row.id,
                    payload={"metaId": row.meta_id, "reference": wish.reference},
                    client_key=key,
                    requested_by=caller.id,
                    now=now,
                )
                fresh.append(command.id)
                decision.command_ids.append(command.id)
            elif row.id in under_way:
                decision.command_ids.append(under_way[row.id].id)
        session.flush()
        for start in range(0, len(fresh), edges.ACKNOWLEDGE_AT_ONCE):
            dispatch = commands.add_dispatch(
                session,
                shop_id=shop.id,
                kind=KIND,
                priority=Priority.ACKNOWLEDGE,
                now=now,
                details={"node": shop.page_id or shop.meta_id},
            )
            commands.assign(session, fresh[start : start + edges.ACKNOWLEDGE_AT_ONCE], dispatch.id)
        return decision


def _refusal(row: OrderRow | None, wish: Acknowledgement, index: int) -> GatewayError | None:
    if row is None:
        return NotFound("order", field=("orders", str(index), "id"))
    if row.state == OrderState.HELD_BY_META:
        return OrderHeldByMeta(row.id, index)
    if row.state == OrderState.AWAITING_ACKNOWLEDGEMENT:
        return None
    # Acknowledged already.  To wish for what is so is no error; another reference is one.
    if row.reference is not None and wish.reference is not None and row.reference != wish.reference:
        return ReferenceTaken(row.id, row.reference, index)
    if row.state == OrderState.IN_PROGRESS:
        return None
    return OrderNotAcknowledgeable(row.id, row.state, index)


def _position(wishes: Sequence[Acknowledgement], order_id: str) -> int:
    return next(index for index, wish in enumerate(wishes) if wish.order_id == order_id)


def _check_input(shop: Shop, wishes: Sequence[Acknowledgement], key: str) -> None:
    if not shop.has_orders:
        raise CapabilityMissing(
            f"the shop {shop.name} has no orders at Meta: its buyers check out on the seller's site",
            field=("shopId",),
            fix="Orders exist only for shops with onsite checkout (cta ONSITE_CHECKOUT).",
        )
    commands.check_key(key)
    if not wishes or len(wishes) > ORDERS_PER_MUTATION:
        raise InvalidInput(
            f"{len(wishes)} orders in one request; 1 to {ORDERS_PER_MUTATION} are allowed",
            field=("orders",),
            fix="Split the request; each part needs an idempotency key of its own.",
        )
    seen: set[str] = set()
    for index, wish in enumerate(wishes):
        if wish.order_id in seen:
            raise InvalidInput(
                "the same order stands twice in this request",
                field=("orders", str(index), "id"),
                fix="Name each order once.",
            )
        seen.add(wish.order_id)
        if wish.reference is not None and not 1 <= len(wish.reference) <= REFERENCE_LIMIT:
            raise InvalidInput(
                f"a merchant order reference has 1 to {REFERENCE_LIMIT} characters",
                field=("orders", str(index), "merchantOrderReference"),
                fix="Use the order number of your own system.",
            )
