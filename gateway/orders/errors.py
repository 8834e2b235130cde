"""What can go wrong with an order."""

from __future__ import annotations

from gateway.errors import Conflict, GatewayError


class OrderHeldByMeta(GatewayError):
    """Meta is still checking the order; nothing can be done with it yet."""

    code = "ORDER_HELD_BY_META"
    retryable = True

    def __init__(self, order_id: str, index: int) -> None:
        super().__init__(
            "Meta is still checking this order, usually for up to 30 minutes",
            field=("orders", str(index), "id"),
            fix="Acknowledge it when its state is AWAITING_ACKNOWLEDGEMENT; stock may be reserved meanwhile.",
            retry_after_s=600,
        )
        self.order_id = order_id


class OrderNotAcknowledgeable(Conflict):
    """The order has passed the point where it can be acknowledged."""

    code = "ORDER_NOT_ACKNOWLEDGEABLE"

    def __init__(self, order_id: str, state: str, index: int) -> None:
        super().__init__(
            f"an order that is {state} cannot be acknowledged",
            field=("orders", str(index), "id"),
            fix="Read the order again: it was acknowledged, or cancelled, already.",
        )
        self.order_id = order_id


class ReferenceTaken(Conflict):
    """The order carries another merchant reference already; Meta keeps the first for ever."""

    code = "ORDER_REFERENCE_TAKEN"

    def __init__(self, order_id: str, reference: str, index: int) -> None:
        super().__init__(
            f"the order was acknowledged under the reference {reference!r}",
            field=("orders", str(index), "merchantOrderReference"),
            fix="Use that reference; it cannot be changed.",
        )
        self.order_id = order_id
