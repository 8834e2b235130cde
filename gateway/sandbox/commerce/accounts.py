"""Business, Page and commerce account (commerce merchant settings).

Source: shops.md sections 5, 6 and 6.1; orders.md section 5.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox import ids, params, tokens
from gateway.sandbox.errors import GraphError, invalid, unknown_alias
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import (
    Call,
    Edge,
    Link,
    Node,
    NodeType,
    PlainEdge,
    Rows,
    Schema,
    Window,
    Write,
    doc_fields,
)
from gateway.sandbox.seed import ONSITE
from gateway.sandbox.usage import PAGES
from gateway.sandbox.world import World

READ_SETTINGS = "commerce_account_read_settings"
MANAGE_ORDERS = "commerce_account_manage_orders"


def load_business(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "business")
    return None if doc is None else Node("Business", node_id, doc, node_id, node_id)


def load_page(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "page")
    return None if doc is None else Node("Page", node_id, doc, node_id, node_id)


def load_account(world: World, node_id: str) -> Node | None:
    """A commerce account; its calls are counted under its Page."""
    doc = world.find_node(node_id, "account")
    return None if doc is None else Node("CommerceMerchantSettings", node_id, doc, node_id, doc["page"])


def _page_token(call: Call, node: Node, given: Params) -> str | None:
    if call.token.kind == tokens.APP:
        return None
    account = call.world.find_node(node.doc["account"], "account")
    assets = [] if account is None else [account["id"], account["catalog"]]
    return tokens.for_page(call.world, node.id, call.token, assets)


def _business_of(call: Call, node: Node, given: Params) -> Link:
    return Link(load_business(call.world, node.doc["owner"]), ("name",))


def _tasks(call: Call, node: Node, given: Params) -> list[str]:
    return ["ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MESSAGING", "MODERATE", "MANAGE"]


def _accounts_of_business(call: Call, node: Node, given: Params, window: Window) -> Rows:
    found = [load_account(call.world, doc["id"]) for doc in call.world.accounts()]
    return listed([account for account in found if account is not None], window)


def _account_of_page(call: Call, node: Node, given: Params, window: Window) -> Rows:
    account = load_account(call.world, node.doc["account"])
    return listed([] if account is None else [account], window)


def _owned_pages(call: Call, node: Node, given: Params, window: Window) -> Rows:
    found = [load_page(call.world, doc["id"]) for doc in call.world.nodes_of("page", node.id)]
    return listed([page for page in found if page is not None], window)


def _merchant_page(call: Call, node: Node, given: Params) -> Link:
    return Link(load_page(call.world, node.doc["page"]), ("name",))


def _facebook_channel(call: Call, node: Node, given: Params) -> dict[str, Any]:
    page = call.world.find_node(node.doc["page"], "page")
    return {"pages": {"data": [] if page is None else [{"name": page["name"], "id": page["id"]}]}}


def _instagram_channel(call: Call, node: Node, given: Params) -> dict[str, Any]:
    users = call.world.nodes_of("ig_user", node.doc["page"])
    return {"instagram_users": {"data": [{"id": user["id"]} for user in users]}}


def _iab_countries(call: Call, node: Node, given: Params) -> list[str]:
    return ["US"] if node.doc["cta"] == "OFFSITE_IAB_CHECKOUT" else []


def _onsite_merchant(call: Call, node: Node, given: Params) -> dict[str, Any] | None:
    return {"id": node.id} if node.doc["cta"] == ONSITE else None


def _checkout_config(call: Call, node: Node, given: Params) -> dict[str, Any] | None:
    saved: dict[str, Any] = node.doc.get("checkout_config") or {}
    found = saved.get(str(given.get("country_code", "")).upper())
    return found if isinstance(found, dict) else None


def _privacy_policy(call: Call, node: Node, given: Params) -> dict[str, Any] | None:
    """The policy in the language asked for, or the first there is."""
    saved: dict[str, Any] = node.doc.get("privacy_policies") or {}
    locale = params.text(given, "locale")
    found = next(iter(saved.values()), None) if locale is None else saved.get(locale)
    return found if isinstance(found, dict) else None


def setup_status(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    """One row, whichever node it is asked of."""
    account = node.doc if node.type != "Page" else call.world.find_node(node.doc["account"], "account")
    onsite = account is not None and account["cta"] == ONSITE
    return [
        {
            "shop_setup": "SETUP",
            "payment_setup": "SETUP" if onsite else "NOT_SETUP",
            "review_status": {"status": "APPROVED"},
            "deals_setup": "NOT_SETUP",
            "marketplace_approval_status": "NOT_APPROVED",
            "marketplace_approval_status_details": {},
        }
    ]


def _order_apps(call: Call, node: Node, given: Params, window: Window) -> Rows:
    app = call.schema.types["Application"].load(call.world, call.world.settings.app_id)
    return listed([app] if app is not None and node.doc.get("app_associated") else [], window)


def _associate(call: Call, node: Node) -> dict[str, Any]:
    if node.doc.get("other_app"):
        raise GraphError(
            -1,
            "Fatal",
            2361126,
            transient=False,
            title="Shop Already Has Authorized Order Management App",
            user_message="Another application manages the orders of this shop already; it has to be released first.",
        )
    call.world.change_node(node.id, app_associated=True)
    return {"success": True}


def _release(call: Call, node: Node) -> dict[str, Any]:
    call.world.change_node(node.id, app_associated=False)
    return {"success": True}


def _update_account(call: Call, node: Node) -> dict[str, Any]:
    given = call.params
    status = params.choices(given, "merchant_status", ("ENABLED", "EXTERNALLY_DISABLED"))
    if status:
        call.world.change_node(node.id, merchant_status=status[0])
    listing = params.text(given, "korea_ftc_listing")
    if listing:
        call.world.change_node(node.id, korea_ftc_listing=listing)
    policy = _pair(given, "privacy_policy_localized", ("url", "locale"))
    if policy is not None:
        policies = {**(node.doc.get("privacy_policies") or {}), str(policy["locale"]): policy}
        call.world.change_node(node.id, privacy_policies=policies)
    config = _pair(given, "checkout_config", ("checkout_url", "country_code"))
    if config is not None:
        saved = dict(node.doc.get("checkout_config") or {})
        saved[str(config["country_code"]).upper()] = config
        call.world.change_node(node.id, checkout_config=saved)
    return {"success": True}


def _pair(given: Params, name: str, needed: tuple[str, str]) -> dict[str, Any] | None:
    """An object that is only good with both of its keys."""
    value = params.structure(given, name)
    if value is None:
        return None
    if not isinstance(value, dict) or not all(value.get(key) for key in needed):
        raise invalid(f"Param {name} must have {needed[0]} and {needed[1]}")
    return value


def install(schema: Schema) -> None:
    business = NodeType("Business", load_business, doc_fields("name verification_status"), ("name",))
    page_fields = doc_fields("name category") | {"access_token": _page_token, "business": _business_of, "tasks": _tasks}
    page = NodeType("Page", load_page, page_fields, ("name",), PAGES)
    settings_fields = doc_fields("display_name cta merchant_status contact_email korea_ftc_listing terms") | {
        "merchant_page": _merchant_page,
        "facebook_channel": _facebook_channel,
        "instagram_channel": _instagram_channel,
        "offsite_iab_checkout_enabled_countries": _iab_countries,
        "onsite_commerce_merchant": _onsite_merchant,
        "checkout_config": _checkout_config,
        "shops_ads_setup": lambda call, node, given: None,
        "privacy_policy_localized": _privacy_policy,
        "payment_provider": lambda call, node, given: None,
    }
    account_name = "CommerceMerchantSettings"
    account = NodeType(account_name, load_account, settings_fields, (), PAGES, READ_SETTINGS)
    schema.add_type(ids.BUSINESS, business)
    schema.add_type(ids.PAGE, page)
    schema.add_type(ids.ACCOUNT, account)
    schema.add(
        Edge(
            "Business", "commerce_merchant_settings", account_name, _accounts_of_business,
            scope="business_management", defaults=(),
        ),
        Edge("Business", "owned_pages", "Page", _owned_pages, scope="business_management"),
        Edge("Page", "commerce_merchant_settings", account_name, _account_of_page, defaults=()),
        PlainEdge("Page", "shop_setup_status", setup_status, scope=READ_SETTINGS),
        PlainEdge(account_name, "setup_status", setup_status, scope=READ_SETTINGS),
        Edge(
            account_name, "order_management_apps", "Application", _order_apps,
            scope=READ_SETTINGS, absent=unknown_alias,
        ),
        Write(
            "POST", account_name, "order_management_apps", _associate,
            scope=MANAGE_ORDERS, withdrawn=True, absent=unknown_alias,
        ),
        Write(
            "DELETE", account_name, "order_management_apps", _release, scope=MANAGE_ORDERS, absent=unknown_alias,
        ),
        Write(
            "POST", account_name, "", _update_account,
            ("merchant_status", "privacy_policy_localized", "korea_ftc_listing", "checkout_config"), READ_SETTINGS,
        ),
    )  # fmt: skip
