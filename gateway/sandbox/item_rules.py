"""What Meta checks about an item, and in which words it complains.

Each message is a published title followed by advice (catalog.md sections 3 and 14).  An error keeps the record out, a
warning lets it in, maybe without the field it is about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from gateway.sandbox import item_fields as names
from gateway.sandbox.money import is_bare_amount, parse_price

_GTIN = re.compile(r"\d{8}|\d{12,14}")


def missing(fields: Mapping[str, Any]) -> list[str]:
    """Complaints about what a new item has to bring."""
    found = []
    for name in names.REQUIRED:
        if not _has(fields, name):
            if name == "description":
                found.append("Descriptions are missing: Every item needs a description.")
            else:
                found.append(f"A required field is missing: Give a value for {name}.")
    if not any(_has(fields, name) for name in names.PICTURES):
        found.append("A required field is missing: Give a value for image_link or image.")
    if not any(_has(fields, name) for name in names.IDENTIFIERS):
        found.append("A required field is missing: Give a value for brand, gtin or mpn.")
    return found


def _has(fields: Mapping[str, Any], name: str) -> bool:
    return fields.get(name) not in (None, "", [])


def errors_in(fields: Mapping[str, Any]) -> list[str]:
    """Complaints about values that cannot be stored."""
    found: list[str] = []
    for name in names.PRICES:
        found += _price_errors(name, fields.get(name))
    for name in names.URLS:
        value = fields.get(name)
        if value not in (None, "") and not is_url(value):
            found.append(f"URL Incorrectly Formatted: The value of {name} is not a complete http(s) address.")
    for name, allowed in names.ENUMS.items():
        value = fields.get(name)
        if value not in (None, "") and str(value).lower() not in allowed:
            found.append(f"Invalid value: {name} has to be one of: {', '.join(allowed)}.")
    for name in names.WHOLE_NUMBERS:
        value = fields.get(name)
        if value not in (None, "") and not is_whole(value):
            found.append(f"Invalid value: {name} has to be a whole number that is not negative.")
    for name in names.LISTS:
        value = fields.get(name)
        if value is not None and not isinstance(value, list) and name in ("image", "video"):
            found.append(f"Invalid value: {name} has to be a list.")
    found += _image_errors(fields.get("image"))
    found += _sale_errors(fields)
    if len(str(fields.get("item_group_id") or "")) > names.LONGEST_ID:
        found.append("Invalid value: item_group_id may have at most 100 characters.")
    return found


def _price_errors(name: str, value: Any) -> list[str]:
    if value is None or (name == "sale_price" and str(value) in ("", "0")):
        return []
    if value == "":
        return [f"A required field is missing: Give a value for {name}."]
    if not isinstance(value, str) or is_bare_amount(value):
        return [f"Price Without Currency for Property: {name}. Write a price like 9.99 USD."]
    if parse_price(value) is None:
        return [f"Invalid value: {name} has to be an amount, a space and a currency code, like 9.99 USD."]
    return []


def _image_errors(images: Any) -> list[str]:
    if not isinstance(images, list):
        return []
    found = []
    if len(images) > names.MOST_IMAGES:
        found.append(f"Invalid value: image may hold at most {names.MOST_IMAGES} entries.")
    if not all(isinstance(image, dict) and is_url(image.get("url")) for image in images):
        found.append("URL Incorrectly Formatted: Every entry of image needs a complete http(s) url.")
    return found


def _sale_errors(fields: Mapping[str, Any]) -> list[str]:
    found = []
    period = fields.get("sale_price_effective_date")
    if period not in (None, ""):
        ends = str(period).split("/")
        try:
            times = [datetime.fromisoformat(end) for end in ends]
            fits = len(times) == 2 and times[0] <= times[1]
        except (ValueError, TypeError):
            fits = False
        if not fits:
            found.append("Invalid value: sale_price_effective_date has to be start/end in ISO 8601.")
    regular, sale = (parse_price(str(fields.get(name) or "")) for name in names.PRICES)
    if regular and sale and sale[1] != regular[1]:
        found.append("Invalid value: sale_price has another currency than price.")
    elif regular and sale and sale[0] > regular[0]:
        found.append("Invalid value: sale_price is above price.")
    return found


def warnings_in(sent: Mapping[str, Any], is_new: bool) -> list[str]:
    """Complaints that do not keep the item out."""
    found = []
    for name, (advised, _) in names.LONGEST.items():
        value = sent.get(name)
        if isinstance(value, str) and len(value) > advised:
            found.append(f"Value is too long: {name} should have at most {advised} characters.")
    gtin = str(sent.get("gtin") or "")
    if gtin and not _GTIN.fullmatch(gtin):
        found.append("GTIN is incorrectly formatted: Give 8, 12, 13 or 14 digits without dashes.")
    if is_new and not (_has(sent, "google_product_category") or _has(sent, "fb_product_category")):
        found.append(
            "These fields have missing information: Make items easier to discover by providing "
            "google_product_category information."
        )
    return found


def unrecognised(retailer_id: str, data: Mapping[str, Any]) -> list[str]:
    return [
        f"Unrecognised field: A request for item {retailer_id} contains unrecognised field: '{name}'"
        for name in data
        if name not in names.KNOWN
    ]


def stored(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are kept: known fields, enums in lower case, long texts cut, numbers as numbers."""
    kept: dict[str, Any] = {}
    for given, value in sent.items():
        name = {"inventory": "quantity_to_sell_on_facebook", "product_tags": "internal_label"}.get(given, given)
        if name not in names.KNOWN or name == "id" or value is None:
            continue
        if name in names.ENUMS and isinstance(value, str):
            kept[name] = value.lower()
        elif name in names.WHOLE_NUMBERS and value != "":
            kept[name] = int(value)
        elif name in names.LONGEST and isinstance(value, str):
            kept[name] = value[: names.LONGEST[name][1]]
        elif name == "internal_label":
            labels = value if isinstance(value, list) else str(value).split(",")
            kept[name] = [str(label).strip().lower() for label in labels if str(label).strip()]
        elif name in ("item_group_id", "google_product_category", "fb_product_category"):
            kept[name] = str(value)
        else:
            kept[name] = value
    return kept


def merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A partial update: sent fields replace, an empty text clears, the rest stays."""
    after = {**before, **change}
    if after.get("sale_price") in (0, "0"):
        after["sale_price"] = ""
    return {name: value for name, value in after.items() if value != ""}


def is_url(value: Any) -> bool:
    if not isinstance(value, str) or any(char.isspace() for char in value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def is_whole(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) and value >= 0 if not isinstance(value, str) else value.isdecimal()
