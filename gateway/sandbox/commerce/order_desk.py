"""An order taken out of the world to be changed: its lines with their counts, the guards of every write, saving.

Source: orders.md sections 3, 16 and 17; promotions.md section 5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.sandbox import order_book, params
from gateway.sandbox.commerce import order_money
from gateway.sandbox.errors import GraphError, invalid, missing_parameter
from gateway.sandbox.money import from_minor, is_bare_amount, to_minor
from gateway.sandbox.order_book import COMPLETED, TAX_PERCENT
from gateway.sandbox.params import Params
from gateway.sandbox.world import World

MERCHANT, META = "merchant", "facebook"
ORDER_LEVEL, ITEM_LEVEL = "order_level", "item_level"
REFUSALS = {
    1818048: ("Order Already Canceled", "Everything in this order has been canceled before."),
    1818050: ("Order Already Shipped", "This order has been shipped, so it cannot be canceled. Refund it instead."),
    1818105: ("Cannot Refund Order", "An order that was canceled cannot be refunded."),
    1818107: ("Order Not Charged", "The buyer was not charged for this order, so there is nothing to refund."),
    1818111: ("Cannot Ship Order", "An order that was canceled cannot be shipped."),
    1818214: ("Order Closed", "The order is already fulfilled, cancelled or refunded."),
    1818215: ("Items Closed", "The selected items are already fulfilled, cancelled or refunded."),
    2361050: ("Concurrent Order Modification", "Another request is changing this order. Only one may at a time."),
    2361076: ("Refund Unavailable", "The payment method has not been charged yet. Try again in a few minutes."),
    2361081: ("Pending Action", "An earlier action on this order is not finished. Try again."),
    2361084: ("Invalid Origin Postal Code", "The postal code the shipment leaves from is missing or invalid."),
    2361357: ("Empty Shipment", "A shipment must have at least one item."),
    2382021: ("Invalid Retailer ID", "The refund names a 'retailer_id' that the order does not have."),
    2382022: ("Cannot Refund Order", "The shipping refund is greater than what is left of the charge for shipping."),
    2382023: ("Cannot Refund Order", "The refund of an item is greater than what is left of its charge."),
    2382030: ("Cannot Refund Order", "The total of a refund cannot be $0."),
    2382045: (
        "Duplicate fulfillment details provided",
        "The order has a fulfillment with these tracking details already.",
    ),
    2382319: ("Item Already Refunded", "The item has been refunded before."),
}
_TRANSIENT = (2361050, 2361081)


def refusal(subcode: int) -> GraphError:
    title, message = REFUSALS[subcode]
    return GraphError(
        100, "Invalid parameter", subcode, transient=subcode in _TRANSIENT, title=title, user_message=message
    )


@dataclass
class Line:
    id: str
    retailer_id: str
    product_id: str
    quantity: int
    open: int
    fulfilled: int
    cancelled: int
    doc: dict[str, Any]

    @property
    def price(self) -> int:
        return int(self.doc["price_minor"])

    @property
    def captured(self) -> int:
        """Charged before tax, after the seller's discounts."""
        return self.minor("captured_minor")

    @property
    def refundable(self) -> int:
        return self.captured - self.minor("refunded_minor")

    @property
    def spread(self) -> list[dict[str, Any]]:
        """Discounts that shipments and cancellations use up bit by bit."""
        return [row for row in self.doc.get("promotions", []) if row["granularity"] == ORDER_LEVEL]

    def minor(self, name: str) -> int:
        return int(self.doc.get(name, 0))

    def add(self, name: str, amount: int) -> None:
        self.doc[name] = self.minor(name) + amount

    def allocate(self, units: int) -> list[tuple[dict[str, Any], int]]:
        """Use up what *units* more, shipped or cancelled, take of each discount on the order; before counting them."""
        used: dict[str, int] = self.doc.setdefault("allocated", {})
        seen = self.fulfilled + self.cancelled + units
        found = []
        for row in self.spread:
            earlier = used.get(row["promotion_id"], 0)
            amount = order_money.allocation(row["applied"], self.quantity, seen, earlier)
            used[row["promotion_id"]] = earlier + amount
            found.append((row, amount))
        return found


@dataclass
class Order:
    id: str
    account: dict[str, Any]
    state: str
    created: float
    refunds: int
    doc: dict[str, Any]
    lines: list[Line]

    @property
    def currency(self) -> str:
        return str(self.doc["currency"])

    @property
    def tax_rate(self) -> int:
        """In basis points."""
        return int(self.doc.get("tax_rate", TAX_PERCENT * 100))

    @property
    def open(self) -> int:
        return sum(line.open for line in self.lines)

    @property
    def fulfilled(self) -> int:
        return sum(line.fulfilled for line in self.lines)

    @property
    def cancelled(self) -> int:
        return sum(line.cancelled for line in self.lines)

    def minor(self, name: str) -> int:
        return int(self.doc.get(name, 0))

    def add(self, name: str, amount: int) -> None:
        self.doc[name] = self.minor(name) + amount

    def money(self, amount: int) -> dict[str, str]:
        return from_minor(amount, self.currency)

    def refer(self, reference: str | None) -> None:
        """The seller's own number: given once, never changed.

        Raises:
            GraphError: the order has another one.
        """
        if reference is None or reference == self.doc["reference"]:
            return
        if self.doc["reference"] is not None:
            raise invalid("The merchant_order_reference of an order cannot be changed")
        self.doc["reference"] = reference


