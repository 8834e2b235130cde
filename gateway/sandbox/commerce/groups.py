"""Product groups: variants of one product, held together by the seller's group id.

Source: catalog.md section 7.  A group comes into being when the first item names it.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.sandbox import ids, item_store, params
from gateway.sandbox.commerce.catalogs import SCOPE, load_catalog
from gateway.sandbox.commerce.products import MOST_ROWS, SEARCH_PARAMS, create_item, search
from gateway.sandbox.errors import GraphError, invalid
from gateway.sandbox.item_fields import FROM_SINGLE, KNOWN, SINGLE_ONLY
from gateway.sandbox.paging import keyset
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Link, Node, NodeType, Rows, Schema, Window, Write, doc_fields
from gateway.sandbox.storage import one
from gateway.sandbox.usage import MANAGEMENT
from gateway.sandbox.world import World

DELETE_ITEMS, ONLY_IF_EMPTY = METHODS = ("DELETE_ITEMS", "ONLY_IF_EMPTY")


def _node(row: Any) -> Node:
    doc = json.loads(row["doc"]) | {"retailer_id": row["retailer_id"], "catalog": row["catalog"]}
    return Node("ProductGroup", row["id"], doc, row["catalog"], row["catalog"])


def load_group(world: World, node_id: str) -> Node | None:
    row = one(world.db, "SELECT * FROM groups WHERE id = ?", node_id)
    return None if row is None else _node(row)


def _of_catalog(call: Call, node: Node, given: Params, window: Window) -> Rows:
    def total() -> int:
        row = one(call.world.db, "SELECT COUNT(*) AS n FROM groups WHERE catalog = ?", node.id)
        assert row is not None
        return int(row["n"])

    def build(row: Any) -> tuple[list[Any], Node]:
        return [row["id"]], _node(row)

    sql = "SELECT * FROM groups"
    return Rows(keyset(call.world, sql, ["catalog = ?"], [node.id], [("id", True)], window, build), total)


def _items(call: Call, node: Node, given: Params, window: Window) -> Rows:
    return search(call, ["group_id = ?"], [node.id], given, window)


def _create(call: Call, node: Node) -> dict[str, Any]:
    retailer_id = params.required_text(call.params, "retailer_id")
    found = one(call.world.db, "SELECT id FROM groups WHERE catalog = ? AND retailer_id = ?", node.id, retailer_id)
    if found is not None:
        message = "(#10800) Duplicate retailer_id when attempting to create a product group."
        raise GraphError(10800, message, data={"product_group_id": found["id"]})
    group_id = call.world.new_id(ids.GROUP)
    doc = {"variants": params.objects(call.params, "variants") or []}
    call.world.db.execute("INSERT INTO groups VALUES (?, ?, ?, ?)", (group_id, node.id, retailer_id, json.dumps(doc)))
    return {"id": group_id}


def _update(call: Call, node: Node) -> dict[str, Any]:
    doc = {"variants": node.doc.get("variants", [])}
    variants = params.objects(call.params, "variants")
    if variants is not None:
        doc["variants"] = variants
    call.world.db.execute("UPDATE groups SET doc = ? WHERE id = ?", (json.dumps(doc), node.id))
    return {"success": True}


def _delete(call: Call, node: Node) -> dict[str, Any]:
    method = (params.choices(call.params, "deletion_method", METHODS) or [ONLY_IF_EMPTY])[0]
    rows = call.world.db.execute("SELECT retailer_id FROM items WHERE group_id = ?", (node.id,)).fetchall()
    if rows and method == ONLY_IF_EMPTY:
        raise invalid("The product group still has items")
    item_store.delete(call.world, node.asset, [row["retailer_id"] for row in rows])
    call.world.db.execute("DELETE FROM groups WHERE id = ?", (node.id,))
    return {"success": True}


def _add_item(call: Call, node: Node) -> dict[str, Any]:
    return create_item(call, node.asset, {"retailer_product_group_id": node.doc["retailer_id"]})


def _catalog(call: Call, node: Node, given: Params) -> Link:
    return Link(load_catalog(call.world, node.asset), ("name",))


def install(schema: Schema) -> None:
    fields = doc_fields("retailer_id variants") | {"product_catalog": _catalog}
    group = NodeType("ProductGroup", load_group, fields, ("retailer_id",), MANAGEMENT, SCOPE)
    schema.add_type(ids.GROUP, group)
    item_params = tuple(sorted(KNOWN | set(FROM_SINGLE) | set(SINGLE_ONLY)))
    schema.add(
        Edge("ProductCatalog", "product_groups", "ProductGroup", _of_catalog, (), MOST_ROWS, SCOPE),
        Write("POST", "ProductCatalog", "product_groups", _create, ("retailer_id", "variants"), SCOPE),
        Write("POST", "ProductGroup", "", _update, ("variants", "default_product_id"), SCOPE),
        Write("DELETE", "ProductGroup", "", _delete, ("deletion_method",), SCOPE),
        Edge("ProductGroup", "products", "ProductItem", _items, SEARCH_PARAMS, MOST_ROWS, SCOPE),
        Write("POST", "ProductGroup", "products", _add_item, item_params, SCOPE),
    )
