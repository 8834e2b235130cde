"""Relay connections over keysets.

A cursor holds the sort values of a row and a hash of the filter, so it survives rows that come and go, and is refused
when it is used with another filter.  ``totalCount`` is counted only when it is asked for.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
import strawberry

from gateway.db import PageRequest, Slice
from gateway.errors import InvalidInput
from gateway.kit.digest import digest_of

N = TypeVar("N")
R = TypeVar("R")

MAX_FIRST = 100
# The arguments that every connection field takes.
FIRST = strawberry.argument(description="How many entries: 1 to 100, 20 by default.")
AFTER = strawberry.argument(description="The `endCursor` of the page before.")
DEFAULT_FIRST = 20


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows after `endCursor`.")
    has_previous_page: bool = strawberry.field(description="Whether this page was asked for with `after`.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first entry of this page.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last entry of this page.")


@strawberry.type(description="An entry of a list and its cursor.")
class Edge(Generic[N]):
    cursor: str = strawberry.field(description="Give it as `after` to go on behind this entry.")
    node: N = strawberry.field(description="The entry itself.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[N]):
    edges: list[Edge[N]] = strawberry.field(description="The entries of this page with their cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")
    counter: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="The entries of this page, without cursors.")
    def nodes(self) -> list[N]:
        return [edge.node for edge in self.edges]

    @strawberry.field(description="How many entries the whole list has; counted when asked for.")
    async def total_count(self) -> int:
        return await self.counter()


def page_request(first: int | None, after: str | None, filter_: Any) -> PageRequest:
    """The page that the arguments ask for.

    Raises:
        InvalidInput: *first* is out of bounds, or *after* is no cursor of this list.
    """
    size = DEFAULT_FIRST if first is None else first
    if not 1 <= size <= MAX_FIRST:
        raise InvalidInput(
            f"first is {size}; 1 to {MAX_FIRST} are allowed",
            field=("first",),
            fix="Ask for fewer, and follow pageInfo.endCursor.",
        )
    return PageRequest(size, None if after is None else _decode(after, filter_))


def connection(
    page: PageRequest,
    rows: Slice[R],
    *,
    node: Callable[[R], N],
    keys: Callable[[R], Sequence[Any]],
    filter_: Any,
    total: Callable[[], Awaitable[int]],
) -> Connection[N]:
    """A slice of rows as a connection; *keys* gives a row's sort values."""
    mark = _mark(filter_)
    edges = [Edge(cursor=_encode(keys(row), mark), node=node(row)) for row in rows.rows]
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=rows.has_next,
            has_previous_page=page.after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        counter=total,
    )


def _mark(filter_: Any) -> str:
    return digest_of(filter_)[:8]


def _encode(keys: Sequence[Any], mark: str) -> str:
    values = [{"t": key.isoformat()} if isinstance(key, datetime) else key for key in keys]
    return base64.urlsafe_b64encode(orjson.dumps([mark, *values])).decode().rstrip("=")


def _decode(cursor: str, filter_: Any) -> tuple[Any, ...]:
    try:
        mark, *values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        keys = tuple(datetime.fromisoformat(value["t"]) if isinstance(value, dict) else value for value in values)
    except (ValueError, binascii.Error, KeyError, TypeError) as exc:
        raise _bad_cursor("is no cursor") from exc
    if mark != _mark(filter_) or not keys:
        raise _bad_cursor("is a cursor of another list or filter")
    return keys


def _bad_cursor(what: str) -> InvalidInput:
    return InvalidInput(f"after {what}", field=("after",), fix="Start again without after, then follow endCursor.")
