"""Catalogs, and the batches that are written into them.

Source: catalog.md sections 1 to 3.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox import catalog_batches, ids, item_store, params
from gateway.sandbox.commerce.accounts import load_account, load_business
from gateway.sandbox.errors import GraphError, invalid, missing_parameter
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Link, Node, NodeType, PlainEdge, Rows, Schema, Window, Write, doc_fields
from gateway.sandbox.usage import BATCH, MANAGEMENT
from gateway.sandbox.world import World

SCOPE = "catalog_management"
MOST_RECORDS = 5000
MOST_BYTES = 28 * 1024 * 1024
_BELOW = (
    "WITH RECURSIVE below (id) AS (SELECT id FROM nodes WHERE owner = ? "
    "UNION SELECT nodes.id FROM nodes JOIN below ON nodes.owner = below.id) SELECT id FROM below"
)
UPDATED = ("name", "default_image_url", "fallback_image_url")
VERTICALS = (
    "adoptable_pets apps_and_software articles_and_publications commerce destinations flights generic home_listings "
    "hotels local_service_businesses media_titles offer_items offline_commerce professional_services "
    "transactable_items vehicles"
).split()


def load_catalog(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "catalog")
    return None if doc is None else Node("ProductCatalog", node_id, doc, node_id, node_id)


def _business(call: Call, node: Node, given: Params) -> Link:
    return Link(load_business(call.world, node.doc["owner"]), ("name",))


def _account(call: Call, node: Node, given: Params) -> Link:
    account = node.doc.get("account")
    return Link(None if account is None else load_account(call.world, account))


def _owned(call: Call, node: Node, given: Params, window: Window) -> Rows:
    found = [load_catalog(call.world, doc["id"]) for doc in call.world.nodes_of("catalog", node.id)]
    return listed([catalog for catalog in found if catalog is not None], window)


def _of_account(call: Call, node: Node, given: Params, window: Window) -> Rows:
    catalog = load_catalog(call.world, node.doc["catalog"])
    return listed([] if catalog is None else [catalog], window)


def _create(call: Call, node: Node) -> dict[str, Any]:
    name = params.required_text(call.params, "name")
    vertical = params.choices(call.params, "vertical", VERTICALS) or ["commerce"]
    catalog = call.world.new_id(ids.CATALOG)
    call.world.add_node(catalog, "catalog", node.id, {"name": name, "vertical": vertical[0]})
    return {"id": catalog}


def _update(call: Call, node: Node) -> dict[str, Any]:
    changes: dict[str, Any] = {
        name: params.text(call.params, name) for name in UPDATED if params.given(call.params, name)
    }
    if "fallback_image_url" in changes:
        changes["fallback_image_url"] = [changes["fallback_image_url"]]
    if changes:
        call.world.change_node(node.id, **changes)
    return {"success": True}


def read_records(call: Call) -> list[dict[str, Any]]:
    """The records of a batch of items.

    Raises:
        GraphError: another type of item, no records, or too many of them.
    """
    if call.body_size > MOST_BYTES:
        message = "Please reduce the amount of data you're asking for, then retry your request"
        raise GraphError(1, message)
    item_type = params.required_text(call.params, "item_type")
    if item_type.upper() != "PRODUCT_ITEM":
        raise invalid(f'Param item_type must be one of {{PRODUCT_ITEM}} - got "{item_type}".')
    return read_requests(call)


def read_requests(call: Call) -> list[dict[str, Any]]:
    records = params.objects(call.params, "requests")
    if records is None:
        raise missing_parameter("requests")
    if len(records) > MOST_RECORDS:
        raise invalid(f"Param requests must have at most {MOST_RECORDS} elements, {len(records)} were given")
    return records


def read_upsert(call: Call) -> bool:
    return params.boolean(call.params, "allow_upsert", True)


def _items_batch(call: Call, node: Node) -> dict[str, Any]:
    return catalog_batches.post(call, node.id, read_records(call), upsert=read_upsert(call))


def _delete(call: Call, node: Node) -> dict[str, Any]:
    """Everything in the catalog goes with it."""
    world = call.world
    sets = world.nodes_of("set", node.id)
    in_use = [one for one in sets if one.get("shops")]
    if in_use and not params.boolean(call.params, "allow_delete_catalog_with_live_product_set", False):
        raise invalid("The catalog has a product set that is in use")
    of_catalog = "SELECT handle FROM batches WHERE catalog = ?"
    world.db.execute(f"DELETE FROM catalog_work WHERE handle IN ({of_catalog})", (node.id,))
    for table in ("items", "groups", "reserved", "batches", "overrides", "feed_items", "catalog_notes"):
        world.db.execute(f"DELETE FROM {table} WHERE catalog = ?", (node.id,))
    # Feeds go with their sessions, rules and schedules, and sessions with what they said.
    world.db.execute(f"DELETE FROM upload_issues WHERE upload IN ({_BELOW})", (node.id,))
    world.db.execute(f"DELETE FROM nodes WHERE id IN ({_BELOW})", (node.id,))
    world.drop_node(node.id)
    return {"success": True}


def _batch_status(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    handle = params.required_text(given, "handle")
    batch = catalog_batches.find(call.world, node.id, handle)
    if batch is None:
        raise invalid("Invalid parameter: handle does not name a batch of this catalog")
    with_ids = params.boolean(given, "load_ids_of_invalid_requests", False)
    return [catalog_batches.status_row(batch, call.now, with_ids=with_ids)]


def install(schema: Schema) -> None:
    fields = doc_fields("name vertical default_image_url fallback_image_url") | {
        "business": _business,
        "owner_business": _business,
        "commerce_merchant_settings": _account,
        "product_count": lambda call, node, given: item_store.count(call.world, node.id),
        "feed_count": lambda call, node, given: len(call.world.nodes_of("feed", node.id)),
        "is_catalog_segment": lambda call, node, given: False,
        "is_local_catalog": lambda call, node, given: False,
    }
    catalog = NodeType("ProductCatalog", load_catalog, fields, ("name",), MANAGEMENT, SCOPE, ("segment_use_cases",))
    schema.add_type(ids.CATALOG, catalog)
    created = ("name", "vertical", "additional_vertical_option", "da_display_settings", "business_metadata")
    updated = (
        *UPDATED,
        "additional_vertical_option",
        "da_display_settings",
        "partner_integration",
        "store_catalog_settings",
    )
    status = ("handle", "load_ids_of_invalid_requests", "error_priority")
    batch = ("item_type", "requests", "allow_upsert", "item_sub_type", "version")
    schema.add(
        Edge("Business", "owned_product_catalogs", "ProductCatalog", _owned, scope=SCOPE),
        Write("POST", "Business", "owned_product_catalogs", _create, created, SCOPE),
        Edge("CommerceMerchantSettings", "product_catalogs", "ProductCatalog", _of_account, scope=SCOPE),
        Write("POST", "ProductCatalog", "", _update, updated, SCOPE),
        Write("DELETE", "ProductCatalog", "", _delete, ("allow_delete_catalog_with_live_product_set",), SCOPE),
        Write("POST", "ProductCatalog", "items_batch", _items_batch, batch, SCOPE, BATCH),
        PlainEdge("ProductCatalog", "check_batch_request_status", _batch_status, status, SCOPE),
    )
