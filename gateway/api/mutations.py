"""The one way a mutation is declared: its scope, its payload, and errors as data."""

from __future__ import annotations

from typing import Any

import strawberry

from gateway.access.models import Scope
from gateway.api.access import needs
from gateway.api.errors import AsUserErrors, UserError


@strawberry.interface(description="What every mutation returns beside its objects.")
class Payload:
    user_errors: list[UserError] = strawberry.field(
        description="What was not done, and why; empty when all was done.", default_factory=list
    )


def mutation(payload: type[Any], scope: Scope, description: str) -> Any:
    """``strawberry.mutation`` for a resolver that returns *payload* and may raise domain errors."""
    return strawberry.mutation(
        description=f"{description} Needs the scope `{scope.value}`.",
        extensions=[AsUserErrors(payload), needs(scope)],
    )


def root_field(scope: Scope, description: str) -> Any:
    """``strawberry.field`` for a root query field."""
    return strawberry.field(description=f"{description} Needs the scope `{scope.value}`.", extensions=[needs(scope)])
