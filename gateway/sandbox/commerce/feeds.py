"""Feeds of a catalog: where the seller's files go.

Source: catalog.md section 9.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox import item_store, overrides, params
from gateway.sandbox.commerce import feed_errors, feed_rules, feed_schedules, feed_uploads
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.commerce.feed_files import DELIMITERS, ENCODINGS
from gateway.sandbox.commerce.feed_schedules import NAMES, REPLACE, UPDATE
from gateway.sandbox.commerce.products import MOST_ROWS, SEARCH_PARAMS, search
from gateway.sandbox.errors import invalid
from gateway.sandbox.money import CURRENCIES
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import (
    Call,
    Edge,
    Link,
    Node,
    NodeType,
    Reader,
    Rows,
    Schema,
    When,
    Window,
    Write,
    doc_fields,
)
from gateway.sandbox.storage import one
from gateway.sandbox.usage import MANAGEMENT
from gateway.sandbox.world import World

FEED = "41"
"""First digits of the ids of feeds."""
PRIMARY, SUPPLEMENTARY = SOURCES = ("PRIMARY_FEED", "SUPPLEMENTARY_FEED")
AUTODETECT = "AUTODETECT"
FEED_TYPES = (
    "ACTIVITY APP_AND_SOFTWARE ARTICLE_AND_PUBLICATION AUTOMOTIVE_MODEL COLLECTION DESTINATION FLIGHT HOME_LISTING "
    "HOTEL HOTEL_ROOM LOCAL_INVENTORY MEDIA_TITLE OFFER PRODUCTS PRODUCT_RATINGS_AND_REVIEWS SERVICE "
    "TRANSACTABLE_ITEMS VEHICLES VEHICLE_OFFER"
).split()
OVERRIDES = (
    *overrides.TYPES,
    "LOCAL",
    "VERSION",
    "CATALOG_SEGMENT_CUSTOMIZE_DEFAULT",
    "BATCH_API_LANGUAGE_OR_COUNTRY",
    "SMART_PIXEL_LANGUAGE_OR_COUNTRY",
)
_CHANGEABLE = (
    "name",
    "default_currency",
    "deletion_enabled",
    "delimiter",
    "encoding",
    "migrated_from_feed_id",
    "quoted_fields_mode",
    *NAMES,
)
_CREATABLE = (
    *_CHANGEABLE,
    *("country", "feed_type", "file_name", "ingestion_source_type", "primary_feed_ids", "override_type"),
    *("override_value", "selected_override_fields", "item_sub_type", "rules", "use_case", "update_only"),
)


def load_feed(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "feed")
    return None if doc is None else Node("ProductFeed", node_id, doc, doc["owner"], doc["owner"])


def _of_catalog(call: Call, node: Node, given: Params, window: Window) -> Rows:
    found = [load_feed(call.world, doc["id"]) for doc in call.world.nodes_of("feed", node.id)]
    return listed([feed for feed in found if feed is not None], window)


def _document(call: Call, catalog: str) -> dict[str, Any]:
    """The sent parameters that a feed keeps, checked."""
    given = call.params
    doc: dict[str, Any] = {}
    for name in ("name", "country", "file_name", "override_value", "item_sub_type", "use_case"):
        if params.given(given, name):
            doc[name] = params.text(given, name)
    enums = {
        "delimiter": (AUTODETECT, *DELIMITERS),
        "encoding": (AUTODETECT, *ENCODINGS),
        "quoted_fields_mode": ("AUTODETECT", "ON", "OFF"),
        "feed_type": FEED_TYPES,
        "ingestion_source_type": SOURCES,
        "override_type": OVERRIDES,
    }
    for name, allowed in enums.items():
        chosen = params.choices(given, name, allowed)
        if chosen:
            doc[name] = chosen[0]
    if params.given(given, "default_currency"):
        currency = str(params.text(given, "default_currency")).upper()
        if currency not in CURRENCIES:
            raise invalid("Param default_currency must be a valid ISO 4217 currency code")
        doc["default_currency"] = currency
    for name in ("deletion_enabled", "update_only"):
        if params.given(given, name):
            doc[name] = params.boolean(given, name, True)
    primary = params.words(given, "primary_feed_ids")
    former = params.text(given, "migrated_from_feed_id")
    for feed in [*primary, *([former] if former else [])]:
        found = load_feed(call.world, feed)
        if found is None or found.asset != catalog:
            raise invalid(f"There is no feed {feed} in this catalog")
    if primary:
        doc["primary_feed_ids"] = primary
    if former:
        doc["migrated_from_feed_id"] = former
    if params.given(given, "selected_override_fields"):
        doc["selected_override_fields"] = params.words(given, "selected_override_fields")
    return doc


def _create(call: Call, node: Node) -> dict[str, Any]:
    doc = _document(call, node.id)
    schedules = {name: feed_schedules.read(call.params, name) for name in NAMES}
    if doc.get("ingestion_source_type") == SUPPLEMENTARY and not doc.get("primary_feed_ids"):
        raise invalid("The parameter primary_feed_ids is required for a supplementary feed")
    name = doc.get("name") or doc.get("file_name") or "Feed"
    # `name` overrides `file_name`; asked for, both are the same.
    standard = {
        "country": "US",
        "default_currency": "USD",
        "deletion_enabled": True,
        "delimiter": AUTODETECT,
        "encoding": AUTODETECT,
        "quoted_fields_mode": "AUTODETECT",
        "feed_type": "PRODUCTS",
        "ingestion_source_type": PRIMARY,
    }
    feed = call.world.new_id(FEED)
    call.world.add_node(feed, "feed", node.id, standard | doc | {"name": name, "file_name": name})
    for use, schedule in schedules.items():
        if schedule is not None:
            feed_schedules.attach(call.world, feed, node.id, use, schedule)
    return {"id": feed}


def _update(call: Call, node: Node) -> dict[str, Any]:
    given = {name: value for name, value in call.params.items() if name in _CHANGEABLE}
    doc = _document(call.with_params(given), node.asset)
    if node.doc["deletion_enabled"] and doc.get("deletion_enabled") is False:
        raise invalid("Param deletion_enabled cannot be switched off once it is on")
    schedules = {name: feed_schedules.read(given, name) for name in NAMES}
    if doc:
        call.world.change_node(node.id, **doc)
    for use, schedule in schedules.items():
        if schedule is not None:
            feed_schedules.attach(call.world, node.id, node.asset, use, schedule)
    return {"success": True}


def _delete(call: Call, node: Node) -> dict[str, Any]:
    """The items of a feed leave the catalog with it."""
    world = call.world
    own = world.db.execute("SELECT retailer_id FROM feed_items WHERE feed = ?", (node.id,)).fetchall()
    item_store.delete(world, node.asset, [row["retailer_id"] for row in own])
    for use in NAMES:
        feed_schedules.attach(world, node.id, node.asset, use, {})
    for upload in world.nodes_of("upload", node.id):
        feed_errors.dropped(world, upload["id"])
        world.drop_node(upload["id"])
    for rule in world.nodes_of("feed_rule", node.id):
        world.drop_node(rule["id"])
    world.drop_node(node.id)
    return {"success": True}


def _items(call: Call, node: Node, given: Params, window: Window) -> Rows:
    own = "retailer_id IN (SELECT retailer_id FROM feed_items WHERE feed = ?)"
    return search(call, ["catalog = ?", own], [node.asset, node.id], given, window)


def _count(call: Call, node: Node, given: Params) -> int:
    row = one(call.world.db, "SELECT COUNT(*) AS n FROM feed_items WHERE feed = ?", node.id)
    assert row is not None
    return int(row["n"])


def _associate(call: Call, node: Node) -> dict[str, Any]:
    """Feeds named in `assoc_data` become supplementary ones of this feed."""
    rows = params.objects(call.params, "assoc_data")
    if not rows:
        raise invalid("The parameter assoc_data is required")
    for row in rows:
        feed = load_feed(call.world, str(row.get("feed_id") or row.get("supplementary_feed_id") or ""))
        if feed is None or feed.asset != node.asset or feed.id == node.id:
            raise invalid("Param assoc_data must name another feed of this catalog in every element")
        primary = [*feed.doc.get("primary_feed_ids", []), node.id]
        changes = {"primary_feed_ids": list(dict.fromkeys(primary)), "ingestion_source_type": SUPPLEMENTARY}
        call.world.change_node(feed.id, **changes)
    return {"success": True}


def _supplementary(call: Call, node: Node, given: Params) -> list[str] | None:
    feeds = call.world.nodes_of("feed", node.asset)
    return [feed["id"] for feed in feeds if node.id in feed.get("primary_feed_ids", [])] or None


def _schedule(use: str) -> Reader:
    shown = (
        "interval",
        "url",
        "hour",
        "minute",
        "interval_count",
        "day_of_week",
        "day_of_month",
        "timezone",
        "username",
    )
    return lambda call, node, given: Link(feed_schedules.of_feed(call.world, node.id, use), shown)


def install(schema: Schema) -> None:
    plain = "name file_name country default_currency deletion_enabled delimiter encoding item_sub_type"
    plain += " migrated_from_feed_id override_type quoted_fields_mode"
    fields = doc_fields(plain) | {
        "created_time": lambda call, node, given: When(node.doc["created"]),
        "ingestion_source_type": lambda call, node, given: node.doc["ingestion_source_type"].lower(),
        "latest_upload": lambda call, node, given: Link(
            feed_uploads.latest(call.world, node.id), ("start_time", "end_time")
        ),
        "primary_feeds": lambda call, node, given: node.doc.get("primary_feed_ids"),
        "supplementary_feeds": _supplementary,
        "product_count": _count,
        "schedule": _schedule(REPLACE),
        "update_schedule": _schedule(UPDATE),
    }
    feed = NodeType("ProductFeed", load_feed, fields, ("name", "file_name"), MANAGEMENT, SCOPE)
    schema.add_type(FEED, feed)
    schema.add(
        Edge("ProductCatalog", "product_feeds", "ProductFeed", _of_catalog, scope=SCOPE),
        Write("POST", "ProductCatalog", "product_feeds", _create, _CREATABLE, SCOPE),
        Write("POST", "ProductFeed", "", _update, _CHANGEABLE, SCOPE),
        Write("DELETE", "ProductFeed", "", _delete, (), SCOPE),
        Edge("ProductFeed", "products", "ProductItem", _items, SEARCH_PARAMS, MOST_ROWS, SCOPE),
        Write("POST", "ProductFeed", "supplementary_feed_assocs", _associate, ("assoc_data",), SCOPE),
    )
    for family in (feed_uploads, feed_errors, feed_rules, feed_schedules):
        family.install(schema)
