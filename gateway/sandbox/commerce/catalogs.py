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
    changes = {
        name: params.text(call.params, name)
        for name in ("name", "default_image_url", "fallback_image_url")
        if params.given(call.params, name)
    }
    if changes:
        call.world.change_node(node.id, **changes)
    return {"success": True}


def _items_batch(call: Call, node: Node) -> dict[str, Any]:
    if call.body_size > MOST_BYTES:
        message = "Please reduce the amount of data you're asking for, then retry your request"
        raise GraphError(1, message)
    item_type = params.required_text(call.params, "item_type")
    if item_type.upper() != "PRODUCT_ITEM":
        raise invalid(f'Param item_type must be one of {{PRODUCT_ITEM}} - got "{item_type}".')
    records = params.objects(call.params, "requests")
    if records is None:
        raise missing_parameter("requests")
    if len(records) > MOST_RECORDS:
        raise invalid(f"Param requests must have at most {MOST_RECORDS} elements, {len(records)} were given")
    upsert = params.boolean(call.params, "allow_upsert", True)
    return catalog_batches.post(call, node.id, records, upsert=upsert)


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
        "feed_count": lambda call, node, given: 0,
        "is_catalog_segment": lambda call, node, given: False,
        "is_local_catalog": lambda call, node, given: False,
    }
    catalog = NodeType("ProductCatalog", load_catalog, fields, ("name",), MANAGEMENT, SCOPE, ("segment_use_cases",))
    schema.add_type(ids.CATALOG, catalog)
    created = ("name", "vertical", "additional_vertical_option", "da_display_settings", "business_metadata")
    updated = ("name", "default_image_url", "fallback_image_url", "additional_vertical_option", "da_display_settings")
    status = ("handle", "load_ids_of_invalid_requests", "error_priority")
    batch = ("item_type", "requests", "allow_upsert", "item_sub_type", "version")
    schema.add(
        Edge("Business", "owned_product_catalogs", "ProductCatalog", _owned, scope=SCOPE),
        Write("POST", "Business", "owned_product_catalogs", _create, created, SCOPE),
        Edge("CommerceMerchantSettings", "product_catalogs", "ProductCatalog", _of_account, scope=SCOPE),
        Write("POST", "ProductCatalog", "", _update, updated, SCOPE),
        Write("POST", "ProductCatalog", "items_batch", _items_batch, batch, SCOPE, BATCH),
        PlainEdge("ProductCatalog", "check_batch_request_status", _batch_status, status, SCOPE),
    )
