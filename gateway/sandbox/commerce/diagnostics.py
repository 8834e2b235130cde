"""What keeps a catalog from selling, summed up; and the list of all item errors that there are.

Source: diagnostics.md sections 1, 2 and 11.  Groups are made from the items' errors whenever somebody reads them.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from gateway.sandbox import item_errors, params
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.error_texts import ALL, HIGH
from gateway.sandbox.errors import missing_permission
from gateway.sandbox.item_store import Item, node_of_row
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Node, PlainEdge, Root, Schema

SAMPLES = 10
MUST_FIX, OPPORTUNITY = SEVERITIES = ("MUST_FIX", "OPPORTUNITY")
CHANNELS = (
    "b2c_marketplace c2c_marketplace da daily_deals daily_deals_legacy ig_product_tagging marketplace "
    "marketplace_ads_deprecated marketplace_shops mini_shops offline_conversions shops universal_checkout whatsapp"
).split()
ENTITIES = ("product_item", "product_catalog", "product_set", "product_event")
FEATURES = ("checkout", "augmented_reality")
MISSING, INVALID, IMAGES = "ATTRIBUTES_MISSING", "ATTRIBUTES_INVALID", "IMAGE_QUALITY"
WORDS, CATEGORY, CHECKOUT = "LOW_QUALITY_TITLE_AND_DESCRIPTION", "CATEGORY", "CHECKOUT"
POLICY, SHOPS, ADS = "POLICY_VIOLATION", "SHOPS_VISIBILITY_ISSUES", "DA_VISIBILITY_ISSUES"
MODELS, EVENTS = "AR_VISIBILITY_ISSUES", "EVENT_SOURCE_ISSUES"
TYPES = (MODELS, INVALID, MISSING, CATEGORY, CHECKOUT, ADS, EVENTS, IMAGES, WORDS, POLICY, SHOPS)
GOOD_RATE = 0.9
NOT_CONNECTED, UNMATCHED = "CATALOG_NOT_CONNECTED_TO_EVENT_SOURCE", "UNMATCHED_EVENTS"
ACTION_URI = "https://business.facebook.com/commerce/catalogs"
_GROUP_OF = (
    (POLICY, ("_POLICY_VIOLATION", "PRODUCT_NOT_APPROVED")),
    (IMAGES, ("IMAGE_", "_IMAGE", "_IMAGES")),
    (CHECKOUT, ("INVENTORY_", "_SHIPPING", "_TAX_", "CHECKOUT")),
    (WORDS, ("UPPERCASE", "HTML_TAGS", "DUPLICATE")),
    (ADS, ("PRODUCT_OUT_OF_STOCK", "DA_DISABLED")),
    (SHOPS, ("NOT_VISIBLE", "PRODUCT_EXPIRED", "DISABLED_BY_USER")),
    (MISSING, ("EMPTY_", "MISSING", "IDENTIFIER")),
)
_TITLES = {
    MISSING: ("Details are missing", "Add them so that these items can be shown."),
    INVALID: ("Some values are wrong", "Correct them so that these items can be shown."),
    IMAGES: ("Pictures need attention", "Items sell better with good pictures."),
    WORDS: ("Texts could be better", "Clear titles and descriptions help buyers."),
    CATEGORY: ("Categories need attention", "Choose a category that is supported."),
    CHECKOUT: ("Items cannot be bought", "Complete what checkout needs."),
    POLICY: ("Items break a policy", "Change or remove them, or ask for a review."),
    SHOPS: ("Items are hidden in your shop", "See whether that is what you want."),
    ADS: ("Items are not used in ads", "See whether that is what you want."),
    MODELS: ("Models are not shown", "Upload them again."),
    EVENTS: ("Events do not match the catalog", "Ads need events with the ids of your items."),
}
_REACH = {POLICY: CHANNELS, ADS: ["da"], EVENTS: ["da"], CHECKOUT: ["shops", "universal_checkout"]}
_MEASURED = (
    ("affected_channels", CHANNELS),
    ("affected_entities", ENTITIES),
    ("affected_features", FEATURES),
    ("severities", SEVERITIES),
    ("types", TYPES),
)


def group_of(kind: str) -> str:
    """The group that an item error is shown in."""
    for group, parts in _GROUP_OF:
        if any(part in kind for part in parts):
            return group
    return INVALID


def _diagnostics(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    wanted = {name: params.choices(given, name, allowed) for name, allowed in _MEASURED}
    groups = [*_item_groups(call, node.id), *_event_groups(call, node), *_scripted(call, node.id)]
    return [group for group in groups if _fits(group, wanted)]


def _fits(group: dict[str, Any], wanted: dict[str, list[str]]) -> bool:
    """All parameters have to agree; of one parameter's values, any."""
    facts = {
        "affected_channels": group.get("affected_channels", []),
        "affected_entities": [group.get("affected_entity")],
        "affected_features": group.get("affected_features", []),
        "severities": [group.get("severity")],
        "types": [group.get("type")],
    }
    return all(not values or any(value in facts[name] for value in values) for name, values in wanted.items())


