"""What reached a world's Graph API, newest last: tests assert on the calls made, and on those not made.

Tokens, proofs and secrets are left out; the number of entries kept is bounded.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from gateway.sandbox.clock import iso_order

KEPT = 50_000
_SECRET = frozenset(
    [
        *"access_token appsecret_proof appsecret_time client_secret input_token fb_exchange_token code batch".split(),
        "password",
    ]
)
_LONGEST = 2_000
_SECRET_IN_TEXT = re.compile(
    r"(access_token|appsecret_proof|client_secret|input_token|fb_exchange_token)(=|%3D)[^&\s\"]*", re.IGNORECASE
)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        cut = value if len(value) <= _LONGEST else value[:_LONGEST] + "..."
        return _SECRET_IN_TEXT.sub(r"\1\2***", cut)
    if isinstance(value, list) and len(value) > 100:
        return [*value[:100], "..."]
    return value


def without_secrets(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _shown(value) for name, value in params.items() if name not in _SECRET}


@dataclass(slots=True)
class Entry:
    """One call; its outcome is filled in when it is known."""

    n: int
    request: int
    at: float
    method: str
    path: str
    params: dict[str, Any]
    in_batch: bool
    slot: int | None
    status: int | None = None
    code: int | None = None
    subcode: int | None = None
    fault: str | None = None
    effect: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "at": iso_order(self.at),
            "method": self.method,
            "path": self.path,
            "params": self.params,
            "status": self.status,
            "code": self.code,
            "subcode": self.subcode,
            "inBatch": self.in_batch,
            "slot": self.slot,
            "fault": self.fault,
            "effect": self.effect,
        }


@dataclass
class CallLog:
    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT))
    count: int = 0

    def open(
        self, request: int, at: float, method: str, path: str, params: Mapping[str, Any], slot: int | None
    ) -> Entry:
        self.count += 1
        shown = without_secrets(params)
        entry = Entry(self.count, request, at, method, path, shown, slot is not None, slot)
        self.entries.append(entry)
        return entry

    def clear(self) -> None:
        self.entries.clear()

    def matching(self, method: str | None, path: str | None, since: int) -> Iterator[Entry]:
        """Entries after number *since*; *path* is a glob over the path without its version."""
        for entry in self.entries:
            if entry.n <= since or (method and entry.method != method.upper()):
                continue
            if path and not fnmatchcase(entry.path, path):
                continue
            yield entry

    def report(self, method: str | None, path: str | None, since: int, limit: int) -> dict[str, Any]:
        found = list(self.matching(method, path, since))
        shown = [entry.as_json() for entry in islice(found, max(len(found) - limit, 0), None)]
        return {"calls": shown, "count": len(found), "httpCalls": len({entry.request for entry in found})}
