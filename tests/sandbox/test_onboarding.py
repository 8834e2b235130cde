"""From the login dialog to a system user that works for the seller: half a grant, the wrong Page, uninstalling."""

from __future__ import annotations

import httpx

from gateway.sandbox import SandboxSettings, create_app
from tests.sandbox.conftest import SECRET, SandboxWorld, SandboxWorlds, proof
from tests.sandbox.receiver import Receiver, flush, receiver, subscribe
from tests.sandbox.seller import APP_ID, connected, installation

__all__ = ["receiver"]


async def test_the_installation_names_every_asset(sandbox_world: SandboxWorld) -> None:
    token, shop = await connected(sandbox_world), sandbox_world.shop

    found = await installation(sandbox_world, token)

    assert found["business_manager_id"] == sandbox_world.card["businessId"]
    assert (found["catalog_id"], found["pages"]) == (shop["catalogId"], [shop["pageId"]])
    assert found["commerce_merchant_settings_id"] == shop["metaId"]
    assert (found["ad_account_id"], found["ig_shop"]) == ("0", {"status": "NOT_SUBMITTED"})
    kinds = {feature["feature_type"]: feature for feature in found["installed_features"]}
    assert set(kinds) == {"pixel", "catalog", "fb_shop"}
    assert kinds["pixel"]["connected_assets"]["pixel_id"] == found["pixel_id"]
    assert all(len(feature["feature_instance_id"]) <= 20 for feature in found["installed_features"])


async def test_a_token_of_the_dialog_reaches_the_chosen_assets_only(sandbox_world: SandboxWorld) -> None:
    token = await connected(sandbox_world)
    other = sandbox_world.card["shops"][1]

    mine = await sandbox_world.get(sandbox_world.catalog, token)
    hidden = await sandbox_world.refused("GET", other["catalogId"], token)
    [page] = (await sandbox_world.get("me/accounts", token))["data"]

    assert mine["id"] == sandbox_world.catalog
    assert (hidden["code"], hidden["error_subcode"]) == (100, 33)
    assert page["id"] == sandbox_world.shop["pageId"]


async def test_an_unticked_permission_is_declined_and_missed(sandbox_world: SandboxWorld) -> None:
    ticked = ["manage_business_extension", "pages_read_engagement"]
    token = await connected(sandbox_world, granted=ticked)

    rows = (await sandbox_world.get("me/permissions", token))["data"]
    error = await sandbox_world.refused("GET", f"{sandbox_world.catalog}/products", token)
    page_token = (await sandbox_world.get(sandbox_world.shop["pageId"], token, fields="access_token"))["access_token"]
    from_page = await sandbox_world.refused("GET", f"{sandbox_world.cms}/commerce_orders", page_token)

    statuses = {row["permission"]: row["status"] for row in rows}
    assert statuses["catalog_management"] == "declined"
    assert statuses["manage_business_extension"] == "granted"
    assert (error["code"], error["status"]) == (200, 403)
    assert from_page["code"] == 200  # a Page token may no more than the one who asked for it


async def test_without_the_extension_permission_nothing_is_installed(sandbox_world: SandboxWorld) -> None:
    token = await connected(sandbox_world, granted=["catalog_management"])

    error = await sandbox_world.refused(
        "GET", "fbe_business/fbe_installs", token, params={"fbe_external_business_id": "seller-7f31c2"}
    )

    assert error["code"] == 200


async def test_a_page_without_a_shop_leaves_the_features_off(sandbox_world: SandboxWorld) -> None:
    token = await connected(sandbox_world, page=f"other:{sandbox_world.card['world']}")

    found = await installation(sandbox_world, token)
    [status] = (await sandbox_world.get(f"{found['pages'][0]}/commerce_merchant_settings", token)).values()

    assert "catalog_id" not in found
    assert "commerce_merchant_settings_id" not in found
    assert [feature["feature_type"] for feature in found["installed_features"]] == ["pixel"]
    assert status == []


