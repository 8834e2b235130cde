"""Items read and written one by one.

Source: catalog.md section 6; single-item calls have names and units of their own (section 10), which are turned into
the batch form here, because items are stored in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gateway.sandbox import error_texts, filters, ids, item_errors, item_rules, item_store, overrides, params
from gateway.sandbox import item_fields as names
from gateway.sandbox.commerce.catalogs import SCOPE, load_catalog
from gateway.sandbox.errors import GraphError, invalid
from gateway.sandbox.item_store import Item
from gateway.sandbox.money import CURRENCIES, display, from_hundredths, parse_price
from gateway.sandbox.paging import keyset
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Link, Node, NodeType, Reader, Rows, Schema, Window, Write
from gateway.sandbox.storage import one
from gateway.sandbox.usage import MANAGEMENT
from gateway.sandbox.world import World

SEARCH_PARAMS = ("filter", "error_priority", "error_type", "bulk_pagination", "return_only_approved_products")
MOST_ROWS = 1000
_WRITABLE = names.KNOWN | set(names.FROM_SINGLE) | set(names.SINGLE_ONLY)
_PLAIN = (
    "description short_description rich_text_description availability condition mobile_link brand gtin "
    "fb_product_category product_type color size material pattern gender age_group custom_label_0 custom_label_1 "
    "custom_label_2 custom_label_3 custom_label_4 expiration_date start_date launch_date origin_country importer_name "
    "importer_address manufacturer_info wa_compliance_category ordering_index vendor_id "
    "category_specific_fields marked_for_product_launch checkout_url commerce_tax_category return_policy_days "
    "live_special_price"
).split()


def load_item(world: World, node_id: str) -> Node | None:
    item = item_store.by_id(world, node_id)
    return None if item is None else item_store.node_of(item)


def of(read: Callable[[Item], Any]) -> Reader:
    """A reader over the stored item; empty values count as unset."""

    def reader(call: Call, node: Node, given: Params) -> Any:
        value = read(overrides.shown(call.world, node.doc["item"], call.params))
        return None if value in ("", []) else value

    return reader


def _field(name: str) -> Reader:
    return of(lambda item: item.fields.get(name))


def _price(name: str) -> Reader:
    return of(lambda item: display(str(item.fields.get(name) or "")))


def _currency(item: Item) -> str | None:
    parsed = parse_price(str(item.fields.get("price") or ""))
    return None if parsed is None else parsed[1]


def _sale_end(item: Item, index: int) -> str | None:
    ends = str(item.fields.get("sale_price_effective_date") or "").split("/")
    return ends[index] if len(ends) == 2 else None


def _visibility(item: Item) -> str:
    if item.fields.get("visibility"):
        return "published" if item.fields["visibility"] == "published" else "staging"
    return "staging" if item.fields.get("status") == "archived" else "published"


def _variant_attributes(item: Item) -> list[dict[str, str]]:
    given = item.fields.get("additional_variant_attribute") or []
    if isinstance(given, list):
        return [
            {"key": str(row.get("variant_label")), "value": str(row.get("variant_value"))}
            for row in given
            if isinstance(row, dict)
        ]
    pairs = [part.partition(":") for part in str(given).split(",") if ":" in part]
    return [{"key": key.strip(), "value": value.strip()} for key, _, value in pairs]


def _number_text(name: str) -> Reader:
    return of(lambda item: None if item.fields.get(name) is None else str(item.fields[name]))


def _group(call: Call, node: Node, given: Params) -> Link:
    group_id = node.doc["item"].group_id
    return Link(None if group_id is None else call.schema.types["ProductGroup"].load(call.world, group_id))


def _catalog(call: Call, node: Node, given: Params) -> Link:
    return Link(load_catalog(call.world, node.doc["item"].catalog), ("name",))


def _errors(call: Call, node: Node, given: Params) -> list[dict[str, Any]] | None:
    return item_errors.errors_of(node.doc["item"], call.now) or None


def _feed(call: Call, node: Node, given: Params) -> Link:
    item: Item = node.doc["item"]
    sql = "SELECT feed FROM feed_items WHERE catalog = ? AND retailer_id = ?"
    row = one(call.world.db, sql, item.catalog, item.retailer_id)
    return Link(None if row is None else call.schema.types["ProductFeed"].load(call.world, row["feed"]), ("name",))


def _capabilities(call: Call, node: Node, given: Params) -> list[dict[str, str]]:
    item: Item = node.doc["item"]
    state = item_store.review_status(item, call.now)
    rejected = item_errors.rejected_channels(item, call.now)
    return [
        {"key": channel, "value": "APPROVED" if state == "rejected" and channel not in rejected else state.upper()}
        for channel in item_errors.REVIEWED_CHANNELS
    ]


def item_readers() -> dict[str, Reader]:
    readers = {name: _field(name) for name in _PLAIN}
    readers |= {single: _field(batch) for single, batch in names.FROM_SINGLE.items()}
    readers |= {f"custom_number_{n}": _number_text(f"custom_number_{n}") for n in range(5)}
    return readers | {
        "retailer_id": of(lambda item: item.retailer_id),
        "price": _price("price"),
        "sale_price": _price("sale_price"),
        "currency": of(_currency),
        "sale_price_start_date": of(lambda item: _sale_end(item, 0)),
        "sale_price_end_date": of(lambda item: _sale_end(item, 1)),
        "quantity_to_sell_on_facebook": _field("quantity_to_sell_on_facebook"),
        "image_url": of(item_store.picture),
        "additional_image_urls": of(item_store.more_pictures),
        "videos": _field("video"),
        "tags": _field("internal_label"),
        "additional_variant_attributes": of(_variant_attributes),
        "capabilities_disabled_by_user": _field("disabled_capabilities"),
        "visibility": of(_visibility),
        "errors": _errors,
        "product_feed": _feed,
        "product_group": _group,
        "product_catalog": _catalog,
        "review_status": lambda call, node, given: item_store.review_status(node.doc["item"], call.now),
        "review_rejection_reasons": _field("_rejection_reasons"),
        "image_fetch_status": lambda call, node, given: item_store.fetch_status(node.doc["item"], call.now),
        "capability_to_review_status": _capabilities,
    }


def search(
    call: Call, conditions: list[str], values: list[Any], given: Params, window: Window, *, few: bool = False
) -> Rows:
    """Items that meet the conditions and the `filter` of the call, by rising id; *few*: the conditions name them."""
    wish = filters.read_rule(params.structure(given, "filter"))
    rule, arguments = filters.condition(wish, call.now)
    # The plus keeps SQLite from walking the whole catalog in order of id.
    key = "+id" if few or filters.names_few(wish) else "id"
    priorities = params.choices(given, "error_priority", error_texts.PRIORITIES)
    # The list of error types grows with every release: an unknown one finds nothing instead of being refused.
    kinds = [kind.upper() for kind in params.words(given, "error_type")]
    trouble = item_errors.condition(call.world, call.now, priorities, kinds)
    where, wanted = [*conditions, f"({rule})", trouble], [*values, *arguments]

    def total() -> int:
        row = one(call.world.db, f"SELECT COUNT(*) AS n FROM items WHERE {' AND '.join(where)}", *wanted)
        assert row is not None
        return int(row["n"])

    def build(row: Any) -> tuple[list[Any], Node]:
        return [row["id"]], item_store.node_of_row(row)

    found = keyset(call.world, "SELECT * FROM items", where, wanted, [(key, True)], window, build)
    return Rows(found, total)


def _of_catalog(call: Call, node: Node, given: Params, window: Window) -> Rows:
    return search(call, ["catalog = ?"], [node.id], given, window)


def single_document(given: Params, before: Item | None) -> dict[str, Any]:
    """The fields of a single-item call in batch form.

    Raises:
        GraphError: an amount that is no integer of hundredths, or no currency to go with it.
    """
    sent: dict[str, Any] = {}
    for name, value in given.items():
        if name in params.PLATFORM or name in ("price", "sale_price", *names.SINGLE_ONLY) or name not in _WRITABLE:
            continue
        batch_name = names.FROM_SINGLE.get(name, name)
        structured = isinstance(value, str) and value[:1] in "[{" and value
        sent[batch_name] = params.structure(given, name) if structured else params.unquoted(value)
    known = None if before is None else _currency(before)
    currency = (params.text(given, "currency") or known or "").upper()
    for name in names.PRICES:
        if not params.given(given, name):
            continue
        amount = str(params.unquoted(given[name]))
        if not re.fullmatch(r"\d+", amount):
            raise invalid(f"Param {name} must be an integer greater than or equal to 0")
        if currency not in CURRENCIES:
            raise invalid("Param currency must be a valid ISO 4217 currency code")
        sent[name] = from_hundredths(int(amount), currency) if int(amount) or name == "price" else ""
    starts, ends = (params.text(given, f"sale_price_{end}_date") for end in ("start", "end"))
    if starts and ends:
        sent["sale_price_effective_date"] = f"{starts}/{ends}"
    attributes = params.structure(given, "additional_variant_attributes")
    if isinstance(attributes, dict):
        sent["additional_variant_attribute"] = ",".join(f"{key}:{value}" for key, value in attributes.items())
    return sent


def write_item(call: Call, catalog: str, retailer_id: str, given: Params, before: Item | None) -> str:
    """Store one item at once; only images and review come later."""
    sent = single_document(given, before)
    problems = item_rules.errors_in(sent)
    if problems:
        raise invalid(problems[0])
    doc = item_rules.merged({} if before is None else before.fields, item_rules.stored(sent))
    problems = item_rules.errors_in(doc)
    if problems:
        raise invalid(problems[0])
    if before is None:
        doc = {"availability": "in stock", "condition": "new", "status": "active"} | doc
    old = {} if before is None else {retailer_id: before}
    item_store.save(call.world, catalog, {retailer_id: doc}, old, call.now)
    saved = item_store.by_retailer_id(call.world, catalog, retailer_id)
    assert saved is not None
    return saved.id


def create_item(call: Call, catalog: str, extra: Params) -> dict[str, Any]:
    """POST `products`: needs the names of the single-item form; an existing retailer id is updated unless refused."""
    given = call.params | extra
    for name in ("retailer_id", "name", "currency", "price", "image_url"):
        params.required_text(given, name)
    retailer_id = params.required_text(given, "retailer_id")
    before = item_store.by_retailer_id(call.world, catalog, retailer_id)
    if before is not None and not params.boolean(given, "allow_upsert", True):
        message = "(#10800) Duplicate retailer_id when attempting to create a product item."
        raise GraphError(10800, message, data={"product_item_id": before.id})
    return {"id": write_item(call, catalog, retailer_id, given, before)}


def _create(call: Call, node: Node) -> dict[str, Any]:
    return create_item(call, node.id, {})


def _update(call: Call, node: Node) -> dict[str, Any]:
    item: Item = node.doc["item"]
    given = {name: value for name, value in call.params.items() if name not in ("retailer_id", "allow_upsert")}
    write_item(call, item.catalog, item.retailer_id, given, item)
    return {"success": True}


def _delete(call: Call, node: Node) -> dict[str, Any]:
    item: Item = node.doc["item"]
    item_store.delete(call.world, item.catalog, [item.retailer_id])
    return {"success": True}


def install(schema: Schema) -> None:
    reads = ("catalog_id", "image_width", "image_height", "override_country", "override_language")
    item = NodeType("ProductItem", load_item, item_readers(), ("name", "retailer_id"), MANAGEMENT, SCOPE, reads)
    schema.add_type(ids.ITEM, item)
    writable = tuple(sorted(_WRITABLE))
    schema.add(
        Edge("ProductCatalog", "products", "ProductItem", _of_catalog, SEARCH_PARAMS, MOST_ROWS, SCOPE),
        Write("POST", "ProductCatalog", "products", _create, writable, SCOPE),
        Write("POST", "ProductItem", "", _update, writable, SCOPE),
        Write("DELETE", "ProductItem", "", _delete, (), SCOPE),
    )
