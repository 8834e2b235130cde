"""Values of an item for one language or country, beside its own.

Source: catalog.md section 5.  An override belongs to the item with that seller id and goes with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gateway.sandbox import params
from gateway.sandbox.item_rules import merged
from gateway.sandbox.item_store import Item
from gateway.sandbox.world import World

LANGUAGE, COUNTRY, BOTH = TYPES = ("LANGUAGE", "COUNTRY", "LANGUAGE_AND_COUNTRY")
COUNTRY_ONLY = "price sale_price sale_price_effective_date unit_price base_price status visibility availability".split()
FIELDS = frozenset(
    "title description availability link brand price sale_price sale_price_effective_date color size material pattern "
    "custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4 short_description "
    "additional_variant_attribute applink image unit_price status visibility".split()
)
Key = tuple[str, str]


def get(world: World, catalog: str, retailer_id: str) -> dict[Key, dict[str, Any]]:
    sql = "SELECT * FROM overrides WHERE catalog = ? AND retailer_id = ? ORDER BY type, value"
    rows = world.db.execute(sql, (catalog, retailer_id))
    return {(row["type"], row["value"]): json.loads(row["doc"]) for row in rows}


def put(world: World, catalog: str, retailer_id: str, key: Key, change: Mapping[str, Any]) -> None:
    """A partial update of one override."""
    doc = merged(get(world, catalog, retailer_id).get(key, {}), change)
    world.db.execute(
        "INSERT OR REPLACE INTO overrides VALUES (?, ?, ?, ?, ?)", (catalog, retailer_id, *key, json.dumps(doc))
    )


def drop(world: World, catalog: str, retailer_id: str, key: Key) -> None:
    sql = "DELETE FROM overrides WHERE catalog = ? AND retailer_id = ? AND type = ? AND value = ?"
    world.db.execute(sql, (catalog, retailer_id, *key))


def key_of(kind: str, value: str) -> Key | None:
    """A localization in one spelling, or None where it makes no sense."""
    kind, value = kind.upper(), value.strip()
    if kind not in TYPES or not value:
        return None
    language, mark, country = value.partition("|")
    if (mark == "|") != (kind == BOTH):
        return None
    if kind == COUNTRY:
        return (kind, value.upper()) if _is_country(value) else None
    if not _is_language(language):
        return None
    if kind == LANGUAGE:
        return kind, language
    return (kind, f"{language}|{country.upper()}") if _is_country(country) else None


def _is_country(value: str) -> bool:
    return len(value) == 2 and value.isascii() and value.isalpha()


def _is_language(value: str) -> bool:
    language, mark, region = value.partition("_")
    good = len(language) in (2, 3) and language.isascii() and language.isalpha()
    return good and (not mark or (2 <= len(region) <= 4 and region.isalnum()))


def shown(world: World, item: Item, given: Mapping[str, Any]) -> Item:
    """The item as `override_language` and `override_country` ask to see it: the narrower override wins."""
    language, country = (params.text(given, f"override_{kind}") for kind in ("language", "country"))
    if not language and not country:
        return item
    wanted: Iterable[Key | None] = (
        (LANGUAGE, language or ""),
        (COUNTRY, (country or "").upper()),
        (BOTH, f"{language}|{(country or '').upper()}"),
    )
    stored = get(world, item.catalog, item.retailer_id)
    fields = dict(item.fields)
    for key in wanted:
        fields |= stored.get(key, {}) if key is not None else {}
    return replace(item, fields=fields)
