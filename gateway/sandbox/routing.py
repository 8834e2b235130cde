"""From a call to the entry of the schema that answers it: node, edge, write, multi-get.

Visibility, permissions, budgets, strict parameters and idempotency keys are enforced here, once for every endpoint.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from gateway.sandbox import ids, params, tokens
from gateway.sandbox.errors import (
    GraphError,
    invalid,
    missing_permission,
    no_active_user,
    throttled,
    unknown_alias,
    unknown_path,
    unsupported,
)
from gateway.sandbox.messages import Reply
from gateway.sandbox.render import describe, requested, show_edge, show_node
from gateway.sandbox.schema import Call, Edge, Node, PlainEdge, Write
from gateway.sandbox.storage import one
from gateway.sandbox.usage import APP, CODES, PAGE_USER, PAGES, USER

KEY_LIFE = 86_400
MOST_IDS = 50
PAGE_KINDS = (tokens.PAGE, tokens.SYSTEM_USER)


def answer(call: Call, segments: tuple[str, ...], trace: str) -> Reply:
    """Carry out one call.

    Raises:
        GraphError: Meta's refusal.
    """
    root = call.schema.roots.get((call.method, "/".join(segments)))
    if root is not None:
        _charge(call, APP, call.world.settings.app_id)
        _check_names(call, root.params)
        return Reply(200, root.handle(call), trace, effect=call.method != "GET")
    if call.method == "GET" and params.given(call.params, "ids") and len(segments) <= 1:
        return Reply(200, _multi_get(call, segments), trace)
    if not segments:
        raise unknown_path("")
    if len(segments) > 2 and (call.method, segments[1]) == ("DELETE", "permissions"):
        # The one path with three parts: a permission is named by the last.
        call, segments = call.with_params(call.params | {"permission": segments[2]}), segments[:2]
    if len(segments) > 2:
        raise unknown_path("/".join(segments[2:]))
    edge_name = segments[1] if len(segments) == 2 else ""
    if call.method == "GET":
        return Reply(200, _read(call, segments[0], edge_name), trace)
    return _write(call, segments[0], edge_name, trace)


def find_node(call: Call, reference: str) -> Node | None:
    """The node behind an id or alias, if this token may see it."""
    world, schema = call.world, call.schema
    if reference == "me":
        if call.token.kind == tokens.APP:
            raise no_active_user()
        own = call.token.object_id
        return schema.types[schema.prefixes[ids.kind_of(own)]].load(world, own)
    if reference in (world.settings.app_id, "app"):
        return schema.types["Application"].load(world, world.settings.app_id)
    if reference.startswith("catalog:"):
        return _visible(call, _item_by_retailer_id(call, reference))
    alias = schema.aliases.get(reference.partition(":")[0])
    if alias is not None:
        return alias(call, reference)
    type_name = schema.prefixes.get(ids.kind_of(reference))
    if type_name is None or ids.world_of(reference) != world.number:
        return None
    return _visible(call, schema.types[type_name].load(world, reference))


def _visible(call: Call, node: Node | None) -> Node | None:
    if node is None or call.token.kind == tokens.APP or call.token.reaches(node.asset):
        return node
    return node if call.token.object_id == node.id else None


def _item_by_retailer_id(call: Call, reference: str) -> Node | None:
    """`catalog:{catalog-id}:{base64url(retailer_id)}`."""
    parts = reference.split(":", 2)
    try:
        inner = parts[2].replace("+", "-").replace("/", "_").rstrip("=")
        retailer_id = base64.urlsafe_b64decode(inner + "=" * (-len(inner) % 4)).decode()
    except (IndexError, ValueError, binascii.Error):
        return None
    sql = "SELECT id FROM items WHERE catalog = ? AND retailer_id = ?"
    row = one(call.world.db, sql, parts[1], retailer_id)
    return None if row is None else call.schema.types["ProductItem"].load(call.world, row["id"])


def _node(call: Call, reference: str, absent: GraphError | None = None) -> Node:
    node = find_node(call, reference)
    if node is not None:
        return node
    _charge(call, APP, call.world.settings.app_id)
    if absent is not None:
        raise absent
    if not reference.isdigit() and ":" not in reference:
        raise unknown_alias(reference)
    raise unsupported(call.method, reference)


def _charge(call: Call, kind: str, object_id: str) -> None:
    if call.outside is not None:
        return  # the second run of one call
    if call.token.kind == tokens.USER and kind in (APP, PAGES):
        # A person's own allowance, not the business's: error 17, and 32 on a Page.
        kind, object_id = (USER, call.token.user_id) if kind == APP else (PAGE_USER, object_id)
    call.touched.add((kind, object_id))
    if not call.world.usage.spend(kind, object_id, call.now):
        raise throttled(CODES[kind])


def _charge_node(call: Call, node: Node, kind: str | None = None) -> None:
    chosen = kind or call.schema.types[node.type].meter
    _charge(call, chosen, call.world.settings.app_id if chosen == APP else node.meter)


def _check_scope(call: Call, scope: str | None) -> None:
    if scope is None:
        return
    if scope.endswith("_orders") and call.token.kind == tokens.USER:
        raise GraphError(210, "(#210) A page access token is required to request this resource.")
    if not call.token.may(scope):
        raise missing_permission(scope)


def _check_names(call: Call, known: tuple[str, ...] | None) -> None:
    if known is None:
        return
    for name in call.params:
        if name not in params.PLATFORM and name not in known:
            if call.world.settings.strict_params:
                raise invalid(f"Unknown parameter {name}")
            call.notes.append(("warning", f"The parameter {name} is not known here and was ignored."))


def _read(call: Call, reference: str, edge_name: str) -> dict[str, Any]:
    if not edge_name:
        node = _node(call, reference)
        _charge_node(call, node)
        _check_names(call, call.schema.types[node.type].reads)
        return _shown_node(call, node)
    absent = _absence(call, reference, edge_name)
    node = _node(call, reference, absent)
    edge = call.schema.edges.get((node.type, edge_name))
    if edge is None:
        _charge_node(call, node)
        raise unknown_path(edge_name)
    _charge_node(call, node)
    return _shown_edge(call, node, edge)


def _shown_node(call: Call, node: Node) -> dict[str, Any]:
    _check_scope(call, call.schema.types[node.type].scope)
    shown = show_node(call, node, requested(call.params))
    if params.boolean(call.params, "metadata", False):
        shown["metadata"] = describe(call, node)
    return shown


def _shown_edge(call: Call, node: Node, edge: Edge | PlainEdge) -> dict[str, Any]:
    _check_scope(call, edge.scope)
    _check_names(call, edge.params)
    shown = show_edge(call, node, edge, call.params, requested(call.params), nested=False)
    assert shown is not None
    return shown


def _absence(call: Call, reference: str, edge_name: str) -> GraphError | None:
    """The error an edge has for an unknown node, where it is not the usual one."""
    entries: list[Edge | PlainEdge | Write] = [e for (_, name), e in call.schema.edges.items() if name == edge_name]
    entries += [w for (_, _, name), w in call.schema.writes.items() if name == edge_name]
    for entry in entries:
        if not isinstance(entry, PlainEdge) and entry.absent is not None:
            return entry.absent(reference)
    return None


def _multi_get(call: Call, segments: tuple[str, ...]) -> dict[str, Any]:
    """`?ids=1,2`, of nodes or of one edge of each; one bad id fails all."""
    wanted = list(dict.fromkeys(params.words(call.params, "ids")))
    if len(wanted) > MOST_IDS:
        raise invalid(f"Too many IDs. Maximum: {MOST_IDS}. Provided: {len(wanted)}.")
    found = {reference: find_node(call, reference) for reference in wanted}
    bad = [reference for reference, node in found.items() if node is None]
    if bad:
        _charge(call, APP, call.world.settings.app_id)
        raise unknown_alias(*bad)
    shown: dict[str, Any] = {}
    inner = call.with_params({name: value for name, value in call.params.items() if name != "ids"})
    for reference, node in found.items():
        assert node is not None
        _charge_node(call, node)
        if not segments:
            shown[reference] = _shown_node(inner, node)
            continue
        edge = call.schema.edges.get((node.type, segments[0]))
        if edge is None:
            raise unknown_path(segments[0])
        shown[reference] = _shown_edge(inner, node, edge)
    return shown


def _write(call: Call, reference: str, edge_name: str, trace: str) -> Reply:
    node = _node(call, reference, _absence(call, reference, edge_name) if edge_name else None)
    write = call.schema.writes.get((call.method, node.type, edge_name))
    withdrawn = write is not None and write.withdrawn and call.world.config.mode == "current-spec"
    _charge_node(call, node, None if write is None else write.meter)
    if write is None or withdrawn:
        raise unsupported(call.method, reference)
    _check_scope(call, write.scope)
    known = write.params
    _check_names(call, (*known, "idempotency_key") if write.keyed and known is not None else known)
    if write.keyed:
        return _keyed(call, write, node, trace)
    done = write.handle(call, node)
    if call.method == "POST" and not write.own_fields and params.given(call.params, "fields"):
        done = _read_back(call, node, edge_name, done)
    return Reply(200, done, trace, effect=True)


def _read_back(call: Call, node: Node, edge_name: str, done: Any) -> Any:
    """`fields` on a write: the fields of the node that was written, beside the answer of the write itself."""
    written = done.get("id") if isinstance(done, dict) else None
    if written is None and not edge_name and isinstance(done, dict):
        written = node.id
    found = find_node(call, str(written)) if written is not None else None
    return done if found is None else done | show_node(call, found, requested(call.params))


def _keyed(call: Call, write: Write, node: Node, trace: str) -> Reply:
    """A write under an idempotency key: the first answer, even an error, is given again for 24 hours."""
    key = params.required_text(call.params, "idempotency_key")
    if len(key) > 100 or not key.replace("-", "").replace("_", "").isalnum():
        raise invalid("Param idempotency_key must be an alphanumeric string of at most 100 characters")
    content = {
        name: _canonical(value)
        for name, value in call.params.items()
        if name not in params.PLATFORM and name != "idempotency_key"
    }
    subject = json.dumps([call.method, node.id, write.name, content], sort_keys=True)
    digest = hashlib.sha256(subject.encode()).hexdigest()
    db = call.world.db
    row = one(db, "SELECT * FROM idempotency WHERE key = ? AND at > ?", key, call.now - KEY_LIFE)
    if row is not None:
        if row["digest"] != digest:
            raise invalid("The parameter idempotency_key was already used with another request")
        return Reply(row["status"], json.loads(row["body"]), trace)
    try:
        with call.world.transaction():
            status, body, failed = 200, write.handle(call, node), False
    except GraphError as error:
        status, body, failed = error.http_status, error.body(trace), True
    db.execute(
        "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)", (key, digest, status, json.dumps(body), call.now)
    )
    return Reply(status, body, trace, effect=not failed)


def _canonical(value: Any) -> Any:
    """Equal however it was encoded: JSON text and native values compare the same."""
    if isinstance(value, str) and value[:1] in "[{" and value:
        try:
            return _canonical(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, dict):
        return {key: _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None else str(value)
