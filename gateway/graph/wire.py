"""How a call looks on the wire, and how an answer is judged.

All of Meta's parameters are one flat namespace; a nested value travels as JSON text.  A call is judged by its body
first and by its status second: errors hide in 200, and a proxy's HTML carries any status.
Source: Graph API > Overview (request encodings), Handle errors; the requests Meta's own SDK makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from gateway.graph.errors import (
    GraphError,
    GraphRejected,
    GraphThrottled,
    GraphTransient,
    GraphUnclear,
    error_from_envelope,
    throttle_wait_s,
)

# A batch's reference to an earlier answer must reach Meta with its braces.
_REFERENCE = re.compile(r"(\{result=[^{}]*\})")
_SAFE_IN_PATH = ":=,@~+"


def encode_value(value: Any) -> str:
    """One parameter as text: texts as they are, numbers and booleans in JSON's spelling, the rest as JSON."""
    if isinstance(value, str):
        return str(value)
    return orjson.dumps(value).decode()


def encode_params(params: Mapping[str, Any] | None) -> dict[str, str]:
    """All given parameters as texts; None means "not given"."""
    return {key: encode_value(value) for key, value in (params or {}).items() if value is not None}


def encode_form(params: Mapping[str, str]) -> str:
    """Percent-encoded ``a=b&c=d``, for a query or a form body."""
    return urlencode(params, quote_via=quote, safe="")


def encode_path(path: str) -> str:
    """*path* without empty segments, safe to stand in a URL whatever an id contains.

    Raises:
        ValueError: a segment would climb out of the path, or nothing is left of it where something must be.
    """
    segments = [segment for segment in path.split("/") if segment]
    if any(segment in (".", "..") for segment in segments):
        raise ValueError("a Graph path cannot contain dot segments")
    return "/".join(quote(segment, safe=_SAFE_IN_PATH) for segment in segments)


def encode_batched(path: str, params: Mapping[str, str]) -> tuple[str, str]:
    """The path and the form of a call inside a batch; references to other calls stay as they are."""
    safe_path = "".join(
        part if _REFERENCE.fullmatch(part) else "/".join(quote(each, safe=_SAFE_IN_PATH) for each in part.split("/"))
        for part in _REFERENCE.split(path.strip("/"))
    )
    if any(segment in (".", "..") for segment in safe_path.split("/")):
        raise ValueError("a Graph path cannot contain dot segments")
    form = "&".join(
        f"{quote(key, safe='')}="
        + "".join(
            part if _REFERENCE.fullmatch(part) else quote(part, safe="") for part in _REFERENCE.split(value) if part
        )
        for key, value in params.items()
    )
    return safe_path, form


def refers(*texts: str) -> bool:
    """Whether one of *texts* refers to the answer of another call of its batch."""
    return any(_REFERENCE.search(text) for text in texts)


def judge(
    content: bytes | str, *, status: int, headers: Mapping[str, str], write: bool, secrets: Iterable[str] = ()
) -> Any:
    """The answer (an object or a list), or the error that it is, raised.

    *headers* has lower-case keys.  The content type is not looked at: Meta sends JSON under several.
    """
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        body = None
    trace_id = headers.get("x-fb-trace-id")
    if isinstance(body, Mapping):
        if body.get("error"):
            raise error_from_envelope(body, status=status, headers=headers, secrets=secrets)
        if body.get("success") is False:
            raise GraphRejected("Meta answered that the call did not succeed", http_status=status, trace_id=trace_id)
        if status >= 500:
            raise GraphTransient("Meta failed without saying why", http_status=status, trace_id=trace_id)
    if isinstance(body, Mapping | list) and status < 300:
        return body
    if status == 429:
        raise GraphThrottled(
            "Too many calls",
            http_status=status,
            trace_id=trace_id,
            retry_after_s=throttle_wait_s(headers, "app"),
        )
    raise unclear(f"Meta gave no readable answer (HTTP {status})", write=write, status=status, trace_id=trace_id)


def unclear(message: str, *, write: bool, status: int | None = None, trace_id: str | None = None) -> GraphError:
    """The error for a call that went out and came back as nothing that can be read."""
    if write:
        return GraphUnclear(message + "; what the call did is unknown", http_status=status, trace_id=trace_id)
    return GraphUnclear(message, http_status=status, trace_id=trace_id, retryable=True, fix="Try again.")
