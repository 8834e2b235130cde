"""What an offer has to look like.  A row that breaks a rule is not taken; the others are.

Source: promotions.md sections 11 to 13.  The rules are Meta's; nobody publishes the wording, so the texts are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox.errors import GraphError
from gateway.sandbox.filters import condition, read_rule
from gateway.sandbox.money import parse_price
from gateway.sandbox.params import read_json

FIELDS = (
    "offer_id title application_type value_type fixed_amount_off percent_off target_granularity target_type "
    "target_shipping_option_types target_selection target_filter target_product_retailer_ids "
    "target_product_group_retailer_ids target_product_set_retailer_ids prerequisite_filter "
    "prerequisite_product_retailer_ids prerequisite_product_group_retailer_ids prerequisite_product_set_retailer_ids "
    "min_quantity min_subtotal target_quantity redemption_limit_per_order redeem_limit_per_user coupon_codes "
    "public_coupon_code start_date_time end_date_time offer_terms exclude_sale_priced_products"
).split()
REQUIRED = (
    "offer_id", "application_type", "value_type", "target_granularity", "target_type", "target_selection",
    "start_date_time",
)  # fmt: skip
ENUMS = {
    "application_type": ("SALE", "AUTOMATIC_AT_CHECKOUT", "BUYER_APPLIED"),
    "value_type": ("FIXED_AMOUNT", "PERCENTAGE"),
    "target_granularity": ("ITEM_LEVEL", "ORDER_LEVEL"),
    "target_type": ("LINE_ITEM", "SHIPPING"),
    "target_selection": ("ALL_CATALOG_PRODUCTS", "SPECIFIC_PRODUCTS"),
    "exclude_sale_priced_products": ("YES", "NO"),
}
LISTS = [name for name in FIELDS if name.endswith(("_retailer_ids", "_types")) or name == "coupon_codes"]
NUMBERS = ("min_quantity", "target_quantity", "redemption_limit_per_order", "redeem_limit_per_user", "percent_off")
TARGETS = [name for name in FIELDS if name == "target_filter" or name.startswith("target_product")]
PREREQUISITES = [name for name in FIELDS if name.startswith("prerequisite_")]
SHIPPING_OPTIONS = ("STANDARD", "RUSH", "EXPEDITED")
MOST_CODES, LONGEST_PUBLIC_CODE, LONGEST_TERMS = 100, 20, 2500
MOST_PUBLIC, MOST_AUTOMATIC = 10, 25


def cleaned(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that say something; lists out of JSON arrays or of values between commas."""
    doc: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or value in ("", [], "[]", "null"):
            continue
        doc[name] = _list(value) if name in LISTS else value.strip() if isinstance(value, str) else value
    return doc


def _list(value: Any) -> list[str]:
    if isinstance(value, str):
        try:
            parsed = read_json(value)
        except ValueError:
            parsed = [part.strip() for part in value.split(",")]
        value = parsed if isinstance(parsed, list) else [parsed]
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]