async def test_another_shop_of_the_seller_is_another_installation(sandbox_world: SandboxWorld) -> None:
    wrong = sandbox_world.card["shops"][1]
    token = await connected(sandbox_world, page=wrong["pageId"])

    assert (await installation(sandbox_world, token))["catalog_id"] == wrong["catalogId"]


async def test_unknown_installations_have_metas_own_error(sandbox_world: SandboxWorld) -> None:
    query = {"fbe_external_business_id": "nobody"}

    installs = await sandbox_world.refused("GET", "fbe_business/fbe_installs", params=query)
    business = await sandbox_world.refused("GET", "fbe_business", params=query)

    assert (installs["code"], installs["type"], installs["message"]) == (
        100,
        "GraphMethodException",
        "Installation not found",
    )
    assert (business["code"], business["status"]) == (33, 400)


async def test_features_are_read_and_switched(sandbox_world: SandboxWorld) -> None:
    token = await connected(sandbox_world)
    query = {"fbe_external_business_id": "seller-7f31c2"}
    cta = {"enabled": True, "cta_button_text": "Shop Now", "cta_button_url": "https://shop.example/"}

    before = await sandbox_world.get("fbe_business", token, **query)
    done = await sandbox_world.post("fbe_business", token, **query, business_config={"page_cta": cta})
    after = await sandbox_world.get("fbe_business", token, **query)
    extension = await sandbox_world.get("fbe_business", token, **query, fields="commerce_extension")
    refused = await sandbox_world.refused(
        "POST", "fbe_business", token, json=query | {"business_config": {"page_cta": {"enabled": "maybe"}}}
    )

    assert before["page_cta"] == {"enabled": False}
    assert (done, after["page_cta"]) == ({"success": True}, cta)
    assert [row["enabled"] for row in after["catalogs"]] == [True]
    assert list(extension) == ["commerce_extension"]
    assert extension["commerce_extension"]["uri"].startswith("https://www.commercepartnerhub.com/")
    assert refused["code"] == 100


async def test_rollout_switches_are_texts(sandbox_world: SandboxWorld) -> None:
    token = await connected(sandbox_world)

    answer = await sandbox_world.get(
        "fbe_business/fbe_rollout_switches", token, fbe_external_business_id="seller-7f31c2"
    )

    assert {row["enabled"] for row in answer["data"]} == {"1", ""}


async def test_the_exchange_for_a_system_user_needs_a_proof_even_where_no_other_call_does() -> None:
    app = create_app(SandboxSettings(require_proof=False))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://graph.test") as http:
        card = (await http.post("/_sandbox/worlds", json={"clock": {"kind": "frozen"}})).json()
        path = f"/v25.0/{card['businessId']}/access_token"
        body = {"app_id": APP_ID, "scope": "catalog_management", "access_token": card["accessToken"]}

        without = (await http.post(path, data=body)).json()
        wrong = (await http.post(path, data=body | {"appsecret_proof": "0" * 64})).json()
        right = (await http.post(path, data=body | {"appsecret_proof": proof(card["accessToken"])})).json()

    assert without["error"]["message"] == "API calls from the server require an appsecret_proof argument"
    assert wrong["error"]["message"] == "Invalid appsecret_proof provided in the API argument"
    assert right["access_token"].startswith("EAA")


async def test_the_system_user_of_an_installation_reaches_its_assets(sandbox_world: SandboxWorld) -> None:
    token, business = await connected(sandbox_world), sandbox_world.card["businessId"]
    body = {
        "app_id": APP_ID,
        "scope": "manage_business_extension,catalog_management,pages_read_engagement",
        "fbe_external_business_id": "seller-7f31c2",
    }

    first = (await sandbox_world.post(f"{business}/access_token", token, **body))["access_token"]
    again = (await sandbox_world.post(f"{business}/access_token", token, **body))["access_token"]
    me = await sandbox_world.get("me", first)
    page = await sandbox_world.get(sandbox_world.shop["pageId"], first, fields="access_token")
    beyond = await sandbox_world.refused(
        "POST", f"{business}/access_token", token, json=body | {"scope": "manage_business_extension,read_insights"}
    )
    hidden = await sandbox_world.refused("GET", sandbox_world.card["shops"][1]["catalogId"], first)

    assert first == again
    assert me["name"] == "Commerce sandbox app System User (FBE)"
    assert (await sandbox_world.get(sandbox_world.catalog, first))["id"] == sandbox_world.catalog
    assert page["access_token"].startswith("EAA")
    assert (beyond["code"], hidden["error_subcode"]) == (200, 33)


