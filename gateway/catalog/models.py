"""What an item of a catalog is, for us: its fields, their rules, and when it is fit to be sent.

An item is kept as a *document*: a plain dict under our own field names, with ``Money`` as
``{"minorUnits": 1250, "currencyCode": "USD"}``.  Whoever writes (a mutation, an import) hands in raw values; ``clean``
turns them into document values or into problems that name field and remedy, and ``check`` looks at the finished
document.  Limits are the stricter of Meta's published ones (Catalog > Product fields, reference pages of v25.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

import orjson

from gateway.kit.money import Money, MoneyError

Document = dict[str, Any]


class Availability(StrEnum):
    """Whether the item can be bought (stored and sent as Meta spells it, with a space)."""

    IN_STOCK = "in stock"
    OUT_OF_STOCK = "out of stock"
    AVAILABLE_FOR_ORDER = "available for order"
    PREORDER = "preorder"
    DISCONTINUED = "discontinued"


class Condition(StrEnum):
    NEW = "new"
    REFURBISHED = "refurbished"
    USED = "used"


class ItemStatus(StrEnum):
    """``archived`` hides the item everywhere without deleting what Meta has learnt about it."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class Gender(StrEnum):
    FEMALE = "female"
    MALE = "male"
    UNISEX = "unisex"


class AgeGroup(StrEnum):
    NEWBORN = "newborn"
    INFANT = "infant"
    TODDLER = "toddler"
    KIDS = "kids"
    TEEN = "teen"
    ADULT = "adult"
    ALL_AGES = "all ages"


class ItemState(StrEnum):
    """Where the newest version of an item stands on its way to Meta."""

    PENDING = "PENDING"
    SENT = "SENT"
    ACCEPTED = "ACCEPTED"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"


class Channel(StrEnum):
    """What part of an item a batch carries: a patch of the volatile fields, or the whole item."""

    VOLATILE = "volatile"
    STABLE = "stable"


class Kind(StrEnum):
    TEXT = "text"
    URL = "url"
    URLS = "urls"
    MONEY = "money"
    CHOICE = "choice"
    COUNT = "count"
    WINDOW = "window"
    LABELS = "labels"
    PAIRS = "pairs"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field: what kind of value it takes, its limit (characters, or entries of a list) and its lane."""

    kind: Kind
    limit: int = 0
    required: bool = False
    volatile: bool = False
    choices: type[StrEnum] | None = None


FIELDS: Mapping[str, FieldRule] = {
    "title": FieldRule(Kind.TEXT, 100, required=True),
    "description": FieldRule(Kind.TEXT, 5000, required=True),
    "availability": FieldRule(Kind.CHOICE, required=True, volatile=True, choices=Availability),
    "condition": FieldRule(Kind.CHOICE, required=True, choices=Condition),
    "price": FieldRule(Kind.MONEY, required=True, volatile=True),
    "salePrice": FieldRule(Kind.MONEY, volatile=True),
    "salePriceWindow": FieldRule(Kind.WINDOW, volatile=True),
    "quantity": FieldRule(Kind.COUNT, volatile=True),
    "link": FieldRule(Kind.URL, 2048, required=True),
    "imageLink": FieldRule(Kind.URL, 2048, required=True),
    "additionalImageLinks": FieldRule(Kind.URLS, 20),
    "brand": FieldRule(Kind.TEXT, 100),
    "gtin": FieldRule(Kind.TEXT, 70),
    "mpn": FieldRule(Kind.TEXT, 100),
    "itemGroupId": FieldRule(Kind.TEXT, 100),
    "color": FieldRule(Kind.TEXT, 100),
    "size": FieldRule(Kind.TEXT, 200),
    "material": FieldRule(Kind.TEXT, 200),
    "pattern": FieldRule(Kind.TEXT, 100),
    "gender": FieldRule(Kind.CHOICE, choices=Gender),
    "ageGroup": FieldRule(Kind.CHOICE, choices=AgeGroup),
    "variantAttributes": FieldRule(Kind.PAIRS, 20),
    "googleProductCategory": FieldRule(Kind.TEXT, 250),
    "productType": FieldRule(Kind.TEXT, 750),
    "customLabels": FieldRule(Kind.LABELS, 5),
    "status": FieldRule(Kind.CHOICE, choices=ItemStatus),
}
VOLATILE = tuple(name for name, rule in FIELDS.items() if rule.volatile)
STABLE = tuple(name for name, rule in FIELDS.items() if not rule.volatile)
DEFAULTS: Mapping[str, str] = {"condition": Condition.NEW.value, "status": ItemStatus.ACTIVE.value}

RETAILER_ID_LIMIT = 100
PRICE_EXAMPLE = "12.50 USD"

# Spellings that feeds in the wild use for the values that Meta spells with spaces.
_SYNONYMS = {
    "instock": "in stock",
    "outofstock": "out of stock",
    "availablefororder": "available for order",
    "preorder": "preorder",
    "backorder": "available for order",
    "allages": "all ages",
}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Why one value cannot be taken: a stable code, the field, what is wrong and what to do about it."""

    code: str
    field: str
    message: str
    fix: str


