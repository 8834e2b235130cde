"""Money is exact: what is read is what is printed, and what does not fit is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kit.money import CURRENCIES, CurrencyMismatch, Money, MoneyError, exponent

LARGEST = 2**63 - 1

currencies = st.sampled_from(sorted(CURRENCIES))
minors = st.integers(-LARGEST, LARGEST)


@st.composite
def amounts(draw: st.DrawFn, currency: str | None = None) -> Money:
    return Money(draw(minors), currency or draw(currencies))


@given(amounts())
def test_what_is_printed_is_read_back(money: Money) -> None:
    assert Money.parse(str(money)) == money
    assert Money.of(money.amount, money.currency) == money


@given(amounts())
def test_an_amount_prints_with_the_decimals_of_its_currency(money: Money) -> None:
    digits, _, decimals = str(money).split()[0].partition(".")

    assert len(decimals) == exponent(money.currency)
    assert int(digits + decimals) == money.minor


@pytest.mark.parametrize(
    ("text", "minor", "currency"),
    [
        ("12.50 USD", 1250, "USD"),
        ("12.5 USD", 1250, "USD"),
        ("12 USD", 1200, "USD"),
        ("12.500 USD", 1250, "USD"),
        ("0.01 EUR", 1, "EUR"),
        ("-1 USD", -100, "USD"),
        ("-0.00 USD", 0, "USD"),
        ("1250 JPY", 1250, "JPY"),
        ("1250.00 JPY", 1250, "JPY"),
        ("1.234 KWD", 1234, "KWD"),
        ("  12.50\tUSD ", 1250, "USD"),
    ],
)
def test_amounts_are_read_into_minor_units(text: str, minor: int, currency: str) -> None:
    assert Money.parse(text) == Money(minor, currency)


@pytest.mark.parametrize(
    "text",
    "12,50 $5 5$ £5 1e3 1E3 NaN Infinity -Infinity --1 +1 - . .5 5. 1.2.3 1_000 1,000.00 01.00 0x10 abc".split(),
)
def test_what_is_no_plain_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        Money.parse(text, "USD")


@pytest.mark.parametrize("text", ["", "   ", "12.50", "USD", "USD 12.50", "12.50 USD USD", "12 50 USD", "12.50USD"])
def test_an_amount_needs_exactly_one_currency(text: str) -> None:
    with pytest.raises(MoneyError):
        Money.parse(text)


@pytest.mark.parametrize("currency", ["", "usd", "US", "USDX", "XXX", "BTC", "$", "ÜSD"])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(MoneyError):
        Money.parse("1", currency)


@pytest.mark.parametrize("text", ["0.001 USD", "12.505 USD", "0.5 JPY", "1.2345 KWD"])
def test_a_fraction_of_the_minor_unit_is_never_rounded_away(text: str) -> None:
    with pytest.raises(MoneyError, match="more decimals"):
        Money.parse(text)


def test_an_amount_that_no_column_could_hold_is_refused() -> None:
    assert Money.parse("92233720368547758.07 USD").minor == LARGEST
    assert Money.parse("-92233720368547758.07 USD").minor == -LARGEST

    for text in ("92233720368547758.08 USD", f"{LARGEST + 1} JPY", f"-{'9' * 400} KWD"):
        with pytest.raises(MoneyError, match="too large"):
            Money.parse(text)


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_decimal_that_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(MoneyError):
        Money.of(Decimal(number), "USD")


@given(currencies, minors, minors)
def test_sums_are_those_of_whole_minor_units(currency: str, left: int, right: int) -> None:
    a, b = Money(left, currency), Money(right, currency)

    assert (a + b).minor == left + right
    assert a + b - b == a
    assert a * 3 == a + a + a
    assert (a < b, a <= b, a > b, a >= b) == (left < right, left <= right, left > right, left >= right)


@given(amounts("USD"), amounts("EUR"))
def test_two_currencies_never_meet(dollars: Money, euros: Money) -> None:
    for reckon in (lambda: dollars + euros, lambda: dollars - euros, lambda: dollars < euros, lambda: dollars >= euros):
        with pytest.raises(CurrencyMismatch):
            reckon()
    assert dollars != euros


@pytest.mark.parametrize(("currency", "decimals"), [("JPY", 0), ("KRW", 0), ("USD", 2), ("GBP", 2), ("KWD", 3)])
def test_decimals_follow_the_standard(currency: str, decimals: int) -> None:
    assert exponent(currency) == decimals


def test_a_fraction_far_behind_the_dot_is_not_rounded_away_either() -> None:
    with pytest.raises(MoneyError, match="more decimals"):
        Money.parse(f"1.{'0' * 30}1 USD")


def test_a_huge_decimal_is_a_money_error() -> None:
    with pytest.raises(MoneyError, match="too large"):
        Money.of(Decimal("1E+999999"), "USD")


@pytest.mark.parametrize("text", ["1２.50", "1٢.50", "12.５0"])
def test_digits_of_other_scripts_are_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        Money.parse(text, "USD")


def test_a_text_in_another_currency_than_the_one_given_is_refused() -> None:
    with pytest.raises(MoneyError):
        Money.parse("12.50 USD", "EUR")
