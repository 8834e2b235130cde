"""Scopes, declared once where a field is declared, enforced there and visible in the SDL.

A root field without ``needs`` does not exist: ``tests/test_contract.py`` looks at every one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from gateway.access.models import Scope


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="requiresScope",
    description="The scope that a caller's key must hold to use this field.",
)
class RequiresScope:
    scope: str = strawberry.directive_field(name="scope")


class Needs(FieldExtension):
    """Refuses callers whose key does not hold the scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def apply(self, field: StrawberryField) -> None:
        field.directives = [*field.directives, RequiresScope(scope=self.scope.value)]

    def resolve(self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        info.context.caller.require(self.scope)
        return next_(source, info, **kwargs)

    async def resolve_async(self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        info.context.caller.require(self.scope)
        result = next_(source, info, **kwargs)
        return await result if inspect.isawaitable(result) else result


def needs(scope: Scope) -> Needs:
    """The extension for a field that only holders of *scope* may use."""
    return Needs(scope)
