"""What is simulated, as a list made from the routes themselves, so that it cannot fall behind them."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sandbox.commerce import build_schema


@dataclass(frozen=True, order=True)
class Route:
    """One endpoint: ``owner`` is the node type that it hangs on (empty at the root); a node itself has no ``edge``."""

    owner: str
    edge: str
    method: str
    withdrawn: bool = False

    @property
    def path(self) -> str:
        node = f"/{{{self.owner}}}" if self.owner else ""
        return f"{node}/{self.edge}" if self.edge else node


def routes() -> list[Route]:
    """Every endpoint, sorted by the node that it hangs on."""
    schema = build_schema()
    found = {Route(name, "", "GET") for name in schema.types}
    found |= {Route(owner, name, "GET") for owner, name in schema.edges}
    found |= {Route(owner, name, method, write.withdrawn) for (method, owner, name), write in schema.writes.items()}
    found |= {Route("", name.strip("/"), method) for method, name in schema.roots}
    return sorted(found)
