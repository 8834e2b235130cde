"""Meta's own Python SDK against the sandbox: unmodified, only its host is another.

What it sends and how it reads answers is Meta's code, so whatever works here was not agreed between two halves of
this project.  Each step runs in a world of its own; a last test walks all of them in one and counts the calls.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from facebook_business.adobjects.commerceorder import CommerceOrder
from facebook_business.adobjects.productcatalog import ProductCatalog
from facebook_business.adobjects.productgroup import ProductGroup
from facebook_business.adobjects.productitem import ProductItem
from facebook_business.adobjects.productset import ProductSet
from facebook_business.adobjects.shop import Shop
from facebook_business.adobjects.systemuser import SystemUser
from facebook_business.adobjects.user import User
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

from tests.sandbox.conftest import new_item
from tests.sandbox.sdk_desk import Desk, desk, refusal, shape_of

__all__ = ["desk"]

# The SDK warns about fields and parameter types that its own tables do not have.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not allow field:UserWarning", "ignore:value of :UserWarning")


def discovers_the_business(desk: Desk) -> None:
    me = User("me", api=desk.api).api_get(fields=["id", "name"])
    [page] = User("me", api=desk.api).get_accounts(fields=["id", "name", "access_token", "tasks"])
    granted = {row["permission"]: row["status"] for row in User("me", api=desk.api).get_permissions()}
    business = desk.business.api_get(fields=["id", "name", "verification_status"])
    [account] = desk.business.get_commerce_merchant_settings(fields=["id", "display_name"])
    [own_page] = desk.business.get_owned_pages(fields=["name"])
    [first] = desk.business.get_owned_product_catalogs(fields=["id", "name", "product_count", "vertical"])

    assert me["name"] == "Sandbox system user"
    assert (page["id"], page["access_token"]) == (desk.shop["pageId"], desk.shop["accessToken"])
    assert granted["catalog_management"] == "granted"
    assert (business["verification_status"], account["id"]) == ("verified", desk.shop["metaId"])
    assert (own_page["name"], first["product_count"]) == ("Harbour Outfitters", 60)


def makes_and_changes_a_catalog(desk: Desk) -> None:
    made = desk.business.create_owned_product_catalog(fields=["id", "name", "vertical"], params={"name": "Outlet ✂"})
    catalog = ProductCatalog(made["id"], api=desk.api)
    catalog.api_update(params={"name": "Outlet"})
    read = catalog.api_get(fields=["name", "business", "product_count"])

    assert (made["name"], made["vertical"]) == ("Outlet ✂", "commerce")
    assert (read["name"], read["business"]["id"]) == ("Outlet", desk.card["businessId"])


def keeps_product_sets(desk: Desk) -> None:
    rule = {"name": {"i_contains": "mug"}}
    made = desk.catalog.create_product_set(
        fields=["id", "name", "product_count"], params={"name": "Tür", "filter": rule}
    )
    mugs = ProductSet(made["id"], api=desk.api)
    mugs.api_update(params={"name": "Mugs"})
    read = mugs.api_get(fields=["name", "filter", "product_catalog"])
    listed = list(desk.catalog.get_product_sets(fields=["id", "name"]))
    inside = list(mugs.get_products(fields=["name"], params={"limit": 4}))
    mugs.api_delete()

    assert (made["name"], made["product_count"]) == ("Tür", len(inside))
    assert (read["name"], json.loads(read["filter"])) == ("Mugs", rule)
    assert [row["name"] for row in listed] == ["Mugs"]
    assert all("mug" in row["name"].lower() for row in inside)
    assert refusal(mugs.api_get).api_error_subcode() == 33


def pages_through_products(desk: Desk) -> None:
    cursor = desk.catalog.get_products(fields=["retailer_id", "price", "availability"], params={"limit": 7})
    total = cursor.total()
    seen = [row["retailer_id"] for row in cursor]
    some = {"filter": {"and": [{"availability": {"i_contains": "in stock"}}, {"retailer_id": {"eq": "seed-0000004"}}]}}
    [one] = desk.catalog.get_products(fields=["retailer_id"], params=some)

    assert total == len(seen) == len(set(seen)) == 60
    assert one["retailer_id"] == "seed-0000004"


def reads_and_writes_single_products(desk: Desk) -> None:
    found = desk.item("seed-0000003")
    item = ProductItem(found["id"], api=desk.api)
    before = item.api_get(fields=["name", "price", "currency", "review_status", "image_url", "url"])
    changed = item.api_update(fields=["name", "description"], params={"name": "Zoë's mug / ✓"})
    details = {
        "retailer_id": "sdk-1",
        "name": "Brass lamp",
        "description": "A lamp.",
        "url": "https://shop.example/lamp",
        "image_url": "https://cdn.example/lamp.jpg",
        "currency": "USD",
        "price": 4250,
        "availability": "in stock",
        "condition": "new",
        "brand": "Kiln",
    }
    made = desk.catalog.create_product(fields=["id", "retailer_id", "price"], params=details)
    ProductItem(made["id"], api=desk.api).api_delete()

    assert before["price"].startswith("$")
    assert changed["name"] == "Zoë's mug / ✓"
    assert (made["retailer_id"], made["price"]) == ("sdk-1", "$42.50")
    assert refusal(lambda: ProductItem(made["id"], api=desk.api).api_get()).api_error_code() == 100


def sends_an_item_batch_and_polls_it(desk: Desk) -> None:
    rows = [new_item("kettle", title="Teekessel für Öfen"), new_item("bad", price="many")]
    rows.append({"method": "UPDATE", "data": {"id": ""}})
    sent = desk.catalog.create_items_batch(params={"item_type": "PRODUCT_ITEM", "requests": rows})
    handle = sent["handles"][0]
    asked = {"handle": handle, "load_ids_of_invalid_requests": True}
    [early] = desk.catalog.get_check_batch_request_status(params={"handle": handle})
    desk.control("POST", "clock/advance", json={"seconds": 300})
    [late] = desk.catalog.get_check_batch_request_status(params=asked)

    assert sent["validation_status"][0]["errors"]
    assert early["status"] in ("scheduled", "dispatched", "started")
    assert (late["status"], late["errors_total_count"]) == ("finished", 1)
    assert desk.item("kettle").api_get(fields=["name"])["name"] == "Teekessel für Öfen"


def walks_product_groups(desk: Desk) -> None:
    desk.apply(*(new_item(f"shirt-{size}", item_group_id="shirt", size=size) for size in "SML"))
    [group] = desk.catalog.get_product_groups(fields=["id", "retailer_id"])
    read = ProductGroup(group["id"], api=desk.api).api_get(fields=["retailer_id", "product_catalog"])
    variants = ProductGroup(group["id"], api=desk.api).get_products(fields=["retailer_id", "size"])
    member = desk.item("shirt-M").api_get(fields=["product_group"])

    assert (group["retailer_id"], read["product_catalog"]["id"]) == ("shirt", desk.shop["catalogId"])
    assert {row["size"] for row in variants} == {"S", "M", "L"}
    assert member["product_group"]["id"] == group["id"]


def reads_the_commerce_account(desk: Desk) -> None:
    fields = ["display_name", "merchant_status", "merchant_page", "facebook_channel", "contact_email"]
    read = desk.cms.api_get(fields=[*fields, "cta", "setup_status"])
    [status] = desk.cms.get_setup_status()
    [catalog] = desk.cms.get_product_catalogs(fields=["id"])
    [app] = desk.cms.get_order_management_apps()
    [shop] = desk.cms.get_shops(fields=["id", "shop_status", "fb_sales_channel", "commerce_merchant_settings"])
    single = Shop(shop["id"], api=desk.api).api_get(fields=["fb_sales_channel"])
    changed = desk.cms.api_update(fields=["merchant_status"], params={"merchant_status": "externally_disabled"})

    assert (read["cta"], read["merchant_page"]["id"]) == ("ONSITE_CHECKOUT", desk.shop["pageId"])
    assert read["setup_status"]["data"][0]["shop_setup"] == status["shop_setup"] == "SETUP"
    assert (catalog["id"], app["id"]) == (desk.shop["catalogId"], desk.card["appId"])
    assert shop["fb_sales_channel"]["fb_page"]["id"] == desk.shop["pageId"]
    assert single["fb_sales_channel"]["status"] == "ENABLED"
    assert changed["merchant_status"] == "EXTERNALLY_DISABLED"


def works_as_the_page(desk: Desk) -> None:
    page = desk.page()
    read = page.api_get(fields=["name", "business", "mini_shop_storefront"])
    [account] = page.get_commerce_merchant_settings()
    [status] = page.get_shop_setup_status()
    page.create_subscribed_app(params={"subscribed_fields": ["feed", "products"]})
    [app] = page.get_subscribed_apps()
    page.delete_subscribed_apps()
    orders = list(page.get_commerce_orders(fields=["id"]))

    assert (read["name"], account["id"]) == ("Harbour Outfitters", desk.shop["metaId"])
    assert (status["payment_setup"], app["subscribed_fields"]) == ("SETUP", ["feed", "products"])
    assert list(page.get_subscribed_apps()) == []
    assert len(orders) == 4


def reads_orders_and_items(desk: Desk) -> None:
    wanted = {"state": ["CREATED", "IN_PROGRESS"], "filters": ["NO_SHIPMENTS"], "limit": 2}
    cursor = desk.cms.get_commerce_orders(fields=["id", "order_status", "channel"], params=wanted)
    orders = list(cursor)
    first = CommerceOrder(orders[0]["id"], api=desk.api)
    read = first.api_get(fields=["order_status", "buyer_details", "estimated_payment_details", "created"])
    items = desk.api.call("GET", (first["id"], "items"), params={"fields": "id,retailer_id,quantity"}).json()
    nested = desk.api.call("GET", (first["id"],), params={"fields": "items.limit(1){quantity},channel"}).json()
    for edge in ("shipments", "cancellations", "refunds", "payments"):
        assert isinstance(desk.api.call("GET", (first["id"], edge), params={"summary": True}).json()["data"], list)
    several = CommerceOrder.get_by_ids([row["id"] for row in orders], fields=["id", "order_status"], api=desk.api)

    assert len({row["id"] for row in orders}) == 5
    assert {row["order_status"]["state"] for row in orders} == {"CREATED", "IN_PROGRESS"}
    assert read["estimated_payment_details"]["total_amount"]["currency"] == "USD"
    assert {"id", "retailer_id", "quantity"} == set(items["data"][0])
    assert len(nested["items"]["data"]) == 1
    assert {row["id"] for row in several} == {row["id"] for row in orders}


def acknowledges_orders(desk: Desk) -> None:
    one, *others = [row["id"] for row in desk.cms.get_commerce_orders(fields=["id"], params={"state": ["CREATED"]})]
    params = {"idempotency_key": "ack-1", "merchant_order_reference": "R-1"}
    first = desk.api.call("POST", (one, "acknowledge_order"), params=params).json()
    again = desk.api.call("POST", (one, "acknowledge_order"), params=params).json()
    rows = [{"id": order, "merchant_order_reference": f"R-{order}"} for order in others]
    many = {"idempotency_key": "ack-2", "orders": rows}
    desk.api.call("POST", (desk.shop["metaId"], "acknowledge_orders"), params=many)

    assert first["state"] == "IN_PROGRESS"
    assert again == first
    assert list(desk.cms.get_commerce_orders(params={"state": ["CREATED"]})) == []


def sends_batches(desk: Desk) -> None:
    good: list[Any] = []
    bad: list[Any] = []
    batch = desk.api.new_batch()
    told = {"batch": batch, "success": good.append, "failure": bad.append}
    desk.cms.api_get(fields=["display_name"], **told)
    desk.catalog.create_product_set(params={"name": "é & +", "filter": {"brand": {"eq": "Seedling"}}}, **told)
    CommerceOrder("900", api=desk.api).api_get(**told)

    assert batch.execute() is None
    assert [answer.status() for answer in good] == [200, 200]
    assert (bad[0].status(), bad[0].error().api_error_subcode()) == (400, 33)
    [made] = desk.catalog.get_product_sets(fields=["name"])
    assert made["name"] == "é & +"


def repeats_the_slots_that_timed_out(desk: Desk) -> None:
    good: list[Any] = []
    batch = desk.api.new_batch()
    for _ in range(3):
        desk.cms.api_get(fields=["id"], batch=batch, success=good.append)
    desk.control("POST", "faults", json={"kind": "null_slot", "slots": [1]})

    left = batch.execute()

    assert (len(left), len(good)) == (1, 2)
    assert left.execute() is None
    assert len(good) == 3


def looks_into_tokens(desk: Desk) -> None:
    asked = {"input_token": desk.shop["accessToken"], "access_token": desk.app_token}
    seen = desk.api.call("GET", ("debug_token",), params=asked).json()["data"]
    short = desk.control("POST", "tokens", json={"kind": "USER", "expiresIn": 3600})["accessToken"]
    who = {"client_id": desk.card["appId"], "client_secret": desk.card["appSecret"]}
    exchange = who | {"grant_type": "fb_exchange_token", "fb_exchange_token": short}
    longer = desk.api.call("GET", ("oauth", "access_token"), params=exchange).json()
    app = desk.api.call("GET", ("oauth", "access_token"), params=who | {"grant_type": "client_credentials"}).json()
    dead = desk.api.call("GET", ("debug_token",), params=asked | {"input_token": "EAAnobody"}).json()["data"]

    assert (seen["type"], seen["profile_id"], seen["app_id"]) == ("PAGE", desk.shop["pageId"], desk.card["appId"])
    assert longer["expires_in"] > 5_000_000
    assert app["access_token"] == desk.app_token
    assert (dead["is_valid"], dead["error"]["code"]) == (False, 190)


def hires_system_users(desk: Desk) -> None:
    made = desk.business.create_system_user(
        fields=["name", "role"], params={"name": "Nightly jobs", "role": "EMPLOYEE"}
    )
    names = [row["name"] for row in desk.business.get_system_users(fields=["name"])]
    asked = {"system_user_id": made["id"], "scope": ["catalog_management"], "asset": [desk.shop["catalogId"]]}
    token = desk.business.create_system_user_access_token(params=asked)["access_token"]
    limited = ProductCatalog(desk.shop["catalogId"], api=desk.session(token)).api_get(fields=["name"])
    behalf = {"app_id": desk.card["appId"], "scope": ["catalog_management", "business_management"]}
    partner = desk.business.create_access_token(params=behalf)["access_token"]
    me = SystemUser(made["id"], api=desk.api).api_get(fields=["name", "created_time"])
    assigned = SystemUser("me", api=desk.session(token)).get_assigned_product_catalogs(fields=["id"])
    desk.business.api_update(fields=["name"], params={"name": "Harbour Group"})

    assert names == ["Sandbox system user", "Nightly jobs"]
    assert limited["id"] == desk.shop["catalogId"]
    assert partner.startswith("EAA")
    assert (me["name"], [row["id"] for row in assigned]) == ("Nightly jobs", [desk.shop["catalogId"]])


def manages_the_app(desk: Desk) -> None:
    app = desk.app()
    read = app.api_get(fields=["id", "name", "app_domains"])
    live = {row["permission"] for row in app.get_permissions(params={"status": ["live"]})}
    before = list(app.get_subscriptions())
    outside = {"object": "page", "callback_url": "https://shop.example/hook", "verify_token": "v", "fields": ["feed"]}
    refused = refusal(lambda: app.create_subscription(params=outside))
    app.delete_subscriptions(params={"object": "page"})

    assert (read["id"], before) == (desk.card["appId"], [])
    assert {"catalog_management", "manage_business_extension"} <= live
    assert refused.api_error_code() == 2200


def uploads_in_pieces(desk: Desk) -> None:
    session = desk.api.call(
        "POST", (desk.card["appId"], "uploads"), params={"file_length": 6, "file_type": "image/png"}
    )
    where, signed = session.json()["id"], {"Authorization": f"OAuth {desk.card['accessToken']}"}
    url = f"{FacebookSession.GRAPH}/v25.0/{where}"
    requests = desk.api._session.requests
    part = requests.post(url, data=b"abc", headers=signed | {"file_offset": "0"}, timeout=10).json()
    at = desk.api.call("GET", (where,), headers=signed).json()
    done = requests.post(url, data=b"def", headers=signed | {"file_offset": "3"}, timeout=10).json()

    assert part["file_offset"] == at["file_offset"] == 3
    assert done["h"].startswith("2:")


def meets_documented_errors(desk: Desk) -> None:
    foreign = refusal(lambda: User("me", api=desk.session("EAAnobody")).api_get())
    absent = refusal(lambda: CommerceOrder("900", api=desk.api).api_get())
    several = refusal(lambda: CommerceOrder.get_by_ids([desk.shop["metaId"], "900"], api=desk.api))
    field = refusal(lambda: desk.cms.api_get(fields=["grand_total"]))
    edge = refusal(lambda: desk.api.call("GET", (desk.shop["pageId"], "no_such_edge")))
    unkeyed = refusal(lambda: desk.api.call("POST", (desk.an_order(), "acknowledge_order")))
    role = refusal(lambda: desk.api.call("GET", (desk.shop["metaId"], "commerce_orders"), params={"state": "OPEN"}))

    assert (foreign.api_error_code(), foreign.api_error_type()) == (190, "OAuthException")
    assert (absent.api_error_code(), absent.api_error_subcode(), absent.http_status()) == (100, 33, 400)
    assert "does not exist" in absent.api_error_message()
    assert (several.api_error_code(), field.api_error_code(), edge.api_error_code()) == (803, 100, 2500)
    assert field.api_error_message() == (
        "(#100) Tried accessing nonexisting field (grand_total) on node type (CommerceMerchantSettings)"
    )
    assert unkeyed.api_error_message() == "(#100) The parameter idempotency_key is required"
    assert role.api_error_code() == 100


def meets_scripted_trouble(desk: Desk) -> None:
    rows = {"item_type": "PRODUCT_ITEM", "requests": [new_item("late")]}
    desk.control("POST", "faults", json={"kind": "throttle", "code": 80014, "minutes": 3, "path": "*/items_batch"})
    slow = refusal(lambda: desk.catalog.create_items_batch(params=rows))
    desk.control("POST", "faults", json={"kind": "error", "code": 2, "transient": True, "path": "*/product_sets"})
    down = refusal(lambda: list(desk.catalog.get_product_sets()))
    desk.control("POST", "faults", json={"kind": "http", "status": 503, "path": "*/setup_status"})
    with pytest.raises(FacebookRequestError) as html:
        desk.cms.get_setup_status()
    token = desk.control("POST", "tokens", json={"kind": "USER", "expiresIn": 60})["accessToken"]
    desk.control("POST", "tokens/expire", json={"token": token})
    ended = refusal(lambda: User("me", api=desk.session(token)).api_get())

    usage = json.loads(slow.http_headers()["x-business-use-case-usage"])[desk.shop["catalogId"]]
    assert slow.api_error_code() == 80014
    assert (usage[0]["type"], usage[0]["estimated_time_to_regain_access"]) == ("catalog_batch", 3)
    assert (down.api_error_code(), down.api_transient_error(), down.http_status()) == (2, True, 500)
    assert html.value.http_status() == 503
    assert (ended.api_error_code(), ended.api_error_subcode()) == (190, 463)


STEPS = [
    discovers_the_business,
    makes_and_changes_a_catalog,
    keeps_product_sets,
    pages_through_products,
    reads_and_writes_single_products,
    sends_an_item_batch_and_polls_it,
    walks_product_groups,
    reads_the_commerce_account,
    works_as_the_page,
    reads_orders_and_items,
    acknowledges_orders,
    sends_batches,
    repeats_the_slots_that_timed_out,
    looks_into_tokens,
    manages_the_app,
    hires_system_users,
    uploads_in_pieces,
    meets_documented_errors,
    meets_scripted_trouble,
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_the_sdk(desk: Desk, step: Callable[[Desk], None]) -> None:
    step(desk)


def test_the_sdk_writes_its_newest_version_by_itself(desk: Desk) -> None:
    api = FacebookAdsApi(FacebookSession(desk.card["appId"], desk.card["appSecret"], desk.card["accessToken"]))
    desk.apis.append(api)

    answer = api.call("GET", ("me",))

    assert answer.headers()["facebook-api-version"] == FacebookAdsApi.API_VERSION


def test_what_the_sdk_was_taught_not_to_ask_only_warns(desk: Desk) -> None:
    with pytest.warns(UserWarning, match="does not allow field"):
        read = desk.cms.api_get(fields=["onsite_commerce_merchant"])

    assert read["onsite_commerce_merchant"] == {"id": desk.shop["metaId"]}


def test_the_whole_walk_makes_more_than_sixty_different_calls(desk: Desk) -> None:
    for step in STEPS:
        step(desk)

    report = desk.control("GET", "calls")

    assert len({shape_of(call) for call in report["calls"]}) >= 60
