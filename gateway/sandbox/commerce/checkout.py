"""A buyer's checkout with discounts: what each line costs, which promotion took how much off, taxes and shipping.

Source: promotions.md sections 3 to 6 and 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.sandbox import order_book
from gateway.sandbox.commerce import order_desk, order_money
from gateway.sandbox.commerce.order_desk import ITEM_LEVEL, MERCHANT, META, ORDER_LEVEL
from gateway.sandbox.order_book import SHIPPING_MINOR, TAX_PERCENT, Buyer, NewLine
from gateway.sandbox.world import World

PROMOTION = "79"
ITEM, ORDER, SHIPPING, BUY_X_GET_Y, BY_META = KINDS = ("item", "order", "shipping", "buyXGetY", "meta")


class BadCheckout(ValueError):
    """A wish for an order that no checkout could fulfil."""


@dataclass(frozen=True)
class Discount:
    """Exactly one of *amount* and *rate* (basis points) is set; *lines* are positions, all of them when empty."""

    kind: str
    amount: int | None = None
    rate: int | None = None
    lines: tuple[int, ...] = ()
    units: int = 1
    """How many units Buy X Get Y adds."""
    title: str = "Discount"
    code: str | None = None
    offer: str | None = None

    def off(self, value: int) -> int:
        """What it takes off *value*, never more than all of it."""
        wanted = self.amount if self.amount is not None else order_money.percent(value, self.rate or 0)
        return min(wanted, value)


@dataclass(frozen=True)
class Terms:
    """How an order is taxed, sent, charged and when it is due."""

    tax_rate: int = TAX_PERCENT * 100
    shipping_base: int = SHIPPING_MINOR
    shipping_extra: int = 0
    shipping_name: str = "Standard"
    ship_by_days: int = 5
    capture_seconds: float = 0.0
    capture_fails: bool = False


@dataclass
class _Basket:
    """A line while its price is worked out."""

    line: NewLine
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def value(self) -> int:
        return self.line.price_minor * self.line.quantity

    def less(self, discount: int) -> None:
        self.line = replace(self.line, price_minor=self.line.price_minor - discount)


def place(
    world: World,
    account: dict[str, Any],
    lines: Sequence[NewLine],
    buyer: Buyer,
    discounts: Sequence[Discount],
    terms: Terms,
    *,
    state: str,
    channel: str,
    is_test: bool,
) -> str:
    """Place an order; prices of *lines* are those before discounts.

    Raises:
        BadCheckout: a discount names a line that is not there.
    """
    baskets, shipping_rows, shipping = _discounted(world, account, lines, discounts, terms)
    final = [basket.line for basket in baskets]
    order_id = order_book.place(world, account, final, buyer, state=state, channel=channel, is_test=is_test)
    order = order_desk.take(world, order_id)
    updated = order_book.find(world, order_id)
    assert updated is not None
    for line, basket in zip(order.lines, baskets, strict=True):
        by_seller = _sum(basket.rows, ORDER_LEVEL, after_tax=False)
        line.doc["promotions"] = basket.rows
        line.doc["tax_minor"] = order_money.percent(basket.value - by_seller, terms.tax_rate)
    shipping_tax = order_money.percent(shipping, terms.tax_rate)
    rows = [row for basket in baskets for row in basket.rows]
    created = datetime.fromtimestamp(order.created, UTC)
    order.doc |= {
        "tax_rate": terms.tax_rate,
        "items_minor": sum(basket.value for basket in baskets) - _sum(rows, ORDER_LEVEL, after_tax=False),
        "shipping_minor": shipping,
        "shipping_base_minor": terms.shipping_base,
        "shipping_extra_minor": terms.shipping_extra,
        "shipping_name": terms.shipping_name,
        "shipping_tax_minor": shipping_tax,
        "shipping_promotions": shipping_rows,
        "tax_minor": sum(line.minor("tax_minor") for line in order.lines) + shipping_tax,
        "meta_minor": sum(row["applied"] for row in rows if row["sponsor"] == META),
        "ship_by_date": (created + timedelta(days=terms.ship_by_days)).date().isoformat(),
        "capture_seconds": terms.capture_seconds,
        "capture_fails": terms.capture_fails,
    }
    if any(discount.kind == BUY_X_GET_Y for discount in discounts):
        # The capability is the shop's: from now on its lines are named by item_id.
        world.change_node(account["id"], buy_x_get_y=True)
    order_desk.save(world, order, updated["updated"])
    return order_id


def _sum(rows: Sequence[dict[str, Any]], granularity: str, *, after_tax: bool) -> int:
    fitting = (row for row in rows if row["granularity"] == granularity and row["after_tax"] is after_tax)
    return sum(row["applied"] for row in fitting)


def _discounted(
    world: World, account: dict[str, Any], lines: Sequence[NewLine], discounts: Sequence[Discount], terms: Terms
) -> tuple[list[_Basket], list[dict[str, Any]], int]:
    """Lines with their discounts, the discounts on shipping, and what shipping costs after them."""
    for discount in discounts:
        if any(not 0 <= position < len(lines) for position in discount.lines):
            raise BadCheckout(f"a discount names a line that is not among the {len(lines)}")
    named = [(discount, world.new_id(PROMOTION)) for discount in discounts]
    groups = [[_Basket(line)] for line in lines]
    for discount, promotion in named:
        if discount.kind == ITEM:
            for group in _chosen(groups, discount):
                _apply_to_units(group[0], discount, promotion)
    for discount, promotion in named:
        if discount.kind == BUY_X_GET_Y:
            for group in _chosen(groups, discount):
                group.append(_Basket(replace(group[0].line, quantity=discount.units)))
                _apply_to_units(group[-1], discount, promotion)
    # Shares follow the values after item-level discounts, whoever pays.
    for discount, promotion in named:
        if discount.kind in (ORDER, BY_META):
            eligible = [basket for group in _chosen(groups, discount) for basket in group]
            left = [
                basket.value - sum(row["applied"] for row in basket.rows if row["granularity"] == ORDER_LEVEL)
                for basket in eligible
            ]
            for basket, share in zip(eligible, order_money.split(discount.off(sum(left)), left), strict=True):
                if share:
                    basket.rows.append(_row(discount, promotion, share))
    baskets = [basket for group in groups for basket in group]
    price = terms.shipping_base + terms.shipping_extra * (sum(basket.line.quantity for basket in baskets) - 1)
    shipping_rows = []
    for discount, promotion in named:
        off = discount.off(price) if discount.kind == SHIPPING else 0
        if off:
            shipping_rows.append(_row(discount, promotion, off))
            price -= off
    return baskets, shipping_rows, price


def _chosen(groups: list[list[_Basket]], discount: Discount) -> list[list[_Basket]]:
    return [groups[position] for position in discount.lines] if discount.lines else groups


def _apply_to_units(basket: _Basket, discount: Discount, promotion: str) -> None:
    """An item-level discount lowers the price of every unit; its row tells the total of the line."""
    off = discount.off(basket.line.price_minor)
    if off:
        basket.less(off)
        basket.rows.append(_row(discount, promotion, off * basket.line.quantity))


def _row(discount: Discount, promotion: str, applied: int) -> dict[str, Any]:
    by_meta = discount.kind == BY_META
    return {
        "promotion_id": promotion,
        "retailer_id": None if by_meta else discount.offer or f"offer-{promotion[-6:]}",
        "campaign_name": discount.title,
        "coupon_code": None if by_meta else discount.code,
        "applied": applied,
        "granularity": ORDER_LEVEL if discount.kind in (ORDER, BY_META) else ITEM_LEVEL,
        "sponsor": META if by_meta else MERCHANT,
        "after_tax": by_meta,
    }