class _Refused(Exception):
    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.code, self.message, self.fix = code, message, fix


# --- from raw values to document values --------------------------------------------------------------------------


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


def merge(document: Document | None, patch: Document) -> Document:
    """*document* with *patch* laid over it: cleared fields are gone, a new document gets the defaults."""
    merged: Document = {**DEFAULTS, **(document or {}), **patch}
    return {name: merged[name] for name in FIELDS if merged.get(name) is not None}


def check(document: Document) -> list[FieldProblem]:
    """What keeps a whole *document* from being sent; empty when nothing does."""
    problems = [
        FieldProblem("MISSING_FIELD", name, f"{name} is required", _REQUIRED_FIX.get(name, f"Give {name} a value."))
        for name, rule in FIELDS.items()
        if rule.required and name not in document
    ]
    if not any(name in document for name in ("brand", "gtin", "mpn")):
        problems.append(
            FieldProblem("MISSING_FIELD", "brand", "one of brand, gtin and mpn is required", "Give the item a brand.")
        )
    price, sale = document.get("price"), document.get("salePrice")
    if price and sale:
        if price["currencyCode"] != sale["currencyCode"]:
            problems.append(
                FieldProblem(
                    "CURRENCY_MISMATCH",
                    "salePrice",
                    f"price is in {price['currencyCode']}, salePrice in {sale['currencyCode']}",
                    "Use one currency for both.",
                )
            )
        elif sale["minorUnits"] >= price["minorUnits"]:
            problems.append(
                FieldProblem(
                    "SALE_PRICE_NOT_LOWER",
                    "salePrice",
                    "salePrice is not below price",
                    "Lower salePrice, or clear it to end the sale.",
                )
            )
    if "salePriceWindow" in document and not sale:
        problems.append(
            FieldProblem(
                "MISSING_FIELD",
                "salePrice",
                "salePriceWindow without a salePrice means nothing",
                "Give a salePrice, or clear the window.",
            )
        )
    return problems


_REQUIRED_FIX = {
    "price": f"Give a price with its currency, such as '{PRICE_EXAMPLE}'.",
    "imageLink": "Give the address of a JPEG or PNG picture of at least 500 x 500 pixels.",
    "link": "Give the address of the product's page; a Shopify file takes it from --link-template.",
    "availability": "Say whether the item is 'in stock' or 'out of stock'.",
}


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


def money_document(money: Money) -> Document:
    return {"minorUnits": money.minor, "currencyCode": money.currency}


def money_of(document: Mapping[str, Any]) -> Money:
    return Money(document["minorUnits"], document["currencyCode"])


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


# --- fingerprints ------------------------------------------------------------------------------------------------


def fingerprint(document: Document, names: Iterable[str]) -> str:
    """A short hash of the canonical bytes of the named fields: equal values, equal prints."""
    part = {name: document[name] for name in names if name in document}
    return blake2b(orjson.dumps(part, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()
