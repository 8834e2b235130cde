"""How the Graph surface is described: node types, edges, writes and root endpoints, each a small entry in a table.

An endpoint is added by a module under `commerce/` that puts its entries into the `Schema`; routing, selection,
paging, budgets, permissions and idempotency are done once, elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.sandbox.errors import GraphError
from gateway.sandbox.params import Params
from gateway.sandbox.tokens import Token
from gateway.sandbox.world import World


@dataclass(frozen=True)
class Node:
    """A loaded object: *asset* decides who sees it, *meter* is the id its calls are counted under."""

    type: str
    id: str
    doc: Mapping[str, Any]
    asset: str
    meter: str


@dataclass(frozen=True)
class Call:
    """One Graph call, or one operation of a batch request, ready to be carried out."""

    world: World
    schema: Schema
    token: Token
    method: str
    version: str
    base_url: str
    """Scheme, host and version served: paging links start with it."""
    path: str
    params: Params
    files: Mapping[str, Any]
    body_size: int
    now: float
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    script: dict[str, Any] = field(default_factory=dict)
    """What a fault script wants from this call's handler."""
    touched: set[tuple[str, str]] = field(default_factory=set)
    """Budgets the call was counted under: (type, object id)."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """What `debug` tells of the call: (`info` or `warning`, text)."""
    outside: Any = None
    """What `NeedsOutside` brought back, on the second run of a handler."""

    def with_params(self, params: Params) -> Call:
        return replace(self, params=params)


@dataclass(frozen=True)
class When:
    """A time in an answer: rendered in the node's own form, or as Unix seconds on request."""

    at: float
    order_form: bool = False


@dataclass(frozen=True)
class Link:
    """A field that leads to another node: only `id` unless expanded."""

    node: Node | None
    shown: tuple[str, ...] = ("id",)


@dataclass(frozen=True)
class Window:
    limit: int
    after: list[Any] | None = None
    before: list[Any] | None = None


@dataclass(frozen=True)
class Rows:
    """Up to `limit + 1` rows in display order from the window's cursor on, each with its key."""

    found: list[tuple[list[Any], Node]]
    total: Callable[[], int]


Reader = Callable[[Call, Node, Params], Any]


@dataclass(frozen=True)
class NodeType:
    name: str
    load: Callable[[World, str], Node | None]
    fields: Mapping[str, Reader]
    defaults: tuple[str, ...]
    meter: str = "app"
    scope: str | None = None
    reads: tuple[str, ...] = ()
    """Parameters a read of the node knows."""


@dataclass(frozen=True)
class Edge:
    """A readable edge whose rows are nodes."""

    owner: str
    name: str
    target: str
    rows: Callable[[Call, Node, Params, Window], Rows]
    params: tuple[str, ...] = ()
    largest: int = 1000
    scope: str | None = None
    defaults: tuple[str, ...] | None = None
    absent: Callable[[str], GraphError] | None = None


@dataclass(frozen=True)
class PlainEdge:
    """A readable edge whose rows are not nodes: no ids, no paging."""

    owner: str
    name: str
    rows: Callable[[Call, Node, Params], list[dict[str, Any]]]
    params: tuple[str, ...] = ()
    scope: str | None = None


@dataclass(frozen=True)
class Write:
    """A POST or DELETE, on an edge or (with an empty name) on the node itself."""

    method: str
    owner: str
    name: str
    handle: Callable[[Call, Node], Any]
    params: tuple[str, ...] | None = ()
    """Known parameters; None where every name is allowed."""
    scope: str | None = None
    meter: str | None = None
    keyed: bool = False
    withdrawn: bool = False
    absent: Callable[[str], GraphError] | None = None
    own_fields: bool = False
    """`fields` is a parameter of its own here, not what to read back."""


@dataclass(frozen=True)
class Root:
    """An endpoint without a node id."""

    method: str
    name: str
    handle: Callable[[Call], Any]
    params: tuple[str, ...] = ()


@dataclass
class Schema:
    types: dict[str, NodeType] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)
    edges: dict[tuple[str, str], Edge | PlainEdge] = field(default_factory=dict)
    writes: dict[tuple[str, str, str], Write] = field(default_factory=dict)
    roots: dict[tuple[str, str], Root] = field(default_factory=dict)
    aliases: dict[str, Callable[[Call, str], Node | None]] = field(default_factory=dict)
    """Nodes named by `prefix:...`: how each prefix is looked up."""

    def add_type(self, prefix: str, node_type: NodeType) -> None:
        self.types[node_type.name] = node_type
        self.prefixes[prefix] = node_type.name

    def add(self, *entries: Edge | PlainEdge | Write | Root) -> None:
        for entry in entries:
            if isinstance(entry, Write):
                self.writes[entry.method, entry.owner, entry.name] = entry
            elif isinstance(entry, Root):
                self.roots[entry.method, entry.name] = entry
            else:
                self.edges[entry.owner, entry.name] = entry

    def edges_of(self, type_name: str) -> list[Edge | PlainEdge]:
        return [edge for (owner, _), edge in self.edges.items() if owner == type_name]


def doc_field(name: str) -> Reader:
    """A field that stands in the node's document under its own name."""
    return lambda call, node, params: node.doc.get(name)


def doc_fields(names: str) -> dict[str, Reader]:
    return {name: doc_field(name) for name in names.split()}
