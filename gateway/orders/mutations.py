"""Order mutations."""

from __future__ import annotations

from typing import Annotated

import strawberry

from gateway.access.models import Scope
from gateway.api.errors import user_errors
from gateway.api.mutations import Payload, mutation
from gateway.commands.types import Command
from gateway.context import Context
from gateway.kit.ids import key_of
from gateway.orders.models import Acknowledgement
from gateway.orders.types import Order


@strawberry.input(description="An order to take in.")
class AcknowledgeInput:
    id: strawberry.ID = strawberry.field(description="The order.")
    merchant_order_reference: str | None = strawberry.field(
        default=None, description="The seller's own order number, up to 100 characters; it cannot be changed later."
    )


@strawberry.input(description="Orders to take in.")
class OrdersAcknowledgeInput:
    shop_id: strawberry.ID = strawberry.field(description="The shop that all of them were placed in.")
    orders: list[AcknowledgeInput] = strawberry.field(description="1 to 500 orders, each once.")
    idempotency_key: str = strawberry.field(
        description="Repeats of a request with the same key and input get the first outcome; other input under it is "
        "refused. Make a new one for each new intent."
    )
    dry_run: bool = strawberry.field(default=False, description="Only check: nothing is written and nothing is sent.")


@strawberry.type(description="What became of orders that were to be taken in.")
class OrdersAcknowledgePayload(Payload):
    orders: list[Order] = strawberry.field(
        default_factory=list, description="The orders that passed the checks here, as they are now."
    )
    commands: list[Command] = strawberry.field(
        default_factory=list,
        description="One per order that had to be sent. SENT means that Meta has not answered yet; a worker goes on.",
    )


@strawberry.type
class OrderMutation:
    @mutation(
        OrdersAcknowledgePayload,
        Scope.ORDERS_WRITE,
        "Acknowledge orders at Meta under the seller's own numbers, 100 to a call. Waits a few seconds for Meta's "
        "answer. Do not fulfil an order before its command is CONFIRMED.",
    )
    async def orders_acknowledge(
        self,
        info: strawberry.Info[Context, None],
        input: Annotated[OrdersAcknowledgeInput, strawberry.argument(description="What to take in.")],
    ) -> OrdersAcknowledgePayload | None:
        wishes = [Acknowledgement(key_of(order.id, "Order"), order.merchant_order_reference) for order in input.orders]
        result = await info.context.services.orders.acknowledge(
            info.context.caller,
            key_of(input.shop_id, "Shop"),
            wishes,
            input.idempotency_key,
            dry_run=input.dry_run,
        )
        rows = await info.context.orders.load_many(result.order_ids)
        return OrdersAcknowledgePayload(
            orders=[Order.of(row) for row in rows if row is not None],
            commands=[Command.of(command) for command in result.commands],
            user_errors=user_errors(result.errors),
        )