async def test_system_users_are_made_and_given_tokens(sandbox_world: SandboxWorld) -> None:
    business = sandbox_world.card["businessId"]
    made = await sandbox_world.post(
        f"{business}/system_users", name="Nightly jobs", role="employee", fields="name,role"
    )
    body = {
        "system_user_id": made["id"],
        "scope": ["catalog_management"],
        "asset": [sandbox_world.catalog],
        "set_token_expires_in_60_days": True,
    }

    nothing = await sandbox_world.refused(
        "POST", f"{business}/system_user_access_tokens", json=body | {"fetch_only": True}
    )
    token = (await sandbox_world.post(f"{business}/system_user_access_tokens", **body))["access_token"]
    fetched = await sandbox_world.post(
        f"{business}/system_user_access_tokens", system_user_id=made["id"], fetch_only=True
    )
    seen = await sandbox_world.get("debug_token", f"{APP_ID}|{SECRET}", input_token=token)
    listed = (await sandbox_world.get(f"{business}/system_users"))["data"]

    assert (made["name"], made["role"]) == ("Nightly jobs", "EMPLOYEE")
    assert nothing["code"] == 100
    assert fetched["access_token"] == token
    assert (seen["data"]["type"], seen["data"]["user_id"]) == ("SYSTEM_USER", made["id"])
    assert seen["data"]["expires_at"] - seen["data"]["issued_at"] == 5_184_000
    assert [row["name"] for row in listed] == ["Sandbox system user", "Nightly jobs"]


async def test_uninstalling_ends_the_tokens_and_keeps_the_shop(sandbox_world: SandboxWorld) -> None:
    token = await connected(sandbox_world)
    query = {"fbe_external_business_id": "seller-7f31c2"}

    gone = await sandbox_world.send("DELETE", "fbe_business/fbe_installs", token, json=query)
    error = await sandbox_world.refused("GET", "me", token)
    account = await sandbox_world.get(sandbox_world.cms, fields="merchant_status")

    assert gone.json() == {"success": True}
    assert (error["code"], error["error_subcode"]) == (190, 458)
    assert account["merchant_status"] == "ENABLED"


