"""Product sets: rules over a catalog, shown in shops as collections.

Source: catalog.md section 8.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.sandbox import filters, ids, item_rules, params
from gateway.sandbox.commerce.catalogs import SCOPE, load_catalog
from gateway.sandbox.commerce.products import MOST_ROWS, SEARCH_PARAMS, search
from gateway.sandbox.errors import GraphError, invalid
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Link, Node, NodeType, PlainEdge, Rows, Schema, Window, Write, doc_fields
from gateway.sandbox.storage import one
from gateway.sandbox.usage import MANAGEMENT
from gateway.sandbox.world import World

LONGEST_DESCRIPTION = 200
APPROVED = "APPROVED"
PARAMS = ("name", "filter", "retailer_id", "metadata", "publish_to_shops", "ordering_info")


def load_set(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "set")
    return None if doc is None else Node("ProductSet", node_id, doc, doc["owner"], doc["owner"])


def _of_catalog(call: Call, node: Node, given: Params, window: Window) -> Rows:
    retailer_id = params.text(given, "retailer_id")
    found = [load_set(call.world, doc["id"]) for doc in call.world.nodes_of("set", node.id)]
    chosen = [one for one in found if one is not None]
    if retailer_id:
        chosen = [one for one in chosen if one.doc.get("retailer_id") == retailer_id]
    # Sets made through the API lie flat: every one is a root, and none has children.
    for name in ("parent_id", "ancestor_id"):
        if params.text(given, name) not in (None, "", "0"):
            chosen = []
    if params.boolean(given, "has_children", False):
        chosen = []
    return listed(chosen, window)


def _rule(node: Node) -> dict[str, Any]:
    rule: dict[str, Any] = json.loads(node.doc["filter"])
    return rule


def _count(call: Call, node: Node, given: Params) -> int:
    sql, arguments = filters.condition(_rule(node), call.now)
    row = one(call.world.db, f"SELECT COUNT(*) AS n FROM items WHERE catalog = ? AND ({sql})", node.asset, *arguments)
    assert row is not None
    return int(row["n"])


def _items(call: Call, node: Node, given: Params, window: Window) -> Rows:
    rule = _rule(node)
    sql, arguments = filters.condition(rule, call.now)
    few = filters.names_few(rule)
    return search(call, ["catalog = ?", f"({sql})"], [node.asset, *arguments], given, window, few=few)


def _document(call: Call, catalog: str, own_id: str | None) -> dict[str, Any]:
    """The sent parameters, checked."""
    given = call.params
    doc: dict[str, Any] = {}
    if params.given(given, "name"):
        doc["name"] = params.text(given, "name")
    if "filter" in given:
        rule = filters.read_rule(params.structure(given, "filter"))
        filters.condition(rule, call.now)
        doc["filter"] = json.dumps(rule, sort_keys=True, separators=(",", ":"))
        for other in call.world.nodes_of("set", catalog):
            if other["id"] != own_id and other["filter"] == doc["filter"]:
                raise GraphError(10803, "(#10803) Product set with the same filters already exists")
    if params.given(given, "retailer_id"):
        doc["retailer_id"] = params.text(given, "retailer_id")
    metadata = params.structure(given, "metadata")
    if metadata is not None:
        if not isinstance(metadata, dict):
            raise invalid("Param metadata must be an object")
        if len(str(metadata.get("description") or "")) > LONGEST_DESCRIPTION:
            raise invalid(f"Param metadata[description] must have at most {LONGEST_DESCRIPTION} characters")
        doc |= {"metadata": metadata, "metadata_at": call.now, "metadata_verdict": None}
        old = None if own_id is None else call.world.find_node(own_id, "set")
        if old is not None and old.get("metadata") is not None and _state(call, old) == APPROVED:
            doc["live"] = old["metadata"]
    ordering = params.structure(given, "ordering_info")
    if ordering is not None:
        if not isinstance(ordering, list) or not all(item_rules.is_whole(place) for place in ordering):
            raise invalid("Param ordering_info must be an array of integers")
        doc["ordering_info"] = [int(place) for place in ordering]
    if "publish_to_shops" in given:
        shops = params.objects(given, "publish_to_shops") or []
        if not all(shop.get("shop_id") for shop in shops):
            raise invalid("Param publish_to_shops must name a shop_id in every element")
        doc["shops"] = shops
    return doc


def _create(call: Call, node: Node) -> dict[str, Any]:
    params.required_text(call.params, "name")
    given = call.params if "filter" in call.params else call.params | {"filter": "{}"}
    doc = _document(call.with_params(given), node.id, None)
    set_id = call.world.new_id(ids.PRODUCT_SET)
    call.world.add_node(set_id, "set", node.id, doc)
    return {"id": set_id}


def _update(call: Call, node: Node) -> dict[str, Any]:
    doc = _document(call, node.asset, node.id)
    if doc:
        call.world.change_node(node.id, **doc)
    return {"id": node.id}


def _delete(call: Call, node: Node) -> dict[str, Any]:
    if node.doc.get("shops") and not params.boolean(call.params, "allow_live_product_set_deletion", False):
        raise invalid("The product set is used by a published collection")
    call.world.drop_node(node.id)
    return {"success": True}


def _state(call: Call, doc: Mapping[str, Any]) -> str:
    """How the review of the newest metadata stands."""
    verdict = doc.get("metadata_verdict")
    if verdict:
        return str(verdict)
    return APPROVED if doc["metadata_at"] + call.world.config.review_seconds <= call.now else "PENDING"


def _shown(metadata: Mapping[str, Any], state: str) -> dict[str, Any]:
    shown = {name: metadata.get(name) for name in ("cover_image_url", "description", "external_url")}
    return {name: value for name, value in shown.items() if value is not None} | {"integrity_review_status": state}


def _metadata(call: Call, node: Node, given: Params) -> dict[str, Any] | None:
    metadata = node.doc.get("metadata")
    return None if metadata is None else _shown(metadata, _state(call, node.doc))


def _live_metadata(call: Call, node: Node, given: Params) -> dict[str, Any] | None:
    """What buyers see: the newest metadata once it is approved, until then what was approved before."""
    if node.doc.get("metadata") is not None and _state(call, node.doc) == APPROVED:
        return _metadata(call, node, given)
    live = node.doc.get("live")
    return None if live is None else _shown(live, APPROVED)


def _batch_status(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    """Nobody documents how a batch of sets is written, so there never is one to ask about."""
    params.required_text(given, "handle")
    raise invalid("Invalid parameter: handle does not name a batch of product sets of this catalog")


def _of_item(call: Call, node: Node, given: Params, window: Window) -> Rows:
    """The sets whose rule an item meets."""
    world, found = call.world, []
    for doc in world.nodes_of("set", node.asset):
        sql, arguments = filters.condition(json.loads(doc["filter"]), call.now)
        member = load_set(world, doc["id"])
        if member is not None and one(world.db, f"SELECT 1 FROM items WHERE id = ? AND ({sql})", node.id, *arguments):
            found.append(member)
    return listed(found, window)


def _catalog(call: Call, node: Node, given: Params) -> Link:
    return Link(load_catalog(call.world, node.asset), ("name",))


def install(schema: Schema) -> None:
    fields = doc_fields("name filter retailer_id ordering_info") | {
        "product_count": _count,
        "product_catalog": _catalog,
        "latest_metadata": _metadata,
        "live_metadata": _live_metadata,
    }
    product_set = NodeType("ProductSet", load_set, fields, ("name",), MANAGEMENT, SCOPE)
    schema.add_type(ids.PRODUCT_SET, product_set)
    reads = ("retailer_id", "parent_id", "ancestor_id", "has_children")
    schema.add(
        Edge("ProductCatalog", "product_sets", "ProductSet", _of_catalog, reads, MOST_ROWS, SCOPE),
        PlainEdge("ProductCatalog", "product_sets_batch", _batch_status, ("handle",), SCOPE),
        Edge("ProductItem", "product_sets", "ProductSet", _of_item, (), MOST_ROWS, SCOPE),
        Write("POST", "ProductCatalog", "product_sets", _create, PARAMS, SCOPE),
        Write("POST", "ProductSet", "", _update, PARAMS, SCOPE),
        Write("DELETE", "ProductSet", "", _delete, ("allow_live_product_set_deletion",), SCOPE),
        Edge("ProductSet", "products", "ProductItem", _items, SEARCH_PARAMS, MOST_ROWS, SCOPE),
    )
