"""Scalars and value types that every domain shares."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NewType

import strawberry

from gateway.kit.money import Money as MoneyModel

Long = NewType("Long", int)
CurrencyCode = NewType("CurrencyCode", str)

SCALARS: dict[object, Any] = {
    Long: strawberry.scalar(
        name="Long", description="A whole number of up to 64 bits.", serialize=int, parse_value=int
    ),
    CurrencyCode: strawberry.scalar(
        name="CurrencyCode",
        description="An ISO 4217 currency code in capitals, such as `USD`.",
        serialize=str,
        parse_value=str,
    ),
}


@strawberry.type(description="An exact amount of money. Never a float; two amounts compare by `minorUnits`.")
class Money:
    amount: Decimal = strawberry.field(
        description="The amount as a decimal string, with as many decimals as the currency has (`12.50`)."
    )
    currency_code: CurrencyCode = strawberry.field(description="The currency of the amount.")
    minor_units: Long = strawberry.field(description="The same amount in the currency's smallest unit (`1250`).")

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Money | None:
        """From the document form; ``None`` stays ``None``."""
        if document is None:
            return None
        money = MoneyModel(document["minorUnits"], document["currencyCode"])
        return cls(amount=money.amount, currency_code=CurrencyCode(money.currency), minor_units=Long(money.minor))


@strawberry.input(description="An amount of money.")
class MoneyInput:
    amount: str = strawberry.field(
        description="The amount as a decimal number with a dot, such as `12.50`; no symbol, no decimal comma."
    )
    currency_code: str = strawberry.field(description="An ISO 4217 currency code in capitals, such as `USD`.")

    def text(self) -> str:
        """The form that the domain parses, so that all its complaints are of one kind."""
        return f"{self.amount} {self.currency_code}"
