"""Who calls: system user, user, app, and the Pages they reach."""

from __future__ import annotations

from typing import Any

from gateway.sandbox import ids, params, tokens
from gateway.sandbox.commerce.oauth import APPLICATION
from gateway.sandbox.errors import no_active_user, unsupported
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, PlainEdge, Rows, Schema, When, Window, Write, doc_fields
from gateway.sandbox.world import World


def _load_person(kind: str, type_name: str) -> Any:
    def load(world: World, node_id: str) -> Node | None:
        doc = world.find_node(node_id, kind)
        return None if doc is None else Node(type_name, node_id, doc, node_id, node_id)

    return load


def _load_app(world: World, node_id: str) -> Node:
    doc = {"name": APPLICATION, "category": "Business and Pages", "app_domains": ["localhost"]}
    doc["link"] = f"https://www.facebook.com/games/?app_id={node_id}"
    return Node("Application", node_id, doc, node_id, node_id)


def _accounts(call: Call, node: Node, given: Params, window: Window) -> Rows:
    page_type = call.schema.types["Page"]
    pages = [page_type.load(call.world, doc["id"]) for doc in call.world.nodes_of("page", call.world.business_id)]
    return listed([page for page in pages if page is not None and call.token.reaches(page.id)], window)


def _permissions(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    if call.token.kind == tokens.APP:
        raise no_active_user()
    granted = [{"permission": scope, "status": "granted"} for scope in call.token.scopes]
    return granted + [{"permission": scope, "status": "declined"} for scope in node.doc.get("declined", ())]


def _revoke(call: Call, node: Node) -> dict[str, Any]:
    """Take one permission back, or all of them, which also ends the tokens of this app."""
    if call.token.object_id != node.id:
        raise unsupported(call.method, node.id)
    name = params.text(call.params, "permission")
    for token in tokens.of_user(call.world, node.id):
        left = [scope for scope in token.scopes if name is not None and scope != name]
        if name is not None:
            tokens.rescope(call.world, token.value, left)
        else:
            tokens.revoke(call.world, token.value, 458)
    declined = {*node.doc.get("declined", ()), *([name] if name else ())}
    call.world.change_node(node.id, declined=sorted(declined))
    return {"success": True}


def _app_permissions(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    """What App Review let this app ask of everybody."""
    wanted = params.words(given, "permission") or tokens.KNOWN_SCOPES
    if "live" not in (params.choices(given, "status", ("live", "unapproved")) or ["live"]):
        return []
    return [{"permission": scope, "status": "live"} for scope in tokens.KNOWN_SCOPES if scope in wanted]


def _assigned_catalogs(call: Call, node: Node, given: Params, window: Window) -> Rows:
    kind = call.schema.types["ProductCatalog"]
    found = [kind.load(call.world, doc["id"]) for doc in call.world.nodes_of("catalog", call.world.business_id)]
    return listed([one for one in found if one is not None and call.token.reaches(one.id)], window)


def install(schema: Schema) -> None:
    people = ((ids.SYSTEM_USER, "system_user", "SystemUser"), (ids.USER, "user", "User"))
    for prefix, kind, type_name in people:
        fields = doc_fields("name role") | {"created_time": lambda call, node, given: When(node.doc["created"])}
        schema.add_type(prefix, NodeType(type_name, _load_person(kind, type_name), fields, ("name",)))
        schema.add(
            Edge(type_name, "accounts", "Page", _accounts, defaults=("access_token", "name", "tasks")),
            Edge(type_name, "assigned_pages", "Page", _accounts, ("pages",)),
            Edge(type_name, "assigned_product_catalogs", "ProductCatalog", _assigned_catalogs),
            PlainEdge(type_name, "permissions", _permissions),
            Write("DELETE", type_name, "permissions", _revoke, ("permission",)),
        )
    fields = doc_fields("name link category app_domains")
    schema.add_type("app", NodeType("Application", _load_app, fields, ("category", "link", "name")))
    reviewed = ("permission", "status", "android_key_hash", "ios_bundle_id", "proxied_app_id")
    schema.add(PlainEdge("Application", "permissions", _app_permissions, reviewed))