def take(world: World, order_id: str) -> Order:
    row = order_book.find(world, order_id)
    assert row is not None
    account = world.find_node(row["cms"], "account")
    assert account is not None
    lines = [
        Line(
            line["id"],
            line["retailer_id"],
            line["product_id"],
            line["quantity"],
            line["open"],
            line["fulfilled"],
            line["cancelled"],
            json.loads(line["doc"]),
        )
        for line in order_book.lines_of(world, order_id)
    ]
    doc = json.loads(row["doc"])
    return Order(order_id, account, row["state"], row["created"], row["refunds"], doc, lines)


def take_for_write(world: World, order_id: str, now: float) -> Order:
    """The order, unless somebody else is at it.

    Raises:
        GraphError: another request holds it, or an action on it is not finished.
    """
    order = take(world, order_id)
    for name, subcode in (("busy_until", 2361050), ("pending_until", 2361081)):
        if order.doc.get(name, 0) > now:
            raise refusal(subcode)
    return order


def save(world: World, order: Order, at: float) -> None:
    """Write the order back; with its last unit closed it is completed."""
    if order.open == 0:
        order.state = COMPLETED
    world.db.executemany(
        "UPDATE order_lines SET open = ?, fulfilled = ?, cancelled = ?, doc = ? WHERE id = ?",
        [(line.open, line.fulfilled, line.cancelled, json.dumps(line.doc), line.id) for line in order.lines],
    )
    world.db.execute(
        "UPDATE orders SET state = ?, updated = ?, open = ?, fulfilled = ?, cancelled = ?, refunds = ?, doc = ?, "
        "release_at = CASE WHEN ? = 0 THEN NULL ELSE release_at END WHERE id = ?",
        (
            order.state,
            at,
            order.open,
            order.fulfilled,
            order.cancelled,
            order.refunds,
            json.dumps(order.doc),
            order.open,
            order.id,
        ),
    )


def named_line(order: Order, sent: Params, unknown: int | None = None) -> Line:
    """The line that an entry of `items` means, by exactly one of `item_id` and `retailer_id`.

    Raises:
        GraphError: none or both are given, or no single line fits; *unknown* is the number for a strange seller id.
    """
    by_id, by_retailer = params.text(sent, "item_id"), params.text(sent, "retailer_id")
    if (by_id is None) == (by_retailer is None):
        raise invalid("Each of items must have exactly one of item_id and retailer_id")
    if by_id is not None:
        found = [line for line in order.lines if line.id == by_id]
        if not found:
            raise invalid(f"Param items: {by_id} is no item of this order")
        return found[0]
    if order.account.get("buy_x_get_y"):
        raise invalid("This shop has Buy X Get Y discounts: items must be named by item_id")
    found = [line for line in order.lines if line.retailer_id == by_retailer]
    if not found:
        raise invalid(f"Param items: {by_retailer} is not in this order") if unknown is None else refusal(unknown)
    if len(found) > 1:
        raise invalid(f"Param items: {by_retailer} is on several lines of this order, use item_id")
    return found[0]


def named_units(order: Order, rows: list[Params]) -> dict[str, int]:
    """Line ids and units out of `items`; a line named twice counts together.

    Raises:
        GraphError: an entry is malformed, or asks for more than is open.
    """
    units: dict[str, int] = {}
    for sent in rows:
        line = named_line(order, sent)
        count = required_count(sent, "quantity")
        units[line.id] = units.get(line.id, 0) + count
        if units[line.id] > line.open:
            raise refusal(1818215)
    return units


def required_count(sent: Params, name: str, least: int = 1) -> int:
    """A number of units; a text or a whole decimal will do.

    Raises:
        GraphError: it is missing or no such number.
    """
    if not params.given(sent, name):
        raise missing_parameter(name)
    try:
        number = float(str(params.unquoted(sent[name])))
    except ValueError:
        number = -1.0
    if number != number // 1 or number < least:
        raise invalid(f"Param {name} must be an integer greater than or equal to {least}")
    return int(number)


def sent_money(order: Order, given: Mapping[str, Any], name: str) -> int | None:
    """A money object as minor units; its amount may be text or a number, its currency may be left out.

    Raises:
        GraphError: it is no amount, negative, finer than the currency, or in another currency.
    """
    value = params.structure(given, name)
    if value is None:
        return None
    if not isinstance(value, dict) or not params.given(value, "amount"):
        raise invalid(f"Param {name} must have amount and currency")
    if params.given(value, "currency") and str(value["currency"]) != order.currency:
        raise invalid(f"Param {name} must be in {order.currency}")
    amount = str(params.unquoted(value["amount"]))
    minor = to_minor(amount, order.currency) if is_bare_amount(amount) else None
    if minor is None:
        raise invalid(f"Param {name} must be a positive amount")
    return minor