def _item_groups(call: Call, catalog: str) -> Iterable[dict[str, Any]]:
    times: Counter[str] = Counter()
    samples: dict[str, list[dict[str, str]]] = defaultdict(list)
    touched: Counter[str] = Counter()
    for row in call.world.db.execute("SELECT * FROM items WHERE catalog = ? ORDER BY id", (catalog,)):
        item: Item = node_of_row(row).doc["item"]
        kinds = item_errors.types_of(item, call.now)
        times.update(kinds)
        touched.update({group_of(kind) for kind in kinds})
        for kind in kinds:
            if len(samples[kind]) < SAMPLES:
                samples[kind].append({"id": item.id})
    for group in TYPES:
        kinds = [kind for kind, _ in times.most_common() if group_of(kind) == group]
        if kinds:
            issues = [_issue(kind, times[kind], samples[kind]) for kind in kinds]
            yield _group(group, kinds, issues, touched[group], "product_item")


def _issue(kind: str, count: int, samples: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    text = ALL[kind]
    return {
        "type": kind,
        "description": f"{count} {'item' if count == 1 else 'items'}: {text['title']}",
        "call_to_action": text["call_to_action"],
        "action_uri": ACTION_URI,
        "details": text["description"],
        "instructions": [text["call_to_action"]],
        "error_code": 1_989_001 + sorted(ALL).index(kind),
        "number_of_affected_items": count,
        "sample_affected_items": samples,
    } | more


def _group(group: str, kinds: list[str], issues: list[dict[str, Any]], count: int, entity: str) -> dict[str, Any]:
    title, subtitle = _TITLES[group]
    urgent = any(ALL[kind]["error_priority"] == HIGH for kind in kinds)
    return {
        "type": group,
        "severity": MUST_FIX if urgent else OPPORTUNITY,
        "title": title,
        "subtitle": subtitle,
        "affected_channels": list(_REACH.get(group, ["shops", "da"])),
        "affected_entity": entity,
        "affected_features": {CHECKOUT: ["checkout"], MODELS: ["augmented_reality"]}.get(group, []),
        "error_code": 3_379_001 + TYPES.index(group),
        "number_of_affected_items": count,
        "number_of_affected_entities": count,
        "diagnostics": issues,
    }


def _event_groups(call: Call, node: Node) -> Iterable[dict[str, Any]]:
    """A catalog without a pixel, or one whose events speak of other items."""
    if not node.doc.get("event_sources"):
        yield _group(EVENTS, [NOT_CONNECTED], [_issue(NOT_CONNECTED, 0, [])], 0, "product_catalog")
        return
    edge = call.schema.edges.get(("ProductCatalog", "event_stats"))
    rows = edge.rows(call, node, {}) if isinstance(edge, PlainEdge) else []
    issues = []
    for source, event in dict.fromkeys((row["event_source"]["id"], row["event"]) for row in rows):
        own = [row for row in rows if (row["event_source"]["id"], row["event"]) == (source, event)]
        good, bad = (sum(row[f"total_{kind}_content_ids"] for row in own) for kind in ("matched", "unmatched"))
        if bad and good / (good + bad) < GOOD_RATE:
            unique = sum(row["unique_unmatched_content_ids"] for row in own)
            more = {"event_source_id": int(source), "event_source_type": "Pixel", "event_name": event}
            issues.append(_issue(UNMATCHED, unique, [], **more))
    if issues:
        count = sum(issue["number_of_affected_items"] for issue in issues)
        yield _group(EVENTS, [UNMATCHED], issues, count, "product_event")


def _scripted(call: Call, catalog: str) -> Iterable[dict[str, Any]]:
    sql = "SELECT doc FROM catalog_notes WHERE catalog = ? AND kind = 'diagnostic' ORDER BY key"
    return [json.loads(row["doc"]) for row in call.world.db.execute(sql, (catalog,))]


def _all_errors(call: Call) -> dict[str, Any]:
    if not call.token.may(SCOPE):
        raise missing_permission(SCOPE)
    return {"all": list(ALL.values())}


def install(schema: Schema) -> None:
    names = tuple(name for name, _ in _MEASURED)
    schema.add(
        PlainEdge("ProductCatalog", "diagnostics", _diagnostics, names, SCOPE),
        Root("GET", "catalog_all_errors", _all_errors),
    )