async def test_install_change_and_uninstall_are_told(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    await subscribe(sandbox_world, receiver, "user")
    query = {"fbe_external_business_id": "seller-7f31c2"}

    token = await connected(sandbox_world)
    await sandbox_world.post("fbe_business", token, **query, business_config={"ig_cta": {"enabled": True}})
    await sandbox_world.send("DELETE", "fbe_business/fbe_installs", token, params=query)
    await flush(sandbox_world)

    installed, changed, removed = receiver.values()
    [entry] = receiver.events[0]["entry"]
    assert (receiver.events[0]["object"], entry["id"], entry["changes"][0]["field"]) == ("user", "0", "fbe_install")
    assert (
        entry["uid"]
        == (await sandbox_world.get("debug_token", f"{APP_ID}|{SECRET}", input_token=token))["data"]["user_id"]
    )
    assert installed["access_token"] == changed["access_token"] == token
    assert installed["business_id"] == "seller-7f31c2"
    assert installed["pages"] == [sandbox_world.shop["pageId"]]
    assert not {"access_token", "pages", "profiles", "instagram_profiles"} & set(removed)


async def test_business_integration_events_are_told_to_the_app(sandbox_world: SandboxWorld, receiver: Receiver) -> None:
    await subscribe(sandbox_world, receiver, "application")

    await connected(sandbox_world)
    await flush(sandbox_world)

    [event] = receiver.events
    assert event["object"] == "application"
    assert event["entry"][0]["id"] == APP_ID
    assert event["entry"][0]["changes"][0]["value"]["business_manager_id"] == sandbox_world.card["businessId"]


async def test_permissions_can_be_given_back(sandbox_world: SandboxWorld) -> None:
    token = await connected(sandbox_world)
    me = (await sandbox_world.get("me", token))["id"]

    await sandbox_world.send("DELETE", f"{me}/permissions/catalog_management", token)
    error = await sandbox_world.refused("GET", f"{sandbox_world.catalog}/products", token)
    await sandbox_world.send("DELETE", f"{me}/permissions", token)
    ended = await sandbox_world.refused("GET", "me", token)

    assert error["code"] == 200
    assert (ended["code"], ended["error_subcode"]) == (190, 458)


async def test_the_shop_node_shows_its_channels(sandbox_world: SandboxWorld) -> None:
    fields = "shop_status,fb_sales_channel,ig_sales_channel,commerce_merchant_settings,workspace"
    page, path = sandbox_world.shop["pageId"], f"{sandbox_world.cms}/shops"

    [shop] = (await sandbox_world.get(path, fields=fields))["data"]
    await sandbox_world.post(sandbox_world.cms, merchant_status="EXTERNALLY_DISABLED")
    off = await sandbox_world.get(shop["id"], fields="shop_status,fb_sales_channel{status}")

    assert shop["fb_sales_channel"] == {"status": "ENABLED", "fb_page": {"name": "Harbour Outfitters", "id": page}}
    assert shop["commerce_merchant_settings"] == {"id": sandbox_world.cms}
    assert (off["shop_status"], off["fb_sales_channel"]) == ("DISABLED", {"status": "DISABLED"})


async def test_worlds_do_not_share_installations(sandbox_worlds: SandboxWorlds) -> None:
    mine, other = await sandbox_worlds.make(), await sandbox_worlds.make()
    await connected(mine)

    error = await other.refused(
        "GET", "fbe_business/fbe_installs", params={"fbe_external_business_id": "seller-7f31c2"}
    )

    assert error["message"] == "Installation not found"


async def test_a_store_reports_itself_to_its_integration(sandbox_world: SandboxWorld) -> None:
    token = await connected(sandbox_world)
    found = await installation(sandbox_world, token)
    integration = found["commerce_partner_integration_id"]
    query = {"fbe_external_business_id": "seller-7f31c2"}
    store = {"shop_domain": "https://shop.example", "admin_url": "https://shop.example/admin", "extension_version": "3"}

    repaired = await sandbox_world.post("commerce_partner_integrations_repair", token, **query, **store)
    status = {"installation_status": "ACCESS_TOKEN_DEPOSITED", "country_code": "IE", "currency": "EUR"}
    reported = await sandbox_world.post(integration, token, **status)
    logged = await sandbox_world.post("commerce_seller_logs", token, event="sync", extra_data={"n": 1})
    again = await installation(sandbox_world, token)
    bare = await sandbox_world.refused("POST", "commerce_partner_integrations_repair", token, json=query)

    assert repaired == reported == {"success": True, "id": integration}
    assert logged == {"success": True}
    assert again == found
    assert bare["code"] == 100


async def test_the_commerce_account_keeps_policies_and_checkouts_apart(sandbox_world: SandboxWorld) -> None:
    form = {
        "privacy_policy_localized[url]": "https://shop.example/ko",
        "privacy_policy_localized[locale]": "ko",
        "checkout_config": '{"checkout_url":"https://shop.example/pay","country_code":"kr"}',
    }

    sent = await sandbox_world.send("POST", sandbox_world.cms, data=form)
    half = await sandbox_world.refused("POST", sandbox_world.cms, json={"checkout_config": {"country_code": "KR"}})
    fields = "privacy_policy_localized.locale(ko),checkout_config.country_code(KR)"
    found = await sandbox_world.get(sandbox_world.cms, fields=fields)
    other = await sandbox_world.get(sandbox_world.cms, fields="checkout_config.country_code(US)")

    assert sent.json() == {"success": True}
    assert half["code"] == 100
    assert found["privacy_policy_localized"] == {"url": "https://shop.example/ko", "locale": "ko"}
    assert found["checkout_config"]["checkout_url"] == "https://shop.example/pay"
    assert "checkout_config" not in other
