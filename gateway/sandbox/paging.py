"""Cursor paging by key: a page starts after the last row seen, whatever was inserted or deleted meanwhile.

Source: graph-api.md section 9.  Cursors are opaque; `next` repeats the parameters and the token but never the proof,
and is missing on the last page.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from gateway.sandbox.errors import GraphError, invalid
from gateway.sandbox.params import Params, integer, text
from gateway.sandbox.schema import Call, Node, Rows, Window
from gateway.sandbox.world import World

DEFAULT = 25
_EMPTY_PAGE = "e"
_DROPPED = ("appsecret_proof", "appsecret_time", "after", "before", "batch", "method", "offset")
MOST_OFFSET = 100_000


def encode(key: Sequence[Any], was_empty: bool = False) -> str:
    payload = json.dumps([*key, _EMPTY_PAGE] if was_empty else list(key), separators=(",", ":"))
    return "QVFI" + base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[list[Any], bool]:
    """The key inside a cursor, and whether the page that gave it was an empty one.

    Raises:
        GraphError: it is none of ours.
    """
    try:
        inner = cursor.removeprefix("QVFI")
        key = json.loads(base64.urlsafe_b64decode(inner + "=" * (-len(inner) % 4)))
    except ValueError:
        key = None
    if not cursor.startswith("QVFI") or not isinstance(key, list):
        raise unusable()
    return (key[:-1], True) if key[-1:] == [_EMPTY_PAGE] else (key, False)


def unusable() -> GraphError:
    return invalid("Invalid parameter: the cursor cannot be used")


def read_window(params: Params, largest: int) -> tuple[Window, bool]:
    limit = integer(params, "limit")
    if limit is not None and limit < 1:
        raise invalid("Param limit must be an integer greater than or equal to 1")
    size = min(limit or DEFAULT, largest)
    after, before = text(params, "after"), text(params, "before")
    if after:
        key, was_empty = decode(after)
        return Window(size, after=key), was_empty
    if before:
        key, was_empty = decode(before)
        return Window(size, before=key), was_empty
    return Window(size), False


def page(
    call: Call,
    params: Params,
    path: str,
    largest: int,
    fetch: Callable[[Window], Rows],
    show: Callable[[Node], dict[str, Any]],
    *,
    nested: bool,
) -> dict[str, Any] | None:
    """One page as `{data, paging, summary?}`; None for an empty nested edge, which is left out of its node."""
    window, was_empty = read_window(params, largest)
    asked = window.limit
    if (integer(params, "limit") or 0) > asked:
        call.notes.append(("info", f"The limit of {path} is {asked}; a larger one was lowered to it."))
    if window.after is None and window.before is None and integer(params, "offset"):
        return _by_offset(call, params, path, window, fetch, show, nested=nested)
    if call.world.config.short_pages and window.before is None:
        window = _shortened(call.world, window, was_empty)
    rows = fetch(Window(max(window.limit, 1), window.after, window.before))
    found = rows.found
    more = len(found) > window.limit
    kept = found[-window.limit :] if window.before is not None and more else found[: window.limit]
    answer: dict[str, Any] = {"data": [show(node) for _, node in kept]}
    first, last = (kept[0][0], kept[-1][0]) if kept else (window.after, window.after)
    has_next = bool(kept) if window.before is not None else more
    has_previous = more if window.before is not None else window.after is not None and bool(kept)
    if kept or has_next:
        answer["paging"] = _links(call, params, path, asked, (first, last), (has_previous, has_next), not kept)
    elif nested:
        return None
    summary = text(params, "summary")
    if summary and summary.lower() not in ("false", "0"):
        answer["summary"] = {"total_count": rows.total()}
    return answer


def _by_offset(
    call: Call,
    params: Params,
    path: str,
    window: Window,
    fetch: Callable[[Window], Rows],
    show: Callable[[Node], dict[str, Any]],
    *,
    nested: bool,
) -> dict[str, Any] | None:
    """The older style: so many rows are skipped, the links count on, and there are no cursors."""
    skip = integer(params, "offset") or 0
    if not 0 <= skip <= MOST_OFFSET:
        raise invalid(f"Param offset must be an integer between 0 and {MOST_OFFSET}")
    rows = fetch(Window(skip + window.limit))
    kept = rows.found[skip : skip + window.limit]
    if nested and not kept:
        return None
    answer: dict[str, Any] = {"data": [show(node) for _, node in kept]}
    base = _base(call, params, path, window.limit)
    links = {"previous": f"{base}&offset={max(skip - window.limit, 0)}"}
    if len(rows.found) > skip + window.limit:
        links["next"] = f"{base}&offset={skip + window.limit}"
    if kept:
        answer["paging"] = links
    summary = text(params, "summary")
    if summary and summary.lower() not in ("false", "0"):
        answer["summary"] = {"total_count": rows.total()}
    return answer


def _links(
    call: Call,
    params: Params,
    path: str,
    limit: int,
    ends: tuple[list[Any] | None, list[Any] | None],
    has: tuple[bool, bool],
    is_empty: bool,
) -> dict[str, Any]:
    before, after = (encode(key or [], is_empty) for key in ends)
    base = _base(call, params, path, limit)
    links: dict[str, Any] = {"cursors": {"before": before, "after": after}}
    if has[0]:
        links["previous"] = f"{base}&before={before}"
    if has[1]:
        links["next"] = f"{base}&after={after}"
    return links


def _base(call: Call, params: Params, path: str, limit: int) -> str:
    """The address of an edge with everything that was asked, as `next` and `previous` repeat it."""
    kept = {name: value for name, value in params.items() if name not in _DROPPED and value is not None}
    kept |= {"access_token": call.token.value, "limit": limit}
    plain = {
        name: value if isinstance(value, (str, int)) else json.dumps(value, separators=(",", ":"))
        for name, value in kept.items()
    }
    return f"{call.base_url}/{quote(path, safe='/:')}?{urlencode(plain)}"


def _shortened(world: World, window: Window, was_empty: bool) -> Window:
    """A world with short pages: fewer rows than asked for, now and then none, never twice none in a row."""
    size = world.rng.randint(1 if was_empty else 0, window.limit)
    return Window(size, window.after, window.before)


def keyset(
    world: World,
    sql: str,
    conditions: list[str],
    values: list[Any],
    order: Sequence[tuple[str, bool]],
    window: Window,
    build: Callable[[Any], tuple[list[Any], Node]],
) -> list[tuple[list[Any], Node]]:
    """Rows of *sql* from the window's cursor on; *order* names columns with True for rising."""
    key = window.after or window.before
    backwards = window.before is not None
    where, given = list(conditions), list(values)
    if key:
        if len(key) != len(order) or not all(isinstance(part, (str, int, float)) for part in key):
            raise unusable()
        rising = order[0][1] != backwards
        columns = ", ".join(column for column, _ in order)
        where.append(f"({columns}) {'>' if rising else '<'} ({', '.join('?' * len(order))})")
        given += key
    direction = [f"{column} {'ASC' if rising != backwards else 'DESC'}" for column, rising in order]
    text_sql = f"{sql}{' WHERE ' + ' AND '.join(where) if where else ''} ORDER BY {', '.join(direction)} LIMIT ?"
    found = [build(row) for row in world.db.execute(text_sql, [*given, window.limit + 1])]
    return found[::-1] if backwards else found


def listed(nodes: Sequence[Node], window: Window) -> Rows:
    """Rows of a short list whose ids rise."""
    found = [([node.id], node) for node in nodes]
    for key in (window.after, window.before):
        if key and not (len(key) == 1 and isinstance(key[0], str)):
            raise unusable()
    if window.after:
        found = [row for row in found if row[0] > window.after]
    if window.before:
        found = [row for row in found if row[0] < window.before][-window.limit - 1 :]
    return Rows(found[: window.limit + 1], lambda: len(nodes))
