"""The arithmetic of an order's money: shares of a discount, taxes, captures.  Integers of minor units only.

Source: promotions.md sections 4 to 8, orders.md sections 8 and 10.  Nothing here reads or writes a world, so every
rule can be tried with plain numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

WHOLE = 10_000
"""A hundred percent in basis points."""


def part(amount: int, numerator: int, denominator: int) -> int:
    """`amount * numerator / denominator`, half a cent rounded up; 0 of nothing."""
    return 0 if denominator == 0 else (2 * amount * numerator + denominator) // (2 * denominator)


def percent(amount: int, basis_points: int) -> int:
    return part(amount, basis_points, WHOLE)


def split(discount: int, values: Sequence[int]) -> list[int]:
    """An order-level discount over lines in proportion to their values, never more than these.

    Shares are rounded down, and the cents left over go to the last line that can take them: rounding down is the only
    reading that gives the amounts of Meta's own sample.
    """
    total = sum(values)
    if total == 0:
        return [0] * len(values)
    discount = min(discount, total)
    shares = [discount * value // total for value in values]
    left = discount - sum(shares)
    for index in reversed(range(len(values))):
        more = min(left, values[index] - shares[index])
        shares[index] += more
        left -= more
    return shares


def allocation(share: int, quantity: int, units: int, allocated: int) -> int:
    """What one shipment or cancellation uses up of a line's share, *units* counting all events so far and this one.

    The running total is rounded down, so at the last unit the whole share is used.
    """
    return share * units // quantity - allocated


def added_tax(base_before: int, base: int, basis_points: int) -> int:
    """The tax that *base* adds to what was charged before; the sum over all parts is the tax of the whole."""
    return percent(base_before + base, basis_points) - percent(base_before, basis_points)


def shipping_so_far(price: int, list_base: int, list_extra: int, units: int, all_units: int) -> int:
    """Shipping charged once *units* of *all_units* left: the base with the first parcel, then each further unit.

    *price* is what the buyer pays for all of it; a discount is spread as the list price is.
    """
    if units == 0:
        return 0
    listed = list_base + list_extra * (units - 1)
    whole = list_base + list_extra * (all_units - 1)
    return price * listed // whole if whole else 0


def buyer_part(amount: int, buyer_paid: int, meta_paid: int) -> int:
    """The buyer's part of a refund of an order that Meta helped to pay; the rest goes back to Meta."""
    return part(amount, buyer_paid, buyer_paid + meta_paid) if buyer_paid + meta_paid else amount
