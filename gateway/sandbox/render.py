"""From a node and a selection to JSON.

`id` is always there, a field without a value is left out, an edge used as a field brings its own paging
(graph-api.md section 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.sandbox.clock import iso_node, iso_order
from gateway.sandbox.errors import GraphError, missing_permission, unknown_field
from gateway.sandbox.paging import page
from gateway.sandbox.params import Params, text
from gateway.sandbox.schema import Call, Edge, Link, Node, NodeType, PlainEdge, When
from gateway.sandbox.selection import Selected, parse_fields


def requested(params: Params) -> tuple[Selected, ...] | None:
    fields = params.get("fields")
    if isinstance(fields, list):
        fields = ",".join(str(name) for name in fields)
    return parse_fields(fields) if isinstance(fields, str) and fields.strip() else None


def show_node(
    call: Call, node: Node, fields: Sequence[Selected] | None, defaults: Iterable[str] | None = None
) -> dict[str, Any]:
    """The node as JSON with exactly the fields asked for, and `id`."""
    kind = call.schema.types[node.type]
    wanted = tuple(Selected(name) for name in defaults or kind.defaults) if fields is None else fields
    answer: dict[str, Any] = {}
    for selected in wanted:
        if selected.name == "id":
            continue
        value = _value(call, kind, node, selected)
        if value is not None:
            answer[selected.key] = value
    return answer | {"id": node.id}


def _value(call: Call, kind: NodeType, node: Node, selected: Selected) -> Any:
    reader = kind.fields.get(selected.name)
    if reader is not None:
        return _shaped(call, reader(call, node, dict(selected.arguments)), selected)
    edge = call.schema.edges.get((kind.name, selected.name))
    if edge is None:
        raise unknown_field(selected.name, kind.name)
    params: Params = dict(selected.arguments)
    return show_edge(call, node, edge, params, selected.children, nested=True)


def show_edge(
    call: Call,
    node: Node,
    edge: Edge | PlainEdge,
    params: Params,
    fields: tuple[Selected, ...] | None,
    *,
    nested: bool,
) -> dict[str, Any] | None:
    """An edge as `{data, paging}`; asked for directly it is there even when empty."""
    if edge.scope is not None and not call.token.may(edge.scope):
        raise missing_permission(edge.scope)
    if isinstance(edge, PlainEdge):
        rows = [_picked(row, fields) for row in edge.rows(call, node, params)]
        return {"data": rows} if rows or not nested else None
    repeated = params if fields is None or "fields" in params else params | {"fields": _written(fields)}
    return page(
        call,
        repeated,
        f"{node.id}/{edge.name}",
        edge.largest,
        lambda window: edge.rows(call, node, params, window),
        lambda row: show_node(call, row, fields, edge.defaults),
        nested=nested,
    )


def _shaped(call: Call, value: Any, selected: Selected) -> Any:
    if isinstance(value, Link):
        if value.node is None:
            return None
        return show_node(call, value.node, selected.children, value.shown)
    if isinstance(value, When):
        if text(call.params, "date_format") == "U":
            return int(value.at)
        return iso_order(value.at) if value.order_form else iso_node(value.at)
    if selected.children is None or value is None:
        return value
    if isinstance(value, dict):
        return _picked(value, selected.children)
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        return [_picked(row, selected.children) for row in value]
    raise GraphError(2500, f'Syntax error "Field {selected.name} is not a complex type and cannot be expanded."')


def _picked(value: Mapping[str, Any], fields: Sequence[Selected] | None) -> dict[str, Any]:
    """A plain object reduced to what was asked for; unknown names are left out."""
    if fields is None:
        return dict(value)
    # A connection inside a plain object (`facebook_channel{pages}`) keeps its `data`.
    if "data" in value and isinstance(value["data"], list):
        return {"data": [_picked(row, fields) for row in value["data"]]}
    answer: dict[str, Any] = {}
    for selected in fields:
        found = value.get(selected.name)
        if isinstance(found, dict) and selected.children is not None:
            found = _picked(found, selected.children)
        elif isinstance(found, list) and selected.children is not None:
            found = [_picked(row, selected.children) if isinstance(row, dict) else row for row in found]
        if found is not None:
            answer[selected.key] = found
    return answer


def _written(fields: Sequence[Selected]) -> str:
    """A selection as text again, for paging links."""
    parts = []
    for selected in fields:
        words = "".join(f".{name}({value})" for name, value in selected.arguments.items())
        alias = f".as({selected.alias})" if selected.alias else ""
        inner = f"{{{_written(selected.children)}}}" if selected.children is not None else ""
        parts.append(selected.name + words + alias + inner)
    return ",".join(parts)


def describe(call: Call, node: Node) -> dict[str, Any]:
    """What `metadata=1` adds to a node."""
    kind = call.schema.types[node.type]
    return {
        "type": kind.name.lower(),
        "fields": [{"name": name, "description": "", "type": "string"} for name in ("id", *kind.fields)],
        "connections": {
            edge.name: f"{call.base_url}/{node.id}/{edge.name}?access_token={call.token.value}"
            for edge in call.schema.edges_of(kind.name)
        },
    }
