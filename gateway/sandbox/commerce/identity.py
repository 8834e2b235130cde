"""Who calls: system user, user, app, and the Pages they reach."""

from __future__ import annotations

from typing import Any

from gateway.sandbox import ids, tokens
from gateway.sandbox.commerce.oauth import APPLICATION
from gateway.sandbox.errors import no_active_user
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, PlainEdge, Rows, Schema, Window, doc_fields
from gateway.sandbox.world import World


def _load_person(kind: str, type_name: str) -> Any:
    def load(world: World, node_id: str) -> Node | None:
        doc = world.find_node(node_id, kind)
        return None if doc is None else Node(type_name, node_id, doc, node_id, node_id)

    return load


def _load_app(world: World, node_id: str) -> Node:
    return Node("Application", node_id, {"name": APPLICATION}, node_id, node_id)


def _accounts(call: Call, node: Node, params: Params, window: Window) -> Rows:
    page_type = call.schema.types["Page"]
    pages = [page_type.load(call.world, doc["id"]) for doc in call.world.nodes_of("page", call.world.business_id)]
    return listed([page for page in pages if page is not None and call.token.reaches(page.id)], window)


def _permissions(call: Call, node: Node, params: Params) -> list[dict[str, Any]]:
    if call.token.kind == tokens.APP:
        raise no_active_user()
    return [{"permission": scope, "status": "granted"} for scope in call.token.scopes]


def install(schema: Schema) -> None:
    people = ((ids.SYSTEM_USER, "system_user", "SystemUser"), (ids.USER, "user", "User"))
    for prefix, kind, type_name in people:
        schema.add_type(prefix, NodeType(type_name, _load_person(kind, type_name), doc_fields("name"), ("name",)))
        schema.add(
            Edge(type_name, "accounts", "Page", _accounts, defaults=("access_token", "name", "tasks")),
            PlainEdge(type_name, "permissions", _permissions),
        )
    fields = doc_fields("name link category app_domains")
    schema.add_type("app", NodeType("Application", _load_app, fields, ("name",)))
