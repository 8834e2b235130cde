"""The shops of a commerce account: one node for each, with the channels it sells on.

Source: shops.md section 7.  A seeded account has one shop, whose id follows from the account's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.sandbox import ids
from gateway.sandbox.commerce.accounts import load_account, load_page
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Link, Node, NodeType, Rows, Schema, Window
from gateway.sandbox.usage import PAGES
from gateway.sandbox.world import World

SHOP = "Shop"


def shop_id(account_id: str) -> str:
    return ids.SHOP + account_id[len(ids.SHOP) :]


def load_shop(world: World, node_id: str) -> Node | None:
    account = load_account(world, ids.ACCOUNT + node_id[len(ids.SHOP) :])
    return None if account is None else Node(SHOP, node_id, account.doc, account.asset, account.meter)


def _shops(call: Call, node: Node, given: Params, window: Window) -> Rows:
    shop = load_shop(call.world, shop_id(node.id))
    return listed([] if shop is None else [shop], window)


def _account(call: Call, node: Node, given: Params) -> Link:
    return Link(load_account(call.world, node.asset))


def _status(node: Node) -> str:
    return "ENABLED" if node.doc.get("merchant_status") == "ENABLED" else "DISABLED"


def _facebook(call: Call, node: Node, given: Params) -> dict[str, Any] | None:
    page = load_page(call.world, node.doc["page"])
    if page is None:
        return None
    return {"status": _status(node), "fb_page": {"name": page.doc["name"], "id": page.id}}


def _instagram(call: Call, node: Node, given: Params) -> dict[str, Any] | None:
    users = call.world.nodes_of("ig_user", node.doc["page"])
    return {"status": _status(node), "ig_user": {"id": users[0]["id"]}} if users else None


def _storefront(call: Call, node: Node, given: Params) -> Link:
    account = node.doc.get("account")
    return Link(load_shop(call.world, shop_id(account)) if account else None)


def install(schema: Schema) -> None:
    fields = {
        "shop_status": lambda call, node, given: _status(node),
        "fb_sales_channel": _facebook,
        "ig_sales_channel": _instagram,
        "commerce_merchant_settings": _account,
        "workspace": lambda call, node, given: None,
    }
    schema.add_type(ids.SHOP, NodeType(SHOP, load_shop, fields, ("fb_sales_channel", "ig_sales_channel"), PAGES, SCOPE))
    schema.add(Edge("CommerceMerchantSettings", "shops", SHOP, _shops, ("filter",), scope=SCOPE))
    page = schema.types["Page"]
    schema.types["Page"] = replace(page, fields={**page.fields, "mini_shop_storefront": _storefront})
