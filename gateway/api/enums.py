"""Enums of the domains, as the schema shows them: each value with a description, none forgotten."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar, cast

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

E = TypeVar("E", bound=type[Enum])


def expose(enum: E, description: str, **values: str) -> E:
    """Put *enum* into the schema; *values* describes each of its members by name.

    Raises:
        TypeError: a member has no description, or a description no member.
    """
    exposed = strawberry.enum(enum, description=description)
    definition = cast(StrawberryEnumDefinition, exposed.__strawberry_definition__)  # type: ignore[attr-defined]
    if {value.name for value in definition.values} != set(values):
        raise TypeError(f"{enum.__name__}: describe {sorted({v.name for v in definition.values} ^ set(values))}")
    for value in definition.values:
        value.description = values[value.name]
    return exposed
