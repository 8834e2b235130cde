"""After the dialog: the installation, its features, and the system user that works for it.

Source: shops.md sections 3.1 to 3.6.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox import ids, installs, params, tokens
from gateway.sandbox.commerce.oauth import APPLICATION, LONG_LIFE
from gateway.sandbox.errors import METHOD, GraphError, invalid, missing_parameter, missing_permission
from gateway.sandbox.paging import listed
from gateway.sandbox.schema import Call, Edge, Node, Root, Rows, Schema, Window, Write
from gateway.sandbox.world import World

EXTENSION, MANAGE = "manage_business_extension", "business_management"
ROLES = (
    "ADMIN ADS_RIGHTS_REVIEWER DEFAULT DEVELOPER EMPLOYEE FINANCE_ANALYST FINANCE_EDIT FINANCE_EDITOR FINANCE_VIEW "
    "MANAGE PARTNER_CENTER_ADMIN PARTNER_CENTER_ANALYST PARTNER_CENTER_EDUCATION PARTNER_CENTER_MARKETING "
    "PARTNER_CENTER_OPERATIONS"
).split()
EXTERNAL = "fbe_external_business_id"
HUB = "https://www.commercepartnerhub.com/commerce_extension/overview/"
SWITCHES = ("rollout_catalog_sync_v2", "rollout_offer_sync", "rollout_navigation_sync")


def installation(call: Call, code: int = 100) -> tuple[str, dict[str, Any]]:
    """The installation that a call is about, under the partner's id.

    Raises:
        GraphError: no permission, or no such installation.
    """
    if not call.token.may(EXTENSION):
        raise missing_permission(EXTENSION)
    external_id = params.required_text(call.params, EXTERNAL)
    doc = installs.find(call.world, external_id)
    if doc is None or not call.token.reaches(doc["business_manager_id"]):
        if code == 33:
            raise GraphError(33, "(#33) This object does not exist or does not support this action")
        raise _not_installed()
    return external_id, doc


def _not_installed() -> GraphError:
    return GraphError(100, "Installation not found", type=METHOD)


def _read_installs(call: Call) -> dict[str, Any]:
    return {"data": [installs.card(installation(call)[1])]}


def _uninstall(call: Call) -> dict[str, Any]:
    """Only the permission goes: tokens of the installation end, the commerce account stays."""
    external_id, doc = installation(call)
    installs.remove(call.world, external_id)
    for user_id in (doc["user_id"], _system_user_of(call.world, external_id)):
        for token in [] if user_id is None else tokens.of_user(call.world, user_id):
            tokens.revoke(call.world, token.value, 458)
    return {"success": True}


def _read_business(call: Call) -> dict[str, Any]:
    external_id, doc = installation(call, 33)
    names = params.words(call.params, "fields")
    business = call.world.find_node(doc["business_manager_id"], "business")
    shown = installs.configuration(doc, "" if business is None else business["name"])
    query = f"?app_id={call.world.settings.app_id}&external_business_id={external_id}"
    extension = {"uri": f"{HUB}{doc['commerce_partner_integration_id']}{query}"}
    if not names:
        return shown
    everything = shown | {"commerce_extension": extension}
    return {name: everything[name] for name in names if name in everything}


def _change_business(call: Call) -> dict[str, Any]:
    external_id, _ = installation(call, 33)
    config = params.structure(call.params, "business_config")
    if not isinstance(config, dict):
        raise invalid("Param business_config must be an object")
    wrong = installs.config_problem(config)
    if wrong is not None:
        raise invalid(wrong)
    installs.change(call.world, external_id, config)
    return {"success": True}


def _switches(call: Call) -> dict[str, Any]:
    """`enabled` is a text, an empty one means off."""
    installation(call)
    return {"data": [{"switch": name, "enabled": "1" if n == 0 else ""} for n, name in enumerate(SWITCHES)]}


# System users.


def _system_user_of(world: World, external_id: str) -> str | None:
    for doc in world.nodes_of("system_user", world.business_id):
        if doc.get("external_id") == external_id:
            return str(doc["id"])
    return None


def _new_user_id(world: World) -> str:
    """The next id; the first of all is the world's own system user, which was not counted."""
    made = world.new_id(ids.SYSTEM_USER)
    return made if made != world.system_user_id else world.new_id(ids.SYSTEM_USER)


def _scopes(call: Call) -> list[str]:
    scopes = params.words(call.params, "scope")
    if not scopes:
        raise missing_parameter("scope")
    for scope in scopes:
        if scope not in tokens.KNOWN_SCOPES:
            raise invalid(f"Invalid Scopes: {scope}")
        if not call.token.may(scope):
            raise missing_permission(scope)
    return scopes


