"""``Node``: every object that matters has an opaque id, and can be read again by it."""

from __future__ import annotations

import strawberry

from gateway.kit.ids import node_id


@strawberry.interface(description="An object with a global id.")
class Node:
    key: strawberry.Private[str]

    @strawberry.field(description="Opaque and stable; read the object again with `node(id:)`.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(node_id(type(self).__name__, self.key))
