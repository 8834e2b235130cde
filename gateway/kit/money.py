"""Money: an integer of minor units and a currency.  ``Decimal`` appears only where money enters or leaves.

Minor units follow ISO 4217 (JPY has none, KWD three).  Nothing here rounds: an amount that does not fit the
currency's decimals is an error, because a cent that is rounded away is a cent that nobody can account for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Self

# ISO 4217, list one: the currencies whose minor unit is not a hundredth.
_ZERO = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
_THREE = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
_TWO = frozenset(
    """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
    COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR
    IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD
    NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
    SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG""".split()
)
CURRENCIES = _ZERO | _TWO | _THREE

# ASCII digits only: `\d` would take those of every script.
_AMOUNT = re.compile(r"-?(?:0|[1-9][0-9]{0,1000})(?:\.[0-9]{1,1000})?")
_EXACT = Context(prec=2100)
_MAX_MINOR = 2**63 - 1


class MoneyError(ValueError):
    """The text or number is no amount of that currency."""


class CurrencyMismatch(MoneyError):
    """Two currencies met in one sum."""


def exponent(currency: str) -> int:
    """How many decimals *currency* has.

    Raises:
        MoneyError: not an ISO 4217 code that money is counted in.
    """
    if currency in _TWO:
        return 2
    if currency in _ZERO:
        return 0
    if currency in _THREE:
        return 3
    raise MoneyError(f"{currency!r} is not an ISO 4217 currency code")


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount: ``Money(1250, "USD")`` is 12.50 USD."""

    minor: int
    currency: str

    @classmethod
    def parse(cls, text: str, currency: str | None = None) -> Self:
        """Read ``"12.50 USD"``, or ``"12.50"`` when *currency* is given.

        Raises:
            MoneyError: a decimal comma, a symbol, an unknown currency, or more decimals than the currency has.
        """
        words = text.split()
        if len(words) == 2:
            amount, code = words
            if currency is not None and code != currency:
                raise CurrencyMismatch(f"{text!r} is not an amount of {currency}")
        elif len(words) == 1 and currency is not None:
            amount, code = words[0], currency
        else:
            raise MoneyError(f"{text!r} is not an amount and a currency, such as '12.50 USD'")
        if not _AMOUNT.fullmatch(amount):
            raise MoneyError(f"{amount!r} is not a decimal number with a dot, such as '12.50'")
        return cls.of(Decimal(amount), code)

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> Self:
        """The exact amount; more decimals than the currency has are refused, unless they are zeros."""
        if not amount.is_finite():
            raise MoneyError(f"{amount} is not an amount")
        if amount.adjusted() > 30:
            raise MoneyError(f"{amount} {currency} is too large an amount")
        # The default context would round to 28 digits without a word.
        scaled = amount.scaleb(exponent(currency), context=_EXACT)
        if scaled != scaled.to_integral_value(context=_EXACT):
            raise MoneyError(f"{amount} has more decimals than {currency} has ({exponent(currency)})")
        if abs(scaled) > _MAX_MINOR:
            raise MoneyError(f"{amount} {currency} is too large an amount")
        return cls(int(scaled), currency)

    @property
    def amount(self) -> Decimal:
        """The decimal amount, with as many decimals as the currency has."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be reckoned together")
        return other.minor

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __mul__(self, times: int) -> Money:
        return Money(self.minor * times, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)
