"""The columns of product feeds, and the values they hold, under our field names.

Feeds spell one thing in many ways: Meta's names, Google's (with or without ``g:``), the names of single-item calls,
and our own; with spaces, dashes, underscores or capitals.  Source: Catalog > Product fields (v25.0), and Google's
product data specification where the two differ.  Columns that stand for nothing of ours (shipping, tax) are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

import orjson

from gateway.catalog.models import FIELDS

RETAILER_ID = "retailerId"


class Role(Enum):
    ID = auto()
    FIELD = auto()
    MONEY = auto()
    IMAGES = auto()  # pictures, the first of which is the main one; they win over imageLink
    MORE_IMAGES = auto()
    LABEL = auto()
    LABELS = auto()
    VISIBILITY = auto()
    ATTRIBUTES = auto()


class Slot(NamedTuple):
    """Where a column's value goes."""

    role: Role
    field: str
    position: int = 0


_ROLES = {
    "price": Role.MONEY,
    "salePrice": Role.MONEY,
    "additionalImageLinks": Role.MORE_IMAGES,
    "customLabels": Role.LABELS,
    "variantAttributes": Role.ATTRIBUTES,
}
_ALIASES = {
    "name": "title",
    "saleprice": "salePrice",
    "salepriceeffectivedate": "salePriceWindow",
    "quantitytosellonfacebook": "quantity",
    "inventory": "quantity",
    "url": "link",
    "imageurl": "imageLink",
    "additionalimagelink": "additionalImageLinks",
    "additionalimageurls": "additionalImageLinks",
    "additionalvariantattribute": "variantAttributes",
    "additionalvariantattributes": "variantAttributes",
    "manufacturerpartnumber": "mpn",
    "retailerproductgroupid": "itemGroupId",
    "colour": "color",
}
_SLOTS: dict[str, Slot] = {
    **{name.lower(): Slot(_ROLES.get(name, Role.FIELD), name) for name in FIELDS},
    **{alias: Slot(_ROLES.get(name, Role.FIELD), name) for alias, name in _ALIASES.items()},
    **{f"customlabel{n}": Slot(Role.LABEL, "customLabels", n) for n in range(5)},
    "id": Slot(Role.ID, RETAILER_ID),
    "retailerid": Slot(Role.ID, RETAILER_ID),
    "image": Slot(Role.IMAGES, "imageLink"),
    "visibility": Slot(Role.VISIBILITY, "status"),
}
_PICTURE = re.compile(r"image\[?\d*\]?\.url")
_MORE_PICTURES = re.compile(r"additionalimagelinks?\[?\d+\]?")
_NO_MONEY = re.compile(r"0+(?:[.,]0+)?(?:\s+[A-Za-z]{3})?")
_VISIBILITY = {"published": "active", "hidden": "archived", "staging": "archived"}


def squash(name: str) -> str:
    """A column's name without what people vary: case, spaces, dashes, underscores."""
    return re.sub(r"[\s_-]+", "", name.strip().lower())


@lru_cache(maxsize=4096)
def slot_of(name: str) -> Slot | None:
    """Where the values of the column *name* go; ``None`` when we have no use for them."""
    key = squash(name).removeprefix("g:")
    if (slot := _SLOTS.get(key)) is not None:
        return slot
    if _PICTURE.fullmatch(key):
        return _SLOTS["image"]
    if _MORE_PICTURES.fullmatch(key):
        return _SLOTS["additionalimagelinks"]
    return None


def split_links(text: str) -> list[str]:
    """The addresses of a comma-separated list; a comma inside an address (picture servers use them) stays."""
    return [part for part in (piece.strip() for piece in re.split(r",(?=\s*(?:https?:|,|$))", text)) if part]


def _pictures(value: object) -> list[object]:
    """Addresses out of ``[{"url": ...}]`` (also as JSON in a cell), a list of addresses, or a comma-separated list."""
    if isinstance(value, str):
        if not value.startswith(("[", "{")):
            return list(split_links(value))
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return [value]
    entries: list[object] = value if isinstance(value, list) else [value]
    links = [entry.get("url", "") if isinstance(entry, Mapping) else entry for entry in entries]
    return [link for link in links if link not in (None, "")]


def with_currency(value: str, currency: str | None) -> str:
    """A price that names no currency, completed; whether it is a price at all is for others to say."""
    bare = 0 < len(value) <= 40 and not re.search("[A-Za-z]", value)
    return f"{value} {currency}" if bare and currency is not None else value


def _money(field: str, value: object, currency: str | None) -> object:
    if not isinstance(value, str):
        return "" if field == "salePrice" and value == 0 and not isinstance(value, bool) else value
    if field == "salePrice" and _NO_MONEY.fullmatch(value):
        return ""  # in a feed, a sale price of nothing ends the sale
    return with_currency(value, currency)


def _labels(value: object) -> object:
    if isinstance(value, str) and value.startswith("["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return [part.strip() for part in value.split(",")] if isinstance(value, str) and value else value


def trim_labels(labels: Mapping[int, str]) -> object:
    """Five numbered labels as a list without its empty end; ``""`` when all are empty."""
    texts = [labels.get(n, "") for n in range(5)]
    while texts and not texts[-1]:
        texts.pop()
    return texts or ""


def values_of(cells: Iterable[tuple[Slot, object]], currency: str | None) -> tuple[object, dict[str, object]]:
    """``(raw id, values under our names)`` of one record; of two columns for a field, the first filled one counts."""
    raw_id: object = None
    values: dict[str, object] = {}
    pictures: list[object] | None = None
    more: list[object] | None = None
    labels: dict[int, str] = {}
    for (role, field, position), value in cells:
        if isinstance(value, str):
            value = value.strip()
        match role:
            case Role.ID:
                raw_id = value if raw_id in (None, "") else raw_id
                continue
            case Role.IMAGES:
                pictures = (pictures or []) + _pictures(value)
                continue
            case Role.MORE_IMAGES:
                more = (more or []) + _pictures(value)
                continue
            case Role.LABEL:
                labels[position] = labels.get(position) or ("" if value is None else str(value))
                continue
            case Role.MONEY:
                value = _money(field, value, currency)
            case Role.LABELS:
                value = _labels(value)
            case Role.VISIBILITY:
                value = _VISIBILITY.get(value.lower(), value) if isinstance(value, str) else value
            case Role.ATTRIBUTES:
                if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
                    value = ",".join(value)
            case Role.FIELD:
                pass
        if values.get(field) in (None, ""):
            values[field] = value
    if labels:
        values["customLabels"] = trim_labels(labels)
    if pictures is not None and (pictures or "imageLink" not in values):
        # To Meta, `image` outranks image_link and additional_image_link; lone, it leaves the additional ones standing.
        values["imageLink"] = pictures[0] if pictures else ""
        if len(pictures) > 1 or more is None:
            more = pictures[1:]
    if more is not None:
        values["additionalImageLinks"] = list(dict.fromkeys(map(str, more))) or ""
    return raw_id, values
