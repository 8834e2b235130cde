"""Who calls: a caller, the scopes it holds and the shops it is granted.

Deny by default: a caller sees nothing that a scope and a shop grant do not give it, and a shop outside the grant looks
exactly like one that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import Forbidden


class Scope(StrEnum):
    """What a key may do, by domain."""

    SHOPS_READ = "shops:read"
    CATALOG_READ = "catalog:read"
    CATALOG_WRITE = "catalog:write"
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    SYNC_READ = "sync:read"
    SYNC_WRITE = "sync:write"
    COMMANDS_READ = "commands:read"
    KEYS_WRITE = "keys:write"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.  ``shops`` is ``None`` for a key that is granted every shop."""

    id: str
    name: str
    scopes: frozenset[Scope]
    shops: frozenset[str] | None

    @classmethod
    def system(cls) -> Caller:
        """The gateway itself: workers and the command line on the machine."""
        return cls("system", "gateway", ALL_SCOPES, None)

    def may_see(self, shop_id: str) -> bool:
        return self.shops is None or shop_id in self.shops

    def require(self, scope: Scope) -> None:
        """Raises:
        Forbidden: the key does not hold *scope*.
        """
        if scope not in self.scopes:
            raise Forbidden(
                f"this needs the scope {scope.value}",
                fix=f"Use a key with it; `commerce-gateway keys create --scope {scope.value}` makes one.",
            )
