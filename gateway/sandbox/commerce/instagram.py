"""The Instagram account of a shop: whether it may tag, from which catalog, and which products.

Source: engagement.md section 4, steps 1 to 3, and its appeals.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.sandbox import ids, item_store, params, tags
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.errors import invalid
from gateway.sandbox.item_store import Item
from gateway.sandbox.paging import keyset
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Link, Node, NodeType, PlainEdge, Rows, Schema, Window, Write, doc_fields
from gateway.sandbox.storage import one
from gateway.sandbox.usage import PAGES
from gateway.sandbox.world import World

READ, PUBLISH = "pages_read_engagement", SCOPE
"""Of the documented permissions those that every shop grants here."""
SEARCH = "ShadowIGUserCatalogProductSearch"


def load_ig_user(world: World, node_id: str) -> Node | None:
    """Seen by its shop; calls are counted under the shop's Page."""
    doc = world.find_node(node_id, "ig_user")
    return None if doc is None else Node("IGUser", node_id, doc, doc["account"], doc["owner"])


def add_ig_user(world: World, account: dict[str, Any], username: str, eligible: bool) -> str:
    ig_user = world.new_id(tags.IG_USER)
    doc = {"username": username, "account": account["id"], "eligible": eligible}
    world.add_node(ig_user, "ig_user", account["page"], doc)
    return ig_user


def _of_page(call: Call, node: Node, given: Params) -> Link:
    found = call.world.nodes_of("ig_user", node.id)
    return Link(load_ig_user(call.world, found[0]["id"]) if found else None)


def _catalogs(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    catalog = tags.catalog_of(call.world, node.doc)
    found, account = call.world.find_node(catalog, "catalog"), call.world.find_node(node.doc["account"], "account")
    if found is None or account is None or not node.doc["eligible"]:
        return []
    return [
        {
            "catalog_id": catalog,
            "catalog_name": found["name"],
            "shop_name": account["display_name"],
            "product_count": item_store.count(call.world, catalog),
        }
    ]


def _search(call: Call, node: Node, given: Params, window: Window) -> Rows:
    """Items of the catalog whose title or seller id has the words; all of them without words."""
    catalog = params.required_text(given, "catalog_id")
    if catalog != tags.catalog_of(call.world, node.doc) or not node.doc["eligible"]:
        raise invalid("The catalog is not available to this account", 2207009)
    where, values = ["catalog = ?"], [catalog]
    words = params.text(given, "q")
    if words:
        where.append("(lower(json_extract(doc, '$.title')) LIKE ? ESCAPE '\\' OR retailer_id = ?)")
        escaped = words.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values += [f"%{escaped}%", words]

    def total() -> int:
        row = one(call.world.db, f"SELECT COUNT(*) AS n FROM items WHERE {' AND '.join(where)}", *values)
        assert row is not None
        return int(row["n"])

    def build(row: Any) -> tuple[list[Any], Node]:
        item = item_store.node_of_row(row)
        return [row["id"]], Node(SEARCH, item.id, item.doc, node.asset, node.meter)

    rows = keyset(call.world, "SELECT * FROM items", where, values, [("id", True)], window, build)
    return Rows(rows, total)


def _variants(call: Call, node: Node, given: Params) -> list[dict[str, Any]] | None:
    item: Item = node.doc["item"]
    if item.group_id is None:
        return None
    sql = "SELECT id FROM items WHERE group_id = ? AND id <> ? ORDER BY id LIMIT 100"
    rows = []
    for row in call.world.db.execute(sql, (item.group_id, item.id)).fetchall():
        other = item_store.by_id(call.world, row["id"])
        assert other is not None
        name = other.fields.get("size") or other.fields.get("color")
        rows.append({"product_id": int(other.id)} | ({"variant_name": name} if name else {}))
    return rows or None


def _of_item(read: Any) -> Any:
    return lambda call, node, given: read(call, node.doc["item"])


def _appeals(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    product_id = params.required_text(given, "product_id")
    item = tags.product(call.world, tags.catalog_of(call.world, node.doc), product_id)
    status = item_store.review_status(item, call.now)
    appealed = item.id in (node.doc.get("appeals") or {})
    row: dict[str, Any] = {"product_id": int(item.id), "review_status": status}
    row["eligible_for_appeal"] = status == "rejected" and not appealed
    reasons = item.fields.get("_rejection_reasons")
    return [row | ({"rejection_reasons": reasons} if reasons else {})]


def _appeal(call: Call, node: Node) -> dict[str, Any]:
    product_id = params.required_text(call.params, "product_id")
    reason = params.required_text(call.params, "appeal_reason")
    item = tags.product(call.world, tags.catalog_of(call.world, node.doc), product_id)
    if item_store.review_status(item, call.now) != "rejected":
        raise tags.refused("Only a rejected product can be appealed for.")
    call.world.change_node(node.id, appeals=(node.doc.get("appeals") or {}) | {item.id: reason})
    return {"success": True}


def install(schema: Schema) -> None:
    fields = doc_fields("username") | {
        "shopping_product_tag_eligibility": lambda call, node, given: node.doc["eligible"],
        "name": lambda call, node, given: node.doc["username"],
    }
    schema.add_type(tags.IG_USER, NodeType("IGUser", load_ig_user, fields, ("username",), PAGES))
    found = {
        "product_id": _of_item(lambda call, item: int(item.id)),
        "merchant_id": lambda call, node, given: int(node.asset),
        "product_name": _of_item(lambda call, item: item.fields.get("title")),
        "image_url": _of_item(lambda call, item: item_store.picture(item)),
        "retailer_id": _of_item(lambda call, item: item.retailer_id),
        "review_status": _of_item(lambda call, item: item_store.review_status(item, call.now)),
        "is_checkout_flow": lambda call, node, given: False,
        "product_variants": _variants,
    }
    schema.types[SEARCH] = NodeType(SEARCH, lambda world, node_id: None, found, tuple(found), PAGES)
    page = schema.types["Page"]
    linked = {"instagram_business_account": _of_page, "connected_instagram_account": _of_page}
    schema.add_type(ids.PAGE, replace(page, fields={**page.fields, **linked}))
    schema.add(
        PlainEdge("IGUser", "available_catalogs", _catalogs, scope=SCOPE),
        Edge("IGUser", "catalog_product_search", SEARCH, _search, ("catalog_id", "q"), scope=SCOPE),
        PlainEdge("IGUser", "product_appeal", _appeals, ("product_id",), SCOPE),
        Write("POST", "IGUser", "product_appeal", _appeal, ("product_id", "appeal_reason"), SCOPE),
    )
