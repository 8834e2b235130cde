"""An order of a buyer, as we mirror it, and what may be done with it when.

Source: Order Management API > life cycle (states FB_PROCESSING, CREATED, IN_PROGRESS, COMPLETED).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OrderState(StrEnum):
    """``HELD_BY_META``: checks and the buyer's remorse period; ``AWAITING_ACKNOWLEDGEMENT``: the seller's turn."""

    HELD_BY_META = "HELD_BY_META"
    AWAITING_ACKNOWLEDGEMENT = "AWAITING_ACKNOWLEDGEMENT"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The wish to take an order in, under the seller's own number."""

    order_id: str
    reference: str | None