def _on_behalf(call: Call, node: Node) -> dict[str, Any]:
    """`POST /{business}/access_token`: the token of the system user that Meta makes for the installation."""
    settings = call.world.settings
    if not params.given(call.params, "appsecret_proof"):
        raise GraphError(100, "API calls from the server require an appsecret_proof argument", type=METHOD)
    if params.required_text(call.params, "app_id") != settings.app_id:
        raise GraphError(101, "Error validating application. Cannot get application info due to a system error.")
    scopes = _scopes(call)
    external_id = params.text(call.params, EXTERNAL)
    targets = None if call.token.targets is None else sorted(call.token.targets)
    if external_id:
        doc = installs.find(call.world, external_id)
        if doc is None:
            raise _not_installed()
        if EXTENSION not in scopes:
            raise invalid(f"Param scope must include {EXTENSION}")
        assets = [doc["business_manager_id"], *doc["pages"], doc["commerce_merchant_settings_id"], doc["catalog_id"]]
        targets = [asset for asset in (*assets, doc["pixel_id"], *doc["instagram_profiles"]) if asset is not None]
    user = _system_user_of(call.world, external_id or "")
    if user is None:
        name = params.text(call.params, "system_user_name") or f"{APPLICATION} System User (FBE)"
        user = _new_user_id(call.world)
        person = {"name": name, "role": "EMPLOYEE", "external_id": external_id or ""}
        call.world.add_node(user, "system_user", node.id, person)
    return {"access_token": _token_of(call.world, user, scopes, targets, 0.0)}


def _token_of(world: World, user: str, scopes: list[str], targets: list[str] | None, lifetime: float) -> str:
    """The living token with exactly these permissions, or a new one."""
    for token in tokens.of_user(world, user):
        if token.kind != tokens.SYSTEM_USER:
            continue
        same = sorted(token.scopes) == sorted(scopes) and bool(token.expires_at) == bool(lifetime)
        if same and tokens.trouble(token, world.now()) is None:
            return token.value
    return tokens.mint(world, tokens.SYSTEM_USER, user, user_id=user, scopes=scopes, targets=targets, lifetime=lifetime)


def _system_users(call: Call, node: Node, given: params.Params, window: Window) -> Rows:
    kind = call.schema.types["SystemUser"]
    found = [kind.load(call.world, doc["id"]) for doc in call.world.nodes_of("system_user", node.id)]
    return listed([user for user in found if user is not None], window)


def _create_system_user(call: Call, node: Node) -> dict[str, Any]:
    name = params.required_text(call.params, "name")
    role = params.choices(call.params, "role", ROLES) or ["EMPLOYEE"]
    user = _new_user_id(call.world)
    call.world.add_node(user, "system_user", node.id, {"name": name, "role": role[0]})
    return {"id": user}


def _system_user_token(call: Call, node: Node) -> dict[str, Any]:
    """A token of a system user, limited to the assets named; `fetch_only` shows the one there is."""
    user = params.required_text(call.params, "system_user_id")
    doc = call.world.find_node(user, "system_user")
    if doc is None or doc["owner"] != node.id:
        raise invalid("Param system_user_id must be a system user of this business")
    if params.boolean(call.params, "fetch_only", False):
        for token in tokens.of_user(call.world, user):
            if token.kind == tokens.SYSTEM_USER and tokens.trouble(token, call.now) is None:
                return {"access_token": token.value}
        raise invalid("The system user has no access token")
    scopes, assets = _scopes(call), params.words(call.params, "asset")
    for asset in assets:
        if call.world.find_node(asset, "page") is None and call.world.find_node(asset, "catalog") is None:
            raise invalid(f"Param asset[{asset}] must be an asset of this business")
    targets = [*assets, *_accounts_of(call.world, assets), node.id] if assets else None
    lifetime = float(LONG_LIFE) if params.boolean(call.params, "set_token_expires_in_60_days", False) else 0.0
    return {"access_token": _token_of(call.world, user, scopes, targets, lifetime)}


def _accounts_of(world: World, assets: list[str]) -> list[str]:
    """Whoever has a Page or catalog reaches the commerce account on it."""
    return [doc["id"] for doc in world.accounts() if doc["page"] in assets or doc["catalog"] in assets]


def _update_business(call: Call, node: Node) -> dict[str, Any]:
    changes = {name: params.text(call.params, name) for name in ("name", "vertical") if params.given(call.params, name)}
    if changes:
        call.world.change_node(node.id, **changes)
    return {"id": node.id}


def install(schema: Schema) -> None:
    installed = "fbe_business/fbe_installs"
    on_behalf = ("app_id", "scope", EXTERNAL, "system_user_name")
    minted = ("system_user_id", "scope", "asset", "set_token_expires_in_60_days", "fetch_only")
    renamed = ("name", "vertical", "entry_point", "primary_page", "timezone_id", "two_factor_type")
    schema.add(
        Root("GET", installed, _read_installs, (EXTERNAL,)),
        Root("DELETE", installed, _uninstall, (EXTERNAL,)),
        Root("GET", "fbe_business", _read_business, (EXTERNAL,)),
        Root("POST", "fbe_business", _change_business, (EXTERNAL, "business_config")),
        Root("GET", "fbe_business/fbe_rollout_switches", _switches, (EXTERNAL, "catalog_id", "pixel_id")),
        Edge("Business", "system_users", "SystemUser", _system_users, scope=MANAGE, defaults=("name", "role")),
        Write("POST", "Business", "system_users", _create_system_user, ("name", "role", "system_user_id"), MANAGE),
        Write("POST", "Business", "system_user_access_tokens", _system_user_token, minted, MANAGE),
        Write("POST", "Business", "access_token", _on_behalf, on_behalf),
        Write("POST", "Business", "", _update_business, renamed, MANAGE),
    )
