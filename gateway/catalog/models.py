"""What an item of a catalog is, for us: its fields, their rules, and when it is fit to be sent.

An item is kept as a *document*: a plain dict under our own field names, with ``Money`` as
``{"minorUnits": 1250, "currencyCode": "USD"}``.  Whoever writes (a mutation, an import) hands in raw values; ``clean``
turns them into document values or into problems that name field and remedy, and ``check`` looks at the finished
document.  Limits are the stricter of Meta's published ones (Catalog > Product fields, reference pages of v25.0).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import orjson

from gateway.kit.money import Money

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


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Why one value cannot be taken: a stable code, the field, what is wrong and what to do about it."""

    code: str
    field: str
    message: str
    fix: str


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


def money_document(money: Money) -> Document:
    return {"minorUnits": money.minor, "currencyCode": money.currency}


def money_of(document: Mapping[str, Any]) -> Money:
    return Money(document["minorUnits"], document["currencyCode"])


def fingerprint(document: Document, names: Iterable[str]) -> str:
    """A short hash of the canonical bytes of the named fields: equal values, equal prints."""
    part = {name: document[name] for name in names if name in document}
    return blake2b(orjson.dumps(part, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()
