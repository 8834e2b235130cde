"""Batch requests: up to 50 operations in one HTTP call, each answered in its own slot.

Source: graph-api.md section 10.  Each operation is an ordinary call: it is logged, counted and met by faults alone.
Operations run in their order, except that one waits for those it depends on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from gateway.sandbox import params
from gateway.sandbox.dispatch import Office, inner_json, perform
from gateway.sandbox.errors import BATCH, GraphError, invalid
from gateway.sandbox.messages import Asked, Reply, etag_of, said_version, split_version
from gateway.sandbox.tokens import Token
from gateway.sandbox.world import World

MOST = 50
_REFERENCE = re.compile(r"\{result=([A-Za-z0-9_-]+):([^}]*)\}")
_STEP = re.compile(r"\.(\*|[A-Za-z_][A-Za-z0-9_]*)|\[(\*|\d+)\]")
_METHODS = ("GET", "POST", "DELETE", "PUT")


@dataclass(frozen=True)
class Operation:
    slot: int
    method: str
    url: str
    body: str
    name: str | None
    needs: frozenset[str]
    omit: bool | None
    etag: str | None
    files: Mapping[str, Any]


def read_operations(asked: Asked) -> list[Operation]:
    """The operations of a batch request.

    Raises:
        GraphError: no list, or too long a list.
    """
    rows = params.structure(asked.params, "batch")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise invalid("Param batch must be an array.")
    if len(rows) > MOST:
        message = f"Too many requests in batch message. Maximum batch size is {MOST}"
        raise GraphError(100, message, type=BATCH)
    return [_operation(slot, row, asked.files) for slot, row in enumerate(rows)]


def _operation(slot: int, row: dict[str, Any], files: Mapping[str, Any]) -> Operation:
    url, body = str(row.get("relative_url") or ""), row.get("body")
    content = body if isinstance(body, str) else ""
    needs = {match[1] for match in _REFERENCE.finditer(unquote(url) + " " + unquote(content))}
    depends = row.get("depends_on")
    needs |= {str(name) for name in (depends if isinstance(depends, list) else [depends]) if name}
    attached = [name.strip() for name in str(row.get("attached_files") or "").split(",") if name.strip()]
    omit = row.get("omit_response_on_success")
    return Operation(
        slot=slot,
        method=str(row.get("method") or "GET").upper(),
        url=url,
        body=content,
        name=None if row.get("name") is None else str(row["name"]),
        needs=frozenset(needs),
        omit=None if omit is None else str(omit).lower() in ("true", "1"),
        etag=_header(row.get("headers"), "if-none-match"),
        files={name: files[name] for name in attached if name in files},
    )


def _header(headers: Any, wanted: str) -> str | None:
    for header in headers if isinstance(headers, list) else []:
        if isinstance(header, dict):
            name, value = str(header.get("name", "")), str(header.get("value", ""))
        else:
            name, _, value = str(header).partition(":")
        if name.strip().lower() == wanted:
            return value.strip()
    return None


async def run(office: Office, asked: Asked, request: int, world: World, token: Token) -> Reply:
    """All slots, in the order of the operations."""
    operations = read_operations(asked)
    with_headers = params.boolean(asked.params, "include_headers", True)
    needed = {name for operation in operations for name in operation.needs}
    done: dict[str, Reply] = {}
    slots: list[dict[str, Any] | None] = [None] * len(operations)
    waiting = operations
    while waiting:
        ready = [operation for operation in waiting if operation.needs <= done.keys()]
        stuck = not ready
        # A name nobody has, or a circle: what is left cannot run.
        for operation in waiting if stuck else ready:
            reply = _not_executed(office) if stuck else await _one(office, asked, request, token, operation, done)
            if operation.name is not None:
                done[operation.name] = reply
            omitted = operation.omit if operation.omit is not None else operation.name in needed
            if not (omitted and reply.status == 200):
                slots[operation.slot] = _slot(reply, with_headers)
        waiting = [] if stuck else [operation for operation in waiting if operation not in ready]
    headers = world.usage.headers(world.settings.app_id, (), world.now())
    return Reply(200, slots, office.next_trace(), headers, effect=False)


async def _one(
    office: Office, outer: Asked, request: int, token: Token, operation: Operation, done: Mapping[str, Reply]
) -> Reply:
    if any(done[name].status != 200 for name in operation.needs):
        return _not_executed(office)
    try:
        inner = _asked(outer, operation, done)
    except GraphError as error:
        trace = office.next_trace()
        return Reply(error.http_status, error.body(trace), trace)
    reply = await perform(office, inner, request, slot=operation.slot, inherited=token.value)
    if inner.method == "GET" and reply.status == 200 and reply.raw is None:
        tag = etag_of(inner_json(reply).encode())
        reply.headers["ETag"] = tag
        if operation.etag is not None and tag in operation.etag:
            reply.status = 304
    return reply


def _asked(outer: Asked, operation: Operation, done: Mapping[str, Reply]) -> Asked:
    url = _resolved(operation.url, done, in_query=False)
    path, _, query = url.lstrip("/").partition("?")
    version, segments = split_version(unquote(path), outer.version)
    pairs = parse_qsl(query, keep_blank_values=True)
    if operation.method in ("POST", "PUT"):
        pairs += parse_qsl(_resolved(operation.body, done, in_query=True), keep_blank_values=True)
    given = params.merge(pairs)
    if "batch" in given:
        raise GraphError(100, "Batch requests cannot be nested.", type=BATCH)
    method = str(given.pop("method", operation.method)).upper()
    if method not in _METHODS:
        raise invalid(f"Unsupported method: {method}")
    return Asked(
        method="POST" if method == "PUT" else method,
        segments=segments,
        version=version,
        base_url=outer.base_url.rsplit("/", 1)[0] + "/" + version,
        params=given,
        files=operation.files,
        body_size=len(operation.body),
        if_none_match=operation.etag,
        said=said_version(unquote(path)) or outer.said,
        world=outer.world,
    )


def _resolved(source: str, done: Mapping[str, Reply], *, in_query: bool) -> str:
    """The text with `{result=name:$.path}` replaced by what the named operation answered."""
    plain = unquote(source) if "%7Bresult%3D" in source or "%7bresult%3d" in source.lower() else source

    def value(match: re.Match[str]) -> str:
        hits = select(done[match[1]].body, match[2])
        joined = ",".join(str(hit) for hit in hits)
        return quote(joined, safe=",") if in_query else joined

    return _REFERENCE.sub(value, plain)


def select(body: Any, path: str) -> list[Any]:
    """The hits of a simple JSONPath (names, `*`, indexes).

    Raises:
        GraphError: filters, scripts, or anything else beyond that.
    """
    if not path.startswith("$") or _STEP.sub("", path[1:]):
        raise GraphError(100, f"Unsupported JSONPath expression: {path}", type=BATCH)
    hits = [body]
    for match in _STEP.finditer(path[1:]):
        name = match[1] if match[1] is not None else match[2]
        found: list[Any] = []
        for hit in hits:
            if name == "*":
                found += hit if isinstance(hit, list) else list(hit.values()) if isinstance(hit, dict) else []
            elif isinstance(hit, list) and name.isdigit() and int(name) < len(hit):
                found.append(hit[int(name)])
            elif isinstance(hit, dict) and name in hit:
                found.append(hit[name])
        hits = found
    return hits


def _not_executed(office: Office) -> Reply:
    trace = office.next_trace()
    error = GraphError(100, "Dependent operation failed, so this operation was not executed.", type=BATCH)
    return Reply(400, error.body(trace), trace)


def _slot(reply: Reply, with_headers: bool) -> dict[str, Any]:
    slot: dict[str, Any] = {"code": reply.status}
    if with_headers:
        headers = {"Content-Type": "text/javascript; charset=UTF-8", **reply.headers}
        slot["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
    if reply.status != 304:
        slot["body"] = inner_json(reply)
    return slot
