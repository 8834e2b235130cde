"""The `fields` language: names, modifiers, sub-selections.

    field = name { "." modifier "(" argument ")" } [ "{" fields "}" ]

Source: graph-api.md section 7, with the older form `items.fields(id,price)` read as `items{id,price}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway.sandbox.errors import GraphError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_:]*")


@dataclass(frozen=True)
class Selected:
    """One requested field."""

    name: str
    arguments: dict[str, str] = field(default_factory=dict)
    children: tuple[Selected, ...] | None = None
    alias: str | None = None

    @property
    def key(self) -> str:
        return self.alias or self.name


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0

    def skip(self) -> None:
        while self.at < len(self.source) and self.source[self.at].isspace():
            self.at += 1

    def peek(self) -> str:
        self.skip()
        return self.source[self.at] if self.at < len(self.source) else ""

    def fail(self, expected: str) -> GraphError:
        found = f'"{self.source[self.at]}"' if self.at < len(self.source) else "end of string"
        return GraphError(
            2500, f'Syntax error "Expected {expected} instead of {found}." at character {self.at}: {self.source}'
        )

    def name(self) -> str:
        self.skip()
        match = _NAME.match(self.source, self.at)
        if match is None:
            raise self.fail("name")
        self.at = match.end()
        return match[0]

    def argument(self) -> str:
        """Text between balanced parentheses; quotes around the whole of it are dropped."""
        if self.peek() != "(":
            raise self.fail('"("')
        start = self.at + 1
        depth, quoted = 0, False
        while self.at < len(self.source):
            char = self.source[self.at]
            if char == '"':
                quoted = not quoted
            elif not quoted:
                depth += (char == "(") - (char == ")")
                if depth == 0:
                    inner = self.source[start : self.at].strip()
                    self.at += 1
                    whole = len(inner) > 1 and inner[0] == inner[-1] == '"' and '"' not in inner[1:-1]
                    return inner[1:-1] if whole else inner
            self.at += 1
        raise self.fail('")"')

    def fields(self, closing: str) -> tuple[Selected, ...]:
        found: list[Selected] = []
        while True:
            found.append(self.field())
            following = self.peek()
            if following == ",":
                self.at += 1
                if self.peek() == closing:  # a trailing comma is forgiven
                    return tuple(found)
                continue
            if following != closing:
                raise self.fail('"}"' if closing else "end of string")
            return tuple(found)

    def field(self) -> Selected:
        name = self.name()
        arguments: dict[str, str] = {}
        children: tuple[Selected, ...] | None = None
        alias = None
        while self.peek() == ".":
            self.at += 1
            modifier = self.name()
            argument = self.argument()
            if modifier == "fields":
                children = parse_fields(argument)
            elif modifier == "as":
                alias = argument
            else:
                arguments[modifier] = argument
        if self.peek() == "{":
            self.at += 1
            children = self.fields("}")
            self.at += 1
        return Selected(name, arguments, children, alias)


def parse_fields(source: str) -> tuple[Selected, ...]:
    """The selection that *source* asks for.

    Raises:
        GraphError: code 2500 with the position of the first thing that does not fit.
    """
    text = source.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    reader = _Reader(text)
    if not reader.peek():
        return ()
    return reader.fields("")
