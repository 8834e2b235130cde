"""From raw values, as people and files give them, to document values, or to problems that name field and remedy.

The rules of each field stand in ``FIELDS``; whether a finished document is fit to be sent is ``models.check``'s to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit

from gateway.catalog.models import (
    FIELDS,
    PRICE_EXAMPLE,
    RETAILER_ID_LIMIT,
    Document,
    FieldProblem,
    FieldRule,
    Kind,
    money_document,
)
from gateway.kit.money import Money, MoneyError

# Spellings that feeds in the wild use for the values that Meta spells with spaces.
_SYNONYMS = {
    "instock": "in stock",
    "outofstock": "out of stock",
    "availablefororder": "available for order",
    "preorder": "preorder",
    "backorder": "available for order",
    "allages": "all ages",
}


class _Refused(Exception):
    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.code, self.message, self.fix = code, message, fix


def check_retailer_id(value: object) -> FieldProblem | None:
    """A retailer id is 1 to 100 printable characters without white space around them."""
    if not isinstance(value, str) or not value:
        return FieldProblem(
            "MISSING_FIELD", "retailerId", "the item has no retailerId", "Give each item its own stable id."
        )
    if len(value) > RETAILER_ID_LIMIT:
        return FieldProblem(
            "TOO_LONG",
            "retailerId",
            f"the retailerId has {len(value)} characters, at most {RETAILER_ID_LIMIT} are allowed",
            "Use a shorter id.",
        )
    if value != value.strip() or not value.isprintable():
        return FieldProblem(
            "INVALID_ID",
            "retailerId",
            f"retailerId {value!r} has white space around it or unprintable characters",
            "Trim the id and remove control characters.",
        )
    return None


def clean(values: Mapping[str, object]) -> tuple[Document, list[FieldProblem]]:
    """Raw *values* under our field names -> (document values, problems).

    ``None`` and ``""`` clear a field and come back as ``None``.  Money is taken as ``"12.50 USD"``, as a ``Money`` or
    as a document amount; a window as ``"start/end"`` (ISO 8601 with offset) or ``{"startsAt", "endsAt"}``.
    """
    patch: Document = {}
    problems: list[FieldProblem] = []
    for name, raw in values.items():
        rule = FIELDS.get(name)
        if rule is None:
            problems.append(
                FieldProblem("UNKNOWN_FIELD", name, f"there is no field {name!r}", "Use the names of the schema.")
            )
            continue
        if raw is None or (isinstance(raw, str) and not raw.strip()) or raw in ([], {}):
            patch[name] = None
            continue
        try:
            patch[name] = _CLEANERS[rule.kind](raw, rule)
        except _Refused as refused:
            problems.append(FieldProblem(refused.code, name, refused.message, refused.fix))
    return patch, problems


def _text(raw: object, rule: FieldRule) -> str:
    # A number is taken as it is written: JSON files hold sizes such as 42.5.
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise _Refused("INVALID_VALUE", f"{raw!r} is not text", "Give a text.")
    text = str(raw).strip()
    if len(text) > rule.limit:
        raise _Refused(
            "TOO_LONG", f"{len(text)} characters, at most {rule.limit} are allowed", f"Cut it to {rule.limit}."
        )
    if "\x00" in text:
        # PostgreSQL cannot keep it, and no shop means it.
        raise _Refused("INVALID_VALUE", "the text has a NUL character in it", "Remove it.")
    return text


def _url(raw: object, rule: FieldRule) -> str:
    text = _text(raw, rule)
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        parts, host = None, None
    if parts is None or parts.scheme not in ("http", "https") or not host or re.search(r"\s", text):
        raise _Refused("INVALID_URL", f"{text[:120]!r} is no http(s) address", "Give a whole address: https://...")
    return text


def _urls(raw: object, rule: FieldRule) -> list[str]:
    # A comma is allowed inside an address, so a text is one address; readers hand in lists.
    entries = [raw] if isinstance(raw, str) else raw
    if not isinstance(entries, list | tuple):
        raise _Refused("INVALID_VALUE", f"{raw!r} is no list of addresses", "Give a list.")
    urls = [_url(entry, FieldRule(Kind.URL, 2048)) for entry in entries if entry]
    if len(urls) > rule.limit:
        raise _Refused("TOO_LONG", f"{len(urls)} addresses, at most {rule.limit} are allowed", "Leave some out.")
    return urls


def _money(raw: object, rule: FieldRule) -> Document:
    fix = f"Write it with a dot and the currency, such as '{PRICE_EXAMPLE}'."
    try:
        if isinstance(raw, Money):
            money = raw
        elif isinstance(raw, Mapping) and "minorUnits" in raw:
            minor = raw["minorUnits"]
            if isinstance(minor, bool) or not isinstance(minor, int):
                raise MoneyError(f"minorUnits {minor!r} is no whole number")
            money = Money(minor, str(raw["currencyCode"]))
            _ = money.amount  # refuses an unknown currency
        elif isinstance(raw, Mapping) and "amount" in raw:
            money = Money.of(Decimal(str(raw["amount"])), str(raw.get("currencyCode")))
        elif isinstance(raw, str):
            money = Money.parse(raw)
        else:
            raise MoneyError(f"{raw!r} is no amount with a currency")
    except (MoneyError, ArithmeticError, KeyError, ValueError) as exc:
        raise _Refused("INVALID_PRICE", str(exc), fix) from exc
    if money.minor <= 0:
        raise _Refused("INVALID_PRICE", f"{money} is not above zero", fix)
    return money_document(money)


def _choice(raw: object, rule: FieldRule) -> str:
    assert rule.choices is not None
    text = str(raw).strip()
    key = re.sub(r"[\s_-]+", "", text.lower())
    for choice in rule.choices:
        if key in (choice.value.replace(" ", ""), choice.name.lower().replace("_", "")):
            return choice.value
    synonym = _SYNONYMS.get(key)
    if synonym in [choice.value for choice in rule.choices]:
        return str(synonym)
    known = ", ".join(repr(choice.value) for choice in rule.choices)
    raise _Refused("INVALID_VALUE", f"{text[:80]!r} is none of {known}", f"Use one of {known}.")


def _count(raw: object, rule: FieldRule) -> int:
    text = str(raw).strip()
    if isinstance(raw, bool) or not re.fullmatch(r"\d{1,9}", text):
        raise _Refused("INVALID_QUANTITY", f"{text[:40]!r} is no whole number from 0 on", "Give a number such as 12.")
    return int(text)


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise _Refused("INVALID_VALUE", f"{text[:60]!r} is no ISO 8601 time", _WINDOW_FIX) from exc
    if moment.tzinfo is None:
        raise _Refused("INVALID_VALUE", f"{text[:60]!r} has no time zone", _WINDOW_FIX)
    return moment.isoformat(timespec="minutes")


_WINDOW_FIX = "Write it as '2026-11-01T00:00+01:00/2026-11-30T23:59+01:00'."


def _window(raw: object, rule: FieldRule) -> Document:
    if isinstance(raw, str):
        start, slash, end = raw.partition("/")
        if not slash:
            raise _Refused("INVALID_VALUE", f"{raw[:60]!r} has no start and end", _WINDOW_FIX)
    elif isinstance(raw, Mapping):
        start, end = str(raw.get("startsAt")), str(raw.get("endsAt"))
    else:
        raise _Refused("INVALID_VALUE", f"{raw!r} is no window of time", _WINDOW_FIX)
    window = {"startsAt": _moment(start), "endsAt": _moment(end)}
    if window["endsAt"] <= window["startsAt"]:
        raise _Refused("INVALID_VALUE", "the window ends before it starts", _WINDOW_FIX)
    return window


def _labels(raw: object, rule: FieldRule) -> list[str]:
    if not isinstance(raw, list | tuple) or len(raw) > rule.limit:
        raise _Refused("INVALID_VALUE", f"{raw!r} is no list of at most {rule.limit}", "Give a list of texts.")
    return [_text(entry, FieldRule(Kind.TEXT, 100)) if entry else "" for entry in raw]


_PAIRS_FIX = "Write it as 'Volume:350 ml,Finish:Gloss'."


def _pairs(raw: object, rule: FieldRule) -> dict[str, str]:
    if isinstance(raw, str):
        parts = [part.split(":", 1) for part in raw.split(",") if part.strip()]
        if any(len(part) != 2 for part in parts):
            raise _Refused("INVALID_VALUE", f"{raw[:80]!r} has a part without a colon", _PAIRS_FIX)
        raw = dict(parts)
    if not isinstance(raw, Mapping) or not raw or len(raw) > rule.limit:
        raise _Refused("INVALID_VALUE", f"{raw!r} is no set of names and values", _PAIRS_FIX)
    if any(not isinstance(key, str) or not key.strip() for key in raw):
        raise _Refused("INVALID_VALUE", "a variant attribute has no name", _PAIRS_FIX)
    text = FieldRule(Kind.TEXT, 200)
    # Sorted: two spellings of the same set must have one fingerprint.
    return {_text(key, text): _text(raw[key], text) for key in sorted(raw)}


_CLEANERS = {
    Kind.TEXT: _text,
    Kind.URL: _url,
    Kind.URLS: _urls,
    Kind.MONEY: _money,
    Kind.CHOICE: _choice,
    Kind.COUNT: _count,
    Kind.WINDOW: _window,
    Kind.LABELS: _labels,
    Kind.PAIRS: _pairs,
}
