"""The ``fields`` parameter as data: ``F("id", items=F("id", "quantity").with_(limit=10))``.

    fields   = field { "," field } ;
    field    = name { "." modifier "(" argument ")" } [ "{" fields "}" ] ;

``parse_fields`` and ``print_fields`` are each other's inverse, up to white space and the older spelling
``items.fields(id,price)``.  Nested fields bring a whole page in one call.
Source: Graph API > Field expansion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

_NAME = re.compile(r"[A-Za-z0-9_]+")
_SPACE = re.compile(r"\s*")


class FieldSyntaxError(ValueError):
    """The text is no list of fields, or a modifier's argument could not be read back."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its modifiers in order, and what is asked of the objects behind it."""

    name: str
    modifiers: tuple[tuple[str, str], ...] = ()
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldTree:
    """Fields to ask for.  ``modifiers`` belong to the field that the tree will be put under."""

    fields: tuple[Field, ...] = ()
    modifiers: tuple[tuple[str, str], ...] = ()

    def with_(self, **modifiers: str | int | bool | Sequence[str]) -> FieldTree:
        """The same tree with modifiers (``limit=10``, ``as_="small"``); one given before is replaced."""
        kept = dict(self.modifiers)
        kept.update((name.rstrip("_"), _argument(value)) for name, value in modifiers.items())
        return replace(self, modifiers=tuple(kept.items()))

    def __str__(self) -> str:
        return print_fields(self)


def F(*names: str, **nested: FieldTree) -> FieldTree:
    """A tree of *names* (each may be a whole text, such as ``"picture.width(100)"``) and *nested* fields, in order."""
    plain = tuple(entry for name in names for entry in parse_fields(name).fields)
    below = tuple(Field(_checked_name(name), tree.modifiers, tree.fields) for name, tree in nested.items())
    return FieldTree(plain + below)


def print_fields(tree: FieldTree) -> str:
    """The text that Meta reads.

    Raises:
        FieldSyntaxError: a name or an argument that could not be read back, or modifiers at the root.
    """
    if tree.modifiers:
        raise FieldSyntaxError("modifiers belong to a field; the root of a tree has none")
    return _print(tree.fields)


def _print(fields: tuple[Field, ...]) -> str:
    return ",".join(map(_print_field, fields))


def _print_field(field: Field) -> str:
    parts = [_checked_name(field.name)]
    for name, argument in field.modifiers:
        if name == "fields":
            raise FieldSyntaxError("sub-fields are not a modifier")
        if not _is_balanced(argument):
            raise FieldSyntaxError(f"unbalanced parentheses in the argument of {name!r}")
        parts.append(f".{_checked_name(name)}({argument})")
    if field.fields:
        parts.append("{" + _print(field.fields) + "}")
    return "".join(parts)


def parse_fields(text: str) -> FieldTree:
    """The tree that *text* says; an empty text is an empty tree.

    Raises:
        FieldSyntaxError: names the position.
    """
    parser = _Parser(text)
    if parser.at_end():
        return FieldTree()
    fields = parser.fields()
    if not parser.at_end():
        raise parser.error("a comma or the end")
    return FieldTree(fields)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def fields(self) -> tuple[Field, ...]:
        found = [self._field()]
        while self._take(","):
            found.append(self._field())
        return tuple(found)

    def at_end(self) -> bool:
        self._skip_space()
        return self._at == len(self._text)

    def error(self, expected: str) -> FieldSyntaxError:
        return FieldSyntaxError(f"expected {expected} at character {self._at} of {self._text!r}")

    def _field(self) -> Field:
        name = self._name()
        modifiers: list[tuple[str, str]] = []
        fields: tuple[Field, ...] = ()
        while self._take("."):
            modifier = self._name()
            if not self._take("("):
                raise self.error("an argument in parentheses")
            argument = self._argument()
            if modifier == "fields":
                fields = parse_fields(argument).fields
            else:
                modifiers.append((modifier, argument))
        if self._take("{"):
            fields = self.fields()
            if not self._take("}"):
                raise self.error("a comma or a closing brace")
        return Field(name, tuple(modifiers), fields)

    def _name(self) -> str:
        self._skip_space()
        match = _NAME.match(self._text, self._at)
        if match is None:
            raise self.error("a name")
        self._at = match.end()
        return match.group()

    def _argument(self) -> str:
        """Everything up to the parenthesis that closes the one just read; inner pairs belong to it."""
        start, depth = self._at, 1
        while self._at < len(self._text):
            depth += {"(": 1, ")": -1}.get(self._text[self._at], 0)
            self._at += 1
            if not depth:
                return self._text[start : self._at - 1]
        raise self.error("a closing parenthesis")

    def _take(self, sign: str) -> bool:
        self._skip_space()
        if not self._text.startswith(sign, self._at):
            return False
        self._at += 1
        return True

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise FieldSyntaxError(f"{name!r} is not a name")
    return name


def _is_balanced(argument: str) -> bool:
    depth = 0
    for sign in argument:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def _argument(value: str | int | bool | Sequence[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    return ",".join(value)


def fields_param(fields: str | FieldTree | None) -> Mapping[str, str]:
    """The parameter to send; none when nothing is asked for by name, which means Meta's default fields."""
    text = print_fields(fields) if isinstance(fields, FieldTree) else fields
    return {"fields": text} if text else {}
