"""What goes into the Graph dispatcher and what comes out, free of HTTP."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox.errors import unknown_path
from gateway.sandbox.params import Params

OLDEST, NEWEST = 23, 26
JSON_TYPE = "application/json; charset=UTF-8"
_PAST = {f"v2.{minor}" for minor in range(13)} | {f"v3.{minor}" for minor in range(4)} | {"v1.0"}
_PAST |= {f"v{major}.0" for major in range(4, OLDEST)}


@dataclass(frozen=True)
class Asked:
    """One Graph call as it was sent."""

    method: str
    segments: tuple[str, ...]
    version: str
    base_url: str
    params: Params
    files: Mapping[str, Any] = field(default_factory=dict)
    body_size: int = 0
    header_token: str | None = None
    if_none_match: str | None = None
    said: str | None = None
    """The version in the path as it was sent; None where there was none."""
    world: str | None = None
    """The world an app token means, of the header `X-Sandbox-World`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    """The raw body of an upload."""

    @property
    def path(self) -> str:
        return "/" + "/".join(self.segments)


@dataclass
class Reply:
    status: int
    body: Any
    trace: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    effect: bool = False
    raw: bytes | None = None
    """Bytes that replace the body: a scripted fault at work."""
    content_type: str = JSON_TYPE

    def payload(self, pretty: bool = False) -> bytes:
        if self.raw is not None:
            return self.raw
        return dump(self.body, pretty).encode()


def dump(body: Any, pretty: bool = False) -> str:
    """JSON as Meta writes it: `/` and everything beyond ASCII escaped."""
    shape: dict[str, Any] = {"indent": 3} if pretty else {"separators": (",", ":")}
    return json.dumps(body, **shape).replace("/", "\\/")


def etag_of(content: bytes) -> str:
    return f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'


def said_version(path: str) -> str | None:
    """The version that *path* names, served or not."""
    first = path.lstrip("/").partition("/")[0]
    return first if first[:1] == "v" and first[1:2].isdigit() else None


def split_version(path: str, default: str) -> tuple[str, tuple[str, ...]]:
    """The version that serves *path*, and its segments without empty ones.

    Versions that ended are served by the oldest living one, as are calls without a version.

    Raises:
        GraphError: a version that never was.
    """
    segments = tuple(segment for segment in path.split("/") if segment)
    if not segments or not (segments[0][:1] == "v" and segments[0][1:2].isdigit()):
        return default, segments
    asked, rest = segments[0], segments[1:]
    if asked in {f"v{major}.0" for major in range(OLDEST, NEWEST + 1)}:
        return asked, rest
    if asked in _PAST:
        return f"v{OLDEST}.0", rest
    raise unknown_path("/".join(segments))
