"""Reading a list page by page.

The end is the absence of ``paging.next`` and nothing else: short pages and even empty ones come in the middle.  The
``next`` address itself is not followed, because it carries the token; the request is made again with its cursor.
Source: Graph API > Paginated results.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gateway.graph.errors import GraphPagingStuck, GraphTooMuchData
from gateway.graph.wire import unclear

# What moves a list on, in the styles of paging that Meta has; everything else of an address stays as first asked.
_MOVERS = ("after", "offset", "since", "until", "__paging_token")
_DEFAULT_LIMIT = 25


@dataclass(frozen=True, slots=True)
class GraphPage:
    """One page.  ``after`` is the cursor of the next page and None on the last; do not keep it, it goes stale."""

    data: list[dict[str, Any]]
    after: str | None
    summary: dict[str, Any] | None = None


async def read_pages(
    get: Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]],
    params: Mapping[str, Any],
    *,
    limit: int | None,
    max_pages: int,
) -> AsyncIterator[GraphPage]:
    """Pages of the list that *get* asks for.

    A page that is too much for Meta is asked for again at half its size.

    Raises:
        GraphPagingStuck: the same cursor came twice, or there are more than *max_pages* pages.
    """
    asked: dict[str, Any] = dict(params)
    seen: set[str] = set()
    for _ in range(max_pages):
        while True:
            try:
                body = await get({**asked, "limit": limit})
                break
            except GraphTooMuchData:
                limit = (limit or _DEFAULT_LIMIT) // 2
                if not limit:
                    raise
        data = body.get("data")
        if not isinstance(data, list):
            raise unclear("Meta answered a list without its rows", write=False)
        paging = body.get("paging")
        moves = _moves(paging) if isinstance(paging, Mapping) else {}
        yield GraphPage(data, moves.get("after"), body.get("summary"))
        if not moves:
            return
        mark = repr(sorted(moves.items()))
        if mark in seen:
            raise GraphPagingStuck("Meta handed out the same cursor twice")
        seen.add(mark)
        asked.update(moves)
    raise GraphPagingStuck(f"the list has more than {max_pages} pages")


def _moves(paging: Mapping[str, Any]) -> dict[str, str]:
    """The parameters that ask for the next page; empty when there is none."""
    following = paging.get("next")
    if not isinstance(following, str) or not following:
        return {}
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, Mapping) else None
    if isinstance(after, str) and after:
        return {"after": after}
    query = parse_qs(urlsplit(following).query)
    moves = {name: query[name][0] for name in _MOVERS if name in query}
    if not moves:
        raise GraphPagingStuck("Meta announced another page without saying how to ask for it")
    return moves
