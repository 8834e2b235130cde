"""Amounts the way Meta writes them: decimal text, price with currency, display price.

Source: catalog.md section 10 (written form) and 6.4 (display form); orders.md section 2.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

ZERO_DECIMALS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
THREE_DECIMALS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
CURRENCIES = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK "
    "HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL "
    "MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON "
    "RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH "
    "UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL".split()
)
SYMBOLS = {
    "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "AUD": "A$", "CAD": "CA$", "NZD": "NZ$", "MXN": "MX$",
    "BRL": "R$", "INR": "₹", "KRW": "₩", "ILS": "₪", "VND": "₫", "TWD": "NT$", "HKD": "HK$", "CNY": "CN¥", "PHP": "₱",
}  # fmt: skip
_PRICE = re.compile(r"(\d{1,12}(?:\.\d{1,4})?) ([A-Z]{3})")
_AMOUNT = re.compile(r"\d{1,12}(\.\d{1,4})?")


def digits(currency: str) -> int:
    """Decimal places of a currency."""
    if currency in ZERO_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else 2


def parse_price(text: str) -> tuple[Decimal, str] | None:
    """`"9.99 USD"` in its parts, or None where the form is wrong or the currency unknown."""
    match = _PRICE.fullmatch(text.strip())
    if match is None or match[2] not in CURRENCIES:
        return None
    return Decimal(match[1]), match[2]


def is_bare_amount(text: str) -> bool:
    return _AMOUNT.fullmatch(text.strip()) is not None


def plain(amount: Decimal, currency: str) -> str:
    """The amount as decimal text with the currency's places."""
    return f"{amount:.{digits(currency)}f}"


def display(price: str) -> str | None:
    """`"1204.50 EUR"` as a reader sees it: `"€1,204.50"`."""
    parsed = parse_price(price)
    if parsed is None:
        return None
    amount, currency = parsed
    return f"{SYMBOLS.get(currency, currency)}{amount:,.{digits(currency)}f}"


def from_hundredths(value: int, currency: str) -> str:
    """The single-item form (an integer, two digits for cents in every currency) as `"5.99 USD"`."""
    return f"{plain(Decimal(value) / 100, currency)} {currency}"


def to_minor(amount: str | Decimal, currency: str) -> int | None:
    """Decimal text to an integer of minor units; None where it is no amount."""
    try:
        value = Decimal(str(amount)) * (10 ** digits(currency))
    except InvalidOperation:
        return None
    return int(value) if value == value.to_integral_value() else None


def from_minor(value: int, currency: str) -> dict[str, str]:
    """Minor units as Meta's money object."""
    places = digits(currency)
    return {"amount": plain(Decimal(value).scaleb(-places), currency), "currency": currency}
