"""What Meta finds wrong with an item that it has taken: read from the item's state each time it is asked.

Source: diagnostics.md sections 2, 3 and 11.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from gateway.sandbox.error_texts import ALL
from gateway.sandbox.item_store import Item, failure_of, review_status
from gateway.sandbox.money import parse_price
from gateway.sandbox.world import World

POLICY = {
    "shops": "SHOPS_POLICY_VIOLATION",
    "da": "DA_POLICY_VIOLATION",
    "whatsapp": "WHATSAPP_POLICY_VIOLATION",
    "marketplace": "MARKETPLACE_PARTNER_POLICY_VIOLATION",
}
REVIEWED_CHANNELS = ("shops", "marketplace", "da", "whatsapp", "ig_product_tagging")
"""Channels that an item is reviewed for; a rejection concerns all of them unless it names some."""
PICTURE_FAILURES = {
    "forbidden": "IMAGE_FETCH_FAILED_FORBIDDEN",
    "broken": "IMAGE_FETCH_FAILED_LINK_BROKEN",
    "bad_gateway": "IMAGE_FETCH_FAILED_BAD_GATEWAY",
    "timed_out": "IMAGE_FETCH_FAILED_TIMED_OUT",
    "too_big": "IMAGE_FETCH_FAILED_FILE_SIZE_EXCEEDED",
    "failed": "IMAGE_FETCH_FAILED",
    "low_resolution": "IMAGE_RESOLUTION_LOW",
}
_WORN = frozenset(("166", "187", "1604"))
"""Google's numbers for apparel, shoes and clothing."""
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_DISABLED = {
    "da": "DA_DISABLED_BY_USER",
    "groups": "GROUPS_DISABLED_BY_USER",
    "marketplace": "MARKETPLACE_DISABLED_BY_USER",
    "mini_shops": "MINI_SHOPS_DISABLED_BY_USER",
    "whatsapp": "WHATSAPP_DISABLED_BY_USER",
    "buy_on_facebook": "CHECKOUT_DISABLED_BY_USER",
}


def errors_of(item: Item, now: float) -> list[dict[str, Any]]:
    """The item's `errors`, in Meta's words."""
    return [dict(ALL[kind]) for kind in types_of(item, now)]


def types_of(item: Item, now: float) -> list[str]:
    """The kinds of trouble an item has, the worst first."""
    doc = item.fields
    found = [*_picture(item, now), *_policy(item, now), *_money(doc), *_stock(doc), *_missing(doc), *_wording(doc)]
    ends = str(doc.get("expiration_date") or "")
    if ends and ends < datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d"):
        found.append("PRODUCT_EXPIRED")
    if doc.get("status") == "archived" or doc.get("visibility") in ("hidden", "staging"):
        found.append("PRODUCT_ITEM_NOT_VISIBLE")
    disabled = doc.get("disabled_capabilities")
    if isinstance(disabled, list):
        found += [_DISABLED[name] for name in disabled if isinstance(name, str) and name in _DISABLED]
    return found


def _picture(item: Item, now: float) -> list[str]:
    failure = failure_of(item) if item.fetched_at <= now else None
    return [] if failure is None else [PICTURE_FAILURES[failure]]


def rejected_channels(item: Item, now: float) -> list[str]:
    """The channels whose reviewer refused the item."""
    if review_status(item, now) != "rejected":
        return []
    named = item.fields.get("_rejected_channels")
    return list(named) if isinstance(named, list) and named else list(REVIEWED_CHANNELS)


def _policy(item: Item, now: float) -> list[str]:
    channels = rejected_channels(item, now)
    if "_rejected_channels" not in item.fields:
        return ["SHOPS_POLICY_VIOLATION"] if channels else []
    return [kind for channel, kind in POLICY.items() if channel in channels] or ["PRODUCT_NOT_APPROVED"]


def _money(doc: Mapping[str, Any]) -> list[str]:
    price, sale = (parse_price(str(doc.get(name) or "")) for name in ("price", "sale_price"))
    found = []
    if price is not None and price[0] <= 0:
        found.append("ITEM_PRICE_NOT_POSITIVE")
    if price is not None and sale is not None and sale[0] >= price[0]:
        found.append("INVALID_SALE_PRICE")
    return found


def _stock(doc: Mapping[str, Any]) -> list[str]:
    availability = doc.get("availability")
    if doc.get("quantity_to_sell_on_facebook") == 0 and availability == "in stock":
        return ["INVENTORY_ZERO_AVAILABILITY_IN_STOCK"]
    return ["PRODUCT_OUT_OF_STOCK"] if availability == "out of stock" else []


def _missing(doc: Mapping[str, Any]) -> list[str]:
    found = []
    if not doc.get("description"):
        found.append("EMPTY_DESCRIPTION")
    if not doc.get("link"):
        found.append("EMPTY_PRODUCT_URL")
    if not (doc.get("brand") or doc.get("gtin") or doc.get("mpn")):
        found.append("UNIQUE_PRODUCT_IDENTIFIER_MISSING")
    category = str(doc.get("google_product_category") or doc.get("fb_product_category") or "").lower()
    if not category:
        found.append("PROPERTY_VALUE_MISSING_WARNING")
    if category in _WORN or "clothing" in category or "shoes" in category:
        found += [kind for name, kind in (("size", "MISSING_SIZE"), ("color", "MISSING_COLOR")) if not doc.get(name)]
    return found


def _wording(doc: Mapping[str, Any]) -> list[str]:
    title, description = str(doc.get("title") or ""), str(doc.get("description") or "")
    found = []
    if _TAG.search(description):
        found.append("PROPERTY_VALUE_CONTAINS_HTML_TAGS")
    if any(len(text) > 3 and text.isupper() for text in (title, description)):
        found.append("PROPERTY_VALUE_UPPERCASE_WARNING")
    return found


def condition(world: World, now: float, priorities: list[str], kinds: list[str]) -> str:
    """SQL for "has an error of one of these": SQLite asks back for each row that it looks at."""
    if not priorities and not kinds:
        return "1"
    wanted = {
        kind
        for kind, row in ALL.items()
        if (not priorities or row["error_priority"] in priorities) and (not kinds or kind in kinds)
    }
    # Its own name for each wish: one answer may hold searches inside each other.
    name = "item_has_" + hashlib.sha256(" ".join(sorted(wanted)).encode()).hexdigest()[:16]
    world.db.create_function(name, 4, partial(_has, wanted, now))
    return f"{name}(doc, fetched_at, reviewed_at, verdict)"


def _has(wanted: set[str], now: float, doc: str, fetched_at: float, reviewed_at: float, verdict: str) -> int:
    item = Item("", "", "", None, json.loads(doc), 0, 0, fetched_at, reviewed_at, verdict)
    return int(not wanted.isdisjoint(types_of(item, now)))