def moment(value: Any) -> float | None:
    """Unix seconds or ISO 8601; None where it is neither."""
    text = str(value)
    if text.isdecimal():
        return float(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def problems(doc: Mapping[str, Any], now: float) -> list[str]:
    """Everything that is wrong with one offer."""
    found = [f"A required field is missing: {name}" for name in REQUIRED if name not in doc]
    found += [f"Invalid value for {name}" for name, known in ENUMS.items() if name in doc and doc[name] not in known]
    found += [f"Invalid value for {name}" for name in NUMBERS[:-1] if name in doc and _number(doc[name]) is None]
    if found:
        return found
    return [*_value(doc), *_targets(doc, now), *_shipping(doc), *_conditions(doc), *_coupons(doc), *_dates(doc)]


def _number(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and not isinstance(value, bool) else None


def _count(doc: Mapping[str, Any], name: str) -> int:
    return _number(doc.get(name, 0)) or 0


def _value(doc: Mapping[str, Any]) -> list[str]:
    names = ("percent_off", "fixed_amount_off")
    wanted, other = names if doc["value_type"] == "PERCENTAGE" else names[::-1]
    found = []
    if wanted not in doc or other in doc:
        found.append(f"{wanted} is required and {other} must be empty for {doc['value_type']}")
    percent = _number(doc.get("percent_off", 0))
    if percent is None or percent > 100:
        found.append("percent_off must be a whole number from 0 to 100")
    return found + [
        f"{name} must be an amount, a space and a currency code"
        for name in ("fixed_amount_off", "min_subtotal")
        if name in doc and parse_price(str(doc[name])) is None
    ]


def _targets(doc: Mapping[str, Any], now: float) -> list[str]:
    named = [name for name in TARGETS if name in doc]
    found = []
    if len(named) != (1 if doc["target_selection"] == "SPECIFIC_PRODUCTS" else 0):
        found.append("Exactly one target field is required for SPECIFIC_PRODUCTS, and none for ALL_CATALOG_PRODUCTS")
    if sum(name in doc for name in PREREQUISITES) > 1:
        found.append("Only one prerequisite field may be set")
    for name in ("target_filter", "prerequisite_filter"):
        if name in doc:
            try:
                condition(read_rule(doc[name]), now)
            except GraphError:
                found.append(f"Invalid value for {name}")
    return found


def _shipping(doc: Mapping[str, Any]) -> list[str]:
    options = doc.get("target_shipping_option_types") or []
    if any(option not in SHIPPING_OPTIONS for option in options):
        return ["Invalid value for target_shipping_option_types"]
    if doc["target_type"] != "SHIPPING":
        return []
    free = doc["value_type"] == "PERCENTAGE" and _number(doc.get("percent_off")) == 100
    if doc["target_granularity"] != "ITEM_LEVEL" or not free or not options:
        return ["Shipping offers must be item level, 100 percent, with shipping option types"]
    return []


def _conditions(doc: Mapping[str, Any]) -> list[str]:
    found = []
    has_quantity, has_subtotal = _count(doc, "min_quantity") > 0, "min_subtotal" in doc
    if has_quantity and has_subtotal:
        found.append("Set min_quantity or min_subtotal, not both")
    if doc["application_type"] == "SALE" and (has_quantity or has_subtotal or any(n in doc for n in PREREQUISITES)):
        found.append("A SALE has no prerequisites")
    targets = _count(doc, "target_quantity")
    if targets and not (has_quantity or has_subtotal):
        found.append("Incomplete Buy X Get Y offer: min_quantity or min_subtotal is required")
    if _count(doc, "redemption_limit_per_order") and not targets:
        found.append("Incomplete Buy X Get Y offer: redemption_limit_per_order needs target_quantity")
    return found


def _coupons(doc: Mapping[str, Any]) -> list[str]:
    codes, public = doc.get("coupon_codes") or [], doc.get("public_coupon_code")
    found = []
    applied = doc["application_type"] == "BUYER_APPLIED"
    if (bool(codes) + bool(public)) != (1 if applied else 0):
        found.append("Exactly one of coupon_codes and public_coupon_code is required for BUYER_APPLIED")
    if len(codes) > MOST_CODES:
        found.append("Too many coupon_codes")
    if public and len(str(public)) > LONGEST_PUBLIC_CODE:
        found.append("public_coupon_code is too long")
    if _count(doc, "redeem_limit_per_user") and not applied:
        found.append("redeem_limit_per_user: Only for BUYER_APPLIED")
    if len(str(doc.get("offer_terms", ""))) > LONGEST_TERMS:
        found.append("offer_terms is too long")
    return found


def _dates(doc: Mapping[str, Any]) -> list[str]:
    start = moment(doc["start_date_time"])
    end = moment(doc["end_date_time"]) if "end_date_time" in doc else None
    found = ["Invalid value for start_date_time"] if start is None else []
    if "end_date_time" in doc and end is None:
        found.append("Invalid value for end_date_time")
    if start is not None and end is not None and end <= start:
        found.append("end_date_time must be after start_date_time")
    return found


def is_active(doc: Mapping[str, Any], now: float) -> bool:
    start, end = moment(doc.get("start_date_time", "")), moment(doc.get("end_date_time", ""))
    return start is not None and start <= now and (end is None or end > now)


def describe(doc: Mapping[str, Any]) -> str:
    """The text Meta writes for buyers."""
    if doc["target_type"] == "SHIPPING":
        return "Free shipping"
    off = f"{doc['percent_off']}%" if doc["value_type"] == "PERCENTAGE" else str(doc["fixed_amount_off"])
    minimum = _count(doc, "min_quantity")
    if _count(doc, "target_quantity"):
        return f"Buy {minimum or doc.get('min_subtotal')}, get {doc['target_quantity']} at {off} off"
    return f"{off} off" + (f" when you buy {minimum}" if minimum else "")
